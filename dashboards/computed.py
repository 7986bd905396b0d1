"""What the numbers shown were computed from, and when: the cut, the run, what has landed since.

Here: that question to the lake. Not here: how it is shown (shell.py, pages/operations).
"""

from dataclasses import dataclass
from datetime import datetime

from .reader import Reader


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What the numbers shown were computed from; null where they never were.

    From outside it is the last release: when it was made, and nothing of what has landed since.
    """

    data_cutoff: datetime | None
    started_at: datetime | None
    records_since: int | None


def computed_facts(reader: Reader) -> Computed:
    if reader.is_outside:
        made = reader.release() or {"data_cutoff": None, "released_at": None}
        return Computed(
            data_cutoff=made["data_cutoff"], started_at=made["released_at"], records_since=None
        )
    cut = reader.core("data_cut")
    if cut.is_empty():
        return Computed(data_cutoff=None, started_at=None, records_since=None)
    r = cut.row(0, named=True)
    landed = reader.query(
        "SELECT coalesce(sum(rows + rejects), 0)::BIGINT AS n FROM raw.ledger",
        tables=["raw.ledger"],
    )["n"][0]
    return Computed(
        data_cutoff=r["data_cutoff"],
        started_at=r["started_at"],
        records_since=landed - r["records"],
    )
