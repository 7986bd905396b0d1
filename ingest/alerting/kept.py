"""What has landed, kept in memory as far as alerts need it: the records, and of series those of
devices in sessions.

Here: following the lake by the stored positions, so that what is looked at costs what is new.
Not here: whose records are looked at (touched.py), what is judged.

A device's series are kept whole for some days; of older ones the two samples that alerts ask for,
the lowest and the highest, each as a series of one, so that memory does not grow by the sample.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

from transforms.alerting import judging
from transforms.errors import FloeError
from transforms.schemas import RAW_TABLES

from ..lake import Lake
from ..lake_in_memory import MemoryLake

Positions = dict[tuple[str, str, int], int]  # (topic, topic id, partition) -> next position

# Tables of raw whose records alerts are judged by; wearables' series are not among them.
TABLES = (
    *(name for name in judging.TABLES if name in RAW_TABLES),
    "telemetry",
    "retractions",
    "alerts",
)
WHOLE_DAYS = 7
_MOST_ROWS = 50_000  # of one look at the lake

_POSITIONS = (
    "SELECT kafka_topic, kafka_topic_id, kafka_partition, next_offset FROM raw.stream_offsets"
)
_EXTREMES = """
WITH each AS (
    SELECT *, unnest(['lowest', 'highest']) AS which, unnest([list_min("values"), list_max("values")]) AS extreme
    FROM old WHERE len("values") > 1
), placed AS (
    SELECT *, to_microseconds(CAST(round((list_position("values", extreme) - 1) * interval_s * 1e6) AS BIGINT)) AS later
    FROM each WHERE extreme IS NOT NULL
)
SELECT * EXCLUDE (which, extreme, later)
    REPLACE (event_id || '#' || which AS event_id, [extreme] AS "values", started_at + later AS started_at)
FROM placed
UNION ALL BY NAME SELECT * FROM old WHERE len("values") <= 1"""


def rows_from(landed: Mapping[str, pl.DataFrame], positions: Positions) -> dict[str, pl.DataFrame]:
    """Of landed rows, by table, those at or beyond the positions; a partition without one: all.

    Tables of which none are left are not there.
    """
    partition = ("kafka_topic", "kafka_topic_id", "kafka_partition")
    starts = pl.DataFrame(
        [(*key, at) for key, at in positions.items()], schema=[*partition, "_from"], orient="row"
    ).cast({"kafka_partition": pl.Int32})
    is_beyond = pl.col("kafka_offset") >= pl.col("_from").fill_null(0)
    left = {
        name: frame.join(starts, on=partition, how="left", maintain_order="left")
        .filter(is_beyond)
        .drop("_from")
        for name, frame in landed.items()
    }
    return {name: rows for name, rows in left.items() if not rows.is_empty()}


def _before(moment: datetime) -> str:
    return f"ingested_at < TIMESTAMPTZ '{moment.isoformat()}'"


class Kept:
    """The rows of `TABLES` of the lake up to `positions`. Not safe between threads. `alive` is
    called between parts.
    """

    def __init__(self, *, alive: Callable[[], None] = lambda: None) -> None:
        self._alive = alive
        self._memory = MemoryLake()
        self.positions: Positions = {}

    def close(self) -> None:
        self._memory.close()

    def query(self, sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """Rows of what is kept, in tables of `raw`."""
        return self._memory.query(sql, **frames)

    def follow(
        self, lake: Lake, *, now: datetime, tables: Iterable[str] = TABLES
    ) -> dict[str, pl.DataFrame]:
        """Takes in what has landed in the tables since the last time; the new rows by table, a
        series' without its samples.

        `positions` then say up to where. At most some ten thousand rows of a table and partition at
        once: while there are more, the next call gives them.
        """
        stored = {tuple(row[:3]): row[3] for row in lake.sql(_POSITIONS).iter_rows()}
        if any(stored.get(key, 0) < position for key, position in self.positions.items()):
            raise FloeError(
                "the lake went back to an earlier state: it is read anew from its beginning"
            )
        new: dict[str, pl.DataFrame] = {}
        for name in tables:
            topic = f"floe.{name}.v1"
            ahead = {
                key: end
                for key, end in stored.items()
                if key[0] == topic and end > self.positions.get(key, 0)
            }
            parts = [
                self._take(lake, name, key, end, now=now) for key, end in sorted(ahead.items())
            ]
            parts = [part for part in parts if not part.is_empty()]
            if parts:
                new[name] = pl.concat(parts)
        return new

    def _take(
        self, lake: Lake, name: str, key: tuple[str, str, int], end: int, *, now: datetime
    ) -> pl.DataFrame:
        """The next rows of a partition, put with what is kept."""
        self._alive()
        _, topic_id, partition = key
        frame = lake.sql(
            f'SELECT * FROM raw."{name}" WHERE kafka_topic_id = $1 AND kafka_partition = $2 AND kafka_offset >= $3 '
            f"AND kafka_offset < $4 ORDER BY kafka_offset LIMIT {_MOST_ROWS}",
            [topic_id, partition, self.positions.get(key, 0), end],
        )
        frame = RAW_TABLES[name].conform(frame)
        if (
            frame.height == _MOST_ROWS
        ):  # a batched record has several rows at its position: the last may be cut
            last = frame["kafka_offset"].max()
            frame, end = frame.filter(pl.col("kafka_offset") < last), last
        kept = (
            self._reduced(frame, before=now - timedelta(days=WHOLE_DAYS))
            if name == "telemetry"
            else frame
        )
        self._memory.append(name, kept)
        self.positions[key] = end
        return frame.drop("values", strict=False)

    def _reduced(self, series: pl.DataFrame, *, before: datetime) -> pl.DataFrame:
        """The series, of those that landed before a moment only their lowest and highest sample."""
        is_old = pl.col("ingested_at") < before
        old = self._memory.query(_EXTREMES, old=series.filter(is_old))
        return pl.concat([series.filter(~is_old), RAW_TABLES["telemetry"].conform(old)])

    def reduce(self, *, now: datetime) -> None:
        """Lets go of the samples of series that have become old: for once a day. Only those are
        read and written.
        """
        before = now - timedelta(days=WHOLE_DAYS)
        old = self._memory.take("telemetry", f'len("values") > 1 AND {_before(before)}')
        extremes = self._memory.query(_EXTREMES, old=old)
        self._memory.append("telemetry", RAW_TABLES["telemetry"].conform(extremes))

    def rows_of(self, wanted: Mapping[str, str], **frames: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Rows by table: `wanted` gives each table's condition, over the frames by name."""
        return {
            name: RAW_TABLES[name].conform(
                self.query(f'SELECT * FROM raw."{name}" WHERE {condition}', **frames)
            )
            for name, condition in wanted.items()
        }
