"""Kafka's record batches (message format 2, KIP-98) as fetched -> keys, values and offsets. Pure.

Here: records, read lean: of a record nothing is made but the bytes of its key, value and headers,
three times as fast as the client library's record objects; by what a record is known again
(last_record.py keeps it). Not here: the layout of the bytes (batch_layout.py), fetching (stream/),
what a value means (decode.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import codecs
from .batch_layout import (
    CHECKED_FROM,
    CODEC,
    CONTROL,
    HEADER,
    TRANSACTIONAL,
    Decompressors,
    RecordBatch,
    batches_in,
    body_of,
    bytes_at,
    number_at,
    varint_at,
)
from .last_record import LastRecord, of_batch, of_record

_ABORT = 0
_MOST_UNREAD = 1_000_000  # records of one batch that are named; where its bytes are damaged their number may be anything
_MOST_WORDS = 300
MOST_BYTES = 64 * 2**20  # unpacked, of one reading: few fetched bytes may stand for many


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
        self._batches = list(batches_in(memoryview(raw)))
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

    def _counts(self, batch: RecordBatch) -> bool:
        """False for a marker and for a batch of an aborted transaction."""
        while self._to_abort and self._to_abort[0][1] <= batch.last:
            self._aborting.add(self._to_abort.pop(0)[0])
        if batch.attributes & CONTROL:
            if _is_abort(batch):
                self._aborting.discard(batch.producer)
            return False
        return not (batch.attributes & TRANSACTIONAL and batch.producer in self._aborting)


def _is_abort(batch: RecordBatch) -> bool:
    """A marker is one record, whose key is (version, kind), two 16-bit integers."""
    marker = Records(0)
    _split(bytes(batch.raw[HEADER.size :]), batch, marker)
    return int.from_bytes(marker.keys[0][2:4], "big") == _ABORT


def recalled(
    raw: bytes | memoryview, of: LastRecord, *, decompressors: Decompressors
) -> LastRecord | None:
    """By what the record at the offset of `of` is known in these fetched bytes; None where it is
    not among them, or can't be read any more.
    """
    for batch in batches_in(memoryview(raw)):
        if batch.count and batch.base <= of.offset <= batch.last:
            return _known_by(batch, decompressors, like=of)
    return None


def _known_by(
    batch: RecordBatch, decompressors: Decompressors, *, like: LastRecord | None = None
) -> LastRecord | None:
    """The last record of a batch; `like` another one, the one at its offset, in the way that one is
    known by.
    """
    appended_ms = batch.newest_ms if batch.is_stamped_on_arrival else None
    whole = of_batch(batch.last, batch.epoch, appended_ms, batch.raw[CHECKED_FROM:])
    if like and like.is_of_batch:
        return whole
    try:
        place = _place(body_of(batch, decompressors), batch, None if like is None else like.offset)
    except MemoryError:
        raise
    except Exception:  # whatever a decompressor raises
        return None if like else whole
    if place is None:
        return None
    offset, made_ms, key, value, headers = place
    return of_record(offset, batch.epoch, appended_ms, (key, value, headers), made_ms=made_ms)


def _place(body: bytes, batch: RecordBatch, offset: int | None) -> tuple | None:
    """(offset, time in ms, key, value, the rest's bytes) of the record at `offset`, or of the last
    one; None without.
    """
    at, wanted = 0, None
    for _ in range(batch.count):
        length, begin = number_at(body, at)
        at = begin + length
        wanted = begin
        if offset is None:
            continue
        _, after_time = number_at(body, begin + 1)
        if batch.base + number_at(body, after_time)[0] == offset:
            break
    else:
        if offset is not None or wanted is None:
            return None
    age_ms, after = number_at(body, wanted + 1)
    delta, after = number_at(body, after)
    key, after = bytes_at(body, after)
    value, after = bytes_at(body, after)
    return batch.base + delta, batch.first_ms + age_ms, key, value, body[after:at]


def _append(records: Records, batch: RecordBatch, decompressors: Decompressors) -> None:
    read = Records(records.next_position)
    try:
        body = body_of(batch, decompressors)
        read.size_bytes = len(body)
        _split(body, batch, read)
    except MemoryError:  # the machine's, of which no batch is to blame
        raise
    except Exception as error:  # whatever a decompressor raises
        read = _unread(batch, records.next_position, error)
    records.offsets += read.offsets
    records.keys += read.keys
    records.values += read.values
    records.headers |= read.headers
    records.unread |= read.unread
    records.size_bytes += read.size_bytes


def _unread(batch: RecordBatch, position: int, error: Exception) -> Records:
    """A record for each that the batch says it holds; where compaction took some, at the first of
    its positions.
    """
    span = batch.last - batch.base + 1
    count = max(1, min(batch.count, span, _MOST_UNREAD))
    offsets = [o for o in range(batch.base, batch.base + count) if o >= position] or [position]
    codec = batch.attributes & CODEC
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


def _split(body: bytes, batch: RecordBatch, into: Records) -> None:
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
            length, at = varint_at(body, at - 1)
        end = at + (length >> 1)
        at += 1  # attributes
        while body[at] > 0x7F:  # timestamp delta
            at += 1
        at += 1
        delta = body[at]
        at += 1
        if delta > 0x7F:
            delta, at = varint_at(body, at - 1)
        length = body[at]
        at += 1
        if length > 0x7F:
            length, at = varint_at(body, at - 1)
        key = None
        if not length & 1:
            key = body[at : at + (length >> 1)]
            at += length >> 1
        length = body[at]
        at += 1
        if length > 0x7F:
            length, at = varint_at(body, at - 1)
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
