"""The data cut: which snapshot of the lake a materialisation reads, and up to when.

Here: taking a cut and reading the one in force. Not here: what is computed from it.
"""

from datetime import UTC, datetime

import polars as pl

from ingest import inspection
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.options import Cut
from transforms.schemas import CORE_TABLES, MART_TABLES

from .following import CURSORS, has_other_definitions

DATA_CUT = CORE_TABLES["data_cut"]
# Tables that have a cursor: what is not made of the cut, and not of the checks themselves
_FOLLOWING = frozenset(t.full_name for t in (*CORE_TABLES.values(), *MART_TABLES.values())) - {
    DATA_CUT.full_name,
    MART_TABLES["check_results"].full_name,
}


def take_cut(lake: Lake) -> pl.DataFrame:
    """The one row of `core.data_cut` for the lake as it stands.

    The data cut is the newest plausible event time, each capped at the time it was ingested; of an
    empty lake, the epoch.
    """
    started_at, snapshot = datetime.now(UTC), lake.snapshot()
    newest = inspection.newest_event_time(
        lake, clock_tolerance_min=Settings().clock_tolerance_min, at=snapshot
    )
    row = {
        "lake_snapshot": snapshot,
        "data_cutoff": newest or datetime.fromtimestamp(0, UTC),
        "records": inspection.landed_records(lake, at=snapshot),
        "started_at": started_at,
    }
    return DATA_CUT.conform(pl.DataFrame([row]))


def cut_in_force(lake: Lake) -> Cut:
    return read_cut(lake.table(DATA_CUT.full_name))


def read_cut(data_cut: pl.DataFrame) -> Cut:
    """Of the table's one row."""
    row = data_cut.row(0, named=True)
    return Cut(lake_snapshot=row["lake_snapshot"], data_cutoff=row["data_cutoff"])


def waiting(lake: Lake) -> frozenset[str]:
    """Tables that do not stand on the cut in force, as models of everybody may, and all that a run
    did not come to; none before the first cut.
    """
    rows = lake.rows(
        f"""SELECT table_name, raw_snapshot = lake_snapshot FROM {DATA_CUT.full_name}
            LEFT JOIN {CURSORS.full_name} ON true"""
    )
    return _FOLLOWING.difference(name for name, stands in rows if stands) if rows else frozenset()


def is_behind(lake: Lake) -> bool:
    """Whether records have landed that core and mart were not computed from, or another release
    computed them, or other settings.
    """
    cut = lake.table(DATA_CUT.full_name)
    has_new = inspection.landed_records(lake) > (0 if cut.is_empty() else cut["records"][0])
    is_outdated = bool(inspection.outdated_tables(lake, schemas=("core", "mart")))
    return has_new or is_outdated or has_other_definitions(lake, Settings().options)
