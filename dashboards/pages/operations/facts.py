"""What the operations page knows: asked from the lake's books, the workers' signs of life, the
broker.

Here: facts as plain values and frames. Not here: how they look (page.py). Nothing here holds a
record's content.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from ingest import inspection
from ingest.heartbeat import heartbeats, ingest_unknown
from ingest.lag import stream_lag
from ingest.lake import Lake
from ingest.lake_files import small_files
from ingest.secrecy import hidden
from transforms.errors import FloeError

from ...reader import Reader

_WINDOW = timedelta(minutes=15)
_BUCKET_S = 10
_RECENT_S = 60
_MOST_EXAMPLES = 100

_THROUGHPUT = """
SELECT time_bucket(to_seconds({bucket}), landed_at) AS bucket,
       sum(rows)::DOUBLE / {bucket} AS events_per_s, sum(rejects)::DOUBLE / {bucket} AS rejects_per_s
FROM raw.ledger WHERE landed_at > (SELECT max(landed_at) FROM raw.ledger) - to_seconds({window}) GROUP BY 1 ORDER BY 1
"""
_PACE = "SELECT coalesce(sum(rows + rejects), 0)::DOUBLE / {seconds} AS n FROM raw.ledger WHERE landed_at > $1"
_LANDED = """
SELECT max(landed_at) AS landed_at, coalesce(sum(rows), 0)::BIGINT AS rows, coalesce(sum(rejects), 0)::BIGINT AS rejects
FROM raw.ledger
"""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What has landed, and how it goes; moments are UTC and null where nothing landed.

    `why_unknown`: why nobody knows how ingest does now, and then `events_per_s` is null; the rest
    is as of `landed_at`.
    """

    events_per_s: float | None
    why_unknown: str | None
    landed_at: datetime | None
    newest_event_at: datetime | None
    rows: int
    rejects: int
    unread_safety: int
    throughput: pl.DataFrame
    topics: pl.DataFrame
    rejects_by_reason: pl.DataFrame
    reject_examples: pl.DataFrame  # without `detail`: what was found may be a patient's data
    unknown: pl.DataFrame


def stream_facts(reader: Reader) -> Stream | None:
    """None where there is no lake."""

    def newest(lake: Lake) -> datetime | None:
        return inspection.newest_event_time(
            lake, clock_tolerance_min=reader.settings.clock_tolerance_min
        )

    def landed(lake: Lake) -> dict:
        r = lake.sql(_LANDED).row(0, named=True)
        window = int(_WINDOW.total_seconds())
        return dict(
            **r,
            unread_safety=_unread_safety(lake),
            throughput=lake.sql(_THROUGHPUT.format(bucket=_BUCKET_S, window=window)),
            topics=inspection.row_counts(lake),
            rejects_by_reason=inspection.reject_counts(lake),
            reject_examples=inspection.list_rejects(lake, limit=_MOST_EXAMPLES).drop("detail"),
            newest_event_at=reader.inspect(
                newest, name="newest event", max_age_s=10, is_of_lake_alone=True
            ),
            unknown=reader.inspect(
                inspection.unknown_content,
                name="unknown content",
                max_age_s=120,
                is_of_lake_alone=True,
            ),
        )

    facts = reader.inspect(landed, name="stream", max_age_s=2, is_of_lake_alone=True)
    why_unknown = ingest_unknown(reader.settings)
    pace = None if why_unknown else reader.inspect(_pace, name="pace", max_age_s=2)
    return Stream(**facts, events_per_s=pace, why_unknown=why_unknown) if facts else None


def _pace(lake: Lake) -> float:
    """Records a second that landed in the last minute."""
    since = datetime.now(UTC) - timedelta(seconds=_RECENT_S)
    return lake.sql(_PACE.format(seconds=_RECENT_S), [since])["n"][0]


def _unread_safety(lake: Lake) -> int:
    return lake.sql(
        "SELECT count(*) AS n FROM raw.rejects WHERE is_safety AND replayed_at IS NULL"
    )["n"][0]


def failing_checks(reader: Reader) -> pl.DataFrame:
    """Of each check the latest result that fails; its example, time and live counts only for the
    clinic's own staff.
    """
    return reader.mart("check_results", "NOT is_passed").sort("checked_at", descending=True)


def workers(reader: Reader) -> list[dict]:
    return heartbeats(reader.settings)


def waiting_records(reader: Reader) -> tuple[pl.DataFrame | None, str]:
    """Records that wait, one row per partition, and a sentence; None where no broker answers or
    there is no lake.
    """

    def ask(lake: Lake) -> tuple[pl.DataFrame | None, str]:
        try:
            lag = stream_lag(lake, reader.settings)
        except FloeError as error:
            return None, hidden(f"Lag is unknown: {error}", reader.settings)
        if lag is None:
            return (
                None,
                f"Lag is unknown: no Kafka answers at {hidden(reader.settings.bootstrap, reader.settings)}.",
            )
        return lag, f"{int(lag['lag'].sum()):,} records wait in {lag.height} partitions."

    return reader.inspect(ask, name="lag", max_age_s=4) or (
        None,
        "Lag is unknown: there is no lake yet.",
    )


def file_facts(lake: Lake) -> tuple[int, str | None, int]:
    """Small files of the table that has most of them, its name, and the faults that upkeep stopped at."""
    tables = small_files(lake.rows)
    n_faults = lake.rows("SELECT count(*) FROM app.upkeep_faults")[0][0]
    return (tables[0].small, tables[0].table, n_faults) if tables else (0, None, n_faults)
