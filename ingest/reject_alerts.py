"""Alerts for safety records that could not be read: one for a topic, a reason and an hour, in which the rest count.

Here: `raw.rejects` -> alert events that are not in the lake yet, and those that close once the records were read.
Not here: publishing (worker.py, orchestration/console.py).

An alert's event is named by how many records it tells of, so the same news is the same event however often it is
made, and what a crash left unpublished is found again.
"""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from transforms.counting import counted

from .contract import REASONS, encode, topic_named
from .lake import Lake

RULE = "unreadable_safety_record"
TOPIC = topic_named("alerts").type
_SOURCE = "/floe/ingest"
_MOST_PLACES = 20  # of a flood: the rejects themselves are all kept

_PLACE = "kafka_topic || '/' || kafka_partition || '/' || kafka_offset"
# Until release 0.1.0 each record had an alert of its own.
_OWN_ALERT = "'reject-' || kafka_topic_id || '-' || kafka_partition || '-' || kafka_offset"
_HOURLY_ALERT = "format('unreadable-{}-{}-{}', kafka_topic, reason, strftime(ingested_at, '%Y%m%dT%HZ'))"

_NEWS = f"""
WITH landed AS MATERIALIZED (
    SELECT alert_id, max(coalesce(revision, 0)) AS revision, arg_max(state, (coalesce(revision, 0), ingested_at)) AS state,
        max(try_cast(regexp_extract(event_id, '/([0-9]+)$', 1) AS BIGINT)) AS told
    FROM raw.alerts WHERE rule = '{RULE}' GROUP BY alert_id
),
rejects AS (
    SELECT *, {_PLACE} AS place, CASE WHEN {_OWN_ALERT} IN (SELECT alert_id FROM landed) THEN {_OWN_ALERT}
        ELSE {_HOURLY_ALERT} END AS alert_id
    FROM raw.rejects WHERE is_safety
),
counted AS (
    SELECT alert_id, any_value(kafka_topic) AS topic, any_value(reason) AS reason, count(*) AS records,
        count(replayed_at) AS replayed, min(ingested_at) AS first_at, max(ingested_at) AS last_at,
        list(place ORDER BY ingested_at, place)[:{_MOST_PLACES}] AS places
    FROM rejects GROUP BY alert_id
)
SELECT counted.*, coalesce(told, 0) AS told, coalesce(revision, 0) AS revision, state
FROM counted LEFT JOIN landed USING (alert_id) ORDER BY alert_id
"""


def due_alerts(lake: Lake) -> dict[str, tuple[str, bytes, bytes]]:
    """What the lake's alerts do not tell of its rejects yet: event id -> (topic, key, value)."""
    rows = lake.sql(_NEWS).filter(
        pl.col("records") > pl.col("told"),
        pl.col("records") > pl.col("replayed"),
        ~pl.col("alert_id").str.starts_with("reject-"),
    )
    return dict(_opened(row) for row in rows.iter_rows(named=True))


def closing_alerts(lake: Lake, *, now: datetime) -> Iterator[tuple[str, bytes, bytes]]:
    """(topic, key, value) that closes each alert in the lake all of whose records were read when sent again."""
    rows = lake.sql(_NEWS).filter(pl.col("records") == pl.col("replayed"), pl.col("state") != "closed")
    for row in rows.iter_rows(named=True):
        finding = f"all {row['records']} records of {row['topic']} could be read when they were sent again"
        data = _data(row, state="closed", revision=row["revision"] + 1, finding=finding, recorded_at=now)
        event_id = f"{row['alert_id']}-closed-{row['revision'] + 1}"
        yield TOPIC, row["alert_id"].encode(), encode(TOPIC, data, id=event_id, source=_SOURCE, time=now)


def _opened(row: dict) -> tuple[str, tuple[str, bytes, bytes]]:
    records, revision = row["records"], max(row["records"], row["revision"] + 1)
    finding = f"{counted(records, 'record')} of {row['topic']} could not be read. {REASONS[row['reason']]}"
    data = _data(row, state="open", revision=revision, finding=finding, recorded_at=row["last_at"])
    event_id = f"{row['alert_id']}/{records}"
    value = encode(TOPIC, data, id=event_id, source=_SOURCE, time=row["last_at"])
    return event_id, (TOPIC, row["alert_id"].encode(), value)


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
