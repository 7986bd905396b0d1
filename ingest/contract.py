"""The event contract: envelope, topics' parse schemas, record key, the closed list of reject
reasons, encoding.

Here: the rules as data, and the two functions that a producer needs (`encode`, `record_key`).
Not here: the fields of the topics (transforms/schemas/raw) and the checking of a batch
(ingest/decode.py).
"""

from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson
import polars as pl

from transforms.errors import UsageError
from transforms.schemas import TOPIC_BY_NAME, TOPICS, Column, Topic
from transforms.schemas.raw import CORRECTION, SAFETY_TOPICS

SPECVERSION = "1.0"
CONTENT_TYPE = "application/json"
TEXT_ATTRIBUTES = ("id", "source", "subject", "time")
# the order in which `encode` writes the envelope
ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data")

EARLIEST_YEAR, LATEST_YEAR = 1900, 2100
LARGEST_RECORD_BYTES = 16 * 1024 * 1024
MOST_LEVELS = (
    100  # of objects and lists in one another, the event itself the first; no real event has ten
)
LONGEST_ID, LONGEST_TERM, LONGEST_TEXT = 200, 500, 4_000  # characters

TOPIC_BY_TYPE = MappingProxyType({topic.type: topic for topic in TOPICS})

# code -> what it means; a record has one reason, the first found: its bytes, its shape, then its
# values; else that decoding died of it
REASONS = MappingProxyType(
    {
        "unknown_topic": "The record's topic is not one of the contract's.",
        "tombstone": "The record has no value; a record entered in error is said by record_status.",
        "unreadable_batch": "The producer's batch can't be read: its codec is none of Kafka's, its bytes are damaged, or a "
        "few of them stand for more than is read at once.",
        "too_large": f"The record is larger than {LARGEST_RECORD_BYTES} bytes.",
        "not_utf8": "The value's bytes are not UTF-8.",
        "not_json": "The value is not one JSON text (RFC 8259; NaN and Infinity are not JSON).",
        "not_object": "The value is JSON, but not an object.",
        "wrong_specversion": f"The envelope's specversion is not {SPECVERSION!r}.",
        "wrong_type_name": "The envelope's type is not the topic that the record arrived on.",
        "wrong_content_type": "The envelope's datacontenttype is not a JSON media type.",
        "wrong_type": "A field holds a JSON value of another type than the contract's.",
        "missing_field": "A required field is missing, null or empty.",
        "bad_time": "A time is not RFC 3339 with a UTC offset, a day is not YYYY-MM-DD, or its year is outside "
        f"{EARLIEST_YEAR} to {LATEST_YEAR}.",
        "bad_timezone": "A clinic's time zone is no name of the IANA database, in its own capitals.",
        "wrong_subject": "The envelope's subject is another patient than data.patient_id.",
        "wrong_unit": "The unit is not the metric's UCUM unit.",
        "out_of_range": "A number is outside its physical range.",
        "field_twice": "A field stands twice in one object, an attribute in two headers.",
        "too_deep": f"Objects and lists are nested deeper than {MOST_LEVELS} levels.",
        "same_id_in_batch": "A batched record holds two different events of one source and id; the first one stands.",
        "bad_id": f"An id has more than {LONGEST_ID} characters, or a control or direction character in it.",
        "too_long": f"A term has more than {LONGEST_TERM} characters, another text more than {LONGEST_TEXT}.",
        "undecodable": "Decoding the record failed in a way that no rule foresees; the detail has the failure's words.",
    }
)

# What the values of an object field are, null apart: the schema says only that it is JSON.
OBJECT_VALUES = MappingProxyType(
    {
        ("patients", "baseline_covariates"): float,
        ("screenings", "items"): str,
        ("responses", "items"): float,
        ("studies", "primary"): str,
        ("study_enrolments", "strata"): str,
        ("study_enrolments", "analysis_sets"): str,
    }
)
# What the objects of a list field hold, unknown members apart; the first is required.
LIST_VALUES = MappingProxyType(
    {
        ("studies", "planned_visits"): MappingProxyType(
            {"visit": str, "target_day": int, "from_day": int, "to_day": int}
        ),
    }
)

