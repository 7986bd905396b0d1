"""What a minute of events costs, beside a full run, beside more history, beside more patients.

Here: sites of several sizes, each in a process of its own (incremental_site.py), and the ratios. Not
here: readings by the million (bench_recompute). 2,400 patients and 270 days are the full size; the
simulation's wearables give some 130 readings a patient-day. At a scale under 0.05 it is a handful of
patients, and one minute: that the benchmark runs is then all that it shows.
"""

import json
import os
import subprocess
import sys
import tempfile

from .results import record, scale

_PATIENTS, _DAYS = 2_400, 270
_SHORT, _LONG = 3, 300  # days of history
_SMALL = 0.05


def run() -> None:
    is_small = scale() < _SMALL
    many, days = (4, 10) if is_small else (max(20, round(_PATIENTS * scale())), _DAYS)
    few = max(2, many // 10)
    short, long = (days, days) if is_small else (_SHORT, _LONG)
    sizes = {(many, days), (few, days), (few, short), (few, long)}
    sites = {size: _site(*size, minutes=1 if is_small else 3) for size in sorted(sizes)}
    large, small = sites[many, days], sites[few, days]
    young, old = sites[few, short], sites[few, long]
    of_large = (
        f"{many} patients, {days} days, {large['records']:,} records, {large['events']} events"
    )
    record("small_change_s", large["small_s"], "s", f"{of_large}; without Dagster, median")
    record("full_recompute_s", large["full_s"], "s", f"{of_large}; without Dagster, one run")
    ratio = large["small_s"] / large["full_s"]
    record("small_change_vs_full_ratio", ratio, "x", of_large)
    growth = old["small_without_models_s"] / young["small_without_models_s"]
    of_days = f"{few} patients, {long} days over {short}; models of everybody apart"
    record(f"incremental_growth_1_to_{long // short}", growth, "x", of_days)
    growth = large["small_without_models_s"] / small["small_without_models_s"]
    of_patients = f"{many} patients over {few}, {days} days; models of everybody apart"
    record("incremental_growth_10x_patients", growth, "x", of_patients)
    for patients, figures in ((few, small), (many, large)):
        name = f"materialize_peak_rss_{patients}_patients_mib"
        record(name, figures["peak_rss_mib"], "MiB", f"{patients} patients, {days} days")


def _site(patients: int, days: int, *, minutes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        sizes = [str(size) for size in (patients, days, minutes)]
        words = ["-m", "tests.benchmarks.incremental_site", *sizes]
        answer = subprocess.run(
            [sys.executable, *words],
            env=os.environ | {"FLOE_HOME": home},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    run()
