"""NDJSON files of records, as `floe simulate --to FILE` writes and `floe replay FILE` reads them.

Here: lines -> (topic, key, value). Not here: whether the value keeps the contract: a broken event in a well-formed
line is published as it stands, so that the stream's own rejects name it.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from transforms.errors import UnreadableFile


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    key: str | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value_base64: str | msgspec.UnsetType = msgspec.UNSET


_EXPECTED = 'expected {"topic": …, "key": …, "value": {the event}}'


def replay(paths: Iterable[Path | str]) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """The records of the files, in order: topic, key, value (the value's bytes as they stand in the line).

    A line is an object with `topic`, `key` (null = none) and either `value` (any JSON; null = a tombstone) or
    `value_base64` (bytes that are no JSON). Empty lines are passed over. Raises UnreadableFile, which names the
    file and the line, for a line that is none; what stood before it has been given by then.
    """
    decoder = msgspec.json.Decoder(_Line)
    for path in map(Path, paths):
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _record(line, decoder=decoder, place=f"{path}, line {number}")
        except OSError as error:
            raise UnreadableFile(f"{path}: {error.strerror}; give a file of NDJSON that can be read") from error


def _record(line: bytes, *, decoder, place: str) -> tuple[str, bytes | None, bytes | None]:
    try:
        found = decoder.decode(line)
        if (found.value is msgspec.UNSET) == (found.value_base64 is msgspec.UNSET):
            raise ValueError("no value, or two")
        value = _value(found)
    except ValueError as error:  # msgspec's, base64's and UTF-8's errors are ValueErrors
        shown = line[:80].decode(errors="replace").strip()
        raise UnreadableFile(f"{place}: found {shown!r} ({error}), {_EXPECTED}; mend or drop the line") from error
    return found.topic, None if found.key is None else found.key.encode(), value


def _value(found: _Line) -> bytes | None:
    if found.value_base64 is not msgspec.UNSET:
        return b64decode(found.value_base64, validate=True)
    value = bytes(found.value)
    return None if value == b"null" else value
