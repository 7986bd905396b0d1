"""How fast the simulator makes events and readings, into a file.

Here: figures. Not here: any assertion (tests/ingest/test_simulate.py).
"""

import resource
import tempfile
import time
from pathlib import Path

from ingest.simulate import Plan, write_ndjson

from .results import record, scale


def run() -> None:
    full = Plan()
    patients, days = max(10, round(full.patients * scale())), max(60, round(full.days * scale()))
    _measure(Plan(patients=patients, days=days), name="demo")
    minutes = max(2, round(200 * scale()))
    _measure(
        Plan(patients=minutes, days=120, wearables_share=1.0, minute_level_share=1.0),
        name="minutes",
    )


def _measure(plan: Plan, *, name: str) -> None:
    """Figures of one plan written to a file on the temporary folder's disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.ndjson"
        started = time.perf_counter()
        truth = write_ndjson(plan, path)
        seconds = time.perf_counter() - started
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = (
        f"{plan.patients} patients, {plan.days} days, {truth.records:,} records, {truth.readings:,} readings, "
        f"{size / 1e6:.0f} MB in {seconds:.1f} s, peak {peak:.0f} MiB"
    )
    record(f"simulate_{name}_readings_per_s", truth.readings / seconds, "readings/s", what)
    record(f"simulate_{name}_events_per_s", truth.records / seconds, "events/s", what)
