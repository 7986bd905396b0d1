"""Decoding a batch: what is accepted and how, what is set aside and why, and that the two paths
agree.

Here: ingest/decode.py with shape.py, record.py and rules.py behind it. Not here: encoding and keys
(test_contract.py).
"""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import decode as decode_module
from ingest import shape
from ingest.contract import LARGEST_RECORD_BYTES, REASONS, TOPIC_BY_TYPE, encode, parse_schema
from ingest.decode import decode
from ingest.source import Batch
from ingest.times import parse_days, parse_times
from transforms.schemas import RAW_TABLES, TOPICS
from transforms.schemas.raw import REJECTS, SAFETY_TOPICS

NOW = datetime(2026, 3, 2, tzinfo=UTC)
AT = "2026-03-01T08:30:00+01:00"
READING = {
    "patient_id": "p1",
    "device_id": "w1",
    "metric": "heart_rate",
    "unit": "/min",
    "started_at": AT,
    "interval_s": 5,
    "values": [71, None, 72.5],
}
SESSION = {
    "session_id": "s1",
    "patient_id": "p1",
    "clinic_id": "c1",
    "modality": "whole_body",
    "started_at": AT,
    "duration_s": 180,
    "regions": ["lumbar"],
    "adverse_events_asked": True,
    "cabin_min_temp_c": -110,
    "revision": 2,
}
RESPONSE = {
    "response_id": "r1",
    "patient_id": "p1",
    "instrument": "nrs_pain",
    "answered_at": AT,
    "items": {"average_7d": 6, "now": None},
}
PATIENT = {
    "patient_id": "p1",
    "clinic_id": "c1",
    "enrolled_on": "2026-01-05",
    "birth_year": 1970,
    "pain_sites": ["lumbar", "thoracic"],
    "baseline_covariates": {"bmi": 27.5},
}
STUDY = {
    "study_id": "t1",
    "reference_arm": "usual care",
    "masked_until": "2026-06-01",
    "planned_visits": [
        {"visit": "Month 1", "target_day": 29, "from_day": 15, "to_day": 42.0, "room": "2"}
    ],
    "stratification": ["clinic"],
    "primary": {"parameter": "NRS7D", "visit": "Month 1", "method": "ancova"},
}
ENROLMENT = {
    "enrolment_id": "n1",
    "study_id": "t1",
    "patient_id": "p1",
    "arm": "usual care",
    "allocation": "by lot",
    "allocated_on": "2026-01-06",
    "strata": {"clinic": "c1"},
    "analysis_sets": {"itt": "in", "per_protocol": "no second visit"},
    "from": "2026-01-05",
    "to": "2026-07-05",
}
EXAMPLES = {
    "readings": READING,
    "sessions": SESSION,
    "responses": RESPONSE,
    "patients": PATIENT,
    "studies": STUDY,
    "study_enrolments": ENROLMENT,
}


def records(name: str, *values: bytes | None, first=100) -> Batch:
    """A batch of the topic with every second offset, as after compaction."""
    topic = next((t.type for t in TOPICS if t.name == name), name)
    offsets = [first + 2 * k for k in range(len(values))]
    return Batch(
        topic,
        "topic-id",
        1,
        first,
        first + 2 * len(values),
        offsets,
        [b"key"] * len(values),
        list(values),
    )


def event(name: str, *, data=None, drop=(), **envelope) -> bytes:
    """The example event of a topic with these changes."""
    raw = orjson.loads(encode(name, EXAMPLES[name], id="e1", source="/test", time=AT))
    raw["data"] = {k: v for k, v in (raw["data"] | (data or {})).items() if k not in drop}
    return orjson.dumps({k: v for k, v in (raw | envelope).items() if k not in drop})


def accepted(name: str, value: bytes) -> dict:
    decoded = decode(records(name, value), ingested_at=NOW)
    assert decoded.rejects.height == 0, decoded.rejects.to_dicts()
    return decoded.rows.row(0, named=True)


def rejected(name: str, value: bytes | None) -> tuple[str, str | None, str | None]:
    decoded = decode(records(name, value), ingested_at=NOW)
    assert decoded.rows.height == 0
    row = decoded.rejects.row(0, named=True)
    assert row["value"] == value
    return row["reason"], row["field"], row["detail"]


def test_series_row():
    """A series is one row: instants in UTC with the offset they were written with, nulls kept among
    the samples.
    """
    row = accepted("readings", event("readings"))
    at = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    expected = {
        "kafka_topic": "floe.readings.v1",
        "kafka_topic_id": "topic-id",
        "kafka_partition": 1,
        "kafka_offset": 100,
        "event_id": "e1",
        "source": "/test",
        "event_time": at,
        "utc_offset_min": 60,
        "ingested_at": NOW,
        "patient_id": "p1",
        "device_id": "w1",
        "metric": "heart_rate",
        "metric_raw": None,
        "unit": "/min",
        "started_at": at,
        "started_utc_offset_min": 60,
        "interval_s": 5.0,
        "values": [71.0, None, 72.5],
        "extra": None,
    }
    assert row == expected


