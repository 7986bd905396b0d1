"""Figures are pure: what is in the frame is what is drawn, nulls are gaps, zero is not nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from dashboards.figures.bands import responder_curves
from dashboards.figures.blank import blank
from dashboards.figures.clinics import control_chart, funnel
from dashboards.figures.dose import dose_response
from dashboards.figures.intervals import Panel, interval_panels
from dashboards.figures.operations import lag_bars, throughput
from dashboards.figures.patient import story
from dashboards.figures.severity import grade_bars
from dashboards.figures.survival import at_risk, survival, ticks_of
from dashboards.figures.trajectory import trajectory
from dashboards.theme import LIGHT
from tests.dashboards.rows import frame, stratum
from tests.dashboards.small_lake import control_charts, funnels, patients
from tests.dashboards.small_summaries import STEPS, curve, doses
from tests.dashboards.small_summaries import responder_curves as responder_curve_rows
from transforms.schemas import MART_TABLES

PANEL = Panel("Rate", "rate", "low", "high", "text", "per 100")


def visits(**columns) -> pl.DataFrame:
    rows = {
        "series": ["all"] * 4,
        "visit": ["Week 4", "End of course", "Baseline", "Month 3"],
        "visit_day": [29, None, 1, 92],
        "n_evaluable": [5, 4, 7, 0],
        "estimate": [4.0, 3.5, 6.0, None],
        "ci_lower": [3.0, 3.0, 5.0, None],
        "ci_upper": [5.5, 4.0, 7.0, None],
    }
    return pl.DataFrame(rows | columns)


def test_trajectory_follows_the_calendar():
    """Visits stand by day, one without a day last and apart; a missing mean is a gap; each tick
    says its n.
    """
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
        "End of<br>course<br>n 4",
    ]


def test_two_patients_do_not_set_the_axis():
    """The limits of a visit with fewer than 5 patients may leave the axis; its mean, and everyone
    else's, do not.
    """
    wide = visits(
        n_evaluable=[50, 2, 60, 0],
        ci_lower=[3.0, -60.0, 5.0, None],
        ci_upper=[5.5, 67.0, 7.0, None],
    )
    low, high = trajectory(wide, of=LIGHT, axis_title="mean").layout.yaxis.range
    assert low == 0
    assert 7.0 < high < 8.0
    assert (
        trajectory(wide, of=LIGHT, axis_title="mean", is_from_zero=False).layout.yaxis.range[0]
        < 3.0
    )


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
    rows = {
        "label": ["A", "B", "C"],
        "rate": [2.0, 0.0, None],
        "low": [1.0, 0.0, None],
        "high": [4.0, 3.7, None],
        "text": ["2 / 100", "0 / 80", "suppressed"],
    }
    return pl.DataFrame(rows | columns)


def test_no_event_is_hollow_and_has_its_upper_limit():
    """0 of 80 is drawn hollow with a bar up to 3.7; never a bare 0."""
    marks = interval_panels(rates(), panels=(PANEL,), of=LIGHT).data[0]
    assert list(marks.marker.symbol) == ["circle", "circle-open"]
    assert marks.error_x.array[1] == 3.7


def test_a_long_reason_stands_in_several_lines():
    """Beside a mark nothing is cut at the picture's edge."""
    reason = "the data can't tell the groups from each other, nor from whoever is not known"
    rows = rates().with_columns(text=pl.lit(reason))
    figure = interval_panels(rows, panels=(replace(PANEL, text="text"),), of=LIGHT)
    lines = figure.layout.annotations[1].text.split("<br>")
    assert " ".join(lines) == reason
    assert max(map(len, lines)) <= 36


