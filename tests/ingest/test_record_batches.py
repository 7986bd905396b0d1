"""Kafka's record batches read lean, against kafka-python's own builder and reader."""

import struct

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from ingest.codecs import DECOMPRESSORS
from ingest.record_batches import Reader, recalled
from transforms.errors import FloeError

UNKNOWN = 6
ATTRIBUTES = slice(21, 23)


def batch(records, *, compression=0, base=0, last=None):
    """The bytes of one batch of (offset delta, key, value); `last`: its last offset delta, if
    compacted away.
    """
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**20,
    )
    for delta, key, value in records:
        assert builder.append(
            delta, timestamp=1_700_000_000_000 + delta, key=key, value=value, headers=[("h", b"x")]
        )
    raw = bytearray(builder.build())
    raw[0:8] = struct.pack(">q", base)
    return changed(raw, slice(23, 27), struct.pack(">i", records[-1][0] if last is None else last))


def changed(raw, place, by):
    """`raw` with some bytes set, and its checksum right again."""
    raw = bytearray(raw)
    raw[place] = by
    raw[17:21] = struct.pack(">I", crc32c(raw[21:]))
    return bytes(raw)


def take(raw, *, position=0, most=10**9):
    return Reader(raw, position=position, decompressors=DECOMPRESSORS).take(most)


def library(raw):
    """(offset, key, value) of each record as kafka-python reads them."""
    return [(r.offset, r.key, r.value) for found in MemoryRecords(raw) for r in found]


maybe_bytes = st.none() | st.binary(max_size=300)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(maybe_bytes, maybe_bytes), min_size=1, max_size=30),
            st.sampled_from([0, 1, 2, 3, 4]),
            st.integers(0, 200),  # positions that compaction or markers left empty before the batch
        ),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_any_batches_are_read_as_the_library_reads_them_from_any_position(batches, data):
    """Keys, values, nulls, gaps, compression: the same records; what lies before the position is
    left out.
    """
    raw, base = b"", 0
    for records, compression, gap in batches:
        base += gap
        raw += batch(
            [(i, *record) for i, record in enumerate(records)], compression=compression, base=base
        )
        base += len(records)
    position = data.draw(st.integers(0, base))
    found = take(raw, position=position)
    expected = [record for record in library(raw) if record[0] >= position]
    assert list(zip(found.offsets, found.keys, found.values, strict=True)) == expected
    assert found.next_position == base


def test_records_that_were_compacted_away_move_the_position():
    """Records 1, 3 of 0..9 are left: offsets 1 and 3, and the next read starts at 10, not at 4."""
    found = take(batch([(1, b"k", b"a"), (3, b"k", b"b")], last=9))
    assert (found.offsets, found.values, found.next_position) == ([1, 3], [b"a", b"b"], 10)


def test_batches_are_handed_out_whole_until_there_are_enough():
    """Of batches of 2, 2 and 2 records: asked for 3, two batches come; then the third; then
    nothing.
    """
    raw = b"".join(batch([(0, None, b"x"), (1, None, b"y")], base=base) for base in (0, 2, 4))
    reader = Reader(raw, position=0, decompressors=DECOMPRESSORS)
    assert [(len(r.values), r.next_position) for r in (reader.take(3), reader.take(3))] == [
        (4, 4),
        (2, 6),
    ]
    assert reader.is_done
    assert reader.take(3).values == []


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
def test_batches_are_handed_out_until_their_unpacked_bytes_are_enough(compression):
    """Three batches of one record of 100,000 bytes, however small they were fetched; asked for
    150,000: two, then one.
    """
    raw = b"".join(
        batch([(0, None, bytes(100_000))], base=base, compression=compression) for base in range(3)
    )
    reader = Reader(raw, position=0, decompressors=DECOMPRESSORS)
    taken = [reader.take(10**6, max_bytes=150_000) for _ in range(2)]
    assert [(len(r.values), r.next_position) for r in taken] == [(2, 2), (1, 3)]
    assert taken[0].size_bytes > 200_000


def test_memory_that_is_short_is_not_the_batch_s_fault():
    """Nothing is set aside for it: it is raised, and the next start reads the batch."""

    def short(body):
        raise MemoryError

    with pytest.raises(MemoryError):
        Reader(
            batch([(0, None, bytes(1000))], compression=1), position=0, decompressors={1: short}
        ).take(1)


def test_batch_that_the_broker_cut_off_is_left_for_the_next_read():
    """A fetch ends after so many bytes, in the middle of a batch: the position stays before it."""
    whole = batch([(0, None, b"first")])
    for cut in (1, 30, 70):
        found = take(whole + batch([(0, None, b"second")], base=1)[:cut])
        assert (found.values, found.next_position) == ([b"first"], 1)


