"""Rows of the small lake's tables from what a test names of them.

Here: the stamp, a stratum, a frame. Not here: the rows themselves (small_lake.py,
small_summaries.py).
"""

from datetime import UTC, datetime

import polars as pl

from transforms.facts.catalogue import METRICS
from transforms.facts.strata import COLUMNS_OF, STRATUM_COLUMNS
from transforms.facts.values import ROUTINE
from transforms.schemas import Table

CUT = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAMP = {"metric_version": "1", "lake_snapshot": 1, "data_cutoff": CUT, "is_suppressed": False}
NO_ARM = "(none)"


def frame(table: Table, rows: list[dict]) -> pl.DataFrame:
    """Rows with this table's columns; what a row does not name is null."""
    full = [dict.fromkeys(table.names) | row for row in rows]
    return (
        table.conform(pl.DataFrame(full, schema=table.polars_schema, orient="row"))
        if rows
        else table.empty()
    )


def stratum(*, study_id: str = ROUTINE, arm: str = NO_ARM, **dimensions) -> dict:
    """A stratum of a study and arm, of routine care without an arm where a test names none."""
    named = dimensions | {"study_id": study_id, "arm": arm}
    in_force = [d for d, columns in COLUMNS_OF.items() if columns[0] in named]
    return dict.fromkeys(STRATUM_COLUMNS) | named | {"strata": in_force}


def what_it_is_of(metric_id: str) -> dict:
    """The parameter and the statistic of a metric."""
    return {"parameter": METRICS[metric_id].parameter, "statistic": METRICS[metric_id].statistic}
