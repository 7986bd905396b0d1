"""Headers of records: from the wire to a reject and back, whatever producers put into them."""

from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from ingest import headers
from ingest.record_batches import Reader

pairs_of_bytes = st.lists(
    st.tuples(st.binary(max_size=20), st.none() | st.binary(max_size=300)), max_size=8
)


@given(pairs_of_bytes)
def test_no_header_is_lost_on_the_way(pairs):
    """Any names and values, null, empty, twice, not UTF-8: packed and told as JSON they come back
    as they were.
    """
    assert headers.unpack(headers.pack(pairs)) == pairs
    assert headers.from_json(headers.to_json(pairs)) == pairs


def test_what_is_not_utf8_is_told_as_base64():
    """A reader of the lake sees texts as texts."""
    told = headers.to_json([(b"ce_id", b"1"), (b"x", b"\xff"), (b"y", None)])
    assert told == '[["ce_id","1"],["x",{"base64":"/w=="}],["y",null]]'
    assert headers.to_json([]) is None


def test_a_name_that_is_not_utf8_is_not_sent_again():
    """Kafka's names are texts; what a producer broke can't be repeated."""
    assert headers.sendable([(b"a", b"1"), (b"\xff", b"2"), (b"n", None)]) == [
        ("a", b"1"),
        ("n", None),
    ]


def test_broken_bytes_are_no_headers():
    """A count without the headers that it promises."""
    assert headers.unpack(b"\x08\x02a") == []
    assert headers.unpack(b"") == []


@given(
    st.lists(
        st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=200)), max_size=3),
        max_size=12,
    )
)
def test_as_the_library_writes_them(records):
    """Read lean from a batch: by offset, of the records that have any."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**20,
    )
    for offset, pairs in enumerate(records):
        builder.append(offset, timestamp=0, key=b"k", value=b"v", headers=pairs)
    raw = bytes(builder.build())
    found = Reader(raw, position=0, decompressors={}).take(10**6)
    assert {offset: headers.unpack(of_record) for offset, of_record in found.headers.items()} == {
        offset: [(name.encode(), value) for name, value in pairs]
        for offset, pairs in enumerate(records)
        if pairs
    }
