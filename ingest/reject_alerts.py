"""Alerts for safety records that could not be read: one for a topic, a reason and an hour, in which
the rest count.

Here: raw.reject_hours -> alert events that are due, those that close once the records were read,
and the note of what was told. Not here: publishing (worker.py, orchestration/rejects.py), counting
(reject_hours.py).

The first reject of an hour raises its alert at once. How many it stands for is in raw.reject_hours
as they land, in mart.alerts as of the materialisation, and in one more event of the alert when the
hour is over. What was told is noted in the lake after it was published: a kill in between tells it
twice, as the same event or as a later state of the same alert, and none is left untold. An alert
that was closed because all its records were read is raised anew by the next one.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from transforms.counting import counted
from transforms.schemas.raw import REJECT_HOURS

from .contract import REASONS, encode, topic_named
from .lake import Lake
from .reject_hours import ended_before

RULE = "unreadable_safety_record"
TOPIC = topic_named("alerts").type
_SOURCE = "/floe/ingest"
_MOST_PLACES = 20  # of a flood: the rejects themselves are all kept

_PLACES = f"""
SELECT due.alert_id, list(kafka_topic || '/' || kafka_partition || '/' || kafka_offset
    ORDER BY ingested_at, kafka_partition, kafka_offset)[:{_MOST_PLACES}] AS places, count(replayed_at) AS replayed
FROM raw.rejects JOIN due USING (kafka_topic, reason)
WHERE date_trunc('hour', ingested_at) = due.hour GROUP BY 1
"""
_LANDED = f"""
SELECT alert_id, max(coalesce(revision, 0)) AS revision, arg_max(state, (coalesce(revision, 0), ingested_at)) AS state
FROM raw.alerts SEMI JOIN due USING (alert_id) WHERE rule = '{RULE}' GROUP BY alert_id
"""


@dataclass(frozen=True)
class Due:
    """`events`: (topic, key, value) to publish; `hours`: REJECT_HOURS as they stand once these are
    published.
    """

    events: list[tuple[str, bytes, bytes]]
    hours: pl.DataFrame


def due_alerts(lake: Lake, *, now: datetime) -> Due:
    """The hours whose alert is to be raised, and those that are over and of which it did not tell
    all.
    """
    hours = lake.table(
        REJECT_HOURS.full_name, where="alert_id IS NOT NULL AND records > coalesce(told, 0)"
    )
    hours = hours.filter(pl.col("raised_at").is_null() | ended_before(now))
    events = [_opened(row) for row in _with_places(lake, hours).iter_rows(named=True)]
    now_told = hours.with_columns(
        raised_at=pl.col("raised_at").fill_null(pl.lit(now)), told="records"
    )
    return Due(events, REJECT_HOURS.conform(now_told))


def closing_alerts(lake: Lake, *, now: datetime) -> Due:
    """What closes each alert all of whose records were read when they were sent again."""
    raised = lake.table(
        REJECT_HOURS.full_name, where="alert_id IS NOT NULL AND raised_at IS NOT NULL"
    )
    rows = _with_places(lake, raised).filter(pl.col("records") == pl.col("replayed"))
    events = [_closed(row, now=now) for row in rows.iter_rows(named=True)]
    read = raised.join(rows, on="alert_id", how="semi").with_columns(
        raised_at=pl.lit(None), told="records"
    )
    return Due(events, REJECT_HOURS.conform(read))


def note_told(lake: Lake, due: Due) -> None:
    """Remembers what was published; records that landed meanwhile stay counted, and untold."""
    if due.hours.height:
        lake.write(
            lambda writer: writer.execute(
                f"""UPDATE {REJECT_HOURS.full_name} AS hours SET raised_at = noted.raised_at, told = noted.told
                    FROM noted WHERE hours.kafka_topic = noted.kafka_topic AND hours.reason = noted.reason
                        AND hours.hour = noted.hour""",
                noted=due.hours,
            )
        )


def _with_places(lake: Lake, hours: pl.DataFrame) -> pl.DataFrame:
    """The hours with the first places and the state of their alert as it has landed."""
    due = hours.select("kafka_topic", "reason", "hour", "alert_id")
    if due.is_empty():
        return hours.with_columns(
            places=pl.lit(None), replayed=0, revision=0, state=pl.lit(None)
        ).clear()
    places, landed = lake.sql(_PLACES, due=due), lake.sql(_LANDED, due=due)
    rows = hours.join(places, on="alert_id", how="left").join(landed, on="alert_id", how="left")
    return rows.with_columns(pl.col("revision").fill_null(0)).sort("alert_id")


def _opened(row: dict) -> tuple[str, bytes, bytes]:
    """What somebody has in hand stays so; what was closed is open again, for there is news."""
    records, revision = row["records"], max(row["records"], row["revision"] + 1)
    finding = f"{counted(records, 'record')} of {row['kafka_topic']} could not be read. {REASONS[row['reason']]}"
    state = row["state"] if row["state"] in ("acknowledged", "investigating") else "open"
    data = _data(row, state=state, revision=revision, finding=finding, recorded_at=row["last_at"])
    return _event(row, data, id=f"{row['alert_id']}/{records}", time=row["last_at"])


def _closed(row: dict, *, now: datetime) -> tuple[str, bytes, bytes]:
    revision = max(row["revision"], row["told"]) + 1
    finding = f"all {row['records']} records of {row['kafka_topic']} could be read when they were sent again"
    data = _data(row, state="closed", revision=revision, finding=finding, recorded_at=now)
    return _event(row, data, id=f"{row['alert_id']}-closed-{revision}", time=now)


def _event(row: dict, data: dict, *, id: str, time: datetime) -> tuple[str, bytes, bytes]:
    return TOPIC, row["alert_id"].encode(), encode(TOPIC, data, id=id, source=_SOURCE, time=time)


def _data(row: dict, **more) -> dict:
    return {
        "alert_id": row["alert_id"],
        "rule": RULE,
        "severity": "red",
        "tier": "now",
        "subject_kind": "record",
        "subject_id": row["places"][0],
        "evidence": row["places"],
        "occurred_at": row["first_at"],
        **more,
    }
