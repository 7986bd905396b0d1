"""Rows of a table that a run computed, and SQL for the keys that there are.

Here: `Part`. Not here: which parts a table has (build.py), the batches themselves (../batches.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


def distinct(columns: Iterable[tuple[str, str]]) -> str:
    """SQL for each value once, as `key`, of columns of tables."""
    parts = (f'SELECT "{column}" AS key FROM {name}' for name, column in columns)
    return f"SELECT DISTINCT key FROM ({' UNION ALL '.join(parts)}) WHERE key IS NOT NULL"


@dataclass(frozen=True)
class Part:
    """Rows of a table: all of them, or all of some keys (a frame of key columns). A part that is
    `of_all` is followed by others, until the last, with which it is the whole table.
    """

    rows: pl.DataFrame
    keys: pl.DataFrame | None = None
    of_all: bool = False
    is_last: bool = True

    @property
    def is_whole(self) -> bool:
        return self.keys is None or self.of_all
