"""The rules on single adverse events: treatment-emergent, near a session, new or the same as
before.

Here: the published truth tables and the boundaries. Not here: the mart's assembly
(marts/test_adae.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.rules import safety

PRE = (date(2020, 12, 20), date(2020, 12, 21))
ON = (date(2021, 12, 20), date(2021, 12, 21))
INTO = (date(2020, 12, 23), date(2021, 1, 21))
# PHUSE white paper on treatment-emergent adverse events, as in admiral's test 12: treated
# 2021-01-01 to 2021-12-31, no window after it; (patient, (start, end), initial grade, grade, flag)
PHUSE = [
    ("P1", PRE, 2, 2, None),
    ("P2", ON, 2, 2, "Y"),
    ("P3", PRE, 2, 2, None),
    ("P3", ON, 2, 2, "Y"),
    ("P4", PRE, 2, 2, None),
    ("P4", ON, 2, 3, "Y"),
    ("P5", PRE, 2, 2, None),
    ("P5", ON, 2, 1, "Y"),
    ("P6", INTO, 2, 2, None),
    ("P6", ON, 2, 2, "Y"),
    ("P7", INTO, 2, 2, None),
    ("P7", ON, 2, 3, "Y"),
    ("P8", INTO, 2, 2, None),
    ("P8", ON, 2, 1, "Y"),
    ("P9", INTO, 2, 2, None),
    ("P10", INTO, 2, 4, "Y"),
    ("P11", INTO, 2, 1, None),
    ("P12", INTO, 3, 2, None),
    ("P13", INTO, 1, 2, "Y"),
]
# admiral's test 2: treated 2022-01-01 to 2022-04-30, window 10 days; (start, end, initial grade,
# grade, flag)
ADMIRAL = [
    ("2021-12-13", "2021-12-15", 1, 1, None),
    ("2021-12-14", "2021-12-14", 1, 3, None),
    ("2021-12-30", "2022-01-14", 1, 3, "Y"),
    ("2021-12-31", "2022-01-01", 1, 1, None),
    ("2022-01-01", "2022-01-02", 3, 4, "Y"),
    ("2022-05-10", "2022-05-10", 2, 2, "Y"),
    ("2022-05-11", "2022-05-11", 2, 2, None),
    (None, None, 3, 4, "Y"),
    ("2021-12-30", None, 3, 4, "Y"),
    ("2021-12-30", None, 3, 3, None),
    (None, "2022-01-04", 3, 4, "Y"),
    (None, "2021-12-24", 3, 4, None),
    (None, "2022-06-04", 3, 4, "Y"),
]


def emergent(start, end, initial, grade, *, first, last, window):
    frame = pl.DataFrame(
        [(start, end, first, last, initial, grade)],
        schema={
            "s": pl.Date,
            "e": pl.Date,
            "f": pl.Date,
            "l": pl.Date,
            "i": pl.Int64,
            "g": pl.Int64,
        },
        orient="row",
    )
    rule = safety.treatment_emergent(
        start="s",
        end="e",
        first_treated="f",
        last_treated="l",
        initial_grade="i",
        grade="g",
        window_days=window,
    )
    return frame.select(rule).item()


@pytest.mark.parametrize(("patient", "days", "initial", "grade", "expected"), PHUSE)
def test_reference_32_phuse_truth_table(patient, days, initial, grade, expected):
    """Reference 32: PHUSE P1 to P13, row by row (the paper's N is null here)."""
    treated = {"first": date(2021, 1, 1), "last": date(2021, 12, 31), "window": 0}
    assert emergent(*days, initial, grade, **treated) == expected, patient


@pytest.mark.parametrize(("start", "end", "initial", "grade", "expected"), ADMIRAL)
def test_admirals_own_cases(start, end, initial, grade, expected):
    """admiral's test 2, in days: the window's end is included, a missing start counts unless it
    ended before.
    """
    days = [d and date.fromisoformat(d) for d in (start, end)]
    treated = {"first": date(2022, 1, 1), "last": date(2022, 4, 30), "window": 10}
    assert emergent(*days, initial, grade, **treated) == expected


def test_untreated_and_unknown_grades_are_not_emergent():
    """Without treatment nothing is treatment-emergent; a grade that is not known shows no
    worsening.
    """
    untreated = {"first": None, "last": None, "window": 30}
    assert emergent(None, None, 1, 2, **untreated) is None
    assert emergent(*ON, 1, 2, **untreated) is None
    treated = {"first": date(2021, 1, 1), "last": date(2021, 12, 31), "window": 30}
    assert emergent(*INTO, None, 3, **treated) is None
    assert emergent(*INTO, 1, None, **treated) is None


T0 = datetime(2025, 3, 1, tzinfo=UTC)


def flags(*rows, term="burn", clean_days=7):
    """NEWFL of one patient's records of one term: (onset, end, outcome), days from T0."""
    moment = lambda d: None if d is None else T0 + timedelta(days=d)  # noqa: E731
    frame = pl.DataFrame(
        [("P1", term, "hand", moment(a), moment(b), outcome) for a, b, outcome in rows],
        schema={
            "patient_id": pl.String,
            "AEDECOD": pl.String,
            "AELOC": pl.String,
            "onset_at": pl.Datetime("us", "UTC"),
            "resolved_at": pl.Datetime("us", "UTC"),
            "outcome": pl.String,
        },
        orient="row",
    )
    return "".join(frame.select(safety.new_event_flag(clean_window_days=clean_days)).to_series())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([(0, 1, "resolved")], "Y"),
        (
            [(0, 1, "resolved"), (8, 9, "resolved")],
            "YN",
        ),  # 1 + 7 = 8: the boundary is in the window
        ([(0, 1, "resolved"), (8.001, 9, "resolved")], "YY"),
        ([(0, 10, "resolved"), (5, 6, "resolved")], "YN"),
        (
            [(0, 10, "resolved"), (5, 6, "resolved"), (16, 17, "resolved")],
            "YNN",
        ),  # the first reaches to 17
        (
            [(0, 1, "resolved"), (8, 9, "resolved"), (15, 16, "resolved")],
            "YNN",
        ),  # each covers the next
        ([(0, None, "ongoing"), (300, 301, "resolved")], "YN"),
        ([(0, None, "resolving"), (300, None, None)], "YN"),
        ([(0, None, None), (1, None, None)], "YY"),  # how long the first lasted is not known
        ([(0, None, "unknown"), (1, None, "resolved"), (2, None, "fatal")], "YYY"),
        ([(0, 1, "resolved"), (None, None, "ongoing"), (None, 3, None)], "YYY"),
    ],
)
def test_clean_window(rows, expected):
    """A record is the same event while an earlier one lasts and for 7 days after; what is not known
    is counted.
    """
    assert flags(*rows) == expected


def test_no_clean_window():
    """With a window of 0 days only what begins while an earlier record lasts is the same event."""
    assert flags((0, 1, None), (1, 2, None), (2.1, 3, None), clean_days=0) == "YNY"
