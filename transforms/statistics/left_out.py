"""Each clinic against all the others: target and dispersion leave it out, and flags come from exact
tails.

Here: how improbable a clinic's count is beside the others', its control limits, how near it is to
them. Not here: the pooled funnel (funnel.py, whose dispersion is used here of the others), which
figures are compared, and what a low number of reported events means (marts/clinic_funnel.py). Never
a ranking.

A clinic that makes its own target and its own spread hides behind them: of 6 in 37 patients beside
2 in 195 the pooled funnel says within the limits. Two probabilities of so many or more are given.
`tail_at_target` takes the others' share as if it were known: binomial, of 6 of 37 at 2/195 it is
2.1e-6. `tail` also counts that it is an estimate: Fisher's exact tail of both counts, given their
sum, 2.5e-4 there; flags come from that one, which holds its level however few the others are, also
where they have no event. Over-dispersion is estimated from MIN_OTHERS others on: from a handful one
odd clinic is the spread.

Sources: Fisher 1935 (two proportions); Przyborowski & Wilenski 1940 Biometrika 31:313 (two rates);
Spiegelhalter 2005 Stat Med 24:1185 (additive over-dispersion); Ohlssen, Sharples & Spiegelhalter
2007 JRSS A 170:865 (a unit judged by the others).
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import special, stats

from ..errors import UsageError
from .funnel import (
    LEVELS,
    SIGNALS,
    beyond_limits,
    beyond_tails,
    binomial_tails,
    funnel_proportions,
    funnel_ratio,
    nearer,
    poisson_tails,
    proportion_limits,
    ratio_limits,
)
from .intervals import aligned, counts_of, exposures_of

MIN_OTHERS = 10  # clinics from which over-dispersion is estimated
_ROUNDING = 1e-9  # of a probability beside its level
_FARTHEST = 2**40  # a count that every limit is below


def proportions(x, n, *, overdispersion: bool = True) -> pl.DataFrame:
    """One row per clinic, in the order given: x of n people against the share of all the others.

    Columns: `x`, `n`, `value`, `center` (the others' share), `tail` and `tail_at_target`
    (probability of so many or more, or so few or fewer, the smaller of both), `lower_95`,
    `upper_95`, `lower_998`, `upper_998` (the last values that are no signal), with over-dispersion
    the same with `_od`, `overdispersion` and `tau2` of the others, `signal` (`none`, `low_95`,
    `high_95`, `low_998`, `high_998`), `share_high` and `share_low`: its count over the first count
    that would be a signal at 95 % (low: of those without), 1 and more = a signal; null where none
    would be. A clinic without people has no value and counts nowhere.
    """
    x, n = aligned(*(np.atleast_1d(a) for a in counts_of(x, n, name="people")))
    if np.any(x > n):
        raise UsageError(
            f"{x[x > n][0]:g} people of {n[x > n][0]:g}: a part can't exceed its whole"
        )
    is_in = (n > 0) & ~np.isnan(x)
    x, n = np.where(is_in, x, np.nan), np.where(is_in, n, np.nan)
    y, m = np.nansum(x) - x, np.nansum(n) - n
    with np.errstate(invalid="ignore", divide="ignore"):
        center = np.where(m > 0, y / m, np.nan)
        at_target = np.fmin(*binomial_tails(x, n, center))
    phi, tau2 = _dispersion(funnel_proportions, x, n) if overdispersion else _none(x)
    spread = {
        level: _spread(proportion_limits, n, center, level, tau2) for level in LEVELS.values()
    }
    return _judged(
        {"x": x, "n": n, "value": x / n, "center": center, "overdispersion": phi, "tau2": tau2},
        at_target=at_target,
        size=n,
        most=n,
        is_spread=tau2 > 0,
        spread=spread,
        above=lambda k: np.where(k > 0, stats.hypergeom.sf(k - 1, n + m, k + y, n), 1),
        below=lambda k: stats.hypergeom.cdf(k, n + m, k + y, n),
    )


def ratios(observed, exposure, *, overdispersion: bool = True) -> pl.DataFrame:
    """One row per clinic: observed events over those expected at the others' rates. Columns as
    `proportions`.

    `observed` and `exposure` have one row per clinic and one column per kind of exposure (a
    modality), each with the others' own rate; a kind that nobody else has counts nowhere.
    `expected` stands for `n`. The others' rates are estimates: the expected number is taken as one
    with the information of Y = expected² / variance of their events (all of them, where there is
    one kind), and the count of the clinic as binomial, given its sum with Y: exact for one kind.
    """
    o, t = (np.atleast_2d(np.asarray(a, float)) for a in (observed, exposure))
    counts_of(o.ravel(), name="events"), exposures_of(t.ravel())
    others_o, others_t = o.sum(axis=0) - o, t.sum(axis=0) - t
    is_shared = (others_t > 0) & (t > 0)
    o, t = np.where(is_shared, o, 0), np.where(is_shared, t, 0)
    factor = t / np.where(is_shared, others_t, 1)
    x, expected = o.sum(axis=1), (factor * others_o).sum(axis=1)
    variance = (factor**2 * others_o).sum(axis=1)
    has_any = t.sum(axis=1) > 0
    y = np.where(variance > 0, expected**2 / np.where(variance > 0, variance, 1), 0)
    scale = np.where(
        y > 0,
        expected / np.where(y > 0, y, 1),
        t.sum(axis=1) / np.fmax((others_t * is_shared).sum(axis=1), 1e-300),
    )
    p, x = scale / (1 + scale), np.where(has_any, x, np.nan)
    e = np.where(has_any & (expected > 0), expected, np.nan)
    at_target = np.fmin(*poisson_tails(x, e))
    phi, tau2 = _dispersion(_pooled_ratio, o, t) if overdispersion else _none(x)
    limits = lambda size, center, level, tau2: ratio_limits(size, level, tau2, "sqrt")  # noqa: E731
    spread = {level: _spread(limits, e, np.ones_like(e), level, tau2) for level in LEVELS.values()}
    return _judged(
        {
            "x": x,
            "expected": e,
            "value": x / e,
            "center": np.where(np.isnan(e), np.nan, 1),
            "overdispersion": phi,
            "tau2": tau2,
        },
        at_target=at_target,
        size=e,
        most=np.full(len(x), float(_FARTHEST)),
        is_spread=tau2 > 0,
        spread=spread,
        above=lambda k: np.where(k > 0, special.betainc(np.maximum(k, 1), y + 1, p), 1),
        below=lambda k: np.where(y > 0, special.betainc(np.where(y > 0, y, 1), k + 1, 1 - p), 1),
    )


def against_reference(x, n, reference: float) -> pl.DataFrame:
    """One row per clinic: x of n people against a stated share: `tail` (binomial, the smaller
    side) and `signal`.
    """
    x, n = aligned(*(np.atleast_1d(a) for a in counts_of(x, n, name="people")))
    if not 0 < reference < 1:
        raise UsageError(f"the reference is {reference}: give a share between 0 and 1")
    below, above = (np.where(n > 0, tail, np.nan) for tail in binomial_tails(x, n, reference))
    return pl.DataFrame(
        {"tail": np.fmin(below, above), "signal": _signals(beyond_tails(below, above))}
    ).with_columns(pl.col("tail").fill_nan(None), signal=pl.when(pl.Series(n > 0)).then("signal"))


def _judged(
    columns: dict, *, at_target, size, most, is_spread, spread: dict, above, below
) -> pl.DataFrame:
    """`above`, `below`: a clinic's tail probabilities at each count that it might have had, the
    others as they are.
    """
    x = columns["x"]
    beyond = beyond_tails(below(np.nan_to_num(x)), above(np.nan_to_num(x)))
    columns |= {"tail": np.fmin(below(x), above(x)), "tail_at_target": at_target}
    first, last = {}, {}
    for name, level in LEVELS.items():
        tail = (1 - level) / 2 * (1 + _ROUNDING)
        first[name] = _first(lambda k, tail=tail: above(k) <= tail, most)
        last[name] = most - _first(lambda k, tail=tail: below(most - k) <= tail, most)
        columns |= {
            f"lower_{name}": np.fmax(last[name] + 1, 0) / size,
            f"upper_{name}": (first[name] - 1) / size,
        }
        columns |= {f"lower_{name}_od": spread[level][0], f"upper_{name}_od": spread[level][1]}
    beyond = np.where(is_spread, nearer(beyond, beyond_limits(columns)), beyond)
    high = np.fmax(first["95"], np.where(is_spread, np.floor(columns["upper_95_od"] * size) + 1, 0))
    low = np.fmin(
        last["95"], np.where(is_spread, np.ceil(columns["lower_95_od"] * size) - 1, _FARTHEST)
    )
    columns["share_high"] = np.where(high <= most, x / high, np.nan)
    columns["share_low"] = np.where(
        (low >= 0) & (most < _FARTHEST), (most - x) / (most - low), np.nan
    )
    frame = pl.DataFrame(columns).with_columns(pl.all().cast(pl.Float64).fill_nan(None))
    return frame.with_columns(signal=_signals(beyond)).with_columns(
        signal=pl.when(pl.col("tail").is_not_null()).then("signal")
    )


def _signals(beyond: np.ndarray) -> pl.Series:
    ways = beyond.astype(int)
    codes = pl.Series(ways)
    return codes.replace_strict(SIGNALS, return_dtype=pl.String)


def _first(is_reached: Callable[[np.ndarray], np.ndarray], most: np.ndarray) -> np.ndarray:
    """The smallest whole number from 0 to `most` at which it holds (and so at all after it), `most`
    + 1 where none.
    """
    most = np.nan_to_num(most)
    low, high = np.zeros(len(most)), most + 1
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        holds = is_reached(np.minimum(middle, most)) & (middle <= most)
        is_open = low < high
        high = np.where(is_open & holds, middle, high)
        low = np.where(is_open & ~holds, middle + 1, low)
    return low


def _spread(limits: Callable, size, center, level, tau2) -> np.ndarray:
    """Over-dispersed limits, NaN where the dispersion is not estimated."""
    return np.array(
        [
            np.where(np.isnan(tau2), np.nan, side)
            for side in limits(size, center, level, np.nan_to_num(tau2))
        ]
    )


def _dispersion(pooled: Callable, x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """φ and τ² of all the others, for each clinic; NaN where they are fewer than MIN_OTHERS."""
    is_in = ~np.isnan(n) if n.ndim == 1 else n.sum(axis=1) > 0
    result = np.full((2, len(x)), np.nan)
    for k in np.flatnonzero(is_in):
        others = is_in.copy()
        others[k] = False
        if others.sum() >= MIN_OTHERS:
            result[:, k] = pooled(x[others], n[others]).select("overdispersion", "tau2").row(0)
    return result[0], result[1]


def _pooled_ratio(observed: np.ndarray, exposure: np.ndarray) -> pl.DataFrame:
    totals = exposure.sum(axis=0)
    rates = observed.sum(axis=0) / np.where(totals > 0, totals, 1)
    return funnel_ratio(observed.sum(axis=1), exposure @ rates, method="sqrt")


def _none(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(x)
    nothing = np.full(size, np.nan)
    return nothing, nothing
