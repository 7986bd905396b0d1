"""A file of rows -> the three columns of it that are read, with the line of each: CSV in whatever dress, Parquet, JSON.

Here: delimiters, headings, quotes, columns' names. Not here: what a column's texts mean (notation.py), whose export
it is (fitbit.py).
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import polars as pl

from transforms.errors import UnreadableFile

from .lines import Unread, bytes_of, excerpt, opened, text_lines

_DELIMITERS = ",;\t|"
_LINES_AT_ONCE = 100_000
_LONGEST_HEADING = 4_000  # characters
_HEADING_WITHIN = 5  # lines: a title may stand first
_PARQUET, _JSON = b"PAR1", (b"[", b"{")
_EXPECTED = "expected a Fitbit export (CSV, Parquet or JSON)"
_TEXTS = {"line": pl.Int64, "person": pl.String, "time": pl.String, "value": pl.String}


class _Kind(Protocol):
    shown: str

    def columns_in(self, columns: list[str]) -> tuple[str, str] | None: ...


@dataclass(frozen=True)
class Table:
    """`rows`: line, person, time, value (texts, or Parquet's own types), without blank lines.

    `is_vendors`: the vendor's JSON, whose notations are fixed.
    """

    kind: _Kind
    rows: pl.DataFrame
    has_person: bool
    delimiter: str | None = None
    is_vendors: bool = False


def read_table(path: Path, *, kinds: Sequence[_Kind], person: str, unread: Unread) -> Table:
    """The file as a table of the first kind whose columns it has. Raises UnreadableFile."""
    with opened(path, expected=_EXPECTED) as file:
        head = file.peek(64)[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(_PARQUET):
        return _parquet(path, kinds=kinds, person=person)
    if path.suffix == ".parquet" or not head:
        raise UnreadableFile(f"{path}: found {'no Parquet' if head else 'an empty file'}, {_EXPECTED}")
    if head.startswith(_JSON):
        return _json(path, kinds=kinds)
    return _csv(path, kinds=kinds, person=person, unread=unread)


def _chosen(columns: list[str], *, kinds: Sequence[_Kind], path: Path) -> tuple[_Kind, str, str]:
    for kind in kinds:
        if places := kind.columns_in(columns):
            return kind, *places
    expected = " or ".join(kind.shown for kind in kinds)
    raise UnreadableFile(f"{path}: found columns {excerpt(', '.join(columns))}, expected {expected}")


def _parquet(path: Path, *, kinds: Sequence[_Kind], person: str) -> Table:
    try:
        with path.open("rb") as file:  # a name such as a[1].parquet is this file, no pattern
            frame = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnreadableFile(f"{path}: found a damaged Parquet file, {_EXPECTED}") from error
    names = [name.strip().lower() for name in frame.columns]
    if len(set(names)) < len(names):
        raise UnreadableFile(f"{path}: found two columns of one name, {_EXPECTED}")
    frame.columns = names
    kind, time, value = _chosen(names, kinds=kinds, path=path)
    if getattr(frame[time].dtype, "time_zone", None):
        raise UnreadableFile(f"{path}: found {time} with a zone, expected the vendor's zone-less local times")
    of_person = pl.col(person).cast(pl.String) if person in names else pl.lit(None, pl.String)
    rows = frame.select(person=of_person, time=time, value=value).with_row_index("line", offset=1)
    columns = [name for name in ("person", "time", "value") if name != "person" or person in names]
    return Table(kind, rows.filter(~pl.all_horizontal(pl.col(columns).is_null())), person in names)


def _json(path: Path, *, kinds: Sequence[_Kind]) -> Table:
    """The vendor's own archive: [{"dateTime": …, "value": a number, or an object with one}, …]."""
    try:
        samples = json.loads(bytes_of(path, expected=_EXPECTED))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path}: found no whole JSON, {_EXPECTED}") from error
    if not isinstance(samples, list) or not all(
        isinstance(s, dict) and "dateTime" in s and "value" in s for s in samples
    ):
        raise UnreadableFile(
            f'{path}: found other JSON, expected a list of {{"dateTime": …, "value": …}} (steps-*.json)'
        )
    is_heart = any(isinstance(s["value"], dict) and "bpm" in s["value"] for s in samples)
    name = "bpm" if is_heart else "steps"
    kind, _, _ = _chosen(["datetime", name], kinds=kinds, path=path)
    values = [s["value"].get("bpm") if isinstance(s["value"], dict) else s["value"] for s in samples]
    columns = {
        "line": range(1, len(samples) + 1),
        "person": [None] * len(samples),
        "time": [str(s["dateTime"]) for s in samples],
        "value": [None if value is None else str(value) for value in values],
    }
    return Table(kind, pl.DataFrame(columns, schema=_TEXTS), has_person=False, is_vendors=True)


def _csv(path: Path, *, kinds: Sequence[_Kind], person: str, unread: Unread) -> Table:
    lines = text_lines(path, expected=_EXPECTED)
    first = list(islice(lines, _HEADING_WITHIN))
    heading, delimiter, names = _heading(first, kinds=kinds, path=path)
    unread.headings[path] = heading
    kind, time, value = _chosen(names, kinds=kinds, path=path)
    has_person = person in names
    places = [names.index(person) if has_person else None, names.index(time), names.index(value)]
    rest = chain([pair for pair in first if pair[0] > heading], lines)
    parts = [
        _rows(chunk, delimiter=delimiter, width=len(names), places=places, path=path, unread=unread)
        for chunk in iter(lambda: list(islice(rest, _LINES_AT_ONCE)), [])
    ]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=_TEXTS)
    return Table(kind, rows, has_person, delimiter)


def _heading(first: list[tuple[int, str]], *, kinds: Sequence[_Kind], path: Path) -> tuple[int, str, list[str]]:
    """The heading's line, the delimiter, and the columns' names in small letters."""
    for number, line in first:
        for delimiter in _DELIMITERS:
            names = [
                " ".join(name.lower().split())
                for name in next(csv.reader([line[:_LONGEST_HEADING]], delimiter=delimiter), [])
            ]
            if any(kind.columns_in(names) for kind in kinds):
                return number, delimiter, names
    expected = " or ".join(kind.shown for kind in kinds)
    named = next((line for _, line in first if line.strip()), "")
    columns = excerpt(", ".join(named.split(max(_DELIMITERS, key=named.count))))[1:-1]
    raise UnreadableFile(f"{path}: found columns {columns}, expected {expected}")


def _rows(
    chunk: list[tuple[int, str]], *, delimiter: str, width: int, places: list[int | None], path: Path, unread: Unread
) -> pl.DataFrame:
    columns: tuple[list, list, list, list] = ([], [], [], [])
    for number, line in chunk:
        cells = _cells(line, delimiter)
        if not any(cells):
            continue
        if len(cells) != width:
            unread.add(path, number, f"found {len(cells)} columns, expected {width}")
            continue
        columns[0].append(number)
        for column, place in zip(columns[1:], places, strict=True):
            column.append((cells[place].strip() or None) if place is not None else None)
    return pl.DataFrame(dict(zip(_TEXTS, columns, strict=True)), schema=_TEXTS)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), []) if '"' in line else line.split(delimiter)
    except csv.Error:  # a quote that never ends, a cell beyond all measure
        return [line]
