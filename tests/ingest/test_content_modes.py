"""One event, whatever CloudEvents mode it came in: structured, binary, batched.

Here: decoding records with headers and arrays. Not here: structured events (test_decode.py), Kafka
(fault_files).
"""

import json
from datetime import UTC, datetime

import orjson
import pytest

from ingest import headers
from ingest.contract import encode
from ingest.decode import decode
from ingest.source import Batch

NOW = datetime(2026, 3, 2, tzinfo=UTC)
AT = "2026-03-01T08:30:00+01:00"
INCIDENT = {
    "incident_id": "i1",
    "clinic_id": "c1",
    "occurred_at": AT,
    "subject_kind": "none",
    "kind": "door",
}
TOPIC = "floe.incidents.v1"
CE = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/java", "ce_type": TOPIC, "ce_time": AT}


def incident(number: int, **other) -> dict:
    return orjson.loads(
        encode(
            TOPIC,
            INCIDENT | {"incident_id": f"i{number}"} | other,
            id=str(number),
            source="/b",
            time=AT,
        )
    )


def raw(pairs) -> bytes:
    pairs = pairs.items() if isinstance(pairs, dict) else pairs
    return headers.pack(
        [
            (k if isinstance(k, bytes) else k.encode(), v if isinstance(v, bytes) else v.encode())
            for k, v in pairs
        ]
    )


def decoded(*records: tuple[bytes | None, dict | list | None], topic: str = TOPIC):
    values = [value for value, _ in records]
    found = {10 + k: raw(pairs) for k, (_, pairs) in enumerate(records) if pairs}
    offsets = list(range(10, 10 + len(values)))
    batch = Batch(
        topic, "id", 0, 10, 10 + len(values), offsets, [b"k"] * len(values), values, found
    )
    return decode(batch, ingested_at=NOW)


def test_binary_mode_is_the_same_row_as_structured():
    """Attributes in headers and data in the value, beside the same event in one piece; extensions
    are kept.
    """
    value = orjson.dumps(INCIDENT)
    whole = encode(TOPIC, INCIDENT, id="1", source="/java", time=AT)
    both = decoded(
        (value, CE | {"content-type": "application/json", "ce_traceparent": "00"}), (whole, None)
    )
    assert both.rejects.is_empty()
    first, second = both.rows.drop("kafka_offset", "extra").rows()
    assert first == second
    assert both.rows["extra"].to_list() == ['{"traceparent":"00"}', None]


@pytest.mark.parametrize("topic", ["responses", "patients"])
def test_binary_mode_of_a_topic_with_objects(topic):
    """Questionnaires and patients have an object in data."""
    data = {
        "responses": {
            "response_id": "r",
            "patient_id": "p",
            "instrument": "nrs_pain",
            "answered_at": AT,
            "items": {"now": 5},
        },
        "patients": {
            "patient_id": "p",
            "clinic_id": "c",
            "enrolled_on": "2026-01-01",
            "baseline_covariates": {"bmi": 20},
        },
    }[topic]
    name = f"floe.{topic}.v1"
    rows = decoded((orjson.dumps(data), CE | {"ce_type": name, "ce_subject": "p"}), topic=name).rows
    assert rows["patient_id"].to_list() == ["p"]


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"ce_id": None}, "missing_field", "id"),
        ({"ce_specversion": "0.3"}, "wrong_specversion", "specversion"),
        ({"ce_type": "floe.sessions.v1"}, "wrong_type_name", "type"),
        ({"content-type": "application/xml"}, "wrong_content_type", "datacontenttype"),
        ({"ce_time": "yesterday"}, "bad_time", "time"),
        ({"ce_id": b"\xff"}, "not_utf8", None),
    ],
)
def test_binary_mode_is_held_to_the_same_rules(change, reason, field):
    """Rejected with the same code, and the reject keeps value and headers."""
    pairs = {name: value for name, value in (CE | change).items() if value is not None}
    rejects = decoded((orjson.dumps(INCIDENT), pairs)).rejects
    (row,) = rejects.iter_rows(named=True)
    assert (row["reason"], row["field"]) == (reason, field)
    assert row["value"] == orjson.dumps(INCIDENT)
    assert headers.from_json(row["headers"]) == headers.unpack(raw(pairs))


