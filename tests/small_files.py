"""A lake that fell behind: many small files of readings, made as fast as the disk allows.

Here: making it, opening it, counting. Not here: what is tried on it (ingest/test_upkeep.py,
benchmarks/bench_upkeep_small_files.py).
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ingest.contract import encode
from ingest.lake import Lake
from ingest.lake_files import small_files
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.source import Batch
from transforms.schemas import RAW_TABLES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_TOPIC, _AT = "floe.readings.v1", "2026-02-01T10:00:00+01:00"
_AT_ONCE = 100


def opened(home: Path | str, *, memory: str = "4GB") -> Lake:
    return Lake.open(
        Settings(
            home=Path(home), catalog="", data="", kafka_bootstrap="nowhere:1", lake_memory=memory
        )
    )


def batch(first: int, count: int) -> Batch:
    offsets = list(range(first, first + count))
    values = [_reading(k) for k in offsets]
    return Batch(_TOPIC, "id", 0, first, first + count, offsets, [b"p"] * count, values)


def _reading(number: int) -> bytes:
    data = {
        "patient_id": f"p{number % 97}",
        "metric": "heart_rate",
        "unit": "/min",
        "started_at": _AT,
        "interval_s": 60,
        "values": [60 + (number * k) % 37 for k in range(60)],
    }
    return encode("readings", data, id=str(number), source="/test", time=_AT)


def make(home: Path | str, *, files: int, events: int) -> None:
    """Files of `raw.readings` with so many events each: one landed, the others written from it with
    other positions, a hundred in a transaction.
    """
    with opened(home) as lake:
        land(lake, prepare([batch(0, events)], now=NOW))
        first = lake.table("raw.readings")
        for begin in range(1, files, _AT_ONCE):
            numbers = range(begin, min(files, begin + _AT_ONCE))
            lake.write(lambda writer, numbers=numbers: _write(writer, first, numbers, events))
        end = f"UPDATE raw.stream_offsets SET next_offset = {files * events}"
        lake.write(lambda writer: writer.execute(end))


def _write(writer, first: pl.DataFrame, numbers: range, events: int) -> None:
    table = RAW_TABLES["readings"]
    for number in numbers:
        writer.append(table, first.with_columns(pl.col("kafka_offset") + number * events))


def readings_files(lake: Lake) -> int:
    """Small files of `raw.readings`."""
    return next((one.small for one in small_files(lake.rows) if one.table == "raw.readings"), 0)
