"""Visits by their names.

Here: the day that a name says. Not here: windows (tests/transforms/rules).
"""

import pytest

from transforms.facts.visits import VISITS, named_day


@pytest.mark.parametrize(
    ("visit", "day"),
    [
        ("Baseline", 1),
        ("Week 8", 57),
        ("Week 6", 43),
        ("day 10", 11),
        ("Year 1", 366.25),
        ("Follow-up at 2 weeks", None),
        ("End of course", None),
    ],
)
def test_a_name_says_a_day(visit, day):
    """The product's visits have theirs, a study's are read; a name that says none has none."""
    assert named_day(visit) == day


def test_visits_stand_in_the_order_of_time():
    """Week 8 comes before Month 3, whatever the numbers are."""
    assert sorted((v.name for v in VISITS), key=named_day) == [v.name for v in VISITS]
    assert sorted(["Month 3", "Week 8", "Year 1", "Week 26"], key=named_day) == [
        "Week 8",
        "Month 3",
        "Week 26",
        "Year 1",
    ]
