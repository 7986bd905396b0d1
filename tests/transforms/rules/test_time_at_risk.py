"""Time at risk: episodes, gaps, merging, and what ends it.

Here: one patient's sessions and the intervals that must come out. Not here: which records are a
contact (test_contact.py), rates.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.options import Cut, Options
from transforms.rules import time_at_risk
from transforms.rules.local_time import with_local_day
from transforms.schemas import CORE_TABLES

T0 = datetime(2025, 3, 3, 15, tzinfo=UTC)  # 10:00 in New York
FAR = Cut(lake_snapshot=1, data_cutoff=datetime(2030, 1, 1, tzinfo=UTC))
SEEN = 1000  # days from T0: somebody met the patient long after everything
MOMENT = pl.Datetime("us", "UTC")


def begun(*starts, patient="P1"):
    """Sessions that began: (days from T0, course) or (days, course, clinic)."""
    rows = [
        (
            patient,
            f"S{patient}-{k}",
            start[1],
            T0 + timedelta(days=start[0]),
            start[2] if len(start) > 2 else "C1",
        )
        for k, start in enumerate(starts)
    ]
    schema = {
        "patient_id": pl.String,
        "session_id": pl.String,
        "course_id": pl.String,
        "started_at": MOMENT,
        "clinic_id": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def stretches(
    sessions, *, status=(), contact=SEEN, continues=(), cut=FAR, zone="America/New_York", **options
):
    """Rows of the mart. `status`: (what, day); `contact`: days of the last one; `continues`:
    (course, of which).
    """
    patients = sessions["patient_id"].unique().sort().to_list()
    filed = [{"patient_id": p, "status": s, "effective_on": d} for p in patients for s, d in status]
    courses = [{"course_id": c, "continues": of} for c, of in continues]
    told = pl.DataFrame(
        [(p, T0 + timedelta(days=contact), zone, 0) for p in patients],
        schema={
            "patient_id": pl.String,
            "last_contact_at": MOMENT,
            "timezone": pl.String,
            "utc_offset_min": pl.Int64,
        },
        orient="row",
    )
    told = with_local_day(told, at="last_contact_at", into="last_contact_on")
    return time_at_risk.stretches(
        sessions,
        courses=_core("courses", courses),
        patient_status=_core("patient_status", filed).with_columns(timezone=pl.lit(zone)),
        last_contact=told,
        options=Options(**options),
        cut=cut,
    )


def _core(name, rows):
    schema = CORE_TABLES[name].polars_schema
    return pl.DataFrame([{k: r.get(k) for k in schema} for r in rows], schema=schema)


def days_of(moment):
    return round((moment - T0) / timedelta(days=1), 6)


def spans(sessions, *, by=(), until=time_at_risk.OBSERVED, risk_window_days=30, **given):
    """The intervals, in days from T0, after the values of `by`."""
    at_risk = stretches(sessions, risk_window_days=risk_window_days, **given)
    placed = time_at_risk.in_stretch(sessions, at_risk)
    frame = time_at_risk.intervals(
        placed, at_risk, by=by, until=until, window_days=risk_window_days
    )
    return [
        (*(r[c] for c in by), days_of(r["from_at"]), days_of(r["to_at"])) for r in frame.to_dicts()
    ]


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([], []),
        ([(0, "A")], [(0, 30)]),
        ([(0, "A"), (14, "A")], [(0, 44)]),
        ([(0, "A"), (90, "A")], [(0, 120)]),  # one episode, however long the pause, up to 90 days
        (
            [(0, "A"), (91, "A")],
            [(0, 30), (91, 121)],
        ),  # more than 90 days after the last: a new one
        ([(0, "A"), (50, "B")], [(0, 30), (50, 80)]),  # a course that is new to the patient
        ([(0, "A"), (20, "B")], [(0, 50)]),  # overlapping: merged, not counted twice
        ([(0, "A"), (30, "B")], [(0, 60)]),  # touching
        (
            [(0, "A"), (50, "B"), (85, "A")],
            [(0, 30), (50, 115)],
        ),  # A is not new any more: the episode under way
        ([(0, None), (70, None)], [(0, 100)]),  # without a course: the episode under way
        ([(0, "A"), (50, None), (85, "A")], [(0, 115)]),
        ([(0, None), (5, "A")], [(0, 35)]),
        ([(0, "A"), (0, "A")], [(0, 30)]),
    ],
)
def test_episodes(sessions, expected):
    """From the first session of an episode to 30 days after its last; nothing between two
    episodes.
    """
    assert spans(begun(*sessions)) == expected


def test_a_course_that_continues_another_begins_no_episode():
    """B prolongs A: one episode from day 0 to 80; a course that names itself prolongs nothing."""
    assert spans(begun((0, "A"), (50, "B")), continues=[("B", "A")]) == [(0, 80)]
    assert spans(begun((0, "A"), (50, "B")), continues=[("B", "B")]) == [(0, 30), (50, 80)]


def test_episodes_are_numbered():
    """From 1, in order; the first ends where the second begins."""
    rows = (
        stretches(begun((0, "A"), (20, "B"), (200, "B")))
        .select("episode", "from_at", "to_at", "ended_by")
        .rows()
    )
    assert [(e, days_of(a), days_of(b), by) for e, a, b, by in rows] == [
        (1, 0, 20, "next_episode"),
        (2, 20, 50, "risk_window"),
        (3, 200, 230, "risk_window"),
    ]


def test_windows_are_settings():
    """The days after the last session, the gap and the days to loss are options."""
    assert spans(begun((0, "A")), risk_window_days=7) == [(0, 7)]
    assert spans(begun((0, "A"), (20, "A")), risk_window_days=7, episode_gap_days=19) == [
        (0, 7),
        (20, 27),
    ]
    lost = {"contact": 5, "cut": _cut(days=25)}
    assert spans(begun((0, "A")), lost_after_days=20, **lost) == [(0, LAST_MOMENT_OF_DAY_5)]
    assert spans(begun((0, "A")), lost_after_days=21, **lost) == [(0, 25)]


def _cut(*, days=0.0, **parts):
    return Cut(lake_snapshot=1, data_cutoff=T0 + timedelta(days=days, **parts))


# T0 is 10:00 in New York: the last moment of the day n days later is n days and 14 hours after T0
LAST_MOMENT_OF_DAY_5 = round(5 + 14 / 24, 6)
# clocks go forward on the sixth day
LAST_MOMENT_OF_DAY_10 = round(10 + 13 / 24, 6)


@pytest.mark.parametrize(
    ("cut", "hours", "expected"),
    [
        (_cut(days=10), 1, [(0, 10)]),  # a session at the cut gives no time
        (_cut(days=10, minutes=59), 1, [(0, 10)]),
        (_cut(days=10, minutes=61), 1, [(0, round(10 + 1 / 24, 6))]),
        (_cut(days=10, minutes=6), 0, [(0, round(10 + 0.1 / 24, 6))]),
    ],
)
def test_the_cut_ends_time(cut, hours, expected):
    """Nothing is counted after the data cut, taken down to the whole hour (0 = as it is)."""
    seen = spans(begun((0, "A"), (20, "C")), cut=cut, person_time_cut_h=hours)
    assert seen == expected
    assert stretches(begun((0, "A")), cut=cut)["ended_by"].to_list() == ["data_cut"]


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ([("died", date(2025, 3, 8))], [(0, LAST_MOMENT_OF_DAY_5)]),
        (
            [("died", date(2025, 3, 3))],
            [(0, round(14 / 24, 6))],
        ),  # on the day of the session: that day is in
        ([("died", date(2025, 3, 2))], []),
        (
            [("withdrew", date(2025, 3, 8))],
            [(0, LAST_MOMENT_OF_DAY_5), (100, 130)],
        ),  # came back for another course
        ([("died", date(2025, 6, 1)), ("withdrew", date(2025, 3, 8))], [(0, LAST_MOMENT_OF_DAY_5)]),
        ([("withdrew", date(2025, 3, 1))], [(0, 30), (100, 130)]),
        ([("completed", date(2025, 3, 8)), ("lost", date(2025, 3, 9))], [(0, 30), (100, 130)]),
        ([("discontinued", date(2025, 3, 8)), ("paused", date(2025, 3, 9))], [(0, 30), (100, 130)]),
    ],
)
def test_death_and_withdrawal_end_time(happened, expected):
    """To the last moment of the day; death ends everything, withdrawal until the next session;
    nothing else does.
    """
    assert spans(begun((0, "A"), (100, "B")), status=happened) == expected


def test_who_withdraws_within_a_course_and_comes_back():
    """Sessions on days 0 and 20 of one course, withdrawn on day 5: at risk to that midnight, and
    from day 20 again.
    """
    seen = spans(begun((0, "A"), (20, "A")), status=[("withdrew", date(2025, 3, 8))])
    assert seen == [(0, LAST_MOMENT_OF_DAY_5), (20, 50)]


@pytest.mark.parametrize(
    ("contact", "cut", "expected"),
    [
        (5, 64.9, [(0, 30)]),  # not yet 60 days without contact
        (5, 65, [(0, LAST_MOMENT_OF_DAY_5)]),
        (66, 67, [(0, 30)]),  # a later contact gives the time in between back
        (0, 61, [(0, round(14 / 24, 6))]),
        (29.9, 200, [(0, 30)]),  # the window ends before that day does
    ],
)
@pytest.mark.parametrize("filed", [[], [("lost", date(2025, 3, 20))], [("lost", date(2025, 3, 3))]])
def test_who_is_lost_is_at_risk_to_the_last_contact(contact, cut, expected, filed):
    """Lost: no contact for 60 days at the cut. Whether, and when, a clinic files it changes
    nothing.
    """
    assert spans(begun((0, "A")), contact=contact, cut=_cut(days=cut), status=filed) == expected


def test_planned_time_takes_no_heed_of_loss():
    """Lost on day 5 of a window of 30: the planned time is the window; death still ends it."""
    lost = {"contact": 5, "cut": _cut(days=100), "until": time_at_risk.PLANNED}
    assert spans(begun((0, "A")), **lost) == [(0, 30)]
    assert spans(begun((0, "A")), **lost, status=[("died", date(2025, 3, 13))]) == [
        (0, LAST_MOMENT_OF_DAY_10)
    ]


def test_the_dead_are_not_lost():
    """Last seen on day 5, dead on day 10: followed to that day's end; dead on day 200, they were
    lost before.
    """
    given = {"contact": 5, "cut": _cut(days=400)}
    assert spans(begun((0, "A")), **given, status=[("died", date(2025, 3, 13))]) == [
        (0, LAST_MOMENT_OF_DAY_10)
    ]
    assert spans(begun((0, "A")), **given, status=[("died", date(2025, 9, 19))]) == [
        (0, LAST_MOMENT_OF_DAY_5)
    ]
    assert spans(begun((0, "A")), **given, status=[("withdrew", date(2025, 3, 13))]) == [
        (0, LAST_MOMENT_OF_DAY_10)
    ]


def test_a_place_has_its_own_sessions_time():
    """Two clinics in one episode: each from its first to 30 days after its last; together more than
    the whole.
    """
    sessions = begun((0, "A", "C1"), (10, "A", "C2"))
    assert spans(sessions) == [(0, 40)]
    assert spans(sessions, by=("clinic_id",)) == [("C1", 0, 30), ("C2", 10, 40)]
    withdrawn = {"status": [("withdrew", date(2025, 3, 18))]}
    ended = round(15 + 13 / 24, 6)
    assert spans(sessions, by=("clinic_id",), **withdrawn) == [("C1", 0, ended), ("C2", 10, ended)]


def test_share_of_session_windows():
    """72-hour windows of sessions at 0, 1 and 10 days: (1 + 3) + 3 = 7 days, all within the time at
    risk.
    """
    sessions = begun((0, "A"), (1, "A"), (10, "A"))
    whole = time_at_risk.intervals(sessions, stretches(sessions), window_days=30)
    windows = time_at_risk.session_windows(sessions, hours=72)
    covered = time_at_risk.intersection(whole, windows, on=["patient_id"])
    assert covered.select(time_at_risk.length_us().sum()).item() == 7 * 86_400_000_000


def test_order_and_other_patients_change_nothing():
    """The rows may come in any order; another patient's rows change nothing."""
    sessions = begun((0, None), (5, None), (100, None), (110, "A"))
    alone = stretches(sessions)
    both = stretches(pl.concat([sessions.reverse(), begun((1, "A"), patient="P2")]))
    assert both.filter(pl.col("patient_id") == "P1").equals(alone)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from(["A", "B", None])), min_size=1, max_size=8
    ),
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_filing_lost_and_duplicates_change_nothing(sessions, contact, cut, filed):
    """Whatever the sessions: with and without `lost`, and with every session twice, the time is the
    same.
    """
    contact = max(contact, *(day for day, _ in sessions))
    given = {"contact": contact, "cut": _cut(days=cut)}
    plain = spans(begun(*sessions), **given)
    assert (
        spans(begun(*sessions), **given, status=[("lost", (T0 + timedelta(days=filed)).date())])
        == plain
    )
    assert spans(begun(*sessions, *sessions), **given) == plain
