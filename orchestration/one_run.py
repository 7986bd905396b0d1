"""What one run that brings core and mart up to date knows: the cut, the cursors, what changed.

Here: each asked of the lake once. Not here: what follows from it (following.py), the computing
(assets/), tables that several steps read (ingest/lake/read_once.py), who may run (resources.py).
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import polars as pl

from ingest.inspection import raw_as_of
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.options import Cut, Options
from transforms.schemas import MART_TABLES, Table

from .batches import FramesOf
from .cut import cut_in_force
from .following import CURSORS, Cursor, fingerprint

_CHECK_RESULTS = MART_TABLES["check_results"].full_name


class Run:
    """One run, which alone writes core and mart. Nothing of it is asked before the data cut is
    taken; `cut`: None = the one in force by then. `frames_of`: by which engine a full computation has
    its batches, None = in this process.
    """

    def __init__(
        self, lake: Lake, frames_of: FramesOf | None = None, *, cut: Cut | None = None
    ) -> None:
        self.lake, self.frames_of, self._cut = lake, frames_of, cut
        self._written: set[str] = set()
        self._current: set[str] = set()
        self._values: dict[tuple[str, int], pl.DataFrame] = {}

    # --- what stands ------------------------------------------------------------------------------

    @cached_property
    def cut(self) -> Cut:
        return self._cut or cut_in_force(self.lake)

    @cached_property
    def options(self) -> Options:
        """A site's options, as they are in force in this run."""
        return Settings().options

    @cached_property
    def batch_patients(self) -> int:
        return Settings().batch_patients

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

    def changed_values(self, full_name: str, columns: Sequence[str], since: Cursor) -> pl.DataFrame:
        """What the columns of a table have in rows that changed since a cursor, at least."""
        is_raw = full_name.startswith("raw.")
        after = since.raw_snapshot if is_raw else since.read_at
        values = self._values.get((full_name, after))
        if values is None or not set(columns) <= set(values.columns):
            asked = sorted({*columns, *(values.columns if values is not None else ())})
            through = self.cut.lake_snapshot if is_raw else self.lake.snapshot()
            values = self.lake.changed_values(full_name, asked, after=after, through=through)
            self._values[full_name, after] = values
        return values.select(columns).unique()

    def is_written(self, table: Table) -> None:
        """Rows of the table changed in this run."""
        self._written.add(table.full_name)
        self._values = {k: v for k, v in self._values.items() if k[0] != table.full_name}

    def was_visited(self, table: Table) -> bool:
        """Whether it is known how the table stands."""
        return table.full_name in self._current | self._written

    def is_current(self, table: Table) -> None:
        """The table was found as it would be computed now, or was computed and is the same."""
        self._current.add(table.full_name)

    def advance(self) -> None:
        """All tables stand on this run's cut: those that were found current, and those that it wrote,
        each of which was written after all that it is computed from. Not what something else changed
        meanwhile.
        """
        meanwhile = self.lake.changes_by_snapshot(after=self.cut.lake_snapshot)
        others = [names for _, names in meanwhile if CURSORS.full_name not in names]
        standing = (self._current | self._written).difference(*others)
        if not standing:
            return
        rows = pl.DataFrame({"table_name": sorted(standing)})
        read_at = self.lake.snapshot()
        self.lake.write(
            lambda w: w.execute(
                f"""UPDATE {CURSORS.full_name} SET raw_snapshot = $1, data_cutoff = $2, read_at = $3,
                    fingerprint = $4 WHERE table_name IN (SELECT table_name FROM rows)""",
                [self.cut.lake_snapshot, self.cut.data_cutoff, read_at, fingerprint(self.options)],
                rows=rows,
            )
        )

    @cached_property
    def query(self) -> Callable[..., pl.DataFrame]:
        """`lake.sql`, for which raw stands still at the data cut."""
        return raw_as_of(self.lake, self.cut.lake_snapshot)
