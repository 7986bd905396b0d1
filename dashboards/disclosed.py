"""What a reader from outside the clinic may see: one policy, applied where rows leave the lake.

Here: blanking the cells that a release marks. Not here: which they are (transforms/release.py, disclosure.py), who
looks (settings: FLOE_VIEWER_ROLE). Nothing blanked here reaches a figure, a table, a hover text or a payload.
"""

import polars as pl

from transforms.schemas import Table
from transforms.schemas.app import MARK, is_of_patients
from transforms.schemas.mart import STAMP

SUPPRESSED = "suppressed (small numbers)"
_STAMP = {c.name for c in STAMP}
_NOT_MEASURED = {"visit_day"}  # the visit's target, a fact of the calendar
_TELLING = {"signal", "note", "variation_icon", "assurance_icon", "point_type"}  # words that give a number away


def disclosed(table: Table, rows: pl.DataFrame, *, is_outside: bool) -> pl.DataFrame:
    """`rows` as the role may see them; the clinic's own staff see all.

    From outside: rows about one patient are left out; a marked row keeps its key, and each number, date and flag
    that was measured or counted is null; `reason`, where there is one, says that it is suppressed.
    """
    if not is_outside:
        return rows
    if is_of_patients(table):
        return rows.clear()
    if MARK not in rows.columns:
        return rows
    shown = {*table.key, *_STAMP, *_NOT_MEASURED}
    hidden = [c.name for c in table.columns if c.name not in shown and (_is_measured(c.polars) or c.name in _TELLING)]
    mark = pl.col(MARK)
    blank = [pl.when(~mark).then(pl.col(name)).alias(name) for name in hidden]
    if "reason" in rows.columns:
        blank.append(pl.when(mark).then(pl.lit(SUPPRESSED)).otherwise(pl.col("reason")).alias("reason"))
    return rows.with_columns(blank)


def _is_measured(dtype: pl.DataType | type) -> bool:
    return dtype in (pl.Int64, pl.Float64, pl.Boolean, pl.Date)
