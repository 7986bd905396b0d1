"""Which sessions alerts are judged by: one that may have exposed the patient began, whatever word
its status is.

Here: core's sessions as alerts take them, each judged, one without a start by another moment.
Not here: what marts count as begun (rules/exposure.py), the causes (sessions.py).

A word that is none of the contract's must not silence harm: `Completed` began. Missed or cancelled
is a session only where nothing was measured in it; else the record contradicts itself, and what was
measured counts. Marts, which count rates, take the contract's words alone.
"""

from collections.abc import Mapping

import polars as pl

from ..facts.sessions import BOOKED, NOT_HELD, SESSION_VALUES
from ..rules.exposure import placed_sessions
from ..rules.judged_sessions import judged
from ..rules.local_time import Clocks, with_clock, with_local_day
from ..rules.words import closed_value

_CANCELED = "canceled"  # as much of the world spells it
_STATUSES = (*BOOKED, _CANCELED)
_NOT_HELD = (*NOT_HELD, _CANCELED)
_IN_SESSION = [value.field for value in SESSION_VALUES if value.is_of_exposure]
_ANSWER = r'(?i):\s*"\s*{answer}\s*"'


def begun_sessions(core: Mapping[str, pl.DataFrame], whose: Clocks) -> pl.DataFrame:
    """As `placed_sessions`, of which `is_begun` and `is_delivered` are what alerts take them for.

    `core`: sessions and, where series are known, telemetry_sessions. Adds `is_contradicting`: it is
    said not to have been held, and something was measured in it. Delivered is what began and was
    not aborted.
    """
    measured = (
        core["telemetry_sessions"]["session_id"]
        if "telemetry_sessions" in core
        else pl.Series(dtype=pl.String)
    )
    frame = placed_sessions(core["sessions"], whose)
    status = closed_value("status", _STATUSES)
    is_not_held = status.is_in(_NOT_HELD).fill_null(False)
    is_measured = (
        (pl.col("duration_s") > 0).fill_null(False)
        | pl.any_horizontal(pl.col(_IN_SESSION).is_not_null())
        | pl.col("session_id").is_in(measured.implode())
    )
    is_begun = ~is_not_held | is_measured
    return frame.with_columns(
        is_begun=is_begun,
        is_delivered=is_begun & status.ne_missing("aborted"),
        is_contradicting=is_not_held & is_measured,
    )


def judged_sessions(core: Mapping[str, pl.DataFrame], whose: Clocks) -> pl.DataFrame:
    """The sessions of `begun_sessions` as `judged` judges them, with `judged_at` and `judged_on`.

    A session whose start is not known is judged by what was in force when its event happened, or
    else landed (`judged_at`; `judged_on`: that day by its clock). Its start stays null, and of its
    spacing and week nothing is known. `core`: sessions, protocols, courses, consults, screenings,
    telemetry_sessions.
    """
    placed = begun_sessions(core, whose).with_columns(
        modality=closed_value("modality", ("whole_body", "partial_body", "local")),
        judged_at=pl.coalesce("started_at", "event_time", "ingested_at"),
    )
    placed = with_local_day(
        with_clock(placed.drop("timezone"), at="judged_at", clocks=whose),
        at="judged_at",
        into="judged_on",
    )
    by = {
        "protocols": core["protocols"],
        "courses": core["courses"],
        "consults": _consults(core["consults"]),
        "screenings": _screenings(core["screenings"]),
        "telemetry_sessions": core["telemetry_sessions"],
    }
    dated, undated = (
        placed.filter(is_dated)
        for is_dated in (pl.col("started_at").is_not_null(), pl.col("started_at").is_null())
    )
    held = judged(dated, **by)
    if undated.is_empty():
        return held
    by_stand_in = judged(undated.with_columns(started_at="judged_at"), **by)
    unknown = ("started_at", "hours_since_previous", "sessions_in_week", "SPACEFL", "WEEKFL")
    return pl.concat(
        [
            held,
            by_stand_in.with_columns(pl.lit(None).cast(held.schema[c]).alias(c) for c in unknown),
        ]
    )


def _consults(consults: pl.DataFrame) -> pl.DataFrame:
    return consults.with_columns(
        outcome=closed_value("outcome", ("cleared", "deferred", "contraindicated"))
    )


def _screenings(screenings: pl.DataFrame) -> pl.DataFrame:
    """With answers spelled as the contract does."""
    items = pl.col("items")
    for answer in ("present", "absent"):
        items = items.str.replace_all(_ANSWER.format(answer=answer), f': "{answer}"')
    return screenings.with_columns(items=items)
