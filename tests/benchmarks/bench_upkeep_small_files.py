"""Upkeep of a lake that fell behind: thousands of small files in one table of readings, within 1 GB.

Here: seconds, peak memory, the longest turn, files left. Not here: that rows stay the same at each step
(ingest/test_upkeep.py). Each lake is made and tidied in processes of their own.
"""

import json
import subprocess
import sys
import tempfile

from ingest.lake_files import SMALL_FILE_BYTES

from .results import record, scale

_FILES = (1_000, 5_000, 10_000)
_EVENTS = 20  # of a file: more than stay in the catalog
_MAKE = """
import sys
from tests.small_files import make
make(sys.argv[1], files=int(sys.argv[2]), events=int(sys.argv[3]))
"""
_TIDY = """
import json, resource, sys, time
from tests.small_files import opened, readings_files
with opened(sys.argv[1], memory="1GB") as lake:
    rows, turns, began = lake.rows("SELECT count(*), sum(kafka_offset) FROM raw.readings"), [], time.monotonic()
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lake.upkeep(most_s=3600.0, on_step=lambda step: turns.append((step.turn_s, step.what)))
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    same = lake.rows("SELECT count(*), sum(kafka_offset) FROM raw.readings") == rows
    print(json.dumps([took, peak / 1024, max(turns)[0], len(turns), readings_files(lake), same, idle / 1024]))
"""


def run() -> None:
    for files in (max(100, int(n * scale())) for n in _FILES):
        with tempfile.TemporaryDirectory() as folder:
            _measure(folder, files)


def _measure(folder: str, files: int) -> None:
    _child(_MAKE, folder, files, _EVENTS)
    took, peak_mib, turn_s, steps, left, is_same, idle_mib = json.loads(_child(_TIDY, folder))
    if not is_same:
        raise SystemExit(f"{files} files: other rows after upkeep than before")
    what = f"{files:,} files of {_EVENTS} events of 60 readings in one table, {steps} steps, {left} files left"
    record(f"upkeep_small_files_{files}_s", took, "s", what)
    record(
        f"upkeep_small_files_{files}_peak_rss_mib",
        peak_mib,
        "MiB",
        f"{idle_mib:.0f} MiB before it began; FLOE_LAKE_MEMORY=1GB; {what}",
    )
    record(f"upkeep_small_files_{files}_longest_turn_s", turn_s, "s", what)
    record(
        f"upkeep_small_files_{files}_left",
        left,
        "files",
        f"below {SMALL_FILE_BYTES:,} bytes; {what}",
    )


def _child(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
