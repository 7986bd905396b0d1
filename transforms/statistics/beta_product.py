"""Pointwise limits of a survival curve by the beta product confidence procedure (Fay, Brittain &
Proschan 2013).

Here: the limits, for small samples and where log-log limits do not exist. Not here: the curve
itself (survival.py).

Survival just before the j-th event among n_j at risk is distributed as a product of independent
beta variables. With W-(t) the product of Beta(n_j - d_j + 1, d_j) over the times of events up to t,
and W+(t) = W-(t) · Beta(Y, 1) with Y those still at risk of the next event, the limits of S(t) are
the a/2 quantile of W+ and the 1 - a/2 quantile of W-. The product's quantiles are those of the beta
variable with the same two moments (the default of R's bpcp, exact where nobody is censored before
the last event). Without censoring these are Clopper and Pearson's limits; without an event they are
(a/2)^(1/n) and 1. Ties and the limits at a time of an event are as in bpcp from 1.3 on (Fay &
Brittain 2016).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from transforms.statistics.intervals import alpha_of


def beta_product_limits(
    curves: pl.DataFrame, by: Sequence[str] = (), *, confidence: float = 0.95
) -> tuple[pl.Series, pl.Series]:
    """`lower` and `upper` at each row of curves: `at_risk` (just before), `events`, `censored`, the
    rows of one curve (one value of `by`) in order of time.

    At a time at which people are only censored they count as at risk still: they were seen without
    the event.
    """
    half = alpha_of(confidence) / 2
    n, d, c = (curves[name].to_numpy().astype(float) for name in ("at_risk", "events", "censored"))
    first, second = (_products(moment, curves, by) for moment in _moments(n - d + 1, d))
    next_at_risk = n - d - np.where(d > 0, c, 0)
    mean, square = _moments(next_at_risk, np.ones_like(n))
    lower = _quantile(first * mean, second * square, half)
    upper = _quantile(first, second, 1 - half)
    return pl.Series("lower", lower, pl.Float64), pl.Series("upper", upper, pl.Float64)


def _products(factors: np.ndarray, curves: pl.DataFrame, by: Sequence[str]) -> np.ndarray:
    """The product of each curve's factors up to each of its rows."""
    product = pl.col("_factor").cum_prod()
    rows = curves.select(*by, _factor=factors)
    return rows.select(product.over(by) if by else product)["_factor"].to_numpy()


def _moments(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E X and E X² of Beta(a, b); Beta(a, 0) is 1 and Beta(0, b) is 0."""
    mean = a / (a + b)
    return mean, mean * (a + 1) / (a + b + 1)


def _quantile(mean: np.ndarray, square: np.ndarray, probability: float) -> np.ndarray:
    """The quantile of the beta variable with these moments; 0 or 1 where it can be nothing else."""
    spread = square - mean**2
    is_sure = (mean <= 0) | (mean >= 1)
    size = np.where(is_sure, 1.0, (mean - square) / np.where(is_sure, 1.0, spread))
    a, b = np.where(is_sure, 1.0, mean * size), np.where(is_sure, 1.0, (1 - mean) * size)
    return np.where(is_sure, np.clip(mean, 0, 1), special.betaincinv(a, b, probability))
