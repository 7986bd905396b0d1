"""NDJSON files of records, as `floe simulate --to FILE` writes and `floe replay FILE` reads them.

Here: lines -> (topic, key, value). Not here: whether the value keeps the contract: a broken event
in a well-formed line is published as it stands, so that the stream's own rejects name it.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from transforms.errors import UnreadableFile

from .lines import Unread, excerpt, opened


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    key: str | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value_base64: str | msgspec.UnsetType = msgspec.UNSET


_PAIRS = json.JSONDecoder(
    object_pairs_hook=list, parse_int=len, parse_float=len
).decode  # of the outermost object
_MARK = b"\xef\xbb\xbf"
_MOST_BEFORE_THE_FIRST = 1_000  # lines that are none, before it is said that the file is none
_EXPECTED = 'expected {"topic": …, "key": …, "value": {the event}}'


def replay(
    paths: Iterable[Path | str], *, unread: Unread | None = None
) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """The records of the files, in order: topic, key, value (the value's bytes as they stand in the
    line).

    A line is an object with `topic`, `key` (null = none) and either `value` (any JSON; null = a
    tombstone) or `value_base64` (bytes that are no JSON). Empty lines are passed over; a line that
    is none goes to `unread`, and the rest goes on. Files may be gzip. Raises UnreadableFile where a
    file can't be opened or its first lines are none.
    """
    decoder = msgspec.json.Decoder(_Line)
    unread = Unread() if unread is None else unread
    for path in map(Path, paths):
        is_ndjson = False
        with opened(path, expected=_EXPECTED) as file:
            for number, line in enumerate(file, 1):
                if not (line := line.removeprefix(_MARK)).strip():
                    continue
                record = _record(line, decoder=decoder)
                if not isinstance(record, str):
                    is_ndjson = True
                    yield record
                    continue
                unread.add(path, number, record)
                if not is_ndjson and len(unread.by_file[path]) > _MOST_BEFORE_THE_FIRST:
                    break
        if not is_ndjson and path in unread.by_file:
            number, why = next(iter(unread.by_file.pop(path).items()))
            raise UnreadableFile(f"{path}, line {number}: {why}")


def _record(line: bytes, *, decoder) -> tuple[str, bytes | None, bytes | None] | str:
    """The record, or why the line is none."""
    try:
        parsed = decoder.decode(line)
        if (parsed.value is msgspec.UNSET) == (parsed.value_base64 is msgspec.UNSET):
            raise ValueError("no value, or two")
        _require_once(line, parsed)
        return parsed.topic, None if parsed.key is None else parsed.key.encode(), _value(parsed)
    except (
        ValueError,
        RecursionError,
    ) as error:  # msgspec's, base64's and UTF-8's errors are ValueErrors
        return f"found {excerpt(line)} ({excerpt(str(error))[1:-1]}), {_EXPECTED}"


def _require_once(line: bytes, parsed: _Line) -> None:
    """The reader takes the last of two, whichever was meant; what it would write the same has each
    name once.
    """
    if msgspec.json.encode(parsed) == line.strip():
        return
    with suppress(RecursionError):  # the value's depth is the stream's affair
        names = [name for name, _ in _PAIRS(line.decode())]
        if len(names) != len(set(names)):
            raise ValueError("a name twice")


def _value(parsed: _Line) -> bytes | None:
    if parsed.value_base64 is not msgspec.UNSET:
        return b64decode(parsed.value_base64, validate=True)
    value = bytes(parsed.value)
    return None if value == b"null" else value
