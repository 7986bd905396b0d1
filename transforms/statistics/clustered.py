"""Intervals of values that come in clusters, such as the sessions of a patient, and of a median.

Here: limits of many strata from sums over their clusters, and ranks of ordered values. Not here:
independent counts (`intervals`), frames of a mart (transforms/marts).

Sessions of one patient are alike: taken as independent they give limits that are too narrow.
Sources: Cochran 1977, Sampling Techniques, ch. 6 and 9 (the ratio over clusters); Conover 1999,
Practical Nonparametric Statistics, 3.2 (order statistics).
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from .effective_number import effective_number, exact_limits
from .intervals import Limits, alpha_of, floats

_NOISE = 1e-7  # what sums of squares of equal means may leave of a standard error, of the mean


class Sums(NamedTuple):
    """Sums over the clusters of each stratum, arrays of one shape: cluster i has n_i values that
    add up to x_i.
    """

    clusters: np.ndarray
    x: np.ndarray
    n: np.ndarray
    xx: np.ndarray
    xn: np.ndarray
    nn: np.ndarray


def clustered_proportion(sums: Sums, confidence=0.95) -> Limits:
    """x events of n: Clopper-Pearson limits on the effective number of values, never narrower than
    on n itself.

    Effective number: p (1 - p) / variance over clusters, times (t(n - 1) / t(clusters - 1))^2 of
    the t quantiles, at most n. Without events, with events only or in one cluster it is n: there
    the limits are the exact ones of independent values. NaN without values.
    """
    sums, alpha = Sums(*(floats(s) for s in sums)), alpha_of(confidence)
    n = np.where(sums.n > 0, sums.n, np.nan)
    share = sums.x / n
    variance = np.where((share > 0) & (share < 1), _variance(sums, share), np.nan)
    number = effective_number(
        of_one=share * (1 - share),
        variance=variance,
        n=n,
        quantiles=t_quantile(sums.n, confidence) / t_quantile(sums.clusters, confidence),
    )
    return Limits(share, *exact_limits(share * number, number, alpha))


def clustered_mean(sums: Sums, confidence=0.95) -> Limits:
    """Mean of n values that add up to x: t limits, variance and degrees of freedom from the
    clusters.

    NaN limits for fewer than two clusters and where their means are all equal, NaN without values.
    """
    sums = Sums(*(floats(s) for s in sums))
    mean = sums.x / np.where(sums.n > 0, sums.n, np.nan)
    error = np.sqrt(_variance(sums, mean))
    margin = t_quantile(sums.clusters, confidence) * error
    margin = np.where(error > _NOISE * np.abs(mean), margin, np.nan)
    return Limits(mean, mean - margin, mean + margin)


def median_ranks(n, confidence=0.95) -> np.ndarray:
    """Rank k, from 1, of the median's exact lower limit among n ordered values; n + 1 - k is the
    upper's.

    The largest k with P(B < k) <= alpha / 2 for B binomial (n, 1/2); 0 where n is too small for
    any.
    """
    counts = floats(n)
    ranks = stats.binom.ppf(alpha_of(confidence) / 2, np.maximum(counts, 1), 0.5)
    return np.where(counts > 0, ranks, 0).astype(np.int64)


def t_quantile(clusters, confidence=0.95) -> np.ndarray:
    """The quantile of Student's t of two-sided limits, with one degree of freedom less than there
    are clusters; that of one degree for fewer than two.
    """
    return stats.t.ppf(1 - alpha_of(confidence) / 2, np.fmax(floats(clusters) - 1, 1))


def _variance(sums: Sums, mean: np.ndarray) -> np.ndarray:
    """Of the mean, from the clusters' deviations x_i - mean n_i; NaN for fewer than two
    clusters.
    """
    several = sums.clusters > 1
    m, n = np.where(several, sums.clusters, np.nan), np.where(sums.n > 0, sums.n, np.nan)
    squares = sums.xx - 2 * mean * sums.xn + mean**2 * sums.nn
    return m / (m - 1) * np.maximum(squares, 0) / n**2
