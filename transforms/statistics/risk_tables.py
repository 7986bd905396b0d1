"""Patients with an event in two groups, whole or in strata: differences of risks, tests, the common
odds ratio.

Here: Miettinen and Nurminen's interval, Fisher's exact test and Cochran, Mantel and Haenszel's, of
one table or of strata. Not here: who is counted and what the strata are (the marts), Newcombe's and
Wald's intervals (`rates`).

Every function takes x1 of n1 and x2 of n2 people: numbers, or sequences with one value per
stratum. A stratum with nobody in one of the groups says nothing about their difference and is left
out. Sources: Miettinen & Nurminen 1985 Stat Med 4:213; Mantel & Haenszel 1959 JNCI 22:719; Robins,
Breslow & Greenland 1986 Biometrics 42:311; Gart 1970 Biometrika 57:471 (the exact conditional test
of strata).
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from ..errors import UsageError
from .intervals import counts_of, z_of
from .rates import Estimate

_AS_IMPROBABLE = (
    1 + 1e-7
)  # R's fisher.test: an outcome is as improbable within this relative distance
_STEP = 1e-9  # from an estimate or an end of the scale, where the score may be 0 / 0
_NOBODY = "a group has no people: there is nothing to compare"
_NO_EVENT = "nobody has the event, or everybody has: there is no odds ratio"


class Tables(NamedTuple):
    """The strata with people in both groups, arrays of one length."""

    x1: np.ndarray
    n1: np.ndarray
    x2: np.ndarray
    n2: np.ndarray


def tables_of(x1, n1, x2, n2) -> Tables:
    """Whole numbers from 0, no part larger than its whole; else a `UsageError`."""
    counts = [np.atleast_1d(c) for c in counts_of(x1, n1, x2, n2, name="people")]
    if len({c.shape for c in counts}) > 1:
        raise UsageError("x1, n1, x2 and n2 differ in length: give one value a stratum in each")
    tables = Tables(*counts)
    if np.any(tables.x1 > tables.n1) or np.any(tables.x2 > tables.n2):
        raise UsageError("more people with an event than people: a part can't exceed its whole")
    both = (tables.n1 > 0) & (tables.n2 > 0)
    return Tables(*(c[both] for c in tables))


def risk_difference_score(x1, n1, x2, n2, confidence=0.95) -> Estimate:
    """Risk difference with Miettinen and Nurminen's score limits; over strata weighed by n1 n2 /
    (n1 + n2).

    The limits are the differences at which the score, over its variance under that difference times
    N / (N - 1) in each stratum, reaches z. The weights are those of Mantel and Haenszel, as SAS's
    and the metalite packages' "CMH".
    """
    tables, z = tables_of(x1, n1, x2, n2), z_of(confidence)
    if not len(tables.x1):
        return _nothing(confidence, "miettinen_nurminen", _NOBODY)
    estimate = _weighed_difference(tables)
    lower, upper = (_score_limit(tables, estimate, side=side, z=z) for side in (-1, 1))
    return Estimate(
        estimate=estimate,
        lower=lower,
        upper=upper,
        confidence=confidence,
        method="miettinen_nurminen",
    )


def fisher_p_value(x1, n1, x2, n2) -> float | None:
    """Fisher's exact two-sided p-value: the probability of all tables no likelier than this; None
    without people.

    Over strata it is the exact conditional test of a common odds ratio of 1 (R's
    mantelhaen.test(exact = TRUE)).
    """
    tables = tables_of(x1, n1, x2, n2)
    if not len(tables.x1):
        return None
    lowest, probabilities = _conditional(tables)
    here = probabilities[int(tables.x1.sum()) - lowest]
    return float(min(1.0, probabilities[probabilities <= here * _AS_IMPROBABLE].sum()))


def cochran_mantel_haenszel(
    x1, n1, x2, n2, *, continuity=True
) -> tuple[float | None, float | None]:
    """Chi-squared (one degree of freedom) of no association in any stratum, and its p-value; None
    where undefined.

    `continuity`: with the correction of one half, as R's mantelhaen.test by default; SAS's CMH is
    without.
    """
    tables = tables_of(x1, n1, x2, n2)
    expected, variance = _null_moments(tables)
    if not variance.sum() > 0:
        return None, None
    distance = abs(tables.x1.sum() - expected.sum())
    statistic = max(distance - (0.5 if continuity else 0), 0) ** 2 / variance.sum()
    return float(statistic), float(stats.chi2.sf(statistic, 1))


def common_odds_ratio(x1, n1, x2, n2, confidence=0.95) -> Estimate:
    """Mantel and Haenszel's odds ratio, limits by the variance of Robins, Breslow and Greenland."""
    tables = tables_of(x1, n1, x2, n2)
    n = tables.n1 + tables.n2
    agree = tables.x1 * (tables.n2 - tables.x2) / n
    differ = tables.x2 * (tables.n1 - tables.x1) / n
    r, s = agree.sum(), differ.sum()
    if not (r > 0 and s > 0):
        return _nothing(confidence, "mantel_haenszel", _NO_EVENT)
    p, q = (tables.x1 + tables.n2 - tables.x2) / n, (tables.x2 + tables.n1 - tables.x1) / n
    variance = (p * agree).sum() / (2 * r**2) + (p * differ + q * agree).sum() / (2 * r * s)
    variance += (q * differ).sum() / (2 * s**2)
    margin = np.exp(z_of(confidence) * np.sqrt(variance))
    ratio = float(r / s)
    return Estimate(
        estimate=ratio,
        lower=float(ratio / margin),
        upper=float(ratio * margin),
        confidence=confidence,
        method="mantel_haenszel",
    )


