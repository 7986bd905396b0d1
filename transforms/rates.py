"""Rates, proportions, their ratios and differences, each with its interval; zero events included.

Here: estimators of counts over exposure or over people, for numbers and for columns of many strata.
Not here: what counts as an event or as exposure (the marts), and control limits (`funnel`, `spc`).

One implementation: a function of numbers calls that of arrays. A value that can't be given is None (NaN in
an array, null in a frame) with a `reason`; nonsense (a fractional count, more events than people) is a
`UsageError`. Sources: Garwood 1936 Biometrika 28:437; Wilson 1927 JASA 22:209; Clopper & Pearson 1934
Biometrika 26:404; Newcombe 1998 Stat Med 17:873; Breslow & Day 1987 (Byar); McCullagh & Nelder 1989
(over-dispersion).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special, stats

from transforms.errors import UsageError

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


class Limits(NamedTuple):
    """Estimate and limits of many strata, float arrays of one shape; NaN where a value can't be given."""

    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


# --- one stratum ----------------------------------------------------------------------------------


def poisson_rate(events, exposure, per=100, confidence=0.95, *, method="exact") -> Estimate:
    """Events per `per` units of exposure.

    `method`: `exact` (Garwood), `byar`, `normal` (may fall below 0) or `log_normal`. No exposure gives None.
    """
    limits = _choose(_RATE_METHODS, method)(events, exposure, per=per, confidence=confidence)
    return _one(limits, confidence, method, _why_no_rate(events, exposure, limits))


def proportion(x, n, method="wilson", confidence=0.95) -> Estimate:
    """x people of n; `method`: `wilson` (score, no continuity correction) or `clopper_pearson` (exact)."""
    limits = _choose(_PROPORTION_METHODS, method)(x, n, confidence=confidence)
    return _one(limits, confidence, method, _why_no_rate(x, n, limits, of="people"))


def rate_ratio(x1, t1, x2, t2, confidence=0.95) -> Estimate:
    """(x1/t1) / (x2/t2), conditional on x1 + x2: exact limits and exact two-sided p-value.

    Given the total, x1 is binomial; its Clopper-Pearson limits p give p/(1-p) · t2/t1, and the p-value adds
    the probabilities of all outcomes no likelier than the one seen (as R's poisson.test). With events in the
    first group only, ratio and upper limit are infinite; with none at all there is no ratio.
    """
    counts, times = _counts(x1, x2, name="events"), _exposures(t1, t2)
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
    """x1/n1 - x2/n2; `method`: `newcombe` (hybrid of two Wilson intervals, his method 10) or `wald`."""
    interval = _choose(_DIFFERENCE_METHODS, method)
    first, second = (wilson(x, n, confidence=confidence) for x, n in ((x1, n1), (x2, n2)))
    if np.isnan(first.estimate) or np.isnan(second.estimate):
        return _nothing(
            confidence,
            method,
            "a group has no people, or its numbers are not known: there is nothing to compare",
        )
    difference = float(first.estimate - second.estimate)
    below, above = interval(first, second, n1, n2, _z(confidence))
    return Estimate(
        estimate=difference,
        lower=difference - float(below),
        upper=difference + float(above),
        confidence=confidence,
        method=method,
    )


def standardised_ratio(observed, expected, confidence=0.95) -> Estimate:
    """Observed over expected events (SMR): Garwood limits, exact two-sided p-value against a ratio of 1."""
    limits = garwood(observed, expected, per=1, confidence=confidence)
    reason = _why_no_rate(observed, expected, limits, of="expected events")
    p_value = None if reason else _two_sided(int(observed), stats.poisson(float(expected)))
    return _one(limits, confidence, "exact", reason, p_value)


def overdispersion(events, exposure) -> float | None:
    """phi = sum((x - rate·t)² / (rate·t)) / (n - 1) over patients with exposure; None below two or no events.

    `events` and `exposure`: one value a patient. 1 is what a Poisson count gives; more means that events
    cluster in some patients.
    """
    x, t = _aligned(_counts(events, name="events")[0], _exposures(exposure)[0])
    known = ~np.isnan(x) & (t > 0)
    x, t = x[known], t[known]
    phi = overdispersion_from_sums(len(x), x.sum(), t.sum(), (x**2 / np.where(t > 0, t, 1)).sum())
    return None if np.isnan(phi) else float(phi)


# --- many strata ----------------------------------------------------------------------------------