def test_null_stays_null():
    """What was not given is null in raw: defaults (status, revision, recorded_at) are core's
    affair.
    """
    row = accepted(
        "sessions", event("sessions", drop=("revision",), data={"device_id": None, "course_id": ""})
    )
    nulls = (
        "status",
        "status_raw",
        "revision",
        "record_status",
        "recorded_at",
        "device_id",
        "course_id",
    )
    assert {name: row[name] for name in nulls} == dict.fromkeys(nulls)
    assert (row["duration_s"], row["regions"], row["adverse_events_asked"]) == (
        180.0,
        ["lumbar"],
        True,
    )


def test_objects_are_json_and_days_are_days():
    """Object fields land as JSON text; a day is a day; a whole number may be written 1970.0."""
    row = accepted("patients", event("patients", data={"birth_year": 1970.0}))
    assert orjson.loads(row["baseline_covariates"]) == {"bmi": 27.5}
    assert (row["enrolled_on"], row["birth_year"]) == (date(2026, 1, 5), 1970)
    assert orjson.loads(accepted("responses", event("responses"))["items"]) == {
        "average_7d": 6,
        "now": None,
    }


def test_a_study_and_who_is_in_it():
    """Lists of objects land as JSON, what the contract does not know of them too; `from` and `to`
    are days.
    """
    study = accepted("studies", event("studies"))
    [visit] = orjson.loads(study["planned_visits"])
    assert visit == STUDY["planned_visits"][0]
    assert orjson.loads(study["primary"]) == STUDY["primary"]
    assert (study["stratification"], study["masked_until"]) == (["clinic"], date(2026, 6, 1))
    enrolment = accepted("study_enrolments", event("study_enrolments"))
    assert (enrolment["from"], enrolment["to"]) == (date(2026, 1, 5), date(2026, 7, 5))
    assert (enrolment["allocation"], enrolment["allocation_raw"]) == ("other", "by lot")
    assert orjson.loads(enrolment["strata"]) == {"clinic": "c1"}
    assert orjson.loads(enrolment["analysis_sets"]) == ENROLMENT["analysis_sets"]
    bare = accepted("studies", event("studies", drop=tuple(STUDY.keys() - {"study_id"})))
    assert [bare[name] for name in STUDY if name != "study_id"] == [None] * 5


@pytest.mark.parametrize(
    ("given_status", "status", "raw"),
    [
        ("aborted", "aborted", None),
        ("cut short", "other", "cut short"),
        ("other", "other", "other"),
        (None, None, None),
    ],
)
def test_closed_lists(given_status, status, raw):
    """An unknown value of a closed list lands as `other` with the original beside it; null stays
    null.
    """
    row = accepted("sessions", event("sessions", data={"status": given_status}))
    assert (row["status"], row["status_raw"]) == (status, raw)


def test_unknown_fields_are_kept():
    """Unknown fields of data and unknown attributes are kept by name in `extra`; a shared name
    keeps both.
    """
    value = event("sessions", data={"nitrogen_kg": 4.5, "trace": [1]}, trace="a", dataschema="/v1")
    extra = orjson.loads(accepted("sessions", value)["extra"])
    assert extra == {"nitrogen_kg": 4.5, "trace": [1], "envelope.trace": "a", "dataschema": "/v1"}


def test_unknown_metric_is_kept_whatever_its_unit():
    """A metric that is not in the list has neither unit nor range to check: it lands as other."""
    row = accepted(
        "readings", event("readings", data={"metric": "blink_rate", "unit": "x", "values": [-1e9]})
    )
    assert (row["metric"], row["metric_raw"], row["values"]) == ("other", "blink_rate", [-1e9])


def test_unlisted_instruments_and_items_are_kept():
    """An instrument that is not listed, and an item code that its instrument does not have, are
    kept.
    """
    for data in (
        {"instrument": "sf_36", "items": {"x": 999}},
        {"items": {"average_7d": 6, "yesterday": 400}},
    ):
        assert (
            orjson.loads(accepted("responses", event("responses", data=data))["items"])
            == data["items"]
        )


