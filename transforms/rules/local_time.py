"""Clinic-local days: which calendar day a moment was where it happened, and when a local day
begins.

Here: whose clock a record has, and the conversions, for a frame whose rows have different time
zones. Not here: study days, visit windows, the days of what a wearable measured
(series/wearable_day.py).

A record has the clock of its own clinic; where it names none, or one whose zone is not known, that
of its session's clinic; else that of the clinic that the patient was in (`transferred` moves it).
Where no zone is known, or it is no IANA name, the event's own UTC offset decides, and where that is
not known either, UTC. A day on record (death, withdrawal) begins and ends by the same clock.

Another question is on which day of a subject the data cut falls, which closes windows and ends the
time that is known: that is by the clock of the subject's site (`TIMEZONE` of mart.adsl), as its Day
1 in a study is.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from ..options import Cut
from ..schemas import TIMESTAMP

_EVER = date(1, 1, 1)  # before any day of a record
_UNKNOWN = date(
    1, 1, 2
)  # in whose place a day that is not known is looked up: after it on any clock


def with_timezone(
    frame: pl.DataFrame, clinics: pl.DataFrame, *, clinic: str = "clinic_id"
) -> pl.DataFrame:
    """The frame with `timezone`, that of the clinic in the column `clinic`; null where it is not
    known.
    """
    zones = clinics.select(pl.col("clinic_id").alias(clinic), "timezone")
    return frame.join(zones, on=clinic, how="left", maintain_order="left")


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """What the rule of whose clock a record has looks up.

    `clinics`: `clinic_id`, `timezone`, null where it is no IANA name; `homes`: one row per patient
    and clinic that the patient was in, `patient_id`, `clinic_id`, `timezone`, `from_on` (the day)
    and `from_at` (its first moment there).
    """

    clinics: pl.DataFrame
    homes: pl.DataFrame


def clocks(
    *, patients: pl.DataFrame, clinics: pl.DataFrame, patient_status: pl.DataFrame
) -> Clocks:
    """The clocks of core's tables. A patient is in the enrolling clinic since ever, then where each
    `transferred` says.
    """
    moved = patient_status.filter(
        pl.col("status") == "transferred",
        pl.col("clinic_id").is_not_null(),
        pl.col("effective_on").is_not_null(),
    )
    first = patients.select("patient_id", "clinic_id", from_on=pl.lit(_EVER))
    homes = pl.concat([first, moved.select("patient_id", "clinic_id", from_on="effective_on")])
    names = [name for name in clinics["timezone"].drop_nulls().unique() if is_zone(name)]
    zones = clinics.select(
        "clinic_id", timezone=pl.when(pl.col("timezone").is_in(names)).then("timezone")
    )
    homes = with_day_start(with_timezone(homes, zones), day="from_on", into="from_at")
    return Clocks(clinics=zones, homes=homes.sort("patient_id", "from_on", "clinic_id"))


def with_home(frame: pl.DataFrame, *, at: str, clocks: Clocks) -> pl.DataFrame:
    """The frame with `home_clinic_id` and `home_timezone`: of the clinic that the patient was in.

    `at`: a moment, or a Date; where it is null the enrolling clinic's. The order of the rows is
    kept.
    """
    is_day = frame.schema[at] == pl.Date
    since, dtype = ("from_on", pl.Date) if is_day else ("from_at", TIMESTAMP)
    homes = clocks.homes.select(
        "patient_id", home_clinic_id="clinic_id", home_timezone="timezone", _at=since
    )
    moments = frame.select(
        "patient_id", _at=pl.col(at).cast(dtype).fill_null(pl.lit(_UNKNOWN).cast(dtype))
    )
    lived = (
        moments.with_row_index("_row")
        .sort("_at")
        .join_asof(
            homes.sort("_at", "home_clinic_id"), on="_at", by="patient_id", check_sortedness=False
        )
        .sort("_row")
        .select("home_clinic_id", "home_timezone")
    )
    return pl.concat([frame, lived], how="horizontal")


def with_clock(
    frame: pl.DataFrame, *, at: str, clocks: Clocks, sessions: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The frame with `timezone`, by the rule of whose clock a record has; null where no zone is
    known.

    `frame`: records with `patient_id`, `clinic_id` and `at`, when they happened (a moment, or a
    Date); where `sessions` (`session_id`, `clinic_id`) are given, with `session_id`. The order of
    the rows is kept.
    """
    columns = frame.columns
    frame = with_timezone(frame, clocks.clinics)
    if sessions is not None:
        there = with_timezone(sessions.select("session_id", "clinic_id"), clocks.clinics)
        there = there.select("session_id", _of_session="timezone")
        frame = frame.join(there, on="session_id", how="left", maintain_order="left")
        frame = frame.with_columns(timezone=pl.coalesce("timezone", "_of_session"))
    if frame["timezone"].has_nulls():
        lived = with_home(frame, at=at, clocks=clocks)
        frame = lived.with_columns(timezone=pl.coalesce("timezone", "home_timezone"))
    return frame.select(*columns, "timezone")


