"""Every benchmark can be run by its runner.

Here: what the runner calls, asked of each module. Not here: running them (`make bench`; CI runs all
at a small scale).
"""

import importlib
import inspect
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parent / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_each_benchmark_has_what_the_runner_calls(name):
    """A function `run` that needs no argument; its size comes from BENCH_SCALE alone."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    required = [
        p for p in inspect.signature(module.run).parameters.values() if p.default is p.empty
    ]
    assert required == []
    assert "scale" in vars(module), "its size comes from results.scale, so that CI can run it small"


def test_there_are_benchmarks():
    """The list above is not empty by mistake."""
    assert len(MODULES) >= 5
