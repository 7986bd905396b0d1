"""A whole release against a reader who solves for what none of its tables shows, all of them at
once.

Here: bounds of every count by what is shown of it in any table, what adds up (over strata, over the
counts of a row, over categories), what is never more than something else, and which counts of
different tables are one; and `untold`, which hides what narrows a count to a few people. Not here:
what of each table is solved for (released_counts.py), marks by one table's own counts
(small_cells.py).

The reader knows the rules. A count shown as r lies within half a base of r. One by which rows are
hidden is 0 or at least `min_cell` where its row is shown. Counts of different names that are equal
in every stratum are taken for one thing. Quantities are rows and strata columns of matrices; nan is
a count that the table does not have.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from scipy import sparse

from ..schemas import MARK
from ..schemas.app import RELEASED
from ..schemas.mart import COLUMNS_OF, STRATUM_COLUMNS
from .released_counts import COUNTS, Counts
from .withheld import withheld

_ROUNDS = 4
_MARGIN = 1  # a person's breadth, for what other releases may add: each is solved by itself
_COUNT = np.float32  # exact to 16 million, in half the memory
_TELLS_APART = 8  # so many different counts are not equal by chance


class Strata:
    """The combinations of the dimensions in some tables, and the lines that they form along
    each.
    """

    def __init__(self, rows: Iterable[pl.DataFrame]) -> None:
        keys = (
            pl.concat(r.select(STRATUM_COLUMNS) for r in rows)
            .unique()
            .sort(STRATUM_COLUMNS, nulls_last=False)
        )
        self.keys = keys.with_row_index("stratum")
        self.size = keys.height
        self.lines = [self._lines(columns) for columns in COLUMNS_OF.values()]

    def _lines(self, columns: Sequence[str]) -> tuple:
        """Parts (strata), the line of each part, the total of each line, and which part is in which
        line, as a matrix.
        """
        others = [c for c in STRATUM_COLUMNS if c not in columns]
        is_total = pl.all_horizontal(pl.col(c).is_null() for c in columns)
        totals = self.keys.filter(is_total).select(*others, total="stratum").with_row_index("line")
        parts = self.keys.filter(~is_total).join(totals, on=others, nulls_equal=True)
        part, line = (parts[c].cast(pl.Int64).to_numpy() for c in ("stratum", "line"))
        member = sparse.csr_matrix(
            (np.ones(len(part), _COUNT), (part, line)), shape=(self.size, totals.height)
        )
        return part, line, totals["total"].cast(pl.Int64).to_numpy(), member


class Quantities:
    """Of one release: `exact`, `lower`, `upper`, `is_seen`, a row a quantity and a column a
    stratum.

    `row_of`: (table, category, count) -> row; several of one thing have one row.
    """

    def __init__(self, strata: Strata, *, base: int, min_cell: int) -> None:
        self.strata, self.base, self.min_cell = strata, base, min_cell
        self.row_of: dict[tuple, int] = {}
        self.guarded: set[int] = set()
        self.sums: set[tuple[int, tuple[int, ...]]] = set()
        self.never_more: set[tuple[int, int]] = set()
        self._same: dict[bytes, int] = {}
        self._exact, self._lower, self._upper, self._seen = [], [], [], []

    # --- what is shown ---------------------------------------------------------------------------

    def add(self, table: str, exact: pl.DataFrame, released: pl.DataFrame, counts: Counts) -> None:
        """The counts of a table, by category and stratum; rows of both have the same keys."""
        groups = dict(
            self._joined(exact, released, counts).group_by(counts.by, maintain_order=True)
        )
        for key, part in groups.items():
            self._add_category((table, *key), part, counts)
        self._add_over(table, list(groups), counts)

    def _joined(self, exact: pl.DataFrame, released: pl.DataFrame, counts: Counts) -> pl.DataFrame:
        named = {n: pl.col(n).cast(pl.Float64) for n in counts.slack}
        of_rest = {
            n: named[a].fill_null(0) - named[b].fill_null(0) for n, (a, b) in counts.rest.items()
        }
        of_groups = {
            n: sum((named[c].fill_null(0) for c in of), pl.lit(0.0))
            for n, of in counts.within.items()
        }
        shown = named | {
            n: sum((named[c] for c in of), pl.lit(0.0)) for n, of in counts.within.items()
        }
        key = [*STRATUM_COLUMNS, *counts.by]
        released = released.select(
            *key, is_shown=~pl.col(MARK), **{f"shown {n}": e for n, e in shown.items()}
        )
        exact = exact.select(*key, **named, **of_rest, **of_groups)
        joined = exact.join(released, on=key, how="left", nulls_equal=True)
        return joined.join(self.strata.keys, on=STRATUM_COLUMNS, nulls_equal=True)

    def _add_category(self, name: tuple, part: pl.DataFrame, counts: Counts) -> None:
        at, half = part["stratum"].to_numpy(), self.base // 2
        for count, is_difference in counts.slack.items():
            shown = part[f"shown {count}"].fill_null(np.nan).to_numpy()
            below, above = (
                (self.base - 1, self.base - 1) if is_difference else (half, self.base - 1 - half)
            )
            self._add_row(
                (*name, count),
                at,
                part[count],
                shown - below,
                shown + above,
                count in counts.guarded,
            )
        is_shown = part["is_shown"].fill_null(False).to_numpy()
        for count in counts.rest:
            low, high = np.where(is_shown, 0, np.nan), np.where(is_shown, np.inf, np.nan)
            self._add_row((*name, count), at, part[count], low, high, True)
        for count in counts.within:
            shown = part[f"shown {count}"].fill_null(np.nan).to_numpy()
            self._add_row(
                (*name, count), at, part[count], shown - half, shown + self.base - 1 - half, False
            )
        of = self.row_of
        sums = (
            *counts.sums,
            *((whole, (part, n)) for n, (whole, part) in counts.rest.items()),
            *counts.within.items(),
        )
        self.sums |= {
            (of[*name, whole], tuple(of[*name, p] for p in parts)) for whole, parts in sums
        }
        self.never_more |= {
            (of[*name, part], of[*name, whole]) for part, whole in counts.never_more
        }

    def _add_row(
        self, name: tuple, at: np.ndarray, exact: pl.Series, low, high, is_guarded: bool
    ) -> None:
        size = self.strata.size
        values, lower, upper = (np.full(size, v, _COUNT) for v in (np.nan, 0, np.inf))
        seen = np.zeros(size, bool)
        values[at], seen[at] = exact.fill_null(0).to_numpy(), ~np.isnan(low)
        lower[at], upper[at] = np.fmax(low, 0), np.where(np.isnan(high), np.inf, high)
        if is_guarded:
            upper = np.where(upper < self.min_cell, 0, upper)
            lower = np.where(lower > 0, np.maximum(lower, self.min_cell), lower)
        row = self._row(values)
        self.row_of[name] = row
        if is_guarded:
            self.guarded.add(row)
        self._lower[row], self._upper[row] = (
            np.maximum(self._lower[row], lower),
            np.minimum(self._upper[row], upper),
        )
        self._seen[row] |= seen

    def _row(self, values: np.ndarray) -> int:
        """The row of what has these counts; a new one where none has, or where many may."""
        key = np.nan_to_num(values, nan=-1.0).tobytes()
        if len(np.unique(values)) >= _TELLS_APART and key in self._same:
            return self._same[key]
        self._same[key] = len(self._exact)
        self._exact.append(values)
        self._lower.append(np.zeros(self.strata.size, _COUNT))
        self._upper.append(np.full(self.strata.size, np.inf, _COUNT))
        self._seen.append(np.zeros(self.strata.size, bool))
        return len(self._exact) - 1

    def _add_over(self, table: str, keys: list[tuple], counts: Counts) -> None:
        """What all the categories that differ in some columns alone add up to is the category
        without them.
        """
        for columns, count in counts.over:
            place = [list(counts.by).index(c) for c in columns]
            parts, totals = defaultdict(list), {}
            for key in keys:
                rest = tuple(v for k, v in enumerate(key) if k not in place)
                if all(key[k] is None for k in place):
                    totals[rest] = key
                else:
                    parts[rest].append(key)
            for rest, of in parts.items():
                if rest in totals:
                    whole = self.row_of[table, *totals[rest], count]
                    self.sums.add((whole, tuple(self.row_of[table, *key, count] for key in of)))

    # --- solving ---------------------------------------------------------------------------------

    def solve(self) -> None:
        """Narrows `lower` and `upper`, from what is shown alone."""
        self.exact, self.is_seen = np.array(self._exact), np.array(self._seen)
        self.lower, self.upper = np.array(self._lower), np.array(self._upper)
        self._values = np.nan_to_num(self.exact)
        for _ in range(_ROUNDS):
            for line in self.strata.lines:
                self._by_line(*line)
            for whole, parts in self.sums:
                self._by_sum(whole, list(parts))
            for part, whole in self.never_more:
                np.minimum(self.upper[part], self.upper[whole], out=self.upper[part])
                np.maximum(self.lower[whole], self.lower[part], out=self.lower[whole])

    def _by_line(self, part: np.ndarray, line: np.ndarray, total: np.ndarray, member) -> None:
        """A part that has no row is one that the reader knows of from elsewhere: its line says
        nothing.
        """
        holds = self._values @ member == self._values[:, total]
        is_open = ~np.isfinite(self.upper)
        capped = np.where(is_open, 0, self.upper)
        least = self.lower @ member
        most = capped @ member
        n_open = is_open.astype(_COUNT) @ member
        has_others_open = n_open[:, line] > is_open[:, part]
        others_least = least[:, line] - self.lower[:, part]
        others_most = np.where(has_others_open, np.inf, most[:, line] - capped[:, part])
        floor = self.lower[:, total[line]] - others_most
        ceiling = self.upper[:, total[line]] - others_least
        self._raise(np.s_[:, part], floor, holds[:, line])
        self._cap(np.s_[:, part], ceiling, holds[:, line])
        self._raise(np.s_[:, total], least, holds)
        self._cap(np.s_[:, total], most, holds & (n_open == 0))

    def _by_sum(self, whole: int, parts: list[int]) -> None:
        lower, upper = self.lower[parts], self.upper[parts]
        holds = self._values[parts].sum(axis=0) == self._values[whole]
        self._raise(whole, lower.sum(axis=0), holds)
        self._cap(whole, upper.sum(axis=0), holds)
        for k, part in enumerate(parts):
            others_least = np.delete(lower, k, axis=0).sum(axis=0)
            others_most = np.delete(upper, k, axis=0).sum(axis=0)
            self._raise(part, self.lower[whole] - others_most, holds)
            self._cap(part, self.upper[whole] - others_least, holds)

    def _raise(self, at, floor: np.ndarray, holds: np.ndarray) -> None:
        """No lower bound there is below `floor`, where the sum holds."""
        self.lower[at] = np.maximum(self.lower[at], np.where(holds, floor, 0))

    def _cap(self, at, ceiling: np.ndarray, holds: np.ndarray) -> None:
        """No upper bound there is above `ceiling`, where the sum holds."""
        self.upper[at] = np.minimum(self.upper[at], np.where(holds, ceiling, np.inf))

    def given_away(self, *, margin: int = 0) -> np.ndarray:
        """Row and stratum of each count that the reader knows to be of 1 to `min_cell` - 1, or
        nearly: up to `margin` more.
        """
        is_few = (
            (self.lower >= 1) & (self.lower < self.min_cell) & (self.upper < self.min_cell + margin)
        )
        return np.argwhere(is_few & ~np.isnan(self.exact))

    # --- hiding ----------------------------------------------------------------------------------

    def hide(self, cells: Iterable[tuple[int, int]]) -> None:
        """As if these were not shown; that a row is shown still says that a count by which rows are
        hidden is not small.
        """
        for row, s in cells:
            is_not_small = row in self.guarded and self._exact[row][s] >= self.min_cell
            self._lower[row][s] = self.min_cell if is_not_small else 0
            self._upper[row][s], self._seen[row][s] = np.inf, False


def partners(q: Quantities, told: np.ndarray) -> set[tuple[int, int]]:
    """What to hide of what is shown, that the counts that are told are not: each itself, else of
    each line on which it is told the smallest other part, else the line's total, else another count
    of the sums that it is in.
    """
    of_sum = defaultdict(set)
    for whole, parts in q.sums:
        for row in (whole, *parts):
            of_sum[row] |= {whole, *parts} - {row}
    return {cell for row, s in told for cell in _partners_of(q, int(row), int(s), of_sum)}


def _partners_of(
    q: Quantities, row: int, s: int, of_sum: Mapping[int, set[int]]
) -> set[tuple[int, int]]:
    if q.is_seen[row, s]:
        return {(row, s)}
    chosen = set()
    for part, line, total, _ in q.strata.lines:
        for of_line in line[part == s]:
            others = [o for o in part[line == of_line] if q.is_seen[row, o] and q.exact[row, o] > 0]
            if others:
                chosen.add((row, int(min(others, key=lambda o: q.exact[row, o]))))
            elif q.is_seen[row, total[of_line]]:
                chosen.add((row, int(total[of_line])))
    return chosen or {(other, s) for other in of_sum[row] if q.is_seen[other, s]}


# --- a release ----------------------------------------------------------------------------------


def untold(
    exact: Mapping[str, pl.DataFrame],
    released: Mapping[str, pl.DataFrame],
    *,
    base: int,
    min_cell: int,
) -> dict[str, pl.DataFrame]:
    """The released rows, by mart, without what tells with the rest that a count is one of a few.

    `exact`: the marts' rows. A count from which no figure comes is null where it would tell; of
    others the row is hidden.
    """
    tables = {name: counts for name, counts in COUNTS.items() if exact[name].height}
    if not tables:
        return dict(released)
    strata = Strata(exact[name] for name in tables)
    q = Quantities(strata, base=base, min_cell=min_cell)
    for name, counts in tables.items():
        q.add(name, *(rows[name].filter(counts.looked_at) for rows in (exact, released)), counts)
    hidden: set[tuple[int, int]] = set()
    q.solve()
    while new := partners(q, q.given_away(margin=_MARGIN)):  # each turn shows less, so it ends
        hidden |= new
        q.hide(new)
        q.solve()
    return dict(released) | {
        n: withheld(RELEASED[n], _without(released[n], _cells(q, hidden, n), COUNTS[n]))
        for n in tables
    }


def _cells(q: Quantities, hidden: set[tuple[int, int]], table: str) -> dict[str, list[tuple]]:
    """By count: the keys (stratum, category) of the table's cells among those that are hidden."""
    strata_of = defaultdict(list)
    for row, s in hidden:
        strata_of[row].append(s)
    keys, cells = q.strata.keys.drop("stratum").rows(), defaultdict(list)
    for (name, *category, count), row in q.row_of.items():
        if name == table and row in strata_of:
            cells[count] += [(*keys[s], *category) for s in strata_of[row]]
    return cells


def _without(rows: pl.DataFrame, cells: Mapping[str, list[tuple]], counts: Counts) -> pl.DataFrame:
    """The rows without the counts of these cells, or marked where figures come of them."""
    for count, keys in cells.items():
        key = [*STRATUM_COLUMNS, *counts.by]
        named = pl.DataFrame(keys, schema={k: rows.schema[k] for k in key}, orient="row")
        key = [k for k in key if k not in counts.as_a_whole]
        named = named.select(key).unique().with_columns(is_told=True)
        rows = rows.join(named, on=key, how="left", nulls_equal=True, maintain_order="left")
        is_told = pl.col("is_told").fill_null(False)
        apart = [c for c in counts.within.get(count, (count,)) if c in counts.apart]
        if not apart:
            is_marked = is_told
        elif counts.denominators and counts.denominators[0] in apart:
            is_marked = is_told & counts.denominators[1]
        else:
            is_marked = pl.lit(False)
        blank = [pl.when(~is_told).then(c).alias(c) for c in apart]
        rows = rows.with_columns(*blank, (pl.col(MARK) | is_marked).alias(MARK)).drop("is_told")
    return rows
