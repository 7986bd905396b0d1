"""Rejects sent again: which of them can be read now, and as what they are sent.

Here: decoding them once more, and the records to publish, with their headers. Not here: publishing, marking (console).
"""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from . import headers
from .decode import decode
from .source import Batch


def sorted_out(rejects: pl.DataFrame, *, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of raw.rejects that are read now, and those that are not, these with the reason of now."""
    marked = [_with_reason(of_topic, now=now) for of_topic in rejects.partition_by("kafka_topic", maintain_order=True)]
    rows = pl.concat(marked) if marked else rejects.with_columns(_now=pl.lit(None, dtype=pl.String))
    readable, left = rows.filter(pl.col("_now").is_null()), rows.filter(pl.col("_now").is_not_null())
    return readable.drop("_now"), left.with_columns(reason="_now").drop("_now")


def _with_reason(rows: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """`_now`: the reason for which a row would be rejected again; null where all of it is read."""
    numbers = list(range(rows.height))
    packed = {k: headers.pack(headers.from_json(text)) for k, text in enumerate(rows["headers"]) if text}
    batch = Batch(rows["kafka_topic"][0], "", 0, 0, rows.height, numbers, rows["key"].to_list(),
                  rows["value"].to_list(), packed)  # fmt: skip
    rejects = decode(batch, ingested_at=now).rejects
    reasons = dict(rejects.select("kafka_offset", "reason").iter_rows())
    return rows.with_columns(_now=pl.Series([reasons.get(k) for k in numbers], dtype=pl.String))


def records(rejects: pl.DataFrame) -> Iterator[tuple]:
    """(topic, key, value, headers) of each, as it came."""
    for topic, key, value, text in rejects.select("kafka_topic", "key", "value", "headers").iter_rows():
        yield topic, key, value, headers.sendable(headers.from_json(text))
