"""How many records could not be read, of those that were sent.

Here: rejects counted as what they hold: a record that was sent twice, or whose log was landed again,
is one, as it would be in core. Not here: why each was set aside, and which can be read by now
(ingest).
"""

import polars as pl

_CONTENT = ("kafka_topic", "value", "checksum")
_POSITION = ("kafka_topic_id", "kafka_partition", "kafka_offset", "part")
# Of these no record's own bytes are known.
_OF_WHOLE_BATCHES = "unreadable_batch"


def unread_records(rejects: pl.DataFrame) -> int:
    """Of rows of raw.rejects the records that nobody has read since: none of their copies was
    published again after the last of them was set aside.
    """
    has_bytes = (pl.col("value").bin.size() > 0).fill_null(False)
    is_known = has_bytes | pl.col("checksum").is_not_null()
    is_known &= pl.col("reason").ne_missing(_OF_WHOLE_BATCHES)
    parts = (
        rejects.filter(is_known).group_by(_CONTENT),
        rejects.filter(~is_known).group_by("kafka_topic", *_POSITION),
    )
    last = pl.col("ingested_at", "replayed_at").max()
    is_read = (pl.col("replayed_at") >= pl.col("ingested_at")).fill_null(False)
    return sum(part.agg(last).filter(~is_read).height for part in parts)
