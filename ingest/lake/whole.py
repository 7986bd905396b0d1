"""The lake: open, read, write in one transaction, snapshots, change feed.

Here: what the rest of Floe asks of the lake. Not here: cursors and the turn (attached.py), upkeep
(upkeep.py), what is landed (landing.py), which tables there are (transforms/schemas), who writes
when (turns.py).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from importlib import import_module
from typing import Any, Self

import duckdb
import polars as pl

from transforms.schemas import Table
from transforms.schemas.app import UPKEEP_FAULTS
from transforms.schemas.views import VIEWS, View

from ..lake_answers import confinement, parquet_columns
from ..lake_attach import catalog_file
from ..lake_catalog import changes_by_snapshot
from ..lake_checksums import note
from ..lake_damage import Damage, FileCheck, check_files, end_files, ended_files
from ..lake_forward import is_of_this_release, keeps_arms_in_clear, require_readable
from ..lake_identity import require_same
from ..lake_limits import Clock, memory_ceiling, too_large
from ..read_only_home import passing_copy, require_writable
from .attached import AttachedLake
from .connecting import T, attach, connect, repeated
from .statements import (
    ROWS_AT_ONCE,
    TABLES,
    as_select_list,
    batches_of,
    begin_reading,
    executed,
    in_transaction,
    plain_rows,
    quoted,
    require_only_reading,
    rows_of,
)
from .upkeep import Choice, run_upkeep
from .writer import (
    Difference,
    Writer,
    bring_forward,
    difference,
    ensure_described,
    is_lacking,
)


class Lake(AttachedLake):
    """One attached lake, safe to share between threads: each call works on a cursor of its own."""

    @classmethod
    def open(
        cls, settings, read_only: bool = False, as_of: int | str | datetime | None = None
    ) -> Self:
        """The lake of `settings`; a writable one is made if it is not there, with every table, view
        and comment.

        `as_of`: a snapshot or a moment (ISO 8601; UTC where it says no offset), read-only. Raises
        CatalogMissing, DiskFull, HomeReadOnly, UsageError (no such snapshot; unencrypted files
        where FLOE_ENCRYPT asks for encrypted ones), FloeError (a lake of a newer release),
        LakeOutdated (a reader of one that is to be brought forward first).
        """
        is_read_only = read_only or as_of is not None
        file = catalog_file(settings)
        if file and not is_read_only:
            require_writable(file)
        copy = passing_copy(file) if file and is_read_only else None
        connection = connect(settings)
        lake = cls(settings, connection, copy)
        try:
            lake._attached = {"is_read_only": is_read_only, "as_of": as_of}
            repeated(lambda: attach(connection, settings, **lake._attached, copy=copy))
            if as_of is None:
                lake._on_cursor(
                    lambda cursor: require_readable(cursor, TABLES, is_read_only=is_read_only)
                )
            lake._on_cursor(
                lambda cursor: require_same(cursor, settings, is_read_only=is_read_only)
            )
            if not is_read_only:
                import_module(
                    "pyarrow.dataset"
                )  # as DuckDB does at the first frame: a second that no turn should hold
                lake._bring_forward()
        except BaseException:
            lake.close()
            raise
        return lake

    def sql(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        """The query's rows. `frames` are its tables by name. One that can't be run is a UsageError."""
        return self._on_cursor(
            lambda cursor: executed(cursor, query, params, {}), frames, is_one_transaction=True
        )

    def rows(self, query: str) -> list[tuple]:
        """The query's rows as tuples: for a few, of which no frame is to be made (that imports
        Arrow and numpy).
        """
        return self._on_cursor(
            lambda cursor: cursor.execute(query).fetchall(), is_one_transaction=True
        )

    def table(
        self,
        full_name: str,
        columns: Iterable[str] | None = None,
        where: str | None = None,
        params: Any = None,
    ) -> pl.DataFrame:
        """Rows of `schema.table`: some columns (default all), those for which the SQL condition
        `where` holds.
        """
        selected = ", ".join(f'"{name}"' for name in columns) if columns else "*"
        condition = f" WHERE {where}" if where else ""
        return self.sql(f"SELECT {selected} FROM {quoted(full_name)}{condition}", params)

    @contextmanager
    def answer(self, statement: str, **ending: Any) -> Iterator[tuple[list[str], Iterator[tuple]]]:
        """Column names and rows of one statement that reads, every value a text, number, truth,
        list, dict or None.

        From then on this lake reads the lake alone: no other file, no setting, and not its catalog,
        which holds the files' keys. Rows come as they are asked for. Raises UsageError for anything
        but one statement that reads what is open (lake_reading.py), and for one that needs more
        memory or time than the settings give. `abandon`: see lake_limits.Clock; `masked`: studies
        because of which no earlier moment is open (lake_statement.py).
        """
        with self._asked(statement, **ending) as (asked, clock):
            plain = clock.run(lambda: plain_rows(asked))
            yield asked.columns, rows_of(clock, plain)

    @contextmanager
    def answer_batches(
        self, statement: str, **ending: Any
    ) -> Iterator[tuple[list[str], Any, Iterator[Any]]]:
        """The same as an Arrow schema of columns c0, c1, …, in types that a Parquet file has, and
        its record batches.
        """
        with self._asked(statement, **ending) as (asked, clock):
            reader = clock.run(
                lambda: as_select_list(asked, parquet_columns).to_arrow_reader(ROWS_AT_ONCE)
            )
            yield asked.columns, reader.schema, batches_of(clock, reader)

    @contextmanager
    def _asked(
        self,
        statement: str,
        abandon: Callable[[BaseException], object] | None = None,
        masked: Collection[str] = (),
    ) -> Iterator[tuple[Any, Clock]]:
        with ExitStack() as ending:
            cursor = repeated(lambda: ending.enter_context(self._cursor()))
            for setting in confinement(self._settings):
                with suppress(duckdb.InvalidInputException):  # locked already
                    cursor.execute(setting)
            clock = Clock(self._settings.sql_time_s, interrupt=cursor.interrupt, abandon=abandon)
            ending.callback(clock.close)
            ending.enter_context(memory_ceiling(self._settings.sql_memory_gb))
            try:
                clock.run(
                    lambda: self._again(lambda: require_only_reading(cursor, statement, masked))
                )
                clock.run(lambda: self._again(lambda: begin_reading(cursor)))
                yield clock.run(lambda: cursor.sql(statement)), clock
            except (duckdb.OutOfMemoryException, MemoryError) as error:
                raise too_large(self._settings) from error

    def snapshot(self) -> int:
        """The newest snapshot (of a lake as of a moment: the one in force then)."""
        return self.sql("SELECT id FROM ducklake_current_snapshot('lake')").item()

    def landed(
        self, topic: str, columns: Iterable[str], *, after: int, through: int
    ) -> pl.DataFrame:
        """Some columns of the rows of a table of `raw` that landed after a snapshot, through
        another.
        """
        selected = ", ".join(f'"{name}"' for name in columns)
        if after >= through:
            return self.sql(f'SELECT {selected} FROM raw."{topic}" WHERE false')
        return self.sql(
            f"""SELECT {selected} FROM ducklake_table_changes('lake', 'raw', ?, ?, ?)
                WHERE change_type = 'insert'""",
            [topic, after + 1, through],
        )

    def changed_values(
        self, full_name: str, columns: Sequence[str], *, after: int, through: int
    ) -> pl.DataFrame:
        """Each set of values once that the columns have in rows which came, changed or went after the
        first snapshot, through the last, as they were and as they are.

        UsageError where a snapshot in between is not there any more (upkeep expired it): all are
        to be taken for changed.
        """
        schema, name = full_name.split(".")
        selected = ", ".join(f'"{column}"' for column in columns)
        if after >= through:
            return self.sql(f"SELECT {selected} FROM {quoted(full_name)} WHERE false")
        return self.sql(
            f"SELECT DISTINCT {selected} FROM ducklake_table_changes('lake', ?, ?, ?, ?)",
            [schema, name, after + 1, through],
        )

    def difference(
        self,
        table: Table,
        frame: pl.DataFrame,
        keys: pl.DataFrame | None = None,
        *,
        sees_doubles: bool = True,
    ) -> Difference:
        """Between these rows and those of the table; of `keys`, a frame of key columns: of theirs."""
        return difference(self.sql, table, frame, keys, sees_doubles=sees_doubles)

    def changes_by_snapshot(self, *, after: int) -> list[tuple[int, frozenset[str]]]:
        """Each snapshot after one that has not expired, with the full names of the tables of which
        rows came, changed or went in it.
        """
        return self._on_cursor(lambda cursor: changes_by_snapshot(cursor, after=after))

    def opened(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table of `raw`, or some columns of them, as they arrived: for computing core and
        for sending rejects again, never for people. FloeError where the key is lacking.
        """
        return self._sealer.opened(table.name, frame)

    def keeps_arms_in_clear(self) -> bool:
        """Whether it is of a release, or as of a moment, that did not seal arms."""
        return self._on_cursor(keeps_arms_in_clear)

    def write(self, work: Callable[["Writer"], T]) -> T:
        """Runs `work` in one transaction and commits it, or nothing of it.

        1. take the turn; 2. begin, work; 3. files and folders that it made to the disk, their checksums noted;
        4. commit; where the catalog was busy or the commit lost a race, all of it again: so `work` may run several
        times and must do nothing but write through its Writer.
        """

        def once(cursor: duckdb.DuckDBPyConnection) -> T:
            with self._lasting(cursor) as new:
                result = work(Writer(cursor, sealer=self._sealer))
                note(cursor, new.flush())
                return result

        return self._on_cursor(once)

    def ensure(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Schemas, tables, columns, comments and views as described; where nothing is missing
        nothing is written.
        """
        tables, views = tuple(tables), tuple(views)
        if self._on_cursor(lambda cursor: is_lacking(cursor, tables, views)):
            self.write(lambda writer: ensure_described(writer, tables, views))

    def _bring_forward(self) -> None:
        """All that this release describes; of a lake of an earlier one, what that makes outdated
        (lake_forward.py).
        """
        if self._on_cursor(lambda cursor: is_of_this_release(cursor, TABLES)):
            self.ensure(TABLES, VIEWS)
        else:
            self.write(bring_forward)

    def upkeep(self, expire_before: int | None = None, **choice: Any) -> dict[str, int]:
        """Moves inlined rows into files, merges small files, rewrites files that are mostly
        deleted, and removes the snapshots below `expire_before` that are older than `keep`, with
        the files that only they used: in steps, between which the writers' turn is free.

        `expire_before`: the oldest snapshot from which any reader of the change feed goes on (None:
        none expires); never past one from which a table or the last release is followed, nor one that
        a release names. Files go a day after their last snapshot, so that a long reader keeps what it
        reads. Returns counts. `choice`: of upkeep.Choice (`keep`, `named`, `most_s`, `may_be_long`,
        `on_step`). LakeDamaged where a step left another number of rows than before.
        """
        return run_upkeep(self, Choice(expire_before=expire_before, **choice))

    def after_faults(self) -> int:
        """Upkeep goes on where somebody has looked after what it stopped at; how many faults that were."""
        count = self.table(UPKEEP_FAULTS.full_name).height
        if count:
            self.write(lambda writer: writer.execute(f"DELETE FROM {UPKEEP_FAULTS.full_name}"))
        return count

    def check_files(self) -> FileCheck:
        """Holds every file against the checksum with which it was written: reads all of them."""
        return self._on_cursor(lambda cursor: check_files(cursor, self._settings.data_path))

    def end_files(self, damages: Iterable[Damage]) -> None:
        """The lake goes on without damaged files: of what landed those alone, of a computed table
        all of its files.
        """
        damages = tuple(damages)

        def once(cursor: duckdb.DuckDBPyConnection) -> None:
            with self._turn(), in_transaction(cursor):
                end_files(cursor, ended_files(cursor, damages))

        self._on_cursor(once)
