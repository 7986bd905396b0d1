"""What counts of all that landed: small cases of each rule, then any landings against a slow plain
re-computation.
"""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.records.conflicts import conflicts
from transforms.records.current import current, first_landed, merge_map, merge_patients
from transforms.records.orphans import orphans
from transforms.schemas import CORE_RECORDS, CORE_TABLES, RAW_TABLES

DAY = datetime(2025, 1, 6, 12, tzinfo=UTC)


def landed(name: str, *given: dict) -> pl.DataFrame:
    """Rows of raw.NAME: every field null but position and envelope, then what is given."""
    table = RAW_TABLES[name]
    made = [
        dict.fromkeys(table.names)
        | {
            "kafka_topic": f"floe.{name}.v1",
            "kafka_topic_id": "T",
            "kafka_partition": 0,
            "kafka_offset": k,
            "event_id": f"E{k}",
            "source": "clinic",
            "event_time": DAY,
            "ingested_at": DAY + timedelta(minutes=k),
        }
        | row
        for k, row in enumerate(given)
    ]
    return pl.DataFrame(made, schema=table.polars_schema)


def session(**given) -> dict:
    return {
        "session_id": "S1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "started_at": DAY,
    } | given


def status(patient: str, into: str | None, **given) -> dict:
    return {
        "status_id": f"{patient}-{into}",
        "patient_id": patient,
        "status": "merged",
        "merged_into": into,
        "effective_on": date(2025, 1, 1),
    } | given


def durations(raw: pl.DataFrame) -> list:
    return current("sessions", raw)["duration_s"].to_list()


def test_defaults():
    """No revision, the event's time as recording time (and that it was not given), a session
    delivered.
    """
    [row] = current("sessions", landed("sessions", session())).to_dicts()
    assert (row["revision"], row["recorded_at"], row["is_recorded_at_given"], row["status"]) == (
        None,
        DAY,
        False,
        "delivered",
    )
    [row] = current(
        "sessions", landed("sessions", session(recorded_at=DAY, status="missed"))
    ).to_dicts()
    assert (row["is_recorded_at_given"], row["status"]) == (True, "missed")
    answer = {
        "response_id": "R",
        "patient_id": "P1",
        "instrument": "odi",
        "answered_at": DAY,
        "items": "{}",
    }
    assert current("responses", landed("responses", answer))["context"].to_list() == ["scheduled"]


def test_duplicate_changes_nothing():
    """The first landed of one (source, event_id) stands, whatever its offset; another source is
    another event.
    """
    first = session(event_id="E", duration_s=100.0, kafka_offset=9)
    second = session(event_id="E", duration_s=200.0, kafka_offset=1, revision=5)
    assert durations(landed("sessions", first, second)) == [100]
    assert durations(landed("sessions", first, second | {"source": "other"})) == [200]


def test_ties_of_landing():
    """Landed at one moment: the lower partition, then the lower offset, is the first."""
    at = {"event_id": "E", "ingested_at": DAY}
    copies = [
        session(**at, kafka_partition=p, kafka_offset=o, duration_s=float(10 * p + o))
        for p, o in ((1, 0), (0, 7), (0, 3))
    ]
    assert durations(landed("sessions", *copies)) == [3]


LATER = timedelta(hours=1)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (
            {"revision": 2},
            {"revision": 1, "ingested_at": DAY + 9 * LATER},
        ),  # a revision, however late the lower lands
        ({"revision": 2}, {"revision": 1, "recorded_at": DAY - LATER}),
        ({"ingested_at": DAY + LATER}, {"revision": 5}),  # unversioned and later
        (
            {"ingested_at": DAY + LATER, "source": "b"},
            {"revision": 5, "source": "a"},
        ),  # another source, later
        (
            {"recorded_at": DAY - LATER},
            {"recorded_at": DAY - 2 * LATER, "ingested_at": DAY + LATER},
        ),
        ({"ingested_at": DAY + LATER}, {"recorded_at": DAY}),  # not said when: as of landing
        (
            {"ingested_at": DAY + LATER},
            {"recorded_at": DAY + 99 * LATER},
        ),  # nothing is written down after it landed
        (
            {"kafka_offset": 9, "event_id": "A"},
            {"kafka_offset": 2, "event_id": "B"},
        ),  # else landed later
    ],
)
def test_record_that_counts(better, worse):
    """Of one source the highest revision; between it and others the latest written down, then the
    last landed.
    """
    for order in ((better, worse), (worse, better)):
        given = [{"ingested_at": DAY, "duration_s": 1.0 if o is better else 2.0} | o for o in order]
        raw = landed("sessions", *(session(**row) for row in given))
        assert durations(raw) == [1]


