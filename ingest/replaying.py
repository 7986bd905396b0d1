"""Rejects sent again: which of them can be read now, and as what they are sent.

Here: decoding them once more, and the records to publish, with their headers. Not here: publishing
(orchestration/rejects.py), marking (inspection.py).
"""

from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl

from . import content_modes, headers
from .codecs import DECOMPRESSORS
from .decode import decode
from .record_batches import Reader
from .reject_hours import checksum
from .source import Batch

Fetch = Callable[[dict[tuple[str, str, int], list[int]]], dict]  # stream.records_at


def restored(rejects: pl.DataFrame, *, fetch: Fetch) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rejects, those of which only a checksum was kept with the bytes that Kafka still holds; and
    those that it doesn't hold, or that have other bytes there.
    """
    is_reduced = pl.col("checksum").is_not_null()
    reduced, whole = rejects.filter(is_reduced), rejects.filter(~is_reduced)
    if reduced.is_empty():
        return whole, reduced
    records = fetch(dict(_places(reduced)))
    rows = [_with_bytes(row, records) for row in reduced.iter_rows(named=True)]
    again = pl.DataFrame([row for row in rows if row], schema=rejects.schema)
    is_there = pl.Series([row is not None for row in rows], dtype=pl.Boolean)
    return pl.concat([whole, again]), reduced.filter(~is_there)


def _places(rejects: pl.DataFrame) -> Iterator[tuple[tuple[str, str, int], list[int]]]:
    key = ("kafka_topic", "kafka_topic_id", "kafka_partition")
    for place, rows in rejects.partition_by(key, as_dict=True).items():
        yield place, rows["kafka_offset"].unique().to_list()


def _with_bytes(row: dict, records: dict) -> dict | None:
    place = (row["kafka_topic"], row["kafka_topic_id"], row["kafka_partition"], row["kafka_offset"])
    key, value, pairs = records.get(place, (None, None, []))
    values = [value] if row["part"] is None or value is None else content_modes.texts(value)
    same = [each for each in values if checksum([each]) == row["checksum"]]
    if not same:
        return None
    return row | {"key": key, "value": same[0], "headers": headers.to_json(pairs)}


_READ = ""  # the reason of a record whose batch is read by now: to be looked at like any other


def sorted_out(rejects: pl.DataFrame, *, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of raw.rejects that are read now, and those that are not, these with the reason of
    now.
    """
    rejects = _with_batches_read(rejects)
    marked = [
        _with_reason(of_topic, now=now)
        for of_topic in rejects.partition_by("kafka_topic", maintain_order=True)
    ]
    rows = pl.concat(marked) if marked else rejects.with_columns(_now=pl.lit(None, dtype=pl.String))
    readable = rows.filter(pl.col("_now").is_null())
    left = rows.filter(pl.col("_now").is_not_null())
    return readable.drop("_now"), left.with_columns(reason="_now").drop("_now")


def _with_batches_read(rejects: pl.DataFrame) -> pl.DataFrame:
    """The records of a batch that could not be read, where it can be by now: as many as it said, in
    its order.
    """
    place = ("kafka_topic_id", "kafka_partition")
    is_of_batch = (pl.col("reason") == "unreadable_batch").fill_null(False)
    rows = rejects.filter(is_of_batch).sort(*place, "kafka_offset")
    if rows.is_empty():
        return rejects
    batch = pl.col("value").is_not_null().cum_sum().over(place).alias("_batch")
    parts = [
        _batch_read(of_batch)
        for of_batch in rows.with_columns(batch).partition_by(*place, "_batch")
    ]
    return pl.concat([rejects.filter(~is_of_batch), *(part.drop("_batch") for part in parts)])


def _batch_read(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of one batch, of which the first has the bytes, with key, value and headers of its
    records.
    """
    raw = rows["value"][0]
    read = Reader(raw or b"", position=rows["kafka_offset"][0], decompressors=DECOMPRESSORS).take(
        rows.height
    )
    if read.unread or len(read.values) != rows.height:
        return rows
    texts = [
        headers.to_json(headers.unpack(read.headers.get(offset, b""))) for offset in read.offsets
    ]
    return rows.with_columns(
        pl.Series("key", read.keys, dtype=pl.Binary),
        pl.Series("value", read.values, dtype=pl.Binary),
        pl.Series("headers", texts, dtype=rows.schema["headers"]),
        reason=pl.lit(_READ),
    )


def _with_reason(rows: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """`_now`: the reason for which a row would be rejected again; null where all of it is read."""
    numbers = list(range(rows.height))
    packed = {
        k: headers.pack(headers.from_json(text)) for k, text in enumerate(rows["headers"]) if text
    }
    is_unread = (rows["reason"] == "unreadable_batch").fill_null(False)
    unread = {k: rows["detail"][k] for k in is_unread.arg_true()}
    columns = (rows["key"].to_list(), rows["value"].to_list())
    batch = Batch(rows["kafka_topic"][0], "", 0, 0, rows.height, numbers, *columns, packed, unread)
    rejects = decode(batch, ingested_at=now).rejects
    reasons = dict(rejects.select("kafka_offset", "reason").iter_rows())
    return rows.with_columns(_now=pl.Series([reasons.get(k) for k in numbers], dtype=pl.String))


def records(rejects: pl.DataFrame) -> Iterator[tuple]:
    """(topic, key, value, headers) of each, as it came."""
    for topic, key, value, text in rejects.select(
        "kafka_topic", "key", "value", "headers"
    ).iter_rows():
        yield topic, key, value, headers.sendable(headers.from_json(text))
