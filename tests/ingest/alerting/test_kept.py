"""What is kept of series: whole for some days, then two samples; and that letting go of the rest
holds nothing up.

Here: `reduce`. Not here: following the lake (test_looking.py).
"""

from datetime import UTC, datetime, timedelta

import polars as pl

from ingest.alerting.kept import Kept
from transforms.schemas import RAW_TABLES

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TELEMETRY = RAW_TABLES["telemetry"]


def series(event_id: str, days: int, values: list[float] | None) -> dict:
    at = NOW - timedelta(days=days)
    given = {
        "event_id": event_id,
        "ingested_at": at,
        "started_at": at,
        "interval_s": 1.0,
        "values": values,
    }
    return dict.fromkeys(TELEMETRY.names) | given


def test_of_old_series_two_samples_stay_and_the_rest_is_not_touched(monkeypatch):
    """Lowest and highest, each where it was; young, short and empty series as they are. Only what
    is old is read, and once: before, all of it was, 3.1 s of 1.3 million series while harm
    waited.
    """
    kept = Kept()
    rows = [
        series("old", 8, [3.0, 1.0, 2.0]),
        series("young", 6, [3.0, 1.0]),
        series("one", 8, [1.0]),
        series("none", 8, None),
    ]
    kept._memory.append(
        "telemetry", TELEMETRY.conform(pl.DataFrame(rows, schema=TELEMETRY.polars_schema))
    )
    written = []
    append = kept._memory.append
    monkeypatch.setattr(
        kept._memory,
        "append",
        lambda name, frame: (written.append(frame.height), append(name, frame)),
    )
    kept.reduce(now=NOW)
    kept.reduce(now=NOW)
    assert written == [2, 0]
    found = kept.query("SELECT event_id, values, started_at FROM raw.telemetry")
    old = NOW - timedelta(days=8)
    assert sorted(found.rows()) == sorted(
        [
            ("old#highest", [3.0], old),
            ("old#lowest", [1.0], old + timedelta(seconds=1)),
            ("young", [3.0, 1.0], NOW - timedelta(days=6)),
            ("one", [1.0], old),
            ("none", None, old),
        ]
    )
    kept.close()
