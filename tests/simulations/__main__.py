"""`python -m tests.simulations`: the level that intervals and p-values hold, written to
docs/coverage.md.

Here: what is run and where it is written. Not here: the simulations (coverage.py,
type_one_error.py), the tables (report.py). The same seed gives the same tables.
"""

import argparse
from pathlib import Path

from . import coverage, report, type_one_error

DOCUMENT = Path(__file__).parents[2] / "docs" / "coverage.md"
SEED = 2018


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=10_000, help="runs of each setting")
    parser.add_argument(
        "--slow-runs",
        type=int,
        help="runs of p-values that are a call each; as many where not given",
    )
    parser.add_argument("--to", type=Path, default=DOCUMENT, help="the document that is written")
    parser.add_argument(
        "--only", choices=report.PARTS, help="one part alone; the other keeps what the document has"
    )
    given = parser.parse_args()
    parts = (given.only,) if given.only else report.PARTS
    tables = {part: _TABLES[part](given.runs, given.slow_runs) for part in parts}
    report.write(given.to, tables, runs=given.runs)


def _coverage(runs: int, _: int | None) -> str:
    rows = []
    for k, setting in enumerate(coverage.settings()):
        rows.append(coverage.simulate(setting, runs=runs, seed=SEED + k))
        print(report.coverage_row(rows[-1]), flush=True)
    return report.coverage_tables(rows)


def _levels(runs: int, slow_runs: int | None) -> str:
    rows = []
    for row in type_one_error.run(runs, SEED, n_slow_runs=slow_runs):
        rows.append(row)
        print(report.level_row(row), flush=True)
    return report.level_table(rows)


_TABLES = {"coverage": _coverage, "level": _levels}

if __name__ == "__main__":
    main()
