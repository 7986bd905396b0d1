"""Estimates and intervals of rows of mart.cohort_outcomes from their counts.

Here: means and shares of patients, one value each. Not here: the counts (cohort_outcomes,
cohort_care), sessions, of which a patient has many (cohort_sessions).
"""

import polars as pl

from ..statistics import rate_columns, repeated
from ..statistics.clustered import t_quantile

NO_VALUE = "no evaluable value among the patients due"
ONE_PATIENT = "values of one patient: no interval"
ONE_VALUE, EQUAL_VALUES = "one value: no interval", "all values equal: no interval"
_NOISE = 1e-12  # what a sum of equal values may leave of a standard deviation, of the mean


def as_mean(frame: pl.DataFrame) -> pl.DataFrame:
    """Estimate and t interval from `mean`, `sd`, `n_evaluable`; of none no mean, of one or of equal
    values no interval.

    A few equal values don't make their mean certain, which an interval of no width would say.
    """
    varies = pl.col("sd") > _NOISE * pl.col("mean").abs()
    margin = pl.when(varies).then(_standard_error(frame) * _quantile(frame))
    return frame.with_columns(
        estimate=pl.col("mean"),
        ci_lower=pl.col("mean") - margin,
        ci_upper=pl.col("mean") + margin,
        reason=pl.when(pl.col("n_evaluable") == 0)
        .then(pl.lit(NO_VALUE))
        .when(pl.col("n_evaluable") == 1)
        .then(pl.lit(ONE_VALUE))
        .when(_is_of_one(frame))
        .then(pl.lit(ONE_PATIENT))
        .when(~varies)
        .then(pl.lit(EQUAL_VALUES)),
    )


def _standard_error(frame: pl.DataFrame) -> pl.Expr:
    """Of the mean: of independent values, or, where patients may have several (`clusters`), of
    theirs.
    """
    if "clusters" not in frame.columns:
        return pl.col("sd") / pl.col("n_evaluable").sqrt()
    return repeated.variance_of_mean(mean=pl.col("mean"), n=pl.col("n_evaluable")).sqrt()


def _is_of_one(frame: pl.DataFrame) -> pl.Expr:
    if "clusters" in frame.columns:
        return pl.col("clusters") == 1
    return pl.lit(False)


def _quantile(frame: pl.DataFrame) -> pl.Series:
    clusters = "clusters" if "clusters" in frame.columns else "n_evaluable"
    return pl.Series(t_quantile(frame[clusters]))


def as_proportion(frame: pl.DataFrame, n: str) -> pl.DataFrame:
    """Share of `n_event` among the column `n`; Wilson limits, Clopper-Pearson where it is 5 or
    fewer. Where patients have several units (`clusters`) Korn & Graubard's.
    """
    for method in ("wilson", "clopper_pearson"):
        frame = rate_columns.proportion_columns(frame, x="n_event", n=n, name=method, method=method)
    is_few = pl.col("n_event") <= 5
    limits = {
        f"ci_{side}": pl.when(is_few).then(f"clopper_pearson_{side}").otherwise(f"wilson_{side}")
        for side in ("lower", "upper")
    }
    if "clusters" in frame.columns:
        limits = of_several_units(frame, limits, x="n_event", n=n)
    return frame.with_columns(
        estimate=pl.col("wilson"), **limits, reason=pl.when(pl.col(n) == 0).then(pl.lit(NO_VALUE))
    )


def of_several_units(
    frame: pl.DataFrame, limits: dict[str, pl.Expr], *, x: str, n: str
) -> dict[str, pl.Expr | pl.Series]:
    """The limits of a share of `x` among `n`, those of clusters where some patient has several
    units.
    """
    repeating = repeated.share_limits(frame, x=x, n=n)
    has_several = pl.col("clusters") < pl.col(n)
    return {
        name: pl.when(has_several).then(repeating[name.removeprefix("ci_")]).otherwise(usual)
        for name, usual in limits.items()
    }