def test_entered_in_error():
    """A later mark of error takes the record out whatever its revision; a later record after it is
    back.
    """
    kept, error = session(duration_s=1.0, revision=5), session(record_status="entered_in_error")
    assert durations(landed("sessions", kept, error)) == []
    assert durations(landed("sessions", error, kept)) == [1]  # written down before the record
    assert durations(landed("sessions", kept, error, session(duration_s=3.0))) == [3]
    late = error | {"revision": 1}
    assert durations(landed("sessions", kept, late)) == [1]  # a lower revision is no news


def test_protocol_versions_stand_side_by_side():
    """A protocol's version is identified by the moment from which it is in force."""
    version = {"protocol_id": "PR", "modality": "local"}
    raw = landed(
        "protocols",
        version | {"effective_from": DAY},
        version | {"effective_from": DAY + timedelta(days=1)},
        version | {"effective_from": DAY, "revision": 1, "max_duration_s": 90.0},
    )
    assert current("protocols", raw)["max_duration_s"].to_list() == [90, None]


# --- conflicts ----------------------------------------------------------------------------------


def test_conflicts_list_what_differs():
    """Other content under one identity is listed with [stands, sent]; an exact copy is not, nor
    JSON in other order.
    """
    first = session(event_id="E", duration_s=100.0, extra='{"a": 1, "b": 2}')
    raw = landed(
        "sessions",
        first,
        first,
        first | {"extra": '{"b": 2, "a": 1}'},
        first | {"duration_s": 90.0, "regions": ["back"]},
    )
    [row] = conflicts("sessions", raw).to_dicts()
    assert (row["topic"], row["event_id"], row["kafka_offset"]) == ("sessions", "E", 3)
    assert json.loads(row["differs"]) == {"duration_s": [100.0, 90.0], "regions": [None, ["back"]]}
    assert conflicts("sessions", pl.concat([raw, raw])).to_dicts() == [row]


def test_conflicts_of_series_and_of_time():
    """The samples of a series and the time of an event are content."""
    first = {
        "event_id": "E",
        "patient_id": "P",
        "metric": "worn",
        "unit": "1",
        "started_at": DAY,
        "interval_s": 60.0,
        "values": [1.0],
    }
    raw = landed(
        "readings",
        first,
        first | {"values": [1.0, None]},
        first | {"event_time": DAY + timedelta(days=1)},
    )
    assert [list(json.loads(d)) for d in conflicts("readings", raw)["differs"]] == [
        ["values"],
        ["event_time"],
    ]


# --- merged patients ----------------------------------------------------------------------------


def merged(*statuses: dict) -> pl.DataFrame:
    return current("patient_status", landed("patient_status", *statuses))


def test_merges_follow_chains_and_stop_at_cycles():
    """A → B → C ends at C; a cycle, and what leads into it, stays as it is; a self-merge is a
    cycle.
    """
    chain = merged(
        status("A", "B"),
        status("B", "C"),
        status("X", "Y"),
        status("Y", "X"),
        status("W", "X"),
        status("Z", "Z"),
    )
    found = {r["patient_id"]: r["merged_into"] for r in merge_map(chain).to_dicts()}
    assert found == {"A": "C", "B": "C", "X": None, "Y": None, "W": None, "Z": None}
    frame = pl.DataFrame({"patient_id": ["A", "C", "X", "W", None]})
    assert merge_patients(frame, chain)["patient_id"].to_list() == ["C", "C", "X", "W", None]


