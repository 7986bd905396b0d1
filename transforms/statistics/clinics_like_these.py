"""Intervals for clinics like these: what a further clinic of the same kind would add is part of the
uncertainty.

Here: limits of a mean, a proportion and a rate over a sample of few clinics, from one sum and one
size a clinic. Not here: limits of these clinics' own patients (`intervals`), of patients with many
values each (`clustered`), frames.

Arrays have one row per stratum and one column per clinic: `x` the sum of its values, its patients
with an event or its events; `n` its number of values, its patients or its exposure. A clinic that
is not in a stratum has n = 0. Fewer than MIN_CLINICS give no limits: how much clinics differ can't
be told from so few.

Sources: Pustejovsky & Tipton 2018 JBES 36:672 (CR2, Satterthwaite's degrees of freedom); Korn &
Graubard 1998 Survey Methodology 24:193 (exact limits on the effective number); Prentice 1986 JASA
81:321 (beta-binomial); Lawless 1987 Can J Stat 15:209 (negative binomial). How well each covers is
in docs/coverage.md.
"""

from typing import NamedTuple

import numpy as np
from scipy import special, stats
from scipy.optimize import elementwise

from ..errors import UsageError
from .effective_number import effective_number, exact_limits
from .intervals import Limits, alpha_of

MIN_CLINICS = 5
_NOISE = 1e-7  # what the rounding of equal means may leave of a standard error, of the mean
_FARTHEST = 40.0  # on the logit or log scale: beyond any limit
# What is tried for the unknown spread between clinics: intraclass correlations, and variances of a
# factor on the rate
_CORRELATIONS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
_VARIANCES = (0.0, 0.02, 0.07, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 20.0)


class Robust(NamedTuple):
    """A ratio sum(x) / sum(n), its CR2 variance over clinics, Satterthwaite's degrees of freedom,
    the clinics.
    """

    ratio: np.ndarray
    variance: np.ndarray
    degrees_of_freedom: np.ndarray
    clinics: np.ndarray


def robust(x, n) -> Robust:
    """CR2 of a ratio over clinics that are independent; NaN where there are fewer than two.

    A clinic's residual sum e = x - ratio n counts e² / (1 - f), f its share of n. The degrees of
    freedom are those of Pustejovsky and Tipton under a working model of independent values: 1 /
    (Σf² + (Σg)² - Σg²), g = f² / (1 - f).
    """
    x, n = _tables(x, n)
    total, clinics = n.sum(axis=1), (n > 0).sum(axis=1)
    share = n / np.where(clinics > 1, total, np.nan)[:, None]
    ratio = x.sum(axis=1) / np.where(total > 0, total, np.nan)
    squares = np.where(n > 0, x - ratio[:, None] * n, 0) ** 2
    leverage = share**2 / (1 - share)
    inverse = (share**2).sum(axis=1) + leverage.sum(axis=1) ** 2 - (leverage**2).sum(axis=1)
    variance = (squares / (1 - share)).sum(axis=1) / np.where(total > 0, total, np.nan) ** 2
    return Robust(ratio, variance, 1 / inverse, clinics)


def mean_limits(x, n, confidence=0.95) -> Limits:
    """Mean of all clinics' values: t limits on CR2's standard error. NaN also where all clinics'
    means are equal.
    """
    fit, alpha = robust(x, n), alpha_of(confidence)
    error = np.sqrt(fit.variance)
    is_given = (fit.clinics >= MIN_CLINICS) & (error > _NOISE * np.abs(fit.ratio))
    margin = np.where(is_given, _t_quantile(fit, alpha) * error, np.nan)
    return Limits(fit.ratio, fit.ratio - margin, fit.ratio + margin)


def proportion_limits(x, n, confidence=0.95) -> Limits:
    """x of n: the wider, on each side, of exact limits on the effective number and of a
    beta-binomial likelihood.

    The effective number (Korn and Graubard) comes from CR2 and its degrees of freedom. It is wrong
    where few clinics had an event, for the clinic that would show the spread is not in the sample;
    there the likelihood, which reads the clinics without events too, has the wider limits: every p
    with 2 (l(best) - l(p)) up to the chi-squared quantile. Without events, or with events only, the
    clinics are the sample: Clopper-Pearson of none of their number, which holds however alike the
    patients of a clinic are.
    """
    (x, n), alpha = _tables(x, n), alpha_of(confidence)
    fit, total, events = robust(x, n), n.sum(axis=1), x.sum(axis=1)
    varies = (events > 0) & (events < total)
    one = fit.ratio * (1 - fit.ratio)
    number = np.where(varies, _effective(fit, of_one=one, total=total, alpha=alpha), fit.clinics)
    exact = exact_limits(fit.ratio * number, number, alpha)
    return _limits(fit, exact, _profile(_BetaBinomial, x, n, fit, is_asked=varies, alpha=alpha))


def rate_limits(x, n, per=1, confidence=0.95) -> Limits:
    """x events in the exposure n, per `per`: as `proportion_limits`, with Garwood's limits and a
    negative binomial.

    Without an event there are no limits: nothing says how much clinics differ, and a rate has no
    upper end.
    """
    (x, n), alpha = _tables(x, n), alpha_of(confidence)
    fit, total = robust(x, n), n.sum(axis=1)
    has_events = x.sum(axis=1) > 0
    number = fit.ratio * _effective(fit, of_one=fit.ratio, total=total, alpha=alpha)
    exact = _garwood(np.where(has_events, number, np.nan), alpha) * fit.ratio / number
    limits = _limits(
        fit, exact, _profile(_NegativeBinomial, x, n, fit, is_asked=has_events, alpha=alpha)
    )
    return Limits(*(side * per for side in limits))


