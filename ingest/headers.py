"""A Kafka record's headers: the bytes as fetched, pairs of name and value, and the JSON text that a
reject keeps.

Here: the three forms and the ways between them, without loss. Not here: what a header means
(content_modes.py).

    headers = count (name_length name value_length value)...       lengths and the count are zigzag varints, -1 is null
"""

import base64
from collections.abc import Iterable

import orjson

Pairs = list[tuple[bytes, bytes | None]]


def unpack(raw: bytes) -> Pairs:
    """Name and value of each header, in order, names that stand twice included; [] where the bytes
    are no headers.
    """
    try:
        count, at = _number(raw, 0)
        pairs = []
        for _ in range(count):
            name, at = _bytes(raw, at)
            value, at = _bytes(raw, at)
            pairs.append((name or b"", value))
        return pairs
    except IndexError:
        return []


def pack(pairs: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """The bytes of these headers: the inverse of `unpack`."""
    pairs = list(pairs)
    parts = [_varint(len(pairs))]
    for pair in pairs:
        for part in pair:
            parts += [_varint(-1)] if part is None else [_varint(len(part)), part]
    return b"".join(parts)


def to_json(pairs: Pairs) -> str | None:
    """[[name, value], ...]; what is not UTF-8 is {"base64": ...}, a null value null; None without
    headers.
    """
    return (
        orjson.dumps([[_shown(name), _shown(value)] for name, value in pairs]).decode()
        if pairs
        else None
    )


def from_json(text: str | None) -> Pairs:
    """The inverse of `to_json`."""
    if not text:
        return []
    return [(_read(name) or b"", _read(value)) for name, value in orjson.loads(text)]


def sendable(pairs: Pairs) -> list[tuple[str, bytes | None]]:
    """As a producer takes them; a name that is not UTF-8 can't be sent and is left out."""
    return [(name.decode(), value) for name, value in pairs if isinstance(_shown(name), str)]


def _shown(value: bytes | None) -> str | dict[str, str] | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _read(value: str | dict[str, str] | None) -> bytes | None:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    if value is None:
        return None
    return value.encode()


def _bytes(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _number(raw, at)
    if length < 0:
        return None, at
    if at + length > len(raw):
        raise IndexError
    return raw[at : at + length], at + length


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)
