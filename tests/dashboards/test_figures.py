"""Figures are pure: what is in the frame is what is drawn, nulls are gaps, zero is not nothing."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from dashboards.figures.blank import blank
from dashboards.figures.clinics import control_chart, funnel
from dashboards.figures.intervals import Panel, interval_panels
from dashboards.figures.operations import lag_bars, throughput
from dashboards.figures.patient import story
from dashboards.figures.trajectory import trajectory
from dashboards.theme import LIGHT
from tests.dashboards.small_lake import control_charts, frame, funnels, patients
from transforms.schemas import MART_TABLES

PANEL = Panel("Rate", "rate", "low", "high", "text", "per 100")


def visits(**columns) -> pl.DataFrame:
    rows = {"series": ["all"] * 4, "visit": ["Week 4", "End of course", "Baseline", "Month 3"],
            "visit_day": [29, None, 1, 92], "n_evaluable": [5, 4, 7, 0], "estimate": [4.0, 3.5, 6.0, None],
            "ci_lower": [3.0, 3.0, 5.0, None], "ci_upper": [5.5, 4.0, 7.0, None]}  # fmt: skip
    return pl.DataFrame(rows | columns)


def test_trajectory_follows_the_calendar():
    """Visits stand by day, one without a day last and apart; a missing mean is a gap; each tick says its n."""
    figure = trajectory(visits(), of=LIGHT, axis_title="mean")
    line, apart = figure.data
    assert list(line.x) == [0, 1, 2]
    assert list(line.y) == [6.0, 4.0, None]
    assert line.connectgaps is False
    assert (list(apart.x), list(apart.y), apart.mode) == ([3], [3.5], "markers")
    assert list(figure.layout.xaxis.ticktext) == [
        "Baseline<br>n 7",
        "Week 4<br>n 5",
        "Month 3<br>n 0",
        "End of course<br>n 4",
    ]


def test_two_patients_do_not_set_the_axis():
    """The limits of a visit with fewer than 5 patients may leave the axis; its mean, and everyone else's, do not."""
    wide = visits(n_evaluable=[50, 2, 60, 0], ci_lower=[3.0, -60.0, 5.0, None], ci_upper=[5.5, 67.0, 7.0, None])
    low, high = trajectory(wide, of=LIGHT, axis_title="mean").layout.yaxis.range
    assert low == 0
    assert 7.0 < high < 8.0
    assert trajectory(wide, of=LIGHT, axis_title="mean", is_from_zero=False).layout.yaxis.range[0] < 3.0


def test_trajectory_limits_are_the_frames():
    """Error bars reach the limits on both sides: 4 - 3 = 1 down, 5.5 - 4 = 1.5 up."""
    line = trajectory(visits(), of=LIGHT, axis_title="mean").data[0]
    assert (line.error_y.arrayminus[1], line.error_y.array[1]) == (1.0, 1.5)


def test_trajectory_of_two_series_does_not_rely_on_colour():
    """Two lines differ in shape and dash, stand side by side, and both n are on the tick."""
    two = pl.concat([visits(), visits(series=["b"] * 4)])
    figure = trajectory(two, of=LIGHT, axis_title="mean")
    first, second = (t for t in figure.data if t.mode == "lines+markers")
    assert first.marker.symbol != second.marker.symbol
    assert first.line.dash != second.line.dash
    assert first.x[0] != second.x[0]
    assert figure.layout.xaxis.ticktext[0] == "Baseline<br>n 7 · 7"
    assert figure.layout.showlegend


def test_regression_to_the_mean_is_a_line():
    """The expected level, where it is given, is drawn."""
    figure = trajectory(visits(), of=LIGHT, axis_title="mean", expected=5.2)
    assert [s.y0 for s in figure.layout.shapes] == [5.2]
    assert not trajectory(visits(), of=LIGHT, axis_title="mean").layout.shapes


def rates(**columns) -> pl.DataFrame:
    rows = {"label": ["A", "B", "C"], "rate": [2.0, 0.0, None], "low": [1.0, 0.0, None], "high": [4.0, 3.7, None],
            "text": ["2 / 100", "0 / 80", "suppressed"]}  # fmt: skip
    return pl.DataFrame(rows | columns)


def test_no_event_is_hollow_and_has_its_upper_limit():
    """0 of 80 is drawn hollow with a bar up to 3.7; never a bare 0."""
    marks = interval_panels(rates(), panels=(PANEL,), of=LIGHT).data[0]
    assert list(marks.marker.symbol) == ["circle", "circle-open"]
    assert marks.error_x.array[1] == 3.7


def test_counts_stand_beside_every_row():
    """Numerator and denominator are text of the figure, also where nothing can be drawn; rows keep their order."""
    figure = interval_panels(rates(), panels=(PANEL,), of=LIGHT)
    assert [a.text for a in figure.layout.annotations] == ["<b>Rate</b>", "2 / 100", "0 / 80", "suppressed"]
    assert list(figure.layout.yaxis.ticktext) == ["A", "B", "C"]
    assert [a.y for a in figure.layout.annotations[1:]] == [0, -1, -2]
    assert len(figure.data[0].x) == 2


