"""Rates, proportions and ratios of the columns of a frame, row by row, each with its interval.

Here: columns in, columns out. Not here: one stratum, with reasons and p-values (rates.py), the
formulas of the limits (`intervals`).
"""

import numpy as np
import polars as pl

from transforms.statistics.intervals import (
    Limits,
    clopper_pearson,
    counts_of,
    exposures_of,
    floats,
    garwood,
    overdispersed,
    z_of,
)
from transforms.statistics.rates import PROPORTION_METHODS, choose


def poisson_rate_columns(
    frame, *, events, exposure, name, per=100, confidence=0.95
) -> pl.DataFrame:
    """`frame` with columns `name`, `name_lower`, `name_upper`: Garwood, null where there is no
    exposure.
    """
    limits = garwood(frame[events], frame[exposure], per=per, confidence=confidence)
    return _with_limits(frame, limits, name)


def overdispersed_columns(
    frame, *, events, exposure, dispersion, name, per=100, confidence=0.95
) -> pl.DataFrame:
    """`frame` with columns `name_od_lower`, `name_od_upper` (see `overdispersed`)."""
    counted = frame[events], frame[exposure], frame[dispersion]
    limits = overdispersed(*counted, per=per, confidence=confidence)
    wider = f"{name}_od"
    return _with_limits(frame, limits, wider).drop(wider)


def proportion_columns(
    frame, *, x, n, name, method="clopper_pearson", confidence=0.95
) -> pl.DataFrame:
    """`frame` with columns `name`, `name_lower`, `name_upper`: x people of n, null where n is 0."""
    limits = choose(PROPORTION_METHODS, method)(frame[x], frame[n], confidence=confidence)
    return _with_limits(frame, limits, name)


def rate_ratio_columns(
    frame, *, x1, t1, x2, t2, name, dispersion=None, confidence=0.95
) -> pl.DataFrame:
    """`frame` with columns `name`, `name_lower`, `name_upper` of (x1/t1) / (x2/t2): limits as
    `rate_ratio`'s.

    Null where there is no ratio, and where ratio or limit is infinite (no events in the second
    group). With the column `dispersion` also `name_od_lower`, `name_od_upper`: where it is above 1
    and both groups have events, ratio · exp(±z √(phi (1/x1 + 1/x2))) (McCullagh & Nelder 1989),
    never narrower than the exact limits; else these.
    """
    first, second = counts_of(frame[x1], frame[x2], name="events")
    t_first, t_second = exposures_of(frame[t1], frame[t2])
    with np.errstate(divide="ignore", invalid="ignore"):
        is_comparable = (t_first > 0) & (t_second > 0) & (first + second > 0)
        scale = np.where(is_comparable, t_second / t_first, np.nan)
        share = clopper_pearson(first, first + second, confidence=confidence)
        exact = Limits(
            *(scale * odds for odds in (first / second, *(p / (1 - p) for p in share[1:])))
        )
    frame = _with_limits(frame, Limits(*(np.where(np.isfinite(v), v, np.nan) for v in exact)), name)
    if dispersion is None:
        return frame
    phi = np.nan_to_num(floats(frame[dispersion]), nan=1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = np.exp(z_of(confidence) * np.sqrt(np.maximum(phi, 1) * (1 / first + 1 / second)))
        is_wider = (phi > 1) & (first > 0) & (second > 0)
        lower = np.where(is_wider, np.fmin(exact.lower, exact.estimate / margin), exact.lower)
        upper = np.where(is_wider, np.fmax(exact.upper, exact.estimate * margin), exact.upper)
    wide = Limits(exact.estimate, *(np.where(np.isfinite(v), v, np.nan) for v in (lower, upper)))
    return _with_limits(frame, wide, f"{name}_od").drop(f"{name}_od")


def _with_limits(frame: pl.DataFrame, limits: Limits, name: str) -> pl.DataFrame:
    names = (name, f"{name}_lower", f"{name}_upper")
    columns = [
        pl.Series(n, values, pl.Float64).fill_nan(None)
        for n, values in zip(names, limits, strict=True)
    ]
    return frame.with_columns(columns)
