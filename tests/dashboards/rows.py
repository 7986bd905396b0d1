"""Rows of the small lake's tables from what a test names of them.

Here: the stamp, a stratum, a frame. Not here: the rows themselves (small_lake.py, small_summaries.py).
"""

from datetime import UTC, datetime

import polars as pl

from transforms.schemas import Table

CUT = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAMP = {"metric_version": "1", "lake_snapshot": 1, "data_cutoff": CUT, "is_suppressed": False}
DIMENSIONS = ("clinic_id", "modality", "indication", "arm")


def frame(table: Table, rows: list[dict]) -> pl.DataFrame:
    """Rows with this table's columns; what a row does not name is null."""
    full = [dict.fromkeys(table.names) | row for row in rows]
    return table.conform(pl.DataFrame(full, schema=table.polars_schema, orient="row")) if rows else table.empty()


def stratum(**dimensions) -> dict:
    return dict.fromkeys(DIMENSIONS) | dimensions | {"strata": [d for d in DIMENSIONS if d in dimensions]}
