"""mart.subject_episodes: one row per patient, study and treatment episode.

Here: which tables it comes from, its names. Not here: the rules (rules/episodes.py).
"""

import polars as pl

from ..options import Cut, Options
from ..rules.episodes import of_subjects
from ..rules.exposure import of_patients
from ..rules.flags import flag
from ..schemas.mart.subject_episodes import SUBJECT_EPISODES as TABLE

INPUTS = ("mart.adsl", "mart.adex", "core.episodes")


def compute(
    keys: pl.DataFrame | None,
    *,
    adsl: pl.DataFrame,
    adex: pl.DataFrame,
    episodes: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Conforms to `mart.subject_episodes`. `keys`: frame of `patient_id`, None = all."""
    adsl, adex = (_of_keys(frame, keys) for frame in (adsl, adex))
    rows = of_subjects(
        adsl, adex, of_patients(episodes, keys), course_gap_days=options.course_gap_days
    ).with_columns(
        CRSENDT="course_ended_on",
        BLSTDT="baseline_from",
        WINENDT="windows_to",
        EPENDRS="ended_by",
        BLFUPFL=flag(pl.col("is_baseline_in_follow_up")),
        PRIORFL=flag(pl.col("is_treated_before")),
        FRSTEPFL=flag(pl.col("is_first")),
        LASTEPFL=flag(pl.col("is_latest")),
    )
    return TABLE.conform(rows)


def _of_keys(mart: pl.DataFrame, keys: pl.DataFrame | None) -> pl.DataFrame:
    return (
        mart
        if keys is None
        else mart.join(keys.select(USUBJID="patient_id"), on="USUBJID", how="semi")
    )
