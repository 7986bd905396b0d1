"""Small cells: which rows a reader from outside the clinic must not see, and what a new release would give away.

Here: marks on frames of counts. Not here: who reads what (the reader applies the marks by role; a clinic's own staff
see their own cases), and any removal of a value: marts hold the true counts.

A row is marked where
1. one of its counts is small: 1 to `min_cell` - 1. A zero is not small, so that "no event" stays readable; the other
   side of a proportion (n - x) is a count like any other and is given as one;
2. subtraction would give it away. Rows that differ in one dimension only, and the row of their total, make a line; on
   a line where something is hidden at least two cells are, and those hidden below a visible total add up to
   `min_cell` or more. The partner is the smallest cell without a zero, else with one; a total only where no part is
   left. This is repeated over all dimensions until nothing changes, so no chain of single subtractions gives a
   hidden cell; solving several totals at once is not guarded against;
3. another row of the same cell is marked (populations of one metric share their patients).
`differencing` marks what subtraction from an earlier release would give away.

The ideas: OpenSAFELY's and omopgenerics' rules for small counts; complementary suppression of statistical offices.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.errors import UsageError


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
) -> pl.Series:
    """`is_suppressed`, a boolean a row of `frame`.

    `counts`: columns or expressions, whole numbers or null; the first is the cell's size (patients). `dimensions`:
    null = the total over that dimension. `by`: what else tells one table of cells from another (metric, visit);
    rows of the same `by` and dimensions are one cell. `also`: further rows to hide (`differencing`), whose
    complements are then hidden too.
    """
    if frame.is_empty():
        return pl.Series("is_suppressed", [], dtype=pl.Boolean)
    primary = frame.select(is_small(counts, min_cell=min_cell).alias("hidden"))["hidden"]
    hidden = (primary if also is None else primary | also).to_numpy()
    cell, first = _cells(frame, [*by, *dimensions])
    amounts = _amounts(frame, counts, cell, size=len(first))
    is_hidden = np.zeros(len(first), bool)
    is_hidden[cell[hidden]] = True
    if is_hidden.any():
        lines = [_line(frame[first], d, dimensions, by) for d in dimensions]
        _complement(is_hidden, lines, amounts, min_cell=min_cell)
    return pl.Series("is_suppressed", is_hidden[cell])


def differencing(
    previous: pl.DataFrame, current: pl.DataFrame, *, keys: Sequence[str], counts: Sequence[str], min_cell: int
) -> pl.Series:
    """A boolean a row of `current`: shown beside the earlier release it would give away a few people.

    `previous`: what readers from outside were last shown, a row a cell with `keys` and `counts` (the result of
    `released`). Marked where a count differs from it by 1 to `min_cell` - 1; unchanged and new cells are not.
    """
    _require_unique(previous, keys, "previous")
    before = previous.select(*keys, *(pl.col(c).alias(f"{c}_before") for c in counts))
    joined = current.select(*keys, *counts).join(
        before, on=list(keys), how="left", nulls_equal=True, maintain_order="left"
    )
    changes = [(pl.col(c) - pl.col(f"{c}_before")).abs() for c in counts]
    return joined.select(is_differencing=is_small(changes, min_cell=min_cell))["is_differencing"]


def released(
    previous: pl.DataFrame, current: pl.DataFrame, *, keys: Sequence[str], counts: Sequence[str]
) -> pl.DataFrame:
    """What readers from outside have last been shown of each cell, once `current` (with `is_suppressed`) is out.

    A row a cell, `keys` and `counts`: of `current` where it is shown, else as in `previous`. It is the `previous` of
    the next release; a hidden cell so stays compared with what was last seen of it.
    """
    shown = current.filter(~pl.col("is_suppressed")).select(*keys, *counts)
    _require_unique(shown, keys, "current")
    kept = previous.select(*keys, *counts).join(shown, on=list(keys), how="anti", nulls_equal=True)
    return pl.concat([shown, kept], how="vertical_relaxed").sort(list(keys))


# --- cells and lines ------------------------------------------------------------------------------


def _cells(frame: pl.DataFrame, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each row (0, 1, …) and each cell's first row; cells are in the order of their keys."""
    codes = [_codes(frame[k]) for k in keys]
    return _grouped(codes, frame.height)


def _codes(values: pl.Series) -> np.ndarray:
    """0 for null, else the place among the sorted distinct values from 1: the same for any order of rows."""
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


def _line(cells: pl.DataFrame, dimension: str, dimensions: Sequence[str], by: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each cell: the line that it is on along `dimension`, and whether it is that line's total."""
    others = [*by, *(d for d in dimensions if d != dimension)]
    line, _ = _cells(cells, others) if others else (np.zeros(cells.height, np.int64), None)
    return {"line": line, "is_total": cells[dimension].is_null().to_numpy()}


def _amounts(frame: pl.DataFrame, counts: Sequence[str | pl.Expr], cell: np.ndarray, *, size: int) -> np.ndarray:
    """A row a cell, a column a count: the largest of the cell's rows, 0 for null."""
    amounts = np.zeros((size, len(counts)))
    for k, count in enumerate(counts):
        expression = pl.col(count) if isinstance(count, str) else count
        values = frame.select(expression.cast(pl.Float64).fill_null(0).alias("n"))["n"].to_numpy()
        np.maximum.at(amounts[:, k], cell, values)
    return amounts


# --- complements ----------------------------------------------------------------------------------


def _complement(is_hidden: np.ndarray, lines: list[dict], amounts: np.ndarray, *, min_cell: int) -> None:
    """Hides partners, in place, until no line gives a hidden cell away."""
    zeros = (amounts == 0).sum(axis=1)
    cells = np.arange(len(is_hidden))
    orders = [np.lexsort((cells, amounts[:, 0], zeros, line["is_total"], line["line"])) for line in lines]
    changed = True
    while changed:
        changed = False
        for line, order in zip(lines, orders, strict=True):
            needs = _in_need(is_hidden, line, amounts, min_cell=min_cell)
            candidates = order[needs[line["line"][order]] & ~is_hidden[order]]
            _, first = np.unique(line["line"][candidates], return_index=True)
            is_hidden[candidates[first]] = True
            changed |= bool(len(first))


def _in_need(is_hidden: np.ndarray, line: dict, amounts: np.ndarray, *, min_cell: int) -> np.ndarray:
    """Lines that give a hidden cell away: one alone, or parts whose sum below a visible total is small."""
    number, is_total = line["line"], line["is_total"]
    size = number.max() + 1
    hidden = np.bincount(number[is_hidden], minlength=size)
    has_total = np.bincount(number[is_total], minlength=size) > 0
    total_shown = np.bincount(number[is_total & ~is_hidden], minlength=size) > 0
    parts = is_hidden & ~is_total
    small = np.zeros(size, bool)
    for amount in amounts.T:
        below = np.bincount(number[parts], weights=amount[parts], minlength=size)
        small |= (below > 0) & (below < min_cell)
    return (has_total & (hidden == 1)) | (total_shown & small)


def _require_unique(frame: pl.DataFrame, keys: Sequence[str], name: str) -> None:
    if frame.select(list(keys)).is_duplicated().any():
        raise UsageError(f"{name} has several rows with the same {', '.join(keys)}: give keys that identify a row")
