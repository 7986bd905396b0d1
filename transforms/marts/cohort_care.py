"""Rows of mart.cohort_outcomes about other care: pain killers before and after, injections and
surgery.

Here: shares of patients and rates of procedures, over combinations of the dimensions.
Not here: what a patient's care was (rules/care.py), the opioid dose (cohort_outcomes, from
patient_outcomes), time to surgery (survival_curves).

Use before and after is counted of the same patients: those whose care is known in both windows. A
change is a change, not an effect.
"""

from collections.abc import Sequence

import polars as pl

from ..facts.strata import STRATUM_COLUMNS, Combination
from ..options import Cut
from ..rules import care as care_rules
from ..statistics.intervals import garwood
from .cohort_estimates import as_proportion
from .cohort_sessions import PATIENTS
from .strata import by_strata, dimensions_of, of_subjects, per_subject

NOT_KNOWN = "no patient whose care is known in both windows"
NO_USER, NO_NON_USER = "no patient used it before", "every patient used it before"
NO_TIME = "no patient with care known after Day 1"
DAYS_PER_YEAR = 365.25
# kind of care -> the metric's name
RATES = {
    "injection": "injections_per_100_patient_years",
    "surgery": "surgeries_per_100_patient_years",
}


def rows(
    adsl: pl.DataFrame, care: pl.DataFrame, *, cut: Cut, over: Sequence[Combination]
) -> list[pl.DataFrame]:
    """Frames of rows of mart.cohort_outcomes: metric, stratum, population, counts, estimate,
    limits, reason.

    `care`: of care.local_care.
    """
    subjects = of_subjects(adsl)
    care = per_subject(care, subjects)
    people = subjects.select("USUBJID", "DAY1DT", "DTHDT", timezone="TIMEZONE")
    people = people.join(dimensions_of(subjects), on="USUBJID").rename({"USUBJID": "patient_id"})
    days = people.select("patient_id", "timezone", "DAY1DT", "DTHDT")
    used = people.join(care_rules.medication_use(care, days), on="patient_id", how="left")
    done = people.join(care_rules.procedures(care, days, cut=cut), on="patient_id", how="left")
    parts = [part for kind in care_rules.MEDICATIONS for part in _use(used, kind, over=over)]
    return [*parts, *(_rate(done, kind, over=over) for kind in RATES)]


def _use(people: pl.DataFrame, kind: str, *, over: Sequence[Combination]) -> list[pl.DataFrame]:
    """Share before, share at the latest, and of the users before those who stopped, of the others
    who started.
    """
    before, latest = pl.col(f"{kind}_before"), pl.col(f"{kind}_latest")
    paired = before.is_not_null() & latest.is_not_null()
    everybody = pl.lit(True)
    metrics = (
        (f"{kind}_use_before", everybody, before, NOT_KNOWN),
        (f"{kind}_use_latest", everybody, latest, NOT_KNOWN),
        (f"{kind}_use_stopped", before, ~latest, NO_USER),
        (f"{kind}_use_started", ~before, latest, NO_NON_USER),
    )
    return [_share(people, *metric, paired=paired, over=over) for metric in metrics]


def _share(
    people: pl.DataFrame,
    metric: str,
    of: pl.Expr,
    event: pl.Expr,
    none: str,
    *,
    paired: pl.Expr,
    over: Sequence[Combination],
) -> pl.DataFrame:
    meant = paired & of
    counts = by_strata(
        people,
        over=over,
        n_patients=pl.len().cast(pl.Int64),
        n_known=paired.sum().cast(pl.Int64),
        n_evaluable=meant.sum().cast(pl.Int64),
        n_event=(meant & event).sum().cast(pl.Int64),
    ).with_columns(n_missing=pl.col("n_patients") - pl.col("n_known"))
    frame = as_proportion(counts, "n_evaluable").with_columns(
        unit=pl.lit("proportion"),
        n_not_evaluable=pl.col("n_known") - pl.col("n_evaluable"),
        reason=pl.when(pl.col("n_known") == 0)
        .then(pl.lit(NOT_KNOWN))
        .when(pl.col("n_evaluable") == 0)
        .then(pl.lit(none)),
    )
    return _named(frame, metric)


def _rate(people: pl.DataFrame, kind: str, *, over: Sequence[Combination]) -> pl.DataFrame:
    """Procedures per 100 patient-years of known care, Garwood limits, none included."""
    frame = by_strata(
        people,
        over=over,
        n_patients=pl.len().cast(pl.Int64),
        n_evaluable=pl.col("care_days").count().cast(pl.Int64),
        n_event=pl.col(kind).sum().cast(pl.Int64),
        days=pl.col("care_days").sum(),
    ).with_columns(
        n_missing=pl.col("n_patients") - pl.col("n_evaluable"),
        patient_years=pl.col("days") / DAYS_PER_YEAR,
    )
    limits = garwood(frame["n_event"], frame["patient_years"])
    names = ("estimate", "ci_lower", "ci_upper")
    columns = [
        pl.Series(name, values, pl.Float64).fill_nan(None)
        for name, values in zip(names, limits, strict=True)
    ]
    reason = pl.when(pl.col("n_evaluable") == 0).then(pl.lit(NO_TIME))
    frame = frame.with_columns(*columns, reason=reason, unit=pl.lit("per 100 patient-years"))
    return _named(frame, RATES[kind]).with_columns(n_not_evaluable=pl.lit(0, pl.Int64))


def _named(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    kept = [
        *STRATUM_COLUMNS,
        "strata",
        "n_patients",
        "n_evaluable",
        "n_missing",
        "n_event",
        "estimate",
        "ci_lower",
        "ci_upper",
        "unit",
        "reason",
    ]
    optional = [c for c in ("n_not_evaluable", "patient_years") if c in frame.columns]
    return frame.select(*kept, *optional).with_columns(
        metric_id=pl.lit(metric),
        population=pl.lit(PATIENTS),
        n_due=pl.col("n_patients"),
        n_pending=pl.lit(0, pl.Int64),
        missing_rule=pl.lit("care that is not known is left out"),
    )
