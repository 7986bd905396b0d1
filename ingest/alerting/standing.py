"""The alerts as they stand by what has landed, without waiting for marts, and what people do with them.

Here: reading raw.alerts, the event of a person's act. Not here: publishing it (orchestration), the watcher's own book.
"""

from datetime import datetime

import polars as pl

from transforms.current import current
from transforms.errors import UsageError
from transforms.schemas import TOPIC_BY_NAME

from ..contract import encode
from ..lake import Lake

_TOPIC = TOPIC_BY_NAME["alerts"]
_FIELDS = tuple(column.name for column in _TOPIC.fields)
_BY_PEOPLE = "/floe"


def alerts(lake: Lake) -> pl.DataFrame:
    """Columns of core.alerts: one row an alert, its latest state; the newest first."""
    rows = current("alerts", lake.table("raw.alerts")).with_columns(pl.col("state").fill_null("open"))
    return rows.sort(pl.coalesce("told_at", "occurred_at"), "alert_id", descending=[True, False], nulls_last=True)


def act(lake: Lake, alert_id: str, *, state: str, now: datetime, **fields: str | None) -> tuple[str, bytes, bytes]:
    """(topic, key, value) of what a person does with an alert; raises UsageError where there is no such alert.

    What is not given stays as it stands. An alert that is acknowledged has `acknowledged_at`.
    """
    found = alerts(lake).filter(pl.col("alert_id") == alert_id)
    if found.is_empty():
        raise UsageError(f"found no alert {alert_id!r}; `floe alerts --state all` lists those there are")
    row = found.row(0, named=True)
    revision = (row["revision"] or 0) + 1
    data = {name: row[name] for name in _FIELDS} | {name: value for name, value in fields.items() if value is not None}
    data |= {"state": state, "news": state, "revision": revision, "recorded_at": now}
    if state == "acknowledged":
        data["acknowledged_at"] = now
    value = encode(_TOPIC.type, data, id=f"{alert_id}-{revision}-{state}", source=_BY_PEOPLE, time=now)
    return _TOPIC.type, alert_id.encode(), value
