"""CloudEvents' modes on Kafka: the events of a record, whatever mode it was written in.

Here: structured (the value is the event), binary (attributes in headers `ce_*`, data in the value)
and batched (the value is an array of events); the Kafka protocol binding 1.0.2. Not here: what an
event must be (record.py).

A record that matches the contract's shape at a glance never comes here, so structured events cost
nothing for it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from transforms.schemas import Topic

from . import headers
from .contract import ATTRIBUTES, CONTENT_TYPE, LARGEST_RECORD_BYTES, MOST_LEVELS
from .json_faults import levels_of, too_deep
from .record import Plain, inspect
from .reject import Reject, shown

_PREFIX = b"ce_"
_EVENTS_OWN = "application/cloudevents"
_WHOLE = (
    "specversion",
    "data",
)  # a value that has these is an event itself, whatever its headers say
_EMPTY = "found an array without an event, expected at least one"
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Part:
    """One event of a batched record: its text as it stood there, and what it is."""

    value: bytes
    is_what: Plain | Reject


def events(value: bytes, raw_headers: bytes | None, *, topic: Topic) -> Plain | Reject | list[Part]:
    """What the record is; of a batched one, its parts in order (each accepted or rejected by
    itself).

    A part that says the same as an earlier one of the record is left out.
    """
    if value.lstrip()[:1] == b"[" and len(value) <= LARGEST_RECORD_BYTES:
        return _batched(value, topic=topic)
    pairs = headers.unpack(raw_headers) if raw_headers else []
    attributes = [
        (name[len(_PREFIX) :], v) for name, v in pairs if name[: len(_PREFIX)].lower() == _PREFIX
    ]
    content_types = _content_types(pairs)
    if not attributes or any(each.startswith(_EVENTS_OWN) for each in content_types[:1]):
        return inspect(value, topic=topic)
    return _binary(value, attributes, content_types, topic=topic)


def _content_types(pairs: headers.Pairs) -> list[str]:
    values = [value for name, value in pairs if name.lower() == b"content-type" and value]
    return [value.decode(errors="replace").strip().lower() for value in values]


def _binary(
    value: bytes, attributes: headers.Pairs, content_types: list[str], *, topic: Topic
) -> Plain | Reject:
    """The event that the headers and the value make, looked at as if it had come as one."""
    if len(content_types) > 1:
        return Reject(
            "field_twice", "datacontenttype", "found two headers content-type, expected one"
        )
    event: dict[str, object] = {}
    for name, written in attributes:
        try:
            key, text = name.decode().lower(), written.decode() if written is not None else None
        except UnicodeDecodeError:
            return Reject("not_utf8", None, f"found the header ce_{name!r}: {written!r}"[:200])
        if key in event:
            return Reject("field_twice", key, f"found two headers ce_{key}, expected one")
        event[key] = text
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError:
        return inspect(value, topic=topic)  # which says what is wrong with the bytes
    if isinstance(data, dict) and all(name in data for name in _WHOLE):
        return inspect(value, topic=topic)
    head = {name: text for name, text in event.items() if name not in ("data", "datacontenttype")}
    head["datacontenttype"] = content_types[0] if content_types else CONTENT_TYPE
    ordered = {name: head[name] for name in ATTRIBUTES if name in head} | head
    return inspect(orjson.dumps(ordered)[:-1] + b',"data":' + value + b"}", topic=topic)


def _batched(value: bytes, *, topic: Topic) -> Reject | list[Part]:
    try:
        array = orjson.loads(value)
    except orjson.JSONDecodeError:
        return inspect(value, topic=topic)
    if (levels := levels_of(value, array)) > MOST_LEVELS:
        return too_deep(levels)
    return _parts(value.decode(), topic=topic) or Reject("not_object", None, _EMPTY)


def _parts(array: str, *, topic: Topic) -> list[Part]:
    parts: list[Part] = []
    identities: dict[tuple, bytes] = {}
    for text in _items(array):
        is_what = inspect(text.encode(), topic=topic)
        identity, content = _identity(text) if isinstance(is_what, Plain) else (None, b"")
        if identity is None or identity not in identities:
            parts.append(Part(text.encode(), is_what))
            identities[identity] = content
        elif identities[identity] != content:
            detail = (
                f"found another event of the same source and id in this record: {shown(identity)}"
            )
            parts.append(Part(text.encode(), Reject("same_id_in_batch", "id", detail)))
    return parts


def _identity(text: str) -> tuple[tuple | None, bytes]:
    """(source, id) of an event, None where it has none; and its content, whatever the order of its
    fields.
    """
    event = orjson.loads(text)
    content = orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        return None, content
    return (str(event.get("source")), event["id"]), content


def texts(array: bytes) -> list[bytes]:
    """The events of a batched record as they stand there."""
    return [text.encode() for text in _items(array.decode())]


def _items(text: str) -> Iterator[str]:
    """The texts of an array's items, as they stand; `text` is known to be JSON."""
    at = text.index("[") + 1
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return
        _, end = _DECODER.raw_decode(text, at)
        yield text[at:end]
        at = end
