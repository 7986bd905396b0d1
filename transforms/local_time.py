"""Clinic-local days: which calendar day a moment was where it happened, and when a local day begins.

Here: the conversions, for a frame whose rows have different time zones. Not here: study days, visit windows.
Where the zone is not known, or is no IANA name, the event's own UTC offset decides, and where that is not
known either, UTC.
"""

import polars as pl

from .options import Cut
from .schemas import TIMESTAMP


def with_timezone(frame: pl.DataFrame, clinics: pl.DataFrame, *, clinic: str = "clinic_id") -> pl.DataFrame:
    """The frame with `timezone`, that of the clinic in the column `clinic`; null where it is not known."""
    zones = clinics.select(pl.col("clinic_id").alias(clinic), "timezone")
    return frame.join(zones, on=clinic, how="left", maintain_order="left")


def with_local_day(frame: pl.DataFrame, *, at: str, into: str) -> pl.DataFrame:
    """The frame (with `timezone`) with the Date `into`: the local day of the moment `at`, null for null."""
    day = (pl.col(at) + _offset(frame)).dt.date()
    for zone in _zones(frame):
        local = pl.col(at).dt.convert_time_zone(zone).dt.date()
        day = pl.when(pl.col("timezone") == zone).then(local).otherwise(day)
    return frame.with_columns(day.alias(into))


def with_cut_day(frame: pl.DataFrame, *, cut: Cut, into: str = "cut_on") -> pl.DataFrame:
    """The frame (with `timezone`) with the Date `into`: the local day on which the data cut falls, still running."""
    at = frame.with_columns(_cut=pl.lit(cut.data_cutoff).cast(TIMESTAMP))
    return with_local_day(at, at="_cut", into=into).drop("_cut")


def with_day_start(frame: pl.DataFrame, *, day: str, into: str) -> pl.DataFrame:
    """The frame (with `timezone`) with the moment `into` at which the local `day` begins.

    Where clocks skip midnight the day begins an hour later; where they repeat it, at the earlier one.
    """
    midnight = pl.col(day).cast(pl.Datetime("us"))
    start = midnight.dt.replace_time_zone("UTC") - _offset(frame)
    for zone in _zones(frame):
        moment = pl.coalesce(
            at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            for at in (midnight, midnight + pl.duration(hours=1))
        )
        start = pl.when(pl.col("timezone") == zone).then(moment.dt.convert_time_zone("UTC")).otherwise(start)
    return frame.with_columns(start.cast(TIMESTAMP).alias(into))


def _offset(frame: pl.DataFrame) -> pl.Expr:
    known = pl.col("utc_offset_min") if "utc_offset_min" in frame.columns else pl.lit(0)
    return pl.duration(minutes=known.fill_null(0))


def _zones(frame: pl.DataFrame) -> list[str]:
    return [zone for zone in frame["timezone"].drop_nulls().unique().sort() if is_zone(zone)]


def is_zone(name: str) -> bool:
    """Whether the name is an IANA time zone, in its own capitals; a bare offset (`+01:00`) is none."""
    if not name[:1].isalpha():
        return False
    try:
        pl.select(pl.lit(0).cast(TIMESTAMP).dt.convert_time_zone(name))
    except pl.exceptions.PolarsError:
        return False
    return True
