"""One step of upkeep: a call of DuckLake in the writers' turn, and as many rows after it as before.

Here: merging, rewriting and flushing one table's files, expiring some snapshots; each counted. Not
here: which step comes next (upkeep.py), what a step takes on (upkeep_plan.py).

Rows are counted with the turn held, so that nobody else writes meanwhile. An expiry is held against
the count inside its transaction and rolled back. What moves rows DuckLake writes into its catalog as it
commits, so that it is held against the count right after; a mismatch is written into
`app.upkeep_faults`, and from then on no file is removed and no snapshot expires: what was merged still
lies there.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb
import polars as pl

from transforms.errors import LakeDamaged
from transforms.schemas.app import UPKEEP_FAULTS

from ..lake_files import (
    files_now,
    newest_file,
    rows_as_of,
    rows_of_table,
    unlike_their_count,
)
from ..lake_upkeep import cleanup_call, expiry_call, flush_call, merge_calls, rewrite_call
from ..upkeep_plan import Merge
from .attached import AttachedLake
from .statements import in_transaction
from .writer import Writer


@dataclass(frozen=True)
class Step:
    """What one step did: `count` files taken, or snapshots; `turn_s`: how long it kept the writers'
    turn.
    """

    what: str
    table: str
    count: int
    turn_s: float


OnStep = Callable[[Step], None]


@dataclass
class Turn:
    """How long a turn was held, and what its statements gave."""

    began: float = field(default_factory=time.monotonic)
    moved: pl.DataFrame = field(default_factory=pl.DataFrame)
    seconds: float = 0.0


def merge_step(lake: AttachedLake, table: str, merge: Merge) -> Step:
    turn = _moved(lake, table, list(merge_calls(table, merge)), what="merge")
    return Step("merge", table, _files(turn.moved), turn.seconds)


def rewrite_step(lake: AttachedLake, table: str, threshold: float) -> Step:
    turn = _moved(lake, table, [rewrite_call(table, threshold)], what="rewrite")
    return Step("rewrite", table, _files(turn.moved), turn.seconds)


def flush_step(lake: AttachedLake, table: str) -> Step:
    schema, _, name = table.partition(".")
    turn = _moved(lake, table, [flush_call(schema, name)], what="flush")
    return Step("flush", table, int(turn.moved["rows_flushed"].sum()), turn.seconds)


def _files(moved: pl.DataFrame) -> int:
    return int(moved["files_processed"].sum()) if moved.height else 0


def _moved(lake: AttachedLake, table: str, calls: list[str], *, what: str) -> Turn:
    """Runs the calls in one transaction; the table has as many rows afterwards, and each file that it
    made as many as the catalog says.
    """

    def once(cursor: duckdb.DuckDBPyConnection) -> tuple[Turn, Fault | None]:
        with _turn(lake) as turn:
            with lake._lasting_in_turn(cursor) as new:
                before = _standing(cursor, table)
                for call in calls:
                    turn.moved = cursor.execute(call).pl()
                new.flush()
            return turn, lake._again(lambda: _fault(cursor, lake, before, what))

    turn, fault = lake._on_cursor(once)
    if fault:
        _tell(lake, fault)
    return turn


@contextmanager
def _turn(lake: AttachedLake) -> Iterator[Turn]:
    with lake._turn():
        turn = Turn()
        try:
            yield turn
        finally:
            turn.seconds = time.monotonic() - turn.began


@dataclass(frozen=True)
class _Standing:
    """Of a table before a step: its rows, the lake's newest snapshot and newest file."""

    table: str
    rows: int
    snapshot: int
    newest_file: int


def _standing(cursor, table: str) -> _Standing:
    return _Standing(table, rows_of_table(cursor, table), _newest(cursor), newest_file(cursor))


def _fault(cursor, lake: AttachedLake, before: _Standing, what: str) -> "Fault | None":
    with in_transaction(cursor):
        after = rows_of_table(cursor, before.table)
        unlike = unlike_their_count(cursor, lake._settings.data_path, after=before.newest_file)
    if after == before.rows and not unlike:
        return None
    detail = "; ".join(unlike) or None
    return Fault(what, before.table, before.snapshot, before.rows, after, detail)


