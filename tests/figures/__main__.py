"""`python -m tests.figures COMMIT`: whether each figure is what it was at a commit, on simulated
clinics and the trial.

Here: the records, the two computations. Not here: computing (computing.py), what differs
(comparing.py). The trial's events are read where they lie beside the project. Exit code 1 where
anything differs.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ingest.importers import replay
from ingest.simulate import Plan, simulate

from .comparing import differences

ROOT = Path(__file__).parents[2]
TRIAL = ROOT.parent / "shared" / "data" / "acupuncture.ndjson"
LANDED = datetime(2026, 12, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.figures", description=__doc__.splitlines()[0]
    )
    parser.add_argument("commit", help="what the figures of this checkout are held against")
    parser.add_argument("--patients", type=int, default=60, help="of the simulated clinics")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        _checkout(given.commit, Path(folder) / "before") as before,
    ):
        records = Path(folder) / "records"
        records.write_bytes(pickle.dumps((LANDED.isoformat(), list(_records(given.patients)))))
        tables = [
            _computed(code, records, Path(folder) / name)
            for name, code in (("old", before), ("new", ROOT))
        ]
    found = list(differences(*tables))
    for sentence in found:
        print(sentence)
    rows = sum(frame.height for frame in tables[1].values())
    print(
        f"{len(tables[1])} tables, {rows:,} rows: "
        + ("they differ" if found else f"all as at {given.commit}")
    )
    sys.exit(1 if found else 0)


def _records(patients: int) -> Iterator[tuple]:
    yield from simulate(Plan(clinics=3, patients=patients, days=200, seed=7))
    if TRIAL.exists():
        yield from replay([TRIAL])
    else:
        print(f"without the trial: {TRIAL.name} is not beside the project", file=sys.stderr)


@contextmanager
def _checkout(commit: str, folder: Path) -> Iterator[Path]:
    subprocess.run(
        ["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", folder, commit], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", folder], check=True)


def _computed(code: Path, records: Path, folder: Path) -> dict[str, pl.DataFrame]:
    folder.mkdir()
    script = Path(__file__).with_name("computing.py")
    subprocess.run(
        [sys.executable, "-P", script, records, folder],
        cwd=code,
        env=os.environ | {"PYTHONPATH": str(code)},
        check=True,
    )
    return {file.stem: pl.read_parquet(file) for file in folder.glob("*.parquet")}


if __name__ == "__main__":
    main()