def test_latest_merge_counts():
    """Of two merges of one patient the one effective later counts."""
    both = merged(
        status("A", "B", effective_on=date(2025, 2, 1)),
        status("A", "C", effective_on=date(2025, 1, 1)),
    )
    assert merge_map(both)["merged_into"].to_list() == ["B"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"recorded_at": DAY + 99 * LATER},
            {},
        ),  # a clock ahead: nothing is written down after it landed
        ({}, {}),  # not said when: as of landing, whatever the event's own time
        ({"event_time": DAY + timedelta(hours=30)}, {}),
        ({"recorded_at": DAY}, {"recorded_at": DAY + LATER}),
    ],
)
def test_of_two_merges_of_one_day_the_one_written_down_last_counts(first, second):
    """The second landed an hour after the first."""
    day = date(2025, 2, 1)
    one = status("A", "B", effective_on=day) | {"ingested_at": DAY + LATER} | first
    other = status("A", "C", effective_on=day) | {"ingested_at": DAY + 2 * LATER} | second
    for order in ((one, other), (other, one)):
        assert merge_map(merged(*order))["merged_into"].to_list() == ["C"]


def test_merged_patients_keep_one_row():
    """The record of the patient that another became stands; where there is none yet, the merged
    one's stands in.
    """
    patient = {"clinic_id": "C1", "enrolled_on": date(2025, 1, 1)}
    frame = current(
        "patients",
        landed(
            "patients",
            {"patient_id": "A", "birth_year": 1950, **patient},
            {"patient_id": "B", "birth_year": 1960, **patient},
        ),
    )
    both = merge_patients(frame, merged(status("A", "B")))
    assert both.select("patient_id", "birth_year").rows() == [("B", 1960)]
    stands_in = merge_patients(frame, merged(status("A", "Q")))
    assert stands_in.select("patient_id", "birth_year").rows() == [("B", 1960), ("Q", 1950)]


def test_merges_stay_readable_in_their_own_table():
    """Other statuses move to the patient that counts; the merge itself keeps its id, to be followed
    again.
    """
    own = merged(
        status("A", "B"),
        {"status_id": "S", "patient_id": "A", "status": "paused", "effective_on": date(2025, 1, 2)},
    )
    found = merge_patients(own, own)
    assert dict(found.select("status_id", "patient_id").rows()) == {"A-B": "A", "S": "B"}
    assert found.columns == own.columns
    assert merge_map(found).equals(merge_map(own))


# --- orphans ------------------------------------------------------------------------------------


def test_orphans():
    """A record that names what is not known is listed, until it is known; a lost or circular merge
    too.
    """
    patients = current(
        "patients",
        landed(
            "patients", {"patient_id": "P1", "clinic_id": "C9", "enrolled_on": date(2025, 1, 1)}
        ),
    )
    core = {name: table.empty() for name, table in CORE_RECORDS.items()} | {
        "identities": CORE_TABLES["identities"].empty(),
        "patients": patients,
        "clinics": current("clinics", landed("clinics", {"clinic_id": "C1", "timezone": "UTC"})),
        "patient_status": merged(
            status("P0", "P1"), status("A", "Q"), status("X", "Y"), status("Y", "X")
        ),
        "sessions": current(
            "sessions",
            landed(
                "sessions",
                session(device_id="D", protocol_id="PR"),
                session(session_id="S2", patient_id="P2"),
                session(session_id="S3", patient_id="P0"),
            ),
        ),
    }
    found = {
        (r["table"], r["record_id"], r["missing_kind"], r["missing_id"])
        for r in orphans(core).to_dicts()
    }
    assert found == {
        ("patients", "P1", "clinic", "C9"),
        ("sessions", "S1", "device", "D"),
        ("sessions", "S1", "protocol", "PR"),
        ("sessions", "S2", "patient", "P2"),
        ("patient_status", "A-Q", "patient", "A"),
        ("patient_status", "A-Q", "merge_target", "Q"),
        ("patient_status", "X-Y", "merge_target", "Y"),
        ("patient_status", "Y-X", "merge_target", "X"),
        ("patient_status", "X-Y", "patient", "X"),
        ("patient_status", "Y-X", "patient", "Y"),
    }


