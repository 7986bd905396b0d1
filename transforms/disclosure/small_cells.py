"""Small cells: which rows a reader from outside the clinic must not see.

Here: marks on frames of counts, and what a summary says of its counts (`Cells`). Not here: who
reads what (the reader applies the marks by role; a clinic's own staff see their own cases), any
removal of a value (marts hold the true counts), and what was shown before (release.py).

A row is marked where
1. one of its counts is small: 1 to `min_cell` - 1. A zero is not small, so that "no event" stays readable; the other
   side of a proportion (n - x) is a count like any other and is given as one;
2. subtraction would give it away. Rows that differ in one dimension only, and the row of their total, make a line; on
   a line where something is hidden at least two cells are, and those hidden below a visible total
   add up to `min_cell` or more. The partner is the smallest cell without a zero, else with one; a
   total only where no part is left. This is repeated over all dimensions until nothing changes, so
   no chain of single subtractions gives a hidden cell; solving several totals at once is not
   guarded against;
3. another row of the same cell is marked (populations of one metric share their patients).
Of cells with an earlier release (`before`), what is hidden below a visible total must not have changed by 1 to
`min_cell` - 1 either. Tables of one mart are guarded, not one mart against another.

The ideas: OpenSAFELY's and omopgenerics' rules for small counts; complementary suppression of
statistical offices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..errors import UsageError


def is_small(cells: Sequence[str | pl.Expr], *, min_cell: int) -> pl.Expr:
    """Whether one of the counts is above 0 and below `min_cell`; a null count is no cell."""
    counts = [pl.col(c) if isinstance(c, str) else c for c in cells]
    return pl.any_horizontal(c.is_between(1, min_cell - 1) for c in counts).fill_null(False)


def suppressed(
    frame: pl.DataFrame,
    *,
    counts: Sequence[str | pl.Expr],
    dimensions: Sequence[str],
    by: Sequence[str] = (),
    min_cell: int,
    also: pl.Series | None = None,
    before: pl.DataFrame | None = None,
) -> pl.Series:
    """`is_suppressed`, one boolean per row of `frame`.

    `counts`: columns or expressions, whole numbers or null; the first is the cell's size
    (patients). `dimensions`: null = the total over that dimension. `by`: what else tells one table
    of cells from another (metric, visit); rows of the same `by` and dimensions are one cell.
    `also`: further rows to hide, whose complements are then hidden too. `before`: a column a count,
    what was last shown of each row; null = never shown.
    """
    if frame.is_empty():
        return pl.Series("is_suppressed", [], dtype=pl.Boolean)
    primary = frame.select(is_small(counts, min_cell=min_cell).alias("hidden"))["hidden"]
    hidden = (primary if also is None else primary | also).to_numpy()
    cell, first = _cells(frame, [*by, *dimensions])
    amounts = _amounts(frame, counts, cell, size=len(first))
    change = (
        np.full_like(amounts, np.nan)
        if before is None
        else amounts - _before(before, cell, size=len(first))
    )
    is_hidden = np.zeros(len(first), bool)
    is_hidden[cell[hidden]] = True
    if is_hidden.any():
        lines = [_line(frame[first], d, dimensions, by) for d in dimensions]
        _complement(is_hidden, lines, amounts, change, min_cell=min_cell)
    return pl.Series("is_suppressed", is_hidden[cell])


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What the rows of a summary count and how they add up: said once, for its marks and for a
    release.

    `counts`, `dimensions`, `by`, `min_cell`: as in `suppressed`; counts are of the summary's own
    columns, and a new one is the last; a dimension may be several columns together, all of them
    null for the total. `is_total_known`: the rows give away the total over the dimensions though it
    is no row, so that it is a cell like any other, and where it must be hidden so must all its
    rows. `widened`: of the frame with `is_suppressed` which rows to hide in the end.
    """

    counts: Sequence[str | pl.Expr]
    dimensions: Sequence[str | tuple[str, ...]]
    by: Sequence[str | pl.Expr] = ()
    min_cell: int
    is_total_known: bool = False
    widened: Callable[[pl.DataFrame], pl.Series] | None = None

    @property
    def _names(self) -> list[str]:
        return [d if isinstance(d, str) else "+".join(d) for d in self.dimensions]

    def counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row per row of `frame`, then one row per known total: `by_0`…, the dimensions,
        `count_0`… (0 for null).

        What is below 0 is no count (of a rate, patients less events), and 0 too.
        """
        by = {f"by_{k}": pl.col(b) if isinstance(b, str) else b for k, b in enumerate(self.by)}
        counts = [pl.col(c) if isinstance(c, str) else c for c in self.counts]
        counts = {
            f"count_{k}": c.cast(pl.Float64).fill_null(0).clip(lower_bound=0)
            for k, c in enumerate(counts)
        }
        dimensions = {name: _joint(d) for name, d in zip(self._names, self.dimensions, strict=True)}
        rows = frame.select(**by, **dimensions, **counts)
        if not self.is_total_known:
            return rows
        totals = rows.group_by(list(by), maintain_order=True).agg(pl.col(list(counts)).sum())
        return pl.concat([rows, totals], how="diagonal")

    def marked(
        self,
        counted: pl.DataFrame,
        *,
        also: pl.Series | None = None,
        before: pl.DataFrame | None = None,
    ) -> pl.Series:
        """`is_suppressed`, one boolean per row of `counted`; see `suppressed` for the others."""
        names = {
            kind: [c for c in counted.columns if c.startswith(kind)] for kind in ("by_", "count_")
        }
        rule = {"counts": names["count_"], "dimensions": self._names, "by": names["by_"]}
        marks = suppressed(counted, **rule, min_cell=self.min_cell, also=also, before=before)
        if not self.is_total_known or counted.is_empty():
            return marks
        is_total = pl.all_horizontal(pl.col(d).is_null() for d in self._names)
        hides = (is_total & pl.col("is_suppressed")).any().over(names["by_"])
        return counted.with_columns(marks).select(is_suppressed=pl.col("is_suppressed") | hides)[
            "is_suppressed"
        ]

    def suppressed(self, frame: pl.DataFrame, *, marks: pl.Series | None = None) -> pl.Series:
        """`is_suppressed`, one boolean per row of `frame`; `marks`: other than those of the counts
        alone.
        """
        marks = self.marked(self.counted(frame)) if marks is None else marks
        marks = marks.head(frame.height)
        if self.widened is None:
            return marks
        return self.widened(frame.with_columns(marks))


def _joint(dimension: str | tuple[str, ...]) -> pl.Expr:
    """The dimension as one column: of several the JSON of their values, null where all are."""
    if isinstance(dimension, str):
        return pl.col(dimension)
    is_total = pl.all_horizontal(pl.col(c).is_null() for c in dimension)
    return pl.when(~is_total).then(pl.struct(dimension).struct.json_encode())


# --- cells and lines ----------------------------------------------------------------------------


def _cells(frame: pl.DataFrame, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each row (0, 1, …) and each cell's first row; cells are in the order of their
    keys.
    """
    columns = (frame[key] for key in keys)
    codes = [_codes(column) for column in columns]
    return _grouped(codes, frame.height)


