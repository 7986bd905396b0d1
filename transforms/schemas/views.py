"""The lake's views: the long form of the series, one row a sample.

Here: their columns and SQL. Not here: which of two samples counts (transforms/series/activity.py,
series/telemetry.py).
"""

from dataclasses import dataclass

import polars as pl

from .base import TIMESTAMP, Column, Table
from .raw import RAW_TABLES

_SAMPLE = (
    Column("sample", pl.Int64, "number of the sample in its event, from 0", required=True),
    Column("value", pl.Float64, "the sample, in the series' unit; null where not measured"),
    Column("sampled_at", TIMESTAMP, "started_at + sample * interval_s", required=True),
)


@dataclass(frozen=True)
class View:
    """A view is described as a table is; `query` is what it selects."""

    table: Table
    query: str

    @property
    def full_name(self) -> str:
        return self.table.full_name


def _long(name: str) -> View:
    """Every column of the series but `values`, and its samples; microseconds exactly, in no time
    zone.
    """
    raw = RAW_TABLES[name]
    kept = [c for c in raw.columns if c.name != "values"]
    table = Table(
        "raw",
        f"{name}_long",
        f"The samples of raw.{name}, one row a sample, duplicates included.",
        (*kept, *_SAMPLE),
        (*raw.key, "sample"),
    )
    query = f"""
        SELECT *, make_timestamptz(epoch_us(started_at) + CAST(round("sample" * interval_s * 1000000) AS BIGINT))
               AS sampled_at
        FROM (SELECT * EXCLUDE ("values"), unnest(range(len("values"))) AS "sample", unnest("values") AS "value"
              FROM raw."{name}")
    """
    return View(table, query)


VIEWS: tuple[View, ...] = (_long("readings"), _long("telemetry"))
