"""Means and shares of units of which a person may have several: persons are the clusters.

Here: variance, limits and effective numbers from sums over persons. Not here: clinics as clusters
(clustered.py), what a unit is (marts).

Where everybody has one unit the limits are those of independent units.
"""

import numpy as np
import polars as pl
from scipy import stats


def sums(units: str, total: str) -> dict[str, pl.Expr]:
    """Aggregates over rows of persons, each with its number of units and their total: `clusters`
    and the sums of units², total x units and total², what the functions below need.
    """
    m, s = pl.col(units).cast(pl.Float64), pl.col(total).cast(pl.Float64)
    return {
        "clusters": (m > 0).sum().cast(pl.Int64),
        "sum_mm": (m * m).sum(),
        "sum_sm": (s * m).sum(),
        "sum_ss": (s * s).sum(),
    }


def variance_of_mean(*, mean: pl.Expr, n: pl.Expr) -> pl.Expr:
    """The variance of the mean of `n` units, from the columns of `sums`; null for one person.

    The linearised ratio of totals over persons (Cochran 1977, Sampling Techniques, 6.3), with
    G / (G - 1): sum (s - m mean)² G / (G - 1) / n².
    """
    g = pl.col("clusters").cast(pl.Float64)
    residuals = pl.col("sum_ss") - 2 * mean * pl.col("sum_sm") + mean * mean * pl.col("sum_mm")
    return pl.when(g > 1).then(residuals.clip(lower_bound=0) * g / (g - 1) / (n * n))


def t_quantile(clusters: pl.Series, *, level: float = 0.95) -> pl.Series:
    """The quantile of Student's t for limits at `level`, with one degree of freedom less than there
    are persons; that of one degree for fewer than two.
    """
    degrees = np.maximum(clusters.fill_null(0).to_numpy() - 1, 1)
    return pl.Series(stats.t.ppf(0.5 + level / 2, degrees))


def effective_n(frame: pl.DataFrame, *, x: str, n: str) -> pl.Series:
    """How many independent units a share of `x` among `n` is worth (Korn & Graubard 1998, Survey
    Methodology 24:193): n over the design effect, times the squared ratio of t quantiles; at most
    n. Of nobody or everybody with the event the persons count, for nothing shows how alike their
    units are.
    """
    share = pl.col(x) / pl.col(n)
    frame = frame.with_columns(_p=share, _v=variance_of_mean(mean=share, n=pl.col(n)))
    independent = pl.col("_p") * (1 - pl.col("_p")) / (pl.col(n) - 1)
    frame = frame.with_columns(
        _t_n=t_quantile(frame[n]),
        _t_g=t_quantile(frame["clusters"]),
        _ratio=pl.col("_v") / independent,
    )
    shrunk = pl.col(n) / pl.col("_ratio") * (pl.col("_t_n") / pl.col("_t_g")).pow(2)
    is_certain = (pl.col("_p") == 0) | (pl.col("_p") == 1) | (pl.col("clusters") < 2)
    effective = pl.when(is_certain).then(pl.col("clusters")).otherwise(shrunk)
    return frame.select(effective_n=pl.min_horizontal(effective, pl.col(n)).cast(pl.Float64))[
        "effective_n"
    ]


def share_limits(frame: pl.DataFrame, *, x: str, n: str, level: float = 0.95) -> pl.DataFrame:
    """`lower`, `upper`: Korn & Graubard's limits of a share, Clopper-Pearson's at the effective
    number of units; null without units.
    """
    effective = effective_n(frame, x=x, n=n).to_numpy()
    share = (frame[x] / frame[n]).cast(pl.Float64).to_numpy()
    tail = (1 - level) / 2
    lower = stats.beta.ppf(tail, share * effective, effective * (1 - share) + 1)
    upper = stats.beta.ppf(1 - tail, share * effective + 1, effective * (1 - share))
    lower = np.where(share == 0, 0.0, lower)
    upper = np.where(share == 1, 1.0, upper)
    return pl.DataFrame({"lower": lower, "upper": upper}).fill_nan(None)