@dataclass(frozen=True)
class Fault:
    """Rows that were another number after a step; `snapshot`: the lake's newest before it."""

    step: str
    table_name: str
    snapshot: int
    rows_before: int
    rows_after: int
    detail: str | None

    def __str__(self) -> str:
        more = f" ({self.detail})" if self.detail else ""
        return (
            f"upkeep stopped: after a step ({self.step}) {self.table_name} has {self.rows_after:,} rows, before it, at "
            f"snapshot {self.snapshot}, {self.rows_before:,}{more}. No file is removed and no snapshot expires from now on, so "
            "that what was there before still lies there: make a copy (floe backup), find what is lacking (floe verify "
            "--deep; floe mend lands it again from Kafka), then floe upkeep --after-fault"
        )


def _tell(lake: AttachedLake, fault: Fault) -> None:
    """Written down, and raised."""
    row = pl.DataFrame(
        [
            {
                "found_at": datetime.now(UTC),
                "step": fault.step,
                "table_name": fault.table_name,
                "snapshot_before": fault.snapshot,
                "rows_before": fault.rows_before,
                "rows_after": fault.rows_after,
                "detail": fault.detail,
            }
        ]
    )
    lake.write(lambda writer: _append(writer, row))
    raise LakeDamaged(str(fault))


def _append(writer: Writer, row: pl.DataFrame) -> None:
    writer.append(UPKEEP_FAULTS, UPKEEP_FAULTS.conform(row))


def _newest(cursor) -> int:
    (number,) = cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
    return number


def expiry_step(lake: AttachedLake, snapshots: list[int], *, kept: Collection[int]) -> Step:
    """Expires these; rolled back where a table, a file or a byte of the newest snapshot would go. Rows as
    of each of `kept` are as many after it.
    """

    def once(cursor: duckdb.DuckDBPyConnection) -> tuple[Turn, Fault | None]:
        with _turn(lake) as turn:
            earlier, newest = rows_as_of(cursor, kept), _newest(cursor)
            with in_transaction(cursor):
                before = files_now(cursor)
                turn.moved = cursor.execute(expiry_call(snapshots)).pl()
                if (after := files_now(cursor)) != before:
                    raise LakeDamaged(_refused(snapshots, before, after))
            return turn, lake._again(lambda: _lost(cursor, earlier, newest, before))

    turn, fault = lake._on_cursor(once)
    if fault:
        _tell(lake, fault)
    return Step("expire", "", turn.moved.height, turn.seconds)


def _lost(
    cursor, earlier: dict[int, int], newest: int, files: tuple[int, int, int]
) -> Fault | None:
    """What is not there any more of the snapshots that stay; `files`: those of the newest one before."""
    if (left := files_now(cursor)) != files:
        told = "all tables now (counted are files)"
        return Fault("expire", told, newest, files[1], left[1], None)
    now = rows_as_of(cursor, earlier)
    for snapshot, n_rows in earlier.items():
        if now[snapshot] != n_rows:
            return Fault(
                "expire",
                f"all tables as of snapshot {snapshot}",
                newest,
                n_rows,
                now[snapshot],
                None,
            )
    return None


def _refused(snapshots: list[int], before: tuple, after: tuple) -> str:
    told = "tables, files and bytes"
    return (
        f"upkeep stopped: without the snapshots {snapshots[0]} to {snapshots[-1]} the lake would have other {told} than now "
        f"({', '.join(f'{n:,}' for n in after)} for {', '.join(f'{n:,}' for n in before)}); none of them was expired. "
        "Keep a copy for whoever looks for the cause (floe backup)"
    )


def cleanup_step(lake: AttachedLake, older_than: datetime) -> Step:
    """Removes files that were given up before the moment."""

    def once(cursor: duckdb.DuckDBPyConnection) -> Turn:
        with _turn(lake) as turn, lake._lasting_in_turn(cursor):
            turn.moved = cursor.execute(cleanup_call(older_than)).pl()
        return turn

    turn = lake._on_cursor(once)
    return Step("remove", "", turn.moved.height, turn.seconds)