# --- any landings, against a slow plain re-computation ------------------------------------------

_EVENT = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["E1", "E2", "E3", "E4"]),
        "source": st.sampled_from(["a", "b"]),
        "session_id": st.sampled_from(["S1", "S2"]),
        "patient_id": st.sampled_from(["P1", "P2"]),
        "revision": st.sampled_from([None, 0, 1, 2]),
        "recorded_at": st.sampled_from([None, DAY, DAY + timedelta(days=1)]),
        "record_status": st.sampled_from([None, "active", "entered_in_error", "other"]),
        "duration_s": st.sampled_from([None, 100.0, 200.0]),
        "kafka_partition": st.sampled_from([0, 1]),
        "ingested_at": st.sampled_from([DAY, DAY + timedelta(hours=1)]),
        "event_time": st.sampled_from([DAY, DAY + timedelta(hours=2)]),
    }
)
_EVENTS = st.lists(_EVENT, max_size=12).map(
    lambda events: landed("sessions", *(session() | e for e in events))
)


def slow_current(raw: pl.DataFrame) -> dict:
    """session_id -> (duration, recorded_at, was it given), by loops."""
    stands, of_session, counts = {}, {}, {}
    order = ("ingested_at", "kafka_partition", "kafka_offset")
    for row in sorted(raw.to_dicts(), key=lambda r: [r[c] for c in order]):
        stands.setdefault((row["source"], row["event_id"]), row)
    for row in stands.values():
        of_session.setdefault(row["session_id"], []).append(row)
    for session_id, rows in of_session.items():
        for row in rows:
            row["rank"] = (
                min(row["recorded_at"] or row["ingested_at"], row["ingested_at"]),
                *(row[c] for c in order),
            )
        highest = {}
        for row in (r for r in rows if r["revision"] is not None):
            so_far = highest.setdefault(row["source"], row)
            if (row["revision"], row["rank"]) > (so_far["revision"], so_far["rank"]):
                highest[row["source"]] = row
        candidates = [*highest.values(), *(r for r in rows if r["revision"] is None)]
        counts[session_id] = max(candidates, key=lambda r: r["rank"])
    return {
        key: (
            row["duration_s"],
            row["recorded_at"] or row["event_time"],
            row["recorded_at"] is not None,
        )
        for key, row in counts.items()
        if row["record_status"] != "entered_in_error"
    }


@settings(max_examples=200)
@given(raw=_EVENTS, data=st.data())
def test_any_landings_equal_the_slow_computation(raw, data):
    """In whatever order rows come, and however often, the records are those of the slow
    re-computation.
    """
    order = data.draw(st.permutations(range(raw.height))) + data.draw(
        st.lists(st.integers(0, max(0, raw.height - 1)), max_size=3)
    )
    shuffled = raw[[k for k in order if k < raw.height]]
    found = current("sessions", shuffled)
    assert {
        r["session_id"]: (r["duration_s"], r["recorded_at"], r["is_recorded_at_given"])
        for r in found.to_dicts()
    } == slow_current(raw)
    assert conflicts("sessions", shuffled).equals(conflicts("sessions", raw))


@settings(max_examples=100)
@given(raw=_EVENTS, cut=st.integers(0, 12))
def test_splitting_the_input_changes_nothing(raw, cut):
    """First landed of two parts, then of both together, is first landed of all."""
    parts = pl.concat([first_landed(raw[:cut]), first_landed(raw[cut:])])
    assert current("sessions", parts).equals(current("sessions", raw))
