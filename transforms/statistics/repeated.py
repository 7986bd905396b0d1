"""Means and shares of units of which a person may have several: persons are the clusters.

Here: variance and limits from sums over persons. Not here: clinics as clusters
(clustered.py), what a unit is (marts).

Where everybody has one unit the limits are those of independent units.
"""

import numpy as np
import polars as pl

from .clustered import t_quantile
from .effective_number import effective_number, exact_limits
from .intervals import floats


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


def effective_n(frame: pl.DataFrame, *, x: str, n: str, level: float = 0.95) -> np.ndarray:
    """How many independent units a share of `x` among `n` is worth: n over the design effect, which
    is 1 where everybody has one unit; at most n. Of nobody or everybody with the event the persons
    count, for nothing shows how alike their units are.
    """
    share = pl.col(x) / pl.col(n)
    columns = frame.with_columns(_p=share, _v=variance_of_mean(mean=share, n=pl.col(n)))
    p, v, units, persons = (floats(columns[c]) for c in ("_p", "_v", n, "clusters"))
    number = effective_number(
        of_one=p * (1 - p) * units / np.fmax(units - 1, 1),
        variance=v,
        n=units,
        quantiles=t_quantile(units, level) / t_quantile(persons, level),
    )
    is_certain = (p == 0) | (p == 1) | (persons < 2)
    return np.where(is_certain, np.fmin(persons, units), number)


def share_limits(frame: pl.DataFrame, *, x: str, n: str, level: float = 0.95) -> pl.DataFrame:
    """`lower`, `upper`: exact limits of a share at the effective number of units; null without
    units.
    """
    number = effective_n(frame, x=x, n=n, level=level)
    share = floats(frame[x] / frame[n])
    lower, upper = exact_limits(share * number, number, 1 - level)
    return pl.DataFrame({"lower": lower, "upper": upper}).fill_nan(None)
