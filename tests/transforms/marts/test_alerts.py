"""mart.alerts: how an alert stands, and of how many unreadable records it tells."""

from datetime import UTC, datetime

import polars as pl

from transforms.marts import alerts
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES
from transforms.schemas.raw import REJECT_HOURS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_alert_of_unreadable_records_has_the_number_of_its_hour():
    """Raised by the first, 3 so far: 3. Of another rule: none. An hour of no safety topic belongs
    to no alert.
    """
    ids = {"unreadable-a": NOW, "clash": NOW.replace(hour=13)}
    rows = [
        {"alert_id": name, "rule": "r", "occurred_at": at, "state": None}
        for name, at in ids.items()
    ]
    core = CORE_TABLES["alerts"]
    frame = pl.DataFrame(rows, schema_overrides={"state": pl.String})
    frame = frame.with_columns(
        pl.lit(None, dtype=t).alias(n)
        for n, t in core.polars_schema.items()
        if n not in frame.columns
    )
    whole = {
        "kafka_topic": "t",
        "reason": "not_json",
        "hour": NOW,
        "is_safety": True,
        "reduced": 0,
        "whole_bytes": 9,
        "first_at": NOW,
        "last_at": NOW,
        "raised_at": NOW,
        "told": 1,
    }
    hours = [
        whole | {"records": 3, "alert_id": "unreadable-a"},
        whole | {"records": 9, "alert_id": None},
    ]
    hours = pl.DataFrame(hours, schema=REJECT_HOURS.polars_schema)
    found = alerts.compute(
        alerts=frame,
        reject_hours=hours,
        options=Options(),
        cut=Cut(lake_snapshot=1, data_cutoff=NOW),
    )
    assert found.select("alert_id", "state", "records").rows() == [
        ("clash", "open", None),
        ("unreadable-a", "open", 3),
    ]
