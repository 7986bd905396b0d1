"""What a reader can tell of a count that a release does not show, by linear algebra over all that
it shows.

Here: bounds of every count of one table of cells, by linear programming over what adds up (strata,
and the counts of a row) and over what each shown figure leaves open. Not here: which tables are
looked at (test_hidden_cells.py).

The reader knows the rules: a count shown as r lies within half a base of r; one by which rows are
hidden is 0 or at least `min_cell` where its row is shown; and each count is a whole number from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from scipy import sparse
from scipy.optimize import linprog


@dataclass
class System:
    """Counts of one table: `rows` (with `is_suppressed`), their bounds, and what adds up to 0."""

    rows: pl.DataFrame
    counts: Sequence[str]
    lower: np.ndarray = field(init=False)
    upper: np.ndarray = field(init=False)
    equations: list[dict[int, float]] = field(default_factory=list)
    at_most: list[dict[int, float]] = field(default_factory=list)
    at_most_limits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.rows.height * len(self.counts)
        self.lower, self.upper = np.zeros(size), np.full(size, np.inf)

    def at(self, row: int, count: str) -> int:
        return row * len(self.counts) + self.counts.index(count)

    def know(
        self,
        released: pl.DataFrame,
        *,
        base: int,
        min_cell: int,
        guarded: Sequence[str],
        differences: Sequence[str] = (),
    ) -> None:
        """What the released rows (same order) say of each count."""
        half = base // 2
        for count in self.counts:
            shown = released[count].to_list()
            for row, r in enumerate(shown):
                if r is None:
                    continue
                slack = base - 1 if count in differences else half
                low = max(0, r - slack)
                high = r + (base - 1 if count in differences else base - 1 - half)
                if count in guarded:
                    low, high = (0, 0) if high < min_cell else (max(low, min_cell), high)
                self.lower[self.at(row, count)], self.upper[self.at(row, count)] = low, high

    def add_up(self, dimensions: Sequence[str], others: Sequence[str]) -> None:
        """Rows that differ in one dimension add up to the row without it, in all counts."""
        keys = self.rows.select(*others, *dimensions).with_row_index("row")
        for dimension in dimensions:
            rest = [*others, *(d for d in dimensions if d != dimension)]
            parts = keys.filter(pl.col(dimension).is_not_null()).group_by(rest).agg(parts="row")
            totals = keys.filter(pl.col(dimension).is_null()).select(*rest, total="row")
            for parts_of, total in (
                parts.join(totals, on=rest, nulls_equal=True).select("parts", "total").iter_rows()
            ):
                for count in self.counts:
                    self.equations.append(
                        {self.at(r, count): 1.0 for r in parts_of} | {self.at(total, count): -1.0}
                    )

    def relate(self, whole: str, *parts: str, where: Sequence[bool] | None = None) -> None:
        """In each row `whole` is the sum of `parts`."""
        for row in range(self.rows.height):
            if where is None or where[row]:
                self.equations.append(
                    {self.at(row, p): 1.0 for p in parts} | {self.at(row, whole): -1.0}
                )

    def within(self, parts: Sequence[str], released: pl.DataFrame, *, base: int) -> None:
        """In each row shown the sum of `parts`, a group of its own, lies within half a base of what
        is shown of it.
        """
        half = base // 2
        for row, values in enumerate(released.select(parts).rows()):
            if None not in values:
                index = [self.at(row, p) for p in parts]
                self.at_most_limits += [sum(values) + base - 1 - half, half - sum(values)]
                self.at_most += [dict.fromkeys(index, 1.0), dict.fromkeys(index, -1.0)]

    def never_more(self, part: str, whole: str) -> None:
        for row in range(self.rows.height):
            self.at_most.append({self.at(row, part): 1.0, self.at(row, whole): -1.0})
            self.at_most_limits.append(0.0)

    def propagated(self, rounds: int = 6) -> None:
        """Narrows the bounds by one equation at a time: what a reader with a pencil can do."""
        for _ in range(rounds):
            for equation in self.equations:
                index, weight = np.array(list(equation)), np.array(list(equation.values()))
                low = np.where(weight > 0, self.lower[index], -self.upper[index])
                high = np.where(weight > 0, self.upper[index], -self.lower[index])
                total_low, total_high = low.sum(), high.sum()
                unbounded = np.isinf(high).sum()
                for k, i in enumerate(index):
                    # weight_i x_i = - sum of the others
                    others_high = (
                        np.inf if unbounded - np.isinf(high[k]) else np.sum(np.delete(high, k))
                    )
                    others_low = (
                        total_low - low[k] if np.isfinite(low[k]) else np.sum(np.delete(low, k))
                    )
                    new_low, new_high = -others_high, -others_low
                    if weight[k] < 0:
                        new_low, new_high = -new_high, -new_low
                    self.lower[i], self.upper[i] = (
                        max(self.lower[i], new_low),
                        min(self.upper[i], new_high),
                    )
                del total_high

    def bounds(self, targets: Sequence[int]) -> list[tuple[float, float]]:
        """Least and greatest value of each target that all that is known allows."""
        size = len(self.lower)
        equal, at_most = (_matrix(rows, size) for rows in (self.equations, self.at_most))
        limits = np.column_stack([self.lower, self.upper])
        found = []
        for target in targets:
            ends = []
            for sign in (1.0, -1.0):
                cost = np.zeros(size)
                cost[target] = sign
                solved = linprog(
                    cost,
                    A_eq=equal,
                    b_eq=None if equal is None else np.zeros(equal.shape[0]),
                    A_ub=at_most,
                    b_ub=None if at_most is None else np.array(self.at_most_limits),
                    bounds=limits,
                    method="highs",
                )
                ends.append(
                    np.inf
                    if solved.status == 3
                    else solved.x[target]
                    if solved.status == 0
                    else np.nan
                )
            found.append((ends[0], ends[1]))
        return found


def _matrix(rows: Sequence[Mapping[int, float]], size: int):
    if not rows:
        return None
    data = [(k, i, w) for k, row in enumerate(rows) for i, w in row.items()]
    row, column, weight = zip(*data, strict=True)
    return sparse.csr_matrix((weight, (row, column)), shape=(len(rows), size))


def strata_of(dimensions: Sequence[str]) -> list[tuple[str, ...]]:
    return [c for size in range(len(dimensions) + 1) for c in combinations(dimensions, size)]
