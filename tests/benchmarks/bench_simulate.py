"""How fast the simulator makes events and readings, into a file.

Here: figures, printed, one JSON object a line. Not here: any assertion (tests/ingest/test_simulate.py).
Run: python -m tests.benchmarks.bench_simulate, or the file itself; BENCH_SCALE sizes it.
"""

import json
import os
import resource
import tempfile
import time
from pathlib import Path

from ingest.simulate import Plan, write_ndjson


def measure(plan: Plan, *, name: str) -> list[dict]:
    """Figures of one plan written to a file on the temporary folder's disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.ndjson"
        started = time.perf_counter()
        truth = write_ndjson(plan, path)
        seconds = time.perf_counter() - started
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    conditions = (f"{plan.patients} patients, {plan.days} days, {truth.records} records, {truth.readings} readings, "
                  f"{size / 1e6:.0f} MB in {seconds:.1f} s, peak {peak:.0f} MiB")  # fmt: skip
    return [
        {"name": f"simulate_{name}_readings_per_s", "value": round(truth.readings / seconds), "unit": "1/s",
         "conditions": conditions},
        {"name": f"simulate_{name}_events_per_s", "value": round(truth.records / seconds), "unit": "1/s",
         "conditions": conditions},
    ]  # fmt: skip


def main() -> list[dict]:
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    figures = measure(Plan(), name="demo")
    size = max(round(200 * scale), 1)
    figures += measure(Plan(patients=size, days=120, wearables_share=1.0, minute_level_share=1.0), name="minutes")
    for figure in figures:
        print(json.dumps(figure))
    return figures


if __name__ == "__main__":
    main()
