"""Where an adverse event happened: at its own clinic, else at its session's, else at the one that the
patient was in.

Here: that rule, for mart.adae and for alerts. Not here: whose clock a record has, where a patient
was when (local_time.py), to which session an event belongs for its hours (safety.py).
"""

import polars as pl

from .local_time import Clocks, with_home

# An onset that is not known is judged by when the event was told.
HAPPENED_AT = pl.coalesce("onset_at", "event_time")
_KEY = ("patient_id", "session_id")  # no event happened in somebody else's session


def of_own_sessions(events: pl.DataFrame, sessions: pl.DataFrame, **columns: str) -> pl.DataFrame:
    """The events, in order, with columns of the session that each names: new name -> name."""
    named = sessions.select(*_KEY, **columns)
    return events.join(named, on=_KEY, how="left", maintain_order="left")


def with_place(events: pl.DataFrame, *, sessions: pl.DataFrame, clocks: Clocks) -> pl.DataFrame:
    """The events, in order, with `clinic_id`, where each happened; null where nothing tells.

    `sessions`: of core, those set aside too.
    """
    frame = of_own_sessions(events, sessions, _session_clinic="clinic_id")
    frame = with_home(frame.with_columns(_at=HAPPENED_AT), at="_at", clocks=clocks)
    place = pl.coalesce("clinic_id", "_session_clinic", "home_clinic_id")
    return frame.with_columns(clinic_id=place).select(events.columns)
