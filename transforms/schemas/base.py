"""What a table and a column are: name, type, unit, key, range, closed list, comment.

Here: the two record types and what is derived from them (polars schema, DDL, comments, what of it
is seen from outside). Not here: any table of Floe (raw, core, mart), anything that opens a
database, how what is seen is made coarse (transforms/disclosure).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import polars as pl

TIMESTAMP = pl.Datetime("us", "UTC")
COUNT = "count"  # the unit of a column that counts people or things
MARK = "is_suppressed"  # the column by which a summary says which of its rows must not be seen from outside


class Outside(StrEnum):
    """What a column is to a reader from outside the clinic; one that says nothing is withheld.

    KEY and OPEN are the same whatever happened to whom: seen as they are. COUNT and MEASURED come
    of what happened to people: seen as a release makes them, and in no row that is marked. WITHHELD
    is for nobody outside.
    """

    KEY = "key"
    OPEN = "open"
    COUNT = "count"
    MEASURED = "measured"
    WITHHELD = "withheld"

    @property
    def is_of_people(self) -> bool:
        return self in (Outside.COUNT, Outside.MEASURED)


class Json:
    """A JSON object kept as text: `String` in a frame, `JSON` in the lake."""


class JsonList:
    """A JSON list of objects kept as text, as `Json` is."""


JSON_KINDS = (Json, JsonList)

_DUCKDB = {
    pl.String: "VARCHAR",
    pl.Int64: "BIGINT",
    pl.Int32: "INTEGER",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Binary: "BLOB",
    TIMESTAMP: "TIMESTAMPTZ",
    pl.List(pl.String): "VARCHAR[]",
    pl.List(pl.Float64): "DOUBLE[]",
    Json: "JSON",
    JsonList: "JSON",
}


@dataclass(frozen=True)
class Column:
    """One column: `lower`/`upper` is the physical range (inclusive), `closed` the closed list of
    values, `outside` what it is to a reader from outside. `is_stamp`: it says of which run a row
    is, and nothing of the row: one that says the same keeps the stamp that it has.
    """

    name: str
    dtype: type | pl.DataType
    comment: str
    unit: str | None = None
    required: bool = False
    closed: tuple[str, ...] | None = None
    lower: float | None = None
    upper: float | None = None
    sent_as: str | None = (
        None  # the field's name in the event, where a column of the envelope has it already
    )
    outside: Outside = Outside.WITHHELD
    is_stamp: bool = False

    @property
    def field(self) -> str:
        return self.sent_as or self.name

    @property
    def is_json(self) -> bool:
        return self.dtype in JSON_KINDS

    @property
    def polars(self) -> type | pl.DataType:
        if self.is_json:
            return pl.String
        return self.dtype

    @property
    def duckdb(self) -> str:
        return _DUCKDB[self.dtype]

    @property
    def full_comment(self) -> str:
        parts = [self.comment]
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.closed:
            parts.append(f"One of: {', '.join(self.closed)}.")
        if self.lower is not None or self.upper is not None:
            low = "-inf" if self.lower is None else f"{self.lower:g}"
            high = "inf" if self.upper is None else f"{self.upper:g}"
            parts.append(f"Range: {low} to {high}.")
        return " ".join(parts)


@dataclass(frozen=True)
class Table:
    """One table of the lake: `key` names the columns that identify a row."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def is_open(self) -> bool:
        """Whether a reader from outside sees its rows as they are: what it says of itself is of
        nobody.
        """
        return (
            self._is_named_outside
            and MARK not in self.names
            and not any(c.outside.is_of_people for c in self.columns)
        )

    @property
    def is_released(self) -> bool:
        """Whether a reader from outside sees what a release holds of it: a summary that says what
        it counts.
        """
        return (
            self._is_named_outside
            and MARK in self.names
            and any(c.outside is Outside.COUNT for c in self.columns)
        )

    @property
    def _is_named_outside(self) -> bool:
        """Whether a row may be told apart from outside: not where any column of the key is
        withheld, or there is none.
        """
        return bool(self.key) and all(
            self.column(name).outside is not Outside.WITHHELD for name in self.key
        )

    def of(self, *outside: Outside) -> list[str]:
        """Names of the columns that are one of these to a reader from outside."""
        return [c.name for c in self.columns if c.outside in outside]

    @cached_property
    def polars_schema(self) -> pl.Schema:
        return pl.Schema({c.name: c.polars for c in self.columns})

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    def empty(self) -> pl.DataFrame:
        return self._empty.clone()

    @cached_property
    def _empty(
        self,
    ) -> pl.DataFrame:  # made once: of a wide table that costs more than all else of a small look
        return pl.DataFrame(schema=self.polars_schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with this table's columns, in order and typed; a missing column is a
        programming error.
        """
        return frame.select([pl.col(c.name).cast(c.polars) for c in self.columns])

    def ddl(self) -> str:
        columns = ", ".join(f'"{c.name}" {c.duckdb}' for c in self.columns)
        return f'CREATE TABLE IF NOT EXISTS {self.schema}."{self.name}" ({columns})'

    def comments(self) -> list[str]:
        """The COMMENT statements of the table and all of its columns."""
        table = f'{self.schema}."{self.name}"'
        return [f"COMMENT ON TABLE {table} IS {_quoted(self.comment)}"] + [
            f'COMMENT ON COLUMN {table}."{c.name}" IS {_quoted(c.full_comment)}'
            for c in self.columns
        ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
