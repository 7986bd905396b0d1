"""An attached lake: its connection, a cursor for each piece of work, the writers' turn, a damaged file
named.

Here: how work gets a cursor. Not here: what is read, written or mended (whole.py, upkeep.py), how a
lake is attached (connecting.py).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import duckdb
import polars as pl

from transforms.errors import CatalogDamaged, CatalogMissing, LakeDamaged

from ..durability import Folder, NewFiles, NoFiles
from ..lake_attach import data_folder
from ..lake_damage import first_damage
from ..lake_errors import damaged
from ..read_only_home import PassingCopy
from ..sealing import Sealer
from .connecting import T, attach, connect, floes_errors, repeated, writers_turn
from .statements import in_transaction


class AttachedLake:
    """Safe to share between threads: each call works on a cursor of its own. What is private here is
    for the modules of this folder.
    """

    def __init__(
        self, settings, connection: duckdb.DuckDBPyConnection, copy: PassingCopy | None = None
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._attached: dict[str, Any] = {}  # how it was: read-only or not, as of when
        self._copy = copy  # of the catalog, where its folder can't be written
        folder = data_folder(settings)
        self._folder = Folder(folder) if folder else None
        self._sealer = Sealer(settings)

    def close(self) -> None:
        self._connection.close()
        if self._copy:
            self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_cursor(
        self,
        work: Callable[[duckdb.DuckDBPyConnection], T],
        frames: Mapping[str, pl.DataFrame] | None = None,
        *,
        is_one_transaction: bool = False,
    ) -> T:
        """What `work` gives on a cursor of its own, on which the frames are tables by name; in one
        transaction the catalog is asked once.
        """

        def once() -> T:
            with self._cursor(frames, is_one_transaction=is_one_transaction) as cursor:
                return work(cursor)

        return repeated(once)

    @contextmanager
    def _cursor(
        self,
        frames: Mapping[str, pl.DataFrame] | None = None,
        *,
        is_one_transaction: bool = False,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._copy and not self._copy.is_current():
            raise CatalogMissing(
                f"{self._copy.catalog} was written since it was opened from a folder that can't be: start anew"
            )
        try:
            with self._own_cursor(frames, is_one_transaction=is_one_transaction) as cursor:
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
        connection = connect(self._settings)
        attach(connection, self._settings, **self._attached, copy=self._copy)
        self._connection = connection

    @contextmanager
    def _own_cursor(
        self,
        frames: Mapping[str, pl.DataFrame] | None = None,
        *,
        is_one_transaction: bool = False,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Frames before the lake: where that is in use, each costs a look into its whole catalog."""
        with floes_errors(self._settings):
            cursor = self._connection.cursor()
            try:
                for name, frame in (frames or {}).items():
                    cursor.register(name, frame)
                with in_transaction(cursor) if is_one_transaction else nullcontext():
                    cursor.execute("USE lake")
                    yield cursor
            finally:
                cursor.close()

    def _again(self, work: Callable[[], T]) -> T:
        """As `_on_cursor`, for work on a cursor that stays."""

        def once() -> T:
            with floes_errors(self._settings):
                return work()

        return repeated(once)

    def _turn(self):
        return writers_turn(self._settings, self._connection)

    @contextmanager
    def _lasting(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[NewFiles]:
        """A transaction with the turn, and the files that it makes: to be flushed as the last thing
        before its commit.
        """
        with self._turn(), self._lasting_in_turn(cursor) as files:
            yield files

    @contextmanager
    def _lasting_in_turn(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[NewFiles]:
        """The same for who has the turn."""
        new = self._folder.transaction() if self._folder else nullcontext(NoFiles())
        with new as files, in_transaction(cursor):
            yield files
