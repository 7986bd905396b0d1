"""Ways in which a record breaks the contract, each with the reason code it must be set aside with.

Here: `BREAKS`, `spoil` (a broken copy of a good event), `change` (other content under the same identity).
Not here: how often (plan.py) and when (outbox.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from transforms.schemas import TOPIC_BY_NAME

# topic -> (number field with a range, value outside it)
OUT_OF_RANGE = {
    "sessions": ("duration_s", -5), "adverse_events": ("grade", 7), "screenings": ("systolic_mmhg", 900),
    "patients": ("birth_year", 1066), "protocols": ("room_min_oxygen_pct", 195), "care": ("daily_dose_mme", -1),
    "walking_bouts": ("duration_s", -12.5), "performance_tests": ("value", -3), "telemetry": ("values", [700.0]),
    "readings": ("values", [-700.0]), "courses": ("prescribed_sessions", -10), "responses": ("items", None),
}  # fmt: skip


@dataclass(frozen=True)
class Break:
    """One way to break: `apply(topic, event)` gives bytes, or None for a tombstone."""

    name: str
    reason: str
    apply: Callable[[str, dict], bytes | None]
    field: str | Callable[[str], str] | None = None
    topics: tuple[str, ...] | None = None  # None = all

    def fits(self, topic: str) -> bool:
        return self.topics is None or topic in self.topics

    def field_of(self, topic: str) -> str | None:
        return self.field(topic) if callable(self.field) else self.field


def _record_id(topic: str) -> str:
    """The required field that is broken: the record's id, or what the series is of."""
    return TOPIC_BY_NAME[topic].record_id


def _truncated(topic: str, event: dict) -> bytes:
    value = orjson.dumps(event)
    return value[: len(value) * 2 // 3]


def _bad_utf8(topic: str, event: dict) -> bytes:
    return orjson.dumps(event).replace(b'"source":"/', b'"source":"/\xff\xfe', 1)


def _missing(topic: str, event: dict) -> bytes:
    del event["data"][_record_id(topic)]
    return orjson.dumps(event)


def _wrong_type(topic: str, event: dict) -> bytes:
    event["data"][_record_id(topic)] = {"value": 12}
    return orjson.dumps(event)


def _out_of_range(topic: str, event: dict) -> bytes:
    name, value = OUT_OF_RANGE[topic]
    if topic == "responses":
        value = {next(iter(event["data"]["items"])): 999}
    event["data"][name] = value
    return orjson.dumps(event)


def _wrong_unit(topic: str, event: dict) -> bytes:
    event["data"]["unit"] = "furlongs"
    return orjson.dumps(event)


def _zoneless(topic: str, event: dict) -> bytes:
    event["time"] = event["time"][:19]
    return orjson.dumps(event)


def _specversion(topic: str, event: dict) -> bytes:
    event["specversion"] = "0.3"
    return orjson.dumps(event)


BREAKS = (
    Break("truncated", "not_json", _truncated),
    Break("bad_utf8", "not_utf8", _bad_utf8),
    Break("tombstone", "tombstone", lambda topic, event: None),
    Break("specversion", "unknown_specversion", _specversion, "specversion"),
    Break("zoneless", "zoneless_time", _zoneless, "time"),
    Break("missing", "missing_field", _missing, _record_id),
    Break("wrong_type", "wrong_type", _wrong_type, _record_id),
    Break("out_of_range", "out_of_range", _out_of_range, lambda t: OUT_OF_RANGE[t][0], tuple(OUT_OF_RANGE)),
    Break("wrong_unit", "wrong_unit", _wrong_unit, "unit", ("readings",)),
)


def spoil(how: Break, *, topic: str, value: bytes) -> tuple[bytes | None, Break]:
    """A broken copy of a good event, under an id of its own: the good one still counts."""
    event = orjson.loads(value)
    event["id"] += "-broken"
    return how.apply(topic, event), how


def change(value: bytes) -> bytes:
    """The same identity with other content: of a series the first sample differs, of a record who wrote it."""
    event = orjson.loads(value)
    data = event["data"]
    if "values" in data:
        data["values"] = [0 if data["values"][0] else 1, *data["values"][1:]]
    else:
        data["recorded_by_role"] = "auditor"
    return orjson.dumps(event)
