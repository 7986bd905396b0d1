"""The durability page: curves of time and of responders over the small lake, and why there may be
none.
"""

import polars as pl
import pytest

from dashboards import ids
from dashboards.filters import chosen, settled
from dashboards.gate import SUPPRESSED
from dashboards.pages import survival_charts
from dashboards.pages.durability import charts as durability_charts
from dashboards.pages.durability import coming_back, course_charts
from dashboards.pages.durability import page as durability
from dashboards.pages.series import in_series, why_none
from dashboards.strata import NOT_RELEASED
from dashboards.theme import LIGHT
from tests.dashboards.looking import caption, part, payload, view
from tests.dashboards.rows import frame, stratum
from tests.dashboards.small_summaries import STEPS, course_relief, curve, first_of
from transforms.facts.catalogue import METRICS
from transforms.marts import adtte
from transforms.options import Options
from transforms.schemas import MART_TABLES

CHARTS = durability.DURABILITY.cards

OPTIONS = Options()


def curves(*parts: list[dict]) -> pl.DataFrame:
    return frame(MART_TABLES["survival_curves"], [row for part in parts for row in part])


def test_loss_says_events_median_and_rule(staff):
    """4 losses (2 at 20, 2 at 40) of 10; no median, and why; event and censoring are the
    catalogue's words.
    """
    said = caption(view(staff, "/durability"), CHARTS, ids.LOSS)
    assert "4 losses among 10 patients, no median (survival stays above one half)" in said
    assert METRICS["ttloss"].rule_by(OPTIONS) in said


def test_every_clock_is_of_the_marts():
    """Each parameter that a page draws is one of mart.adtte and has a definition."""
    assert set(survival_charts.CLOCKS) <= set(adtte.PARAMETERS)
    assert {c.lower() for c in survival_charts.CLOCKS} <= set(METRICS)


def test_a_rule_that_names_another_is_said_in_full():
    """`as ttsurg, ...` alone would tell a reader nothing."""
    assert METRICS["ttsurg"].rule_by(OPTIONS) in survival_charts._rule("ttresc", OPTIONS)
    assert survival_charts._rule("ttloss", OPTIONS) == METRICS["ttloss"].rule_by(OPTIONS)


def test_a_median_has_its_interval():
    """An upper limit that is not reached says so."""
    row = {"median": 203.0, "median_lower": 151.0, "median_upper": None, "reason": None}
    assert survival_charts._median(row) == "median 203 days (95 % CI 151 to not reached)"


def test_arms_are_curves_with_a_test_only_where_it_is_given():
    """Two arms are two curves; p stands where the mart gives one (randomised, from allocation),
    else why it does not.
    """
    by_arm = [curve("TTLOSS", stratum(arm=arm), STEPS) for arm in ("a", "b")]
    rows = curves(*by_arm).with_columns(series="arm")
    drawn = survival_charts.survival_chart(
        rows, "TTLOSS", of=LIGHT, height=480, none="", options=OPTIONS
    )
    assert "p = " not in drawn.summary
    assert "No test between these arms" in drawn.summary
    tested = rows.with_columns(log_rank_p_value=pl.lit(0.03))
    drawn = survival_charts.survival_chart(
        tested, "TTLOSS", of=LIGHT, height=480, none="", options=OPTIONS
    )
    assert "Log-rank between the randomised arms: p = 0.030" in drawn.summary


def test_what_comes_first_is_said_with_its_interval(staff):
    """4 of 20 came back and 2 had surgery first; by day 365 that is 20 % and 10 %. Coming back is
    failure or habit; Kaplan-Meier says more than happens.
    """
    values = view(staff, "/durability")
    said = caption(values, CHARTS, ids.COMING_BACK)
    assert "of 20 patients 4 came back, 2 had surgery, 0 died first" in said
    assert "by day 365 came back 20 % (10 to 30), had surgery 10 % (0 to 20)" in said
    assert "Coming back may be failure or habit" in said
    assert "One minus Kaplan-Meier" in said
    assert "20.0 % at day 365" in said
    assert "Nobody yet died first: that is not nobody to come." in said


