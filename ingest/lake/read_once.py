"""A lake for one run that writes core and mart: what several steps need is read once.

Here: which statements' rows are kept, and until when. Not here: reading and writing (whole.py), that
one run at a time writes core and mart (orchestration/resources.py).
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any

import duckdb
import polars as pl

from .connecting import T, repeated
from .statements import executed, named_tables, stands_still
from .whole import Lake
from .writer import Writer

_OF_A_RUN = ("core", "mart")
_MOST_BYTES, _MOST_BYTES_OF_ONE = 256 << 20, 32 << 20


class LakeOfARun(Lake):
    """A lake that nobody else writes `core` and `mart` of.

    Statements that see nothing but those, and `raw` as of a snapshot, run in one transaction from one
    write to the next, which looks into the catalog once. Their rows are kept until a table that the
    statement names is written here; what needs much memory is read again.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._lock = Lock()
        self._kept: dict[str, pl.DataFrame] = {}  # by statement, that kept first in front
        self._in_turn = Lock()
        self._reading: tuple[ExitStack, duckdb.DuckDBPyConnection] | None = None

    def close(self) -> None:
        self._end_reading()
        super().close()

    def sql(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        if not stands_still(query, schemas=_OF_A_RUN):
            return super().sql(query, params, **frames)
        if params is not None or frames:
            return self._read(query, params, frames)
        kept = self._kept.get(query)
        if kept is None:
            kept = self._read(query, None, {})
            self._keep(query, kept)
        return kept

    def snapshot(self) -> int:
        """That of which statements are read: of what others write meanwhile they see nothing."""
        return self._read("SELECT id FROM ducklake_current_snapshot('lake')", None, {}).item()

    def _read(self, query: str, params: Any, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        def once() -> pl.DataFrame:
            with self._in_turn:
                try:
                    return executed(self._begun(), query, params, frames)
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
        with self._in_turn:
            self._end()

    def _end(self, error: BaseException | None = None) -> None:
        if self._reading:
            (ending, _), self._reading = self._reading, None
            ending.__exit__(type(error) if error else None, error, None)

    def write(self, work: Callable[[Writer], T]) -> T:
        self._end_reading()
        written: set[str] = set()

        def noted(writer: Writer) -> T:
            writer.written = written
            return work(writer)

        try:
            return super().write(noted)
        finally:
            self._forget(written)

    def _keep(self, query: str, frame: pl.DataFrame) -> None:
        size = frame.estimated_size()
        if size > min(_MOST_BYTES_OF_ONE, _MOST_BYTES):
            return
        with self._lock:
            while self._kept and size + self._bytes() > _MOST_BYTES:
                del self._kept[next(iter(self._kept))]
            self._kept[query] = frame

    def _bytes(self) -> int:
        return sum(frame.estimated_size() for frame in self._kept.values())

    def _forget(self, written: set[str]) -> None:
        with self._lock:
            kept = self._kept.items()
            self._kept = {
                query: frame for query, frame in kept if not written & named_tables(query)
            }
