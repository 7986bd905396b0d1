"""A lake in memory: rows of raw in, tables of core out, by the same statements and functions as the
real one.

Here: what holds the rows of a few patients for the time of one look. Not here: the lake itself
(lake/), the rules.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import duckdb
import polars as pl

from transforms.core import CORE
from transforms.core_step import CoreStep, rows
from transforms.options import Options
from transforms.schemas import CORE_TABLES, RAW_TABLES
from transforms.schemas.raw import REJECTS

_TABLE = re.compile(r"""\b(?:raw|core)\."?\w+"?""")
_OF_EMPTY_TABLES: dict[str, pl.DataFrame] = {}  # what a statement gives where it names empty ones


class MemoryLake:
    """Tables of `raw` and `core`, empty at first. Not safe between threads.

    A look at few rows costs by the statement, and most statements of a look are of tables that are
    empty or that another step has just read: the rows of a statement are kept until a table that it
    names changes, and what it gives of empty tables is kept for every lake.

    With several `threads` DuckDB may give rows in any order.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._connection = duckdb.connect(
            config={"threads": threads, "preserve_insertion_order": threads == 1}
        )
        self._connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
        self._rows: dict[str, pl.DataFrame] = {}  # by statement
        self._filled: set[str] = set()  # full names of the tables that have rows
        for table in (*RAW_TABLES.values(), REJECTS, *CORE_TABLES.values()):
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
        return (
            cursor.execute(sql)
            .pl()
            .with_columns(pl.col(pl.Datetime(time_zone="*")).dt.convert_time_zone("UTC"))
        )

    def land(self, raw: Mapping[str, pl.DataFrame]) -> None:
        """Puts rows into `raw`, by the tables' names, in place of all that was there."""
        for name, table in RAW_TABLES.items():
            self.land_table(name, raw[name] if name in raw else table.empty())

    def land_table(self, name: str, frame: pl.DataFrame) -> None:
        """Puts rows into one table of `raw` in place of what was there."""
        self._put(f"raw.{name}", frame)

    def append(self, name: str, frame: pl.DataFrame) -> None:
        """Puts rows into a table of `raw`."""
        self._append(f"raw.{name}", frame)

    def take(self, name: str, where: str) -> pl.DataFrame:
        """The rows of a table of `raw` that fit, which it then has no more."""
        full_name = f"raw.{name}"
        rows = RAW_TABLES[name].conform(
            self.query(f"SELECT * FROM {_quoted(full_name)} WHERE {where}")
        )
        if not rows.is_empty():
            self._changes(full_name)
            self.query(f"DELETE FROM {_quoted(full_name)} WHERE {where}")
        return rows

    def close(self) -> None:
        self._connection.close()

    def compute(
        self,
        names: Iterable[str] = tuple(CORE),
        *,
        options: Options,
        between: Callable[[], None] = lambda: None,
    ) -> dict[str, pl.DataFrame]:
        """The tables of `core` of these names, by name, and what they need, computed anew from
        `raw`.

        `between` is called before each: what it does must leave this lake alone.
        """
        tables = {}
        for name in _with_inputs(names):
            between()
            tables[name] = self._of_step(CORE[name], options=options)
            self._put(f"core.{name}", tables[name])
        return tables

    def _of_step(self, step: CoreStep, *, options: Options) -> pl.DataFrame:
        if step.only_with is not None and step.only_with not in self._filled:
            return step.table.empty()
        return rows(step, query=self.read, options=options)

    def read(self, sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """As `query`; a statement that sees no frame is run once for what the tables that it names
        hold.
        """
        if frames:
            return self.query(sql, **frames)
        kept = self._rows if _named(sql) & self._filled else _OF_EMPTY_TABLES
        if sql not in kept:
            kept[sql] = self.query(sql)
        return kept[sql]

    def _put(self, full_name: str, frame: pl.DataFrame) -> None:
        if full_name in self._filled:
            self._changes(full_name)
            self.query(f"DELETE FROM {_quoted(full_name)}")
            self._filled.remove(full_name)
        self._append(full_name, frame)

    def _append(self, full_name: str, frame: pl.DataFrame) -> None:
        if not frame.is_empty():
            self._changes(full_name)
            self.query(f"INSERT INTO {_quoted(full_name)} SELECT * FROM given", given=frame)
            self._filled.add(full_name)

    def _changes(self, full_name: str) -> None:
        """Forgets the rows of statements that name the table."""
        answers = self._rows.items()
        self._rows = {sql: kept for sql, kept in answers if full_name not in _named(sql)}


@cache
def _named(sql: str) -> frozenset[str]:
    """Full names of the tables that a statement names."""
    return frozenset(name.replace('"', "") for name in _TABLE.findall(sql))


def _quoted(full_name: str) -> str:
    schema, name = full_name.split(".")
    return f'{schema}."{name}"'


def _with_inputs(names: Iterable[str]) -> list[str]:
    """The names and all tables of core that those are computed from, in the registry's order."""
    wanted = set(names)
    for name in reversed(CORE):
        if name in wanted:
            wanted |= {full.split(".")[1] for full in CORE[name].inputs if full.startswith("core.")}
    return [name for name in CORE if name in wanted]
