"""A lake in memory: rows of raw in, tables of core out, by the same statements and functions as the real one.

Here: what holds the rows of a few patients for the time of one look. Not here: the lake itself (lake.py), the rules.
"""

from collections.abc import Iterable, Mapping

import duckdb
import polars as pl

from transforms.core import CORE, rows
from transforms.options import Options
from transforms.schemas import CORE_TABLES, RAW_TABLES


class MemoryLake:
    """Tables of `raw` and `core`, empty at first. Not safe between threads.

    With several `threads` DuckDB may give rows in any order.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": threads == 1})
        self._connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
        for table in (*RAW_TABLES.values(), *CORE_TABLES.values()):
            self._connection.execute(table.ddl())

    def __enter__(self) -> "MemoryLake":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def query(self, sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """The statement's rows; it sees the frames by name. Times are in UTC."""
        cursor = self._connection.cursor()
        for name, frame in frames.items():
            cursor.register(name, frame)
        return cursor.execute(sql).pl().with_columns(pl.col(pl.Datetime(time_zone="*")).dt.convert_time_zone("UTC"))

    def land(self, raw: Mapping[str, pl.DataFrame]) -> None:
        """Puts rows into `raw`, by the tables' names, in place of all that was there."""
        for name in RAW_TABLES:
            self.land_table(name, raw.get(name, RAW_TABLES[name].empty()))

    def land_table(self, name: str, frame: pl.DataFrame) -> None:
        """Puts rows into one table of `raw` in place of what was there."""
        self.query(f'DELETE FROM raw."{name}"')
        self.append(name, frame)

    def append(self, name: str, frame: pl.DataFrame) -> None:
        """Puts rows into a table of `raw`."""
        if not frame.is_empty():
            self.query(f'INSERT INTO raw."{name}" SELECT * FROM given', given=frame)

    def close(self) -> None:
        self._connection.close()

    def compute(self, names: Iterable[str] = tuple(CORE), *, options: Options) -> dict[str, pl.DataFrame]:
        """The tables of `core` of these names, by name, and what they need, computed anew from `raw`."""
        tables = {}
        for name in _with_inputs(names):
            tables[name] = rows(CORE[name], query=self.query, options=options)
            self.query(f'DELETE FROM core."{name}"')
            self.query(f'INSERT INTO core."{name}" SELECT * FROM given', given=tables[name])
        return tables


def _with_inputs(names: Iterable[str]) -> list[str]:
    """The names and all tables of core that those are computed from, in the registry's order."""
    wanted = set(names)
    for name in reversed(CORE):
        if name in wanted:
            wanted |= {full.split(".")[1] for full in CORE[name].inputs if full.startswith("core.")}
    return [name for name in CORE if name in wanted]
