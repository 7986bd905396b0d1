"""Whether somebody watches: an empty list of alerts means nothing where nobody fills it.

Here: the watcher's sign of life, and its book held against what has landed, as sentences. Not here:
the watcher (watcher.py), its sign of life (beat.py), the list.
"""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from transforms.counting import spoken

from ..lake import Lake
from .beat import watcher_fault
from .book_file import book_path, in_words
from .kept import TABLES
from .waiting import REMEDY, Waiting, reading, undelivered, waiting

_BEHIND = timedelta(seconds=30)
_LANDED = """
SELECT min(landed_at) AS since FROM raw.ledger JOIN judged USING (kafka_topic, kafka_topic_id, kafka_partition)
WHERE next_position > position
"""
_KEYS = ("kafka_topic", "kafka_topic_id", "kafka_partition")
_JUDGED = """
SELECT kafka_topic, kafka_topic_id, kafka_partition FROM raw.stream_offsets
"""


def why_unwatched(settings, lake: Lake, *, now: datetime) -> list[str]:
    """A sentence for each reason why the alerts may lack some: no watcher, one that gives no sign
    of life or is behind, sinks that do not answer.

    Empty where all is well. The book is only read.
    """
    path = book_path(settings)
    if not path.exists():
        return [
            f"No watcher has run in this home, so that nothing that landed was looked at: {REMEDY}."
        ]
    try:
        positions, rows = _of_book(path, now=now)
    except sqlite3.Error as error:
        return [
            f"The watcher's book can't be read, so that whether anybody watches is unknown: {in_words(error, path)}."
        ]
    behind = _behind(lake, positions, now=now)
    return [*_silent(settings, now=now), *behind, *undelivered(settings, rows, now=now)]


def _silent(settings, *, now: datetime) -> list[str]:
    """That it looks no more, which nothing else shows while nothing lands."""
    fault = watcher_fault(settings, now=now)
    if fault is None:
        return []
    return [
        f"{fault[0].upper()}{fault[1:]}: what lands now is not looked at. Where none runs: {REMEDY}."
    ]


def _of_book(path: Path, *, now: datetime) -> tuple[pl.DataFrame, list[Waiting]]:
    with reading(path) as book:
        positions = book.execute(
            "SELECT topic, topic_id, partition, next_position FROM positions"
        ).fetchall()
        rows = waiting(book, now=now)
    schema = dict(
        zip((*_KEYS, "position"), (pl.String, pl.String, pl.Int32, pl.Int64), strict=True)
    )
    return pl.DataFrame(positions, schema=schema, orient="row"), rows


def _behind(lake: Lake, positions: pl.DataFrame, *, now: datetime) -> list[str]:
    """What landed some time ago and is not judged."""
    topics = [f"floe.{name}.v1" for name in TABLES]
    judged = (
        lake.sql(_JUDGED)
        .cast({"kafka_partition": pl.Int32})
        .filter(pl.col("kafka_topic").is_in(topics))
    )
    judged = judged.join(positions, on=list(_KEYS), how="left").with_columns(
        pl.col("position").fill_null(0)
    )
    since = lake.sql(_LANDED, judged=judged)["since"].item()
    if since is None or now - since < _BEHIND:
        return []
    age = spoken((now - since).total_seconds())
    return [
        f"The watcher is behind, or does not run: what landed up to {age} ago was not looked at. {REMEDY}."
    ]
