"""A session held against its protocol and its patient's clearance: the one judgement of mart.adex
and of alerts.

Here: its order, and what was measured. Not here: the limits and spacing (exposure.py), clearance
(clearance.py), the device's own measurements (core.telemetry_sessions).

What the session reports and what its device measured are two pieces of evidence: the colder
temperature and the lower oxygen of the two counts, so that neither can hide what the other saw.
"""

import polars as pl

from .clearance import with_clearance, with_contraindication
from .exposure import with_limit_flags, with_protocol, with_spacing


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
        device_cabin_min_c="cabin_min_temp_c",
        cabin_max_measured_c="cabin_max_temp_c",
        device_skin_min_c="skin_min_temp_c",
        device_skin_last_c="skin_last_temp_c",
        device_oxygen_pct="room_min_oxygen_pct",
        REWARMMN="skin_rewarming_min",
        DOSEKS="dose_k_s",
    )
    return frame.join(device, on="session_id", how="left", maintain_order="left").with_columns(
        EXDUR="duration_s",
        CABMINC=pl.min_horizontal("cabin_min_temp_c", "device_cabin_min_c"),
        SKINMINC=pl.min_horizontal("skin_temp_min_c", "device_skin_min_c", "skin_temp_post_c"),
        SKINPSTC=pl.coalesce("skin_temp_post_c", "device_skin_last_c"),
        O2MINPCT=pl.min_horizontal("room_min_oxygen_pct", "device_oxygen_pct"),
    )
