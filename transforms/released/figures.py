"""The figures of outcomes in each released table, from its rounded counts.

Here: one function per table, `rows` (shown ones alone, their counts and sums of time already
rounded) -> rows with their figures, `base` being what counts were rounded to. What the mart has of a figure
is in `exact(name)`; what is given the figure's own name is released, nothing else is. Not here:
adverse events, devices, clinics (safety.py), curves (curves.py), which column is a
count or a figure (transforms/schemas).

Shares and rates have the estimators of their marts; what comes of single values (a mean, a model,
limits for clinics like these) is given in steps (disclosure/rounding.py).
"""

import numpy as np
import polars as pl
from scipy import stats

from ..disclosure.rounding import anew, at_least, coarse_limits, in_steps
from ..facts.responses import CHANGE_CLASSES
from ..facts.values import MISSING_AS_NONRESPONDER
from ..marts.cohort_sessions import COURSES, SESSIONS
from ..options import Options
from ..statistics import anchor, rate_columns, rates
from ..statistics.intervals import garwood
from .figure_parts import (
    LIMITS,
    as_it_is,
    exact_figure,
    share_limits,
    share_of_base,
    to_digits,
    with_clustered_limits,
)


def nothing(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    return rows


def cohort_outcomes(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Shares and rates anew; shares of sessions and courses, whose limits need each patient's, in
    steps; so means.
    """
    missing = (
        pl.when(pl.col("population") == MISSING_AS_NONRESPONDER).then("n_missing").otherwise(0)
    )
    rows = rows.with_columns(
        _n=pl.col("n_evaluable") + missing, median_day=exact_figure("median_day").round()
    )
    is_share = pl.col("unit") == "proportion"
    is_of_things = pl.col("population").is_in([SESSIONS, COURSES])
    rate = pl.col("patient_years").is_not_null()
    least = (
        pl.when(rate)
        .then(share_of_base(base, "patient_years", per=100))
        .when(is_share)
        .then(share_of_base(base, "_n"))
    )
    rows = with_clustered_limits(rows, least=least).with_row_index("_row")
    parts = [
        _anew_shares(rows.filter((is_share & ~is_of_things).fill_null(False))),
        _anew_rates(rows.filter(rate)),
        _in_steps(rows.filter(is_share & is_of_things), base=base),
        rows.filter(~is_share.fill_null(False) & ~rate).with_columns(
            **coarse_limits(LIMITS, lower="ci_lower", upper="ci_upper")
        ),
    ]
    return pl.concat(parts, how="diagonal").sort("_row").drop("_row", "_n")


def _anew_shares(rows: pl.DataFrame) -> pl.DataFrame:
    return anew(rows, ["n_event", "_n"], lambda pairs: share_limits(pairs, "n_event", "_n"))


def _anew_rates(rows: pl.DataFrame) -> pl.DataFrame:
    limits = garwood(rows["n_event"], rows["patient_years"])
    named = zip(LIMITS, limits, strict=True)
    columns = (pl.Series(name, values, pl.Float64) for name, values in named)
    return rows.with_columns(column.fill_nan(None) for column in columns)


def _in_steps(rows: pl.DataFrame, *, base: int) -> pl.DataFrame:
    """The share of the rounded counts; its limits in steps of what `base` things make of the
    denominator.
    """
    share = pl.when(pl.col("_n") > 0).then(pl.col("n_event") / pl.col("_n"))
    coarse = coarse_limits(
        LIMITS[1:], lower="ci_lower", upper="ci_upper", least=share_of_base(base, "_n")
    )
    return rows.with_columns(estimate=share, **coarse)


def responder_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    def wilson(pairs: pl.DataFrame) -> pl.DataFrame:
        made = rate_columns.proportion_columns(
            pairs, x="x", n="n", name="estimate", method="wilson"
        )
        return made.rename({"estimate_lower": "ci_lower", "estimate_upper": "ci_upper"})

    return anew(rows, ["x", "n"], wilson)


def responder_disagreement(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    return anew(rows, ["x", "n"], lambda pairs: share_limits(pairs, "x", "n"))


def dose_response(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Mean in steps, standard deviation to two digits, and the t interval of these with the rounded
    number.
    """
    rows = rows.with_columns(**coarse_limits(["mean_change"], lower="ci_lower", upper="ci_upper"))
    rows = with_clustered_limits(rows).with_columns(
        **as_it_is("to_per_week"), **to_digits(2, "sd_change", "mean_sessions_per_week")
    )
    quantile = pl.Series(stats.t.ppf(0.975, np.maximum(rows["n_patients"].to_numpy() - 1, 1)))
    margin = pl.when((pl.col("sd_change") > 0) & (pl.col("n_patients") > 1)).then(
        pl.col("sd_change") * quantile / pl.col("n_patients").sqrt()
    )
    return rows.with_columns(
        ci_lower=pl.col("mean_change") - margin, ci_upper=pl.col("mean_change") + margin
    )


def important_change(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Sensitivity, specificity and area in steps of what `base` patients make of their group; the
    area's limits anew.
    """
    smaller = pl.min_horizontal(
        share_of_base(base, "n_improved"), share_of_base(base, "n_not_improved")
    )
    rows = rows.with_columns(
        **as_it_is("anchored_change", "anchored_change_least"),
        sensitivity=in_steps(
            exact_figure("sensitivity"), at_least(share_of_base(base, "n_improved"))
        ),
        specificity=in_steps(
            exact_figure("specificity"), at_least(share_of_base(base, "n_not_improved"))
        ),
        auc=in_steps(exact_figure("auc"), at_least(smaller)),
    )
    given = (
        rows.select("auc", "n_improved", "n_not_improved").cast(pl.Float64).fill_null(float("nan"))
    )
    lower, upper = anchor.area_interval(*(given[c].to_numpy() for c in given.columns))
    return rows.with_columns(pl.DataFrame({"auc_lower": lower, "auc_upper": upper}).fill_nan(None))


def reliable_change(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    for name in CHANGE_CLASSES:
        named = dict(zip(LIMITS, (name, f"{name}_lower", f"{name}_upper"), strict=True))
        rows = anew(
            rows,
            [f"n_{name}", "n_evaluable"],
            lambda pairs, x=f"n_{name}", named=named: share_limits(pairs, x, "n_evaluable").rename(
                named
            ),
        )
        lower, upper = f"{name}_clustered_lower", f"{name}_clustered_upper"
        rows = rows.with_columns(
            **coarse_limits(
                [lower, upper], lower=lower, upper=upper, least=share_of_base(base, "n_evaluable")
            )
        )
    return rows


def arm_comparisons(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Risk differences anew; of models each figure in steps that suit its interval."""
    is_risk = pl.col("method") == "risk_difference"
    counts = ["x_arm", "n_arm", "x_reference", "n_reference"]
    risks = anew(rows.filter(is_risk), counts, _risk_differences).with_columns(
        p_value=pl.lit(None, pl.Float64)
    )
    models = rows.filter(~is_risk).with_columns(
        **to_digits(1, "p_value"), **coarse_limits(LIMITS, lower="ci_lower", upper="ci_upper")
    )
    for side in ("lsmean_arm", "lsmean_reference"):
        names = (side, f"{side}_lower", f"{side}_upper")
        models = models.with_columns(**coarse_limits(names, lower=names[1], upper=names[2]))
    return pl.concat([risks, models], how="diagonal_relaxed")


def _risk_differences(tables: pl.DataFrame) -> pl.DataFrame:
    columns = {name: [] for name in (*LIMITS, "wald_lower", "wald_upper")}
    for x1, n1, x2, n2 in tables.select("x_arm", "n_arm", "x_reference", "n_reference").iter_rows():
        newcombe, wald = (
            rates.risk_difference(x1, n1, x2, n2, method=m) for m in ("newcombe", "wald")
        )
        figures = (newcombe.estimate, newcombe.lower, newcombe.upper, wald.lower, wald.upper)
        for name, value in zip(columns, figures, strict=True):
            columns[name].append(value)
    return tables.with_columns(
        pl.Series(name, values, pl.Float64) for name, values in columns.items()
    )
