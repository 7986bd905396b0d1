"""What a reader from outside knows of the counts of a release: bounds of each, narrowed by what adds
up.

Here: `Quantities`: what is shown of each count in any table, what adds up (over strata, over the
counts of a row, over categories), what is never more than something else, and which counts of
different tables are one. Not here: what is hidden because of it (whole_release.py), what of each
table is solved for (counts.py).

The reader knows the rules. A count shown as r lies within half a base of r. One by which rows are
hidden is 0 or at least `min_cell` where its row is shown. Counts of different names that are equal
in every stratum are taken for one thing. Quantities are rows and strata columns of matrices; nan is
a count that the table does not have.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from ..facts.strata import STRATUM_COLUMNS
from ..schemas import MARK
from .counts import Counts
from .strata_lines import COUNT, Strata

_ROUNDS = 4
_TELLS_APART = 8  # so many different counts are not equal by chance


class Quantities:
    """Of one release: `exact`, `lower`, `upper`, `is_seen`, one row per quantity and one column per
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

    def add(self, table: str, exact: pl.DataFrame, released: pl.DataFrame, counts: Counts) -> None:
        """The counts of a table, by category and stratum; rows of both have the same keys."""
        joined = self._joined(exact, released, counts)
        groups = dict(joined.group_by(counts.by, maintain_order=True))
        for key, part in groups.items():
            self._add_category((table, *key), part, counts)
        self._add_over(table, list(groups), counts)

    def _joined(self, exact: pl.DataFrame, released: pl.DataFrame, counts: Counts) -> pl.DataFrame:
        """One row per stratum and category: the exact counts, what is shown of each, and whether
        the row is shown. A count that is not known makes the exact sum no less, and the shown one
        unknown.
        """
        named = {name: pl.col(name).cast(pl.Float64) for name in counts.slack}
        or_none = {name: count.fill_null(0) for name, count in named.items()}
        rests = {
            name: or_none[whole] - or_none[part] for name, (whole, part) in counts.rest.items()
        }
        groups = {name: _sum_of(or_none, parts) for name, parts in counts.within.items()}
        shown = named | {name: _sum_of(named, parts) for name, parts in counts.within.items()}
        key = [*STRATUM_COLUMNS, *counts.by]
        exact = exact.select(*key, **named, **rests, **groups)
        released = released.select(
            *key,
            is_shown=~pl.col(MARK),
            **{f"shown {name}": count for name, count in shown.items()},
        )
        joined = exact.join(released, on=key, how="left", nulls_equal=True)
        return joined.join(self.strata.keys, on=STRATUM_COLUMNS, nulls_equal=True)

    def _add_category(self, name: tuple, part: pl.DataFrame, counts: Counts) -> None:
        """The category's counts as rows, and what is known of them among each other."""
        at, most = part["stratum"].to_numpy(), self.base - 1
        below, above = self.base // 2, most - self.base // 2
        is_shown = part["is_shown"].fill_null(False).to_numpy()

        def add(count: str, low: np.ndarray, high: np.ndarray, *, is_guarded: bool) -> None:
            self._add_row((*name, count), at, part[count], low, high, is_guarded=is_guarded)

        for count, is_difference in counts.slack.items():
            shown = _shown(part, count)
            low, high = (most, most) if is_difference else (below, above)
            add(count, shown - low, shown + high, is_guarded=count in counts.guarded)
        for count in counts.rest:
            low, high = np.where(is_shown, 0, np.nan), np.where(is_shown, np.inf, np.nan)
            add(count, low, high, is_guarded=True)
        for count in counts.within:
            shown = _shown(part, count)
            add(count, shown - below, shown + above, is_guarded=False)
        self._relate(name, counts)

    def _relate(self, name: tuple, counts: Counts) -> None:
        """What adds up in a category, and what is never more than something else."""
        rests = ((whole, (part, rest)) for rest, (whole, part) in counts.rest.items())
        for whole, parts in (*counts.sums, *rests, *counts.within.items()):
            rows = tuple(self.row_of[*name, part] for part in parts)
            self.sums.add((self.row_of[*name, whole], rows))
        for part, whole in counts.never_more:
            self.never_more.add((self.row_of[*name, part], self.row_of[*name, whole]))

    def _add_row(
        self, name: tuple, at: np.ndarray, exact: pl.Series, low, high, *, is_guarded: bool
    ) -> None:
        size = self.strata.size
        values, lower, upper = (np.full(size, v, COUNT) for v in (np.nan, 0, np.inf))
        seen = np.zeros(size, bool)
        values[at] = exact.fill_null(0).to_numpy()
        seen[at] = ~np.isnan(low)
        lower[at] = np.fmax(low, 0)
        upper[at] = np.where(np.isnan(high), np.inf, high)
        if is_guarded:
            upper = np.where(upper < self.min_cell, 0, upper)
            lower = np.where(lower > 0, np.maximum(lower, self.min_cell), lower)
        row = self._row(values)
        self.row_of[name] = row
        if is_guarded:
            self.guarded.add(row)
        self._lower[row] = np.maximum(self._lower[row], lower)
        self._upper[row] = np.minimum(self._upper[row], upper)
        self._seen[row] |= seen

    def _row(self, values: np.ndarray) -> int:
        """The row of what has these counts; a new one where none has, or where many may."""
        key = np.nan_to_num(values, nan=-1.0).tobytes()
        if len(np.unique(values)) >= _TELLS_APART and key in self._same:
            return self._same[key]
        self._same[key] = len(self._exact)
        self._exact.append(values)
        self._lower.append(np.zeros(self.strata.size, COUNT))
        self._upper.append(np.full(self.strata.size, np.inf, COUNT))
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
        n_open = is_open.astype(COUNT) @ member
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
        least = np.where(holds, floor, 0)
        self.lower[at] = np.maximum(self.lower[at], least)

    def _cap(self, at, ceiling: np.ndarray, holds: np.ndarray) -> None:
        """No upper bound there is above `ceiling`, where the sum holds."""
        most = np.where(holds, ceiling, np.inf)
        self.upper[at] = np.minimum(self.upper[at], most)

    def given_away(self, *, margin: int = 0) -> np.ndarray:
        """Row and stratum of each count that the reader knows to be of 1 to `min_cell` - 1, or
        nearly: up to `margin` more.
        """
        is_few = (
            (self.lower >= 1) & (self.lower < self.min_cell) & (self.upper < self.min_cell + margin)
        )
        return np.argwhere(is_few & ~np.isnan(self.exact))

    def hide(self, cells: Iterable[tuple[int, int]]) -> None:
        """As if these were not shown; that a row is shown still says that a count by which rows are
        hidden is not small.
        """
        for row, s in cells:
            is_not_small = row in self.guarded and self._exact[row][s] >= self.min_cell
            self._lower[row][s] = self.min_cell if is_not_small else 0
            self._upper[row][s], self._seen[row][s] = np.inf, False


def _sum_of(counts: Mapping[str, pl.Expr], names: Iterable[str]) -> pl.Expr:
    return sum((counts[name] for name in names), pl.lit(0.0))


def _shown(part: pl.DataFrame, count: str) -> np.ndarray:
    """What is shown of a count; nan where nothing is."""
    return part[f"shown {count}"].fill_null(np.nan).to_numpy()
