"""Figures of the benchmarks: printed as a table with the machine, merged into .bench/results.json.

Here: one place that writes figures. Not here: what is measured.
"""

import json
import os
import platform
import statistics
from pathlib import Path

import psutil

FILE = Path(__file__).parents[2] / ".bench" / "results.json"


def scale() -> float:
    """BENCH_SCALE: 1 is the full size."""
    return float(os.environ.get("BENCH_SCALE", "0.1"))


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, shared and noisy"


def median(values: list[float]) -> float:
    return statistics.median(values)


def record(name: str, value: float, unit: str, conditions: str) -> None:
    """Prints one figure and puts it into the file in the place of an older one of that name."""
    FILE.parent.mkdir(exist_ok=True)
    figures = json.loads(FILE.read_text()) if FILE.exists() else []
    figures = [f for f in figures if f["name"] != name]
    figures.append(
        {"name": name, "value": value, "unit": unit, "conditions": f"{conditions}; {machine()}"}
    )
    FILE.write_text(json.dumps(sorted(figures, key=lambda f: f["name"]), indent=1) + "\n")
    print(f"{name:<34} {value:>14,.3f} {unit:<12} {conditions}")
