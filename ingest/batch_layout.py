"""The bytes of Kafka's record batches (message format 2, KIP-98): where a batch's fields and a
record's numbers stand.

Here: headers, checksums, varints, a batch's body unpacked. Not here: records (record_batches.py).

    batch  = header (61 bytes) records...       the records compressed as a whole; the CRC covers what follows it
    record = length attributes timestamp_delta offset_delta key_length key value_length value headers
             lengths and deltas are zigzag varints; length -1 is null
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from struct import Struct

from crc32c import crc32c

from transforms.errors import FloeError

from . import codecs

# base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and last
# timestamp, producer id, producer epoch, base sequence, number of records
HEADER = Struct(">qiibIhiqqqhii")
_PREFIX = Struct(">qi")
CHECKED_FROM = 21
CODEC, _APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20

Decompressors = Mapping[int, Callable[[bytes], bytes]]


@dataclass(frozen=True)
class RecordBatch:
    base: int
    last: int
    epoch: int
    crc: int
    attributes: int
    first_ms: int
    newest_ms: int
    producer: int
    count: int
    raw: memoryview

    @property
    def is_stamped_on_arrival(self) -> bool:
        return bool(self.attributes & _APPEND_TIME)


def batches_in(raw: memoryview) -> Iterable[RecordBatch]:
    at = 0
    while at + HEADER.size <= len(raw):
        base, length, epoch, magic, crc, attributes, delta, first, newest, producer, _, _, count = (
            HEADER.unpack_from(raw, at)
        )
        end = at + _PREFIX.size + length
        if end > len(raw):
            return
        if magic != 2:
            raise FloeError(
                f"Kafka holds records of message format {magic}, expected 2, which Kafka 0.11 and newer write: "
                "copy that topic with a newer client"
            )
        yield RecordBatch(
            base, base + delta, epoch, crc, attributes, first, newest, producer, count, raw[at:end]
        )
        at = end


def number_at(body: bytes, at: int) -> tuple[int, int]:
    """The number that a varint holds, and where it ends."""
    zigzag, at = varint_at(body, at) if body[at] > 0x7F else (body[at], at + 1)
    return (zigzag >> 1) ^ -(zigzag & 1), at


def bytes_at(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = number_at(body, at)
    if length < 0:
        return (None, at)
    return (body[at : at + length], at + length)


def body_of(batch: RecordBatch, decompressors: Decompressors) -> bytes:
    if crc32c(batch.raw[CHECKED_FROM:]) != batch.crc:
        raise ValueError("the batch's checksum is wrong")
    body = bytes(batch.raw[HEADER.size :])
    codec = batch.attributes & CODEC
    if not codec:
        return body
    if codec not in decompressors:
        raise ValueError(f"expected none, {', '.join(codecs.NAMES.values())}")
    return decompressors[codec](body)


def varint_at(body: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint of two bytes or more at `at`, still zigzag, and where it ends."""
    low, high = body[at] & 0x7F, body[at + 1]
    if high < 0x80:
        return low | high << 7, at + 2
    value, shift, at = low | (high & 0x7F) << 7, 14, at + 2
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
