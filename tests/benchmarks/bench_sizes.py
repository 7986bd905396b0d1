"""What the page on sizes (docs/sizes.md) multiplies: of simulated clinics the bytes of a reading on the disk,
records a patient-day, records landed a second, commits a second.

Here: the figures, each in a lake of its own process. Not here: from Kafka into the lake (bench_ingest.py),
changes (bench_incremental.py), small files (bench_upkeep_small_files.py).
"""

import json
import subprocess
import sys
import tempfile

from .results import record, scale

_PATIENTS, _DAYS = 240, 60
_MEASURE = """
import json, os, sys, time
from datetime import UTC, datetime
from pathlib import Path
os.environ["FLOE_HOME"] = sys.argv[1]
from ingest.lake import Lake
from ingest.lake_catalog import METADATA
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from tests.benchmarks.incremental_site import land_all
from tests.small_files import batch, NOW
from ingest.landing import land, prepare
patients, days = int(sys.argv[2]), int(sys.argv[3])
dense = dict(wearables_share=1.0, minute_level_share=1.0, overlapping_clinics=0)
records = list(simulate(Plan(clinics=max(2, patients // 100), patients=patients, days=days, **dense)))
landed, began = 0, time.perf_counter()
for first in range(0, len(records), 32_000):
    landed = land_all(records[first:first + 32_000], landed)
land_s = time.perf_counter() - began
with Lake.open(Settings()) as lake:
    lake.upkeep()
    bytes_of = dict(lake.rows(
        f"SELECT t.table_name, sum(f.file_size_bytes)::BIGINT FROM {METADATA}.ducklake_data_file f "
        f"JOIN {METADATA}.ducklake_table t USING (table_id) WHERE f.end_snapshot IS NULL AND t.end_snapshot IS NULL GROUP BY 1"))
    readings = lake.rows("SELECT count(*) FROM raw.readings_long")[0][0]
with Lake.open(Settings()) as lake:
    began, commits = time.perf_counter(), 0
    while time.perf_counter() - began < 10:
        land(lake, prepare([batch(20 * commits, 20)], now=NOW))
        commits += 1
    commit_s = (time.perf_counter() - began) / commits
    lake.upkeep()
    stored = sum(lake.rows(f"SELECT sum(file_size_bytes)::BIGINT FROM {METADATA}.ducklake_data_file WHERE end_snapshot IS NULL")[0])
raw = sum(len(value or b"") for _, _, value in records)
print(json.dumps(dict(records=len(records), readings=readings, raw=raw, bytes_of=bytes_of, stored=stored,
                      land_s=land_s, commit_s=commit_s)))
"""


def run() -> None:
    patients, days = max(20, int(_PATIENTS * scale())), max(20, int(_DAYS * scale()))
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, home, str(patients), str(days)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout.splitlines()[-1])
    patient_days = patients * days
    what = f"{patients} simulated patients who all wear a device of minutes, {days} days, {told['records']:,} records, {told['readings']:,} readings"
    in_raw = told["bytes_of"]["readings"]
    figures = (
        ("sizes_readings_per_patient_day", told["readings"] / patient_days, "readings/day"),
        ("sizes_records_per_patient_day", told["records"] / patient_days, "records/day"),
        ("sizes_sent_bytes_per_patient_day", told["raw"] / patient_days, "bytes/day"),
        ("sizes_bytes_per_reading", in_raw / told["readings"], "bytes"),
        ("sizes_stored_bytes_per_patient_day", told["stored"] / patient_days, "bytes/day"),
        ("sizes_landed_records_per_s", told["records"] / told["land_s"], "records/s"),
        ("sizes_commits_per_s", 1 / told["commit_s"], "1/s"),
    )
    for name, value, unit in figures:
        record(name, value, unit, what)
