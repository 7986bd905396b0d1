"""Sustained response, its confirmed loss, relapse: patients told as lines of days and values."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.rules import durability

START = date(2025, 1, 1)


def on(day: int) -> date:
    return START + timedelta(days=day)


def assessments(base: float, *rows: tuple[int, float]) -> pl.DataFrame:
    """Days since the start and values of one patient; the 30 % rule judged from `base` (0 = not
    evaluable).
    """
    flag = [None if base == 0 else "Y" if 10 * (base - v) >= 3 * base else "N" for _, v in rows]
    return pl.DataFrame(
        {
            "USUBJID": "p",
            "ADT": [on(d) for d, _ in rows],
            "ADTM": [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=d) for d, _ in rows],
            "AVAL": [float(v) for _, v in rows],
            "CRIT1FL": flag,
        },
        schema_overrides={"CRIT1FL": pl.String},
    )


@pytest.mark.parametrize(
    ("rows", "is_sustained", "confirmed"),
    [
        ([(7, 5), (28, 5)], True, 28),  # 21 days apart
        ([(7, 5), (27, 5)], None, None),  # 20 days: nothing could be confirmed
        ([(7, 5), (20, 8), (30, 5)], False, None),  # a non-response between
        ([(7, 8), (28, 5)], False, None),
        ([(7, 5), (14, 5), (28, 6), (60, 8)], True, 28),  # 50, 50 and 40 %, then lost
    ],
)
def test_sustained(rows, is_sustained, confirmed):
    """From 10: at least 30 % at two assessments 21 days apart with no non-response between,
    confirmed at the second.
    """
    found = durability.sustained(assessments(10, *rows)).row(0, named=True)
    assert found["is_sustained"] == is_sustained
    assert found["confirmed_on"] == (None if confirmed is None else on(confirmed))
    assert (found["reason"] is None) == (is_sustained is not None)


def test_a_baseline_of_0_is_not_evaluable():
    """Without an evaluable assessment sustained response is null, not false."""
    found = durability.sustained(assessments(0, (7, 3), (60, 3))).row(0, named=True)
    assert found["is_sustained"] is None
    assert found["reason"] == "no two evaluable assessments at least 21 days apart"


@pytest.mark.parametrize(
    ("rows", "days", "is_censored", "what"),
    [
        # confirmed on day 28 at 5; 8 on days 60 and 90: lost at the first of the two
        ([(7, 5), (28, 5), (60, 8), (90, 8)], 32, 0, "confirmed loss of response"),
        # one bad assessment is not confirmed; censored at the last
        ([(7, 5), (28, 5), (60, 8), (90, 5)], 62, 1, None),
        # still 30 % better, but 2 points above the value at confirmation and at least 4, twice
        ([(7, 2), (28, 2), (60, 4), (90, 4)], 32, 0, "confirmed loss of response"),
        # 2 points above, but under 4
        ([(7, 1), (28, 1), (60, 3), (90, 3)], 62, 1, None),
        # a last bad assessment has no second
        ([(7, 5), (28, 5), (60, 9)], 32, 1, None),
        # confirmed at the last assessment: no time yet
        ([(7, 5), (28, 5)], 0, 1, None),
    ],
)
def test_loss_of_response(rows, days, is_censored, what):
    """From 10: time from the confirmation to the first of two consecutive losses, else to the last
    assessment.
    """
    found = durability.loss_of_response(assessments(10, *rows)).row(0, named=True)
    assert (found["AVAL"], found["CNSR"], found["EVNTDESC"]) == (days, is_censored, what)
    assert found["STARTDT"] == on(28)
    assert found["CNSDTDSC"] == ("last assessment" if is_censored else None)


def test_rescue_is_a_loss_of_response():
    """A rescue procedure after the confirmation ends the response; one before it does not count."""
    rows = assessments(10, (7, 5), (28, 5), (60, 8), (90, 8))
    for day, time in ((40, 12), (80, 32), (20, 32)):
        rescues = pl.DataFrame({"USUBJID": ["p"], "rescued_on": [on(day)]})
        found = durability.loss_of_response(rows, rescues=rescues).row(0, named=True)
        assert (found["AVAL"], found["CNSR"]) == (time, 0)
        assert found["EVNTDESC"] == (
            "rescue procedure" if day == 40 else "confirmed loss of response"
        )


def test_no_confirmed_response_has_no_time():
    """Who never responded has no origin: null with the reason, not a time of 0."""
    found = durability.loss_of_response(assessments(10, (7, 9), (28, 9))).row(0, named=True)
    assert (found["AVAL"], found["CNSR"], found["NEREASON"]) == (
        None,
        None,
        "no confirmed response",
    )


@pytest.mark.parametrize(
    ("rows", "days", "is_censored"),
    [
        ([(7, 0), (37, 0), (60, 2)], 23, 0),  # 30 pain-free days, back on day 60
        ([(7, 0), (37, 0), (60, 1), (80, 2)], 43, 0),  # 1 is under the important change
        ([(7, 0), (37, 0), (60, 1)], 23, 1),
        ([(7, 0), (36, 0), (60, 5)], None, None),  # 29 days are not a month
        ([(7, 0), (20, 1), (40, 0), (60, 5)], None, None),
    ],
)
def test_relapse(rows, days, is_censored):
    """Pain of 2 or more after at least 30 days at 0; time from the 30th day known."""
    found = durability.relapse(assessments(8, *rows)).row(0, named=True)
    assert (found["AVAL"], found["CNSR"]) == (days, is_censored)
    assert (found["NEREASON"] is None) == (days is not None)


def test_order_and_other_patients_change_nothing():
    """Each patient is judged alone, whatever the order of the rows."""
    one = assessments(10, (7, 5), (28, 5), (60, 8), (90, 8))
    other = assessments(10, (7, 5), (28, 9), (60, 5), (90, 5)).with_columns(USUBJID=pl.lit("q"))
    both = pl.concat([one, other]).sample(fraction=1, shuffle=True, seed=5)
    apart = pl.concat([durability.loss_of_response(f) for f in (one, other)])
    assert durability.loss_of_response(both).sort("USUBJID").equals(apart.sort("USUBJID"))
    empty = durability.loss_of_response(one.clear())
    assert empty.height == 0
