"""mart.adex: one row a session, delivered or not, of a patient that is known.

Here: the row's assembly. Not here: how a session is judged (rules/judged_sessions.py).
"""

import polars as pl

from ..options import Cut, Options
from ..rules.episodes import under_way
from ..rules.exposure import of_patients, placed_sessions
from ..rules.flags import flag
from ..rules.judged_sessions import judged
from ..rules.local_time import clocks
from ..rules.studies import with_study
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adex"]
INPUTS = (
    "mart.adsl",
    "core.patients",
    "core.clinics",
    "core.patient_status",
    "core.sessions",
    "core.protocols",
    "core.courses",
    "core.consults",
    "core.screenings",
    "core.telemetry_sessions",
    "core.episodes",
)


def compute(
    keys: pl.DataFrame | None,
    *,
    adsl: pl.DataFrame,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    sessions: pl.DataFrame,
    protocols: pl.DataFrame,
    courses: pl.DataFrame,
    consults: pl.DataFrame,
    screenings: pl.DataFrame,
    telemetry_sessions: pl.DataFrame,
    episodes: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """One row a session of the patients in `keys` (None = all); columns of MART_TABLES["adex"].

    Sessions of a patient that is not known yet wait in core.orphans.
    """
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    frame = with_study(placed_sessions(of_patients(sessions, keys), whose), adsl, day="day")
    sites = adsl.select("STUDYID", "SITEID", patient_id="USUBJID")
    frame = frame.join(sites, on=["STUDYID", "patient_id"], maintain_order="left")
    frame = judged(
        frame,
        protocols=protocols,
        courses=courses,
        consults=consults,
        screenings=screenings,
        telemetry_sessions=telemetry_sessions,
    )
    return TABLE.conform(
        _named(_cumulated(under_way(frame, episodes, at="started_at"))).sort("USUBJID", "EXSEQ")
    )


def _cumulated(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with running counts; cumulative exposure is null once a session that began has no
    duration.
    """
    exposure_s = pl.when("is_begun").then("duration_s").otherwise(0.0)
    return frame.with_columns(
        EXSEQ=pl.int_range(1, pl.len() + 1).over("patient_id"),
        CUMSESS=pl.col("is_delivered").cast(pl.Int64).cum_sum().over("patient_id"),
        CUMDURS=pl.when(exposure_s.is_null().cum_sum().over("patient_id") == 0).then(
            exposure_s.cum_sum().over("patient_id")
        ),
    )


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        USUBJID="patient_id",
        CLINICID="clinic_id",
        SESSIONID="session_id",
        COURSEID="course_id",
        PROTOCOL="protocol_id",
        DEVICEID="device_id",
        MODALITY="modality",
        EXSTAT="status",
        EXSTDTM="started_at",
        ASTDT="day",
        SETPNTC="setpoint_c",
        SKINPREC="skin_temp_pre_c",
        HRSPREV="hours_since_previous",
        CLEARFL=flag(pl.col("is_cleared")),
        CONTRAFL=flag(pl.col("is_contraindicated")),
        ASKEDFL=flag(pl.col("adverse_events_asked")),
        EVENTID="event_id",
    )