def test_what_comes_first_has_its_numbers_below(staff):
    """A line an event that happened; at 400 days 12 are at risk, 4 came back, 2 had surgery, none
    died, 2 were censored: 20.
    """
    figure = part(view(staff, "/durability"), CHARTS, ids.COMING_BACK, "figure")
    lines = [t.name for t in figure.data if t.mode == "lines" and t.showlegend is not False]
    assert lines == ["came back", "had surgery"]
    texts = {t.name: list(t.text) for t in figure.data if t.mode == "text"}
    ticks = list(figure.layout.xaxis.tickvals)
    at_360 = {name: text[ticks.index(360)] for name, text in texts.items()}
    assert at_360 == {
        "at risk": "12",
        "came back so far": "4",
        "had surgery so far": "2",
        "died so far": "0",
        "censored so far": "2",
    }


def test_coming_back_by_arm_has_a_test_only_where_one_is_given():
    """Two arms: a curve of coming back each; Gray's test where the mart has it, else why not."""
    rows = frame(
        MART_TABLES["competing_risks"],
        [row for arm in ("a", "b") for row in first_of(stratum(arm=arm))],
    ).with_columns(series="arm")
    given = {"of": LIGHT, "height": 520, "none": ""}
    nothing_beside = MART_TABLES["survival_curves"].empty()
    drawn = coming_back.first_events(rows, nothing_beside, **given)
    assert "No test between these arms" in drawn.summary
    tested = rows.with_columns(gray_p_value=pl.lit(0.03))
    drawn = coming_back.first_events(tested, nothing_beside, **given)
    assert "Gray's test of coming back between the randomised arms: p = 0.030" in drawn.summary
    lines = [t.name for t in drawn.figure.data if t.mode == "lines" and t.showlegend is not False]
    assert lines == ["a", "b"]


def test_the_second_course_beside_the_first(staff):
    """Both changes with their baselines, the difference, how many are in no pair and why; a change
    is not an effect.
    """
    values = view(staff, "/durability")
    said = caption(values, CHARTS, ids.COURSE_RELIEF).replace("\N{MINUS SIGN}", "-")
    assert "Month 3: of 12 pairs the first course changed pain by -2.5 (-3.1 to -1.9)" in said
    assert "the second by -1.9 (-2.6 to -1.2) from 6.2; difference 0.6 (-0.2 to 1.4)." in said
    assert "A before/after change is not an effect of the treatment." in said
    assert "Of 12 pairs at Month 3 9 have a second baseline within the follow-up" in said
    assert "Month 6: 20 the next course's baseline came before the visit" in said
    figure = part(values, CHARTS, ids.COURSE_RELIEF, "figure")
    assert {t.name for t in figure.data} >= {"first course", "second course", "second minus first"}


def test_no_pair_says_why():
    """Where no visit has a pair, each says its reason."""
    rows = frame(MART_TABLES["course_relief"], [r for r in course_relief() if r.get("reason")])
    rows = rows.filter(~pl.col("is_suppressed"))
    drawn = course_charts.relief(rows, of=LIGHT, none="none")
    assert drawn.is_empty
    assert "a next episode's baseline began before this visit in all pairs" in drawn.summary


def test_no_event_is_not_none_to_come():
    """A curve without an event has limits of no width: the sentence warns."""
    rows = curves(curve("TTSURG", stratum(), [(50.0, 10, 0, 10, 1.0)])).with_columns(
        series=pl.lit("all")
    )
    drawn = survival_charts.survival_chart(
        rows, "TTSURG", of=LIGHT, height=480, none="", options=OPTIONS
    )
    assert "No surgery seen is not none to come" in " ".join(drawn.notes)


ROUTINE_CARE = {"ROUTINE": ["(none)", "acupuncture", "control"]}


