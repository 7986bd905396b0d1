"""Estimates and intervals of rows of mart.cohort_outcomes from their counts.

Here: means and shares of patients, one value each. Not here: the counts (cohort_outcomes,
cohort_care), sessions, of which a patient has many (cohort_sessions).
"""

import numpy as np
import polars as pl
from scipy import stats

from ..statistics import rate_columns

NO_VALUE = "no evaluable value among the patients due"
ONE_VALUE, EQUAL_VALUES = "one value: no interval", "all values equal: no interval"
_NOISE = 1e-12  # what a sum of equal values may leave of a standard deviation, of the mean


def as_mean(frame: pl.DataFrame) -> pl.DataFrame:
    """Estimate and t interval from `mean`, `sd`, `n_evaluable`; of none no mean, of one or of equal
    values no interval.

    A few equal values don't make their mean certain, which an interval of no width would say.
    """
    n = frame["n_evaluable"].to_numpy()
    quantile = pl.Series(stats.t.ppf(0.975, np.maximum(n - 1, 1)))
    varies = pl.col("sd") > _NOISE * pl.col("mean").abs()
    margin = pl.when(varies).then(pl.col("sd") * quantile / pl.col("n_evaluable").sqrt())
    return frame.with_columns(
        estimate=pl.col("mean"),
        ci_lower=pl.col("mean") - margin,
        ci_upper=pl.col("mean") + margin,
        reason=pl.when(pl.col("n_evaluable") == 0)
        .then(pl.lit(NO_VALUE))
        .when(pl.col("n_evaluable") == 1)
        .then(pl.lit(ONE_VALUE))
        .when(~varies)
        .then(pl.lit(EQUAL_VALUES)),
    )


def as_proportion(frame: pl.DataFrame, n: str) -> pl.DataFrame:
    """Share of `n_event` among the column `n`; Wilson limits, Clopper-Pearson where it is 5 or
    fewer.
    """
    for method in ("wilson", "clopper_pearson"):
        frame = rate_columns.proportion_columns(frame, x="n_event", n=n, name=method, method=method)
    is_few = pl.col("n_event") <= 5
    limits = {
        f"ci_{side}": pl.when(is_few).then(f"clopper_pearson_{side}").otherwise(f"wilson_{side}")
        for side in ("lower", "upper")
    }
    return frame.with_columns(
        estimate=pl.col("wilson"), **limits, reason=pl.when(pl.col(n) == 0).then(pl.lit(NO_VALUE))
    )