def garwood(events, exposure, per=100, confidence=0.95) -> Limits:
    """Exact Poisson limits: chi²(a/2, 2x)/2 and chi²(1-a/2, 2x+2)/2 over the exposure (Garwood 1936)."""
    x, scale, alpha = _rate_inputs(events, exposure, per, confidence)
    lower = np.where(x > 0, special.gammaincinv(np.maximum(x, 1), alpha / 2), 0 * x)
    return Limits(x * scale, lower * scale, special.gammainccinv(x + 1, alpha / 2) * scale)


def byar(events, exposure, per=100, confidence=0.95) -> Limits:
    """Byar's approximation with x + 0.5 in both limits, as R's tern; a check on `garwood`."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    half, z = x + 0.5, _z(confidence)
    lower, upper = (half * (1 - 1 / (9 * half) + side * z / (3 * np.sqrt(half))) ** 3 for side in (-1, 1))
    return Limits(x * scale, np.maximum(lower, 0) * scale, upper * scale)


def normal_rate(events, exposure, per=100, confidence=0.95) -> Limits:
    """Rate ± z·√x/t: the textbook approximation, whose lower limit may fall below 0."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    margin = _z(confidence) * np.sqrt(x)
    return Limits(x * scale, (x - margin) * scale, (x + margin) * scale)


def log_normal_rate(events, exposure, per=100, confidence=0.95) -> Limits:
    """Rate · exp(±z/√x); without events there are no limits."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    factor = np.exp(_z(confidence) / np.sqrt(np.where(x > 0, x, np.nan)))
    return Limits(x * scale, x * scale / factor, x * scale * factor)


def overdispersed(events, exposure, dispersion, per=100, confidence=0.95) -> Limits:
    """Rate · exp(±z·√(phi/x)) where phi > 1 and x > 0, and nowhere narrower than Garwood's limits.

    Without events, or with `dispersion` up to 1 or unknown, it is Garwood's interval.
    """
    exact = garwood(events, exposure, per=per, confidence=confidence)
    x, phi = np.broadcast_arrays(_counts(events, name="events")[0], _floats(dispersion))
    spread = (phi > 1) & (x > 0)
    ratio = np.where(spread, phi, 0) / np.where(spread, x, 1)
    factor = np.exp(_z(confidence) * np.sqrt(ratio))
    return Limits(
        exact.estimate,
        np.minimum(exact.lower, exact.estimate / factor),
        np.maximum(exact.upper, exact.estimate * factor),
    )


def overdispersion_from_sums(patients, events, exposure, squares) -> np.ndarray:
    """`overdispersion` of many strata from sums over their patients with exposure; NaN where there is none.

    `squares` is the sum of x²/t over patients; sum((x - rate·t)²/(rate·t)) = squares/rate - events.
    """
    n, x, t, squares = (_floats(value) for value in (patients, events, exposure, squares))
    enough = (n > 1) & (x > 0) & (t > 0)
    rate = np.where(enough, x, np.nan) / np.where(enough, t, 1)
    return np.maximum(squares / rate - x, 0) / np.where(enough, n - 1, 1)


def clopper_pearson(x, n, confidence=0.95) -> Limits:
    """Exact limits of x of n: Beta(x, n-x+1) at a/2 and Beta(x+1, n-x) at 1-a/2 (Clopper & Pearson 1934)."""
    x, n, alpha = _people_inputs(x, n, confidence)
    fails = n - x
    lower = special.betaincinv(np.maximum(x, 1), fails + 1, alpha / 2)
    upper = special.betainccinv(x + 1, np.maximum(fails, 1), alpha / 2)
    return Limits(x / n, np.where(x > 0, lower, 0 * n), np.where(fails > 0, upper, 1 + 0 * n))


def wilson(x, n, confidence=0.95) -> Limits:
    """Score limits of x of n, without continuity correction (Wilson 1927)."""
    x, n, _ = _people_inputs(x, n, confidence)
    share, z = x / n, _z(confidence)
    middle = share + z**2 / (2 * n)
    margin = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    lower, upper = (middle - margin) / (1 + z**2 / n), (middle + margin) / (1 + z**2 / n)
    return Limits(share, np.where(x == 0, 0 * n, lower), np.where(x == n, 1 + 0 * n, upper))


def poisson_rate_columns(frame, *, events, exposure, name, per=100, confidence=0.95) -> pl.DataFrame:
    """`frame` with columns `name`, `name_lower`, `name_upper`: Garwood, null where there is no exposure."""
    limits = garwood(frame[events], frame[exposure], per=per, confidence=confidence)
    return _with_limits(frame, limits, name)


def overdispersed_columns(
    frame, *, events, exposure, dispersion, name, per=100, confidence=0.95
) -> pl.DataFrame:
    """`frame` with columns `name_od_lower`, `name_od_upper` (see `overdispersed`)."""
    limits = overdispersed(frame[events], frame[exposure], frame[dispersion], per=per, confidence=confidence)
    return _with_limits(frame, limits, f"{name}_od").drop(f"{name}_od")


def proportion_columns(frame, *, x, n, name, method="clopper_pearson", confidence=0.95) -> pl.DataFrame:
    """`frame` with columns `name`, `name_lower`, `name_upper`: x people of n, null where n is 0."""
    limits = _choose(_PROPORTION_METHODS, method)(frame[x], frame[n], confidence=confidence)
    return _with_limits(frame, limits, name)


# --- parts ----------------------------------------------------------------------------------------


def _newcombe(first: Limits, second: Limits, n1, n2, z):
    below = np.hypot(first.estimate - first.lower, second.upper - second.estimate)
    above = np.hypot(first.upper - first.estimate, second.estimate - second.lower)
    return below, above


def _wald(first: Limits, second: Limits, n1, n2, z):
    variance = sum(p * (1 - p) / n for p, n in ((first.estimate, n1), (second.estimate, n2)))
    return z * np.sqrt(variance), z * np.sqrt(variance)


_RATE_METHODS = {"exact": garwood, "byar": byar, "normal": normal_rate, "log_normal": log_normal_rate}
_PROPORTION_METHODS = {"wilson": wilson, "clopper_pearson": clopper_pearson}
_DIFFERENCE_METHODS = {"newcombe": _newcombe, "wald": _wald}


def _choose(methods: dict[str, Callable], name: str) -> Callable:
    if name not in methods:
        raise UsageError(f"unknown method {name!r}: use one of {', '.join(methods)}")
    return methods[name]


def _z(confidence) -> float:
    return float(special.ndtri(1 - _alpha(confidence) / 2))


def _alpha(confidence) -> float:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    return 1 - confidence


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else float("inf")


def _two_sided(x: int, null, *, top: float = float("inf")) -> float:
    """Probability under `null` of all counts no likelier than x, as R's binom.test and poisson.test."""
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


