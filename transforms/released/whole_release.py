"""A whole release against a reader who solves for what none of its tables shows, all of them at once.

Here: `untold`, which hides what narrows a count to a few people, and what is hidden with it. Not
here: what the reader knows (quantities.py), marks by one table's own counts (disclosure/small_cells.py).
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import polars as pl

from ..disclosure.withheld import withheld
from ..facts.strata import STRATUM_COLUMNS
from ..schemas import MARK
from ..schemas.app import RELEASED
from .counts import COUNTS, Counts
from .quantities import Quantities
from .strata_lines import Strata

Cell = tuple[int, int]  # a quantity's row, a stratum

_MARGIN = 1  # a person's breadth, for what other releases may add: each is solved by itself


def partners(q: Quantities, cells: np.ndarray) -> set[tuple[int, int]]:
    """What to hide of what is shown, that the counts that are told are not: each itself, else of
    each line on which it is told the smallest other part, else the line's total, else what is shown
    nearest to it.
    """
    of_sum = defaultdict(set)
    for whole, parts in q.sums:
        for row in (whole, *parts):
            of_sum[row] |= {whole, *parts} - {row}
    return {cell for row, s in cells for cell in _partners_of(q, (int(row), int(s)), of_sum)}


def _partners_of(q: Quantities, cell: Cell, of_sum: Mapping[int, set[int]]) -> set[Cell]:
    if q.is_seen[cell]:
        return {cell}
    row, s = cell
    chosen = set()
    for part, line, total, _ in q.strata.lines:
        for of_line in line[part == s]:
            others = [o for o in part[line == of_line] if q.is_seen[row, o] and q.exact[row, o] > 0]
            if others:
                chosen.add((row, int(min(others, key=lambda o: q.exact[row, o]))))
            elif q.is_seen[row, total[of_line]]:
                chosen.add((row, int(total[of_line])))
    return chosen or _nearest(q, cell, of_sum)


def _nearest(q: Quantities, cell: Cell, of_sum: Mapping[int, set[int]]) -> set[Cell]:
    """Of the cells that are shown and the fewest sums away, the smallest of each count."""
    ring, passed = {cell}, {cell}
    while ring:
        ring = {beside for of in ring for beside in _beside(q, of, of_sum)} - passed
        passed |= ring
        seen = sorted((c for c in ring if q.is_seen[c]), key=lambda c: -q.exact[c])
        if seen:
            return set(dict(seen).items())  # of a row the last
    return set()


def _beside(q: Quantities, cell: Cell, of_sum: Mapping[int, set[int]]) -> set[Cell]:
    """What is in a sum with the cell: over categories or counts, or over strata along a line, of
    which it is a part or the total.
    """
    row, s = cell
    strata = set()
    for part, line, total, _ in q.strata.lines:
        for of_line in (*line[part == s], *np.flatnonzero(total == s)):
            strata |= {int(total[of_line]), *part[line == of_line].tolist()}
    return {(other, s) for other in of_sum[row]} | {(row, other) for other in strata - {s}}


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
    hidden: set[Cell] = set()
    q.solve()
    while new := partners(q, q.given_away(margin=_MARGIN)):  # each turn shows less, so it ends
        hidden |= new
        q.hide(new)
        q.solve()
    return dict(released) | {
        n: withheld(RELEASED[n], _without(released[n], _cells(q, hidden, n), COUNTS[n]))
        for n in tables
    }


def _cells(q: Quantities, hidden: set[Cell], table: str) -> dict[str, list[tuple]]:
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