BROKEN = [
    ("readings", {"specversion": "0.3"}, "wrong_specversion", "specversion"),
    ("readings", {"specversion": 1.0}, "wrong_specversion", "specversion"),
    ("readings", {"drop": ("specversion",)}, "missing_field", "specversion"),
    ("readings", {"type": "floe.telemetry.v1"}, "wrong_type_name", "type"),
    ("readings", {"drop": ("type",)}, "missing_field", "type"),
    ("readings", {"datacontenttype": "text/xml"}, "wrong_content_type", "datacontenttype"),
    ("readings", {"id": 5}, "wrong_type", "id"),
    ("readings", {"id": ""}, "missing_field", "id"),
    ("readings", {"drop": ("source",)}, "missing_field", "source"),
    ("readings", {"drop": ("time",)}, "missing_field", "time"),
    ("readings", {"drop": ("data",)}, "missing_field", "data"),
    ("readings", {"subject": "p2"}, "wrong_subject", "subject"),
    ("readings", {"data": {"patient_id": 7}, "subject": None}, "wrong_type", "patient_id"),
    ("readings", {"data": {"patient_id": ""}, "subject": None}, "missing_field", "patient_id"),
    ("readings", {"data": {"metric": None}}, "missing_field", "metric"),
    ("readings", {"data": {"unit": "bpm"}}, "wrong_unit", "unit"),
    ("readings", {"data": {"values": [71, "72"]}}, "wrong_type", "values"),
    ("readings", {"data": {"values": [71, True]}}, "wrong_type", "values"),
    ("readings", {"data": {"values": 71}}, "wrong_type", "values"),
    ("readings", {"data": {"values": []}}, "missing_field", "values"),
    ("readings", {"data": {"values": [71, 401]}}, "out_of_range", "values"),
    ("readings", {"data": {"values": [-1, None]}}, "out_of_range", "values"),
    ("readings", {"data": {"interval_s": 0}}, "out_of_range", "interval_s"),
    ("readings", {"data": {"interval_s": -1, "values": [1]}}, "out_of_range", "interval_s"),
    ("readings", {"data": {"interval_s": 1e300, "values": [1]}}, "out_of_range", "interval_s"),
    ("readings", {"data": {"interval_s": "5"}}, "wrong_type", "interval_s"),
    ("readings", {"data": {"started_at": "2026-03-01T08:30:00"}}, "bad_time", "started_at"),
    ("readings", {"time": "1899-12-31T23:59:59Z"}, "bad_time", "time"),
    ("readings", {"time": "2101-01-01T00:00:00Z"}, "bad_time", "time"),
    ("sessions", {"data": {"revision": 1.5}}, "wrong_type", "revision"),
    ("sessions", {"data": {"revision": -1}}, "out_of_range", "revision"),
    ("sessions", {"data": {"cabin_min_temp_c": -274}}, "out_of_range", "cabin_min_temp_c"),
    ("sessions", {"data": {"adverse_events_asked": 1}}, "wrong_type", "adverse_events_asked"),
    ("sessions", {"data": {"adverse_events_asked": "true"}}, "wrong_type", "adverse_events_asked"),
    ("sessions", {"data": {"regions": "lumbar"}}, "wrong_type", "regions"),
    ("sessions", {"data": {"regions": [1]}}, "wrong_type", "regions"),
    ("patients", {"data": {"enrolled_on": "05/01/2026"}}, "bad_time", "enrolled_on"),
    ("patients", {"data": {"enrolled_on": "2026-02-30"}}, "bad_time", "enrolled_on"),
    (
        "patients",
        {"data": {"baseline_covariates": {"bmi": "27"}}},
        "wrong_type",
        "baseline_covariates.bmi",
    ),
    ("responses", {"data": {"items": {"now": 11}}}, "out_of_range", "items.now"),
    ("responses", {"data": {"items": {"now": "6"}}}, "wrong_type", "items.now"),
    ("responses", {"data": {"items": None}}, "missing_field", "items"),
    ("responses", {"data": {"items": [6]}}, "wrong_type", "items"),
    ("studies", {"data": {"planned_visits": {"visit": "Month 1"}}}, "wrong_type", "planned_visits"),
    ("studies", {"data": {"planned_visits": ["Month 1"]}}, "wrong_type", "planned_visits"),
    (
        "studies",
        {"data": {"planned_visits": [{"visit": 1}]}},
        "wrong_type",
        "planned_visits[0].visit",
    ),
    (
        "studies",
        {"data": {"planned_visits": [{"visit": "V"}, {}]}},
        "missing_field",
        "planned_visits[1].visit",
    ),
    (
        "studies",
        {"data": {"planned_visits": [{"visit": "V", "to_day": 1.5}]}},
        "wrong_type",
        "planned_visits[0].to_day",
    ),
    ("studies", {"data": {"primary": {"visit": 3}}}, "wrong_type", "primary.visit"),
    (
        "study_enrolments",
        {"data": {"analysis_sets": {"itt": True}}},
        "wrong_type",
        "analysis_sets.itt",
    ),
    ("study_enrolments", {"data": {"strata": ["c1"]}}, "wrong_type", "strata"),
    ("study_enrolments", {"drop": ("from",)}, "missing_field", "from"),
    ("study_enrolments", {"data": {"to": "soon"}}, "bad_time", "to"),
]


@pytest.mark.parametrize(("name", "changes", "reason", "field"), BROKEN)
def test_rejects_say_why(name, changes, reason, field):
    """Each broken rule has its code, the field it stands in, and what was found beside what was
    expected.
    """
    found = rejected(name, event(name, **changes))
    assert found[:2] == (reason, field)
    assert found[2].startswith("found ")
    assert ", expected " in found[2]


def _bare(name: str, **data) -> bytes:
    return encode(name, data, id="e1", source="/test", time=AT)


@pytest.mark.parametrize("topic", [t for t in TOPICS if not t.is_series], ids=lambda t: t.name)
def test_a_record_entered_in_error_needs_its_id_alone(topic):
    """Whatever else is required of a record: to take it out, the id (of a protocol, its moment too)
    and the mark do.
    """
    key = {topic.record_id: "x"} | ({"effective_from": AT} if topic.name == "protocols" else {})
    row = accepted(topic.name, _bare(topic.name, **key, record_status="entered_in_error"))
    assert (row[topic.record_id], row["record_status"]) == ("x", "entered_in_error")
    without = _bare(topic.name, record_status="entered_in_error", **{topic.record_id: ""})
    assert rejected(topic.name, without)[0] == "missing_field"