def test_panels_share_rows():
    """Three denominators side by side: one row of each, in line."""
    figure = interval_panels(rates(), panels=(PANEL,) * 3, of=LIGHT)
    assert len({tuple(t.y) for t in figure.data}) == 1
    domains = [figure.layout[f"xaxis{k}"].domain for k in ("", 2, 3)]
    assert domains[0][1] < domains[1][0] < domains[1][1] < domains[2][0]


def test_the_reference_is_always_in_sight():
    """A forest's axis holds 0 also where all intervals lie on one side."""
    panel = Panel("", "rate", "low", "high", "text", "difference", reference=0, at_zero=False)
    figure = interval_panels(rates().head(1), panels=(panel,), of=LIGHT)
    low, high = figure.layout.xaxis.range
    assert low < 0 < 4 < high
    assert [(s.x0, s.x1) for s in figure.layout.shapes] == [(0, 0)]


def test_funnel_marks_without_ranking():
    """Clinics outside a limit have their own shape and name; each clinic is drawn once."""
    rows = frame(MART_TABLES["clinic_funnel"], funnels()).with_columns(label="clinic_id", name="clinic_id")
    figure = funnel(rows, of=LIGHT, axis_title="proportion", denominator_title="patients")
    within, outside = (t for t in figure.data if t.mode == "markers+text")
    assert (list(within.text), list(outside.text)) == (["C1", "C2"], ["C3"])
    assert within.marker.symbol != outside.marker.symbol


def test_funnel_prefers_limits_that_know_overdispersion():
    """Where limits for over-dispersion are given they are the ones drawn."""
    rows = frame(MART_TABLES["clinic_funnel"], [r | {"upper_95_od": 0.9, "lower_95_od": 0.0, "upper_998_od": 0.95,
                                                     "lower_998_od": 0.0} for r in funnels()])  # fmt: skip
    figure = funnel(
        rows.with_columns(label="clinic_id", name="clinic_id"), of=LIGHT, axis_title="", denominator_title=""
    )
    assert 0.9 in [y for t in figure.data if t.mode == "lines" for y in t.y]


def test_control_chart_names_its_signals():
    """The one point outside has its own shape, and its hover says why."""
    figure = control_chart(frame(MART_TABLES["control_charts"], control_charts()), of=LIGHT, axis_title="rate")
    points = figure.data[-1]
    assert [k for k, s in enumerate(points.marker.symbol) if s == "diamond"] == [9]
    assert "outside the limits" in points.customdata[9]


def patient_frames(**without) -> list[pl.DataFrame]:
    rows = {k: v for k, v in patients().items() if k in ("adex", "adqs", "adact", "adae")} | without
    return [frame(MART_TABLES[name], rows[name]) for name in ("adex", "adqs", "adact", "adae")]


def test_story_shares_one_axis():
    """Four bands over one time axis; an ongoing event ends in an arrow at the data cut; an unknown onset is out."""
    until = datetime(2026, 6, 1, tzinfo=UTC)
    figure = story(*patient_frames(), of=LIGHT, until=until)
    assert {figure.layout[f"xaxis{k}"].matches for k in ("", 2, 3)} == {"x4"}
    events = [t for t in figure.data if t.yaxis == "y4"]
    assert [t.x[1] for t in events] == [until]
    assert events[0].marker.symbol == ("star", "triangle-right")


def test_story_guesses_no_end():
    """An event that has ended nobody knows when is its onset alone."""
    event = patients()["adae"][0] | {"AEOUT": "resolved"}
    figure = story(*patient_frames(adae=[event]), of=LIGHT, until=datetime(2026, 6, 1, tzinfo=UTC))
    (drawn,) = (t for t in figure.data if t.yaxis == "y4")
    assert drawn.x[0] == drawn.x[1]


def test_story_of_nobody_says_so():
    """Empty bands say what is missing and stay dates."""
    figure = story(*patient_frames(adex=[], adqs=[], adact=[], adae=[]), of=LIGHT, until=None)
    said = [a.text for a in figure.layout.annotations]
    assert {"no session", "no pain score", "no week of steps"} <= set(said)
    assert {figure.layout[f"xaxis{k}"].type for k in ("", 2, 3, 4)} == {"date"}
    assert {t.yaxis for t in figure.data} == {"y", "y2", "y3", "y4"}


def test_throughput_and_lag():
    """Bars are the frame's numbers; a topic's partitions are stacked."""
    rows = pl.DataFrame({"bucket": [date(2026, 1, 1)], "events_per_s": [9.0], "rejects_per_s": [1.0]})
    assert [list(t.y) for t in throughput(rows, of=LIGHT).data] == [[9.0], [1.0]]
    waiting = pl.DataFrame({"kafka_topic": ["a", "a", "b"], "kafka_partition": [0, 1, 0], "lag": [5, 6, 1]})
    figure = lag_bars(waiting, of=LIGHT)
    assert [dict(zip(t.y, t.x, strict=True)) for t in figure.data] == [{"b": 1, "a": 5}, {"b": None, "a": 6}]


@pytest.mark.parametrize("sentence", ["No data yet.", "x " * 200])
def test_blank_says_why(sentence):
    """An empty chart is a sentence, wrapped, without axes."""
    figure = blank(sentence, of=LIGHT)
    assert figure.layout.annotations[0].text.replace("<br>", " ") == sentence.strip()
    assert figure.layout.xaxis.visible is False
