"""What a reader from outside the clinic may see: one policy, applied where rows leave the lake.

Here: blanking the cells that the marts mark. Not here: which cells are too small (transforms/marts, `is_suppressed`),
who looks (settings: FLOE_VIEWER_ROLE). Nothing blanked here reaches a figure, a table, a hover text or a payload.
"""

import polars as pl

from transforms.schemas import Table
from transforms.schemas.mart import STAMP

SUPPRESSED = "suppressed (small numbers)"
PATIENT_KEYS = frozenset({"USUBJID", "patient_id", "ae_id", "AEID", "SESSIONID", "alert_id"})
_MARK = "is_suppressed"
_STAMP = {c.name for c in STAMP}
_NOT_MEASURED = {"visit_day"}  # the visit's target, a fact of the calendar
_TELLING = {"signal", "note", "variation_icon", "assurance_icon", "point_type"}  # words that give a number away


def is_of_patients(table: Table) -> bool:
    """Whether a row is about one patient (or one of its events)."""
    return any(name in PATIENT_KEYS for name in table.names)


def disclosed(table: Table, rows: pl.DataFrame, *, is_outside: bool) -> pl.DataFrame:
    """`rows` as the role may see them; the clinic's own staff see all.

    From outside: rows about one patient are left out; a marked row keeps its key, and each number, date and flag
    that was measured or counted is null; `reason`, where there is one, says that it is suppressed.
    """
    if not is_outside:
        return rows
    if is_of_patients(table):
        return rows.clear()
    if _MARK not in rows.columns:
        return rows
    shown = {*table.key, *_STAMP, *_NOT_MEASURED}
    hidden = [c.name for c in table.columns if c.name not in shown and (_is_measured(c.polars) or c.name in _TELLING)]
    mark = pl.col(_MARK)
    blank = [pl.when(~mark).then(pl.col(name)).alias(name) for name in hidden]
    if "reason" in rows.columns:
        blank.append(pl.when(mark).then(pl.lit(SUPPRESSED)).otherwise(pl.col("reason")).alias("reason"))
    return rows.with_columns(blank)


def _is_measured(dtype: pl.DataType | type) -> bool:
    return dtype in (pl.Int64, pl.Float64, pl.Boolean, pl.Date)