SAID = {
    "an unknown codec": (
        lambda raw: changed(raw, ATTRIBUTES, struct.pack(">h", UNKNOWN)),
        "codec 6, which there is not",
    ),
    "gzip, but it is not": (
        lambda raw: changed(raw, ATTRIBUTES, struct.pack(">h", 1)),
        "compressed with gzip",
    ),
    "snappy, but it is not": (
        lambda raw: changed(raw, ATTRIBUTES, struct.pack(">h", 2)),
        "compressed with snappy",
    ),
    "LZ4, but it is not": (
        lambda raw: changed(raw, ATTRIBUTES, struct.pack(">h", 3)),
        "compressed with LZ4",
    ),
    "zstd, but it is not": (
        lambda raw: changed(raw, ATTRIBUTES, struct.pack(">h", 4)),
        "compressed with zstd",
    ),
    "a wrong checksum": (lambda raw: raw[:-3] + b"???", "checksum is wrong"),
    "a record's length that leads nowhere": (
        lambda raw: changed(raw, slice(61, 62), b"\x7f"),
        "batch of 2 records",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_of_a_batch_that_cannot_be_read_each_record_is_named(case):
    """Two records stand at 5 and 6: each is one, saying why; the first has the batch's bytes;
    neighbours are read.
    """
    damage, sentence = SAID[case]
    bad = damage(batch([(0, b"k", b"one"), (1, b"k", b"two")], base=5))
    raw = batch([(0, None, b"before")], base=4) + bad + batch([(0, None, b"after")], base=7)
    found = take(raw, position=4)
    assert (found.offsets, found.values) == ([4, 5, 6, 7], [b"before", bad, None, b"after"])
    assert found.keys == [None] * 4
    assert found.next_position == 8
    assert list(found.unread) == [5, 6]
    assert sentence in found.unread[5]
    assert found.unread[6].endswith("its bytes are kept with the record at 5")


@pytest.mark.parametrize(("said", "named"), [(9, [5, 6]), (1, [5]), (-3, [5]), (2**31 - 1, [5, 6])])
def test_a_batch_that_says_it_holds_other_than_it_does_is_not_read(said, named):
    """2 records that say to be 9, 1, -3, two thousand million: never more than there are positions,
    never none.
    """
    found = take(
        changed(
            batch([(0, b"k", b"one"), (1, b"k", b"two")], base=5),
            slice(57, 61),
            struct.pack(">i", said),
        )
    )
    assert (list(found.unread), found.next_position) == (named, 7)


@pytest.mark.parametrize("compression", [1, 2, 3, 4])
def test_a_compressed_batch_that_was_cut_within_is_named(compression):
    """Its last bytes are gone and its checksum is right: none of its 20 events is read as another
    or left out.
    """
    whole = batch([(k, b"k", b"event %d" % k * 50) for k in range(20)], compression=compression)
    for cut in (1, 10, len(whole) // 2):
        short = changed(
            bytearray(whole[:-cut]), slice(8, 12), struct.pack(">i", len(whole) - cut - 12)
        )
        found = take(short)
        assert (list(found.unread), found.next_position) == (list(range(20)), 20)


def test_old_message_format_is_named():
    """Formats 0 and 1 are refused with what to do, not misread."""
    raw = bytearray(batch([(0, None, b"x")]))
    raw[16] = 1
    with pytest.raises(FloeError, match="message format 1, expected 2"):
        take(bytes(raw))


RECORDS = [(k, b"key", b"value %d" % k) for k in range(10)]


def remembered(raw):
    return take(raw).last


def recall(raw, of):
    return recalled(raw, of, decompressors=DECOMPRESSORS)


@pytest.mark.parametrize("compression", [0, 1, 3, 4])
@pytest.mark.parametrize(
    ("attributes", "key"), [(0, b"key"), (0x08, b"key"), (0x10, None), (0x20, b"\0\0\0\1")]
)
def test_the_last_record_is_remembered_and_known_again(compression, attributes, key):
    """In any compression; with Kafka's times or the producers'; a transaction's; a marker (which is
    passed over).
    """
    codec_of = 0 if attributes == 0x20 else compression
    raw = batch([(k, key, value) for k, _, value in RECORDS], compression=codec_of, base=90)
    raw = changed(raw, ATTRIBUTES, struct.pack(">h", codec_of | attributes))
    last = remembered(raw)
    assert (last.offset, last.leader_epoch, last.is_of_batch) == (99, 0, False)
    assert (last.appended_at is not None) == (attributes == 0x08)
    assert recall(raw, last) == last


@pytest.mark.parametrize(
    "other",
    [
        [*RECORDS[:9], (9, b"key", b"another")],
        [*RECORDS[:9], (9, b"other", b"value 9")],
        [*RECORDS[:9], (9, None, b"value 9")],
        [*RECORDS[:9], (9, b"key", None)],
        [*RECORDS[:9], (9, b"keyv", b"alue 9")],
    ],
)
def test_another_record_at_that_offset_is_not_the_same(other):
    """Another value, key, none of either, the same bytes parted elsewhere."""
    last = remembered(batch(RECORDS))
    assert not recall(batch(other), last).is_same(last)


def test_the_same_record_written_at_another_time_is_not_the_same():
    """What is sent again after a broker was put back has the same bytes: its time tells it."""
    last = remembered(batch(RECORDS))
    later = changed(batch(RECORDS), slice(27, 35), struct.pack(">q", 1_700_000_060_000))
    assert not recall(later, last).is_same(last)


def test_compaction_around_it_leaves_a_record_the_same():
    """Its neighbours are gone, its batch was written anew with other deltas; where it is gone
    itself there is nothing.
    """
    last = remembered(batch(RECORDS, base=90))
    assert recall(batch([RECORDS[4], RECORDS[9]], base=90, compression=3), last) == last
    assert recall(batch([RECORDS[4], RECORDS[7]], base=90, last=9), last) is None
    assert recall(batch(RECORDS, base=100), last) is None
    assert recall(b"", last) is None


def test_batch_that_cannot_be_read_is_remembered_as_a_whole():
    """Known again by all of its bytes, also by a release that can read it; a readable one that
    can't be read any more is gone.
    """
    whole = batch(RECORDS)
    bad = changed(whole, ATTRIBUTES, struct.pack(">h", UNKNOWN))
    last = remembered(bad)
    assert (last.offset, last.is_of_batch) == (9, True)
    assert recall(bad, last) == last
    assert recalled(bad, last, decompressors=DECOMPRESSORS | {UNKNOWN: bytes}) == last
    assert not recall(changed(bad, slice(61, 62), b"\x7f"), last).is_same(last)
    assert recall(bad, remembered(whole)) is None
