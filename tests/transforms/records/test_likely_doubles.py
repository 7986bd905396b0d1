"""Which sessions are likely one session recorded twice: ties, touching times, unknown durations,
three records.
"""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.records.likely_doubles import likely_doubles
from transforms.schemas import CORE_TABLES

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SESSIONS = CORE_TABLES["sessions"]


def session(session_id: str, minute: float, duration_s: float | None = 180, **given) -> dict:
    return (
        dict.fromkeys(SESSIONS.names)
        | {
            "session_id": session_id,
            "patient_id": "P1",
            "clinic_id": "C1",
            "status": "delivered",
            "modality": "local",
            "started_at": NOON + timedelta(minutes=minute),
            "duration_s": duration_s,
        }
        | given
    )


def doubles(*sessions: dict) -> list[tuple]:
    frame = pl.DataFrame(sessions, schema=SESSIONS.polars_schema)
    return likely_doubles(frame).select("session_id", "double_of", "same").rows()


def test_one_session_by_two_tablets():
    """The same start of one patient, whatever the duration; of three records two are listed, both
    of the first.
    """
    assert doubles(session("A", 0), session("B", 0, None)) == [("B", "A", "patient")]
    assert doubles(session("A", 0), session("B", 0), session("C", 1)) == [
        ("B", "A", "patient"),
        ("C", "A", "patient"),
    ]


def test_overlap_ends_before_the_end():
    """A session that starts when another ends is no double; an unknown duration reaches no further
    than the start.
    """
    assert doubles(session("A", 0, 180), session("B", 3)) == []
    assert doubles(session("A", 0, 180), session("B", 2.99)) == [("B", "A", "patient")]
    assert doubles(session("A", 0, None), session("B", 1)) == []


def test_chain_names_the_session_that_overlaps():
    """B overlaps A and C overlaps B alone: C is a double of B."""
    assert doubles(session("A", 0), session("B", 2), session("C", 4)) == [
        ("B", "A", "patient"),
        ("C", "B", "patient"),
    ]


def test_device_or_patient():
    """Two patients on one device at one time are listed too; two patients without a device are
    not.
    """
    assert doubles(
        session("A", 0, device_id="D"), session("B", 1, device_id="D", patient_id="P2")
    ) == [("B", "A", "device")]
    assert doubles(session("A", 0), session("B", 1, patient_id="P2")) == []


def test_only_sessions_that_began():
    """A missed or cancelled session is no double, an aborted one is; no session gives an empty
    table.
    """
    assert (
        doubles(
            session("A", 0, status="missed"), session("B", 0), session("C", 0, status="cancelled")
        )
        == []
    )
    assert doubles(session("A", 0, status="aborted"), session("B", 0)) == [("B", "A", "patient")]
    assert doubles() == []


@given(
    given=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([None, 0, 60, 300]), st.sampled_from("PQ")),
        max_size=9,
    ),
    data=st.data(),
)
def test_order_changes_nothing_and_pairs_are_those_of_loops(given, data):
    """In any order, the sessions listed are those that loops over all pairs find."""
    rows = [session(f"S{k}", m, d, patient_id=p) for k, (m, d, p) in enumerate(given)]
    expected = {
        b["session_id"]
        for a in rows
        for b in rows
        if a["patient_id"] == b["patient_id"]
        and (
            (a["started_at"] == b["started_at"] and a["session_id"] < b["session_id"])
            or a["started_at"]
            < b["started_at"]
            < a["started_at"] + timedelta(seconds=a["duration_s"] or 0)
        )
    }
    assert {r[0] for r in doubles(*data.draw(st.permutations(rows)))} == expected
