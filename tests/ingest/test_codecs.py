"""Snappy as Kafka's producers write it: raw and in xerial's frame, and bytes that only look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import codec

from ingest import codecs

WHOLE = codec.snappy_encode(b'{"id": "1"}' * 10_000)
HEADER, BLOCK = WHOLE[:16], WHOLE[16:]


@given(st.binary(max_size=2_000), st.integers(1, 200), st.booleans())
def test_what_was_compressed_is_read_in_both_framings(part, times, is_xerial):
    """Empty, short, longer than a block of the frame (32 KiB), bytes that don't compress."""
    whole = part * times
    assert codecs.snappy(codec.snappy_encode(whole, xerial_compatible=is_xerial)) == whole


def test_both_orders_of_the_frame_s_versions_are_read():
    """Redpanda's client writes them little-endian."""
    assert codecs.snappy(HEADER[:8] + b"\x01\x00\x00\x00\x01\x00\x00\x00" + BLOCK) == codecs.snappy(WHOLE)


@pytest.mark.parametrize(
    "body",
    {
        "nothing": b"",
        "a length without end": b"\xff" * 9,
        "4 GiB in 4 bytes": b"\xff\xff\xff\xff\x0f\x00ab",
        "4 GiB in a frame": HEADER + (8).to_bytes(4, "big") + b"\xff\xff\xff\xff\x0f\x00ab",
        "a block that was cut": WHOLE[:-5],
        "a block's length that was cut": WHOLE[:18],
        "a block that ends before it begins": HEADER + b"\xff\xff\xff\xfc" + b"abcd",
        "a block of nothing": HEADER + bytes(4),
        "another codec's": codec.gzip_encode(b"event"),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_not_snappy_is_an_error(body):
    """An error to be named, at once: no memory for what a few bytes claim, no loop without end, no half of it."""
    with pytest.raises(Exception, match=r"."):
        codecs.snappy(body[1])