def _codes(values: pl.Series) -> np.ndarray:
    """0 for null, else the place among the sorted distinct values from 1: the same for any order of
    rows.
    """
    if values.dtype.is_nested():
        raise UsageError(f"column {values.name} is a list: name columns of single values as keys")
    return values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _grouped(codes: list[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Number and first row of each distinct combination of codes."""
    group = np.zeros(size, np.int64)
    for code in codes:
        _, group = np.unique(group * (code.max() + 1) + code, return_inverse=True)
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    return group, first


def _line(
    cells: pl.DataFrame, dimension: str, dimensions: Sequence[str], by: Sequence[str]
) -> dict[str, np.ndarray]:
    """Of each cell: the line that it is on along `dimension`, and whether it is that line's
    total.
    """
    others = [*by, *(d for d in dimensions if d != dimension)]
    line, _ = _cells(cells, others) if others else (np.zeros(cells.height, np.int64), None)
    return {"line": line, "is_total": cells[dimension].is_null().to_numpy()}


def _amounts(
    frame: pl.DataFrame, counts: Sequence[str | pl.Expr], cell: np.ndarray, *, size: int
) -> np.ndarray:
    """One row per cell, a column a count: the largest of the cell's rows, 0 for null."""
    amounts = np.zeros((size, len(counts)))
    for k, count in enumerate(counts):
        expression = pl.col(count) if isinstance(count, str) else count
        values = frame.select(expression.cast(pl.Float64).fill_null(0).alias("n"))["n"].to_numpy()
        np.maximum.at(amounts[:, k], cell, values)
    return amounts


def _before(before: pl.DataFrame, cell: np.ndarray, *, size: int) -> np.ndarray:
    """One row per cell, a column a count: the largest last shown of the cell's rows, NaN where none
    was.
    """
    amounts = np.full((size, before.width), np.nan)
    for k, values in enumerate(before):
        np.fmax.at(amounts[:, k], cell, values.cast(pl.Float64).fill_null(np.nan).to_numpy())
    return amounts


# --- complements --------------------------------------------------------------------------------


def _complement(
    is_hidden: np.ndarray,
    lines: list[dict],
    amounts: np.ndarray,
    change: np.ndarray,
    *,
    min_cell: int,
) -> None:
    """Hides partners, in place, until no line gives a hidden cell away."""
    zeros = (amounts == 0).sum(axis=1)
    cells = np.arange(len(is_hidden))
    orders = [
        np.lexsort((cells, amounts[:, 0], zeros, line["is_total"], line["line"])) for line in lines
    ]
    changed = True
    while changed:
        changed = False
        for line, order in zip(lines, orders, strict=True):
            needs = _in_need(is_hidden, line, amounts, change, min_cell=min_cell)
            candidates = order[needs[line["line"][order]] & ~is_hidden[order]]
            _, first = np.unique(line["line"][candidates], return_index=True)
            is_hidden[candidates[first]] = True
            changed |= bool(len(first))


def _in_need(
    is_hidden: np.ndarray, line: dict, amounts: np.ndarray, change: np.ndarray, *, min_cell: int
) -> np.ndarray:
    """Lines that give a hidden cell away: one alone, or parts whose sum below a visible total, or
    its change, is small.

    The change is that of the hidden parts, and that of the total less that of the parts shown:
    which of the two a reader can tell depends on what was shown before, and a patient in several
    parts makes them differ.
    """
    number, is_total = line["line"], line["is_total"]
    size = number.max() + 1

    def total_of(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(
            number[rows], weights=None if weights is None else weights[rows], minlength=size
        )

    hidden, parts, shown = total_of(is_hidden), is_hidden & ~is_total, ~is_hidden & ~is_total
    small = np.zeros(size, bool)
    for amount, new in zip(amounts.T, change.T, strict=True):
        for below in (
            total_of(parts, amount),
            total_of(parts, new),
            total_of(is_total, new) - total_of(shown, new),
        ):
            small |= (np.abs(below) > 0) & (np.abs(below) < min_cell)
    total_shown = total_of(is_total & ~is_hidden) > 0
    return (total_of(is_total) > 0) & (hidden == 1) | total_shown & (total_of(parts) > 0) & small
