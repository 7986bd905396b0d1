"""Upkeep of the lake: rows into files, small files into larger ones, snapshots and files that nobody
needs removed.

Here: the steps and their order. Not here: the calls as SQL texts (lake_upkeep.py).
"""

from collections.abc import Collection
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl

from ..lake_attach import catalog_file
from ..lake_catalog import named_files, scheduled_files
from ..lake_checksums import forget_removed, missing_marks, note
from ..lake_upkeep import cleanup_call, flush_call, inlined_tables, upkeep_calls
from ..turns import removing_files
from .attached import AttachedLake
from .writer import Writer

# a file that no snapshot names any more may still be open in a long reader
_GRACE = timedelta(days=1)


def run_upkeep(
    lake: AttachedLake, expire_before: int | None, *, keep: timedelta, named: Collection[int]
) -> dict[str, int]:
    """Counts of what each step did; see `Lake.upkeep`."""
    inlined = lake._on_cursor(inlined_tables)
    counts = {"flushed_rows": sum(_flush(lake, *table) for table in inlined)}
    for name, call in upkeep_calls():
        counts[name] = _maintain(lake, call).height
    counts["expired_snapshots"] = 0
    if expire_before is not None:
        counts["expired_snapshots"] = _expire(lake, expire_before, keep=keep, named=named)
    counts["noted_files"] = _note_files(lake)
    file = catalog_file(lake._settings)
    # not while a backup copies them
    with removing_files(file) if file else nullcontext(True) as may_remove:
        counts |= _remove(lake) if may_remove else {"removed_files": 0, "removed_leftovers": 0}
    return counts


def _maintain(lake: AttachedLake, call: str) -> pl.DataFrame:
    """Compaction can't share its transaction with a note of its files: the next write makes
    it.
    """

    def once(cursor: duckdb.DuckDBPyConnection) -> pl.DataFrame:
        with lake._lasting(cursor) as new:
            result = cursor.execute(call).pl()
            new.flush()
            return result

    return lake._on_cursor(once)


def _flush(lake: AttachedLake, schema: str, table: str) -> int:
    moved = _maintain(lake, flush_call(schema, table))
    n_rows = moved["rows_flushed"].sum()
    return int(n_rows)


def _note_files(lake: AttachedLake) -> int:
    """Notes what compaction made, and what an earlier release or S3 left without a note."""

    def work(writer: Writer) -> int:
        forget_removed(writer._cursor)
        marks = list(missing_marks(writer._cursor, lake._settings.data_path))
        note(writer._cursor, marks)
        return len(marks)

    return lake.write(work)


def _remove(lake: AttachedLake) -> dict[str, int]:
    removed = _maintain(lake, cleanup_call(datetime.now(UTC) - _GRACE)).height
    leftovers = lake._on_cursor(lambda cursor: _remove_leftovers(lake, cursor))
    return {"removed_files": removed, "removed_leftovers": leftovers}


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


def _expire(
    lake: AttachedLake, expire_before: int, *, keep: timedelta, named: Collection[int]
) -> int:
    newest, kept_from = lake.snapshot(), datetime.now(UTC) - keep
    old = lake.sql(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_id < ? AND snapshot_time < ?",
        [min(expire_before, newest), kept_from],
    )["snapshot_id"].to_list()
    old = [snapshot for snapshot in old if snapshot not in set(named)]
    if old:
        _maintain(lake, f"CALL ducklake_expire_snapshots('lake', versions => {old})")
    return len(old)
