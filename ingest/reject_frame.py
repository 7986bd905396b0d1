"""Rejects as rows of `raw.rejects`.

Here: from positions and reasons to the frame, with the records' bytes. Not here: the reasons
(record.py, rules.py).
"""

from datetime import datetime

import polars as pl

from transforms.schemas.raw import REJECTS

from . import headers
from .contract import is_safety_topic
from .reject import Reject
from .source import Batch

_LONGEST_FIELD = (
    200  # characters of a name in a reject's field: an object's may be as long as a record
)
MOST_WORDS = 500  # characters of a reject's detail


def reject_frame(
    batch: Batch,
    rejects: dict[int, Reject],
    parts: list[tuple[int, int, bytes]],
    *,
    ingested_at: datetime,
) -> pl.DataFrame:
    """`parts`: the events behind the batch's own records, as in _Shaped."""
    count = len(batch.values)
    events = [
        ((n, None, batch.values[n]) if n < count else parts[n - count], reject)
        for n, reject in sorted(rejects.items())
    ]
    events.sort(key=lambda event: event[0][0])  # a record's own parts stay in their order
    order = [record for (record, *_), _ in events]
    refused = [reject for _, reject in events]
    raw_headers = [batch.headers.get(batch.offsets[i]) for i in order]
    columns = {
        "kafka_offset": [batch.offsets[i] for i in order],
        "reason": [r.reason for r in refused],
        "field": [r.field and r.field[:_LONGEST_FIELD] for r in refused],
        "detail": [r.detail and r.detail[:MOST_WORDS] for r in refused],
        "key": [batch.keys[i] for i in order],
        "value": [value for (*_, value), _ in events],
        "headers": [headers.to_json(headers.unpack(raw)) if raw else None for raw in raw_headers],
        "part": [part for (_, part, _), _ in events],
    }
    schema = {name: REJECTS.column(name).polars for name in columns}
    frame = pl.DataFrame(columns, schema=schema).with_columns(
        kafka_topic=pl.lit(batch.topic),
        kafka_topic_id=pl.lit(str(batch.topic_id)),
        kafka_partition=pl.lit(batch.partition),
        is_safety=pl.lit(is_safety_topic(batch.topic)),
        ingested_at=pl.lit(ingested_at),
        replayed_at=pl.lit(None),
        checksum=pl.lit(None),
    )
    return REJECTS.conform(frame)