def test_retractions():
    """The field `source` lands beside the envelope's; days are told from moments; whose series it
    is must be said.
    """
    base = {"retraction_id": "R", "from": AT, "to": AT, "reason": "wrong zone"}
    row = accepted("retractions", _bare("retractions", **base, source="/imports/fitbit"))
    assert (row["source"], row["series_source"], row["is_by_local_day"]) == (
        "/test",
        "/imports/fitbit",
        False,
    )
    days = accepted(
        "retractions",
        _bare("retractions", **base | {"from": "2026-05-04", "to": "2026-05-05"}, patient_id="p"),
    )
    assert (days["from"], days["to"]) == (
        datetime(2026, 5, 4, tzinfo=UTC),
        datetime(2026, 5, 5, 23, 59, 59, 999999, UTC),
    )
    assert days["is_by_local_day"] is True
    nobody = rejected("retractions", _bare("retractions", **base))
    assert nobody[:2] == ("missing_field", "patient_id")
    assert rejected("retractions", _bare("retractions", **base, source=7))[:2] == (
        "wrong_type",
        "source",
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_large_batches_say_the_same(name):
    """Among thousands of good records each broken one has the reason that it has alone, and no
    other is set aside.
    """
    good = [event(name, id=f"e{k}") for k in range(9_000)]
    broken = {100 * k + 7: changes for k, (n, changes, _, _) in enumerate(BROKEN) if n == name}
    values = [event(name, **broken[k]) if k in broken else value for k, value in enumerate(good)]
    decoded = decode(records(name, *values), ingested_at=NOW)
    assert decoded.rows["event_id"].to_list() == [f"e{k}" for k in range(9_000) if k not in broken]
    said = decoded.rejects.select("reason", "field", "detail").rows()
    assert said == [rejected(name, values[k]) for k in sorted(broken)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "not_json"),
        (b" \n", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (event("readings").replace(b"/test", b"/\xc3\x28"), "not_utf8"),
        (event("readings")[:-1], "not_json"),
        (event("readings") + b"x", "not_json"),
        (event("readings") + event("readings"), "not_json"),
        (event("readings") + b"\n" + event("readings"), "not_json"),
        (b"\xef\xbb\xbf" + event("readings"), "not_json"),
        (event("readings").replace(b"72.5", b"NaN"), "not_json"),
        (event("readings").replace(b"72.5", b"Infinity"), "not_json"),
        (event("readings").replace(b"72.5", b"1e999"), "not_json"),
        (event("readings").replace(b"72.5", b"072"), "not_json"),
        (event("readings").replace(b"72.5", b"72.5,"), "not_json"),
        (event("readings").replace(b"/test", b"\\ud800"), "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[]", "not_object"),
        (b"null", "not_object"),
        (b"5", "not_object"),
        (b"{}", "missing_field"),
        (b" " * (LARGEST_RECORD_BYTES + 1), "too_large"),
    ],
)
def test_broken_bytes(value, reason):
    """Whatever the bytes, a record is set aside with its reason and nothing raises."""
    assert rejected("readings", value)[0] == reason


def test_unknown_topic():
    """Records of a topic that is not the contract's are all set aside; safety goes by the name, not
    the version.
    """
    decoded = decode(records("floe.adverse_events.v9", b"{}", None), ingested_at=NOW)
    assert decoded.rows.is_empty()
    assert decoded.rejects["reason"].to_list() == ["unknown_topic"] * 2
    assert decoded.rejects["is_safety"].to_list() == [True] * 2


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.name)
def test_every_topic_decodes_nothing_and_rubbish(topic):
    """Of every topic an empty batch gives empty frames of the tables' types, and rubbish is a
    reject that says whether it is of a safety topic.
    """
    empty = decode(records(topic.name), ingested_at=NOW)
    assert (empty.rows.schema, empty.rejects.schema) == (
        RAW_TABLES[topic.name].polars_schema,
        REJECTS.polars_schema,
    )
    rejects = decode(records(topic.name, b"rubbish", b"{}"), ingested_at=NOW).rejects
    assert rejects["is_safety"].to_list() == [topic.name in SAFETY_TOPICS] * 2


def test_positions_and_order():
    """Rows and rejects keep the batch's order and each its own offset, key and bytes."""
    values = [event("readings", id=f"e{k}") if k % 3 else b"broken %d" % k for k in range(200)]
    decoded = decode(records("readings", *values, first=7), ingested_at=NOW)
    good = [k for k in range(200) if k % 3]
    bad = [k for k in range(200) if not k % 3]
    assert decoded.rows["event_id"].to_list() == [f"e{k}" for k in good]
    assert decoded.rows["kafka_offset"].to_list() == [7 + 2 * k for k in good]
    assert decoded.rejects["value"].to_list() == [values[k] for k in bad]
    assert decoded.rejects["kafka_offset"].to_list() == [7 + 2 * k for k in bad]
    assert decoded.rejects["key"].to_list() == [b"key"] * len(bad)


