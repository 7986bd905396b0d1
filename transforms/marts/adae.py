"""mart.adae: one row an adverse event of a patient that is known.

Here: the row's assembly: clinic, days, sequence, flags of first occurrence. Not here: the rules on
where it happened (rules/event_places.py), emergence, sessions and clean windows (rules/safety.py),
rates (adverse_event_rates.py).

The treatment period for TRTEMFL runs from the first to the last session that began, so that
an event of an aborted first session is in it. An event belongs to the study of its onset, where
that is not known of its session, else of the day it was told. An onset that is not known is not
guessed (ASTDTF Y; an event of the contract has a moment of onset or none, no part): such an event
comes last in the sequence and has no session flags.
"""

from datetime import datetime

import polars as pl

from ..facts.thresholds import SESSION_WINDOWS_H
from ..options import Cut, Options
from ..rules.episodes import under_way
from ..rules.event_places import HAPPENED_AT, of_own_sessions, with_place
from ..rules.exposure import of_patients, placed_sessions
from ..rules.flags import flag
from ..rules.local_time import Clocks, clocks, with_clock, with_local_day
from ..rules.safety import (
    RELATED,
    UNRELATED,
    new_event_flag,
    session_flag,
    treatment_emergent,
    with_sessions,
)
from ..rules.studies import with_study
from ..rules.time_at_risk import holds, person_time_cut
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adae"]
INPUTS = (
    "core.adverse_events",
    "core.patients",
    "core.clinics",
    "core.patient_status",
    "core.sessions",
    "core.episodes",
    "mart.adsl",
    "mart.time_at_risk",
)


