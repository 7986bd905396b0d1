"""Floods of rejects: what is kept of each, and the hours in which they are counted.

Here: the bound up to which a topic's rejects of one reason and hour stay whole, and the rows of
raw.reject_hours. Not here: when they land (landing.py), what alerts tell of them
(reject_alerts.py).

Beyond the bound a reject is its position, its reason and the checksum of its value; every 1,000th
stays whole as a sample. Of a safety topic, and of a batch that could not be read (whose first
reject holds all), every one stays whole.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

import numpy as np
import polars as pl

from transforms.schemas.raw import REJECT_HOURS, REJECTS

from .lake import Lake, Writer

KEY = REJECT_HOURS.key
_SAMPLE_EVERY = 1_000
_BYTES = ("key", "value", "headers")
_LEFT_OUT = ("key", "value", "headers", "detail")
_HOUR = pl.col("ingested_at").dt.truncate("1h").alias("hour")
_ALERT_ID = pl.format(
    "unreadable-{}-{}-{}", "kafka_topic", "reason", pl.col("hour").dt.strftime("%Y%m%dT%HZ")
)
_SIZE = pl.sum_horizontal(
    pl.col(c).cast(pl.Binary).bin.size().fill_null(0).cast(pl.Int64) for c in _BYTES
)

# What alerts told before hours were counted is in their events' ids; before that each record had an
# alert of its own.
_TOLD_BEFORE = """
WITH own AS (
    SELECT format('unreadable-{}-{}-{}', kafka_topic, reason, strftime(ingested_at, '%Y%m%dT%HZ')) AS alert_id,
        ingested_at, 1 AS told
    FROM raw.rejects WHERE is_safety AND 'reject-' || kafka_topic_id || '-' || kafka_partition || '-' || kafka_offset
        IN (SELECT alert_id FROM raw.alerts)
),
hourly AS (
    SELECT alert_id, ingested_at, try_cast(regexp_extract(event_id, '/([0-9]+)$', 1) AS BIGINT) AS told
    FROM raw.alerts WHERE starts_with(alert_id, 'unreadable-')
),
each AS (
    SELECT alert_id, min(ingested_at) AS raised_at, sum(told) AS told FROM own GROUP BY 1
    UNION ALL SELECT alert_id, min(ingested_at), max(told) FROM hourly GROUP BY 1
)
SELECT alert_id, min(raised_at) AS _raised_at, max(told)::BIGINT AS _told FROM each GROUP BY 1
"""


@dataclass(frozen=True)
class Bounded:
    """`rejects`: REJECTS, as they are kept; `hours`: REJECT_HOURS, the rows that they change."""

    rejects: pl.DataFrame
    hours: pl.DataFrame


def checksum(values: Iterable[bytes | None]) -> str:
    """16 hex digits over the values in order, absent ones included: BLAKE2b of their lengths and
    their bytes.
    """
    values = list(values)
    lengths = np.array([-1 if v is None else len(v) for v in values], dtype="<i8")
    digest = hashlib.blake2b(lengths.tobytes(), digest_size=8)
    digest.update(b"".join(v for v in values if v is not None))
    return digest.hexdigest()


def digests(rejects: pl.DataFrame) -> pl.Series:
    """The checksum of each one's value, whether it is whole or not."""
    return pl.Series(
        "checksum",
        [
            kept or checksum([value])
            for value, kept in rejects.select("value", "checksum").iter_rows()
        ],
        pl.String,
    )


def bounded(rejects: pl.DataFrame, hours: pl.DataFrame, *, most_bytes: float) -> Bounded:
    """The rejects of a landing as they are kept, where `hours` holds what landed before in the same
    hours.
    """
    before = hours.select(
        *KEY, pl.col("records").alias("_records"), pl.col("whole_bytes").alias("_bytes")
    )
    rows = rejects.with_columns(_HOUR, _SIZE.alias("_size")).join(
        before, on=KEY, how="left", maintain_order="left"
    )
    count = pl.col("_records").fill_null(0) + pl.int_range(pl.len()).over(KEY)
    total = pl.col("_bytes").fill_null(0) + pl.col("_size").cum_sum().over(KEY)
    is_reduced = (
        (total > most_bytes)
        & ~pl.col("is_safety")
        & pl.col("value").is_not_null()
        & (pl.col("reason") != "unreadable_batch")
        & (count % _SAMPLE_EVERY != 0)
    )
    rows = rows.with_columns(is_reduced.alias("_reduced"))
    return Bounded(REJECTS.conform(_reduced(rows)), _added(hours, counted(rows)))


