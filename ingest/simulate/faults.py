"""Ways in which a record breaks the contract, each with its reason code (ingest/contract.py).

Here: `BREAKS`, `spoil` (a broken copy of a good event), `change` (other content under the same
identity). Not here: how often (plan.py) and when (outbox.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from transforms.schemas import TOPIC_BY_NAME, TOPICS

# topic -> (number field with a range, value outside it)
OUT_OF_RANGE = {
    "sessions": ("duration_s", -5),
    "adverse_events": ("grade", 7),
    "screenings": ("systolic_mmhg", 900),
    "patients": ("birth_year", 1066),
    "protocols": ("room_min_oxygen_pct", 195),
    "care": ("daily_dose_mme", -1),
    "walking_bouts": ("duration_s", -12.5),
    "performance_tests": ("value", -3),
    "telemetry": ("values", [700.0]),
    "readings": ("values", [-700.0]),
    "courses": ("prescribed_sessions", -10),
}


Broken = tuple[
    bytes | None, str | None
]  # the record's value (None is a tombstone), the field that is wrong


@dataclass(frozen=True)
class Break:
    """One way to break an event of the topic (middle part): `apply(topic, event)`. `topics` None =
    all.
    """

    reason: str
    apply: Callable[[str, dict], Broken]
    topics: tuple[str, ...] | None = None

    def fits(self, topic: str) -> bool:
        return self.topics is None or topic in self.topics


def _truncated(topic: str, event: dict) -> Broken:
    value = orjson.dumps(event)
    return value[: len(value) * 2 // 3], None


def _bad_utf8(topic: str, event: dict) -> Broken:
    return orjson.dumps(event).replace(b'"source":"/', b'"source":"/\xff\xfe', 1), None


def _set(name: str, value) -> Callable[[str, dict], Broken]:
    """A wrong value of an attribute of the envelope."""
    return lambda topic, event: (orjson.dumps(event | {name: value}), name)


def _zoneless(topic: str, event: dict) -> Broken:
    return orjson.dumps(event | {"time": event["time"][:19]}), "time"


def _missing(topic: str, event: dict) -> Broken:
    name = TOPIC_BY_NAME[topic].record_id
    del event["data"][name]
    return orjson.dumps(event), name


def _wrong_type(topic: str, event: dict) -> Broken:
    name = TOPIC_BY_NAME[topic].record_id
    event["data"][name] = {"value": 12}
    return orjson.dumps(event), name


def _out_of_range(topic: str, event: dict) -> Broken:
    if topic == "responses":
        item = next(iter(event["data"]["items"]))
        event["data"]["items"] = {item: 999}
        return orjson.dumps(event), f"items.{item}"
    name, value = OUT_OF_RANGE[topic]
    event["data"][name] = value
    return orjson.dumps(event), name


def _wrong_unit(topic: str, event: dict) -> Broken:
    event["data"]["unit"] = "furlongs"
    return orjson.dumps(event), "unit"


def _twice(topic: str, event: dict) -> Broken:
    value = orjson.dumps(event)
    return value.replace(b'"source":', b'"source":"/elsewhere","source":', 1), "source"


def _bad_id(topic: str, event: dict) -> Broken:
    name = TOPIC_BY_NAME[topic].record_id
    event["data"][name] = f"{event['data'][name]}\u202e"
    return orjson.dumps(event), name


def _too_long(topic: str, event: dict) -> Broken:
    event["data"]["term"] = "burn " * 101
    return orjson.dumps(event), "term"


OF_PATIENTS = tuple(t.name for t in TOPICS if any(f.name == "patient_id" for f in t.fields))
BREAKS = (
    Break("not_json", _truncated),
    Break("not_utf8", _bad_utf8),
    Break("not_object", lambda topic, event: (orjson.dumps(event["id"]), None)),
    Break("tombstone", lambda topic, event: (None, None)),
    Break("wrong_specversion", _set("specversion", "0.3")),
    Break("wrong_type_name", _set("type", "floe.session.v1")),
    Break("wrong_subject", _set("subject", "somebody-else"), OF_PATIENTS),
    Break("bad_time", _zoneless),
    Break("missing_field", _missing),
    Break("wrong_type", _wrong_type),
    Break("out_of_range", _out_of_range, (*OUT_OF_RANGE, "responses")),
    Break("wrong_unit", _wrong_unit, ("readings",)),
    Break("field_twice", _twice),
    Break("bad_id", _bad_id, tuple(t.name for t in TOPICS if t.record_id != "patient_id")),
    Break("too_long", _too_long, ("adverse_events",)),
)


def spoil(how: Break, *, topic: str, value: bytes) -> Broken:
    """A broken copy of a good event, under an id of its own: the good one still counts."""
    event = orjson.loads(value)
    event["id"] += "-broken"
    return how.apply(topic, event)


def change(value: bytes) -> bytes:
    """The same identity with other content: of a series the first sample differs, of a record who
    wrote it.
    """
    event = orjson.loads(value)
    data = event["data"]
    if "values" in data:
        data["values"] = [0 if data["values"][0] else 1, *data["values"][1:]]
    else:
        data["recorded_by_role"] = "auditor"
    return orjson.dumps(event)