def _floats(values) -> np.ndarray:
    if isinstance(values, pl.Series):
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.asarray(values, dtype=float)  # None becomes NaN


def _counts(*values, name: str) -> list[np.ndarray]:
    arrays = [_floats(value) for value in values]
    for array in arrays:
        known = array[~np.isnan(array)]
        wrong = known[(known < 0) | (known != np.floor(known)) | np.isinf(known)]
        if wrong.size:
            raise UsageError(f"{name}: {wrong[0]:g} is not a count; give whole numbers from 0")
    return arrays


def _exposures(*values) -> list[np.ndarray]:
    arrays = [_floats(value) for value in values]
    for array in arrays:
        wrong = array[(array < 0) | np.isinf(array)]
        if wrong.size:
            raise UsageError(f"exposure: {wrong[0]:g} is not an amount; give finite numbers from 0")
    return arrays


def _aligned(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise UsageError(
            f"arrays of different shapes ({shapes}): give one value a stratum in each"
        ) from error


def _rate_inputs(events, exposure, per, confidence):
    """Counts, the factor from a count to a rate (NaN without exposure), and alpha."""
    x, t = _aligned(_counts(events, name="events")[0], _exposures(exposure)[0])
    t = np.where(t > 0, t, np.nan)
    return x, per / t, _alpha(confidence)


def _people_inputs(x, n, confidence):
    """Counts with NaN for no people, and alpha."""
    x, n = _aligned(*_counts(x, n, name="people"))
    if np.any(x > n):
        raise UsageError(
            f"{x[x > n].flat[0]:g} people of {n[x > n].flat[0]:g}: a part can't exceed its whole"
        )
    unknown = np.isnan(x) | np.isnan(n) | (n == 0)
    return np.where(unknown, np.nan, x), np.where(unknown, np.nan, n), _alpha(confidence)


def _why_no_rate(count, base, limits: Limits, of: str = "exposure") -> str | None:
    if count is None or base is None or np.isnan(_floats(count)) or np.isnan(_floats(base)):
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


def _with_limits(frame: pl.DataFrame, limits: Limits, name: str) -> pl.DataFrame:
    names = (name, f"{name}_lower", f"{name}_upper")
    columns = [
        pl.Series(n, values, pl.Float64).fill_nan(None) for n, values in zip(names, limits, strict=True)
    ]
    return frame.with_columns(columns)
