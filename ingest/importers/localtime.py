"""Zone-less local times, as exports have them, in the zone that they were written in.

Here: the rule for the two hours a year that a clock does not name clearly. Not here: any vendor's
format.
"""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import polars as pl

from ..time_zones import zone_named


def zone(name: str | None) -> ZoneInfo:
    """The IANA time zone. Raises UsageError, with the name meant where one is near."""
    return ZoneInfo(zone_named(name))


def instant(local: datetime, *, where: tzinfo) -> datetime:
    """One zone-less local time by the rule of `instants`, with the offset that the clock had."""
    return local.replace(tzinfo=where, fold=0).astimezone(UTC).astimezone(where)


def instants(local: pl.Series, *, timezone: str) -> pl.Series:
    """The UTC instants of zone-less local times (microseconds); null stays null.

    A time that the clock shows twice (the hour set back in autumn) is its first showing; one that
    it never shows (the hour skipped in spring) is moved on by what was skipped, as the offset
    before the change reads it.
    """
    where = zone(timezone)
    local = local.cast(pl.Datetime("us"))
    placed = local.dt.replace_time_zone(
        timezone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")
    skipped = (placed.is_null() & local.is_not_null()).arg_true()
    moved: list[datetime] = [instant(local[i], where=where).astimezone(UTC) for i in skipped]
    if not moved:
        return placed
    return placed.scatter(skipped, pl.Series(moved, dtype=placed.dtype))
