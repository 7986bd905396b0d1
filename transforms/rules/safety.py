"""Adverse events judged one by one: treatment-emergent, near a session, new or the same as before.

Here: rules on frames of events. Not here: rates of them (statistics/rates.py), person-time
(time_at_risk.py), the mart's columns.
"""

import polars as pl

from ..facts.thresholds import SESSION_WINDOW_H
from ..facts.values import UNENDED
from .event_places import of_own_sessions

RELATED = ("possible", "probable", "causal")
UNRELATED = ("not_related",)
# What makes two records the same kind of event in one patient
SAME_EVENT = ("patient_id", "AEDECOD")
_FOREVER = pl.datetime(9999, 1, 1, time_zone="UTC", time_unit="us")


def treatment_emergent(
    *,
    start: str,
    end: str,
    first_treated: str,
    last_treated: str,
    initial_grade: str,
    grade: str,
    window_days: int,
    is_unknown_emergent: bool = True,
) -> pl.Expr:
    """Y or null, from columns of days and of grades (ADaM/PHUSE rule, as pharmaverse admiral's
    derive_var_trtemfl).

    Not treated, or ended before the first treatment: null. Start missing: Y (null without
    `is_unknown_emergent`). Started from the first treatment to `window_days` after the last: Y.
    Started before and worsened (grade above the initial one): Y. Else null: a grade that is not
    known shows no worsening.
    """
    start, end, first, last = (pl.col(c) for c in (start, end, first_treated, last_treated))
    in_window = (start >= first) & (start <= last + pl.duration(days=window_days))
    worsened = (start < first) & (pl.col(grade) > pl.col(initial_grade))
    return (
        pl.when(first.is_null() | (end < first).fill_null(False))
        .then(None)
        .when((start.is_null() & is_unknown_emergent) | in_window | worsened)
        .then(pl.lit("Y"))
    )


def with_sessions(events: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """The events with `own_session_id`, the session to which each belongs, and with `near_modality`
    and `hours_since_session`, of the last session before the onset.

    `begun`: sessions that began, of `placed_sessions`; one whose start is not known is none. An
    event belongs to the session that it names, whether or not its onset is known; where it names
    none of the patient's (but one that was missed, say), to the patient's last one in the
    `SESSION_WINDOW_H` before the onset, anywhere; else to none. The last session before the onset
    is another one where the event names a session that began after it: hours are never counted
    backwards. Null where there is none or the onset is not known.
    """
    starts = begun.filter(pl.col("started_at").is_not_null())
    starts = starts.select("patient_id", "session_id", "modality", "started_at").sort(
        "started_at", "session_id"
    )
    frame = of_own_sessions(events, starts, named_at="started_at", named_modality="modality")
    frame = frame.join(_last_before(events, starts), on="ae_id", how="left", maintain_order="left")
    is_named = (pl.col("named_at") <= pl.col("onset_at")).fill_null(False)
    near_at = pl.when(is_named).then("named_at").otherwise("last_at")
    hours = (pl.col("onset_at") - near_at).dt.total_microseconds() / 3.6e9
    near_id = pl.when(hours <= SESSION_WINDOW_H).then("last_id")
    return frame.with_columns(
        own_session_id=pl.when(pl.col("named_at").is_not_null())
        .then("session_id")
        .otherwise(near_id),
        near_modality=pl.when(is_named).then("named_modality").otherwise("last_modality"),
        hours_since_session=hours,
    ).drop("named_at", "named_modality", "last_id", "last_modality", "last_at")


def _last_before(events: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """A row an event with an onset: `last_id`, `last_modality`, `last_at` of the patient's last
    session up to it.
    """
    last = starts.select(
        "patient_id", last_id="session_id", last_modality="modality", last_at="started_at"
    )
    timed = events.filter(pl.col("onset_at").is_not_null()).sort("onset_at")
    return (
        timed.select("ae_id", "patient_id", "onset_at")
        .join_asof(
            last,
            left_on="onset_at",
            right_on="last_at",
            by="patient_id",
            check_sortedness=False,
            coalesce=False,
        )
        .select("ae_id", "last_id", "last_modality", "last_at")
    )


def session_flag(*, hours: int) -> pl.Expr:
    """Y within `hours` after a session's start, both ends included; N later or with no session
    before; null where the onset is not known.
    """
    within = pl.col("hours_since_session") <= hours
    return pl.when(pl.col("onset_at").is_not_null()).then(
        pl.when(within.fill_null(False)).then(pl.lit("Y")).otherwise(pl.lit("N"))
    )


def lasts_until(*, onset: str, end: str, outcome: str, clean_window_days: int) -> pl.Expr:
    """Until when a record covers further ones of its term: `clean_window_days` x 24 h after its
    end.

    For good where it has no end and its outcome is ongoing or resolving; null where its end is not
    known otherwise, or where it has no onset: such a record covers nothing, for what is not known
    is counted.
    """
    return (
        pl.when(pl.col(onset).is_null())
        .then(None)
        .when(pl.col(end).is_not_null())
        .then(pl.col(end) + pl.duration(days=clean_window_days))
        .when(pl.col(outcome).is_in(UNENDED))
        .then(_FOREVER)
    )


def new_event_flag(*, clean_window_days: int) -> pl.Expr:
    """Y where a record is an event of its own, N where an earlier one of the same term still covers
    its onset.

    Over frames sorted by onset. A record without an onset is an event of its own.
    """
    until = lasts_until(
        onset="onset_at", end="resolved_at", outcome="outcome", clean_window_days=clean_window_days
    )
    covered = until.cum_max().forward_fill().shift(1).over(SAME_EVENT)
    return (
        pl.when((pl.col("onset_at") <= covered).fill_null(False))
        .then(pl.lit("N"))
        .otherwise(pl.lit("Y"))
    )


def with_event_number(adae: pl.DataFrame) -> pl.DataFrame:
    """Rows of mart.adae with `event_number` and `event_at`: records of one event share both.

    The number is unique within the frame; the moment is the onset of the event's first record, null
    where not known.
    """
    ordered = adae.sort("USUBJID", "AEDECOD", "AESEQ", nulls_last=True)
    numbered = ordered.with_columns(event_number=(pl.col("NEWFL") == "Y").cum_sum())
    return numbered.with_columns(event_at=pl.col("ASTDTM").first().over("event_number"))


def counted_in_time(adae: pl.DataFrame) -> pl.DataFrame:
    """Rows of mart.adae that count over time at risk: begun in it, or of unknown onset and emergent
    by the setting.
    """
    is_unknown = pl.col("ASTDTM").is_null() & (pl.col("TRTEMFL") == "Y")
    return adae.filter(((pl.col("ATRISKFL") == "Y") | is_unknown).fill_null(False))
