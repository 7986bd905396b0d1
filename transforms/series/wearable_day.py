"""The local day of what a wearable measured: by its own UTC offset, else (flagged) by the time zone
of the patient's clinic.

Here: that rule, as SQL for series (activity.py) and as a frame for walking bouts (mobility.py).
Not here: days of anything else (rules/local_time.py).

An event has one clock, that of its start: where it gives no offset, that of the clinic that the
patient was in then (`transferred` moves it). Where that is not known either there is no day, and
the event waits.
"""

import polars as pl

from ..rules.local_time import Clocks, is_zone
from ..schemas import TIMESTAMP

MOVES = pl.List(pl.Struct({"from_us": pl.Int64, "timezone": pl.String}))


def with_zones(frame: pl.DataFrame, clocks: Clocks) -> pl.DataFrame:
    """The frame of `patient_id` with `timezone` of the enrolling clinic and `moves`, the others
    from when on, in order.

    Zones that are not known are null. `moves` (`from_us`, microseconds since 1970, `timezone`) is
    empty for who stayed.
    """
    homes = clocks.homes.with_columns(from_us=pl.col("from_at").dt.epoch("us"))
    ordered = homes.sort("from_us", "clinic_id").group_by("patient_id", maintain_order=True)
    zones = ordered.agg(
        timezone=pl.col("timezone").first(), moves=pl.struct("from_us", "timezone").slice(1)
    )
    frame = frame.join(zones, on="patient_id", how="left", maintain_order="left")
    return frame.with_columns(pl.col("moves").cast(MOVES))


def zone_sql(moment_us: str) -> str:
    """The zone of an event that starts at the moment, of the columns of `with_zones`; null = not
    known to the lake.
    """
    moved = f"list_filter(moves, lambda move: move.from_us <= {moment_us})"
    return f"CASE WHEN len({moved}) > 0 THEN list_last({moved}).timezone ELSE timezone END"


def day_sql(moment_us: str) -> str:
    """The local calendar day of a moment."""
    return f"""CAST(CASE WHEN offset_min IS NOT NULL THEN make_timestamp({moment_us} + offset_min * 60000000)
        ELSE timezone(timezone, make_timestamptz({moment_us})) END AS DATE)"""


def midnight_us_sql(day: str) -> str:
    """The moment at which that local day starts."""
    return f"""CASE WHEN offset_min IS NOT NULL THEN epoch_us(CAST({day} AS TIMESTAMP)) - offset_min * 60000000
        ELSE epoch_us(timezone(timezone, CAST({day} AS TIMESTAMP))) END"""


def with_wearable_day(frame: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """The rows of patients in `zones` with `day` (null = not known) and `is_timezone_assumed`.

    `frame`: `patient_id`, `started_at`, `utc_offset_min`; `zones`: `patient_id` and the columns of
    `with_zones`.
    """
    since = (
        zones.explode("moves")
        .drop_nulls("moves")
        .select("patient_id", pl.col("moves").struct.unnest())
    )
    since = since.select(
        "patient_id", _moved="timezone", _has_moved=True, _at=pl.col("from_us").cast(TIMESTAMP)
    )
    placed = frame.join(zones.select("patient_id", "timezone"), on="patient_id").with_columns(
        _at=pl.col("started_at").cast(TIMESTAMP)
    )
    placed = placed.sort("_at").join_asof(
        since.sort("_at"), on="_at", by="patient_id", check_sortedness=False
    )
    placed = placed.with_columns(
        timezone=pl.when("_has_moved").then("_moved").otherwise("timezone")
    )
    at, offset = pl.col("started_at"), pl.col("utc_offset_min")
    day = pl.when(offset.is_not_null()).then((at + pl.duration(minutes=offset)).dt.date())
    for zone in filter(is_zone, placed["timezone"].drop_nulls().unique().sort()):
        day = day.when(pl.col("timezone") == zone).then(at.dt.convert_time_zone(zone).dt.date())
    return placed.with_columns(day=day.otherwise(None), is_timezone_assumed=offset.is_null()).drop(
        "_at", "_moved", "_has_moved", "timezone"
    )