def test_other_ways_to_write_the_same_event():
    """Indented, escaped, in another order, with blanks: the same row."""
    name = "sessions"
    raw = orjson.loads(event(name))
    values = [
        json.dumps(raw, indent=2).encode(),
        json.dumps(raw, sort_keys=True, separators=(" , ", " : ")).encode(),
        json.dumps(raw).replace("lumbar", "\\u006cumbar").encode(),
        event(name) + b"\r\n",
    ]
    rows = decode(records(name, event(name), *values), ingested_at=NOW).rows.drop("kafka_offset")
    assert rows.height == 5
    assert rows.n_unique() == 1


def test_texts_survive():
    """NUL, quotes, line ends and characters beyond the basic plane land as they were sent."""
    for text in ("a\0b", 'say "x": {1}', "two\nlines\r\t", "Zoë 🧊 ", "\\", "\x7f"):
        assert accepted("sessions", event("sessions", data={"regions": [text]}))["regions"] == [
            text
        ]


def test_large_record():
    """A record of 10 MB with a million samples is a row like any other."""
    values = [float(k % 200) for k in range(1_300_000)]
    value = event("readings", data={"values": values, "interval_s": 1})
    assert len(value) > 7_000_000
    assert sum(accepted("readings", value)["values"]) == sum(values)
    padded = event("readings", data={"note": "x" * 10_000_000})
    assert len(orjson.loads(accepted("readings", padded)["extra"])["note"]) == 10_000_000