def with_local_day(frame: pl.DataFrame, *, at: str, into: str) -> pl.DataFrame:
    """The frame (with `timezone`) with the Date `into`: the local day of the moment `at`, null for
    null.
    """
    day = (pl.col(at) + _offset(frame)).dt.date()
    for zone in _zones(frame):
        local = pl.col(at).dt.convert_time_zone(zone).dt.date()
        day = pl.when(pl.col("timezone") == zone).then(local).otherwise(day)
    return frame.with_columns(day.alias(into))


def with_cut_day(frame: pl.DataFrame, *, cut: Cut, into: str = "cut_on") -> pl.DataFrame:
    """The frame (with `timezone`) with the Date `into`: the local day on which the hour of the data
    cut falls, still running.
    """
    at = frame.with_columns(_cut=pl.lit(cut.hour).cast(TIMESTAMP))
    return with_local_day(at, at="_cut", into=into).drop("_cut")


def with_day_start(frame: pl.DataFrame, *, day: str, into: str) -> pl.DataFrame:
    """The frame (with `timezone`) with the moment `into` at which the local `day` begins.

    Where clocks skip midnight the day begins an hour later; where they repeat it, at the earlier
    one.
    """
    midnight = pl.col(day).cast(pl.Datetime("us"))
    start = midnight.dt.replace_time_zone("UTC") - _offset(frame)
    for zone in _zones(frame):
        moment = pl.coalesce(
            at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            for at in (midnight, midnight + pl.duration(hours=1))
        )
        start = (
            pl.when(pl.col("timezone") == zone)
            .then(moment.dt.convert_time_zone("UTC"))
            .otherwise(start)
        )
    return frame.with_columns(start.cast(TIMESTAMP).alias(into))


def _offset(frame: pl.DataFrame) -> pl.Expr:
    offset = pl.col("utc_offset_min") if "utc_offset_min" in frame.columns else pl.lit(0)
    return pl.duration(minutes=offset.fill_null(0))


def _zones(frame: pl.DataFrame) -> list[str]:
    names = frame["timezone"].drop_nulls().unique().sort()
    return [name for name in names if is_zone(name)]


def is_zone(name: str) -> bool:
    """Whether the name is an IANA time zone, in its own capitals; a bare offset (`+01:00`) is
    none.
    """
    if not name[:1].isalpha():
        return False
    try:
        pl.select(pl.lit(0).cast(TIMESTAMP).dt.convert_time_zone(name))
    except pl.exceptions.PolarsError:
        return False
    return True


def with_local_text(
    frame: pl.DataFrame, *, at: str, into: str, form: str = "%-d %b %Y, %H:%M"
) -> pl.DataFrame:
    """The frame (with `timezone`) with the text `into`: the moment `at` by that clock; by UTC,
    which is said, without one.
    """
    text = pl.col(at).dt.strftime(form) + " UTC"
    for zone in _zones(frame):
        local = pl.col(at).dt.convert_time_zone(zone).dt.strftime(form)
        text = pl.when(pl.col("timezone") == zone).then(local).otherwise(text)
    return frame.with_columns(text.alias(into))
