"""The tables of `core`: deduplicated, corrected, typed; a row a thing or a day.

Here: the list of them; a module a family. Not here: how they are computed (transforms/records, transforms/series).
"""

from ..base import Table
from .account import (
    CONFLICTS,
    DATA_CUT,
    IDENTITIES,
    IMPLAUSIBLE,
    LIKELY_DOUBLES,
    ORPHANS,
)
from .days import ACTIVITY_DAYS, TELEMETRY_SESSIONS, WALKING_DAYS
from .episodes import EPISODES
from .records import CORE_RECORDS

__all__ = [
    "ACTIVITY_DAYS",
    "CONFLICTS",
    "CORE_RECORDS",
    "CORE_TABLES",
    "DATA_CUT",
    "EPISODES",
    "IDENTITIES",
    "IMPLAUSIBLE",
    "LIKELY_DOUBLES",
    "ORPHANS",
    "TELEMETRY_SESSIONS",
    "WALKING_DAYS",
]

CORE_TABLES: dict[str, Table] = {
    **CORE_RECORDS,
    **{
        t.name: t
        for t in (
            ACTIVITY_DAYS,
            WALKING_DAYS,
            TELEMETRY_SESSIONS,
            IDENTITIES,
            ORPHANS,
            CONFLICTS,
            LIKELY_DOUBLES,
            EPISODES,
            IMPLAUSIBLE,
            DATA_CUT,
        )
    },
}