def test_counts_stand_beside_every_row():
    """Numerator and denominator are text of the figure, also where nothing can be drawn; rows keep
    their order.
    """
    figure = interval_panels(rates(), panels=(PANEL,), of=LIGHT)
    assert [a.text for a in figure.layout.annotations] == [
        "<b>Rate</b>",
        "2 / 100",
        "0 / 80",
        "suppressed",
    ]
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
    rows = frame(MART_TABLES["clinic_funnel"], funnels()).with_columns(
        label="clinic_id", name="clinic_id"
    )
    figure = funnel(rows, of=LIGHT, axis_title="proportion", denominator_title="patients")
    within, outside = (t for t in figure.data if t.mode == "markers+text")
    assert (list(within.text), list(outside.text)) == (["C1", "C2"], ["C3"])
    assert within.marker.symbol != outside.marker.symbol


def test_funnel_prefers_limits_that_know_overdispersion():
    """Where limits for over-dispersion are given they are the ones drawn."""
    rows = frame(
        MART_TABLES["clinic_funnel"],
        [
            r | {"upper_95_od": 0.9, "lower_95_od": 0.0, "upper_998_od": 0.95, "lower_998_od": 0.0}
            for r in funnels()
        ],
    )
    figure = funnel(
        rows.with_columns(label="clinic_id", name="clinic_id"),
        of=LIGHT,
        axis_title="",
        denominator_title="",
    )
    assert 0.9 in [y for t in figure.data if t.mode == "lines" for y in t.y]


def charted(**columns) -> pl.DataFrame:
    return frame(MART_TABLES["control_charts"], control_charts()).with_columns(**columns)


def test_control_chart_names_its_signals():
    """The one point outside has its own shape and its own name in the legend, and its hover says
    why.
    """
    figure = control_chart(charted(), of=LIGHT, axis_title="rate")
    points = {t.name: t for t in figure.data if t.mode == "markers"}
    assert set(points) == {"common cause", "outside the limits"}
    assert set(points["outside the limits"].marker.symbol) == {"diamond"}
    assert set(points["common cause"].marker.symbol) == {"circle"}
    assert len(points["common cause"].x) == 9
    assert "outside the limits" in points["outside the limits"].customdata[0]


@pytest.mark.parametrize(
    ("rule", "symbol"),
    [
        ("outside", "diamond"),
        ("trend", "triangle-up"),
        ("two_of_three", "square"),
        ("shift", "star"),
    ],
)
def test_each_rule_has_its_shape(rule, symbol):
    """No meaning by colour alone: a shape a rule; an improvement is hollow."""
    concern = charted(point_type=pl.lit(rule), variation_icon=pl.lit("special_cause_concern"))
    better = charted(point_type=pl.lit(rule), variation_icon=pl.lit("special_cause_improvement"))
    drawn = [
        control_chart(rows, of=LIGHT, axis_title="").data[-1].marker for rows in (concern, better)
    ]
    assert [set(marker.symbol) for marker in drawn] == [{symbol}, {f"{symbol}-open"}]
    assert set(drawn[0].color) != set(drawn[1].color)


def test_locked_limits_are_marked():
    """Of 14 points the limits come from the first 12: a line between the 12th and the 13th; trial
    limits have none.
    """
    points = [
        control_charts()[0]
        | {"point": k, "period_start": date(2026, 1, 1 + k), "is_trial_limits": False}
        for k in range(14)
    ]
    (line,) = control_chart(
        frame(MART_TABLES["control_charts"], points), of=LIGHT, axis_title=""
    ).layout.shapes
    assert str(line.x0).startswith("2026-01-12")
    assert not control_chart(charted(), of=LIGHT, axis_title="").layout.shapes


def test_limits_begun_anew_are_marked():
    """Two phases: a line at the start of the second, with its words."""
    points = [
        control_charts()[0]
        | {
            "point": k,
            "period_start": date(2026, 1, 1 + k),
            "rebased_from": date(2026, 1, 6) if k >= 5 else None,
        }
        for k in range(10)
    ]
    figure = control_chart(frame(MART_TABLES["control_charts"], points), of=LIGHT, axis_title="")
    assert [str(line.x0) for line in figure.layout.shapes] == ["2026-01-06"]
    assert [note.text for note in figure.layout.annotations] == ["limits begun anew"]


