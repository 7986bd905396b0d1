"""Work days: which day is the last of a number of them.

Here: a calendar a country of which a rule of reporting counts work days (facts/report_rules.py):
the US, Monday to Friday without federal holidays. Not here: periods in calendar days, which need
none, and days on which offices are shut by a single order (an inauguration, a day of mourning,
snow).
"""

from datetime import date, timedelta

import numpy as np


def after_work_days(day: date, work_days: int) -> date:
    """The last of `work_days` work days that follow `day`: Monday to Friday except US federal
    holidays (21 CFR 803.3).
    """
    holidays = [h for year in range(day.year, day.year + 2) for h in federal_holidays(year)]
    return np.busday_offset(day, work_days, roll="backward", holidays=holidays).item()


def federal_holidays(year: int) -> list[date]:
    """US federal holidays of a year on the days they are kept (5 U.S.C. 6103).

    On a Saturday it is kept on Friday, on a Sunday on Monday; New Year's Day of the next year may
    fall into this one.
    """
    fixed = [
        date(year, 1, 1),
        date(year, 7, 4),
        date(year, 11, 11),
        date(year, 12, 25),
        date(year + 1, 1, 1),
    ]
    if year >= 2021:
        fixed.append(date(year, 6, 19))
    weekdays = [
        _nth(year, 1, 0, 3),
        _nth(year, 2, 0, 3),
        _nth(year, 5, 0, -1),
        _nth(year, 9, 0, 1),
        _nth(year, 10, 0, 2),
        _nth(year, 11, 3, 4),
    ]
    kept = [d + timedelta(days={5: -1, 6: 1}.get(d.weekday(), 0)) for d in fixed]
    return sorted({d for d in (*kept, *weekdays) if d.year == year})


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th `weekday` (Monday = 0) of a month; -1 is the last."""
    if n < 0:
        following = date(year + month // 12, month % 12 + 1, 1)
        return following - timedelta(days=(following.weekday() - weekday - 1) % 7 + 1)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