def hours_of(writer: Writer, rejects: pl.DataFrame) -> pl.DataFrame:
    """What raw.reject_hours holds of the hours of these rejects."""
    if rejects.is_empty():
        return REJECT_HOURS.empty()
    return REJECT_HOURS.conform(
        writer.execute(
            f"FROM {REJECT_HOURS.full_name} WHERE hour >= $1", [rejects.select(_HOUR.min()).item()]
        )
    )


def catch_up(lake: Lake) -> int:
    """Counts hours that another release landed, or restored; gives their number. What alerts told
    stays as it is.
    """
    size = "coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + coalesce(strlen(headers::VARCHAR), 0)"
    lacking = lake.sql(
        f"""WITH found AS (SELECT kafka_topic, reason, date_trunc('hour', ingested_at) AS hour, count(*) AS n,
                                  count(checksum) AS n_reduced FROM raw.rejects GROUP BY ALL)
            SELECT kafka_topic, reason, hour FROM found LEFT JOIN {REJECT_HOURS.full_name} USING (kafka_topic, reason, hour)
            WHERE records IS DISTINCT FROM n OR reduced IS DISTINCT FROM n_reduced"""
    )
    if lacking.is_empty():
        return 0

    def work(writer: Writer) -> int:
        rows = writer.execute(
            f"""SELECT kafka_topic, reason, is_safety, ingested_at, ({size})::BIGINT AS _size, checksum IS NOT NULL AS _reduced,
                       date_trunc('hour', ingested_at) AS hour FROM raw.rejects
                SEMI JOIN lacking ON rejects.kafka_topic = lacking.kafka_topic AND rejects.reason = lacking.reason
                    AND date_trunc('hour', rejects.ingested_at) = lacking.hour""",
            lacking=lacking,
        )
        hours_told = writer.execute(
            f"SELECT kafka_topic, reason, hour, raised_at, told FROM {REJECT_HOURS.full_name}"
        )
        hours = (
            counted(rows)
            .join(hours_told, on=KEY, how="left")
            .join(writer.execute(_TOLD_BEFORE), on="alert_id", how="left")
        )
        hours = hours.with_columns(
            pl.coalesce("raised_at", "_raised_at"), pl.coalesce("told", "_told")
        )
        writer.upsert(REJECT_HOURS, REJECT_HOURS.conform(hours), hours.select(KEY))
        return hours.height

    return lake.write(work)


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """Rejects (with `hour`, `_size`, `_reduced`) as hours that nobody has told of."""
    hours = rows.group_by(KEY, maintain_order=True).agg(
        pl.col("is_safety").any(),
        records=pl.len().cast(pl.Int64),
        reduced=pl.col("_reduced").sum().cast(pl.Int64),
        whole_bytes=pl.col("_size").filter(~pl.col("_reduced")).sum(),
        first_at=pl.col("ingested_at").min(),
        last_at=pl.col("ingested_at").max(),
    )
    return hours.with_columns(pl.when("is_safety").then(_ALERT_ID).alias("alert_id"))


def _reduced(rows: pl.DataFrame) -> pl.DataFrame:
    if not rows["_reduced"].any():
        return rows
    checksums = rows["value"].set(~rows["_reduced"], None)
    digests = [None if value is None else checksum([value]) for value in checksums]
    left_out = [pl.when(~pl.col("_reduced")).then(pl.col(name)).alias(name) for name in _LEFT_OUT]
    return rows.with_columns(*left_out, pl.Series("checksum", digests, dtype=pl.String))


def _added(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """The hours of `now` with what there was before; what was told stays."""
    both = pl.concat([before.join(now, on=KEY, how="semi"), REJECT_HOURS.conform(_untold(now))])
    merged = both.group_by(KEY, maintain_order=True).agg(
        pl.col("is_safety").any(),
        pl.col("records", "reduced", "whole_bytes").sum(),
        pl.col("first_at").min(),
        pl.col("last_at").max(),
        pl.col("alert_id", "raised_at", "told").drop_nulls().first(),
    )
    return REJECT_HOURS.conform(merged)


def _untold(hours: pl.DataFrame) -> pl.DataFrame:
    return hours.with_columns(raised_at=pl.lit(None), told=pl.lit(None))


def ended_before(moment) -> pl.Expr:
    """Whether an hour, and the minute in which what was read in it lands, is over at this
    moment.
    """
    told_from = pl.col("hour") + pl.duration(minutes=61)
    return told_from <= pl.lit(moment.astimezone(UTC))
