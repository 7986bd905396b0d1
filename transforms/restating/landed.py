"""What rows of `raw` that landed after a release say of the time before it.

Here: one event of each, with its reason, and whom it touches. Not here: reading them
(orchestration/restating.py), which figures are of whom (figures.py).

A record is late where it happened before the release's data cut (its event's `time`) and landed
after it. One of a thing that the release had counted corrects it, or takes it out. A copy of an
event that had landed says nothing.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ..schemas import RAW_TABLES, TOPIC_BY_NAME

LATE, CORRECTED, IN_ERROR, MERGED, RETRACTED = (
    "late",
    "corrected",
    "entered_in_error",
    "merged",
    "retracted",
)
NEW = "new"  # no reason to restate: later than what the release has shown
OF_THE_PAST = (LATE, CORRECTED, IN_ERROR, MERGED, RETRACTED)

EVENTS = pl.Schema(
    dict.fromkeys(("topic", "about", "event", "reason", "patient_id", "clinic_id"), pl.String)
)
IDENTITY = ("source", "event_id")
# What of a topic is measured, apart from the rest of the topic
_ABOUT = {"responses": "instrument", "performance_tests": "test"}
_NOT_OF_PEOPLE = ("alerts",)  # Floe's own
_MERGES = ("merged", "split")

TOPICS = tuple(name for name in RAW_TABLES if name not in _NOT_OF_PEOPLE)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the lake held of the things that rows speak of: `events` (source, event_id) before the
    rows landed, `things` (the topic's id) when the release was made.
    """

    events: pl.DataFrame
    things: frozenset[str]


def columns_of(name: str) -> list[str]:
    """The columns of a topic's rows that are needed here."""
    wanted = (
        *IDENTITY,
        "event_time",
        "patient_id",
        "clinic_id",
        "session_id",
        "record_status",
        "status",
        "merged_into",
        _ABOUT.get(name),
        *thing_of(name),
    )
    return [c for c in dict.fromkeys(wanted) if c in RAW_TABLES[name].names]


def thing_of(name: str) -> tuple[str, ...]:
    """The column by which a topic's records name their thing; none of a series."""
    topic = TOPIC_BY_NAME[name]
    return () if topic.is_series else (topic.record_id,)


def told(name: str, rows: pl.DataFrame, *, known: Known, cutoff: datetime) -> pl.DataFrame:
    """EVENTS of a topic's rows (`columns_of`) that landed since; a merge touches both patients.
    `cutoff`: the release's data cut.
    """
    new = rows.unique(IDENTITY, maintain_order=True).join(
        known.events, on=IDENTITY, how="anti", maintain_order="left"
    )
    about = _ABOUT.get(name)
    events = new.select(
        topic=pl.lit(name),
        about=pl.col(about) if about else pl.lit(None, pl.String),
        event=pl.format("{}#{}", *IDENTITY),
        reason=_reason(name, known.things, cutoff),
        patient_id=_column(new, "patient_id"),
        clinic_id=_column(new, "clinic_id"),
    )
    if name == "patient_status":
        others = events.with_columns(patient_id=new["merged_into"])
        events = pl.concat([events, others.filter(pl.col("patient_id").is_not_null())])
    return events.select(EVENTS.names()).cast(dict(EVENTS))


def _column(rows: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) if name in rows.columns else pl.lit(None, pl.String)


def _reason(name: str, things: frozenset[str], cutoff: datetime) -> pl.Expr:
    by_time = pl.when(pl.col("event_time") <= cutoff).then(pl.lit(LATE)).otherwise(pl.lit(NEW))
    if not thing_of(name):
        return by_time
    is_known = pl.col(*thing_of(name)).is_in(sorted(things))
    is_in_error = pl.col("record_status").eq_missing(pl.lit("entered_in_error"))
    of_record = (
        pl.when(is_known & is_in_error)
        .then(pl.lit(IN_ERROR))
        .when(is_known)
        .then(pl.lit(CORRECTED))
        .when(is_in_error)
        .then(pl.lit(NEW))
        .otherwise(by_time)
    )
    if name == "patient_status":
        is_merge = pl.col("status").is_in(_MERGES)
        return pl.when(is_merge & is_in_error.not_()).then(pl.lit(MERGED)).otherwise(of_record)
    if name == "retractions":
        return pl.lit(RETRACTED)
    return of_record
