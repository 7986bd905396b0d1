"""One record, looked at by itself: the reason it breaks the contract's shape, or its line in the
plain shape.

Here: the exact check behind ingest/shape.py's glance, which also takes unknown fields apart.
Not here: the text as JSON (json_faults.py); times, required fields, ranges of scalars and units,
which ingest/rules.py checks on whole columns. A key that stands twice in an object is a reject:
nobody can say which of the two was meant.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from transforms.facts.instruments import INSTRUMENTS
from transforms.schemas import TIMESTAMP, TOPICS, Column, Json, JsonList, Topic

from .contract import (
    ATTRIBUTES,
    CONTENT_TYPE,
    LARGEST_RECORD_BYTES,
    LIST_VALUES,
    LONGEST_TEXT,
    MOST_LEVELS,
    OBJECT_VALUES,
    SPECVERSION,
    TEXT_ATTRIBUTES,
    data_fields,
    object_fields,
)
from .json_faults import field_twice, levels_of, too_deep, unreadable
from .reject import SHOWN, Reject, shown

LARGEST_INTEGER = 10**15


@dataclass(frozen=True)
class Plain:
    """A record in the plain shape: `line` for the columnar parse, its object fields and unknown
    fields as JSON.
    """

    line: str
    objects: dict[str, str]
    extra: str | None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(value: Any, is_item) -> bool:
    if not isinstance(value, list):
        return False
    return all(item is None or is_item(item) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


# dtype -> (test, what is expected)
_EXPECTED = {
    pl.String: (_is_text, "a text"),
    TIMESTAMP: (_is_text, "a time as a text (RFC 3339)"),
    pl.Date: (_is_text, "a day as a text (YYYY-MM-DD)"),
    pl.Int64: (
        lambda v: _is_number(v) and v == v // 1 and abs(v) <= LARGEST_INTEGER,
        f"a whole number, at most {LARGEST_INTEGER:.0e}",
    ),
    pl.Float64: (_is_number, "a number"),
    pl.Boolean: (lambda v: isinstance(v, bool), "true or false"),
    pl.List(pl.String): (lambda v: _is_list_of(v, _is_text), "a list of texts"),
    pl.List(pl.Float64): (lambda v: _is_list_of(v, _is_number), "a list of numbers or null"),
    Json: (lambda v: isinstance(v, dict), "an object"),
    JsonList: (
        lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v),
        "a list of objects",
    ),
}
_OBJECT_EXPECTED = {
    float: (_is_number, "a number or null"),
    str: (_is_text, "a text or null"),
    int: (_EXPECTED[pl.Int64][0], "a whole number or null"),
}


def _wrong_type(field: str, value: Any, expected: str) -> Reject:
    return Reject("wrong_type", field, f"found {shown(value)}, expected {expected}")


def _check_envelope(event: Any, *, topic: Topic) -> Reject | None:
    if not isinstance(event, dict):
        return Reject("not_object", None, f"found {shown(event)}, expected an object")
    for name, expected, reason in (
        ("specversion", SPECVERSION, "wrong_specversion"),
        ("type", topic.type, "wrong_type_name"),
    ):
        if event.get(name) is None:
            return Reject("missing_field", name, f"found none, expected {expected!r}")
        if event[name] != expected:
            return Reject(reason, name, f"found {shown(event[name])}, expected {expected!r}")
    content_type = event.get("datacontenttype")
    if content_type is not None and not _is_json_media_type(content_type):
        return Reject(
            "wrong_content_type",
            "datacontenttype",
            f"found {shown(content_type)}, expected {CONTENT_TYPE!r}",
        )
    for name in TEXT_ATTRIBUTES:
        if not isinstance(event.get(name), str | None):
            return _wrong_type(name, event[name], "a text")
    return None


def _is_json_media_type(value: Any) -> bool:
    media_type = value.partition(";")[0].strip().lower() if isinstance(value, str) else ""
    return media_type == CONTENT_TYPE or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


# topic -> of each known field of `data`: its column, the test of a value that is not null, what is
# expected
_CHECKED: dict[str, dict[str, tuple[Column, Callable[[Any], bool], str]]] = {
    t.name: {c.field: (c, *_EXPECTED[c.dtype]) for c in data_fields(t)} for t in TOPICS
}


def _check_object(column: Column, data: dict[str, Any], *, topic: Topic) -> Reject | None:
    is_right, expected = _OBJECT_EXPECTED[OBJECT_VALUES[topic.name, column.name]]
    instrument = data.get("instrument") if topic.name == "responses" else None
    ranges = (
        INSTRUMENTS[instrument].items
        if isinstance(instrument, str) and instrument in INSTRUMENTS
        else {}
    )
    for code, value in data[column.name].items():
        field = f"{column.name}.{code}"
        if value is not None and not is_right(value):
            return _wrong_type(field, value, expected)
        lower, upper = ranges.get(code, (None, None))
        if lower is not None and value is not None and not lower <= value <= upper:
            return Reject(
                "out_of_range", field, f"found {shown(value)}, expected {lower:g} to {upper:g}"
            )
    return None


def _check_list(column: Column, data: dict[str, Any], *, topic: Topic) -> Reject | None:
    """Each object of the list has its first member, and every member that the contract knows is of
    its type.
    """
    members = LIST_VALUES[topic.name, column.name]
    required = next(iter(members))
    for k, item in enumerate(data[column.name]):
        for name, kind in members.items():
            is_right, expected = _OBJECT_EXPECTED[kind]
            value, field = item.get(name), f"{column.name}[{k}].{name}"
            if value is not None and not is_right(value):
                return _wrong_type(field, value, expected)
            if name == required and value in (None, ""):
                return Reject("missing_field", field, f"found {shown(value)}, expected {expected}")
    return None


def _check_lengths(value: bytes, data: dict[str, Any], *, topic: Topic) -> Reject | None:
    """The names and texts of object fields, at any depth; the other fields' are checked as columns
    (lengths.py).
    """
    if len(value) <= LONGEST_TEXT:
        return None
    for column in object_fields(topic):
        for path, text in _texts_within(column.name, data.get(column.name)):
            if len(text) > LONGEST_TEXT:
                return Reject(
                    "too_long",
                    path,
                    f"found {len(text)} characters, expected at most {LONGEST_TEXT}",
                )
    return None


def _texts_within(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each text with the names that lead to it; a name is a text too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, below in value.items():
            here = f"{path}.{name[:SHOWN]}"
            yield here, name
            yield from _texts_within(here, below)
    elif isinstance(value, list):
        for k, below in enumerate(value):
            yield from _texts_within(f"{path}[{k}]", below)


_CHECKS_WITHIN = {Json: _check_object, JsonList: _check_list}


def _check_data(data: Any, *, topic: Topic) -> Reject | None:
    if data is None:
        return Reject("missing_field", "data", "found none, expected an object")
    if not isinstance(data, dict):
        return _wrong_type("data", data, "an object")
    for name, (column, is_right, expected) in _CHECKED[topic.name].items():
        value = data.get(name)
        if value is None:
            continue
        if not is_right(value):
            return _wrong_type(name, value, expected)
        check = _CHECKS_WITHIN.get(column.dtype)
        if check and (broken := check(column, data, topic=topic)):
            return broken
    return None


def _unknown(event: dict[str, Any], *, known: Container[str]) -> dict[str, Any]:
    """Unknown fields of `data` and unknown attributes of the envelope, by name.

    An attribute whose name an unknown field of `data` has too goes by `envelope.NAME`.
    """
    extra = {k: v for k, v in event["data"].items() if k not in known}
    attributes = {k: v for k, v in event.items() if k not in ATTRIBUTES}
    return extra | {(f"envelope.{k}" if k in extra else k): v for k, v in attributes.items()}


def inspect(value: bytes, *, topic: Topic) -> Plain | Reject:
    """What a record is: `Plain` where its shape is the contract's (after unknown fields are set
    apart).
    """
    if len(value) > LARGEST_RECORD_BYTES:
        return Reject(
            "too_large", None, f"found {len(value)} bytes, expected at most {LARGEST_RECORD_BYTES}"
        )
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return unreadable(value, str(error))
    if (levels := levels_of(value, event)) > MOST_LEVELS:
        return too_deep(levels)
    broken = (
        field_twice(value, event)
        or _check_envelope(event, topic=topic)
        or _check_data(event.get("data"), topic=topic)
        or _check_lengths(value, event["data"], topic=topic)
    )
    return broken or _plain(event, topic=topic)


def _plain(event: dict[str, Any], *, topic: Topic) -> Plain:
    checks = _CHECKED[topic.name]
    kept = {name: value for name, value in event["data"].items() if name in checks}
    objects = {
        c.name: orjson.dumps(value).decode()
        for c in object_fields(topic)
        if (value := kept.pop(c.name, None)) is not None
    }
    extra = _unknown(event, known=checks)
    line = {name: event.get(name) for name in TEXT_ATTRIBUTES} | {"data": kept}
    return Plain(
        orjson.dumps(line).decode(), objects, orjson.dumps(extra).decode() if extra else None
    )
