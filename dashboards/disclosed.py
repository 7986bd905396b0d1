"""What a reader from outside the clinic may see: one policy, applied where rows leave the lake.

Here: which tables and columns pass for that role, and blanking what a release marks. Not here: which cells a release
marks and what it holds of the others (transforms/release.py, disclosure.py, marts/as_released.py), who looks (settings:
FLOE_VIEWER_ROLE). Nothing left out here reaches a figure, a table, a hover text or a payload.

A table that is neither released nor open has no rows for that role: a new one is shown to nobody from outside until
somebody says that it may be.
"""

import polars as pl

from transforms.schemas import MART_TABLES, Table
from transforms.schemas.app import MARK, is_of_patients
from transforms.withheld import SUPPRESSED, withheld

__all__ = ["OPEN", "SUPPRESSED", "disclosed"]

# Tables that are not of people, by their full name, with the columns that count nothing as it happens
OPEN: dict[str, tuple[str, ...]] = {
    t.full_name: tuple(t.names) for t in (MART_TABLES["metric_definitions"], MART_TABLES["data_dictionary"])
} | {
    "mart.check_results": ("table", "check", "is_passed"),
    "mart.restatements": ("metric_id", "version", "previous_version", "rule", "restated_at"),
    "core.clinics": ("clinic_id", "name", "country", "timezone"),
}


def disclosed(table: Table, rows: pl.DataFrame, *, is_outside: bool) -> pl.DataFrame:
    """`rows` as the role may see them; the clinic's own staff see all.

    From outside: a summary without the numbers of its marked rows, a table of OPEN with its columns there, the others
    null; of any other table no row.
    """
    if not is_outside:
        return rows
    if table.full_name in OPEN:
        closed = [c for c in rows.columns if c not in OPEN[table.full_name]]
        return rows.with_columns(pl.lit(None, rows.schema[c]).alias(c) for c in closed)
    if is_of_patients(table) or MARK not in rows.columns:
        return rows.clear()
    return withheld(table, rows)
