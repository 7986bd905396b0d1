"""Kaplan-Meier curves of durability in other treatment episodes than the first: the latest of each
patient, or all, for somebody who asks.

Here: rows of mart.survival_curves that are not stored. Not here: the stored ones, of first episodes
(survival_curves.py), the clocks (durability_times.py).

Of all episodes each patient's are a cluster (statistics/repeated_survival.py); who is counted is
each episode in which the clock began.
"""

from collections.abc import Sequence

import polars as pl

from ..facts.strata import STORED, Combination
from ..facts.values import ALL
from ..options import Cut, Options
from ..rules.care import local_care
from ..rules.local_time import clocks
from ..schemas import MART_TABLES
from .durability_times import durability_times
from .strata import of_episodes, per_subject
from .survival_curves import curves_of
from .visit_values import people_of

TABLE = MART_TABLES["survival_curves"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.subject_episodes",
    "core.care",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
PARAMETERS = ("TTLOSS", "TTRELAPS")


def compute(
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    care: pl.DataFrame,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    options: Options,
    cut: Cut,
    episode: str,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """As survival_curves.compute, of PARAMETERS and the episodes asked for."""
    people = people_of(adsl, subject_episodes, options=options, episode=episode)
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    of_units = per_subject(local_care(care, whose), people).with_columns(USUBJID="patient_id")
    ends = people.select("USUBJID", WINENDT="windows_to")
    times = durability_times(of_episodes(adqs), of_units, ends, options=options)
    named = [t.with_columns(PARAMCD=pl.lit(p)) for p, t in zip(PARAMETERS, times, strict=True)]
    rows = pl.concat(named).filter(pl.col("AVAL").is_not_null()).join(people, on="USUBJID")
    rows = rows.with_columns(
        event=pl.col("CNSR") == 0, is_randomised=pl.lit(False), USUBJID="patient_id"
    )
    return curves_of(rows, over=over, options=options, cut=cut, are_clusters=episode == ALL)
