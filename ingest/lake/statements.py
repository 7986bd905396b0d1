"""Statements over a cursor of the lake: run, run as a reading one, as a transaction, row by row.

Here: what DuckDB is told. Not here: whose cursor that is (attached.py), what a statement may read
(lake_reading.py).
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import polars as pl

from transforms.schemas import APP_TABLES, BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES, Table
from transforms.schemas.views import VIEWS

from ..lake_answers import plain_columns
from ..lake_limits import Clock
from ..lake_statement import require_reading

SCHEMAS = ("raw", "core", "mart", "app")
TABLES: tuple[Table, ...] = (
    *RAW_TABLES.values(),
    *BOOKKEEPING,
    *CORE_TABLES.values(),
    *MART_TABLES.values(),
    *APP_TABLES.values(),
)

_RELATIONS = frozenset(one.full_name for one in (*TABLES, *VIEWS))
ROWS_AT_ONCE = 10_000
_NAMED = re.compile(r"""\b(raw|core|mart|app)"?\."?(\w+)"?(\s+AT\s*\(VERSION)?""")


def executed(
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


def require_only_reading(cursor, statement: str, masked: Collection[str]) -> None:
    require_reading(
        cursor, statement, tokenize=duckdb.tokenize, relations=_RELATIONS, masked=masked
    )


def begin_reading(cursor) -> None:
    """A transaction that has begun to read the catalog: nothing that follows in it finds that busy
    any more.
    """
    cursor.execute("BEGIN")
    try:
        cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
    except BaseException:
        cursor.execute("ROLLBACK")
        raise


def plain_rows(asked: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return as_select_list(asked, plain_columns)


def as_select_list(
    asked: duckdb.DuckDBPyRelation, select_list: Callable[[Iterable], str]
) -> duckdb.DuckDBPyRelation:
    """The rows with columns c0, c1, …, each as the select list says."""
    names = ", ".join(f"c{k}" for k in range(len(asked.columns)))
    if (columns := select_list(asked.types)) == names and select_list is plain_columns:
        return asked
    return asked.query("floe_asked", f"SELECT {columns} FROM floe_asked AS asked({names})")


def rows_of(clock: Clock, relation: duckdb.DuckDBPyRelation) -> Iterator[tuple]:
    while rows := clock.run(lambda: relation.fetchmany(ROWS_AT_ONCE)):
        yield from rows


def batches_of(clock: Clock, reader: Any) -> Iterator[Any]:
    while batch := clock.run(lambda: next(reader, None)):
        yield batch


@contextmanager
def in_transaction(cursor) -> Iterator[None]:
    cursor.execute("BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT has ended it already
            cursor.execute("ROLLBACK")
        raise


def quoted(full_name: str) -> str:
    return ".".join(f'"{part}"' for part in full_name.split("."))


def named_tables(query: str) -> set[str]:
    """Full names of the tables of the lake that a statement of Floe's own names."""
    return {f"{schema}.{name}" for schema, name, _ in _NAMED.findall(query)}


def stands_still(query: str, *, schemas: Iterable[str]) -> bool:
    """Whether a statement sees nothing but tables of these schemas and `raw` as of a snapshot."""
    named = _NAMED.findall(query)
    return bool(named) and all(
        schema in schemas or (schema == "raw" and snapshot) for schema, _, snapshot in named
    )
