"""DuckDB with the lake attached: extensions, secrets, the catalog that is there or made, the writers'
turn.

Here: a connection, and DuckDB's errors as Floe's. Not here: what is read or written over it
(attached.py, whole.py).
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import duckdb

from transforms.errors import CatalogMissing

from ..durability import move_durably
from ..lake_attach import (
    FILE_BYTES,
    NO_LAKE,
    attach_statement,
    catalog_file,
    extensions,
    require_restored,
    s3_secret,
    sql_text,
)
from ..lake_errors import Busy, attach_error, translated
from ..lake_identity import require_none
from ..read_only_home import PassingCopy, spill_folder
from ..secrecy import cleaned, hidden
from ..turns import TURN_WAIT_S, catalog_turn

T = TypeVar("T")
_ATTEMPTS = 48
_POSTGRES_TURN = 1_179_406_149  # the advisory lock's number: the letters FLOE as bytes


def repeated(work: Callable[[], T]) -> T:
    """Again where the catalog was busy, a little later each time; 48 times within about a
    minute.
    """
    for attempt in range(1, _ATTEMPTS):
        with suppress(Busy):
            return work()
        time.sleep(random.uniform(0.5, 1) * min(2.0, 0.02 * 2**attempt))
    return work()


def connect(settings) -> duckdb.DuckDBPyConnection:
    threads = {"threads": settings.lake_threads} if settings.lake_threads else {}
    limits = {"memory_limit": settings.lake_memory} | threads
    with floes_errors(settings):
        connection = connected(extensions(settings), **limits)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute(f"SET GLOBAL ducklake_target_file_size = '{FILE_BYTES}B'")
        connection.execute(f"SET GLOBAL temp_directory = '{sql_text(spill_folder(settings))}'")
        if secret := s3_secret(settings):
            connection.execute(secret)
    return connection


def connected(names: tuple[str, ...], **config: str | int) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with these extensions."""
    config["python_enable_replacements"] = False
    if all(_in_wheel(name) for name in names):
        # requirements.lock pins each wheel by its hash: DuckDB's own look at the signature would
        # read 90 MB a start
        config["allow_unsigned_extensions"] = True
    connection = duckdb.connect(config=config)
    for name in names:
        _load(connection, name)
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


def attach(
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
        with writers_turn(settings, connection):
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
def writers_turn(settings, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
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


@contextmanager
def floes_errors(settings) -> Iterator[None]:
    """DuckDB's errors, and the operating system's, as Floe's."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise translated(settings, error) from cleaned(error, settings)
