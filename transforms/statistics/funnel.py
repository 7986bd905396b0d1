"""Funnel plots: clinics against one target, with control limits that widen as numbers shrink. Never
a ranking.

Here: limits and signals of proportions and of observed over expected events, with additive
over-dispersion, all clinics making the target. Not here: each clinic against the others alone,
which is how clinics are judged (left_out.py), and which figures are compared
(marts/clinic_funnel.py).

Limits: 95 % and 99.8 %. Without over-dispersion a clinic is flagged by the exact tail probability
of its count under the target (binomial, Poisson), at most 2.5 % or 0.1 % on its side. With it (and
a between-clinic variance above 0), by the limits target ± z·sqrt(s² + τ²) on the scale of the
transformation, z = 1.959964 and 3.090232, and by that tail too: where few events are expected the
transformation alone flags a clinic without any (four expected: probability 0.02).

Sources: Spiegelhalter 2005 Stat Med 24:1185 and Qual Saf Health Care 14:347 (over-dispersion);
Seaton & Manktelow 2012 BMC Med Res Methodol 12:98 (control limits are not confidence intervals);
FunnelPlotR (winsorising as CQC, truncation as SHMI).
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from transforms.errors import UsageError
from transforms.statistics.intervals import aligned, alpha_of, counts_of, exposures_of, z_of

MIN_CLINICS = 5  # fewer are not compared
TAIL = 0.1  # of the z-scores, winsorised or truncated on each side
LEVELS = {"95": 0.95, "998": 0.998}


class ControlLimits(NamedTuple):
    """Lower and upper control limits; numbers for a number, arrays for many; NaN where nothing is
    expected.
    """

    lower: np.ndarray
    upper: np.ndarray


# --- limits -------------------------------------------------------------------------------------


def funnel_limits(expected, level=0.95, method="quantile") -> ControlLimits:
    """Control limits of observed over expected events, a = 1 - level.

    `quantile`: the Poisson quantiles at a/2 and 1 - a/2, over E: a count beyond them has a tail
    probability of at most a/2 (the prediction limits of Seaton & Manktelow). `ci`: L = χ²(a/2,
    2E)/2E, U = χ²(1 - a/2, 2E + 2)/2E, the confidence interval of a count E: a smooth drawing aid,
    never for flags, since with few expected a clinic without an event lies below it (with
    probability 0.37 at E = 1).
    """
    expected, alpha = exposures_of(expected)[0], alpha_of(level)
    e = np.where(expected > 0, expected, np.nan)
    if method == "quantile":
        lower, upper = (_poisson_quantile(q, e) for q in (alpha / 2, 1 - alpha / 2))
    elif method == "ci":
        lower, upper = special.gammaincinv(e, alpha / 2), special.gammaincinv(e + 1, 1 - alpha / 2)
    else:
        raise UsageError(f"unknown method {method!r}: use quantile or ci")
    limits = (lower / e, upper / e)
    return ControlLimits(*(float(x) if np.ndim(x) == 0 else x for x in limits))


def proportion_limits(n, target, level=0.95, tau2=0.0) -> ControlLimits:
    """Limits of a proportion of n people: sin²(asin(√target) ± z·sqrt(1/4n + τ²)), within 0 and
    1.
    """
    n = np.where(exposures_of(n)[0] > 0, n, np.nan).astype(float)
    middle, margin = np.arcsin(np.sqrt(target)), z_of(level) * np.sqrt(1 / (4 * n) + tau2)
    angles = (np.clip(middle + side * margin, 0, np.pi / 2) for side in (-1, 1))
    return ControlLimits(*(np.sin(angle) ** 2 for angle in angles))


def ratio_limits(expected, level=0.95, tau2=0.0, method="log") -> ControlLimits:
    """Over-dispersed limits of O/E: exp(±z·sqrt(1/E + τ²)) for `log`, (1 ± z·sqrt(1/4E + τ²))² for
    `sqrt`.
    """
    e = np.where(exposures_of(expected)[0] > 0, expected, np.nan).astype(float)
    z = z_of(level)
    if method == "log":
        margin = z * np.sqrt(1 / e + tau2)
        return ControlLimits(np.exp(-margin), np.exp(margin))
    margin = z * np.sqrt(1 / (4 * e) + tau2)
    return ControlLimits(np.maximum(1 - margin, 0) ** 2, (1 + margin) ** 2)


# --- funnels ------------------------------------------------------------------------------------


def funnel_proportions(x, n, overdispersion=True) -> pl.DataFrame:
    """One row per clinic, in the order given: x of n people, against the target sum(x) / sum(n).

    Columns: `x`, `n`, `value`, `center` (the target), `z`, `lower_95`, `upper_95`, `lower_998`,
    `upper_998` and, with `overdispersion`, the same with `_od`; `lower` and `upper`, the 95 %
    limits in force; `overdispersion` (φ), `tau2`, and `signal` (`none`, `low_95`, `high_95`,
    `low_998`, `high_998`). Y = asin(√(x/n)), s = 1/(2√n), z winsorised. A clinic without people has
    no value and counts nowhere.
    """
    x, n = aligned(*(np.atleast_1d(a) for a in counts_of(x, n, name="people")))
    if np.any(x > n):
        raise UsageError(
            f"{x[x > n][0]:g} people of {n[x > n][0]:g}: a part can't exceed its whole"
        )
    is_given = (n > 0) & ~np.isnan(x)
    x_known, n_known = np.where(is_given, x, np.nan), np.where(is_given, n, np.nan)
    target = np.nansum(x_known) / np.nansum(n_known) if is_given.any() else np.nan
    s = 1 / (2 * np.sqrt(n_known))
    z = (np.arcsin(np.sqrt(x_known / n_known)) - np.arcsin(np.sqrt(target))) / s
    phi, tau2 = _dispersion(_winsorised(z[is_given]), s[is_given])
    return _funnel(
        {"x": x, "n": n, "value": x_known / n_known, "center": np.full(x.shape, target), "z": z},
        plain=lambda level: proportion_limits(n_known, target, level),
        spread=lambda level: proportion_limits(n_known, target, level, tau2),
        tails=binomial_tails(x_known, n_known, target),
        phi=phi,
        tau2=tau2,
        overdispersion=overdispersion,
    )


def funnel_ratio(observed, expected, overdispersion=True, method="log") -> pl.DataFrame:
    """One row per clinic, in the order given: observed over expected events, against 1. Columns as
    `funnel_proportions`.

    `method`, of the over-dispersion: `log` (SHMI: Y = ln(O/E), s = 1/√E, z truncated: the lowest
    and highest tenth leave φ, τ² and their number; no event counts as half of one) or `sqrt` (CQC,
    better where events are few: Y = √(O/E), s = 1/(2√E), z winsorised; its limits are squared
    back). `lower_95` … are the Poisson quantile limits. A clinic where nothing is expected has no
    value and counts nowhere.
    """
    if method not in ("sqrt", "log"):
        raise UsageError(f"unknown method {method!r}: use sqrt or log")
    o, e = aligned(np.atleast_1d(counts_of(observed, name="events")[0]), exposures_of(expected)[0])
    is_given = (e > 0) & ~np.isnan(o)
    o_known, e_known = np.where(is_given, o, np.nan), np.where(is_given, e, np.nan)
    if method == "sqrt":
        s = 1 / (2 * np.sqrt(e_known))
        z = (np.sqrt(o_known / e_known) - 1) / s
        phi, tau2 = _dispersion(_winsorised(z[is_given]), s[is_given])
    else:
        s = 1 / np.sqrt(e_known)
        z = np.log(np.where(o_known == 0, 0.5, o_known) / e_known) / s
        kept = _not_truncated(z[is_given])
        phi, tau2 = _dispersion(z[is_given][kept], s[is_given][kept])
    return _funnel(
        {
            "observed": o,
            "expected": e,
            "value": o_known / e_known,
            "center": np.ones(o.shape),
            "z": z,
        },
        plain=lambda level: funnel_limits(e_known, level),
        spread=lambda level: ratio_limits(e_known, level, tau2, method),
        tails=poisson_tails(o_known, e_known),
        phi=phi,
        tau2=tau2,
        overdispersion=overdispersion,
    )


def tau_squared(phi, s) -> float:
    """Between-clinic variance of DerSimonian and Laird: (Iφ - (I - 1)) / (Σw - Σw²/Σw), w = 1/s²; 0
    if Iφ < I - 1.
    """
    weights = 1 / np.asarray(s, dtype=float) ** 2
    clinics = len(weights)
    if clinics < 2:
        return 0.0
    return float(
        max(
            0.0,
            (clinics * phi - (clinics - 1)) / (weights.sum() - (weights**2).sum() / weights.sum()),
        )
    )


# --- parts --------------------------------------------------------------------------------------


def binomial_tails(x: np.ndarray, n: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """P(X <= x) and P(X >= x)."""
    below = np.where(x < n, special.betainc(np.maximum(n - x, 1), x + 1, 1 - p), 0 * x + 1)
    above = np.where(x > 0, special.betainc(np.maximum(x, 1), n - x + 1, p), 0 * x + 1)
    return below, above


def poisson_tails(o: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(X <= o) and P(X >= o)."""
    below = special.pdtr(o, mean)
    above = np.where(o > 0, special.pdtrc(np.maximum(o - 1, 0), mean), 0 * o + 1)
    return below, above


