"""Rules of work days: which day is the last of ten; holidays as published.

Here: days and what must come out. Not here: which rules count work days.
"""

from datetime import date

import pytest

from transforms.rules.work_days import after_work_days, federal_holidays


@pytest.mark.parametrize(
    ("aware", "due"),
    [
        (date(2025, 3, 3), date(2025, 3, 17)),
        (date(2025, 3, 8), date(2025, 3, 21)),  # a Saturday: Monday the 10th is day 1
        (date(2025, 12, 19), date(2026, 1, 6)),  # Christmas and New Year's Day are no work days
        (
            date(2021, 12, 20),
            date(2022, 1, 5),
        ),  # Christmas kept on the 24th, New Year's Day on the 31st
        (date(2025, 6, 13), date(2025, 6, 30)),  # Juneteenth
    ],
)
def test_ten_work_days(aware, due):
    """The tenth work day after the day of becoming aware; weekends and federal holidays don't
    count.
    """
    assert after_work_days(aware, 10) == due


def test_federal_holidays_of_2025():
    """The eleven days that the US Office of Personnel Management lists for 2025 (the inauguration
    apart).
    """
    listed = [
        "01-01",
        "01-20",
        "02-17",
        "05-26",
        "06-19",
        "07-04",
        "09-01",
        "10-13",
        "11-11",
        "11-27",
        "12-25",
    ]
    assert federal_holidays(2025) == [date.fromisoformat(f"2025-{d}") for d in listed]
    assert date(2021, 12, 31) in federal_holidays(2021)
    assert date(2022, 1, 1) not in federal_holidays(2022)
