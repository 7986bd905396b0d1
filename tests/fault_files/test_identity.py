"""Files of faults of identity: ids that clash, one session twice, exports that replace each other,
series taken back.

Each test asserts what the files' README says is right; the expectation shows the arithmetic.
"""

from datetime import UTC, datetime

import polars as pl

from ingest.contract import encode, record_key
from transforms.facts.restrictions import rows_of

MAY = datetime(2026, 5, 20, tzinfo=UTC)


def record(
    topic: str, data: dict, *, id: str, source: str, time: datetime = MAY
) -> tuple[str, bytes, bytes]:
    return (
        f"floe.{topic}.v1",
        record_key(topic, data),
        encode(topic, data, id=id, source=source, time=time),
    )


PATIENT = record(
    "patients",
    {"patient_id": "P", "clinic_id": "C1", "enrolled_on": "2026-04-01"},
    id="p",
    source="/ehr",
)


def day_total(
    steps: list, *, id: str, source: str = "/imports/fitbit/11/P", day: int = 4
) -> tuple[str, bytes, bytes]:
    """Totals of days from one of May on, as an export has them."""
    start = datetime(2026, 5, day, tzinfo=UTC)
    data = {
        "patient_id": "P",
        "device_id": "fitbit-11",
        "metric": "daily_step_count",
        "unit": "{steps}",
        "started_at": start,
        "interval_s": 86_400,
        "values": steps,
    }
    return record("readings", data, id=id, source=source, time=start)


def vendor_steps(tables: dict) -> list[tuple]:
    days = tables["core.activity_days"].sort("day")
    return [(day.day, steps) for day, steps in days.select("day", "vendor_steps").iter_rows()]


def test_ids_of_two_clinics(replayed):
    """Both sessions, both events and both people stay, under CLINIC:ID, in the marts and the rates;
    the clash is listed.
    """
    tables = replayed("ids_two_clinics.ndjson").tables
    assert sorted(tables["core.sessions"]["session_id"]) == ["C1:1001", "C2:1001"]
    assert sorted(tables["core.adverse_events"]["ae_id"]) == ["C1:1", "C2:1"]
    assert {"C1:1001", "C2:1001"} < set(tables["core.patients"]["patient_id"])
    clashes = tables["core.conflicts"].filter(pl.col("kind") == "clash")
    assert sorted(clashes.select("topic", "name").rows()) == [
        (topic, f"{clinic}:{n}")
        for topic, n in (("adverse_events", 1), ("patients", 1001), ("sessions", 1001))
        for clinic in ("C1", "C2")
    ]
    assert sorted(tables["mart.adex"]["SESSIONID"]) == ["C1:1001", "C2:1001"]
    assert sorted(tables["mart.adae"].select("USUBJID", "AESER").rows()) == [
        ("A1", "Y"),
        ("A2", None),
    ]
    whole = tables["mart.adverse_event_rates"].filter(
        pl.col("strata").list.len() == 0, pl.col("term").is_null()
    )
    plain = whole.filter(rows_of("any"))
    assert plain.select("events", "sessions", "patients").rows() == [(2, 2, 2)]


def test_one_session_twice(replayed):
    """By two tablets, and in two charts that merged: each pair is listed once, and both of a pair
    stay counted.
    """
    tables = replayed("session_twice.ndjson").tables
    doubles = tables["core.likely_doubles"].select("session_id", "double_of", "patient_id").rows()
    assert doubles == [("t3-1", "t2-1", "T3"), ("tabB-7", "tabA-7", "T1")]
    assert tables["core.sessions"].height == 4


def test_partial_day_then_whole_day(computed):
    """A day exported at noon and again whole has the later export's 9,300 steps, though both are of
    one time.
    """
    first, later = day_total([4100, 900], id="z-first"), day_total([4100, 9300, 7000], id="a-later")
    tables = computed([PATIENT, first, later]).tables
    assert vendor_steps(tables) == [(4, 4100), (5, 9300), (6, 7000)]


def test_wrong_zone_taken_back(computed):
    """Imported in two zones both stand; once the first is retracted by its source, the second alone
    does.
    """
    two = [
        day_total([3000], id="london", source="/imports/fitbit/11/P/Europe/London"),
        day_total([3000], id="berlin", source="/imports/fitbit/11/P/Europe/Berlin", day=5),
    ]
    assert vendor_steps(computed([PATIENT, *two]).tables) == [(4, 3000), (5, 3000)]
    data = {
        "retraction_id": "R",
        "source": "/imports/fitbit/11/P/Europe/London",
        "reason": "wrong time zone",
        "from": "2026-05-01T00:00:00Z",
        "to": "2026-06-01T00:00:00Z",
    }
    taken_back = record("retractions", data, id="r", source="/ehr")
    assert vendor_steps(computed([PATIENT, *two, taken_back]).tables) == [(5, 3000)]
    error = record(
        "retractions",
        {"retraction_id": "R", "record_status": "entered_in_error", "revision": 1},
        id="e",
        source="/ehr",
    )
    assert vendor_steps(computed([PATIENT, *two, taken_back, error]).tables) == [
        (4, 3000),
        (5, 3000),
    ]


def test_two_servers_that_number_alike(computed):
    """Two servers' Observation 101 of one patient, named by server or not, are two ratings: their
    sources differ.
    """
    sent = [
        record(
            "responses",
            {
                "response_id": "101",
                "patient_id": "P",
                "instrument": "nrs_pain",
                "items": {"now": n},
                "answered_at": f"2026-03-{day}T09:00:00+01:00",
            },
            id="101",
            source=f"/fhir/{server}",
        )
        for server, n, day in (("A", 8, 10), ("B", 3, 11))
    ]
    tables = computed([PATIENT, *sent]).tables
    assert sorted(tables["core.responses"]["items"]) == ['{"now":3}', '{"now":8}']
    assert sorted(tables["core.responses"]["response_id"]) == ["/fhir/A#101", "/fhir/B#101"]


def test_entry_in_error_needs_its_id_alone(computed):
    """A record is taken out by its id and the mark, whatever revision it had, and comes back when
    entered again.
    """
    base = {
        "session_id": "S",
        "patient_id": "P",
        "clinic_id": "C1",
        "modality": "local",
        "started_at": "2026-05-04T10:00:00Z",
        "revision": 5,
    }
    first = record("sessions", base, id="1", source="/ehr")
    mark = record(
        "sessions", {"session_id": "S", "record_status": "entered_in_error"}, id="2", source="/ehr"
    )
    again = record(
        "sessions",
        {k: v for k, v in base.items() if k != "revision"} | {"duration_s": 90},
        id="3",
        source="/ehr",
    )
    gone = computed([PATIENT, first, mark]).tables
    assert gone["raw.rejects"].is_empty()
    assert gone["core.sessions"].is_empty()
    back = computed([PATIENT, first, mark, again]).tables
    assert back["core.sessions"]["duration_s"].to_list() == [90]
    assert back["core.conflicts"]["kind"].to_list() == ["re_entry"]
