"""What a reader from outside the clinic may see: one policy, applied where rows leave the lake.

Here: blanking the cells that a release marks. Not here: which they are (transforms/release.py, disclosure.py), who
looks (settings: FLOE_VIEWER_ROLE). Nothing blanked here reaches a figure, a table, a hover text or a payload.
"""

import polars as pl

from transforms.schemas import TIMESTAMP, Table
from transforms.schemas.app import MARK, is_of_patients
from transforms.schemas.mart import STAMP

SUPPRESSED = "suppressed (small numbers)"
_STAMP = {c.name for c in STAMP}
_NOT_MEASURED = {"visit_day"}  # the visit's target, a fact of the calendar
# Parts of a key that are there because of what happened to somebody: how many such rows there are is a count
_FOUND = {"time_days", "point", "from_per_week", "pct30", "points", "pgic"}
# Words that give a number away
_TELLING = {
    "signal",
    "note",
    "variation_icon",
    "assurance_icon",
    "point_type",
    "sessions_reason",
    "patient_years_reason",
}


def disclosed(table: Table, rows: pl.DataFrame, *, is_outside: bool) -> pl.DataFrame:
    """`rows` as the role may see them; the clinic's own staff see all.

    From outside: rows about one patient are left out; a marked row keeps its key, and each number, date and flag
    that was measured or counted is null; `reason`, where there is one, says that it is suppressed. Marked rows that are
    the same then (the times of a curve, the points of a chart) are one.
    """
    if not is_outside:
        return rows
    if is_of_patients(table):
        return rows.clear()
    if MARK not in rows.columns:
        return rows
    kept = {*table.key, *_STAMP, *_NOT_MEASURED}
    measured = [c.name for c in table.columns if c.name not in kept and _is_measured(c.polars)]
    hidden = {*measured, *(_TELLING | _FOUND).intersection(table.names)}
    mark = pl.col(MARK)
    blank = [pl.when(~mark).then(pl.col(name)).alias(name) for name in hidden]
    if "reason" in rows.columns:
        blank.append(pl.when(mark).then(pl.lit(SUPPRESSED)).otherwise(pl.col("reason")).alias("reason"))
    rows = rows.with_columns(blank)
    return rows.filter(~mark | pl.struct(pl.all()).is_first_distinct())


def _is_measured(dtype: pl.DataType | type) -> bool:
    return dtype in (pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP)