def _poisson_quantile(q: float, mean: np.ndarray) -> np.ndarray:
    """The smallest count k with P(X <= k) >= q."""
    given_mean = np.where(np.isnan(mean), 1.0, mean)
    k = np.maximum(np.ceil(special.pdtrik(q, given_mean)), 0)
    k = np.where((k > 0) & (special.pdtr(np.maximum(k - 1, 0), given_mean) >= q), k - 1, k)
    k = np.where(special.pdtr(k, given_mean) < q, k + 1, k)
    return np.where(np.isnan(mean), np.nan, k)


def _winsorised(z: np.ndarray) -> np.ndarray:
    """z with both tails drawn in to the type-7 quantiles."""
    if not z.size:
        return z
    lowest, highest = np.quantile(z, (TAIL, 1 - TAIL))
    return np.clip(z, lowest, highest)


def _not_truncated(z: np.ndarray) -> np.ndarray:
    """Those outside the lowest and highest tenth by rank (ties share one), as SHMI: group floor(10
    r / (I + 1)).
    """
    below = (z[:, None] > z[None, :]).sum(axis=1)
    ties = (z[:, None] == z[None, :]).sum(axis=1)
    group = np.floor((below + (ties + 1) / 2) / TAIL / (len(z) + 1) + 1e-9)
    return (group > 0) & (group < round(1 / TAIL) - 1)


