"""A marked row without what it counts and measures.

Here: what is left of a row that a reader from outside must not see. Not here: which rows those are
(small_cells.py, release.py), what is done with the others (as_released.py).
"""

import polars as pl

from ..schemas import MARK, Column, Outside, Table

SUPPRESSED = "suppressed (small numbers)"
_REASON = "reason"


def withheld(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` of which each marked one keeps its key and the words that are open to everybody, and
    all else is null: a number would be taken for its figure. `reason`, where there is one, says
    that it is suppressed.

    A part of the key that is measured is there because of what happened to somebody, and how many
    such rows there are is a count: marked rows that are the same then (the times of a curve, the
    points of a chart) are one.
    """
    mark = pl.col(MARK)
    hidden = [c.name for c in table.columns if not _stays(c) and c.name != _REASON]
    blank = [pl.when(~mark).then(pl.col(name)).alias(name) for name in hidden]
    if _REASON in rows.columns:
        blank.append(
            pl.when(mark).then(pl.lit(SUPPRESSED)).otherwise(pl.col(_REASON)).alias(_REASON)
        )
    rows = rows.with_columns(blank)
    if not set(hidden) & set(table.key):
        return rows
    return rows.filter(~mark | pl.struct(pl.all()).is_first_distinct())


def _stays(column: Column) -> bool:
    is_in_words = column.polars in (pl.String, pl.List(pl.String))
    return column.outside is Outside.KEY or (column.outside is Outside.OPEN and is_in_words)