def test_a_sum_has_its_decision_limit_and_no_center():
    """A CUSUM's one line is its limit."""
    rows = charted(chart=pl.lit("cusum"), lower=pl.lit(None, pl.Float64), center=pl.lit(0.0))
    lines = [t.name for t in control_chart(rows, of=LIGHT, axis_title="").data if t.mode == "lines"]
    assert lines == ["decision limit", "value"]


# --- time ---------------------------------------------------------------------------------------


def curves(**columns) -> pl.DataFrame:
    rows = curve("TTLOSS", stratum(), STEPS)
    return (
        frame(MART_TABLES["survival_curves"], rows)
        .with_columns(series=pl.lit("all"))
        .with_columns(**columns)
    )


@pytest.mark.parametrize(
    ("last", "ticks"),
    [
        (1, [0, 1]),
        (7, list(range(8))),
        (8, [0, 2, 4, 6, 8]),
        (60, [0, 14, 28, 42, 56]),
        (365, [0, 60, 120, 180, 240, 300, 360]),
    ],
)
def test_ticks_are_days_that_people_count_in(last, ticks):
    """At most eight, from 0, none after the last day."""
    assert ticks_of(last) == ticks


def test_numbers_at_risk_add_up():
    """Before each tick: at risk + events + censored = 10, the patients. At 20 the two events of day
    20 are still ahead; at 30 they are gone; after the last time nobody is left.
    """
    table = at_risk(curves(), [0, 20, 30, 40, 60, 61])
    assert table.rows() == [
        (0, 10, 0, 0),
        (20, 10, 0, 0),
        (30, 8, 2, 0),
        (40, 7, 2, 1),
        (60, 5, 4, 1),
        (61, 0, 4, 6),
    ]
    assert (table["at_risk"] + table["events"] + table["censored"]).unique().to_list() == [10]


def test_survival_is_a_step_with_a_mark_where_one_is_censored():
    """From 100 % at day 0; steps to the right; the table below has the curve's ticks."""
    figure = survival(curves(), of=LIGHT, axis_title="%", height=480, x_title="days")
    step = next(t for t in figure.data if t.mode == "lines" and t.line.width == 2.5)
    assert (step.line.shape, step.x[0], step.y[0], round(step.y[1], 6)) == ("hv", 0.0, 100.0, 80.0)
    marks = next(t for t in figure.data if t.mode == "markers")
    assert list(marks.x) == [30.0, 60.0]
    texts = [t for t in figure.data if t.mode == "text"]
    assert [list(t.x) for t in texts] == [list(figure.layout.xaxis.tickvals)] * 3
    assert list(texts[0].text) == ["10", "10", "8", "5", "5"]


def test_several_curves_have_a_line_of_the_table_each():
    """Two arms: two lines with events and censored in brackets, different dashes, a legend."""
    both = pl.concat([curves(series=pl.lit("a")), curves(series=pl.lit("b"))])
    figure = survival(both, of=LIGHT, axis_title="%", height=480, x_title="days")
    texts = [t for t in figure.data if t.mode == "text"]
    assert [t.name for t in texts] == ["a", "b"]
    assert texts[0].text[2] == "8 (2; 0)"  # before day 28
    assert len({t.line.dash for t in figure.data if t.mode == "lines" and t.line.width == 2.5}) == 2
    assert figure.layout.showlegend


def test_a_band_ends_where_no_limit_is_known():
    """Where survival is 0 no limit is given: the band stops, the step goes down."""
    ends = curves(survival=pl.when(pl.col("time_days") == 60).then(0.0).otherwise("survival"))
    ends = ends.with_columns(
        lower=pl.when(pl.col("survival") > 0).then("lower"),
        upper=pl.when(pl.col("survival") > 0).then("upper"),
    )
    figure = survival(ends, of=LIGHT, axis_title="%", height=480, x_title="days")
    band, step = (
        next(t for t in figure.data if meets(t))
        for meets in (lambda t: t.fill, lambda t: t.line.width == 2.5)
    )
    assert (max(band.x), max(step.x)) == (40.0, 60.0)


