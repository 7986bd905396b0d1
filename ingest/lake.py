"""The lake: attach, read, write in one transaction, snapshots, change feed, upkeep. The only file
that imports duckdb.

Here: how DuckLake is spoken to. Not here: what is landed (landing.py), which tables there are
(transforms/schemas), who writes when (turns.py).

Many processes use one lake at once: readers never wait for writers; writers take turns, and a whole
transaction is run again where the catalog was busy all the same.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import polars as pl

from transforms.errors import CatalogDamaged, CatalogMissing, LakeDamaged
from transforms.schemas import APP_TABLES, BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES, Table
from transforms.schemas.views import VIEWS, View

from .durability import Folder, NewFiles, NoFiles, move_durably
from .lake_answers import confinement, parquet_columns, plain_columns
from .lake_attach import (
    NO_LAKE,
    attach_statement,
    catalog_file,
    data_folder,
    extensions,
    require_restored,
    s3_secret,
    sql_text,
)
from .lake_catalog import named_files, scheduled_files
from .lake_checksums import forget_removed, missing_marks, note
from .lake_damage import Damage, FileCheck, check_files, end_files, ended_files, first_damage
from .lake_errors import Busy, attach_error, damaged, translated
from .lake_forward import (
    is_of_this_release,
    outdated_statements,
    require_readable,
    seed_statements,
    written_statement,
)
from .lake_identity import require_none, require_same
from .lake_limits import Clock, memory_ceiling, too_large
from .lake_schema import missing_statements, missing_views, unknown_tables
from .lake_statement import require_reading
from .lake_upkeep import cleanup_call, flush_call, inlined_tables, upkeep_calls
from .read_only_home import PassingCopy, passing_copy, require_writable, spill_folder
from .secrecy import cleaned, hidden
from .turns import TURN_WAIT_S, catalog_turn, removing_files

T = TypeVar("T")

SCHEMAS = ("raw", "core", "mart", "app")
TABLES: tuple[Table, ...] = (
    *RAW_TABLES.values(),
    *BOOKKEEPING,
    *CORE_TABLES.values(),
    *MART_TABLES.values(),
    *APP_TABLES.values(),
)

_RELATIONS = frozenset(one.full_name for one in (*TABLES, *VIEWS))
_NO_CHANGES = "SELECT 0::BIGINT AS snapshot_id, 0::BIGINT AS rowid, '' AS change_type"
_ATTEMPTS = 48
_ROWS_AT_ONCE = 10_000
_GRACE = timedelta(
    days=1
)  # a file that no snapshot names any more may still be open in a long reader
_POSTGRES_TURN = 1_179_406_149  # the advisory lock's number: the letters FLOE as bytes


class Lake:
    """One attached lake, safe to share between threads: each call works on a cursor of its own."""

    def __init__(
        self, settings, connection: duckdb.DuckDBPyConnection, copy: PassingCopy | None = None
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._copy = copy  # of the catalog, where its folder can't be written
        folder = data_folder(settings)
        self._folder = Folder(folder) if folder else None

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
        connection = _connect(settings)
        lake = cls(settings, connection, copy)
        try:
            lake._attached = {"is_read_only": is_read_only, "as_of": as_of}
            _repeated(lambda: _attach(connection, settings, **lake._attached, copy=copy))
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

    def close(self) -> None:
        self._connection.close()
        if self._copy:
            self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- reading ---------------------------------------------------------------------------------

    def sql(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        """The query's rows. `frames` are tables of the query, by name. A query that can't be run is
        a UsageError.
        """
        return self._on_cursor(lambda cursor: _execute(cursor, query, params, frames))

    def rows(self, query: str) -> list[tuple]:
        """The query's rows as tuples: for a few, of which no frame is to be made (that imports
        Arrow and numpy).
        """
        return self._on_cursor(lambda cursor: cursor.execute(query).fetchall())

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
        return self.sql(f"SELECT {selected} FROM {_quoted(full_name)}{condition}", params)

    @contextmanager
    def answer(self, statement: str, **ending: Any) -> Iterator[tuple[list[str], Iterator[tuple]]]:
        """Column names and rows of one statement that reads, every value a text, number, truth,
        list, dict or None.

        From then on this lake reads the lake alone: no other file, no setting, and not its catalog,
        which holds the files' keys. Rows come as they are asked for. Raises UsageError for anything
        but one statement that reads what is open (lake_reading.py), and for one that needs more
        memory or time than the settings give. `abandon`: see lake_limits.Clock.
        """
        with self._asked(statement, **ending) as (asked, clock):
            plain = clock.run(lambda: _plain(asked))
            yield asked.columns, _rows_of(clock, plain)

    @contextmanager
    def answer_batches(
        self, statement: str, **ending: Any
    ) -> Iterator[tuple[list[str], Any, Iterator[Any]]]:
        """The same as an Arrow schema of columns c0, c1, …, in types that a Parquet file has, and
        its record batches.
        """
        with self._asked(statement, **ending) as (asked, clock):
            reader = clock.run(
                lambda: _renamed(asked, parquet_columns).to_arrow_reader(_ROWS_AT_ONCE)
            )
            yield asked.columns, reader.schema, _batches_of(clock, reader)

    @contextmanager
    def _asked(
        self, statement: str, abandon: Callable[[BaseException], object] | None = None
    ) -> Iterator[tuple[Any, Clock]]:
        with ExitStack() as ending:
            cursor = _repeated(lambda: ending.enter_context(self._cursor()))
            for setting in confinement(self._settings):
                with suppress(duckdb.InvalidInputException):  # locked already
                    cursor.execute(setting)
            clock = Clock(self._settings.sql_time_s, interrupt=cursor.interrupt, abandon=abandon)
            ending.callback(clock.close)
            ending.enter_context(memory_ceiling(self._settings.sql_memory_gb))
            try:
                clock.run(lambda: self._again(lambda: _require_reading(cursor, statement)))
                clock.run(lambda: self._again(lambda: _begin_reading(cursor)))
                yield clock.run(lambda: cursor.sql(statement)), clock
            except (duckdb.OutOfMemoryException, MemoryError) as error:
                raise too_large(self._settings) from error

    def snapshot(self) -> int:
        """The newest snapshot (of a lake as of a moment: the one in force then)."""
        return self.sql("SELECT id FROM ducklake_current_snapshot('lake')").item()

    def changes(self, full_name: str, from_snapshot: int, to_snapshot: int) -> pl.DataFrame:
        """What changed after `from_snapshot`, through `to_snapshot`: snapshot_id, rowid,
        change_type (insert, delete, update_preimage, update_postimage) and the table's columns.

        UsageError where a snapshot in between is not there any more (upkeep expired it): start
        anew.
        """
        schema, name = full_name.split(".")
        first = from_snapshot + 1
        if first > to_snapshot:
            return self.sql(f"{_NO_CHANGES}, * FROM {_quoted(full_name)} WHERE false")
        return self.sql(
            "FROM ducklake_table_changes('lake', ?, ?, ?, ?)", [schema, name, first, to_snapshot]
        )

    # --- writing ---------------------------------------------------------------------------------

    def write(self, work: Callable[["Writer"], T]) -> T:
        """Runs `work` in one transaction and commits it, or nothing of it.

        1. take the turn; 2. begin, work; 3. files and folders that it made to the disk, their checksums noted;
        4. commit; where the catalog was busy or the commit lost a race, all of it again: so `work` may run several
        times and must do nothing but write through its Writer.
        """

        def once(cursor: duckdb.DuckDBPyConnection) -> T:
            with self._lasting(cursor) as new:
                result = work(Writer(cursor))
                note(cursor, new.flush())
                return result

        return self._on_cursor(once)

    def ensure(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Schemas, tables, columns, comments and views as described; where nothing is missing
        nothing is written.
        """
        tables, views = tuple(tables), tuple(views)
        if self._on_cursor(lambda cursor: _is_lacking(cursor, tables, views)):
            self.write(lambda writer: _ensure(writer, tables, views))

    def _bring_forward(self) -> None:
        """All that this release describes; of a lake of an earlier one, what that makes outdated
        (lake_forward.py).
        """
        if self._on_cursor(lambda cursor: is_of_this_release(cursor, TABLES)):
            self.ensure(TABLES, VIEWS)
        else:
            self.write(_forward)

    def upkeep(
        self, expire_before: int | None = None, keep: timedelta = timedelta(days=7)
    ) -> dict[str, int]:
        """Moves inlined rows into files, merges small files, rewrites files that are mostly
        deleted, and removes the snapshots below `expire_before` that are older than `keep`, with
        the files that only they used.

        `expire_before`: the oldest snapshot from which any reader of the change feed goes on (None:
        none expires). Files go a day after their last snapshot, so that a long reader keeps what it
        reads. Returns counts.
        """
        counts = {
            "flushed_rows": sum(self._flush(*table) for table in self._on_cursor(inlined_tables))
        }
        for name, call in upkeep_calls():
            counts[name] = self._maintain(call).height
        counts["expired_snapshots"] = (
            self._expire(expire_before, keep) if expire_before is not None else 0
        )
        counts["noted_files"] = self._note_files()
        file = catalog_file(self._settings)
        with (
            removing_files(file) if file else nullcontext(True) as may_remove
        ):  # not while a backup copies them
            counts |= self._remove() if may_remove else {"removed_files": 0, "removed_leftovers": 0}
        return counts

    def check_files(self) -> FileCheck:
        """Holds every file against the checksum with which it was written: reads all of them."""
        return self._on_cursor(lambda cursor: check_files(cursor, self._settings.data_path))

    def end_files(self, damages: Iterable[Damage]) -> None:
        """The lake goes on without damaged files: of what landed those alone, of a computed table
        all of its files.
        """
        damages = tuple(damages)

        def once(cursor: duckdb.DuckDBPyConnection) -> None:
            with self._turn(), _transaction(cursor):
                end_files(cursor, ended_files(cursor, damages))

        self._on_cursor(once)

    # --- inside ----------------------------------------------------------------------------------

    def _on_cursor(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        def once() -> T:
            with self._cursor() as cursor:
                return work(cursor)

        return _repeated(once)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._copy and not self._copy.is_current():
            raise CatalogMissing(
                f"{self._copy.catalog} was written since it was opened from a folder that can't be: start anew"
            )
        try:
            with self._own_cursor() as cursor:
                yield cursor
        except CatalogDamaged:
            raise  # which names every file, so that none is to blame
        except LakeDamaged as error:
            if (named := self._named(error)) is error:
                raise  # an error that is its own cause has no end for whoever looks at what caused it
            raise named from error

    def _named(self, error: LakeDamaged) -> LakeDamaged:
        """The error that names the file, where DuckDB's words didn't."""
        if ".parquet" in str(error):
            return error
        self._restart()
        with self._own_cursor() as cursor:
            file = first_damage(cursor, self._settings.data_path)
        return (
            damaged(f"{file.path} ({file.table})", str(error.__cause__).splitlines()[0])
            if file
            else error
        )

    def _restart(self) -> None:
        """A bit that flipped in an encrypted file is fatal to DuckDB 1.5.5: its connection answers
        nothing any more.
        """
        connection = _connect(self._settings)
        _attach(connection, self._settings, **self._attached, copy=self._copy)
        self._connection = connection

    @contextmanager
    def _own_cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with _errors(self._settings):
            cursor = self._connection.cursor()
            try:
                cursor.execute("USE lake")
                yield cursor
            finally:
                cursor.close()

    def _again(self, work: Callable[[], T]) -> T:
        """As `_on_cursor`, for work on a cursor that stays."""

        def once() -> T:
            with _errors(self._settings):
                return work()

        return _repeated(once)

    def _turn(self):
        return _turn(self._settings, self._connection)

    @contextmanager
    def _lasting(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[NewFiles]:
        """A transaction with the turn, and the files that it makes: to be flushed as the last thing
        before its commit.
        """
        new = self._folder.transaction() if self._folder else nullcontext(NoFiles())
        with self._turn(), new as files, _transaction(cursor):
            yield files

    def _maintain(self, call: str) -> pl.DataFrame:
        """Compaction can't share its transaction with a note of its files: the next write makes
        it.
        """

        def once(cursor: duckdb.DuckDBPyConnection) -> pl.DataFrame:
            with self._lasting(cursor) as new:
                result = cursor.execute(call).pl()
                new.flush()
                return result

        return self._on_cursor(once)

    def _flush(self, schema: str, table: str) -> int:
        return int(self._maintain(flush_call(schema, table))["rows_flushed"].sum())

    def _remove(self) -> dict[str, int]:
        removed = self._maintain(cleanup_call(datetime.now(UTC) - _GRACE)).height
        return {
            "removed_files": removed,
            "removed_leftovers": self._on_cursor(self._remove_leftovers),
        }

    def _note_files(self) -> int:
        """Notes what compaction made, and what an earlier release or S3 left without a note."""

        def work(writer: Writer) -> int:
            forget_removed(writer._cursor)
            marks = list(missing_marks(writer._cursor, self._settings.data_path))
            note(writer._cursor, marks)
            return len(marks)

        return self.write(work)

    def _remove_leftovers(self, cursor) -> int:
        """Files of transactions that were interrupted, a day after; never any other that no catalog
        names.
        """
        if not self._folder:
            return 0
        with self._turn():
            named = {file.path for file in named_files(cursor)} | scheduled_files(cursor)
            return self._folder.remove_leftovers(
                named, before=(datetime.now(UTC) - _GRACE).timestamp()
            )

    def _expire(self, expire_before: int, keep: timedelta) -> int:
        old = self.sql(
            "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_id < ? AND snapshot_time < ?",
            [min(expire_before, self.snapshot()), datetime.now(UTC) - keep],
        )["snapshot_id"].to_list()
        if old:
            self._maintain(f"CALL ducklake_expire_snapshots('lake', versions => {old})")
        return len(old)


class Writer:
    """The inside of one transaction. Frames must have the table's columns; they are brought to its
    order and types.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Adds the rows."""
        if frame.height:
            names = ", ".join(f'"{name}"' for name in table.names)
            query = f"INSERT INTO {_quoted(table.full_name)} ({names}) SELECT {names} FROM _rows"
            _execute(self._cursor, query, None, {"_rows": table.conform(frame)}, fetch=False)

    def replace(self, table: Table, frame: pl.DataFrame) -> None:
        """The table holds these rows and no others."""
        _execute(self._cursor, f"DELETE FROM {_quoted(table.full_name)}", None, {}, fetch=False)
        self.append(table, frame)

    def upsert(self, table: Table, frame: pl.DataFrame, keys: pl.DataFrame) -> None:
        """Removes the rows whose key columns are among `keys` (null equals null) and adds
        `frame`.
        """
        if keys.height:
            same = " AND ".join(
                f'rows."{name}" IS NOT DISTINCT FROM _keys."{name}"' for name in keys.columns
            )
            query = f"DELETE FROM {_quoted(table.full_name)} AS rows USING _keys WHERE {same}"
            _execute(self._cursor, query, None, {"_keys": keys.unique()}, fetch=False)
        self.append(table, frame)

    def execute(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        """Runs a statement inside the transaction and gives its rows."""
        return _execute(self._cursor, query, params, frames)


def _repeated(work: Callable[[], T]) -> T:
    """Again where the catalog was busy, a little later each time; 48 times within about a
    minute.
    """
    for attempt in range(1, _ATTEMPTS):
        with suppress(Busy):
            return work()
        time.sleep(random.uniform(0.5, 1) * min(2.0, 0.02 * 2**attempt))
    return work()


# --- connecting ---------------------------------------------------------------------------------


def _connect(settings) -> duckdb.DuckDBPyConnection:
    names = extensions(settings)
    config = {"python_enable_replacements": False, "memory_limit": settings.lake_memory}
    if all(_in_wheel(name) for name in names):
        # requirements.lock pins each wheel by its hash: DuckDB's own look at the signature would
        # read 90 MB a start
        config["allow_unsigned_extensions"] = True
    connection = duckdb.connect(
        config=config | ({"threads": settings.lake_threads} if settings.lake_threads else {})
    )
    with _errors(settings):
        for name in names:
            _load(connection, name)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute(f"SET GLOBAL temp_directory = '{sql_text(spill_folder(settings))}'")
        if secret := s3_secret(settings):
            connection.execute(secret)
    return connection


def _load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    """From its wheel; from the network only where the wheel is not there."""
    if file := _in_wheel(extension):
        connection.execute(f"LOAD '{sql_text(file)}'")
        return
    connection.install_extension(extension)
    connection.load_extension(extension)


def _in_wheel(extension: str) -> Path | None:
    spec = find_spec(f"duckdb_extension_{extension}")
    folders = spec.submodule_search_locations if spec else ()
    name = f"extensions/v{duckdb.__version__}/{extension}.duckdb_extension"
    return next((file for folder in folders if (file := Path(folder) / name).exists()), None)


def _attach(
    connection,
    settings,
    *,
    is_read_only: bool,
    as_of: int | str | datetime | None,
    copy: PassingCopy | None,
) -> None:
    """Attaches the lake that is there; where none ever was a writer makes it, and has the turn
    meanwhile.
    """
    file = catalog_file(settings)
    if file and not file.exists():
        require_restored(file)
    path = copy.path if copy else None
    statement = attach_statement(settings, is_read_only=is_read_only, as_of=as_of, catalog=path)
    try:
        if _is_attached(connection, file, statement):
            return
        if is_read_only:
            require_none(connection, settings)
            raise CatalogMissing(
                f"there is no lake yet at {hidden(file or settings.catalog_uri, settings)}: floe ingest makes it, or set "
                "FLOE_HOME to where it is"
            )
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
        with _turn(settings, connection):
            if not _is_attached(connection, file, statement):  # another has made it by now
                _make(connection, settings, file)
    except (duckdb.Error, OSError, sqlite3.Error) as error:
        raise attach_error(settings, error) from cleaned(error, settings)


def _is_attached(connection, file: Path | None, statement: str) -> bool:
    """Attaches it; False where the catalog is not there or holds nothing."""
    if file and not file.exists():
        return False
    try:
        connection.execute(statement)
    except duckdb.InvalidInputException as error:
        if NO_LAKE in str(error):
            return False
        raise
    return True


def _make(connection, settings, file: Path | None) -> None:
    require_none(connection, settings)
    if file and not (file.exists() and file.stat().st_size):
        _make_catalog(file)
    connection.execute(attach_statement(settings, is_read_only=False, as_of=None, is_new=True))


def _make_catalog(file: Path) -> None:
    """An empty catalog with a write-ahead log, so that readers and a writer do not wait for each
    other.

    Made elsewhere and moved into place: Python's SQLite must never close a file that DuckDB's
    SQLite has open in the same process, because that ends the locks of both.
    """
    fresh = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    with closing(sqlite3.connect(fresh)) as catalog:
        catalog.execute("PRAGMA journal_mode = WAL")
    move_durably(fresh, file)


@contextmanager
def _turn(settings, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One writer at a time: a file lock beside a SQLite catalog, an advisory lock of the PostgreSQL
    server.
    """
    file = catalog_file(settings)
    if file:
        with catalog_turn(file):
            yield
        return
    with ExitStack() as held:
        cursor = held.enter_context(connection.cursor())
        name, uri = "turns", settings.catalog_uri.partition(":")[2]
        cursor.execute(
            f"ATTACH IF NOT EXISTS '{sql_text(uri)}' AS {name} (TYPE postgres, READ_ONLY)"
        )
        cursor.execute("BEGIN")
        held.callback(cursor.execute, "ROLLBACK")
        wait = f"SELECT set_config('lock_timeout', '{TURN_WAIT_S:.0f}s', true)"
        for query in (
            wait,
            f"SELECT 1 FROM (SELECT pg_advisory_xact_lock({_POSTGRES_TURN})) AS turn",
        ):
            cursor.execute("SELECT * FROM postgres_query(?, ?)", [name, query]).fetchall()
        yield


# --- statements ---------------------------------------------------------------------------------


def _execute(
    cursor, query: str, params: Any, frames: Mapping[str, pl.DataFrame], *, fetch: bool = True
) -> pl.DataFrame:
    """Runs the query with the frames as tables of it; no rows where it gives none."""
    for name, frame in frames.items():
        cursor.register(name, frame)
    try:
        cursor.execute(query, params)
        return cursor.pl() if fetch and cursor.description else pl.DataFrame()
    finally:
        for name in frames:
            cursor.unregister(name)


def _require_reading(cursor, statement: str) -> None:
    require_reading(cursor, statement, tokenize=duckdb.tokenize, relations=_RELATIONS)


def _begin_reading(cursor) -> None:
    """A transaction that has begun to read the catalog: nothing that follows in it finds that busy
    any more.
    """
    cursor.execute("BEGIN")
    try:
        cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
    except BaseException:
        cursor.execute("ROLLBACK")
        raise


def _plain(asked: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return _renamed(asked, plain_columns)


def _renamed(
    asked: duckdb.DuckDBPyRelation, select_list: Callable[[Iterable], str]
) -> duckdb.DuckDBPyRelation:
    """The rows with columns c0, c1, …, each as the select list says."""
    names = ", ".join(f"c{k}" for k in range(len(asked.columns)))
    if (columns := select_list(asked.types)) == names and select_list is plain_columns:
        return asked
    return asked.query("floe_asked", f"SELECT {columns} FROM floe_asked AS asked({names})")


def _rows_of(clock: Clock, relation: duckdb.DuckDBPyRelation) -> Iterator[tuple]:
    while rows := clock.run(lambda: relation.fetchmany(_ROWS_AT_ONCE)):
        yield from rows


def _batches_of(clock: Clock, reader: Any) -> Iterator[Any]:
    while batch := clock.run(lambda: next(reader, None)):
        yield batch


@contextmanager
def _transaction(cursor) -> Iterator[None]:
    cursor.execute("BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT has ended it already
            cursor.execute("ROLLBACK")
        raise


def _is_lacking(cursor, tables: Iterable[Table], views: Iterable[View]) -> bool:
    return bool(missing_statements(cursor, SCHEMAS, tables) or missing_views(cursor, views))


def _ensure(writer: Writer, tables: Iterable[Table], views: Iterable[View]) -> None:
    for statement in missing_statements(writer._cursor, SCHEMAS, tables):
        writer._cursor.execute(statement)
    for statement in missing_views(writer._cursor, views):
        writer._cursor.execute(statement)


def _forward(writer: Writer) -> None:
    """1. what is there now decides what is outdated; 2. tables as described; 3. that is noted. One
    transaction.
    """
    cursor, now = writer._cursor, datetime.now(UTC)
    notes = [*outdated_statements(cursor, TABLES, now=now), *seed_statements(cursor)]
    gone = unknown_tables(cursor, TABLES)
    _ensure(writer, TABLES, VIEWS)
    for statement in (*gone, *notes, written_statement(TABLES, now=now)):
        cursor.execute(statement)


def _quoted(full_name: str) -> str:
    return ".".join(f'"{part}"' for part in full_name.split("."))


@contextmanager
def _errors(settings) -> Iterator[None]:
    """DuckDB's errors, and the operating system's, as Floe's."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise translated(settings, error) from cleaned(error, settings)