def _dispersion(z: np.ndarray, s: np.ndarray) -> tuple[float, float]:
    """φ = Σz²/I and τ²; no clinic: NaN and 0. z is NaN where the target is 0 or 1 everywhere."""
    if not z.size or np.isnan(z).any():
        return np.nan, 0.0
    phi = float((z**2).mean())
    return phi, tau_squared(phi, s)


def _funnel(columns: dict, *, plain, spread, tails, phi, tau2, overdispersion) -> pl.DataFrame:
    is_spread, size = overdispersion and tau2 > 0, len(columns["value"])
    for name, level in LEVELS.items():
        columns[f"lower_{name}"], columns[f"upper_{name}"] = plain(level)
    for name, level in LEVELS.items():
        limits = spread(level) if overdispersion else (np.full(size, np.nan),) * 2
        columns[f"lower_{name}_od"], columns[f"upper_{name}_od"] = limits
    lower, upper, beyond = columns["lower_95"], columns["upper_95"], beyond_tails(*tails)
    if is_spread:
        lower = np.fmin(lower, columns["lower_95_od"])
        upper = np.fmax(upper, columns["upper_95_od"])
        beyond = nearer(beyond, beyond_limits(columns))
    columns |= {
        "lower": lower,
        "upper": upper,
        "overdispersion": np.full(size, phi),
        "tau2": np.full(size, tau2),
    }
    return (
        pl.DataFrame(columns)
        .with_columns(pl.all().cast(pl.Float64).fill_nan(None))
        .with_columns(signal=pl.Series(beyond).replace_strict(SIGNALS, return_dtype=pl.String))
        .with_columns(signal=pl.when(pl.col("value").is_not_null()).then("signal"))
    )


# How many limits a clinic is beyond, and on which side
SIGNALS = {-2: "low_998", -1: "low_95", 0: "none", 1: "high_95", 2: "high_998"}


def beyond_tails(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """How many levels a count is beyond by its tail probabilities, with the sign of the side."""
    tails = [(1 - level) / 2 * (1 + 1e-9) for level in LEVELS.values()]
    return sum((above <= tail).astype(int) - (below <= tail) for tail in tails)


def beyond_limits(columns: dict) -> np.ndarray:
    """How many of the over-dispersed limits a value is beyond, with the sign of the side."""
    value = columns["value"]
    signals = 0
    for name in LEVELS:
        is_above = value > columns[f"upper_{name}_od"]
        is_below = value < columns[f"lower_{name}_od"]
        signals = signals + is_above.astype(int) - is_below
    return signals


def nearer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of two judgements the one nearer to the target; the target where they are on different sides
    of it.
    """
    near = np.minimum(np.abs(first), np.abs(second))
    return np.where(np.sign(first) == np.sign(second), np.sign(first) * near, 0)
