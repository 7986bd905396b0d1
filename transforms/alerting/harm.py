"""Harm as a cause of alerts: adverse events, device deficiencies, incidents.

Here: frames of core -> causes. Not here: sessions (sessions.py), devices (devices.py).
"""

from datetime import datetime

import polars as pl

from ..facts.event_groups import COLD_INJURY
from ..facts.thresholds import FATAL_GRADE, SEVERE_GRADE
from ..rules.words import DEATH, INJURY, any_says, closed_value, is_death
from .causes import causes

# Kinds of injury of the contract that are told at once, whatever their grade.
_AT_ONCE = (*COLD_INJURY.injury_kinds, "asphyxia", "syncope")
_IN_THE_MORNING = ("nerve",)
_ENDED = ("resolved", "resolved_with_sequelae", "fatal")
_KINDS = ("frostbite", "burn", "asphyxia", "syncope", "nerve", "other")


def of_adverse_events(events: pl.DataFrame) -> pl.DataFrame:
    """A cause an adverse event that is serious, severe, or one of the injuries that are told.

    `events`: core.adverse_events with the clinic and the device of each; one that is set aside
    counts too. `level` is the grade (of the first and the later one the
    higher), at least 3 where it is serious and 5 where it is fatal; 0 = not graded.
    """
    in_the_morning = closed_value("injury_kind", _KINDS).is_in(_IN_THE_MORNING).fill_null(False)
    frame = _weighed(events).with_columns(_at_once="_is_grave", _later=in_the_morning)
    return causes(
        "harm",
        frame.filter(pl.col("_at_once") | pl.col("_later")),
        subject_kind="adverse_event",
        subject_id=pl.col("ae_id"),
        clinic_id=pl.col("clinic_id"),
        patient_id=pl.col("patient_id"),
        device_id=pl.col("device_id"),
        occurred_at=pl.coalesce("onset_at", "aware_at", "event_time"),
        fresh_from=_fresh_from("onset_at", is_grave=pl.col("_is_serious")),
        tier=pl.when("_at_once").then(pl.lit("now")).otherwise(pl.lit("today")),
        level=pl.col("_level"),
        finding=pl.format(
            "{}, {}{}{}",
            "term",
            pl.when(pl.col("_grade").is_null())
            .then(pl.lit("not graded"))
            .otherwise(pl.format("grade {}", "_grade")),
            pl.when(pl.col("initial_grade") > pl.col("_grade"))
            .then(pl.format(", {} at first", "initial_grade"))
            .otherwise(pl.lit("")),
            pl.when("_is_serious").then(pl.lit(", serious")).otherwise(pl.lit("")),
        ),
    )


def open_events(events: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """The adverse events that are not known to be resolved, with `is_grave` (it would be told at
    once) and `is_serious_or_fatal`. An outcome or end that is not known is none.
    """
    is_over = closed_value("outcome", _ENDED).is_in(_ENDED).fill_null(False) | (
        pl.col("resolved_at") <= now
    ).fill_null(False)
    return _weighed(events.filter(~is_over)).select(
        "patient_id",
        "ae_id",
        "term",
        "onset_at",
        "outcome",
        grade="_grade",
        is_grave="_is_grave",
        is_serious_or_fatal="_is_serious",
    )


def _weighed(events: pl.DataFrame) -> pl.DataFrame:
    """The events with `_grade`, `_is_serious`, `_level`, and `_is_grave`: to be told at once."""
    fatal = is_death()
    has_criteria = pl.col("serious_criteria").list.len().fill_null(0) > 0
    serious = pl.col("is_serious").fill_null(False) | has_criteria | fatal
    level = pl.max_horizontal(
        pl.max_horizontal("grade", "initial_grade").fill_null(0),
        pl.when(serious).then(SEVERE_GRADE).otherwise(0),
        pl.when(fatal).then(FATAL_GRADE).otherwise(0),
    )
    of_kind = pl.col("injury_kind").is_in(_AT_ONCE).fill_null(False)
    at_once = of_kind | any_says(INJURY, "preferred_term", "term", "injury_kind_raw")
    return events.with_columns(
        _grade=pl.coalesce("grade", "initial_grade"),
        _is_serious=serious,
        _level=level,
        _is_grave=at_once | (level >= SEVERE_GRADE),
    )


def of_deficiencies(deficiencies: pl.DataFrame) -> pl.DataFrame:
    """One cause per device deficiency; at once where it could have led to a serious adverse
    event.
    """
    could = pl.col("could_have_led_to_sae").fill_null(False)
    return causes(
        "device_deficiency",
        deficiencies,
        subject_kind="deficiency",
        subject_id=pl.col("deficiency_id"),
        clinic_id=pl.col("clinic_id"),
        device_id=pl.col("device_id"),
        occurred_at=pl.col("occurred_at"),
        tier=_now_where(could),
        level=pl.when(could).then(2).otherwise(1),
        finding=pl.col("kind"),
    )


def of_incidents(incidents: pl.DataFrame) -> pl.DataFrame:
    """A cause an incident; at once where it is serious, or its kind is a death or one of the
    injuries told at once.
    """
    serious = (
        pl.col("is_serious").fill_null(False) | any_says(INJURY, "kind") | any_says(DEATH, "kind")
    )
    return causes(
        "incident",
        incidents,
        subject_kind="incident",
        subject_id=pl.col("incident_id"),
        clinic_id=pl.col("clinic_id"),
        device_id=pl.col("device_id"),
        occurred_at=pl.col("occurred_at"),
        fresh_from=_fresh_from("occurred_at", is_grave=serious),
        tier=_now_where(serious),
        level=pl.when(serious).then(2).otherwise(1),
        finding=pl.format("{}, {}", "subject_kind", "kind"),
    )


def _fresh_from(began: str, *, is_grave: pl.Expr) -> pl.Expr:
    """From when harm counts as fresh: the later of its beginning and of when the clinic became
    aware, by which reports are due, too. What is serious, of which nobody says when they became
    aware, is fresh when it lands.
    """
    aware = (
        pl.when(is_grave & pl.col("aware_at").is_null()).then("ingested_at").otherwise("aware_at")
    )
    return pl.max_horizontal(began, aware)


def _now_where(condition: pl.Expr) -> pl.Expr:
    now, today = pl.lit("now"), pl.lit("today")
    where = pl.when(condition).then(now)
    return where.otherwise(today)