_PARSED = {
    pl.String: pl.String,
    pl.Datetime("us", "UTC"): pl.String,
    pl.Date: pl.String,
    pl.Int64: pl.Float64,  # 5.0 is an integer in JSON
    pl.Float64: pl.Float64,
    pl.Boolean: pl.Boolean,
    pl.List(pl.String): pl.List(pl.String),
    pl.List(pl.Float64): pl.List(pl.Float64),
}


_DATA_FIELDS = {t.name: t.fields + (() if t.is_series else CORRECTION) for t in TOPICS}
_OBJECT_FIELDS = {
    name: tuple(c for c in fields if c.is_json) for name, fields in _DATA_FIELDS.items()
}


def data_fields(topic: Topic) -> tuple[Column, ...]:
    """The fields that `data` may have: the topic's own and, but for a series, the correction
    fields.
    """
    return _DATA_FIELDS[topic.name]


def object_fields(topic: Topic) -> tuple[Column, ...]:
    """The fields of `data` that hold a JSON object, or a list of them."""
    return _OBJECT_FIELDS[topic.name]


def parse_schema(topic: Topic) -> pl.Struct:
    """What a record parses to: the envelope's texts and `data`, times as text, integers as numbers.

    Left out are the constants of the envelope and the object fields, which are checked record by
    record.
    """
    data = pl.Struct({c.field: _PARSED[c.dtype] for c in data_fields(topic) if not c.is_json})
    return pl.Struct({**dict.fromkeys(TEXT_ATTRIBUTES, pl.String), "data": data})


def is_safety_topic(topic_type: str) -> bool:
    """Whether a record of this Kafka topic carries safety information, whatever the topic's
    version.
    """
    parts = topic_type.split(".")
    if len(parts) < 2:
        return False
    return parts[1] in SAFETY_TOPICS


def topic_named(topic: str) -> Topic:
    """The topic of a name (`sessions`) or a type (`floe.sessions.v1`). Raises UsageError."""
    match = TOPIC_BY_NAME.get(topic) or TOPIC_BY_TYPE.get(topic)
    if match is None:
        raise UsageError(f"found topic {topic!r}, expected one of {', '.join(TOPIC_BY_NAME)}")
    return match


def record_key(topic: str, data: dict[str, Any]) -> bytes:
    """The Kafka key of an event: the patient id, else the device id, else the first id in
    `data`.
    """
    for name in ("patient_id", "device_id", topic_named(topic).record_id):
        if data.get(name):
            return str(data[name]).encode()
    raise UsageError(
        f"found {topic} data without {topic_named(topic).record_id!r}: set it, it is required"
    )


def encode(
    topic: str,
    data: dict[str, Any],
    *,
    id: str,
    source: str,
    time: datetime | str,
    subject: str | None = None,
) -> bytes:
    """The event as a CloudEvent in structured JSON mode, UTF-8.

    `topic`: name or type. `data`: plain values, dates and times with a zone; a field that is None
    is left out. `time`: when it happened, with a zone. `subject`: the patient, where `data` has no
    `patient_id`. Nothing is checked but that times have a zone: what a consumer does with broken
    data is the contract's affair. Raises UsageError.
    """
    subject = subject or data.get("patient_id")
    values = (SPECVERSION, id, source, topic_named(topic).type, subject, time, CONTENT_TYPE)
    event = dict(zip(ATTRIBUTES, values, strict=False))
    for name, value in (("time", time), *data.items()):
        if isinstance(value, datetime) and value.tzinfo is None:
            raise UsageError(f"found {name} {value} without a zone: give it its time zone")
    if subject is None:
        del event["subject"]
    return orjson.dumps(event | {"data": {k: v for k, v in data.items() if v is not None}})
