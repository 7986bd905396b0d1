"""`make bench`: every benchmark of this folder, one after the other; or those named as arguments.

Here: finding and running them. Not here: what they measure (bench_*.py, each with a function
`run`).
"""

import importlib
import sys
from pathlib import Path

from .results import machine, scale

names = sys.argv[1:] or sorted(
    p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py")
)
print(f"machine: {machine()}; BENCH_SCALE={scale():g}")
for name in names:
    print(f"\n{name}")
    importlib.import_module(f"tests.benchmarks.bench_{name}").run()
