"""A marked row without what it counts and measures.

Here: which columns of a summary are blank in a row that a reader from outside must not see. Not here: which rows those
are (disclosure.py, release.py), what is done with the others (marts/as_released.py).
"""

import polars as pl

from .schemas import TIMESTAMP, Table
from .schemas.app import MARK
from .schemas.mart import STAMP

SUPPRESSED = "suppressed (small numbers)"
_STAMP = {c.name for c in STAMP}
_NOT_MEASURED = {"visit_day"}  # the visit's target, a fact of the calendar
# Parts of a key that are there because of what happened to somebody: how many such rows there are is a count
_FOUND = {"time_days", "point", "from_per_week", "pct30", "points", "pgic"}
# Words that give a number away
_TELLING = {
    "signal",
    "note",
    "nearness",
    "reference_signal",
    "signal_direction",
    "variation_icon",
    "assurance_icon",
    "point_type",
    "sessions_reason",
    "patient_years_reason",
    "clustered_reason",
}


def withheld(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` of which each marked one keeps its key, and each number, date and flag that was measured or counted is
    null; `reason`, where there is one, says that it is suppressed. Marked rows that are the same then (the times of a
    curve, the points of a chart) are one.
    """
    kept = {*table.key, *_STAMP, *_NOT_MEASURED}
    measured = [c.name for c in table.columns if c.name not in kept and _is_measured(c.polars)]
    hidden = {*measured, *(_TELLING | _FOUND).intersection(table.names)}
    mark = pl.col(MARK)
    blank = [pl.when(~mark).then(pl.col(name)).alias(name) for name in hidden]
    if "reason" in rows.columns:
        blank.append(pl.when(mark).then(pl.lit(SUPPRESSED)).otherwise(pl.col("reason")).alias("reason"))
    rows = rows.with_columns(blank)
    if not _FOUND.intersection(table.names):
        return rows
    return rows.filter(~mark | pl.struct(pl.all()).is_first_distinct())


def _is_measured(dtype: pl.DataType | type) -> bool:
    return dtype in (pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP)
