"""The visits and their windows, in study days from Day 1; there is no day 0.

Here: a record a visit, proposals of this project. Not here: which record counts for one
(rules/windows.py), what a study plans.
"""

import re
from dataclasses import dataclass

BASELINE = "Baseline"
END_OF_COURSE = "End of course"
END_OF_COURSE_DAYS = 14


@dataclass(frozen=True)
class Visit:
    """A visit of a fixed study day: its target and its window, both ends included."""

    name: str
    target: int
    first: int
    last: int


VISITS = (
    Visit(BASELINE, 1, -28, 1),
    Visit("Week 1", 8, 2, 14),
    Visit("Week 4", 29, 15, 42),
    Visit("Week 8", 57, 43, 70),
    Visit("Month 3", 92, 71, 136),
    Visit("Month 6", 183, 137, 273),
    Visit("Month 12", 366, 274, 548),
    Visit("Month 24", 731, 549, 913),
)
VISIT = {v.name: v for v in VISITS}
# at which the relief of one episode is set beside that of another in the same patient
COURSE_VISITS = (END_OF_COURSE, "Month 3", "Month 6")

_DAYS_OF = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
_PLANNED = re.compile(r"(?i)\b(day|week|month|year)s?\s*(\d+(?:\.\d+)?)")


def named_day(visit: str) -> float | None:
    """About the study day of a visit, a study's own ones too, by its name: for what stands in the
    order of time. None where the name says no day.
    """
    if visit in VISIT:
        return float(VISIT[visit].target)
    match = _PLANNED.search(visit)
    return 1 + _DAYS_OF[match[1].lower()] * float(match[2]) if match else None
