"""Upkeep of the lake: rows into files, small files into larger ones, snapshots and files that nobody
needs removed.

Here: which step comes next, until nothing is due or the time is over. Not here: a step (steps.py), how
much it takes on (upkeep_plan.py), the calls as SQL texts (lake_upkeep.py).

Between two steps the writers' turn is free: who waits for it has it before the next step.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from transforms.errors import LakeDamaged
from transforms.schemas.app import UPKEEP_FAULTS

from ..lake_attach import catalog_file
from ..lake_catalog import named_files, scheduled_files
from ..lake_checksums import forget, gone_notes, missing_marks, note
from ..lake_files import (
    DataFile,
    expired_candidates,
    files_by_table,
    named_by_releases,
    oldest_followed,
    scheduled_moments,
)
from ..lake_upkeep import inlined_tables
from ..turns import removing_files
from ..upkeep_plan import Pace, due_merges, next_merge, next_rewrite
from .attached import AttachedLake
from .steps import (
    Fault,
    OnStep,
    Step,
    cleanup_step,
    expiry_step,
    flush_step,
    merge_step,
    rewrite_step,
)

# a file that no snapshot names any more may still be open in a long reader
_GRACE = timedelta(days=1)
_SNAPSHOTS_A_STEP = 400
_REMOVED_A_STEP = 500
_NOTES_A_STEP = 100
# Rows of one flush, which can't be parted, in a turn of about a second.
_FLUSHED_ROWS = 100_000


@dataclass(frozen=True)
class Choice:
    """What one upkeep does. `expire_before`, `keep`, `named`: see `Lake.upkeep`. `most_s`: seconds after
    which no further step of merging begins. `may_be_long`: steps that keep the turn for more than about
    a second may be taken.
    """

    expire_before: int | None = None
    keep: timedelta = timedelta(days=7)
    named: Collection[int] = ()
    most_s: float = 600.0
    may_be_long: bool = True
    on_step: OnStep = lambda step: None


COUNTS = (
    "flushed_rows",
    "merged_files",
    "rewritten_files",
    "expired_snapshots",
    "noted_files",
    "removed_files",
    "removed_leftovers",
    "left_for_quiet_hours",
)


def run_upkeep(lake: AttachedLake, choice: Choice) -> dict[str, int]:
    """Counts of what each kind of step did; see `Lake.upkeep`. LakeDamaged where a step found other rows
    than before, now or in an earlier run that nobody has looked after yet.
    """
    lake._on_cursor(_require_no_fault)
    upkeep = _Upkeep(lake, choice)
    with _nothing_kept(lake):
        for part in (
            upkeep.flush,
            upkeep.merge,
            upkeep.rewrite,
            upkeep.expire,
            upkeep.note_files,
            upkeep.remove,
        ):
            part()
    return {name: upkeep.counts[name] for name in COUNTS}


@contextmanager
def _nothing_kept(lake: AttachedLake) -> Iterator[None]:
    """Each file is read once: DuckDB kept them all in memory, up to its limit (1.2 GB after 5,000)."""
    lake._connection.execute("SET GLOBAL enable_external_file_cache = false")
    try:
        yield
    finally:
        lake._connection.execute("SET GLOBAL enable_external_file_cache = true")


def _require_no_fault(cursor: duckdb.DuckDBPyConnection) -> None:
    rows = cursor.execute(
        f"""SELECT step, table_name, snapshot_before, rows_before, rows_after, detail
            FROM {UPKEEP_FAULTS.full_name} ORDER BY found_at LIMIT 1"""
    ).fetchall()
    for row in rows:
        raise LakeDamaged(str(Fault(*row)))


class _Upkeep:
    """One run: what it still may do, and what it has done."""

    def __init__(self, lake: AttachedLake, choice: Choice) -> None:
        self._lake = lake
        self._choice = choice
        self._ends_at = time.monotonic() + choice.most_s
        self.counts: Counter[str] = Counter()

    def _is_time(self) -> bool:
        return time.monotonic() < self._ends_at

    def _did(self, name: str, step: Step) -> Step:
        self.counts[name] += step.count
        self._choice.on_step(step)
        return step

    def flush(self) -> None:
        for schema, table, n_rows in self._lake._on_cursor(inlined_tables):
            if n_rows > _FLUSHED_ROWS and not self._choice.may_be_long:
                self.counts["left_for_quiet_hours"] += 1
                continue
            self._did("flushed_rows", flush_step(self._lake, f"{schema}.{table}"))

    def merge(self) -> None:
        """The table with most files to merge first, one after the other."""
        by_table = self._files()
        for table in sorted(by_table, key=lambda name: (-due_merges(by_table[name]), name)):
            self._merge_table(table, by_table[table])

    def _merge_table(self, table: str, files: list[DataFile]) -> None:
        """What lands meanwhile is for the next run: else a table in which something lands during each step
        would have no end.
        """
        pace, left = Pace(), 2 * due_merges(files)
        while left > 0 and self._is_time() and (merge := next_merge(files, pace)):
            step = self._did("merged_files", merge_step(self._lake, table, merge))
            if not step.count:
                return  # DuckLake sees nothing to merge there
            left -= step.count
            pace.took(step.turn_s)
            files = self._files(table).get(table, [])

    def _files(self, table: str | None = None) -> dict[str, list[DataFile]]:
        kind = self._lake._settings.catalog_uri.partition(":")[0]
        return self._lake._on_cursor(lambda cursor: files_by_table(cursor, kind, table))

    def rewrite(self) -> None:
        for table, files in self._files().items():
            self._rewrite_table(table, files)

    def _rewrite_table(self, table: str, files: list[DataFile]) -> None:
        pace = Pace()
        while self._is_time() and (rewrite := next_rewrite(files, pace)):
            if rewrite.is_long and not self._choice.may_be_long:
                self.counts["left_for_quiet_hours"] += 1
                return
            step = self._did("rewritten_files", rewrite_step(self._lake, table, rewrite.threshold))
            if not step.count:
                return
            pace.took(step.turn_s)
            files = self._files(table).get(table, [])

    def expire(self) -> None:
        """Never one from which a table is followed, or that a release names, whatever was asked for."""
        if self._choice.expire_before is None:
            return
        old, kept = self._lake._on_cursor(self._expirable)
        pace = Pace()
        while old:
            number = max(1, int(_SNAPSHOTS_A_STEP * pace.part))
            some, old = old[:number], old[number:]
            step = self._did("expired_snapshots", expiry_step(self._lake, some, kept=kept))
            pace.took(step.turn_s)

    def _expirable(self, cursor: duckdb.DuckDBPyConnection) -> tuple[list[int], set[int]]:
        followed, released = oldest_followed(cursor), named_by_releases(cursor)
        (newest,) = cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
        before = min(at for at in (self._choice.expire_before, newest, followed) if at is not None)
        named = set(self._choice.named) | released
        kept_from = datetime.now(UTC) - self._choice.keep
        old = expired_candidates(cursor, before=before, kept_from=kept_from, named=named)
        return old, {at for at in named | {before, newest} if at <= newest}

    def note_files(self) -> None:
        """Notes what compaction made, and what an earlier release or S3 left without a note; read without
        the turn.
        """
        path = self._lake._settings.data_path
        marks = self._lake._on_cursor(lambda cursor: list(missing_marks(cursor, path)))
        for some in _parts(marks, _NOTES_A_STEP):
            self._lake.write(lambda writer, some=some: note(writer._cursor, some))
            self.counts["noted_files"] += len(some)
        gone = self._lake._on_cursor(gone_notes)
        for some in _parts(gone, 10 * _NOTES_A_STEP):
            self._lake.write(lambda writer, some=some: forget(writer._cursor, some))

    def remove(self) -> None:
        """Not while a backup copies the files."""
        file = catalog_file(self._lake._settings)
        with removing_files(file) if file else nullcontext(True) as may_remove:
            if may_remove:
                self._remove_given_up()
                self.counts["removed_leftovers"] += self._lake._on_cursor(
                    lambda cursor: _remove_leftovers(self._lake, cursor)
                )

    def _remove_given_up(self) -> None:
        before = datetime.now(UTC) - _GRACE
        self._lake._on_cursor(_require_given_up)
        moments = self._lake._on_cursor(lambda cursor: scheduled_moments(cursor, before=before))
        for older_than in _bounds(moments, before):
            self._did("removed_files", cleanup_step(self._lake, older_than))


def _require_given_up(cursor: duckdb.DuckDBPyConnection) -> None:
    """LakeDamaged where the catalog both names a file and has given it up: it would be removed."""
    named = {file.path for file in named_files(cursor)}
    if wrong := sorted(named & scheduled_files(cursor)):
        raise LakeDamaged(
            f"upkeep stopped: {len(wrong):,} files that a snapshot reads stand in the catalog as given up, such as "
            f"{wrong[0]}; none was removed. Keep a copy for whoever looks for the cause (floe backup)"
        )


def _bounds(moments: Sequence[tuple[datetime, int]], before: datetime) -> Iterator[datetime]:
    """Moments before each of which some hundred files were given up that were not before the last one."""
    files = 0
    for moment, number in moments:
        if files >= _REMOVED_A_STEP:
            yield moment
            files = 0
        files += number
    if files:
        yield before


def _remove_leftovers(lake: AttachedLake, cursor: duckdb.DuckDBPyConnection) -> int:
    """Files of transactions that were interrupted, a day after; never any other that no catalog
    names.
    """
    if not lake._folder:
        return 0
    with lake._turn():
        named = {file.path for file in named_files(cursor)} | scheduled_files(cursor)
        before = datetime.now(UTC) - _GRACE
        return lake._folder.remove_leftovers(named, before=before.timestamp())


def _parts(items: Sequence, size: int) -> Iterator[Sequence]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
