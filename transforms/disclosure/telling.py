"""Which shown figures tell, together with the totals that they are parts of, that a count is one of
a few.

Here: bounds of counts that lines of cells allow (parts and their total along one dimension), and
the cells that they leave with 1 to `min_cell` - 1. Not here: small cells and their complements by
exact counts (small_cells.py), rounding.

A rounded count lies within some slack of what is shown. A part that is shown as 5 and so is at
least 1, of a total that is shown as 0 and so is at most 4, is a count of 1 to 4 that two rounded
figures give away.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

_ROUNDS = 2
_TURNS = 3  # what is left out in one opens bounds, and is not counted on in the next


def telling(
    rows: pl.DataFrame,
    *,
    slack: Mapping[str, int],
    dimensions: Sequence[str | tuple[str, ...]],
    by: Sequence[str],
    min_cell: int,
) -> pl.Series:
    """`is_telling`, one boolean per row: what it shows of the columns of `slack` gives a few people
    away.

    `slack`: a column -> how far the count may lie from what is shown; null = not shown.
    `dimensions`, `by`: as in disclosure.Cells. Where the count of a row that shows none is given
    away, the rows of its totals are telling.
    """
    if rows.is_empty():
        return pl.Series("is_telling", [], dtype=pl.Boolean)
    lines = _lines(rows, dimensions, by)
    figures = {c: rows[c].cast(pl.Float64).fill_null(np.nan).to_numpy(writable=True) for c in slack}
    marked = np.zeros(rows.height, bool)
    for _ in range(_TURNS):
        new = np.zeros(rows.height, bool)
        for column, shown in figures.items():
            is_few = _few(shown, lines, distance=slack[column], min_cell=min_cell)
            new |= is_few & ~np.isnan(shown)
            new[_totals_of(is_few & np.isnan(shown), lines)] = True
        new &= ~marked
        if not new.any():
            break
        marked |= new
        for shown in figures.values():
            shown[new] = np.nan
    return pl.Series("is_telling", marked)


def _totals_of(is_given_away: np.ndarray, lines: Sequence["_Line"]) -> np.ndarray:
    """The rows of the totals of some cells."""
    rows = [line.total_row[line.number[is_given_away & ~line.is_total]] for line in lines]
    totals = np.concatenate(rows)
    return totals[totals >= 0]


class _Line:
    """Along one dimension: the line of each row, whether it is that line's total, and the total's
    row (-1: none).
    """

    def __init__(self, key: np.ndarray, is_total: np.ndarray) -> None:
        _, self.number = np.unique(key, return_inverse=True)
        self.is_total = is_total
        self.size = int(self.number.max()) + 1
        self.total_row = np.full(self.size, -1)
        self.total_row[self.number[is_total]] = np.flatnonzero(is_total)


def _lines(
    rows: pl.DataFrame, dimensions: Sequence[str | tuple[str, ...]], by: Sequence[str]
) -> list[_Line]:
    """A cell's key is a number in mixed radix, of which a dimension's part is 0 in its totals."""
    key, parts = np.zeros(rows.height, np.int64), {}
    for dimension in (*by, *dimensions):
        columns = [dimension] if isinstance(dimension, str) else list(dimension)
        code, size = np.zeros(rows.height, np.int64), 1
        for column in columns:
            values = rows[column].cast(pl.String).cast(pl.Categorical).to_physical()
            one = values.cast(pl.Int64).fill_null(-1).to_numpy() + 1
            code, size = code * (one.max() + 1) + one, size * int(one.max() + 1)
        key = key * size
        parts = {name: part * size for name, part in parts.items()}
        key, parts[dimension] = key + code, code
    return [_Line(key - parts[d], parts[d] == 0) for d in dimensions]


def _few(shown: np.ndarray, lines: Sequence[_Line], *, distance: int, min_cell: int) -> np.ndarray:
    is_hidden = np.isnan(shown)
    lower = np.where(is_hidden, 0.0, np.maximum(shown - distance, 0))
    upper = np.where(is_hidden, np.inf, shown + distance)
    for _ in range(_ROUNDS):
        for line in lines:
            _tighten(lower, upper, line)
    return (lower >= 1) & (upper < min_cell)


def _tighten(lower: np.ndarray, upper: np.ndarray, line: _Line) -> None:
    """Narrows the bounds, in place, by what the parts of each line and its total leave each
    other.
    """
    part = np.flatnonzero(~line.is_total)
    number = line.number[part]
    total = line.total_row
    is_bounded = np.isfinite(upper[part])
    least = np.bincount(number, weights=lower[part], minlength=line.size)
    most = np.bincount(number, weights=np.where(is_bounded, upper[part], 0), minlength=line.size)
    unbounded = np.bincount(number, weights=~is_bounded, minlength=line.size)
    has_total = total >= 0
    of_total = np.where(has_total, total, 0)
    total_lower = np.where(has_total, lower[of_total], 0)
    total_upper = np.where(has_total, upper[of_total], np.inf)
    others_most = np.where(
        unbounded[number] - ~is_bounded > 0,
        np.inf,
        most[number] - np.where(is_bounded, upper[part], 0),
    )
    narrowed_lower = np.maximum(lower[part], total_lower[number] - others_most)
    narrowed_upper = np.minimum(upper[part], total_upper[number] - (least[number] - lower[part]))
    lower[part], upper[part] = narrowed_lower, narrowed_upper
    has_both = has_total & (np.bincount(number, minlength=line.size) > 0)
    rows = total[has_both]
    lower[rows] = np.maximum(lower[rows], least[has_both])
    upper[rows] = np.minimum(upper[rows], np.where(unbounded[has_both] > 0, np.inf, most[has_both]))
