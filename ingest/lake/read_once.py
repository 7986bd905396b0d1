"""A lake for one run that writes core and mart: what several steps need is read once.

Here: which statements' rows are kept, and until when. Not here: reading and writing (still.py, whole.py), that
one run at a time writes core and mart (orchestration/resources.py).
"""

from collections.abc import Callable
from threading import Lock
from typing import Any

import polars as pl

from .connecting import T
from .statements import named_tables, stands_still
from .still import StillLake
from .whole import Lake
from .writer import Writer

_OF_A_RUN = ("core", "mart")
_MOST_BYTES, _MOST_BYTES_OF_ONE = 256 << 20, 32 << 20


class LakeOfARun(StillLake):
    """A lake that nobody else writes `core` and `mart` of.

    Statements that see nothing but those, and `raw` as of a snapshot, run in one transaction from one
    write to the next, which looks into the catalog once. Their rows are kept until a table that the
    statement names is written here; what needs much memory is read again.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._lock = Lock()
        self._kept: dict[str, pl.DataFrame] = {}  # by statement, that kept first in front

    def sql(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        if not stands_still(query, schemas=_OF_A_RUN):
            return Lake.sql(self, query, params, **frames)
        if params is not None or frames:
            return super().sql(query, params, **frames)
        kept = self._kept.get(query)
        if kept is None:
            kept = super().sql(query)
            self._keep(query, kept)
        return kept

    def rows(self, query: str) -> list[tuple]:
        return Lake.rows(self, query)

    def snapshot(self) -> int:
        """That of which statements are read: of what others write meanwhile they see nothing."""
        return super().sql("SELECT id FROM ducklake_current_snapshot('lake')").item()

    def write(self, work: Callable[[Writer], T]) -> T:
        self._end_reading()
        written: set[str] = set()

        def noted(writer: Writer) -> T:
            writer.written = written
            return work(writer)

        try:
            return super().write(noted)
        finally:
            self._end_reading()  # what was read meanwhile is of before
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
