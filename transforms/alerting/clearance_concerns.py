"""Clearance before a session: whether a consult clears it, and whether that ends soon.

Here: frames of core -> the concern. Not here: when a consult clears (rules/clearance.py), the other
concerns (before.py).
"""

from datetime import datetime, timedelta

import polars as pl

from ..rules.clearance import latest_consults
from ..rules.local_time import with_local_text
from .concerns import concern_rows

SOON_DAYS = 7


def clearance(people: pl.DataFrame, consults: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Of the latest consult until now: what it says of a session on the day, at whatever hour."""
    latest = latest_consults(consults.filter(pl.col("occurred_at") <= now), by="patient_id")
    columns = ("patient_id", "outcome", "modalities", "occurred_at", "valid_until")
    frame = people.join(latest.select(columns), on="patient_id", how="left")
    for name in ("occurred_at", "valid_until"):
        frame = with_local_text(frame, at=name, into=f"{name}_text")
    code, sentence = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for condition, name, words in reversed(_cases(now)):
        code = pl.when(condition.fill_null(False)).then(pl.lit(name)).otherwise(code)
        sentence = pl.when(condition.fill_null(False)).then(words).otherwise(sentence)
    return concern_rows(frame, code, sentence)


def _cases(now: datetime) -> list[tuple[pl.Expr, str, pl.Expr]]:
    """(condition, concern, sentence); the first that holds is said."""
    on, until = pl.col("occurred_at_text"), pl.col("valid_until_text")
    covers = (
        pl.col("modalities").is_null()
        | pl.col("modality").is_null()
        | pl.col("modalities").list.contains(pl.col("modality"))
    )
    ends = pl.col("valid_until")
    return [
        (
            pl.col("outcome").is_null(),
            "clearance",
            pl.lit("no consult is on record: nothing clears the session"),
        ),
        (
            pl.col("outcome") != "cleared",
            "clearance",
            pl.format("the latest consult ({}) does not clear it: {}", on, "outcome"),
        ),
        (
            ~covers,
            "clearance",
            pl.format(
                "the latest consult ({}) does not cover {}",
                on,
                pl.col("modality").str.replace("_", " "),
            ),
        ),
        (ends < now, "clearance", pl.format("clearance ended: {}", until)),
        (
            ends < pl.col("day_from"),
            "clearance",
            pl.format("clearance ends before that day: {}", until),
        ),
        (ends < pl.col("day_to"), "clearance", pl.format("clearance ends that day: {}", until)),
        (
            ends < pl.col("day_to") + timedelta(days=SOON_DAYS),
            "clearance_ends",
            pl.format("clearance ends soon: {}", until),
        ),
    ]
