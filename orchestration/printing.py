"""Rows for people and for programs: a table on the terminal, JSON, CSV.

Here: how values are written. Not here: which rows (answers.py), from which question
(ingest/lake/). JSON has one row per line and is exact; what is no number there (NaN, infinity) is
null. A time is RFC 3339 in all three. Texts act nowhere (transforms/plain_text.py): the table shows
what would steer a terminal as escapes, CSV is for spreadsheets, in which a text that would be a
formula begins with an apostrophe, and numbers stay numbers.
"""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import TextIO

import orjson
import polars as pl
from rich.console import Console
from rich.table import Table as Grid

from transforms.counting import counted
from transforms.errors import UsageError
from transforms.plain_text import cell, exact_json, visible

_MOST_ROWS = 200
_MOST_COUNTED = (
    1_000_000 - _MOST_ROWS + 1
)  # rows behind those that are shown, which are made only to be counted
_PIPE_WIDTH = 200  # columns where the output is no terminal
_LONGEST_NAME = 60  # characters of the first column that are shown however narrow the rest becomes
_LARGEST_JSON_INTEGER = 2**63 - 1  # beyond it orjson has no integer
_NEEDS_QUOTES = frozenset(',;"\t\r\n')

Rows = Iterable[Sequence[object]]


def print_frame(frame: pl.DataFrame, *, format: str) -> None:
    print_rows(frame.columns, frame.iter_rows(), format=format)


def print_rows(
    columns: Sequence[str], rows: Rows, *, format: str, file: TextIO | None = None
) -> int:
    """Writes the rows to standard output or to `file`, and gives their number. Raises
    UsageError.
    """
    require_format(format)
    write = _WRITERS[format]
    return write(columns, rows, file or sys.stdout)


def require_format(format: str) -> None:
    """UsageError for none of them."""
    if format not in _WRITERS:
        raise UsageError(f"found --format {format!r}, expected table, json or csv")


def _write_json(columns: Sequence[str], rows: Rows, file: TextIO) -> int:
    names, count = distinct(columns), 0
    for row in rows:
        line = orjson.dumps(dict(zip(names, map(_for_json, row), strict=True))).decode()
        line = exact_json(line)
        file.write(("[\n" if count == 0 else ",\n") + line)
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def _write_csv(columns: Sequence[str], rows: Rows, file: TextIO) -> int:
    file.write(",".join(map(_csv_cell, columns)) + "\n")
    count = 0
    for row in rows:
        file.write(",".join(map(_csv_cell, row)) + "\n")
        count += 1
    return count


def _write_table(columns: Sequence[str], rows: Rows, file: TextIO) -> int:
    """A grid of the first rows, and how many there are."""
    rows = iter(rows)
    shown = list(islice(rows, _MOST_ROWS))
    count = len(shown) + sum(1 for _ in islice(rows, _MOST_COUNTED))
    first = f", the first {_MOST_ROWS}" if count > _MOST_ROWS else ""
    more = "more than " if count == _MOST_ROWS + _MOST_COUNTED else ""
    grid = Grid(
        *map(visible, columns), caption=f"{more}{counted(count - bool(more), 'row')}{first}"
    )
    for row in shown:
        grid.add_row(*("" if value is None else visible(_text(value)) for value in row))
    if grid.columns:  # what names a row is what the next command takes: it is not cut
        names = [visible(_text(row[0])) for row in shown if row[0] is not None]
        grid.columns[0].min_width = min(_LONGEST_NAME, max(map(len, names), default=0))
    width = None if file.isatty() else _PIPE_WIDTH
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(grid)
    return count


_WRITERS: dict[str, Callable[[Sequence[str], Rows, TextIO], int]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
}


def distinct(columns: Sequence[str]) -> list[str]:
    """Names for an object: of two alike the second is `name_2`."""
    names: list[str] = []
    for column in columns:
        name, k = column, 1
        while name in names:
            name, k = f"{column}_{k + 1}", k + 1
        names.append(name)
    return names


def _for_json(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return orjson.Fragment(f"{value:f}") if value.is_finite() else None
        case int():
            return value if abs(value) <= _LARGEST_JSON_INTEGER else orjson.Fragment(str(value))
        case dict():
            return {str(name): _for_json(one) for name, one in value.items()}
        case list() | tuple():
            return [_for_json(one) for one in value]
        case None | str():
            return value
    return _text(value)


def _csv_cell(value: object) -> str:
    """Null is an empty cell, an empty text a pair of quotes."""
    if value is None:
        return ""
    text = _text(value)
    text = cell(text) if isinstance(value, str | bytes) else text
    if not text or _NEEDS_QUOTES & set(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict() | list() | tuple():
            return orjson.dumps(_for_json(value)).decode()
        case bytes():
            return value.decode(errors="backslashreplace")
        case Decimal():
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
    return str(value)
