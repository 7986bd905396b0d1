"""Alerts for safety records that could not be read: one a reject, the same one however often it is made.

Here: reject rows -> alert events, and which of them are not in the lake yet. Not here: publishing (worker.py).
"""

from collections.abc import Iterator

import polars as pl

from .contract import encode, topic_named
from .lake import Lake

RULE = "unreadable_safety_record"
_SOURCE = "/floe/ingest"
_TOPIC = topic_named("alerts").type


def alert_events(rejects: pl.DataFrame) -> Iterator[tuple[str, bytes, bytes]]:
    """(topic, key, value) of each row's alert; `rejects`: rows of raw.rejects. A repeat is a duplicate by its id."""
    for row in rejects.iter_rows(named=True):
        alert_id = _alert_id(row)
        place = f"{row['kafka_topic']}/{row['kafka_partition']}/{row['kafka_offset']}"
        data = {
            "alert_id": alert_id,
            "rule": RULE,
            "severity": "red",
            "subject_kind": "record",
            "subject_id": place,
            "evidence": [place],
            "occurred_at": row["ingested_at"],
            "state": "open",
        }
        value = encode(_TOPIC, data, id=alert_id, source=_SOURCE, time=row["ingested_at"])
        yield _TOPIC, alert_id.encode(), value


def without_alert(lake: Lake) -> pl.DataFrame:
    """Rows of raw.rejects of safety topics whose alert has not landed: what a crash may have left unpublished."""
    rejects = lake.table("raw.rejects", where="is_safety")
    landed = lake.table("raw.alerts", ["alert_id"], "rule = $1", [RULE])
    ids = pl.Series("alert_id", [_alert_id(row) for row in rejects.iter_rows(named=True)], pl.String)
    return rejects.filter(~ids.is_in(landed["alert_id"].implode()))


def _alert_id(row: dict) -> str:
    return f"reject-{row['kafka_topic_id']}-{row['kafka_partition']}-{row['kafka_offset']}"