def _weights(tables: Tables) -> np.ndarray:
    weights = tables.n1 * tables.n2 / (tables.n1 + tables.n2)
    return weights / weights.sum()


def _weighed_difference(tables: Tables) -> float:
    differences = tables.x1 / tables.n1 - tables.x2 / tables.n2
    return float((_weights(tables) * differences).sum())


def _score_limit(tables: Tables, estimate: float, *, side: int, z: float) -> float:
    """Where the score reaches z below or above the estimate; the end of the scale where it never
    does.
    """

    def excess(difference):
        spread = np.sqrt(_score_variance(tables, difference))
        return abs(estimate - difference) - z * spread

    end = float(side)
    near, far = estimate + side * _STEP, end * (1 - _STEP)
    if abs(end - estimate) < 2 * _STEP or excess(far) <= 0:
        return end
    return float(optimize.brentq(excess, near, far, xtol=1e-12))


def _score_variance(tables: Tables, difference: float) -> float:
    p2 = _restricted_risk(tables, difference)
    p1 = np.clip(p2 + difference, 0, 1)
    n = tables.n1 + tables.n2
    variance = (p1 * (1 - p1) / tables.n1 + p2 * (1 - p2) / tables.n2) * n / (n - 1)
    return float((_weights(tables) ** 2 * variance).sum())


def _restricted_risk(tables: Tables, difference: float) -> np.ndarray:
    """The second group's risk that is likeliest where the first's is greater by `difference` (their
    appendix).
    """
    x1, n1, x2, n2 = tables
    n, x = n1 + n2, x1 + x2
    a, d = n, difference
    b = (n1 + 2 * n2) * d - n - x
    c = (n2 * d - n - 2 * x2) * d + x
    last = x2 * d * (1 - d)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + last / (2 * a)
    u = np.where(v >= 0, 1, -1) * np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(u == 0, 0, v / u**3)
    angle = (np.pi + np.arccos(np.clip(ratio, -1, 1))) / 3
    return np.clip(2 * u * np.cos(angle) - b / (3 * a), max(0, -d), min(1, 1 - d))


def _null_moments(tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    x1, n1, x2, n2 = tables
    n, x = n1 + n2, x1 + x2
    expected = n1 * x / n
    return expected, n1 * n2 * x * (n - x) / (n**2 * np.maximum(n - 1, 1))


def _conditional(tables: Tables) -> tuple[int, np.ndarray]:
    """Probabilities of the sum of x1 over strata, given all margins, and the lowest sum:
    hypergeometrics convolved.
    """
    lowest, total = 0, np.ones(1)
    for x1, n1, x2, n2 in zip(*tables, strict=True):
        x = x1 + x2
        counts = np.arange(max(0, x - n2), min(n1, x) + 1)
        total = np.convolve(total, _hypergeometric(counts, n1, n2, x))
        lowest += int(counts[0])
    return lowest, total


def _hypergeometric(counts: np.ndarray, n1, n2, x) -> np.ndarray:
    def log_choose(n, k):
        chosen, others = special.gammaln(k + 1), special.gammaln(n - k + 1)
        return special.gammaln(n + 1) - chosen - others

    logs = log_choose(n1, counts) + log_choose(n2, x - counts)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _nothing(confidence, method: str, reason: str) -> Estimate:
    return Estimate(
        estimate=None, lower=None, upper=None, confidence=confidence, method=method, reason=reason
    )
