"""A lake whose tables were computed without it (tests/computed.py), as a run leaves them.

Here: that. Not here: what was computed, who reads it.
"""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from ingest.lake import Lake
from orchestration.following import Cursor, write_cursor
from transforms.schemas import CORE_TABLES, MART_TABLES


def store(
    lake: Lake, tables: dict[str, pl.DataFrame], *, marts: Iterable[str], computed_at: datetime
) -> None:
    """Writes the tables of core and mart, and cursors of these marts."""
    described = (*CORE_TABLES.values(), *MART_TABLES.values())
    stored = [t for t in described if t.full_name in tables]
    lake.write(lambda w: [w.replace(t, tables[t.full_name]) for t in stored])
    shared = {
        "raw_snapshot": 1,
        "read_at": lake.snapshot(),
        "data_cutoff": tables["core.data_cut"]["data_cutoff"][0],
        "fingerprint": "",
        "computed_at": computed_at,
        "rows_changed": 0,
    }
    cursors = [Cursor(table_name=f"mart.{name}", **shared) for name in marts]
    lake.write(lambda w: [write_cursor(w, cursor) for cursor in cursors])
