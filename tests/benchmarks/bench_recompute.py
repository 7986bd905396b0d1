"""A full recompute of a year of minute-level wearables, beside DuckDB's bare scan and aggregation
of the same rows.

Here: 1,000 patients (times BENCH_SCALE), steps and heart rate every minute of a year, an event an
hour, written straight to the lake; one event in a hundred landed twice, one in two hundred sent
again in another event. From these rows core.activity_days and mart.adact are computed and stored.
Not here: ingest (bench_ingest).

Two bare aggregations of a sum a patient, metric and day: of the lists as they are stored, the
fastest that DuckDB does, which the ratio is of; and of unnested samples, as an analyst would write
it.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from ingest.lake import Lake
from ingest.settings import Settings
from transforms.core import CORE
from transforms.core_step import rows
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

from .results import median, record, scale

_PATIENTS, _DAYS, _TURNS = 1_000, 365, 3
_START = datetime(2025, 1, 1, tzinfo=UTC)
_WRITTEN_AT_ONCE = 30  # days, of all patients: files hold many patients, as they would

_EVENTS = """
INSERT INTO raw.readings BY NAME
WITH hours AS (
    SELECT p, h, m, hash(p, h, m) AS chance, CAST($start AS TIMESTAMPTZ) + to_hours(CAST(h AS INTEGER)) AS started_at
    FROM range($patients) patients(p), range($first * 24, $last * 24) hours(h), range(2) metrics(m)
),
sent AS (
    SELECT *, 0 AS copy, '' AS suffix FROM hours
    UNION ALL SELECT *, 1, '' FROM hours WHERE chance % 100 = 0
    UNION ALL SELECT *, 2, '-again' FROM hours WHERE chance % 200 = 1
)
SELECT 'floe.readings.v1' AS kafka_topic, 'bench' AS kafka_topic_id, CAST(p % 2 AS INTEGER) AS kafka_partition,
    ((h * 2 + m) * 3 + copy) * $patients + p AS kafka_offset, format('{}-{}-{}{}', p, h, m, suffix) AS event_id,
    'bench' AS "source", started_at + INTERVAL 1 HOUR AS event_time, 60 AS utc_offset_min,
    started_at + to_hours(CAST(2 + copy AS INTEGER)) AS ingested_at, format('P{}', p) AS patient_id,
    format('D{}', p) AS device_id, CASE m WHEN 0 THEN 'step_count' ELSE 'heart_rate' END AS metric,
    CASE m WHEN 0 THEN '{steps}' ELSE '/min' END AS unit, started_at, 60 AS started_utc_offset_min,
    60.0 AS interval_s, list_transform(range(60), lambda k: CASE
        WHEN m = 0 THEN CASE WHEN h % 24 < 6 OR hash(p, h, k) % 100 < 85 THEN 0.0 ELSE (hash(k, h, p) % 130)::DOUBLE END
        WHEN h % 24 >= 21 THEN NULL ELSE 55.0 + hash(h, p, k) % 60 END) AS "values"
FROM sent ORDER BY h // 24, p, h, m
"""
_LISTS = 'SELECT patient_id, metric, CAST(started_at AS DATE) AS day, sum(list_sum("values")) FROM raw.readings GROUP BY ALL'
_UNNESTED = """SELECT patient_id, metric, day, sum(value) FROM (
    SELECT patient_id, metric, CAST(started_at AS DATE) AS day, unnest("values") AS value
    FROM raw.readings) GROUP BY ALL"""


def run() -> None:
    patients = max(10, round(_PATIENTS * scale()))
    with tempfile.TemporaryDirectory() as folder, Lake.open(Settings(home=Path(folder))) as lake:
        readings = _write(lake, patients)
        bare = _seconds(lambda: lake.sql(_LISTS))
        unnested = _seconds(lambda: lake.sql(_UNNESTED), turns=1)
        core, mart = _seconds(lambda: _core(lake)), _seconds(lambda: _mart(lake))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        days = lake.table("core.activity_days").height
    if days < patients * _DAYS:
        raise AssertionError(f"{days} days computed, expected at least {patients * _DAYS}")
    _report(patients, readings, bare=bare, unnested=unnested, core=core, mart=mart, memory=memory)


def _write(lake: Lake, patients: int) -> int:
    """Fills the lake; gives the number of readings landed, copies and nulls included."""
    for first in range(0, _DAYS, _WRITTEN_AT_ONCE):
        given = {
            "start": _START,
            "patients": patients,
            "first": first,
            "last": min(first + _WRITTEN_AT_ONCE, _DAYS),
        }
        lake.write(lambda writer, given=given: writer.execute(_EVENTS, given))
    ids = [f"P{p}" for p in range(patients)]
    clinic = {"clinic_id": "C1", "timezone": "Europe/Berlin"}
    subject = {
        "STUDYID": "bench",
        "SITEID": "C1",
        "DAY1DT": date(2025, 1, 29),
        "TIMEZONE": "Europe/Berlin",
        "NSESS": 0,
    }
    for table, made in (
        (CORE_TABLES["clinics"], [clinic]),
        (CORE_TABLES["patients"], [{"patient_id": p, "clinic_id": "C1"} for p in ids]),
        (MART_TABLES["adsl"], [subject | {"USUBJID": p} for p in ids]),
    ):
        frame = pl.DataFrame(
            [dict.fromkeys(table.names) | row for row in made], schema=table.polars_schema
        )
        lake.write(lambda writer, table=table, frame=frame: writer.replace(table, frame))
    return int(lake.sql('SELECT sum(len("values")) FROM raw.readings').item())


def _core(lake: Lake) -> None:
    step = CORE["activity_days"]
    frame = rows(step, query=lake.sql, options=Options())
    lake.write(lambda writer: writer.replace(step.table, frame))


def _mart(lake: Lake) -> None:
    mart = MARTS["adact"]
    frames = {name.split(".")[1]: lake.table(name) for name in mart.inputs}
    cut = Cut(lake_snapshot=lake.snapshot(), data_cutoff=_START + timedelta(days=_DAYS))
    frame = mart.compute(None, **frames, options=Options(), cut=cut)
    lake.write(lambda writer: writer.replace(mart.table, frame))


def _seconds(work: Callable[[], object], turns: int = _TURNS) -> float:
    """Median seconds of some turns."""
    taken = []
    for _ in range(turns):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _report(
    patients: int,
    readings: int,
    *,
    bare: float,
    unnested: float,
    core: float,
    mart: float,
    memory: float,
) -> None:
    conditions = (
        f"{patients} patients, {readings:,} readings of a year, encrypted lake, medians of {_TURNS}"
    )
    print(f"{'bare, lists':<16} {bare:8.2f} s\n{'bare, unnested':<16} {unnested:8.2f} s (one turn)")
    print(f"{'activity_days':<16} {core:8.2f} s\n{'adact':<16} {mart:8.2f} s")
    seconds = core + mart
    record(
        "full_recompute_vs_duckdb_ratio",
        seconds / bare,
        "x",
        f"core.activity_days and mart.adact computed and "
        f"stored, over a sum of stored lists a patient, metric and day; {conditions}",
    )
    record(
        "full_recompute_vs_duckdb_unnested_ratio",
        seconds / unnested,
        "x",
        f"the same, over that sum of unnested samples; {conditions}",
    )
    record("full_recompute_readings_per_s", readings / seconds, "readings/s", conditions)
    record("full_recompute_peak_rss_mib", memory, "MiB", f"process of the benchmark; {conditions}")


if __name__ == "__main__":
    run()
