"""Rates, proportions, their ratios and differences, each with its interval; zero events included.

Here: estimators of counts over exposure or over people, for one stratum. Not here: the same for the
columns of a frame (`rate_columns`), what counts as an event or as exposure (the marts), the formulas
of the limits (`intervals`, importable from here), control limits (`funnel`, `spc`).

A value that can't be given is None (null in a frame) with a `reason`; nonsense is a `UsageError`.
Sources beside those of `intervals`: Newcombe 1998 Stat Med 17:873 (differences); R's poisson.test
and binom.test (exact p-values).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics.intervals import (
    Limits,
    aligned,
    byar,
    clopper_pearson,
    counts_of,
    exposures_of,
    floats,
    garwood,
    log_normal_rate,
    normal_rate,
    one_number,
    overdispersed,
    overdispersion_from_sums,
    wilson,
    z_of,
)

__all__ = [
    "Estimate",
    "Limits",
    "byar",
    "clopper_pearson",
    "garwood",
    "log_normal_rate",
    "normal_rate",
    "overdispersed",
    "overdispersion",
    "overdispersion_from_sums",
    "poisson_rate",
    "proportion",
    "rate_ratio",
    "risk_difference",
    "standardised_ratio",
    "wilson",
]

# R's binom.test and poisson.test count an outcome as "as improbable" within this relative distance
_AS_IMPROBABLE = 1 + 1e-7


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate and its interval; None with a `reason` where it can't be given."""

    estimate: float | None
    lower: float | None
    upper: float | None
    p_value: float | None = None
    confidence: float
    method: str
    reason: str | None = None


def poisson_rate(events, exposure, per=100, confidence=0.95, *, method="exact") -> Estimate:
    """Events per `per` units of exposure.

    `method`: `exact` (Garwood), `byar`, `normal` (may fall below 0) or `log_normal`. No exposure
    gives None.
    """
    one_number(events=events, exposure=exposure)
    limits = choose(_RATE_METHODS, method)(events, exposure, per=per, confidence=confidence)
    return _one(limits, confidence, method, _why_no_rate(events, exposure, limits))


def proportion(x, n, method="wilson", confidence=0.95) -> Estimate:
    """x people of n; `method`: `wilson` (score, no continuity correction) or `clopper_pearson`
    (exact).
    """
    one_number(x=x, n=n)
    limits = choose(PROPORTION_METHODS, method)(x, n, confidence=confidence)
    return _one(limits, confidence, method, _why_no_rate(x, n, limits, of="people"))


def rate_ratio(x1, t1, x2, t2, confidence=0.95) -> Estimate:
    """(x1/t1) / (x2/t2), conditional on x1 + x2: exact limits and exact two-sided p-value.

    Given the total, x1 is binomial; its Clopper-Pearson limits p give p/(1-p) · t2/t1, and the
    p-value adds the probabilities of all outcomes no likelier than the one seen (as R's
    poisson.test). With events in the first group only, ratio and upper limit are infinite; with
    none at all there is no ratio.
    """
    one_number(x1=x1, t1=t1, x2=x2, t2=t2)
    counts, times = counts_of(x1, x2, name="events"), exposures_of(t1, t2)
    reason = _why_no_ratio(counts, times)
    if reason:
        return _nothing(confidence, "conditional_exact", reason)
    (x1, x2), (t1, t2) = (int(c) for c in counts), (float(t) for t in times)
    share = clopper_pearson(x1, x1 + x2, confidence=confidence)
    ratio = [_odds(float(p)) * t2 / t1 for p in (share.lower, share.upper)]
    return Estimate(
        estimate=x1 * t2 / (x2 * t1) if x2 else float("inf"),
        lower=ratio[0],
        upper=ratio[1],
        p_value=_two_sided(x1, stats.binom(x1 + x2, t1 / (t1 + t2)), top=x1 + x2),
        confidence=confidence,
        method="conditional_exact",
        reason=None if x2 else "no events in the second group: the ratio has no upper bound",
    )


def risk_difference(x1, n1, x2, n2, method="newcombe", confidence=0.95) -> Estimate:
    """x1/n1 - x2/n2; `method`: `newcombe` (hybrid of two Wilson intervals, his method 10) or
    `wald`.
    """
    one_number(x1=x1, n1=n1, x2=x2, n2=n2)
    interval = choose(_DIFFERENCE_METHODS, method)
    first, second = (wilson(x, n, confidence=confidence) for x, n in ((x1, n1), (x2, n2)))
    if np.isnan(first.estimate) or np.isnan(second.estimate):
        return _nothing(
            confidence,
            method,
            "a group has no people, or its numbers are not known: there is nothing to compare",
        )
    difference = float(first.estimate - second.estimate)
    below, above = interval(first, second, n1, n2, z_of(confidence))
    return Estimate(
        estimate=difference,
        lower=difference - float(below),
        upper=difference + float(above),
        confidence=confidence,
        method=method,
    )


