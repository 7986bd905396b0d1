"""What is wrong with a record as JSON: not readable, nested too deep, a name that stands twice.

Here: the text and its shape, whatever the topic. Not here: what the contract asks of a record
(record.py).
"""

import json
from typing import Any

import orjson

from .contract import MOST_LEVELS
from .reject import SHOWN, Reject

_TOO_DEEP_TO_PARSE = "depth limit exceeded"  # orjson's words, beyond 1,024 levels


def unreadable(value: bytes, message: str) -> Reject:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return Reject(
            "not_utf8",
            None,
            f"found byte {value[error.start]:#04x} at {error.start}, expected UTF-8",
        )
    if message.startswith(_TOO_DEEP_TO_PARSE):
        return too_deep("more than 1,000")
    return Reject("not_json", None, f"found {message}, expected one JSON object")


def too_deep(levels: int | str) -> Reject:
    detail = f"found objects and lists nested {levels} levels deep, expected at most {MOST_LEVELS}"
    return Reject("too_deep", None, detail)


def levels_of(value: bytes, event: Any) -> int:
    """How deep its objects and lists are nested, itself the first; 0 where there are too few
    brackets to be too deep.

    Counted level by level, for recursion has an end.
    """
    if value.count(b"[") + value.count(b"{") <= MOST_LEVELS:
        return 0
    levels, here = 0, [event]
    while nests := [each for each in here if isinstance(each, dict | list)]:
        levels += 1
        here = [
            below for nest in nests for below in (nest.values() if isinstance(nest, dict) else nest)
        ]
    return levels


class _Twice(Exception):
    """A name that stands twice in an object."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len(dict(pairs)):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for k, name in enumerate(names) if name in names[:k]))


# The pairs of an object are all that is looked at: nothing is made of it.
_SCAN = json.JSONDecoder(object_pairs_hook=_unique, parse_int=len, parse_float=len).decode


def field_twice(value: bytes, event: Any) -> Reject | None:
    """orjson, like most readers, silently takes the last; what it writes has each name once. So a
    value that it would write the same, blanks behind commas and colons apart, needs no second
    look.
    """
    once = orjson.dumps(event)
    if once == value or once == value.replace(b", ", b",").replace(b": ", b":"):
        return None
    try:
        _SCAN(value.decode())
    except _Twice as twice:
        return Reject(
            "field_twice", str(twice)[:SHOWN], "found it twice in one object, expected it once"
        )
    return None
