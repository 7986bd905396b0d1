"""What is said of a pair of groups in mart.adverse_event_comparisons: ratios of rates, differences
of risks, tests.

Here: from the counts of pairs to figures. Not here: who is compared with whom
(adverse_event_comparisons), what is counted (adverse_event_rates), the formulas (rate_ratios,
risk_tables).

Ratio, limits and p-value of a rate come from one model with patients as clusters. Of patients with
an event the risk difference has Miettinen and Nurminen's limits, and Fisher's test; over strata the
difference weighed by Mantel and Haenszel, their common odds ratio and the test of Cochran, Mantel
and Haenszel.
"""

from collections.abc import Mapping

import polars as pl

from ..statistics import rate_ratios, risk_tables

EXPOSURES = ("sessions", "patient_years")
REFERENCE = "reference_"  # before the names of the reference's counts
# Columns of mart.adverse_event_rates that a pair's figures need of both groups
COUNTS = (
    "patients",
    "patients_with_event",
    "events",
    "sessions",
    "patient_years",
    "events_squared",
    "sessions_squared",
    "patient_years_squared",
    "events_sessions",
    "events_patient_years",
)
# How the columns of risks begin
RISKS = ("risk_", "fisher_", "stratified_", "n_strata", "cmh_")


def with_rate_ratios(pairs: pl.DataFrame, *, is_randomised: pl.Expr) -> pl.DataFrame:
    """Per session and per patient-year: ratio, limits, over-dispersion, the p-value where
    `is_randomised`, the reason.
    """
    for exposure in EXPOSURES:
        first, second = (_sums(pairs, exposure, prefix) for prefix in ("", REFERENCE))
        ratio = rate_ratios.rate_ratio(first, second)
        name = f"{exposure}_rate_ratio"
        columns = {
            name: ratio.ratio,
            f"{name}_lower": ratio.lower,
            f"{name}_upper": ratio.upper,
            f"{exposure}_p_value": ratio.p_value,
            f"{exposure}_overdispersion": ratio.overdispersion,
        }
        pairs = pairs.with_columns(
            pl.Series(c, v, pl.Float64).fill_nan(None) for c, v in columns.items()
        )
        pairs = pairs.with_columns(
            pl.when(is_randomised).then(f"{exposure}_p_value").alias(f"{exposure}_p_value")
        )
    return pairs.with_columns(**_reasons())


def _sums(pairs: pl.DataFrame, exposure: str, prefix: str) -> rate_ratios.PatientSums:
    names = (
        "patients",
        "events",
        exposure,
        "events_squared",
        f"events_{exposure}",
        f"{exposure}_squared",
    )
    return rate_ratios.PatientSums(*(pairs[f"{prefix}{name}"] for name in names))


def _reasons() -> dict[str, pl.Expr]:
    """Why a ratio, or its upper limit, can't be given; by sessions and by patient-years."""
    nobody = (pl.col("events") == 0) & (pl.col("reference_events") == 0)
    return {
        f"{exposure}_reason": pl.when(
            (pl.col(exposure) == 0) | (pl.col(f"reference_{exposure}") == 0)
        )
        .then(pl.lit("a group has no exposure: there is no rate to compare"))
        .when(nobody)
        .then(pl.lit("no events in either group: the ratio could be anything"))
        .when(pl.col("reference_events") == 0)
        .then(pl.lit("no events in the reference: the ratio has no upper bound"))
        for exposure in EXPOSURES
    }


def risks(row: Mapping, strata: pl.DataFrame | None, *, is_randomised: bool) -> dict:
    """Figures of patients with an event in one pair. `strata`: `x1`, `n1`, `x2`, `n2` a stratum;
    None = none are known.
    """
    table = [
        row[f"{prefix}{c}"]
        for prefix in ("", REFERENCE)
        for c in ("patients_with_event", "patients")
    ]
    if any(value is None for value in table):
        return {}
    difference = risk_tables.risk_difference_score(*table)
    figures = _limits("risk_difference", difference)
    figures["fisher_p_value"] = risk_tables.fisher_p_value(*table) if is_randomised else None
    if strata is None or strata.is_empty():
        return figures
    tables = [strata[c].to_numpy() for c in ("x1", "n1", "x2", "n2")]
    figures |= _limits("stratified_risk_difference", risk_tables.risk_difference_score(*tables))
    figures |= _limits("cmh_odds_ratio", risk_tables.common_odds_ratio(*tables))
    figures["cmh_p_value"] = (
        risk_tables.cochran_mantel_haenszel(*tables)[1] if is_randomised else None
    )
    figures["n_strata"] = int(((strata["n1"] > 0) & (strata["n2"] > 0)).sum())
    return figures


def _limits(name: str, figure) -> dict:
    return {name: figure.estimate, f"{name}_lower": figure.lower, f"{name}_upper": figure.upper}
