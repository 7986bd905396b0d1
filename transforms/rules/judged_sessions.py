"""A session held against its protocol and its patient's clearance: the one judgement of mart.adex
and of alerts.

Here: its order, and what was measured. Not here: the limits and spacing (exposure.py), clearance
(clearance.py), the device's own measurements (core.telemetry_sessions).

What the session reports and what its device measured are two pieces of evidence: the colder
temperature and the lower oxygen of the two counts, so that neither can hide what the other saw.
"""

import polars as pl

from ..facts.sessions import SESSION_VALUES, SessionValue
from .clearance import with_clearance, with_contraindication
from .exposure import with_limit_flags, with_protocol, with_spacing

_COUNTS = {"first": pl.coalesce, "lowest": pl.min_horizontal, "highest": pl.max_horizontal}


def judged(
    placed: pl.DataFrame,
    *,
    protocols: pl.DataFrame,
    courses: pl.DataFrame,
    consults: pl.DataFrame,
    screenings: pl.DataFrame,
    telemetry_sessions: pl.DataFrame,
) -> pl.DataFrame:
    """The sessions of `placed_sessions` (each patient's whole) with limits, measurements, a flag a
    limit, clearance.

    Adds `limit_…`, `hours_since_previous`, `sessions_in_week`, EXDUR (s), CABMINC, SKINMINC,
    SKINPSTC (degrees C), O2MINPCT (%), REWARMMN, DOSEKS, the flags of `with_limit_flags` (Y, N,
    null = not measured or no limit), `is_cleared` and `is_contraindicated` (null = not known).
    """
    frame = with_spacing(with_protocol(placed, protocols, courses))
    frame = with_contraindication(with_clearance(frame, consults), consults, screenings)
    return with_limit_flags(_measured(frame, telemetry_sessions))


def _measured(frame: pl.DataFrame, telemetry: pl.DataFrame) -> pl.DataFrame:
    """The frame with the measurements: of the session's and its device's, the colder and the
    lower.
    """
    device = telemetry.select(
        "session_id",
        cabin_max_measured_c="cabin_max_temp_c",
        REWARMMN="skin_rewarming_min",
        DOSEKS="dose_k_s",
        **{_of_device(value): value.device for value in SESSION_VALUES if value.device},
    )
    joined = frame.join(device, on="session_id", how="left", maintain_order="left")
    return joined.with_columns(**{value.column: _what_counts(value) for value in SESSION_VALUES})


def _of_device(value: SessionValue) -> str:
    return f"device_{value.device}"


def _what_counts(value: SessionValue) -> pl.Expr:
    evidence = [*value.fields, *([_of_device(value)] if value.device else [])]
    return _COUNTS[value.counts](*evidence)
