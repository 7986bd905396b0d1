"""Ratios of two groups' event rates when events come in clusters, a patient's: one model for all
that is said.

Here: what is summed over the patients of a group, and the ratio with its limits and p-value, for
many pairs at once. Not here: what counts as an event or as exposure (the marts), the textbook's
ratio of independent events (`rates`).

Under over-dispersion, X events say as much as X / phi independent ones. Given that number, the
share of the compared group is binomial: its Clopper-Pearson limits p give the ratio's, p / (1 - p)
· t2 / t1, and twice its smaller tail at a ratio of 1 is the p-value, so that p < 0.05 just where
the 95 % limits leave out 1. With phi = 1 these are the exact conditional limits. Sources:
Przyborowski & Wilenski 1940 Biometrika 31:313 (conditional on the total); Korn & Graubard 1998
Survey Methodology 24:193 (Clopper-Pearson on an effective number); Fay 2010 Biostatistics 11:373
(the p-value that belongs to the limits). What level it holds is simulated (tests/simulations).
"""

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from .intervals import alpha_of, floats, z_of


class PatientSums(NamedTuple):
    """Sums over the patients of each group, arrays of one shape: patient i has x_i events in t_i of
    exposure.
    """

    patients: np.ndarray
    events: np.ndarray
    exposure: np.ndarray
    events_squared: np.ndarray  # of x_i²
    events_exposure: np.ndarray  # of x_i · t_i
    exposure_squared: np.ndarray  # of t_i²


class RateRatio(NamedTuple):
    """Arrays of one shape; NaN where a value can't be given, an infinite ratio or limit
    included.
    """

    ratio: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_value: np.ndarray
    overdispersion: np.ndarray


def rate_ratio(first: PatientSums, second: PatientSums, confidence=0.95) -> RateRatio:
    """(x1 / t1) / (x2 / t2) of each pair, limits and two-sided p-value on the effective number of
    events.

    That number is the events' over phi, times the square of how much wider t limits are than normal
    ones, and at most the events themselves. NaN without exposure in a group, or without events in
    both; with events in the first group only there is a lower limit and a p-value, but no ratio and
    no upper limit.
    """
    first, second = (PatientSums(*(floats(s) for s in sums)) for sums in (first, second))
    alpha = alpha_of(confidence)
    total = np.where(is_comparable(first, second), first.events + second.events, np.nan)
    spread = _dispersion(first, second)
    effective = total / np.fmax(
        1, np.fmax(*(s.phi * _t_factor(s.freedom, confidence) ** 2 for s in spread))
    )
    x1, x2 = effective * first.events / total, effective * second.events / total
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = second.exposure / first.exposure
        below, above = _lower_share(x1, x2, alpha), _lower_share(x2, x1, alpha)
        values = (
            scale * first.events / second.events,
            scale * below / (1 - below),
            scale * (1 - above) / above,
        )
        p_value = _twice_smaller_tail(x1, x2, first.exposure / (first.exposure + second.exposure))
    phi = np.fmax(*(s.phi for s in spread))
    return RateRatio(*(_finite(v + 0 * total) for v in (*values, p_value, phi)))


def is_comparable(first: PatientSums, second: PatientSums) -> np.ndarray:
    has_exposure = (first.exposure > 0) & (second.exposure > 0)
    has_events = first.events + second.events > 0
    return has_exposure & has_events


class _Dispersion(NamedTuple):
    """How many times as much events vary as Poisson counts, and the degrees of freedom of that."""

    phi: np.ndarray
    freedom: np.ndarray


def _dispersion(first: PatientSums, second: PatientSums) -> tuple[_Dispersion, _Dispersion]:
    """Two estimates of phi from e_i = x_i - rate · t_i, where the rate is of both groups together:
    the null hypothesis.

    A group of few patients that has no event by chance then can't seem to vary less than the other.
    - The sum of e_i² over what is expected of it at phi = 1; with equal exposures it is Pearson's.
    - The same with each group weighed as its variance is in the difference of the groups, and the larger of its events
      and those expected below the line, with Satterthwaite's degrees of freedom: a small group
      whose patients have more exposure each may vary more.
    """
    groups = (first, second)
    total, exposure = first.events + second.events, first.exposure + second.exposure
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, share = total / exposure, first.exposure / exposure
        squares = [_squares(g, rate) for g in groups]
        kept = [
            1 - g.exposure_squared / (g.exposure * exposure) for g in groups
        ]  # less the leverage
        together = sum(squares) / sum(
            rate * g.exposure * k for g, k in zip(groups, kept, strict=True)
        )
        weighed = [w * s for w, s in zip(((1 - share) ** 2, share**2), squares, strict=True)]
        expected = [
            np.fmax(g.events, rate * g.exposure) * k for g, k in zip(groups, kept, strict=True)
        ]
        apart = sum(weighed) / sum(
            w * e for w, e in zip(((1 - share) ** 2, share**2), expected, strict=True)
        )
        freedom = sum(weighed) ** 2 / sum(
            w**2 / (g.patients - 1) for g, w in zip(groups, weighed, strict=True)
        )
    everybody = first.patients + second.patients - 1
    return _Dispersion(together, everybody), _Dispersion(apart, np.where(freedom > 0, freedom, 1))


def _squares(group: PatientSums, rate: np.ndarray) -> np.ndarray:
    """Sum of (x_i - rate · t_i)² over a group's patients."""
    squares = (
        group.events_squared - 2 * rate * group.events_exposure + rate**2 * group.exposure_squared
    )
    return np.maximum(squares, 0)


def _t_factor(freedom: np.ndarray, confidence) -> np.ndarray:
    """How much wider t limits are than normal ones."""
    tail = alpha_of(confidence) / 2
    t = stats.t.ppf(1 - tail, np.fmax(freedom, 1))
    return t / z_of(confidence)


def _lower_share(x1: np.ndarray, x2: np.ndarray, alpha: float) -> np.ndarray:
    """Clopper-Pearson's lower limit of x1 of x1 + x2, which need not be whole numbers; the upper
    one is 1 less x2's.
    """
    some = np.where(x1 > 0, x1, 1)
    share = special.betaincinv(some, x2 + 1, alpha / 2)
    return np.where(x1 > 0, share, 0)


def _twice_smaller_tail(x1: np.ndarray, x2: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Twice the probability of as much or more in the first group, or in the second, at a ratio of
    1; at most 1.
    """
    more = np.where(x1 > 0, special.betainc(np.where(x1 > 0, x1, 1), x2 + 1, share), 1)
    less = np.where(x2 > 0, special.betaincc(x1 + 1, np.where(x2 > 0, x2, 1), share), 1)
    return np.minimum(1, 2 * np.minimum(more, less))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
