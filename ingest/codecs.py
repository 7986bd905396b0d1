"""How Kafka's producers compress a batch: the codecs' names, and reading each up to a bound.

Here: ids and names; snappy's two framings, raw and that of Java's library; how much a batch may
unpack to. Not here: what becomes of a batch that can't be read (record_batches.py).

A megabyte of zstd may stand for thirty gigabytes: Kafka's own client unpacks all of it, and ingest
would be killed, started again and killed again at the same batch.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cramjam
import lz4.frame
import zstandard

from .contract import LARGEST_RECORD_BYTES

NAMES = {1: "gzip", 2: "snappy", 3: "LZ4", 4: "zstd"}
MOST_UNPACKED_BYTES = 8 * LARGEST_RECORD_BYTES

_GZIP_FRAME = 31  # zlib's window bits for gzip's own header
_XERIAL = b"\x82SNAPPY\x00"  # then two versions of four bytes, which some producers write in another order
_XERIAL_HEADER_BYTES = 16
# A copy of 64 bytes takes three: what claims to be longer lies, and would be given that memory
# before anybody looks.
_MOST_RATIO = 22


def gzip(body: bytes) -> bytes:
    """What gzip compressed, member by member. Raises ValueError, zlib.error."""
    return _frames(body, lambda: zlib.decompressobj(_GZIP_FRAME))


def lz4_frames(body: bytes) -> bytes:
    """What LZ4 compressed, frame by frame. Raises ValueError, RuntimeError."""
    return _frames(body, lz4.frame.LZ4FrameDecompressor)


def zstd(body: bytes) -> bytes:
    """What zstd compressed, frame by frame. Raises ValueError, ZstdError."""
    with zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(body), read_across_frames=True
    ) as reader:
        unpacked = reader.read(MOST_UNPACKED_BYTES + 1)
    if len(unpacked) > MOST_UNPACKED_BYTES:
        raise _too_much()
    return unpacked


def snappy(body: bytes) -> bytes:
    """What snappy compressed, as one raw block or as blocks in xerial's frame. Raises ValueError,
    DecompressionError.
    """
    if not body.startswith(_XERIAL):
        return _block(body, MOST_UNPACKED_BYTES)
    blocks, at, left = [], _XERIAL_HEADER_BYTES, MOST_UNPACKED_BYTES
    while at < len(body):
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if not 0 < length <= len(body) - at:
            raise ValueError(f"a block of {length} bytes where {max(0, len(body) - at)} are left")
        blocks.append(_block(body[at : at + length], left))
        left -= len(blocks[-1])
        at += length
    return b"".join(blocks)


# by the codec's id in a batch's attributes
DECOMPRESSORS: Mapping[int, Callable[[bytes], bytes]] = MappingProxyType(
    {1: gzip, 2: snappy, 3: lz4_frames, 4: zstd}
)


def _block(raw: bytes, most_bytes: int) -> bytes:
    claim = cramjam.snappy.decompress_raw_len(raw)
    if claim > _MOST_RATIO * len(raw):
        raise ValueError(f"a block of {len(raw)} bytes that claims to hold {claim}")
    if claim > most_bytes:
        raise _too_much()
    return bytes(cramjam.snappy.decompress_raw(raw))


def _frames(body: bytes, decompressor: Callable) -> bytes:
    """Each frame by a decompressor of its own; one that is cut off is an error."""
    parts, left = [], MOST_UNPACKED_BYTES
    while body:
        frame = decompressor()
        parts.append(frame.decompress(body, max_length=left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise _too_much()
        if not frame.eof:
            raise ValueError("it ends within a frame")
        body = frame.unused_data
    return b"".join(parts)


def _too_much() -> ValueError:
    return ValueError(
        f"it unpacks to more than {MOST_UNPACKED_BYTES:,} bytes, the most that is read at once"
    )
