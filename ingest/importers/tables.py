"""A file of rows -> the three columns of it that are read, with the line of each: CSV in whatever
dress, Parquet, JSON.

Here: delimiters, headings, quotes, columns' names, a batch of lines at a time. Not here: what a
column's texts mean (notation.py), the samples that they are (samples.py), whose export it is
(fitbit.py).
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import UnreadableFile

from .lines import Unread, bytes_of, excerpt, opened, text_lines

_DELIMITERS = ",;\t|"
LINES_AT_ONCE = 25_000
_LONGEST_HEADING = 4_000  # characters
_HEADING_WITHIN = 5  # lines: a title may stand first
_PARQUET, _JSON = b"PAR1", (b"[", b"{")
_EXPECTED = "expected a Fitbit export (CSV, Parquet or JSON)"
_COLUMNS = ("person", "time", "value")
_TEXTS = {"line": pl.Int64, "person": pl.String, "time": pl.String, "value": pl.String}


class Kind(Protocol):
    """What a table is looked through for: the names of its columns."""

    shown: str

    def columns_in(self, columns: list[str]) -> tuple[str, str] | None: ...


@dataclass(frozen=True)
class Table:
    """A file that may be read as often as needed: `batches(unread)` gives its rows, some thousands
    at a time.

    Rows: line, person, time, value (texts, or Parquet's own types), without blank lines; `unread`
    is told of lines that are no rows. `is_vendors`: the vendor's JSON, whose notations are fixed.
    One JSON is held whole: the vendor's have a day or a month each.
    """

    kind: Kind
    batches: Callable[[Unread], Iterator[pl.DataFrame]]
    has_person: bool
    delimiter: str | None = None
    is_vendors: bool = False


def read_table(path: Path, *, kinds: Sequence[Kind], person: str, unread: Unread) -> Table:
    """The file as a table of the first kind whose columns it has. Raises UnreadableFile."""
    with opened(path, expected=_EXPECTED) as file:
        head = file.peek(64)[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(_PARQUET):
        return _parquet(path, kinds=kinds, person=person)
    if path.suffix == ".parquet" or not head:
        raise UnreadableFile(
            f"{path}: found {'no Parquet' if head else 'an empty file'}, {_EXPECTED}"
        )
    if head.startswith(_JSON):
        return _json(path, kinds=kinds)
    return _csv(path, kinds=kinds, person=person, unread=unread)


def _chosen(columns: list[str], *, kinds: Sequence[Kind], path: Path) -> tuple[Kind, str, str]:
    for kind in kinds:
        if places := kind.columns_in(columns):
            return kind, *places
    expected = " or ".join(kind.shown for kind in kinds)
    raise UnreadableFile(
        f"{path}: found columns {excerpt(', '.join(columns))}, expected {expected}"
    )


def _parquet(path: Path, *, kinds: Sequence[Kind], person: str) -> Table:
    with (
        _damage_told(path),
        path.open("rb") as file,
    ):  # a name such as a[1].parquet is this file, no pattern
        schema = pq.ParquetFile(file).schema_arrow
    places = {name.strip().lower(): name for name in schema.names}
    if len(places) < len(schema.names):
        raise UnreadableFile(f"{path}: found two columns of one name, {_EXPECTED}")
    kind, time, value = _chosen(list(places), kinds=kinds, path=path)
    if getattr(schema.field(places[time]).type, "tz", None):
        raise UnreadableFile(
            f"{path}: found {time} with a zone, expected the vendor's zone-less local times"
        )
    columns = {"person": places.get(person), "time": places[time], "value": places[value]}
    return Table(kind, lambda _: _parquet_batches(path, columns), person in places)


def _parquet_batches(path: Path, columns: dict[str, str | None]) -> Iterator[pl.DataFrame]:
    there = [name for name in columns.values() if name]
    line = 1
    with _damage_told(path), path.open("rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(LINES_AT_ONCE, columns=there):
            rows = pl.DataFrame(pl.from_arrow(batch)).with_row_index("line", offset=line)
            line += rows.height
            rows = rows.filter(~pl.all_horizontal(pl.col(there).is_null()))
            of_person = pl.col(columns["person"]) if columns["person"] else pl.lit(None)
            yield rows.select(
                "line",
                of_person.cast(pl.String).alias("person"),
                time=columns["time"],
                value=columns["value"],
            )


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise UnreadableFile(f"{path}: found a damaged Parquet file, {_EXPECTED}") from error


def _json(path: Path, *, kinds: Sequence[Kind]) -> Table:
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
    values = [
        s["value"].get("bpm") if isinstance(s["value"], dict) else s["value"] for s in samples
    ]
    columns = {
        "line": range(1, len(samples) + 1),
        "person": [None] * len(samples),
        "time": [str(s["dateTime"]) for s in samples],
        "value": [None if value is None else str(value) for value in values],
    }
    rows = pl.DataFrame(columns, schema=_TEXTS)
    return Table(kind, lambda _: rows.iter_slices(LINES_AT_ONCE), has_person=False, is_vendors=True)


def _csv(path: Path, *, kinds: Sequence[Kind], person: str, unread: Unread) -> Table:
    first = list(islice(text_lines(path, expected=_EXPECTED), _HEADING_WITHIN))
    heading, delimiter, names = _heading(first, kinds=kinds, path=path)
    unread.headings[path] = heading
    kind, time, value = _chosen(names, kinds=kinds, path=path)
    has_person = person in names
    places = [names.index(person) if has_person else None, names.index(time), names.index(value)]
    batches = partial(
        _csv_batches, path, heading=heading, delimiter=delimiter, width=len(names), places=places
    )
    return Table(kind, batches, has_person, delimiter)


def _csv_batches(path: Path, unread: Unread, *, heading: int, **dress) -> Iterator[pl.DataFrame]:
    lines = islice(text_lines(path, expected=_EXPECTED), heading, None)
    while chunk := list(islice(lines, LINES_AT_ONCE)):
        yield _rows(chunk, path=path, unread=unread, **dress)


def _heading(
    first: list[tuple[int, str]], *, kinds: Sequence[Kind], path: Path
) -> tuple[int, str, list[str]]:
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
    chunk: list[tuple[int, str]],
    *,
    delimiter: str,
    width: int,
    places: list[int | None],
    path: Path,
    unread: Unread,
) -> pl.DataFrame:
    """Whole columns of the lines that are plain; the few with quotes or another number of cells one
    by one.
    """
    lines = pl.DataFrame(chunk, schema={"line": pl.Int64, "text": pl.String}, orient="row")
    text = pl.col("text")
    is_plain = ~text.str.contains('"', literal=True) & (
        text.str.count_matches(delimiter, literal=True) == width - 1
    )
    cells = lines.filter(is_plain).with_columns(cells=text.str.split(delimiter))
    cells = cells.filter(text.str.strip_chars(delimiter) != "")
    plain = cells.select(
        "line", **{name: _cell(place) for name, place in zip(_COLUMNS, places, strict=True)}
    )
    others = _others(
        lines.filter(~is_plain).rows(), delimiter=delimiter, width=width, path=path, unread=unread
    )
    rows = [
        (line, *((fields[p].strip() or None) if p is not None else None for p in places))
        for line, fields in others
    ]
    return pl.concat([plain, pl.DataFrame(rows, schema=_TEXTS, orient="row")]).sort("line")


def _cell(place: int | None) -> pl.Expr:
    if place is None:
        return pl.lit(None, pl.String)
    return pl.col("cells").list.get(place).str.strip_chars().replace("", None)


def _others(
    lines: list[tuple[int, str]], *, delimiter: str, width: int, path: Path, unread: Unread
) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        cells = _cells(line, delimiter)
        if not any(cells):
            continue
        if len(cells) == width:
            yield number, cells
        else:
            unread.add(path, number, f"found {len(cells)} columns, expected {width}")


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return (
            next(csv.reader([line], delimiter=delimiter), [])
            if '"' in line
            else line.split(delimiter)
        )
    except csv.Error:  # a quote that never ends, a cell beyond all measure
        return [line]
