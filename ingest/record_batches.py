"""Kafka's record batches (message format 2, KIP-98) as fetched -> keys, values and offsets. Pure.

Here: the layout of the bytes, read lean: of a record nothing is made but the bytes of its key,
value and headers, three times as fast as the client library's record objects; by what a record is
known again (last_record.py keeps it). Not here: fetching (stream.py), what a value means
(decode.py).

    batch  = header (61 bytes) records...       the records compressed as a whole; the CRC covers what follows it
    record = length attributes timestamp_delta offset_delta key_length key value_length value headers
             lengths and deltas are zigzag varints; length -1 is null
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from struct import Struct

from crc32c import crc32c

from transforms.errors import FloeError

from . import codecs
from .last_record import LastRecord, of_batch, of_record

# base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and last
# timestamp, producer id, producer epoch, base sequence, number of records
_HEADER = Struct(">qiibIhiqqqhii")
_PREFIX = Struct(">qi")
_CHECKED_FROM = 21
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_ABORT = 0
_MOST_UNREAD = 1_000_000  # records of one batch that are named; where its bytes are damaged their number may be anything
_MOST_WORDS = 300
MOST_BYTES = 64 * 2**20  # unpacked, of one reading: few fetched bytes may stand for many

Decompressors = Mapping[int, Callable[[bytes], bytes]]


@dataclass
class Records:
    """Consecutive records of one partition, as columns; `next_position` is where the next read
    starts.

    `headers`: offset -> the bytes of a record's headers (headers.py), for those that have any.
    `unread`: offset -> what was found, of the records of a batch that can't be read. `last`: the
    last record before `next_position`, whether it counts, was aborted or is a marker; None where
    all batches are empty (compacted). `size_bytes`: what they took unpacked.
    """

    next_position: int
    offsets: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: dict[int, bytes] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)
    last: LastRecord | None = None
    size_bytes: int = 0


@dataclass(frozen=True)
class _Batch:
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


class Reader:
    """Reads one partition's fetched bytes from `position` on, some records at a time.

    `aborted`: (producer id, first offset) of the aborted transactions in it, as the broker lists
    them; their records are left out, and the positions of these and of markers are passed over. A
    last batch that the broker cut off is not read. Of a batch that can't be read (a codec that is
    not here, damaged bytes) each record is named in `unread`, as many as the batch says, without
    key and value; the first has the whole batch as its value, so that it can be read again from
    there.
    """

    def __init__(
        self,
        raw: bytes | memoryview,
        *,
        position: int,
        decompressors: Decompressors,
        aborted: Iterable[tuple[int, int]] = (),
    ):
        self._batches = list(_batches(memoryview(raw)))
        self._at = 0
        self._position = position
        self._decompressors = decompressors
        self._to_abort = sorted(aborted, key=lambda transaction: transaction[1])
        self._aborting: set[int] = set()
        self.end = max([position, *(batch.last + 1 for batch in self._batches)])
        self.last_epoch = self._batches[-1].epoch if self._batches else -1

    @property
    def is_done(self) -> bool:
        return self._at == len(self._batches)

    def take(self, max_records: int, *, max_bytes: int = MOST_BYTES) -> Records:
        """Records of whole batches until there are `max_records` of them or `max_bytes` of theirs,
        or more, or no more batches.
        """
        records, latest = Records(self._position), None
        while (
            not self.is_done
            and len(records.values) < max_records
            and records.size_bytes < max_bytes
        ):
            batch = self._batches[self._at]
            self._at += 1
            latest = batch if batch.count else latest
            if self._counts(batch) and batch.last >= records.next_position:
                _append(records, batch, self._decompressors)
            records.next_position = max(records.next_position, batch.last + 1)
        self._position = records.next_position
        records.last = _known_by(latest, self._decompressors) if latest else None
        return records

    def _counts(self, batch: _Batch) -> bool:
        """False for a marker and for a batch of an aborted transaction."""
        while self._to_abort and self._to_abort[0][1] <= batch.last:
            self._aborting.add(self._to_abort.pop(0)[0])
        if batch.attributes & _CONTROL:
            if _is_abort(batch):
                self._aborting.discard(batch.producer)
            return False
        return not (batch.attributes & _TRANSACTIONAL and batch.producer in self._aborting)


def _batches(raw: memoryview) -> Iterable[_Batch]:
    at = 0
    while at + _HEADER.size <= len(raw):
        base, length, epoch, magic, crc, attributes, delta, first, newest, producer, _, _, count = (
            _HEADER.unpack_from(raw, at)
        )
        end = at + _PREFIX.size + length
        if end > len(raw):
            return
        if magic != 2:
            raise FloeError(
                f"Kafka holds records of message format {magic}, expected 2, which Kafka 0.11 and newer write: "
                "copy that topic with a newer client"
            )
        yield _Batch(
            base, base + delta, epoch, crc, attributes, first, newest, producer, count, raw[at:end]
        )
        at = end


def _is_abort(batch: _Batch) -> bool:
    """A marker is one record, whose key is (version, kind), two 16-bit integers."""
    marker = Records(0)
    _split(bytes(batch.raw[_HEADER.size :]), batch, marker)
    return int.from_bytes(marker.keys[0][2:4], "big") == _ABORT


def recalled(
    raw: bytes | memoryview, of: LastRecord, *, decompressors: Decompressors
) -> LastRecord | None:
    """By what the record at the offset of `of` is known in these fetched bytes; None where it is
    not among them, or can't be read any more.
    """
    for batch in _batches(memoryview(raw)):
        if batch.count and batch.base <= of.offset <= batch.last:
            return _known_by(batch, decompressors, like=of)
    return None


def _known_by(
    batch: _Batch, decompressors: Decompressors, *, like: LastRecord | None = None
) -> LastRecord | None:
    """The last record of a batch; `like` another one, the one at its offset, in the way that one is
    known by.
    """
    appended_ms = batch.newest_ms if batch.is_stamped_on_arrival else None
    whole = of_batch(batch.last, batch.epoch, appended_ms, batch.raw[_CHECKED_FROM:])
    if like and like.is_of_batch:
        return whole
    try:
        place = _place(_body(batch, decompressors), batch, None if like is None else like.offset)
    except MemoryError:
        raise
    except Exception:  # whatever a decompressor raises
        return None if like else whole
    if place is None:
        return None
    offset, made_ms, key, value, headers = place
    return of_record(offset, batch.epoch, appended_ms, (key, value, headers), made_ms=made_ms)


def _place(body: bytes, batch: _Batch, offset: int | None) -> tuple | None:
    """(offset, time in ms, key, value, the rest's bytes) of the record at `offset`, or of the last
    one; None without.
    """
    at, wanted = 0, None
    for _ in range(batch.count):
        length, begin = _number(body, at)
        at = begin + length
        wanted = begin
        if offset is None:
            continue
        _, after_time = _number(body, begin + 1)
        if batch.base + _number(body, after_time)[0] == offset:
            break
    else:
        if offset is not None or wanted is None:
            return None
    age_ms, after = _number(body, wanted + 1)
    delta, after = _number(body, after)
    key, after = _bytes(body, after)
    value, after = _bytes(body, after)
    return batch.base + delta, batch.first_ms + age_ms, key, value, body[after:at]


def _number(body: bytes, at: int) -> tuple[int, int]:
    """The number that a varint holds, and where it ends."""
    zigzag, at = _varint(body, at) if body[at] > 0x7F else (body[at], at + 1)
    return (zigzag >> 1) ^ -(zigzag & 1), at


def _bytes(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _number(body, at)
    return (None, at) if length < 0 else (body[at : at + length], at + length)


def _append(records: Records, batch: _Batch, decompressors: Decompressors) -> None:
    found = Records(records.next_position)
    try:
        body = _body(batch, decompressors)
        found.size_bytes = len(body)
        _split(body, batch, found)
    except MemoryError:  # the machine's, of which no batch is to blame
        raise
    except Exception as error:  # whatever a decompressor raises
        found = _unread(batch, records.next_position, error)
    records.offsets += found.offsets
    records.keys += found.keys
    records.values += found.values
    records.headers |= found.headers
    records.unread |= found.unread
    records.size_bytes += found.size_bytes


def _body(batch: _Batch, decompressors: Decompressors) -> bytes:
    if crc32c(batch.raw[_CHECKED_FROM:]) != batch.crc:
        raise ValueError("the batch's checksum is wrong")
    body = bytes(batch.raw[_HEADER.size :])
    codec = batch.attributes & _CODEC
    if not codec:
        return body
    if codec not in decompressors:
        raise ValueError(f"expected none, {', '.join(codecs.NAMES.values())}")
    return decompressors[codec](body)


def _unread(batch: _Batch, position: int, error: Exception) -> Records:
    """A record for each that the batch says it holds; where compaction took some, at the first of
    its positions.
    """
    span = batch.last - batch.base + 1
    count = max(1, min(batch.count, span, _MOST_UNREAD))
    offsets = [o for o in range(batch.base, batch.base + count) if o >= position] or [position]
    codec = batch.attributes & _CODEC
    how = (
        f"with {codecs.NAMES.get(codec, f'codec {codec}, which there is not')}" if codec else "not"
    )
    why = str(error) or type(error).__name__
    what = f"found a batch of {count} records, compressed {how}, that can't be read: {why}"[
        :_MOST_WORDS
    ]
    unread = dict.fromkeys(offsets, f"{what}; its bytes are kept with the record at {offsets[0]}")
    unread[offsets[0]] = what
    nothing = [None] * len(offsets)
    values = [bytes(batch.raw), *nothing[1:]]
    return Records(position, offsets, list(nothing), values, {}, unread, size_bytes=len(batch.raw))


def _split(body: bytes, batch: _Batch, into: Records) -> None:
    """Appends the batch's records from `into.next_position` on.

    Written out, on purpose: calls for the short varints would take as long as all the rest.
    """
    base, start = batch.base, into.next_position
    add_offset, add_key, add_value = into.offsets.append, into.keys.append, into.values.append
    at = 0
    for _ in range(batch.count):
        length = body[at]
        at += 1
        if length > 0x7F:
            length, at = _varint(body, at - 1)
        end = at + (length >> 1)
        at += 1  # attributes
        while body[at] > 0x7F:  # timestamp delta
            at += 1
        at += 1
        delta = body[at]
        at += 1
        if delta > 0x7F:
            delta, at = _varint(body, at - 1)
        length = body[at]
        at += 1
        if length > 0x7F:
            length, at = _varint(body, at - 1)
        key = None
        if not length & 1:
            key = body[at : at + (length >> 1)]
            at += length >> 1
        length = body[at]
        at += 1
        if length > 0x7F:
            length, at = _varint(body, at - 1)
        value = None
        if not length & 1:
            value = body[at : at + (length >> 1)]
            at += length >> 1
        if at > end:
            raise ValueError("a record is longer than its length")
        offset = base + (delta >> 1)
        if offset >= start:
            add_offset(offset)
            add_key(key)
            add_value(value)
            if at < end and body[at]:
                into.headers[offset] = body[at:end]
        at = end
    if at != len(body):
        raise ValueError("bytes are left after the last record")


def _varint(body: bytes, at: int) -> tuple[int, int]:
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
