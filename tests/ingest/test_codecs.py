"""Batches as Kafka's producers compress them, snappy in both framings, bytes that only look like
it, and bombs.
"""

import tracemalloc

import lz4.frame
import pytest
import zstandard
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
    assert codecs.snappy(HEADER[:8] + b"\x01\x00\x00\x00\x01\x00\x00\x00" + BLOCK) == codecs.snappy(
        WHOLE
    )


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
    """An error to be named, at once: no memory for what a few bytes claim, no loop without end, no
    half of it.
    """
    with pytest.raises(Exception, match=r"."):
        codecs.snappy(body[1])


def bombs():
    """Few bytes that stand for one more than may be unpacked, by the codec's id; snappy's is a
    frame of many blocks.
    """
    whole = bytes(codecs.MOST_UNPACKED_BYTES + 1)
    return {
        1: codec.gzip_encode(whole),
        2: codec.snappy_encode(whole),
        3: lz4.frame.compress(whole),
        4: zstandard.compress(whole),
    }


@pytest.mark.parametrize("codec_id", codecs.NAMES)
def test_few_bytes_that_stand_for_very_many_are_an_error_and_take_no_more_than_the_bound(codec_id):
    """One byte over the bound; in two frames or members of half of it too."""
    bomb = bombs()[codec_id]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="it unpacks to more than 134,217,728 bytes"):
            codecs.DECOMPRESSORS[codec_id](bomb)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * codecs.MOST_UNPACKED_BYTES
    finally:
        tracemalloc.stop()


def test_a_bomb_of_several_frames_is_one():
    """Each frame is within the bound, all together are not."""
    half = bytes(codecs.MOST_UNPACKED_BYTES // 2 + 1)
    for pack, unpack in ((codec.gzip_encode, codecs.gzip), (lz4.frame.compress, codecs.lz4_frames)):
        with pytest.raises(ValueError, match="it unpacks to more than"):
            unpack(pack(half) * 2)


@given(st.binary(max_size=2_000), st.integers(1, 200), st.integers(1, 3))
def test_each_codec_reads_what_was_compressed_in_any_number_of_frames(part, times, frames):
    """Of no bytes too."""
    whole = part * times
    for pack, unpack in (
        (codec.gzip_encode, codecs.gzip),
        (lz4.frame.compress, codecs.lz4_frames),
        (zstandard.compress, codecs.zstd),
    ):
        assert unpack(pack(whole) * frames) == whole * frames
