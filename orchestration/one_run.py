"""What one run that brings core and mart up to date knows: the cut, the cursors, what changed.

Here: each asked of the lake once. Not here: what follows from it (following.py), the computing
(assets/), tables that several steps read (ingest/lake/read_once.py), who may run (resources.py).
"""

from collections.abc import Callable
from functools import cached_property

import polars as pl

from ingest.inspection import raw_as_of
from ingest.lake import Lake
from transforms.options import Cut
from transforms.schemas import MART_TABLES, Table

from .cut import read_cut
from .following import CURSORS, Cursor

_CHECK_RESULTS = MART_TABLES["check_results"].full_name


class Run:
    """One run, which alone writes core and mart. Nothing of it is asked before the data cut is
    taken.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._written: set[str] = set()
        self._current: set[str] = set()

    # --- what stands ------------------------------------------------------------------------------

    @cached_property
    def cut(self) -> Cut:
        return read_cut(self.lake)

    @cached_property
    def cursors(self) -> dict[str, Cursor]:
        rows = self.lake.table(CURSORS.full_name).iter_rows(named=True)
        return {row["table_name"]: Cursor(**row) for row in rows}

    @cached_property
    def _checks(self) -> pl.DataFrame:
        return self.lake.table(_CHECK_RESULTS)

    def checks(self, table: Table) -> pl.DataFrame:
        """What the checks found when the table was last computed before this run."""
        return self._checks.filter(pl.col("table") == table.full_name)

    # --- what changed -----------------------------------------------------------------------------

    @cached_property
    def _changes(self) -> list[tuple[int, frozenset[str]]]:
        snapshots = [s for c in self.cursors.values() for s in (c.raw_snapshot, c.read_at)]
        return self.lake.changes_by_snapshot(after=min(snapshots, default=0))

    def changed(self, after: int) -> frozenset[str] | None:
        """Tables of which rows came, changed or went after a snapshot, by this run too; None where
        the lake does not know any more.
        """
        if self._changes and after + 1 < self._changes[0][0]:
            return None
        since = (names for snapshot, names in self._changes if snapshot > after)
        return frozenset(self._written).union(*since)

    def touched_by_others(self, after: int) -> frozenset[str]:
        """Tables of which rows changed after a snapshot in one that wrote no cursor."""
        since = [names for snapshot, names in self._changes if snapshot > after]
        return frozenset().union(*(names for names in since if CURSORS.full_name not in names))

    def is_written(self, table: Table) -> None:
        """Rows of the table changed in this run."""
        self._written.add(table.full_name)

    def is_current(self, table: Table) -> None:
        """The table was found as it would be computed now."""
        self._current.add(table.full_name)

    def advance(self) -> None:
        """The cursors of tables that were found current stand where those of computed ones do."""
        rows = pl.DataFrame({"table_name": sorted(self._current)}, schema={"table_name": pl.String})
        if rows.is_empty():
            return
        read_at = self.lake.snapshot()
        self.lake.write(
            lambda w: w.execute(
                f"""UPDATE {CURSORS.full_name} SET raw_snapshot = $1, data_cutoff = $2, read_at = $3
                    WHERE table_name IN (SELECT table_name FROM rows)""",
                [self.cut.lake_snapshot, self.cut.data_cutoff, read_at],
                rows=rows,
            )
        )

    @cached_property
    def query(self) -> Callable[..., pl.DataFrame]:
        """`lake.sql`, for which raw stands still at the data cut."""
        return raw_as_of(self.lake, self.cut.lake_snapshot)
