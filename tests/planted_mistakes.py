"""Mistakes of each kind, planted one by one in a copy of the checkout, and the tests that stop each:
`python -m tests.planted_mistakes`.

Here: each mistake as an edit of one line, where it is, who must see it. Not here: those that tests
plant themselves (of items: transforms/facts/test_contract.py; of readers: test_who_reads.py; of
columns that say nothing: dashboards/test_gate.py).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FACTS, _OF_FACTS = "transforms/facts", "tests/transforms/facts"
_FAILED = 1  # pytest's exit code where tests ran and one of them failed


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """`right`, a text that stands once in `file`, becomes `wrong`; a test of `stopped_by` fails."""

    what: str
    file: str
    right: str
    wrong: str
    stopped_by: str


MISTAKES = (
    Mistake(
        what="a restriction that is missing",
        file=f"{_FACTS}/restrictions.py",
        right='        Restriction(id="grade_2", words="grade 2 or more", min_grade=MODERATE_GRADE),\n',
        wrong="",
        stopped_by=f"{_OF_FACTS}/test_restrictions.py",
    ),
    Mistake(
        what="a restriction by another's flag",
        file=f"{_FACTS}/restrictions.py",
        right='flag="AERELFL"',
        wrong='flag="AESER"',
        stopped_by=f"{_OF_FACTS}/test_restrictions.py",
    ),
    Mistake(
        what="an instrument's item too few",
        file=f"{_FACTS}/instruments.py",
        right='_numbered("q", 24, (0, 1))',
        wrong='_numbered("q", 23, (0, 1))',
        stopped_by=f"{_OF_FACTS}/test_contract.py",
    ),
    Mistake(
        what="a visit's window that is a day too long",
        file=f"{_FACTS}/visits.py",
        right='Visit("Week 4", 29, 15, 42)',
        wrong='Visit("Week 4", 29, 15, 43)',
        stopped_by=f"{_OF_FACTS}/test_contract.py",
    ),
    Mistake(
        what="a limit's margin",
        file=f"{_FACTS}/limits.py",
        right="margin=5.0",
        wrong="margin=5.5",
        stopped_by=f"{_OF_FACTS}/test_contract.py",
    ),
    Mistake(
        what="a limit's floor",
        file=f"{_FACTS}/limits.py",
        right="Floor(value=19.5,",
        wrong="Floor(value=19.4,",
        stopped_by=f"{_OF_FACTS}/test_contract.py",
    ),
    Mistake(
        what="the tier of a limit's floor",
        file=f"{_FACTS}/limits.py",
        right='Floor(value="skin_red_c", tier="now"',
        wrong='Floor(value="skin_red_c", tier="today"',
        stopped_by=f"{_OF_FACTS}/test_contract.py",
    ),
    Mistake(
        what="a limit of which no share of sessions is computed",
        file="transforms/marts/cohort_sessions.py",
        right='pl.col(limit.flag) == "Y") for limit in LIMITS.values())',
        wrong='pl.col(limit.flag) == "Y") for limit in [*LIMITS.values()][1:])',
        stopped_by=f"{_OF_FACTS}/test_one_record.py",
    ),
    Mistake(
        what="a metric of wearables of which no day is computed",
        file=f"{_FACTS}/measurements.py",
        right='        metric="heart_rate",\n',
        wrong='        metric="heart_rate_variability_sdnn",\n',
        stopped_by=f"{_OF_FACTS}/test_one_record.py",
    ),
    Mistake(
        what="a state of sessions that exposes nobody any more",
        file=f"{_FACTS}/sessions.py",
        right='SessionState(id="aborted", is_begun=True)',
        wrong='SessionState(id="aborted")',
        stopped_by="tests/transforms/marts/test_adae.py",
    ),
    Mistake(
        what="a column that nobody fills, reads or says what it is to outsiders",
        file="transforms/schemas/mart/adverse_events.py",
        right='        Column("AENDTM", T, "resolution"),\n',
        wrong='        Column("AENDTM", T, "resolution"),\n        Column("AEGONE", T, "gone"),\n',
        stopped_by="tests/test_who_reads.py",
    ),
    Mistake(
        what="a clinic where an event happened that is the enrolling one",
        file="transforms/rules/event_places.py",
        right='pl.coalesce("clinic_id", "_session_clinic", "home_clinic_id")',
        wrong='pl.coalesce("clinic_id", "home_clinic_id", "_session_clinic")',
        stopped_by="tests/transforms/marts/test_adae.py",
    ),
    Mistake(
        what="rows that are stored though a check of them fails",
        file="orchestration/assets/build.py",
        right='    if not checks["is_passed"].all():\n',
        wrong="    if not checks.height:\n",
        stopped_by="tests/orchestration/test_checks_that_fail.py",
    ),
)


def main(words: list[str]) -> int:
    """Plants those of which the name holds a word given, or all; says what became of each."""
    chosen = [m for m in MISTAKES if not words or any(word in m.what for word in words)]
    unstopped = 0
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        _copy_to(Path(folder))
        for mistake in chosen:
            stopped = list(_stopping(mistake, Path(folder)))
            unstopped += not stopped
            print(f"{mistake.what}: {stopped[0] if stopped else 'NOT STOPPED'}", flush=True)
    return min(unstopped, 1)


def _copy_to(folder: Path) -> None:
    """The checkout's own files, as they stand."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    tar = ["tar", "--create", "--null", "--files-from=-", "--file=-"]
    packed = subprocess.run(tar, cwd=ROOT, input=names.stdout, capture_output=True, check=True)
    subprocess.run(["tar", "--extract"], cwd=folder, input=packed.stdout, check=True)


def _stopping(mistake: Mistake, folder: Path) -> Iterator[str]:
    """The names of tests that fail with the mistake in the copy, up to the first."""
    file = folder / mistake.file
    text = file.read_text(encoding="utf-8")
    if text.count(mistake.right) != 1:
        raise SystemExit(f"{mistake.what}: {mistake.file} does not have {mistake.right!r} once")
    file.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")
    words = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mistake.stopped_by]
    run = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    file.write_text(text, encoding="utf-8")
    if run.returncode == _FAILED:
        yield from (line for line in run.stdout.splitlines() if line.startswith("FAILED"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
