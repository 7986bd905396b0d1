"""How Kafka's producers compress a batch: the codecs' names, and snappy, which no library reads safely as it comes.

Here: ids and names; snappy's two framings, raw and that of Java's library. Not here: gzip, LZ4 and zstd, which Kafka's client
reads (stream.py), what becomes of a batch that can't be read (record_batches.py).
"""

import cramjam

NAMES = {1: "gzip", 2: "snappy", 3: "LZ4", 4: "zstd"}

_XERIAL = b"\x82SNAPPY\x00"  # then two versions of four bytes, which some producers write in another order
_XERIAL_HEADER_BYTES = 16
# A copy of 64 bytes takes three: what claims to be longer lies, and would be given that memory before anybody looks.
_MOST_RATIO = 22


def snappy(body: bytes) -> bytes:
    """What snappy compressed, as one raw block or as blocks in xerial's frame. Raises ValueError, DecompressionError."""
    if not body.startswith(_XERIAL):
        return _block(body)
    blocks, at = [], _XERIAL_HEADER_BYTES
    while at < len(body):
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if not 0 < length <= len(body) - at:
            raise ValueError(f"a block of {length} bytes where {max(0, len(body) - at)} are left")
        blocks.append(_block(body[at : at + length]))
        at += length
    return b"".join(blocks)


def _block(raw: bytes) -> bytes:
    claim = cramjam.snappy.decompress_raw_len(raw)
    if claim > _MOST_RATIO * len(raw):
        raise ValueError(f"a block of {len(raw)} bytes that claims to hold {claim}")
    return bytes(cramjam.snappy.decompress_raw(raw))