def compute(
    keys: pl.DataFrame | None,
    *,
    adverse_events: pl.DataFrame,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    sessions: pl.DataFrame,
    episodes: pl.DataFrame,
    adsl: pl.DataFrame,
    time_at_risk: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """One row an adverse event of the patients in `keys` (None = all); columns of
    MART_TABLES["adae"].

    Events of a patient that is not known yet wait in core.orphans.
    """
    people = of_patients(patients, keys)
    whose = clocks(patients=people, clinics=clinics, patient_status=patient_status)
    placed = placed_sessions(sessions.join(people, on="patient_id", how="semi"), whose)
    events = adverse_events.join(people, on="patient_id", how="semi")
    events = with_place(events, sessions=sessions, clocks=whose)
    frame = _dated(events, sessions=sessions, placed=placed, whose=whose)
    sites = adsl.select("STUDYID", "SITEID", patient_id="USUBJID")
    frame = with_study(frame, adsl, day="study_on").join(sites, on=["STUDYID", "patient_id"])
    frame = with_sessions(frame, placed.filter("is_begun"))
    frame = frame.join(_treatment_period(placed), on="patient_id", how="left")
    frame = _with_time_at_risk(
        frame, time_at_risk, cut_at=person_time_cut(options=options, cut=cut)
    )
    frame = _flagged(_sequenced(frame), options=options)
    return TABLE.conform(_named(under_way(frame, episodes, at="onset_at")).sort("USUBJID", "AESEQ"))


def _dated(
    events: pl.DataFrame, *, sessions: pl.DataFrame, placed: pl.DataFrame, whose: Clocks
) -> pl.DataFrame:
    """The events with the local days of onset and end by their clock, the day by which each has a
    study, what their sessions say, and the term.
    """
    frame = events.with_columns(_happened_at=HAPPENED_AT)
    frame = with_clock(frame, at="_happened_at", clocks=whose, sessions=sessions)
    frame = of_own_sessions(frame, placed, session_modality="modality", session_on="day")
    frame = frame.with_columns(
        AEDECOD=pl.coalesce(_text("preferred_term"), _text("term").str.to_lowercase()),
        AELOC=_text("body_site"),
    )
    for at, into in (("onset_at", "ASTDT"), ("resolved_at", "AENDT"), ("event_time", "told_on")):
        frame = with_local_day(frame, at=at, into=into)
    return frame.with_columns(study_on=pl.coalesce("ASTDT", "session_on", "told_on"))


def _text(column: str) -> pl.Expr:
    """The text without surrounding or repeated blanks; null where nothing is left."""
    text = pl.col(column).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(text != "").then(text)


def _treatment_period(sessions: pl.DataFrame) -> pl.DataFrame:
    """A row a patient with a session that began: its first and last such day, and the first one's
    modality.
    """
    return (
        sessions.filter("is_begun")
        .group_by("patient_id", maintain_order=True)
        .agg(
            first_treated_on=pl.col("day").min(),
            last_treated_on=pl.col("day").max(),
            first_modality=pl.col("modality").first(),
        )
    )


def _with_time_at_risk(
    frame: pl.DataFrame, at_risk: pl.DataFrame, *, cut_at: datetime
) -> pl.DataFrame:
    """The events with ATRISKFL: Y, N, or null for an onset that is not known or waits for the next
    cut.
    """
    pairs = frame.select("ae_id", "patient_id", "onset_at").join(at_risk, on="patient_id")
    inside = pairs.filter(holds("onset_at"))["ae_id"].unique()
    is_judged = pl.col("onset_at") <= pl.lit(cut_at)
    return frame.with_columns(
        ATRISKFL=pl.when(is_judged).then(flag(pl.col("ae_id").is_in(inside.implode())))
    )


def _sequenced(frame: pl.DataFrame) -> pl.DataFrame:
    """By patient and onset, the unknown ones last, with AESEQ."""
    ordered = frame.sort("patient_id", "onset_at", "ae_id", nulls_last=True)
    return ordered.with_columns(AESEQ=pl.int_range(1, pl.len() + 1).over("patient_id"))


def _flagged(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    emergent = treatment_emergent(
        start="ASTDT",
        end="AENDT",
        first_treated="first_treated_on",
        last_treated="last_treated_on",
        initial_grade="initial_grade",
        grade="grade",
        window_days=options.risk_window_days,
        is_unknown_emergent=options.is_unknown_onset_emergent,
    )
    # occurrence flags are of treatment-emergent records (OCCDS)
    number = pl.when(emergent == "Y").then("AESEQ")
    grade = pl.when(emergent == "Y").then("grade")
    of_highest = pl.when(grade == grade.max().over("patient_id")).then(number)
    return frame.with_columns(
        TRTEMFL=emergent,
        NEWFL=new_event_flag(clean_window_days=options.clean_window_days),
        AOCCFL=_yes(number == number.min().over("patient_id")),
        AOCCPFL=_yes(number == number.min().over("patient_id", "AEDECOD")),
        AOCCIFL=_yes(number == of_highest.min().over("patient_id")),
        **{name: session_flag(hours=hours) for name, hours in SESSION_WINDOWS_H.items()},
    )


def _yes(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit("Y"))


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    days = (pl.col("AENDT") - pl.col("ASTDT")).dt.total_days() + 1
    related = pl.when(pl.col("related").is_in(RELATED + UNRELATED)).then(
        pl.col("related").is_in(RELATED)
    )
    return frame.with_columns(
        USUBJID="patient_id",
        CLINICID="clinic_id",
        AEID="ae_id",
        AETERM="term",
        AESOC="body_system",
        AETOXGR="grade",
        AEITOXGR="initial_grade",
        AESER=flag(pl.col("is_serious")),
        AEREL="related",
        AERELFL=flag(related),
        AEEXPFL=flag(pl.col("is_expected")),
        AEINJ="injury_kind",
        AEASCERT="ascertainment",
        ASTDTM="onset_at",
        ASIDEFL=_yes(pl.col("is_set_aside")),
        ASTDTF=pl.when(pl.col("onset_at").is_null()).then(pl.lit("Y")),
        AENDTM="resolved_at",
        ADURN=pl.when(days >= 1).then(days),
        HRSSESS="hours_since_session",
        SESSIONID=pl.coalesce("own_session_id", "session_id"),
        AEOUT="outcome",
        AWAREDTM="aware_at",
        RPTDTM="reported_at",
        MODALITY=pl.coalesce("session_modality", "near_modality", "first_modality"),
        EVENTID="event_id",
    )