def test_a_field_twice_in_headers_or_in_data_is_set_aside():
    """Of two ids nobody knows which was meant; other headers may well stand twice."""
    value = orjson.dumps(INCIDENT)
    twice = [*CE.items(), ("ce_id", "2")]
    others = [*CE.items(), ("trace", "1"), ("trace", "2")]
    in_data = value[:-1] + b',"kind":"window"}'
    types = [*CE.items(), ("content-type", "application/json"), ("Content-Type", "application/xml")]
    found = decoded((value, twice), (value, others), (in_data, CE), (value, types))
    assert found.rejects.select("reason", "field").rows() == [
        ("field_twice", "id"),
        ("field_twice", "kind"),
        ("field_twice", "datacontenttype"),
    ]
    assert found.rows.height == 1


def test_odd_headers_beside_a_structured_event_change_nothing():
    """Names and values of any bytes, large ones, `ce_` ones beside a whole event: the event is what
    it is.
    """
    whole = encode(TOPIC, INCIDENT, id="1", source="/java", time=AT)
    spaced = json.dumps(orjson.loads(whole)).encode()
    odd = [
        (b"\xff\xfe", b"\xff"),
        (b"large", b"x" * 100_000),
        (b"", b""),
        (b"content-type", b"\xff"),
    ]
    event_type = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    found = decoded((whole, odd), (spaced, odd), (spaced, CE), (spaced, event_type | CE))
    assert found.rejects.is_empty()
    assert found.rows.height == 4


def test_each_event_of_a_batched_record_stands_for_itself():
    """Good, broken, good in one array between two other records: rows and rejects in order,
    positions the record's, and the reject keeps its part as it was written, with the record's
    headers.
    """
    broken = '{ "specversion": "1.0", "kind" : 7 }'
    array = f"[{json.dumps(incident(1))} ,\n{broken}, {json.dumps(incident(2))}]".encode()
    batch_type = {"content-type": "application/cloudevents-batch+json"}
    single = orjson.dumps(incident(0))
    found = decoded(
        (single, None), (array, batch_type), (b"junk", None), (orjson.dumps(incident(3)), None)
    )
    assert found.rows.select("incident_id", "kafka_offset").rows() == [
        ("i0", 10),
        ("i1", 11),
        ("i2", 11),
        ("i3", 13),
    ]
    columns = ("kafka_offset", "part", "reason", "value", "headers")
    assert found.rejects.select(columns).rows() == [
        (
            11,
            1,
            "missing_field",
            broken.encode(),
            '[["content-type","application/cloudevents-batch+json"]]',
        ),
        (12, None, "not_json", b"junk", None),
    ]


def test_an_array_without_headers_is_a_batch_too():
    """Its first character says enough; an object under a batch's content type is one event."""
    found = decoded(
        (orjson.dumps([incident(1), incident(2)]), None),
        (orjson.dumps(incident(3)), {"content-type": "application/cloudevents-batch+json"}),
    )
    assert found.rows["incident_id"].to_list() == ["i1", "i2", "i3"]


@pytest.mark.parametrize(
    ("array", "rows", "reasons"),
    [
        (b"[]", 0, ["not_object"]),
        (b' [ 1, null, "x" ] ', 0, ["not_object"] * 3),
        (b"[{]", 0, ["not_json"]),
        (orjson.dumps([incident(1), incident(1)]), 1, []),  # the same again changes nothing
        (orjson.dumps([incident(1), dict(reversed(incident(1).items()))]), 1, []),
        (orjson.dumps([incident(1), incident(1, kind="window")]), 1, ["same_id_in_batch"]),
        # the second says what the first says to whoever takes the last of two ids
        (
            orjson.dumps([incident(1), incident(1)]).replace(b'},{"', b'},{"id":"0","'),
            1,
            ["field_twice"],
        ),
    ],
)
def test_odd_arrays(array, rows, reasons):
    """Empty, of no objects, no JSON, one event twice, two of one id: nothing is lost and nothing
    counts twice.
    """
    found = decoded((array, None))
    assert found.rows.height == rows
    assert found.rejects["reason"].to_list() == reasons


def test_a_large_array_of_series():
    """Series, whose shape is looked at in whole columns elsewhere, come in arrays too."""
    data = {
        "patient_id": "p",
        "metric": "heart_rate",
        "unit": "/min",
        "started_at": AT,
        "interval_s": 1,
        "values": [60],
    }
    many = [
        orjson.loads(encode("readings", data, id=str(k), source="/w", time=AT)) for k in range(500)
    ]
    found = decoded((orjson.dumps(many), None), topic="floe.readings.v1")
    assert found.rows["event_id"].to_list() == [str(k) for k in range(500)]
