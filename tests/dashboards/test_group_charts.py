"""Adverse events by body system, worst grade and groups of terms: shares of patients and rates,
never a verdict.
"""

import polars as pl
import pytest

from dashboards import ids
from dashboards.pages.safety import group_charts
from dashboards.pages.safety import page as safety
from dashboards.theme import look
from tests.dashboards.looking import caption, part, view
from tests.dashboards.rows import frame
from tests.dashboards.small_summaries import event_groups
from transforms.schemas import MART_TABLES

CARDS = safety.SAFETY.cards


def rows(grouping: str, **changes) -> pl.DataFrame:
    found = [
        r | changes
        for r in event_groups()
        if r["grouping"] == grouping and not r["is_serious_only"]
    ]
    return frame(
        MART_TABLES["adverse_event_groups"], [r for r in found if "clinic_id" not in r["strata"]]
    )


@pytest.mark.parametrize(
    ("grouping", "panels"), [("body_system", 2), ("worst_grade", 1), ("term_group", 2)]
)
def test_each_grouping(grouping, panels):
    """A row a category in the order of names, with what it is over; a patient's worst grade has no
    rate of events.
    """
    drawn = group_charts.card(
        rows(grouping), grouping=grouping, restriction="any", of=look("light")
    )
    texts = [note.text for note in drawn.figure.layout.annotations]
    assert "4 / 40" in texts
    assert ("6 / 800" in texts) == (panels == 2)
    labels = drawn.table["what"].to_list()
    assert labels == sorted(labels)
    assert all(label.startswith("Grade ") for label in labels) == (grouping == "worst_grade")
    assert drawn.title.endswith(f"By {group_charts.GROUPINGS[grouping]} (any event)")


def test_the_page_shows_what_is_asked_for(staff):
    """Body systems where nobody chose; serious ones under that restriction; any event where the
    mart has no such one.
    """
    usual = view(staff, "/safety")
    assert "By body system (any event)" in part(usual, CARDS, ids.EVENT_GROUPS, "title")
    assert "2 of the 2 listed here were seen." in caption(usual, CARDS, ids.EVENT_GROUPS)
    serious = view(staff, "/safety", "?restriction=serious&grouping=worst_grade")
    assert "By worst grade of a patient (serious)" in part(
        serious, CARDS, ids.EVENT_GROUPS, "title"
    )
    assert group_charts.of_restriction("grade_2") == "any"


def test_marked_rows_say_so():
    """A hidden row has no number, and the caption counts it."""
    hidden = dict.fromkeys(
        ("patients_with_event", "events", "incidence_proportion", "events_per_100_sessions")
    )
    drawn = group_charts.card(
        rows("body_system", is_suppressed=True, **hidden),
        grouping="body_system",
        restriction="any",
        of=look("light"),
    )
    assert drawn.notes == ("2 of 2 rows: suppressed (small numbers).",)
    assert set(drawn.table["Patients with one, n"]) == {"suppressed"}
