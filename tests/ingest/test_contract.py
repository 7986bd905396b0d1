"""The contract as data: every topic's parse schema, keys, encoding, reasons.

Here: ingest/contract.py. Not here: the decoding of a batch (test_decode.py).
"""

from datetime import UTC, date, datetime, timedelta, timezone

import orjson
import pytest

from ingest.contract import (
    LIST_VALUES,
    OBJECT_VALUES,
    REASONS,
    TOPIC_BY_TYPE,
    data_fields,
    encode,
    is_safety_topic,
    object_fields,
    parse_schema,
    record_key,
    topic_named,
)
from transforms.errors import UsageError
from transforms.schemas import TOPICS
from transforms.schemas.raw import SAFETY_TOPICS

AT = datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=1)))


def test_an_event_is_a_structured_cloudevent():
    """The envelope's attributes in the contract's order; a day, a time with its offset; what is
    None is left out.
    """
    data = {
        "course_id": "k1",
        "patient_id": "p1",
        "starts_on": date(2026, 3, 1),
        "recorded_at": AT,
        "ends_on": None,
    }
    assert encode("courses", data, id="e1", source="/clinics/c1", time=AT) == (
        b'{"specversion":"1.0","id":"e1","source":"/clinics/c1","type":"floe.courses.v1","subject":"p1",'
        b'"time":"2026-03-01T08:30:00+01:00","datacontenttype":"application/json",'
        b'"data":{"course_id":"k1","patient_id":"p1","starts_on":"2026-03-01",'
        b'"recorded_at":"2026-03-01T08:30:00+01:00"}}'
    )


def test_no_subject_without_a_patient():
    """An event about no patient has no subject, unless one is given."""
    data = {"device_id": "d1", "kind": "cryo"}
    assert "subject" not in orjson.loads(
        encode("floe.devices.v1", data, id="e1", source="/c", time=AT)
    )
    assert (
        orjson.loads(encode("devices", data, id="e1", source="/c", time=AT, subject="x"))["subject"]
        == "x"
    )


@pytest.mark.parametrize(
    ("time", "data"), [(AT.replace(tzinfo=None), {}), (AT, {"started_at": datetime(2026, 3, 1)})]
)
def test_a_time_without_a_zone_is_not_encoded(time, data):
    """A zone-less time would be rejected by every consumer, so the producer is told at once."""
    with pytest.raises(UsageError, match="without a zone"):
        encode("sessions", {"session_id": "s1", **data}, id="e1", source="/c", time=time)


@pytest.mark.parametrize(
    ("topic", "data", "key"),
    [
        ("sessions", {"session_id": "s1", "patient_id": "p1", "device_id": "d1"}, b"p1"),
        ("telemetry", {"device_id": "d1", "session_id": "s1"}, b"d1"),
        ("studies", {"study_id": "t1"}, b"t1"),
        ("study_enrolments", {"enrolment_id": "n1", "study_id": "t1", "patient_id": "p1"}, b"p1"),
        ("deficiencies", {"deficiency_id": "x1", "device_id": "d1"}, b"d1"),
        ("incidents", {"incident_id": "i1", "clinic_id": "c1", "device_id": None}, b"i1"),
        ("clinics", {"clinic_id": "c1"}, b"c1"),
        ("floe.protocols.v1", {"protocol_id": "q1", "clinic_id": "c1"}, b"q1"),
        ("alerts", {"alert_id": "a1", "subject_id": "p1"}, b"a1"),
    ],
)
def test_record_key(topic, data, key):
    """The patient id; else the device id; else the first id in data."""
    assert record_key(topic, data) == key


def test_what_is_no_topic_or_has_no_id():
    """An unknown topic and data without any id are named."""
    with pytest.raises(UsageError, match="found topic 'session', expected one of clinics"):
        topic_named("session")
    with pytest.raises(UsageError, match="without 'session_id'"):
        record_key("sessions", {"clinic_id": "c1"})


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.name)
def test_every_field_is_parsed_or_checked_as_an_object(topic):
    """Each field of data is in the parse schema or is an object whose values' type is known; none
    is in both.
    """
    parsed = {
        f.name for f in next(f for f in parse_schema(topic).fields if f.name == "data").dtype.fields
    }
    objects = {c.name for c in object_fields(topic)}
    assert parsed | objects == {c.field for c in data_fields(topic)}
    assert not parsed & objects
    assert all((topic.name, name) in OBJECT_VALUES | LIST_VALUES for name in objects)


def test_the_first_field_is_the_first_id():
    """The record id of a topic is the first field of its data, as the key's rule has it."""
    assert {t.name: t.fields[0].name for t in TOPICS} == {t.name: t.record_id for t in TOPICS}


def test_safety_goes_by_name():
    """A safety topic is one in every version; another, and a name of another kind, is none."""
    assert [t.name for t in TOPIC_BY_TYPE.values() if is_safety_topic(t.type)] == [
        t.name for t in TOPICS if t.name in SAFETY_TOPICS
    ]
    assert is_safety_topic("floe.sessions.v2")
    assert not is_safety_topic("sessions")


def test_each_reason_is_a_sentence():
    """Every code of the closed list is explained by one sentence."""
    assert all(text.endswith(".") and text[0].isupper() for text in REASONS.values())


def test_encoded_at_any_instant_type():
    """A text time goes out as it is: what a consumer does with a bad one is the contract's
    affair.
    """
    raw = orjson.loads(
        encode("clinics", {"clinic_id": "c1"}, id="e", source="/c", time="yesterday")
    )
    assert raw["time"] == "yesterday"
    utc = orjson.loads(
        encode("clinics", {"clinic_id": "c1"}, id="e", source="/c", time=AT.astimezone(UTC))
    )
    assert utc["time"] == "2026-03-01T07:30:00+00:00"