def standardised_ratio(observed, expected, confidence=0.95) -> Estimate:
    """Observed over expected events (SMR): Garwood limits, exact two-sided p-value against a ratio
    of 1.
    """
    one_number(observed=observed, expected=expected)
    limits = garwood(observed, expected, per=1, confidence=confidence)
    reason = _why_no_rate(observed, expected, limits, of="expected events")
    p_value = None if reason else _two_sided(int(observed), stats.poisson(float(expected)))
    return _one(limits, confidence, "exact", reason, p_value)


def overdispersion(events, exposure) -> float | None:
    """phi = sum((x - rate·t)² / (rate·t)) / (n - 1) over patients with exposure; None below two or
    no events.

    `events` and `exposure`: one value a patient. 1 is what a Poisson count gives; more means that
    events cluster in some patients.
    """
    x, t = aligned(counts_of(events, name="events")[0], exposures_of(exposure)[0])
    is_given = ~np.isnan(x) & (t > 0)
    x, t = x[is_given], t[is_given]
    phi = overdispersion_from_sums(len(x), x.sum(), t.sum(), (x**2 / np.where(t > 0, t, 1)).sum())
    if np.isnan(phi):
        return None
    return float(phi)


def _newcombe(first: Limits, second: Limits, n1, n2, z):
    below = np.hypot(first.estimate - first.lower, second.upper - second.estimate)
    above = np.hypot(first.upper - first.estimate, second.estimate - second.lower)
    return below, above


def _wald(first: Limits, second: Limits, n1, n2, z):
    variance = sum(p * (1 - p) / n for p, n in ((first.estimate, n1), (second.estimate, n2)))
    return z * np.sqrt(variance), z * np.sqrt(variance)


_RATE_METHODS = {
    "exact": garwood,
    "byar": byar,
    "normal": normal_rate,
    "log_normal": log_normal_rate,
}
PROPORTION_METHODS = {"wilson": wilson, "clopper_pearson": clopper_pearson}
_DIFFERENCE_METHODS = {"newcombe": _newcombe, "wald": _wald}


def choose(methods: dict[str, Callable], name: str) -> Callable:
    if name not in methods:
        choices = ", ".join(methods)
        raise UsageError(f"unknown method {name!r}: use one of {choices}")
    return methods[name]


def _odds(share: float) -> float:
    if share < 1:
        return share / (1 - share)
    return float("inf")


def _two_sided(x: int, null, *, top: float = float("inf")) -> float:
    """Probability under `null` of all counts no likelier than x, as R's binom.test and
    poisson.test.
    """
    mean, limit = null.mean(), null.pmf(x) * _AS_IMPROBABLE
    if x == mean:
        return 1.0
    if x > mean:
        unlikely = int((null.pmf(np.arange(0, int(np.floor(mean)) + 1)) <= limit).sum())
        return min(1.0, float(null.cdf(unlikely - 1) + null.sf(x - 1)))
    end = np.ceil(2 * mean - x)
    while end < top and null.pmf(end) > limit:
        end = 2 * end
    end = int(min(end, top))
    unlikely = int((null.pmf(np.arange(int(np.ceil(mean)), end + 1)) <= limit).sum())
    return min(1.0, float(null.cdf(x) + null.sf(end - unlikely)))


def _why_no_rate(count, base, limits: Limits, of: str = "exposure") -> str | None:
    if count is None or base is None or np.isnan(floats(count)) or np.isnan(floats(base)):
        return f"events or {of} not known"
    if base == 0:
        return f"no {of}: there is no rate"
    if np.isnan(limits.lower):
        return "this method has no limits without events"
    return None


def _why_no_ratio(counts, times) -> str | None:
    if any(np.isnan(value) for value in (*counts, *times)):
        return "events or exposure not known"
    if not all(times):
        return "a group has no exposure: there is no rate to compare"
    return None if any(counts) else "no events in either group: the ratio could be anything"


def _one(limits: Limits, confidence, method, reason, p_value=None) -> Estimate:
    values = (None if np.isnan(value) else float(value) for value in limits)
    estimate, lower, upper = values
    return Estimate(
        estimate=estimate,
        lower=lower,
        upper=upper,
        p_value=p_value,
        confidence=confidence,
        method=method,
        reason=reason,
    )


def _nothing(confidence, method, reason) -> Estimate:
    return Estimate(
        estimate=None, lower=None, upper=None, confidence=confidence, method=method, reason=reason
    )
