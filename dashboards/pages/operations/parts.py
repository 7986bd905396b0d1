"""The operations page's view of `floe up`: what it started, what is down, what was started again.

Here: the table and the tile. Not here: watching (orchestration/supervisor.py), the record of it
(ingest/running.py).
"""

from datetime import UTC, datetime

import polars as pl

from ingest.running import parts_down, running
from transforms.counting import counted, spoken

from ...components import tile
from ...reader import Reader
from ...tables import table_of

_NONE = "floe up has not run in this home: its parts run alone, and nobody starts them again."
_IN_ORDER = ("running", "stopped")


def parts_table(reader: Reader):
    """One row per part."""
    record = running(reader.settings)
    if record is None:
        return table_of(None, caption="Parts of floe up", none=_NONE)
    whole = {"name": "floe up", "since": record["started_at"], "restarts": 0} | record
    rows = [_row(part) for part in (whole, *record["parts"])]
    return table_of(
        pl.DataFrame(rows, infer_schema_length=None), caption="Parts of floe up", none=_NONE
    )


def _row(part: dict) -> dict:
    age = datetime.now(UTC) - datetime.fromisoformat(part["since"])
    return {
        "part": part["name"],
        "state": part["state"],
        "for": spoken(max(0.0, age.total_seconds())),
        "started again": part["restarts"],
        "said of it": part["said"],
    }


def parts_tile(reader: Reader):
    record = running(reader.settings)
    if record is None:
        return tile("Parts of floe up", "none", "floe up has not run in this home")
    down = parts_down(reader.settings)
    restarts = sum(part["restarts"] for part in record["parts"])
    if record["state"] == "stopped":
        return tile("Parts of floe up", "stopped", "floe up was stopped in order", is_concern=True)
    up = sum(part["state"] in _IN_ORDER for part in record["parts"])
    return tile(
        "Parts of floe up",
        f"{up} of {len(record['parts'])} running",
        "; ".join(down) if down else f"{counted(restarts, 'restart')} since floe up began",
        is_concern=bool(down),
    )