@pytest.mark.parametrize(
    ("text", "instant", "offset_min"),
    [
        ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00", 0),
        ("2026-03-01t08:30:00z", "2026-03-01T08:30:00", 0),
        ("2026-03-01 08:30:00+01:00", "2026-03-01T07:30:00", 60),
        ("2026-03-01T00:30:00+05:45", "2026-02-28T18:45:00", 345),
        ("2026-03-01T08:30:00-03:30", "2026-03-01T12:00:00", -210),
        ("2026-03-01T08:30:00-00:00", "2026-03-01T08:30:00", None),
        ("2026-03-01T08:30:00.1Z", "2026-03-01T08:30:00.100000", 0),
        ("2026-03-01T08:30:00.123456789Z", "2026-03-01T08:30:00.123456", 0),
        ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999999", 0),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00", 0),
        ("2100-12-31T23:59:59Z", "2100-12-31T23:59:59", 0),
    ],
)
def test_times(text, instant, offset_min):
    """Any offset, fraction and letter case of RFC 3339: the UTC instant to the microsecond, and the
    offset.
    """
    instants, offsets = parse_times(pl.Series([text, AT]))
    assert instants[0] == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert offsets[0] == offset_min
    assert (instants[1], offsets[1]) == (datetime(2026, 3, 1, 7, 30, tzinfo=UTC), 60)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T08:30:00",
        "2026-03-01",
        "1772350200",
        "",
        "now",
        "2026-3-1T08:30:00Z",
        "2026-03-01T08:30Z",
        "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T08:60:00Z",
        "2026-03-01T08:30:60Z",
        "2026-03-01T08:30:00+24:00",
        "2026-03-01T08:30:00+01:60",
        "2026-03-01T08:30:00.Z",
        "2026-03-01T08:30:00+0100",
        "2026-03-01T08:30:00 +01:00",
        "1899-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "٢٠٢٦-03-01T08:30:00Z",
    ],
)
def test_bad_times(text):
    """No zone, no such day or hour, another notation, or a year outside 1900 to 2100: no
    instant.
    """
    instants, offsets = parse_times(pl.Series([AT, text]))
    assert instants.is_null().to_list() == [False, True]
    assert offsets.is_null().to_list() == [False, True]


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2100, 12, 30)),
    st.integers(-1439, 1439),
    st.sampled_from("T t"),
)
def test_times_agree_with_python(naive, minutes, separator):
    """A time written with any offset is read as Python reads it."""
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{naive.isoformat(separator)}{sign}{size // 60:02d}:{size % 60:02d}"
    instants, offsets = parse_times(pl.Series([text]))
    assert instants[0] == (naive - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    assert offsets[0] == minutes


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_days_agree_with_python(day):
    """A day is read as Python reads it, and nothing but YYYY-MM-DD is a day."""
    texts = [
        day.isoformat(),
        f" {day.isoformat()}",
        f"{day.isoformat()}T00:00:00Z",
        day.strftime("%Y%m%d"),
    ]
    assert parse_days(pl.Series(texts)).to_list() == [day, None, None, None]


# --- what no rule foresees ----------------------------------------------------------------------

UNFORESEEN = "a record that nobody foresaw"


@pytest.mark.parametrize("places", [(0,), (99,), (41, 42), (0, 33, 34, 99), range(100)], ids=len)
def test_a_record_on_which_decoding_fails_is_set_aside_alone(caplog, monkeypatch, places):
    """Of 100 sessions those that make decoding raise are rejects with the failure's words, the
    others land as ever: in the batch's order, each with its offset, and the log says how many.
    """
    ordinary = decode_module.content_modes.events

    def failing(value, *rest, **more):
        if UNFORESEEN.encode() in value:
            raise TypeError(UNFORESEEN)
        return ordinary(value, *rest, **more)

    monkeypatch.setattr(decode_module.content_modes, "events", failing)
    deep = event("sessions", data={"note": UNFORESEEN})
    values = [deep if k in places else event("sessions", id=f"e{k}") for k in range(100)]
    decoded = decode(records("sessions", *values), ingested_at=NOW)
    kept = [(f"e{k}", 100 + 2 * k) for k in range(100) if k not in places]
    assert decoded.rows.select("event_id", "kafka_offset").rows() == kept
    rejects = decoded.rejects.select(
        "kafka_offset", "reason", "field", "detail", "value", "is_safety"
    ).rows()
    why = ("undecodable", None, f"TypeError: {UNFORESEEN}", deep, True)
    assert rejects == [(100 + 2 * k, *why) for k in places]
    (said,) = caplog.records
    assert f"all but {len(places)} were decoded" in said.getMessage()
    assert said.exc_info[0] is TypeError


def test_a_panic_of_polars_loses_nothing(caplog):
    """Parsed lines left in chunks, 4,096 rejects from the second on: polars panics, which is no
    Exception. In smaller parts it does not, so that the frames are the ordinary ones and no record
    is undecodable.
    """
    good, bad = event("readings"), event("readings", time="1899-12-31T23:59:59Z")
    batch = records("readings", *[bad if 4096 <= k < 8192 else good for k in range(9000)])
    ordinary = decode(batch, ingested_at=NOW)

    def in_chunks(lines: pl.Series, *, topic) -> pl.Series:
        parts = (
            lines.slice(k, 4096).str.json_decode(parse_schema(topic))
            for k in range(0, lines.len(), 4096)
        )
        return pl.concat(parts, rechunk=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "_json", in_chunks)
        decoded = decode(batch, ingested_at=NOW)
    assert [r.exc_info[0] for r in caplog.records] == [pl.exceptions.PanicException]
    assert decoded.rows.equals(ordinary.rows)
    assert decoded.rejects.equals(ordinary.rejects)
    assert decoded.rejects["reason"].unique().to_list() == ["bad_time"]


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()], ids=repr)
def test_what_no_record_is_to_blame_for_is_raised(error):
    """Out of memory, or told to stop: nothing is set aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "_at_once", _Failing(error, beyond=0))
        with pytest.raises(type(error)):
            decode(records("sessions", event("sessions")), ingested_at=NOW)


class _Failing:
    """Decodes, but fails on every batch of more records than `beyond`."""

    def __init__(self, error: BaseException, *, beyond: int) -> None:
        self.error, self.beyond, self.decode = error, beyond, decode_module._at_once

    def __call__(self, batch: Batch, *, ingested_at: datetime):
        if len(batch.values) > self.beyond:
            raise self.error
        return self.decode(batch, ingested_at=ingested_at)


# --- properties ---------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-3, 500),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "p1", "5", AT, "2026-03-01", "other", "true"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def written(draw, name: str) -> bytes:
    """An event with some fields changed, added or left out, written in some style, sometimes cut or
    mangled.
    """
    topic = next(t for t in TOPICS if t.name == name)
    raw = orjson.loads(event(name))
    known = [c.name for c in topic.fields]
    names = st.sampled_from([*known, "revision", "recorded_at", "unheard_of"])
    raw["data"] |= draw(st.dictionaries(names, VALUES, max_size=2))
    raw |= draw(st.dictionaries(st.sampled_from([*raw, "traceparent"]), VALUES, max_size=1))
    for key in draw(st.lists(st.sampled_from(sorted(raw)), max_size=1)):
        raw.pop(key)
    order = draw(st.permutations(list(raw))) if draw(st.booleans()) else list(raw)
    style = draw(
        st.sampled_from(
            [
                {"separators": (",", ":")},
                {},
                {"ensure_ascii": False},
                {"indent": 1},
                {"sort_keys": True},
            ]
        )
    )
    text = json.dumps({k: raw[k] for k in order}, **style).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        start, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        text = (
            text[:start]
            + draw(st.binary(max_size=3) | st.sampled_from([b'"', b",", b"}", b"\n"]))
            + text[end:]
        )
    return text


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_paths_agree(name, data):
    """What the expression lets through at a glance is, value by value, what the record path makes
    of it; rows and rejects together are the batch, in its order, each with its offset; every reason
    is in the list.
    """
    values = data.draw(
        st.lists(written(name) | st.none() | st.binary(max_size=12), min_size=1, max_size=8)
    )
    batch = records(name, *values)
    fast = decode(batch, ingested_at=NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            shape, "plain", lambda texts, *, topic: pl.repeat(False, texts.len(), eager=True)
        )
        slow = decode(batch, ingested_at=NOW)
    assert fast.rows.equals(slow.rows)
    assert fast.rejects.equals(slow.rejects)
    offsets = fast.rows["kafka_offset"].to_list(), fast.rejects["kafka_offset"].to_list()
    assert sorted(offsets[0] + offsets[1]) == batch.offsets
    assert [sorted(part) for part in offsets] == list(offsets)
    assert set(fast.rejects["reason"]) <= set(REASONS)


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parts_say_what_the_whole_says(name, data):
    """Decoding in parts of any size, down to single records, gives the frames that the batch gives
    at once.
    """
    values = data.draw(
        st.lists(written(name) | st.none() | st.binary(max_size=12), min_size=2, max_size=9)
    )
    batch = records(name, *values)
    ordinary = decode(batch, ingested_at=NOW)
    beyond = data.draw(st.integers(1, len(values) - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            decode_module, "_at_once", _Failing(pl.exceptions.PanicException("no"), beyond=beyond)
        )
        decoded = decode(batch, ingested_at=NOW)
    assert decoded.rows.equals(ordinary.rows)
    assert decoded.rows.schema == ordinary.rows.schema
    assert decoded.rejects.equals(ordinary.rejects)


def test_the_glance_is_used_and_learns_an_order():
    """The tests above mean something: the canonical order, and another that a batch shows, need no
    record path.
    """
    topic = TOPIC_BY_TYPE["floe.sessions.v1"]
    canonical = [event("sessions", id=f"e{k}") for k in range(100)]
    other = [orjson.dumps(orjson.loads(v), option=orjson.OPT_SORT_KEYS) for v in canonical]
    texts = pl.Series([v.decode() for v in canonical + other])
    assert shape.plain(texts, topic=topic).all()
    assert not shape.plain(texts.str.replace("180", '"180"'), topic=topic).any()


@pytest.mark.parametrize(
    ("name", "old", "new", "field"),
    [
        ("sessions", b'"duration_s":180', b'"duration_s":170,"duration_s":180', "duration_s"),
        ("sessions", b'"duration_s":180', b'"duration_s":180,"duration_s":180', "duration_s"),
        ("sessions", b'"id":"e1"', b'"id":"e1","id":"e2"', "id"),
        ("responses", b'"average_7d":6', b'"average_7d":6,"average_7d":7', "average_7d"),
        ("responses", b'"average_7d":6', b'"average_7d":6,"aver\\u0061ge_7d":7', "average_7d"),
        ("sessions", b'"duration_s":180', b'"new":{"a":1,"a":2},"duration_s":180', "a"),
    ],
)
def test_a_field_twice_is_set_aside(name, old, new, field):
    """In the envelope, in data, in an object of it, written otherwise, the same value twice, in an
    unknown field: which one was meant nobody knows.
    """
    value = event(name).replace(old, new)
    assert value != event(name)
    (reject,) = decode(records(name, value), ingested_at=NOW).rejects.iter_rows(named=True)
    assert (reject["reason"], reject["field"], reject["value"]) == ("field_twice", field, value)


ESCAPED_ID = b'"id":"e1","\\u0069d":"e2"'


@pytest.mark.parametrize("size", [1, 200])
@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"id":"e1"', b'"id":"e1","id":"e2"', "id"),
        (b'"id":"e1"', ESCAPED_ID, "id"),
        (b'"patient_id":"p1"', b'"patient_id":"p1","patient_id":"p2"', "patient_id"),
        (b'"patient_id":"p1"', b'"patient_id":"p1","p\\u0061tient_id":"p1"', "patient_id"),
        (b'"specversion":"1.0"', b'"specversion":"1.0","specversion":"1.0"', "specversion"),
        (b'"data":{', b'"data":{"session_id":"s0"},"data":{', "data"),
    ],
)
def test_a_field_twice_is_seen_among_many_that_are_read_at_a_glance(size, old, new, field):
    """In every record of a batch, whose order of fields the glance would learn, and in one among
    good neighbours.
    """
    twice = [event("sessions", id="e1").replace(old, new) for _ in range(size)]
    good = [event("sessions", id=f"g{k}") for k in range(size)]
    rejects = decode(records("sessions", *twice, *good), ingested_at=NOW).rejects
    assert rejects.select("reason", "field").rows() == [("field_twice", field)] * size


def test_the_records_of_a_batch_that_cannot_be_read_are_each_set_aside():
    """Of 3 records two are of such a batch: two rejects, one with its bytes; the third lands."""
    batch = records("sessions", b"\x00batch", None, event("sessions"))
    decoded = decode(
        replace(batch, unread={100: "found a batch", 102: "found a batch too"}), ingested_at=NOW
    )
    assert decoded.rejects.select("kafka_offset", "reason", "detail", "value").rows() == [
        (100, "unreadable_batch", "found a batch", b"\x00batch"),
        (102, "unreadable_batch", "found a batch too", None),
    ]
    assert decoded.rows.height == 1


LONG = "x" * 4_001
TOO_LONG = {
    "an item's code": ("responses", {"items": {LONG: 1}}, "items"),
    "a covariate's name": ("patients", {"baseline_covariates": {LONG: 1}}, "baseline_covariates"),
    "a visit of a plan": ("studies", {"planned_visits": [{"visit": LONG}]}, "planned_visits"),
    "what is beside a visit": (
        "studies",
        {"planned_visits": [{"visit": "v", "new": {"deep": [LONG]}}]},
        "planned_visits",
    ),
    "what names what is beside a visit": (
        "studies",
        {"planned_visits": [{"visit": "v", LONG: 1}]},
        "planned_visits",
    ),
    "a name in a list": ("studies", {"stratification": [LONG]}, "stratification"),
}
WHOLE = {
    "responses": RESPONSE,
    "patients": PATIENT,
    "studies": {"study_id": "st1"},
}


@pytest.mark.parametrize("case", TOO_LONG)
def test_a_text_of_any_depth_has_a_length(case):
    """4,001 characters in an object's name or value, in a list, beside what is known: set aside;
    4,000 lands.
    """
    name, data, field = TOO_LONG[case]
    written = encode(name, WHOLE[name] | data, id="e", source="/test", time=AT)
    rejects = decode(records(name, written), ingested_at=NOW).rejects
    assert [
        (reason, at[: len(field)]) for reason, at in rejects.select("reason", "field").rows()
    ] == [("too_long", field)]
    assert len(rejects["field"][0]) <= 200
    assert len(rejects["detail"][0]) < 200
    shorter = written.replace(LONG.encode(), LONG[1:].encode())
    assert decode(records(name, shorter), ingested_at=NOW).rejects.height == 0


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("id", "x" * 4_000, None),
        ("id", LONG, "too_long"),
        ("id", "a\u202eb", "bad_id"),
        ("id", "a\nb", "bad_id"),
        ("source", "/" + "x" * 3_999, None),
        ("source", "/" + LONG, "too_long"),
        ("source", "/a\u0000b", "bad_id"),
        ("source", "/a\u2067b", "bad_id"),
        ("subject", "d" * 200, None),
        ("subject", "d" * 201, "bad_id"),
        ("subject", "d\u0007", "bad_id"),
    ],
)
def test_the_envelope_s_texts_have_a_length_and_no_unseen_character(attribute, value, reason):
    """On the columns and one by one; a device's event, whose subject is no patient's."""
    data = {"device_id": "d1", "kind": "cryo"}
    written = orjson.loads(encode("devices", data, id="e1", source="/test", time=AT)) | {
        attribute: value
    }
    for style in ({}, {"indent": 1}):
        rejects = decode(
            records("devices", json.dumps(written, **style).encode()), ingested_at=NOW
        ).rejects
        assert rejects.select("reason", "field").rows() == ([(reason, attribute)] if reason else [])
        assert all(len(detail) < 200 for detail in rejects["detail"])


def test_what_the_contract_does_not_know_is_kept_however_long():
    """An unknown field is no reason to set a record aside; only what is known has a length."""
    value = event("sessions", data={"attachment": LONG})
    rows = decode(records("sessions", value), ingested_at=NOW).rows
    assert orjson.loads(rows["extra"][0]) == {"attachment": LONG}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"session_id": "s" * 200}, None),
        ({"session_id": "s" * 201}, "bad_id"),
        ({"session_id": "ä" * 200}, None),  # characters, not bytes
        ({"patient_id": "p\u202e1"}, "bad_id"),
        ({"course_id": "c\u0007"}, "bad_id"),
        ({"course_id": "c\u200f"}, "bad_id"),
        ({"course_id": "../../x y"}, None),  # odd, but seen
        ({"regions": ["x" * 4_000]}, None),
        ({"regions": ["a", "x" * 4_001]}, "too_long"),
    ],
)
def test_ids_and_texts_have_a_length_and_ids_no_unseen_character(data, reason):
    """At most 200 characters of an id, 4,000 of a text; 200 and 4,000 are allowed."""
    value = event("sessions", data=data, subject=data.get("patient_id", "p1"))
    rejects = decode(records("sessions", value), ingested_at=NOW).rejects
    assert rejects["reason"].to_list() == ([reason] if reason else [])
    if reason:
        (field,) = data
        assert rejects["field"].to_list() == [field]
        assert "expected at most" in rejects["detail"][0]
        assert "\u202e" not in rejects["detail"][0]


@pytest.mark.parametrize(("length", "rejected"), [(500, 0), (501, 1)])
def test_a_term_has_at_most_500_characters(length, rejected):
    """The words of an adverse event, as reported."""
    data = {"ae_id": "a", "patient_id": "p", "term": "x" * length}
    value = encode("adverse_events", data, id="e", source="/test", time=AT)
    rejects = decode(records("adverse_events", value), ingested_at=NOW).rejects
    assert rejects["reason"].to_list() == ["too_long"] * rejected


def nested(levels: int) -> bytes:
    """A session with an unknown field of so many lists in one another."""
    return event("sessions")[:-2] + b',"new":' + b"[" * levels + b"]" * levels + b"}}"


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        (98, None),  # with the event and its data 100
        (99, "101"),
        (300, "302"),  # more than JSON's writer takes
        (1_022, "1024"),  # the most that its reader takes
        (1_023, "more than 1,000"),
        (100_000, "more than 1,000"),
    ],
)
def test_a_deeply_nested_record_is_set_aside_in_plain_words(caplog, levels, found):
    """Deeper than 100 levels is a reject that says what was found and expected; its neighbour
    lands, the log is silent.
    """
    decoded = decode(records("sessions", nested(levels), event("sessions")), ingested_at=NOW)
    detail = f"found objects and lists nested {found} levels deep, expected at most 100"
    expected = [("too_deep", detail, nested(levels))] if found else []
    assert decoded.rejects.select("reason", "detail", "value").rows() == expected
    assert decoded.rows.height == 2 - len(expected)
    assert caplog.records == []
