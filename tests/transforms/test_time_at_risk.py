"""Time at risk: courses, gaps, merging, and what ends it.

Here: one patient's sessions and the intervals that must come out. Not here: rates.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms import time_at_risk
from transforms.options import Cut, Options

T0 = datetime(2025, 3, 3, 15, tzinfo=UTC)
FAR = Cut(lake_snapshot=1, data_cutoff=datetime(2030, 1, 1, tzinfo=UTC))
NO_ENDS = pl.DataFrame(schema={"patient_id": pl.String, "effective_on": pl.Date, "is_death": pl.Boolean,
                               "ended_at": pl.Datetime("us", "UTC")})  # fmt: skip


def begun(*starts, patient="P1"):
    """Sessions that began: (days from T0, course) or (days, course, clinic)."""
    rows = [(patient, f"S{k}", start[1], T0 + timedelta(days=start[0]), start[2] if len(start) > 2 else "C1")
            for k, start in enumerate(starts)]  # fmt: skip
    frame = pl.DataFrame(
        rows,
        schema={"patient_id": pl.String, "session_id": pl.String, "course_id": pl.String,
                "started_at": pl.Datetime("us", "UTC"), "clinic_id": pl.String},
        orient="row",
    )  # fmt: skip
    return frame.with_columns(day=pl.col("started_at").dt.date())


def spans(sessions, *, ends=NO_ENDS, cut=FAR, by=(), **options):
    frame = time_at_risk.intervals(sessions, ends, by=by, options=Options(**options), cut=cut)
    days = lambda t: (t - T0) / timedelta(days=1)  # noqa: E731
    return [(*(r[c] for c in by), days(r["from_at"]), days(r["to_at"])) for r in frame.to_dicts()]


def ends(*rows, zone="America/New_York"):
    """Deaths and withdrawals: (status, day)."""
    status = pl.DataFrame(
        [("P1", what, day) for what, day in rows],
        schema={"patient_id": pl.String, "status": pl.String, "effective_on": pl.Date},
        orient="row",
    )
    adsl = pl.DataFrame({"USUBJID": ["P1"], "TIMEZONE": [zone]})
    return time_at_risk.ends_of_follow_up(adsl, status)


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([], []),
        ([(0, "A")], [(0, 30)]),
        ([(0, "A"), (14, "A")], [(0, 44)]),
        ([(0, "A"), (100, "A")], [(0, 130)]),  # one course, however long the pause
        ([(0, "A"), (100, "B")], [(0, 30), (100, 130)]),
        ([(0, "A"), (20, "B")], [(0, 50)]),  # overlapping: merged, not counted twice
        ([(0, "A"), (30, "B")], [(0, 60)]),  # touching
        ([(0, None), (30, None)], [(0, 60)]),  # a gap of 30 days is still one course
        ([(0, None), (70, None)], [(0, 30), (70, 100)]),
        ([(0, "A"), (0, "A")], [(0, 30)]),
    ],
)
def test_courses(sessions, expected):
    """From the first session of a course to 30 days after its last; those without a course split at a gap."""
    assert spans(begun(*sessions)) == expected


def test_windows_are_settings():
    """The days after the last session and the gap that splits are options."""
    assert spans(begun((0, "A")), risk_window_days=7) == [(0, 7)]
    assert spans(begun((0, None), (20, None)), risk_window_days=7, course_gap_days=19) == [(0, 7), (20, 27)]


def test_the_cut_ends_time():
    """Nothing is counted after the data cutoff; a session at the cut gives no time."""
    cut = Cut(lake_snapshot=1, data_cutoff=T0 + timedelta(days=10))
    assert spans(begun((0, "A"), (10, "B"), (20, "C")), cut=cut) == [(0, 10)]


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        # T0 is 2025-03-03 10:00 in New York: the first moment of 8 March is 4 days and 14 hours later
        ([("died", date(2025, 3, 8))], [(0, 4 + 14 / 24)]),
        ([("died", date(2025, 3, 3))], []),  # the day of death is out, also for a session on that day
        ([("withdrew", date(2025, 3, 8))], [(0, 4 + 14 / 24), (100, 130)]),  # came back for another course
        ([("died", date(2025, 6, 1)), ("withdrew", date(2025, 3, 8))], [(0, 4 + 14 / 24)]),
        ([("withdrew", date(2025, 3, 1))], [(0, 30), (100, 130)]),
        ([("completed", date(2025, 3, 8)), ("lost", date(2025, 3, 9))], [(0, 30), (100, 130)]),
    ],
)
def test_death_and_withdrawal_end_time(happened, expected):
    """Death ends everything from its day on, withdrawal the course that it falls into or follows."""
    seen = spans(begun((0, "A"), (100, "B")), ends=ends(*happened))
    assert [t for span in seen for t in span] == pytest.approx([t for span in expected for t in span])


def test_a_stratum_takes_its_own_sessions():
    """By clinic each clinic's sessions are taken alone: together they may be more than the whole."""
    sessions = begun((0, "A", "C1"), (10, "A", "C2"))
    assert spans(sessions) == [(0, 40)]
    assert spans(sessions, by=("clinic_id",)) == [("C1", 0, 30), ("C2", 10, 40)]


def test_share_of_session_windows():
    """72-hour windows of sessions at 0, 1 and 10 days: (1 + 3) + 3 = 7 days, all within the time at risk."""
    sessions = begun((0, "A"), (1, "A"), (10, "A"))
    at_risk = time_at_risk.intervals(sessions, NO_ENDS, options=Options(), cut=FAR)
    windows = time_at_risk.session_windows(sessions, hours=72)
    assert time_at_risk.overlap_us(at_risk, windows)["time_us"].to_list() == [7 * 86_400_000_000]


def test_order_and_splitting_change_nothing():
    """The rows may come in any order; another patient's rows change nothing."""
    sessions = begun((0, None), (5, None), (70, None), (80, "A"))
    other = begun((1, "A"), patient="P2")
    alone = time_at_risk.intervals(sessions, NO_ENDS, options=Options(), cut=FAR)
    both = time_at_risk.intervals(pl.concat([sessions.reverse(), other]), NO_ENDS, options=Options(), cut=FAR)
    assert both.filter(pl.col("patient_id") == "P1").equals(alone)
