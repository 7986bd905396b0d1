"""mart.device_events: device deficiencies, incidents with anybody but a patient, and sessions that
an interlock stopped.

Here: one row each, where it happened, whether it counts in a rate. Not here: rates
(device_event_rates.py), what must be reported of them (report_deadlines.py), alerts (../alerting).

Two records of one happening (a deficiency, and the session that the interlock stopped because of
it) are two rows of two kinds: kinds are never added.
"""

import polars as pl

from ..facts.device_events import COUNTED, DEFICIENCY, FAULT, INCIDENT, NEAR_MISS
from ..facts.values import NONE, UNKNOWN
from ..options import Cut, Options
from ..rules import local_time
from ..rules.exposure import placed_sessions
from ..rules.time_at_risk import person_time_cut
from ..schemas import MART_TABLES

TABLE = MART_TABLES["device_events"]
INPUTS = (
    "core.deficiencies",
    "core.incidents",
    "core.sessions",
    "core.devices",
    "core.clinics",
    "core.patients",
    "core.patient_status",
)
INTERLOCK = "interlock"


def compute(
    *,
    deficiencies: pl.DataFrame,
    incidents: pl.DataFrame,
    sessions: pl.DataFrame,
    devices: pl.DataFrame,
    clinics: pl.DataFrame,
    patients: pl.DataFrame,
    patient_status: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a record; columns of MART_TABLES["device_events"]. What was entered in error is in core
    no more.
    """
    whose = local_time.clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    placed = placed_sessions(sessions, whose)
    parts = [_deficiencies(deficiencies, placed), _incidents(incidents), _faults(placed)]
    rows = with_modality(_at_clinics(pl.concat(parts, how="diagonal"), devices), devices)
    rows = local_time.with_local_day(
        local_time.with_timezone(rows, whose.clinics), at="occurred_at", into="occurred_on"
    )
    return TABLE.conform(_judged(rows, placed, options=options, cut=cut)).sort(TABLE.key)


def first_sessions(placed: pl.DataFrame) -> pl.DataFrame:
    """`clinic_id`, `opened_at`: the start of the clinic's first session that began, from which on
    events count.
    """
    begun = placed.filter("is_begun")
    return begun.group_by("clinic_id").agg(
        opened_at=pl.col("started_at").min(), _has_sessions=pl.lit(True).first()
    )


def with_modality(rows: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """The rows (`device_id`, `modality`) with the device's modality, where its record says one;
    never null.

    (none): no device is named, or one that treats nobody (a room monitor); (unknown): no record
    describes the device.
    """
    modalities = devices.select("device_id", _of_device="modality", _is_known=pl.lit(True))
    rows = rows.join(modalities, on="device_id", how="left", maintain_order="left")
    is_unknown = pl.col("device_id").is_not_null() & pl.col("_is_known").is_null()
    otherwise = pl.when(is_unknown).then(pl.lit(UNKNOWN)).otherwise(pl.lit(NONE))
    return rows.with_columns(modality=pl.coalesce("_of_device", "modality", otherwise)).drop(
        "_of_device", "_is_known"
    )


# --- the three kinds of record ------------------------------------------------------------------


def _deficiencies(deficiencies: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """One that names no clinic happened at that of its session, where it names one."""
    there = placed.select("session_id", _of_session="clinic_id")
    return deficiencies.join(there, on="session_id", how="left", maintain_order="left").select(
        "device_id",
        "session_id",
        "occurred_at",
        "event_id",
        clinic_id=pl.coalesce("clinic_id", "_of_session"),
        kind=pl.lit(DEFICIENCY),
        record_id="deficiency_id",
        what="kind",
        is_grave="could_have_led_to_sae",
        modality=pl.lit(None, pl.String),
    )


def _incidents(incidents: pl.DataFrame) -> pl.DataFrame:
    is_harmless = (pl.col("subject_kind") == "none").fill_null(False)
    return incidents.select(
        "device_id",
        "clinic_id",
        "occurred_at",
        "aware_at",
        "event_id",
        kind=pl.when(is_harmless).then(pl.lit(NEAR_MISS)).otherwise(pl.lit(INCIDENT)),
        record_id="incident_id",
        what="kind",
        person=pl.when(~is_harmless).then("subject_kind"),
        is_grave="is_serious",
    )


def _faults(placed: pl.DataFrame) -> pl.DataFrame:
    """Whatever became of the session: an interlock may keep one from beginning."""
    return placed.filter((pl.col("stop_reason") == INTERLOCK).fill_null(False)).select(
        "device_id",
        "session_id",
        "clinic_id",
        "event_id",
        "modality",
        occurred_at="started_at",
        kind=pl.lit(FAULT),
        record_id="session_id",
        what=pl.lit("stopped by the interlock"),
    )


# --- where, and whether it counts ---------------------------------------------------------------


def _at_clinics(rows: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """A record that says no clinic happened at the device's; (unknown) where no record says one."""
    homes = devices.select("device_id", _home="clinic_id")
    rows = rows.join(homes, on="device_id", how="left", maintain_order="left")
    return rows.with_columns(clinic_id=pl.coalesce("clinic_id", "_home", pl.lit(UNKNOWN))).drop(
        "_home"
    )


def _judged(
    rows: pl.DataFrame, placed: pl.DataFrame, *, options: Options, cut: Cut
) -> pl.DataFrame:
    """`counted_as`: one whose moment is not known counts; else it lies from the clinic's first
    session to the cut.
    """
    cut_at = pl.lit(person_time_cut(options=options, cut=cut))
    rows = rows.join(first_sessions(placed), on="clinic_id", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("occurred_at") > cut_at)
        .then(pl.lit("after_cut"))
        .when(pl.col("_has_sessions").is_null())
        .then(pl.lit("no_sessions"))
        .when(pl.col("occurred_at") < pl.col("opened_at"))
        .then(pl.lit("before_sessions"))
    )
    return rows.with_columns(counted_as=pl.coalesce(reason, pl.lit(COUNTED)))