def test_series_are_arms_where_there_are_two(staff):
    """Of surgery from allocation there are two arms; one chosen arm is one series; of loss there is
    none.
    """
    meets = pl.col("parameter") == "TTSURGA"
    names = [
        in_series(
            staff,
            "survival_curves",
            settled(chosen(search), ROUTINE_CARE),
            meets=meets,
            known="survival",
        )["series"]
        .unique()
        .sort()
        for search in ("", "?arm=control")
    ]
    assert [n.to_list() for n in names] == [
        ["acupuncture", "control"],
        ["routine care, arm control"],
    ]


def test_responders_at_every_cut_off(staff):
    """At 30 %: 40 x 0.7 = 28 of 50; at 50 %: 20 of 50; 10 have no value and count as no
    response.
    """
    said = caption(view(staff, "/durability"), CHARTS, ids.CUMULATIVE)
    assert (
        "at least 30 % better 28 of 50, 56 % (46 to 66) and at least 50 % better 20 of 50" in said
    )
    assert "10 have no value" in said
    assert "not an effect" in said


def test_rules_that_disagree(staff):
    """30 % against points: 4 + 3 of 40; 30 % against the own impression: none (null is not known,
    not a no).
    """
    values = view(staff, "/durability")
    said = caption(values, CHARTS, ids.DISAGREEMENT)
    assert "Of 40 patients the 30 % rule and the rule in points differ in 7; " in said
    assert "own impression in 0" in said
    labels = part(values, CHARTS, ids.DISAGREEMENT, "figure").layout.yaxis.ticktext
    assert labels[0] == "30 %: yes · points: yes<br>own impression: yes"


def test_the_usual_visit_is_the_latest_that_half_have_reached():
    """Of 50, 40 and 20 due the second; End of course, without a day, is not taken by itself."""
    rows = pl.DataFrame(
        {"visit": ["Week 4", "Month 3", "Month 6", "End of course"], "n": [50, 40, 20, 50]}
    )
    assert durability_charts.usual_visit(rows) == "Month 3"
    assert durability_charts.visits(rows)[-1] == "End of course"


def test_a_studys_own_visits_stand_in_the_order_of_time():
    """Week 4 before Week 12, which by the alphabet is the other way round; the latest one is the usual."""
    rows = pl.DataFrame(
        {"visit": ["Week 12", "Week 4", "Week 26", "End of course"], "n": [40, 50, 30, 50]}
    )
    assert durability_charts.visits(rows) == ["Week 4", "Week 12", "Week 26", "End of course"]
    assert durability_charts.usual_visit(rows) == "Week 26"


def test_the_tile_of_a_held_response_names_its_episode_and_what_ends_it(staff):
    said = payload(view(staff, "/durability"))
    assert "Of the first treatment episode; after an opioid begun, an injection, surgery" in said


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("?clinic=C1&modality=local&indication=other", NOT_RELEASED),
        ("?clinic=C1&modality=local", "nobody in this selection yet"),
        ("?clinic=C9", "nobody in this selection yet"),
    ],
)
def test_an_empty_curve_says_why(staff, outsider, search, said):
    """From outside a stratum that is not released is not nobody."""
    rows = staff.mart("responder_curves", "false")
    assert said in why_none(outsider, rows, chosen(search), what="Responders")
    assert NOT_RELEASED not in why_none(staff, rows, chosen(search), what="Responders")


def test_outside_no_small_curve_is_drawn(outsider, staff):
    """C2's curve has 3 patients: staff see it, from outside there is no trace of it, nor of the
    responders'.
    """
    for chart in (ids.LOSS, ids.CUMULATIVE, ids.COMING_BACK, ids.COURSE_RELIEF):
        drawn = [
            part(view(r, "/durability", "?clinic=C2"), CHARTS, chart, "figure").data
            for r in (staff, outsider)
        ]
        assert drawn[0]
        assert not drawn[1]
    assert SUPPRESSED in payload(view(outsider, "/durability", "?clinic=C2"))
