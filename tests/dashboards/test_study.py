"""The page of a study: its primary analysis first, its flow, its plan, its sets.

Here: what it says of rows of the small lake. Not here: the rows' own rules
(tests/transforms/marts/test_consort_flow.py).
"""

import pytest

from dashboards import ids
from dashboards.pages.study.page import STUDY
from tests.dashboards.looking import beside, caption, payload, view


def of_page(reader, component: str, search: str = "") -> str:
    return payload([beside(view(reader, "/study", search), STUDY, component)])


def test_the_primary_analysis_comes_first(staff):
    """Estimate, interval, arms, counts and p of the study's own analysis, in a tile."""
    said = of_page(staff, ids.STUDY_PRIMARY, "?study=T1")
    assert "Primary analysis: PAINIDX at Week 12, ANCOVA" in said
    assert "\\u22123.25 (\\u22126.00 to \\u22120.50)" in said
    assert "Cold minus Control, 95 % CI, score n 45 v 44, p = 0.021" in said


def test_the_flow_has_a_box_a_step_and_an_arm(staff):
    """Counts with those they are of, reasons of who left, the same as a table; a null says why."""
    said = of_page(staff, ids.STUDY_FLOW, "?study=T1")
    for text in (
        "nobody told",
        "n = 3 of 123",
        "Enrolled more than once",
        "2 of them have another arm in a later enrolment",
        "fell ill: 3",
        '"Cold"',
        '"Control"',
        "n = 60 of 120",
        "Followed: a value at the visit: Week 12",
        "died: 5",
        "View as table",
    ):
        assert text in said
    assert "Visit still to come: Week 12" not in said  # nobody is still to come


def test_the_plan_has_the_studys_visits_and_reference(staff):
    """Windows as planned, how the reference arm came about."""
    said = of_page(staff, ids.STUDY_PLAN, "?study=T1")
    for text in ("Week 12", '"84"', '"70"', '"98"', "Control (the study names it)"):
        assert text in said
    assert "Month 3" not in said


def test_sets_are_counted_with_reasons(staff):
    """2 of 3 in each, and why the other is not."""
    said = of_page(staff, ids.STUDY_SETS, "?study=T1")
    assert "Intention to treat" in said
    assert "no session began: 1" in said


@pytest.mark.parametrize("search", ["?study=T3", "?study=T3&arm=cold"])
def test_a_masked_study_says_so_and_compares_nothing(staff, search):
    """One column of all arms together, no primary result, no difference."""
    said = of_page(staff, ids.STUDY_MASKED, search)
    assert "Arms are masked until 01 Mar 2027" in said
    assert "not shown: the study's arms are masked" in of_page(staff, ids.STUDY_PRIMARY, search)
    shown = of_page(staff, ids.STUDY_FLOW, search)
    assert "All arms" in shown
    assert "Cold" not in shown
    values = view(staff, "/study", search)
    assert "nothing compares them" in caption(values, STUDY.cards, ids.STUDY_DIFFERENCES)


def test_from_outside_a_small_flow_has_no_number_and_no_reason(outsider):
    """T2's rows are marked: not a count of them is sent; of T1 the counts, and no reason of
    anybody's.
    """
    hidden = payload(view(outsider, "/study", "?study=T2"))
    assert "suppressed" in hidden
    assert "n = 60" not in hidden
    shown = payload(view(outsider, "/study", "?study=T1"))
    assert "n = 60 of 120" in shown
    for text in ("fell ill", "died", "no session began"):
        assert text not in shown


def test_every_study_is_a_link(staff):
    """A link a study; without a choice the first is shown."""
    said = of_page(staff, ids.STUDY_CHOICE)
    assert all(f"/study?study={s}" in said for s in ("T1", "T2", "T3"))
    assert "The first trial" in of_page(staff, ids.STUDY_PLAN)