def _effective(fit: Robust, *, of_one: np.ndarray, total: np.ndarray, alpha: float) -> np.ndarray:
    """How many independent values would give CR2's variance, fewer degrees of freedom counted; at
    most those seen.
    """
    return effective_number(
        of_one=of_one,
        variance=fit.variance,
        n=total,
        quantiles=stats.norm.ppf(1 - alpha / 2) / _t_quantile(fit, alpha),
    )


def _t_quantile(fit: Robust, alpha: float) -> np.ndarray:
    freedom = np.fmax(fit.degrees_of_freedom, 1)
    return stats.t.ppf(1 - alpha / 2, freedom)


def _garwood(x: np.ndarray, alpha: float) -> np.ndarray:
    lower = special.gammaincinv(x, alpha / 2)
    upper = special.gammainccinv(x + 1, alpha / 2)
    return np.array([lower, upper])


class _BetaBinomial:
    """Log-likelihood of p, from its logit, for each correlation that is tried; what doesn't hold p
    is left out.
    """

    spreads = _CORRELATIONS

    @staticmethod
    def start(ratio: np.ndarray) -> np.ndarray:
        return special.logit(ratio)

    @staticmethod
    def value(at: np.ndarray) -> np.ndarray:
        return special.expit(at)

    def __init__(self, x: np.ndarray, n: np.ndarray, correlation: float):
        self.x = x
        self.fails = n - x
        self.scale = (1 - correlation) / correlation if correlation else None
        self.constant = 0 if self.scale is None else _rising(self.scale, n).sum(axis=1)

    def __call__(self, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
        x, fails = self.x[rows], self.fails[rows]
        if self.scale is None:
            return x.sum(axis=1) * special.log_expit(at) + fails.sum(axis=1) * special.log_expit(
                -at
            )
        a, b = (np.fmax(self.scale * special.expit(side * at), 1e-300)[:, None] for side in (1, -1))
        return _rising(a, x).sum(axis=1) + _rising(b, fails).sum(axis=1) - self.constant[rows]


class _NegativeBinomial:
    """Log-likelihood of a rate, from its logarithm, for each variance of a clinic's factor on it
    that is tried.
    """

    spreads = _VARIANCES

    @staticmethod
    def start(ratio: np.ndarray) -> np.ndarray:
        return np.log(ratio)

    @staticmethod
    def value(at: np.ndarray) -> np.ndarray:
        return np.exp(at)

    def __init__(self, x: np.ndarray, n: np.ndarray, variance: float):
        self.x, self.n, self.variance = x, n, variance
        self.constant = (
            0 if not variance else (_rising(1 / variance, x) + x * np.log(variance)).sum(axis=1)
        )

    def __call__(self, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
        x, expected = self.x[rows], self.n[rows] * np.exp(at)[:, None]
        if not self.variance:
            return x.sum(axis=1) * at - expected.sum(axis=1)
        spread = ((x + 1 / self.variance) * np.log1p(self.variance * expected)).sum(axis=1)
        return x.sum(axis=1) * at - spread + self.constant[rows]


def _rising(start, count: np.ndarray) -> np.ndarray:
    """ln(start (start + 1) ... (start + count - 1)); 0 for a count of 0."""
    return special.gammaln(start + count) - special.gammaln(start)


def _profile(
    family: type, x: np.ndarray, n: np.ndarray, fit: Robust, *, is_asked: np.ndarray, alpha: float
) -> np.ndarray:
    """Lower and upper limits, a row each, by the likelihood ratio, the spread at its best for every
    value; else NaN.
    """
    limits = np.full((2, len(x)), np.nan)
    rows = np.flatnonzero(is_asked & (fit.clinics >= MIN_CLINICS))
    if not rows.size:
        return limits
    members = [family(x[rows], n[rows], spread) for spread in family.spreads]
    best = lambda at, k: np.max([member(at, k.astype(int)) for member in members], axis=0)  # noqa: E731
    index, start = np.arange(rows.size), family.start(fit.ratio[rows])
    top = elementwise.find_minimum(
        lambda at, k: -best(at, k),
        (start - 4, start, start + 4),
        args=(index,),
        tolerances={"xatol": 1e-4},
    )
    threshold = -top.f_x - stats.chi2.ppf(1 - alpha, 1) / 2
    beyond = lambda at, k: best(at, k) - threshold[k.astype(int)]  # noqa: E731
    for side, bracket in enumerate(((top.x - _FARTHEST, top.x), (top.x, top.x + _FARTHEST))):
        root = elementwise.find_root(beyond, bracket, args=(index,), tolerances={"xatol": 1e-6})
        limits[side, rows] = family.value(root.x)
    return limits


def _limits(fit: Robust, exact: np.ndarray, likely: np.ndarray) -> Limits:
    is_given = fit.clinics >= MIN_CLINICS
    lower, upper = np.fmin(exact[0], likely[0]), np.fmax(exact[1], likely[1])
    return Limits(fit.ratio, np.where(is_given, lower, np.nan), np.where(is_given, upper, np.nan))


def _tables(x, n) -> tuple[np.ndarray, np.ndarray]:
    """Both as tables of floats of one shape; what is in no clinic of the stratum counts nothing."""
    x, n = np.asarray(x, float), np.asarray(n, float)
    if x.ndim != 2 or x.shape != n.shape:
        raise UsageError(
            f"found tables of shapes {x.shape} and {n.shape}: give one row per stratum, one column per clinic"
        )
    return np.where(n > 0, x, 0.0), np.where(n > 0, n, 0.0)
