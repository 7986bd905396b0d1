"""Clinic-local days: which calendar day a moment was where it happened, and when a local day begins.

Here: whose clock a record has, and the conversions, for a frame whose rows have different time zones. Not here: study
days, visit windows, the days of wearable series (activity.py).

A record has the clock of its own clinic; where it names none, or one whose zone is not known, that of its session's
clinic; else that of the clinic that the patient was in (`transferred` moves it). Where no zone is known, or it is no
IANA name, the event's own UTC offset decides, and where that is not known either, UTC.
"""

from datetime import UTC, datetime

import polars as pl

from .options import Cut
from .schemas import TIMESTAMP

_EVER = datetime(1, 1, 1, tzinfo=UTC)  # before any moment of a record


def with_timezone(frame: pl.DataFrame, clinics: pl.DataFrame, *, clinic: str = "clinic_id") -> pl.DataFrame:
    """The frame with `timezone`, that of the clinic in the column `clinic`; null where it is not known."""
    zones = clinics.select(pl.col("clinic_id").alias(clinic), "timezone")
    return frame.join(zones, on=clinic, how="left", maintain_order="left")


def homes(adsl: pl.DataFrame, patient_status: pl.DataFrame, clinics: pl.DataFrame) -> pl.DataFrame:
    """A row a patient and clinic that the patient was in: `patient_id`, `timezone`, `from_at`.

    The first, that of the enrolment, is in force since ever (year 1); each `transferred` that names a clinic from the
    first moment of its day there. `adsl`: rows with `USUBJID`, `TIMEZONE`.
    """
    first = adsl.select(patient_id="USUBJID", timezone="TIMEZONE").sort("patient_id", "timezone")
    first = first.unique("patient_id", keep="first", maintain_order=True)
    moved = patient_status.filter(
        pl.col("status") == "transferred", pl.col("clinic_id").is_not_null(), pl.col("effective_on").is_not_null()
    )
    moved = with_timezone(moved.select("patient_id", "clinic_id", "effective_on"), clinics)
    moved = with_day_start(moved, day="effective_on", into="from_at").select("patient_id", "timezone", "from_at")
    return pl.concat([first.with_columns(from_at=pl.lit(_EVER).cast(TIMESTAMP)), moved]).sort(
        "from_at", "patient_id", "timezone"
    )


def with_clock(
    frame: pl.DataFrame, *, at: str, clinics: pl.DataFrame, homes: pl.DataFrame, sessions: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The frame with `timezone`, by the rule of whose clock a record has; null where no zone is known.

    `frame`: records with `patient_id`, `clinic_id` and the moment `at`; where `sessions` (`session_id`, `clinic_id`)
    are given, with `session_id`. `homes`: of the function above. The order of the rows is kept.
    """
    columns = frame.columns
    frame = with_timezone(frame.with_row_index("_row"), clinics)
    if sessions is not None:
        of_session = sessions.select("session_id", _session_clinic="clinic_id")
        frame = frame.join(of_session, on="session_id", how="left", maintain_order="left")
        zones = clinics.select(_session_clinic="clinic_id", _of_session="timezone")
        frame = frame.join(zones, on="_session_clinic", how="left", maintain_order="left")
        frame = frame.with_columns(pl.coalesce("timezone", "_of_session").alias("timezone"))
    lived = frame.select("_row", "patient_id", _at=pl.coalesce(pl.col(at), pl.lit(_EVER).cast(TIMESTAMP))).sort("_at")
    lived = lived.join_asof(
        homes.select("patient_id", _at="from_at", _home="timezone"), on="_at", by="patient_id", check_sortedness=False
    )
    frame = frame.join(lived.select("_row", "_home"), on="_row", how="left", maintain_order="left")
    return frame.with_columns(timezone=pl.coalesce("timezone", "_home")).select(*columns, "timezone")


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
