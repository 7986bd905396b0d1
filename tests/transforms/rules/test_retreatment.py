"""Does a patient come back: the first of next episode, surgery and death, and what censors.

Here: small frames and what must come out. Not here: what an episode is (test_episodes.py), curves.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.rules.retreatment import retreatment

DAY1 = date(2025, 3, 3)


def day(n):
    return None if n is None else DAY1 + timedelta(days=n)


def run(*, sessions=((0, 1),), surgeries=(), death=None, withdrawals=(), cut=300, people=None):
    """`sessions`: (day, APERIOD), or (day, APERIOD, subject) of a patient of two studies."""
    placed = [(s[0], s[1], s[2] if len(s) > 2 else "P1") for s in sessions]
    return retreatment(
        pl.DataFrame(
            [(who, "P", day(death), day(cut)) for who in people or ("P1",)],
            schema={
                "USUBJID": pl.String,
                "patient_id": pl.String,
                "DTHDT": pl.Date,
                "cut_on": pl.Date,
            },
            orient="row",
        ),
        delivered=pl.DataFrame(
            [
                (
                    who,
                    "P",
                    period,
                    datetime(2025, 3, 3, 12, tzinfo=UTC) + timedelta(days=n),
                    day(n),
                    f"S{k}",
                    f"E{k}",
                )
                for k, (n, period, who) in enumerate(placed)
            ],
            schema={
                "USUBJID": pl.String,
                "patient_id": pl.String,
                "APERIOD": pl.Int64,
                "EXSTDTM": pl.Datetime("us", "UTC"),
                "ASTDT": pl.Date,
                "SESSIONID": pl.String,
                "EVENTID": pl.String,
            },
            orient="row",
        ),
        surgeries=pl.DataFrame(
            [("P1", day(n), f"K{k}") for k, n in enumerate(surgeries)],
            schema={"USUBJID": pl.String, "on": pl.Date, "EVENTID": pl.String},
            orient="row",
        ),
        withdrawals=pl.DataFrame(
            [("P", day(n)) for n in withdrawals],
            schema={"patient_id": pl.String, "withdrew_on": pl.Date},
            orient="row",
        ),
    )


TWO = ((0, 1), (14, 1), (120, 2), (130, 2), (250, 3))


@pytest.mark.parametrize(
    ("given", "days", "code", "what"),
    [
        ({"sessions": TWO}, 120, 0, "next episode"),
        ({"sessions": ((0, 1), (14, 1))}, 300, 1, "data cut"),
        ({"sessions": TWO, "surgeries": [90]}, 90, 2, "surgery"),
        ({"sessions": TWO, "surgeries": [120]}, 120, 0, "next episode"),  # of one day
        ({"sessions": TWO, "surgeries": [121]}, 120, 0, "next episode"),
        ({"sessions": TWO, "surgeries": [-5]}, 120, 0, "next episode"),  # before Day 1
        ({"surgeries": [0]}, 0, 2, "surgery"),  # on it
        ({"surgeries": [200, 100]}, 100, 2, "surgery"),  # the first
        ({"death": 150}, 150, 2, "death"),
        ({"death": 150, "surgeries": [150]}, 150, 2, "surgery"),
        ({"withdrawals": [100]}, 100, 1, "withdrawal from follow-up"),
        ({"withdrawals": [300]}, 300, 1, "withdrawal from follow-up"),
        ({"withdrawals": [-10]}, 300, 1, "data cut"),  # came after it
        ({"withdrawals": [200, 100]}, 100, 1, "withdrawal from follow-up"),
        # who withdrew is not followed: what is known by chance would count for some alone
        ({"sessions": TWO, "withdrawals": [100]}, 100, 1, "withdrawal from follow-up"),
        ({"death": 150, "withdrawals": [100]}, 100, 1, "withdrawal from follow-up"),
        ({"sessions": TWO, "withdrawals": [120]}, 120, 0, "next episode"),  # on that day
        ({"sessions": TWO, "cut": 119}, 119, 1, "data cut"),
        ({"sessions": TWO, "cut": 120}, 120, 0, "next episode"),
    ],
)
def test_what_came_first(given, days, code, what):
    """Days from Day 1 of the first episode, the code of CNSR, and what happened or why censored."""
    row = run(**given).row(0, named=True)
    assert (row["AVAL"], row["CNSR"], row["EVNTDESC"] or row["CNSDTDSC"]) == (days, code, what)
    assert (row["STARTDT"], row["ADT"]) == (DAY1, day(days))
    assert (row["EVNTDESC"] is None) == (code == 1)


def test_where_it_comes_from():
    """The event in raw: of the first session of the next episode, of the surgery."""
    assert run(sessions=TWO)["EVENTID"].to_list() == ["E2"]
    assert run(surgeries=[50])["EVENTID"].to_list() == ["K0"]
    assert run()["EVENTID"].to_list() == [None]


def test_who_was_not_treated_has_no_time():
    """No delivered session, no Day 1; a session without a known start is of no episode."""
    assert run(sessions=()).is_empty()
    assert run(sessions=((0, None),)).is_empty()


def test_a_death_before_day_1_gives_no_time():
    """Records that contradict each other: null, with why."""
    row = run(death=-3).row(0, named=True)
    assert (row["AVAL"], row["CNSR"], row["NEREASON"]) == (
        None,
        None,
        "follow-up ended before the start",
    )


def test_of_a_patient_in_two_studies():
    """From the first episode in the study to the patient's next one, in whichever: of `a` the
    second, at 120, of `b`, which had the second alone, the third: 250 - 120 = 130.
    """
    sessions = ((0, 1, "a"), (120, 2, "b"), (250, 3, "a"))
    rows = run(sessions=sessions, people=("a", "b")).sort("USUBJID")
    assert rows.select("USUBJID", "AVAL", "CNSR").rows() == [("a", 120, 0), ("b", 130, 0)]
