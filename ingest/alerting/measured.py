"""What the watcher measures of the system: who spoke when, the disk, clocks, checks, how old the
figures are, how they stand against a full computation, whether upkeep keeps up.

Here: queries and the disk. Not here: what calls for an alert (transforms/alerting/system.py).
"""

import shutil
from datetime import datetime, timedelta

import polars as pl

from transforms.alerting import system
from transforms.alerting.causes import RULED

from ..inspection import restated_since_release
from ..lake import Lake
from ..lake_files import small_files
from .kept import Kept

# By the hour, so that a frame stays small: of each the 28 days up to when it was heard last,
# however long ago that was, or its silence would end by lasting. A device or clinic speaks by what
# is sent of it; one out of use need not. Hours first, by a number, for the hour of a moment with a
# zone costs more than all else.
_SPOKEN = """
WITH sent AS (
    SELECT device_id, clinic_id, epoch_us(ingested_at) // 3600000000 AS hour, max(ingested_at) AS newest_at
    FROM raw.telemetry GROUP BY ALL
), held AS (
    SELECT clinic_id, epoch_us(ingested_at) // 3600000000 AS hour, max(ingested_at) AS newest_at FROM raw.sessions GROUP BY ALL
), heard AS (
    SELECT 'silent_clinic' AS subject_kind, clinic_id AS subject_id, clinic_id, hour, newest_at
    FROM (SELECT * FROM held UNION ALL SELECT clinic_id, hour, newest_at FROM sent)
    WHERE clinic_id IS NOT NULL
    UNION ALL
    SELECT 'silent_device', device_id, clinic_id, hour, newest_at FROM sent
    WHERE device_id NOT IN (SELECT device_id FROM raw.devices WHERE retired_on <= (SELECT moment FROM instant)::DATE)
), last AS (SELECT subject_kind, subject_id, max(newest_at) AS last_at FROM heard GROUP BY ALL)
SELECT DISTINCT subject_kind, subject_id, clinic_id, make_timestamptz(hour * 3600000000) AS spoke_at
FROM heard JOIN last USING (subject_kind, subject_id) WHERE newest_at > last_at - to_days(28)"""
_TOPICS = """
WITH last AS (SELECT kafka_topic, max(landed_at) AS last_at FROM raw.ledger WHERE rows > 0 GROUP BY 1)
SELECT DISTINCT 'silent_topic' AS subject_kind, kafka_topic AS subject_id, NULL AS clinic_id,
    date_trunc('hour', landed_at) AS spoke_at
FROM raw.ledger JOIN last USING (kafka_topic)
WHERE rows > 0 AND landed_at > last_at - to_days(28) AND kafka_topic <> 'floe.alerts.v1'"""
# Tables that stand on an older data cut than the one in force
_BEHIND = """
SELECT c.table_name, s.snapshot_time AS holds_to
FROM app.cursors AS c JOIN ducklake_snapshots('lake') AS s ON s.snapshot_id = c.raw_snapshot
WHERE c.raw_snapshot < (SELECT max(lake_snapshot) FROM core.data_cut)"""
_KEPT = (
    "sessions",
    "telemetry",
    "adverse_events",
    "consults",
    "screenings",
    "deficiencies",
    "incidents",
)


def causes(kept: Kept, lake: Lake, settings, *, now: datetime) -> pl.DataFrame:
    """Every cause that the system itself shows now; columns of RULED."""
    disk, checks = shutil.disk_usage(settings.home), lake.table("mart.check_results")
    return pl.concat(
        [
            pl.DataFrame(schema=RULED),
            system.of_silence(_spoken(kept, lake, now=now), now=now),
            system.of_disk(free_bytes=disk.free, total_bytes=disk.total, now=now),
            system.of_clocks(_sources(kept, settings, now=now), now=now),
            system.of_checks(checks, now=now),
            system.of_marts(**_freshness(lake), now=now),
            system.of_tables(lake.sql(_BEHIND), checks=checks, now=now),
            system.of_restatements(restated_since_release(lake), now=now),
            system.of_comparisons(lake.table("app.comparisons"), now=now),
            system.of_small_files(_small_files(lake), now=now),
            system.of_upkeep_faults(lake.table("app.upkeep_faults"), now=now),
        ]
    )


def _spoken(kept: Kept, lake: Lake, *, now: datetime) -> pl.DataFrame:
    parts = [kept.query(_SPOKEN, instant=pl.DataFrame({"moment": [now]})), lake.sql(_TOPICS)]
    return pl.concat([part.cast(dict(system.SPOKEN)) for part in parts])


def _small_files(lake: Lake) -> pl.DataFrame:
    rows = [(one.table, one.small) for one in small_files(lake.rows)]
    schema = {"table_name": pl.String, "small_files": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _sources(kept: Kept, settings, *, now: datetime) -> pl.DataFrame:
    """Events that landed in the last hour, by source."""
    every = " UNION ALL ".join(
        f'SELECT source, event_time, ingested_at FROM raw."{name}"' for name in _KEPT
    )
    hour = pl.DataFrame({"moment": [now - timedelta(hours=1)]})
    return kept.query(
        f"""SELECT source, count(*) AS events, count(*) FILTER (
            event_time > ingested_at + to_minutes({settings.options.clock_tolerance_min})) AS in_future
        FROM ({every}) WHERE ingested_at >= (SELECT moment FROM hour) GROUP BY source""",
        hour=hour,
    )


def _freshness(lake: Lake) -> dict[str, datetime | None]:
    """When figures were last computed, and when the first event landed after that."""
    cut = lake.sql("SELECT max(started_at) AS moment FROM core.data_cut")["moment"][0]
    landed = lake.sql(
        "SELECT min(landed_at) AS moment FROM raw.ledger WHERE rows > 0 AND kafka_topic <> 'floe.alerts.v1' "
        "AND ($1 IS NULL OR landed_at > $1)",
        [cut],
    )["moment"][0]
    return {"landed_at": landed, "taken_in_at": cut}
