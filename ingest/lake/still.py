"""A lake of which all is read as of one moment: in one transaction, which looks into the catalog once.

Here: that transaction, from the first statement on. Not here: reading and writing (whole.py), what is
kept of what was read (read_once.py).
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import Lock
from typing import Any

import duckdb
import polars as pl

from ..lake_errors import Busy
from .connecting import T, repeated
from .statements import executed
from .whole import Lake


class StillLake(Lake):
    """For who reads much at once and writes nothing meanwhile: of what others write it sees nothing.
    A statement that failed ends the transaction, and the next one begins another.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._in_turn = Lock()
        self._reading: tuple[ExitStack, duckdb.DuckDBPyConnection] | None = None

    def close(self) -> None:
        try:
            self._end_reading()
        finally:
            super().close()

    def sql(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        return self._still(lambda cursor: executed(cursor, query, params, frames))

    def rows(self, query: str) -> list[tuple]:
        return self._still(lambda cursor: cursor.execute(query).fetchall())

    def use_threads(self, number: int) -> None:
        """From now on, for a question that may be large; 0 = one a core."""
        self._end_reading()
        self._connection.execute(f"SET threads = {number}" if number else "RESET threads")

    def _still(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """What `work` gives on the transaction's cursor."""

        def once() -> T:
            with self._in_turn:
                try:
                    return work(self._begun())
                except BaseException as error:
                    self._end(error)  # which raises it as Floe's
                    raise

        return repeated(once)

    def _begun(self) -> duckdb.DuckDBPyConnection:
        """The cursor of the transaction, which begins where none is open."""
        if self._reading is None:
            ending = ExitStack()
            self._reading = ending, ending.enter_context(self._cursor(is_one_transaction=True))
        return self._reading[1]

    def _end_reading(self) -> None:
        """A reading that can't be ended as it should be has read all the same."""
        with self._in_turn, suppress(Busy):
            self._end()

    def _end(self, error: BaseException | None = None) -> None:
        if self._reading:
            (ending, _), self._reading = self._reading, None
            ending.__exit__(type(error) if error else None, error, None)
