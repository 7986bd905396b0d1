"""Limits of a survival curve of units of which a person may have several: persons are the clusters.

Here: the infinitesimal jackknife, summed over persons. Not here: the curve itself (survival.py),
means and shares (repeated.py).

Greenwood's variance takes units for independent. How much each unit moves log S(t) is

    f_i(t) = sum over t_j <= min(t, T_i) of d_j / (n_j (n_j - d_j)) - [event of i by t] / (n_i - d_i),

and the variance of log S(t) is the sum over persons of the square of their units' sum (Lin & Wei
1989; R's survfit with `cluster`) with G / (G - 1) for few persons G, and limits by Student's t of
G - 1 degrees of freedom: the moves of all units add up to 0, so that those of one person show
nothing. Where everybody has one unit the limits are Greenwood's.
"""

import numpy as np
import polars as pl

from .clustered import t_quantile
from .survival import LOG_LOG, columns_of, parts_of


def with_limits(
    curve: pl.DataFrame,
    rows: pl.DataFrame,
    duration: str,
    event: str,
    *,
    person: str,
    by=None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """A `kaplan_meier` curve of `rows` with `standard_error`, `lower` and `upper` over persons, where
    any has several units; null, as `ci_method` is, of one person alone and where survival is 1 or 0:
    no limits of clusters are known there.
    """
    keys = columns_of(by)
    curves = dict(parts_of(curve, keys))
    parts = []
    for key, units in parts_of(rows, keys):
        part = curves[key]
        if units[person].n_unique() < units.height:
            variance = _variance(part, units, duration, event, person)
            persons = units[person].n_unique()
            part = _clustered(part, variance, persons=persons, confidence=confidence)
        parts.append(part)
    return pl.concat(parts) if parts else curve


def _clustered(
    curve: pl.DataFrame, variance: np.ndarray, *, persons: int, confidence: float
) -> pl.DataFrame:
    few = persons / (persons - 1) if persons > 1 else np.nan
    root = pl.Series("_root", np.sqrt(variance * few)).fill_nan(None)
    s, is_known = pl.col("survival"), pl.col("_root").is_not_null()
    is_between = (s > 0) & (s < 1) & is_known
    margin = float(t_quantile(np.array([persons]), confidence)[0]) * pl.col("_root") / s.log()
    return (
        curve.with_columns(root)
        .with_columns(
            standard_error=pl.when(s > 0).then(s * pl.col("_root")),
            lower=pl.when(is_between).then(s ** (-margin).exp()),
            upper=pl.when(is_between).then(s ** margin.exp()),
            ci_method=pl.when(is_between).then(pl.lit(LOG_LOG)),
        )
        .drop("_root")
    )


def _variance(
    curve: pl.DataFrame, units: pl.DataFrame, duration: str, event: str, person: str
) -> np.ndarray:
    """Of log S, at each row of the curve."""
    n, d = (curve[name].to_numpy().astype(float) for name in ("at_risk", "events"))
    left = np.where(n > d, n - d, np.inf)  # where nobody is left survival is 0, and has no limits
    so_far = np.cumsum(d / (n * left))
    own = np.searchsorted(curve["time"].to_numpy(), units[duration].to_numpy())
    row = np.arange(len(n))
    has_had_it = units[event].to_numpy()[:, None] & (own[:, None] <= row)
    moves = so_far[np.minimum(own[:, None], row)] - has_had_it / left[own][:, None]
    persons = units[person].rank("dense").to_numpy() - 1
    of_persons = np.zeros((persons.max() + 1, len(n)))
    np.add.at(of_persons, persons, moves)
    return (of_persons**2).sum(axis=0)
