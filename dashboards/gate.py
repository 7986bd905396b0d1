"""The gate through which everything leaves the lake for this room: what of it whoever looks may
see.

Here: who looks, and what passes for them: relations, rows, moments, facts. Not here: which cells a
release marks and what it holds of the others (transforms/disclosure), what a column is to a reader
from outside (transforms/schemas), reading itself (reader.py). Nothing held back here reaches a
figure, a table, a hover text, an export, a version or a cache.

It is closed by default. A column, a table or a fact that says nothing of itself passes for the
clinic's own staff alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from transforms.disclosure.withheld import SUPPRESSED, withheld
from transforms.errors import UsageError
from transforms.schemas import MARK, Column, Outside, Table
from transforms.schemas.app import RELEASED

__all__ = ["SUPPRESSED", "Gate", "Viewer", "seen_from_outside"]

F = TypeVar("F", bound=Callable)

_OF_ANOTHER_TABLE = re.compile(
    r"\b(select|(?<!distinct )from|with|union|pivot|table|values)\b|;|--|/\*", re.IGNORECASE
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who looks. Today all who ask one process are one viewer, by its setting; what tells one
    person from another (the clinics that they belong to, say) is a field more, and every answer of
    `Gate` and every key of a cache knows it.
    """

    role: str

    @property
    def is_outside(self) -> bool:
        return self.role != "clinic"


def seen_from_outside(ask: F) -> F:
    """Marks a fact of the lake (a function of it) as one that a reader from outside may know: it
    gives no count, no moment and no id.
    """
    ask.is_seen_from_outside = True
    return ask


@dataclass(frozen=True)
class Gate:
    """What passes for `viewer`."""

    viewer: Viewer

    def source(self, table: Table) -> Table | None:
        """The table that its rows come from: itself, of a summary from outside the last release;
        None where none pass.
        """
        if self.is_whole or table.is_open:
            return table
        if table.schema == "mart" and table.is_released:
            return RELEASED.get(table.name)
        return None

    def relation(self, table: Table) -> str | None:
        """`source` as SQL, with all columns of `table` in order: what does not pass is null before
        anything is asked of it, so that no condition tells what it holds.
        """
        source = self.source(table)
        if source is None or self.is_whole:
            return source and source.full_name
        columns = ", ".join(_selected(c, is_marked=MARK in table.names) for c in table.columns)
        return f"(SELECT {columns} FROM {source.full_name})"

    def judged(self, condition: str) -> str:
        """The condition, of which a reader from outside gets none that asks another table.
        UsageError for such a one.
        """
        if self.viewer.is_outside and _OF_ANOTHER_TABLE.search(_QUOTED.sub("", condition)):
            raise UsageError(
                f"found {condition[:80]!r}, expected a condition on the table's own columns"
            )
        return condition

    def rows(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """What passes of rows of `relation(table)`: of a summary from outside nothing that a marked
        row counts.
        """
        if self.viewer.is_outside and MARK in rows.columns:
            return withheld(table, rows)
        return rows

    @property
    def is_whole(self) -> bool:
        """Whether all of the lake is open: any statement, raw and its moments, acting on it."""
        return not self.viewer.is_outside

    def opens(self, ask: Callable) -> bool:
        """Whether a fact of the lake passes."""
        return self.is_whole or getattr(ask, "is_seen_from_outside", False)


def _selected(column: Column, *, is_marked: bool) -> str:
    name = f'"{column.name}"'
    if column.outside is Outside.WITHHELD:
        return f"NULL::{column.duckdb} AS {name}"
    return (
        f"CASE WHEN NOT {MARK} THEN {name} END AS {name}"
        if is_marked and column.outside.is_of_people
        else name
    )