def test_responder_curve_has_guides_and_limits():
    """Guides at 30 and 50 %; the share at 50 % is 20 of 50 = 40 %."""
    rows = frame(MART_TABLES["responder_curves"], responder_curve_rows()).filter(
        pl.col("clinic_id").is_null()
    )
    figure = responder_curves(rows.with_columns(series=pl.lit("all")), of=LIGHT, axis_title="")
    assert [s.x0 for s in figure.layout.shapes] == [30, 50]
    line = figure.data[-1]
    assert round(line.y[50], 6) == 40
    assert sum(len(t.x) for t in figure.data) <= 2_000
    assert [t.fill for t in figure.data] == [None, "tonexty", None]


# --- dose, severity -----------------------------------------------------------------------------


def test_dose_is_dots_without_a_line():
    """A line would be read as cause; n stands below each bin; two patients' limits do not set the
    axis.
    """
    rows = frame(MART_TABLES["dose_response"], doses()).with_columns(
        bin=pl.col("from_per_week").cast(pl.String)
    )
    figure = dose_response(rows, of=LIGHT, axis_title="", digits=1)
    assert [t.mode for t in figure.data] == ["markers"]
    assert list(figure.layout.xaxis.ticktext) == ["0.0<br>n 2", "1.0<br>n 30", "2.0<br>n 12"]
    assert figure.layout.yaxis.range[0] > -3


def test_grades_stack_to_all_events():
    """A term's bars add up to its events; each grade has its own pattern."""
    rows = pl.DataFrame({"term": ["a", "b"], "mild": [3, 0], "moderate": [1, 2], "severe": [0, 1]})
    figure = grade_bars(rows, of=LIGHT)
    assert [sum(t.x[k] for t in figure.data) for k in range(2)] == [4, 3]
    assert len({t.marker.pattern.shape for t in figure.data}) == 3


@pytest.mark.parametrize("levels", [(6.0, 4.0), (30.0, 33.5)])
def test_important_change_is_a_band(levels):
    """From the baseline to where the important change is reached, whichever way is better; both
    ends in sight.
    """
    figure = trajectory(visits(), of=LIGHT, axis_title="mean", important=levels, is_from_zero=False)
    (area,) = figure.layout.shapes
    assert (area.y0, area.y1) == (min(levels), max(levels))
    low, high = figure.layout.yaxis.range
    assert low <= min(levels) < max(levels) <= high


def patient_frames(**without) -> list[pl.DataFrame]:
    rows = {k: v for k, v in patients().items() if k in ("adex", "adqs", "adact", "adae")} | without
    return [frame(MART_TABLES[name], rows[name]) for name in ("adex", "adqs", "adact", "adae")]


def test_story_shares_one_axis():
    """Four bands over one time axis; an ongoing event ends in an arrow at the data cut; an unknown
    onset is out.
    """
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
    rows = pl.DataFrame(
        {"bucket": [date(2026, 1, 1)], "events_per_s": [9.0], "rejects_per_s": [1.0]}
    )
    assert [list(t.y) for t in throughput(rows, of=LIGHT).data] == [[9.0], [1.0]]
    waiting = pl.DataFrame(
        {"kafka_topic": ["a", "a", "b"], "kafka_partition": [0, 1, 0], "lag": [5, 6, 1]}
    )
    figure = lag_bars(waiting, of=LIGHT)
    assert [dict(zip(t.y, t.x, strict=True)) for t in figure.data] == [
        {"b": 1, "a": 5},
        {"b": None, "a": 6},
    ]


@pytest.mark.parametrize("sentence", ["No data yet.", "x " * 200])
def test_blank_says_why(sentence):
    """An empty chart is a sentence, wrapped, without axes."""
    figure = blank(sentence, of=LIGHT)
    assert figure.layout.annotations[0].text.replace("<br>", " ") == sentence.strip()
    assert figure.layout.xaxis.visible is False
