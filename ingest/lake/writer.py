"""The inside of one transaction of the lake.

Here: rows added, replaced and removed; tables, columns, comments and views as described. Not here:
the transaction itself (whole.py).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from transforms.facts.masking import TELLING
from transforms.records.reread import reread
from transforms.schemas import RAW_TABLES, Table
from transforms.schemas.raw import REJECTS
from transforms.schemas.views import VIEWS, View

from ..lake_forward import (
    keeps_arms_in_clear,
    outdated_statements,
    renaming_statements,
    seed_statements,
    written_statement,
)
from ..lake_schema import missing_statements, missing_views, unknown_tables
from ..sealing import Sealer
from .statements import SCHEMAS, TABLES, executed, named_tables, quoted


class Writer:
    """The inside of one transaction. Frames must have the table's columns; they are brought to its
    order and types. `written`: full names of the tables that it may have changed.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, *, sealer: Sealer) -> None:
        self._cursor = cursor
        self._sealer = sealer
        self.written: set[str] = set()

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Adds the rows."""
        self.written.add(table.full_name)
        if frame.height:
            names = ", ".join(f'"{name}"' for name in table.names)
            query = f"INSERT INTO {quoted(table.full_name)} ({names}) SELECT {names} FROM _rows"
            rows = self._sealer.sealed(table, table.conform(frame))
            executed(self._cursor, query, None, {"_rows": rows}, fetch=False)

    def replace(self, table: Table, frame: pl.DataFrame) -> None:
        """The table holds these rows and no others."""
        self.written.add(table.full_name)
        executed(self._cursor, f"DELETE FROM {quoted(table.full_name)}", None, {}, fetch=False)
        self.append(table, frame)

    def upsert(self, table: Table, frame: pl.DataFrame, keys: pl.DataFrame) -> None:
        """Removes the rows whose key columns are among `keys` (null equals null) and adds
        `frame`.
        """
        self.written.add(table.full_name)
        if keys.height:
            same = " AND ".join(
                f'rows."{name}" IS NOT DISTINCT FROM _keys."{name}"' for name in keys.columns
            )
            query = f"DELETE FROM {quoted(table.full_name)} AS rows USING _keys WHERE {same}"
            executed(self._cursor, query, None, {"_keys": keys.unique()}, fetch=False)
        self.append(table, frame)

    def seal(self, *tables: Table) -> None:
        """What these hold in clear of what tells of an arm is sealed, as if it had landed now: read
        with what this release knows, for of what is sealed nothing more is read.
        """
        for table in tables:
            columns = reread(table.name) if table.name in TELLING else "*"
            rows = self.execute(f"SELECT {columns} FROM {quoted(table.full_name)}")
            rows = table.conform(rows)
            if not self._sealer.sealed(table, rows).equals(rows):
                self.replace(table, rows)

    def put(self, table: Table, differs: "Difference") -> None:
        """What differs, in the place of what stood there."""
        if differs.rows:
            self.upsert(table, differs.new, differs.gone)

    def execute(self, query: str, params: Any = None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        """Runs a statement inside the transaction and gives its rows."""
        self.written |= named_tables(query)
        return executed(self._cursor, query, params, frames)


@dataclass(frozen=True)
class Difference:
    """What must come to a table, and the keys of what must go, so that it holds some rows."""

    new: pl.DataFrame
    gone: pl.DataFrame

    @property
    def rows(self) -> int:
        """How many are added, changed or removed."""
        added = self.new.join(self.gone, on=self.gone.columns, how="anti", nulls_equal=True)
        return self.gone.height + added.height


def difference(
    query: Callable[..., pl.DataFrame],
    table: Table,
    frame: pl.DataFrame,
    keys: pl.DataFrame | None,
    *,
    sees_doubles: bool,
) -> Difference:
    """Between the rows and those that the table holds (of `keys`, a frame of key columns); `query`
    sees both.

    A row that says the same, but for its stamps, stays as it is. Floats that differ in nothing
    but the sign of zero say the same. Rows that the table holds twice are seen where asked for.
    """
    said = [c.name for c in table.columns if not c.is_stamp]
    same = " AND ".join(f'now."{c}" IS NOT DISTINCT FROM new."{c}"' for c in said)
    frames = {"_rows": table.conform(frame)}
    now, key = f"{quoted(table.full_name)} AS now", list(table.key)
    if keys is not None:
        frames["_keys"] = keys.unique()
        names = " AND ".join(f'now."{c}" IS NOT DISTINCT FROM k."{c}"' for c in keys.columns)
        now = f"(SELECT now.* FROM {now} SEMI JOIN _keys AS k ON {names}) AS now"
        key += [c for c in keys.columns if c not in key]  # a row may have gone to other keys
    new = query(f"SELECT new.* FROM _rows AS new ANTI JOIN {now} ON {same}", **frames)
    columns = ", ".join(f'now."{c}"' for c in key)
    gone = query(f"SELECT {columns} FROM {now} ANTI JOIN _rows AS new ON {same}", **frames)
    differs = Difference(new, gone)
    if not sees_doubles:
        return differs
    wanted = {name: keys for name, keys in frames.items() if name == "_keys"}
    stored = query(f"SELECT count(*) AS n FROM {now}", **wanted)["n"][0]
    if stored - gone.height == frame.height - new.height:
        return differs
    double = query(f"SELECT {columns} FROM {now} GROUP BY ALL HAVING count(*) > 1", **wanted)
    return _with_doubles(differs, double, frames["_rows"])


def _with_doubles(differs: Difference, double: pl.DataFrame, frame: pl.DataFrame) -> Difference:
    """Beside what differs the rows of keys that the table holds more than once, though each of them
    says the same.
    """
    key = double.columns
    once = frame.join(double, on=key, how="semi", nulls_equal=True)
    new = differs.new.join(double, on=key, how="anti", nulls_equal=True)
    return Difference(pl.concat([new, once]), pl.concat([differs.gone, double]).unique())


def is_lacking(cursor, tables: Iterable[Table], views: Iterable[View]) -> bool:
    if missing_statements(cursor, SCHEMAS, tables):
        return True
    return bool(missing_views(cursor, views))


def ensure_described(writer: Writer, tables: Iterable[Table], views: Iterable[View]) -> None:
    for statement in missing_statements(writer._cursor, SCHEMAS, tables):
        writer._cursor.execute(statement)
    for statement in missing_views(writer._cursor, views):
        writer._cursor.execute(statement)


def bring_forward(writer: Writer) -> None:
    """1. what is there now decides what is outdated; 2. tables as described; 3. what an earlier release
    kept of arms in clear is sealed; 4. all that is noted. One transaction.
    """
    cursor, now = writer._cursor, datetime.now(UTC)
    for statement in renaming_statements(cursor):
        cursor.execute(statement)
    notes = [*outdated_statements(cursor, TABLES, now=now), *seed_statements(cursor)]
    gone, is_clear = unknown_tables(cursor, TABLES), keeps_arms_in_clear(cursor)
    ensure_described(writer, TABLES, VIEWS)
    if is_clear:
        writer.seal(*(RAW_TABLES[name] for name in TELLING), REJECTS)
    for statement in (*gone, *notes, written_statement(TABLES, now=now)):
        cursor.execute(statement)
