"""Statistical process control: charts of one process over time, with limits and signals by rule.

Here: u-, p-, c-, XmR, g- and t-charts, the NHS rules and icons; `cusum` and `cusum_limit` come from cusum.py.
Not here: which figures are charted (marts/control_charts.py), comparison between clinics (funnel.py).

A chart takes sequences, arrays or polars series in order of time and gives a frame, one row a point: `point` (from 1),
`value`, what it was made of, `center`, `lower`, `upper`, a column for each rule, `point_type` (the first rule that
holds, in the order outside, trend, two of three, shift; else `common_cause`) and `variation_icon`. A point without a
value has no signal, and the rules pass over it.

`baseline` is how many first points the limits are computed from (None = all); with fewer than 12 they are trial
limits. `direction` says what is better: `higher`, `lower` or None. Nonsense is a `UsageError`.

Sources: Montgomery, Introduction to Statistical Quality Control (u, p, c); NHS England "Making data count" as in
NHSRplotthedots (XmR, rules, icons); Benneyan 2001 (g); Nelson 1994 (t).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.cusum import CusumLimit, bernoulli_weights, cusum, cusum_limit, poisson_reference
from transforms.errors import UsageError
from transforms.intervals import aligned, counts_of, exposures_of, finite

__all__ = [
    "BASELINE_POINTS",
    "CusumLimit",
    "bernoulli_weights",
    "c_chart",
    "cusum",
    "cusum_limit",
    "g_chart",
    "p_chart",
    "poisson_reference",
    "t_chart",
    "u_chart",
    "xmr",
]

BASELINE_POINTS = 12  # fewer give trial limits
RULES = ("outside", "trend", "two_of_three", "shift")  # by precedence
COMMON_CAUSE = "common_cause"
_RUN = 7  # points of a shift or a trend
_XMR_LIMIT = 2.66  # 3 / d2 for ranges of two values
_MR_SCREEN = 3.267  # upper limit of a moving range over their mean
_T_POWER = 3.6  # makes an exponential time between events close to normal (Nelson 1994)
_BETTER = {None: 0, "none": 0, "neutral": 0, "higher": 1, "increase": 1, "lower": -1, "decrease": -1}


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """Lines of a chart, arrays of one shape: `near_…` at two thirds of the way, None where the rule does not hold."""

    center: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    near_lower: np.ndarray | None = None
    near_upper: np.ndarray | None = None


# --- counts ---------------------------------------------------------------------------------------


def u_chart(events, exposure, per=1, *, baseline=None, direction=None) -> pl.DataFrame:
    """Events per `per` units of exposure: u = sum(x) / sum(n), limits u ± 3·sqrt(u / n_i), not below 0.

    `exposure` is one number for all points or one a point; a point without exposure has no value.
    """
    x, n = aligned(np.atleast_1d(counts_of(events, name="events")[0]), exposures_of(exposure)[0])
    rate, n = _pooled(x, n, baseline)
    limits = _three_sigma(per * rate, per * np.sqrt(rate / n), floor=0)
    made_of = {"events": x, "exposure": n}
    return _chart(per * x / n, limits, made_of=made_of, baseline=baseline, direction=direction)


def p_chart(x, n, *, baseline=None, direction=None) -> pl.DataFrame:
    """Share x / n: p = sum(x) / sum(n), limits p ± 3·sqrt(p (1 - p) / n_i), within 0 and 1."""
    x, n = aligned(*(np.atleast_1d(a) for a in counts_of(x, n, name="counts")))
    if np.any(x > n):
        raise UsageError(f"{x[x > n][0]:g} of {n[x > n][0]:g}: a part can't exceed its whole")
    share, n = _pooled(x, n, baseline)
    limits = _three_sigma(share, np.sqrt(share * (1 - share) / n), floor=0, ceiling=1)
    return _chart(x / n, limits, made_of={"x": x, "n": n}, baseline=baseline, direction=direction)


def c_chart(counts, *, baseline=None, direction=None) -> pl.DataFrame:
    """Counts of equal opportunity: c = mean, limits c ± 3·sqrt(c), not below 0."""
    counts = np.atleast_1d(counts_of(counts, name="counts")[0])
    center = _mean(_base(counts, baseline))
    limits = _three_sigma(center, np.full(counts.shape, np.sqrt(center)), floor=0)
    return _chart(counts, limits, baseline=baseline, direction=direction)


# --- single values --------------------------------------------------------------------------------


def xmr(values, baseline=None, direction=None, target=None, screen=False) -> pl.DataFrame:
    """XmR by the NHS's "Making data count": mean ± 2.66 · mean moving range.

    `screen` leaves out, once, moving ranges of 3.267 times their mean or more. The frame adds `moving_range`,
    `mean_moving_range`, `near_lower`, `near_upper`, `is_trial_limits` and `assurance_icon`: with a `target` and a
    `direction`, whether the limits (of the last point) lie wholly on the good side of the target (`pass`), on the bad
    one (`fail`) or neither (`inconsistent`).
    """
    values = np.atleast_1d(finite(values))
    base = _base(values, baseline)
    ranges = np.abs(np.diff(base))
    if screen:
        ranges = ranges[ranges < _MR_SCREEN * _mean(ranges)]
    spread = np.full(values.shape, _XMR_LIMIT * _mean(ranges) / 3)
    limits = _three_sigma(_mean(base), spread)
    made_of = {"moving_range": np.concatenate([[np.nan], np.abs(np.diff(values))])[: len(values)],
               "mean_moving_range": 3 * spread / _XMR_LIMIT, "near_lower": limits.near_lower,
               "near_upper": limits.near_upper}  # fmt: skip
    chart = _chart(values, limits, made_of=made_of, baseline=baseline, direction=direction)
    return chart.with_columns(assurance_icon=pl.lit(_assurance(limits, target, direction), pl.String))


# --- rare events ----------------------------------------------------------------------------------


def g_chart(gaps, *, baseline=None, direction=None) -> pl.DataFrame:
    """Opportunities (sessions) without an event between two events: g = mean, limits g ± 3·sqrt(g (g + 1)), from 0.

    The geometric distribution is skewed: shifts are judged about its `median`, and two of three does not hold.
    """
    gaps = np.atleast_1d(counts_of(gaps, name="gaps")[0])
    center = _mean(_base(gaps, baseline))
    limits = _three_sigma(center, np.full(gaps.shape, np.sqrt(center * (center + 1))), floor=0)
    limits = _Limits(center=limits.center, lower=limits.lower, upper=limits.upper)
    with np.errstate(divide="ignore"):
        median = np.maximum(np.ceil(np.log(0.5) / np.log1p(-1 / (center + 1))) - 1, 0)
    median = np.full(gaps.shape, median)
    return _chart(gaps, limits, made_of={"median": median}, middle=median, baseline=baseline, direction=direction)


def t_chart(gaps, *, baseline=None, direction=None) -> pl.DataFrame:
    """Time between two events, any unit: an XmR chart of gap^(1/3.6), its lines taken back (Nelson 1994).

    `center` is so near the median; the lower limit is not below 0.
    """
    gaps = np.atleast_1d(exposures_of(gaps)[0])
    chart = xmr(gaps ** (1 / _T_POWER), baseline=baseline, direction=direction)
    lines = [pl.col(c).clip(lower_bound=0) ** _T_POWER for c in ("center", "lower", "upper")]
    kept = [c for c in chart.columns if c not in ("moving_range", "mean_moving_range", "near_lower", "near_upper")]
    value = pl.Series("value", gaps).fill_nan(None)
    return chart.select(kept).drop("assurance_icon").with_columns(value, *lines)


# --- limits ---------------------------------------------------------------------------------------


def _three_sigma(center: float, sigma: np.ndarray, *, floor=-np.inf, ceiling=np.inf) -> _Limits:
    lower, near_lower, near_upper, upper = (center + k * sigma for k in (-3, -2, 2, 3))
    return _Limits(
        center=np.full(sigma.shape, center),
        lower=np.maximum(lower, floor),
        upper=np.minimum(upper, ceiling),
        near_lower=near_lower,
        near_upper=near_upper,
    )


def _pooled(x: np.ndarray, n: np.ndarray, baseline) -> tuple[float, np.ndarray]:
    """sum(x) / sum(n) of the baseline's points that have both, and n with NaN where there is none."""
    n = np.where(n > 0, n, np.nan)
    base = ~np.isnan(_base(x, baseline)) & ~np.isnan(_base(n, baseline))
    if not base.any():
        return np.nan, n
    return float(_base(x, baseline)[base].sum() / _base(n, baseline)[base].sum()), n


def _base(values: np.ndarray, baseline) -> np.ndarray:
    if baseline is not None and (
        not isinstance(baseline, int | float | np.number) or not 1 <= baseline == baseline // 1
    ):
        raise UsageError(f"baseline is {baseline}: give the number of first points, from 1, or None for all")
    return values if baseline is None else values[: int(baseline)]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


# --- rules ----------------------------------------------------------------------------------------


def _chart(
    value: np.ndarray, limits: _Limits, *, made_of=None, middle=None, baseline=None, direction=None
) -> pl.DataFrame:
    """The frame of a chart; `middle` is what shifts are judged about, where it is not the center line."""
    if direction not in _BETTER:
        raise UsageError(f"unknown direction {direction!r}: give higher, lower or None")
    middle = limits.center if middle is None else middle
    known = np.flatnonzero(~np.isnan(value))
    signals, side = _signals(value, limits, middle, known=known)
    arrays = {"point": np.arange(1, len(value) + 1), "value": value, **(made_of or {}), "center": limits.center,
              "lower": limits.lower, "upper": limits.upper}  # fmt: skip
    frame = pl.DataFrame(arrays).with_columns(pl.exclude("point").cast(pl.Float64).fill_nan(None))
    used = int((known < (len(value) if baseline is None else baseline)).sum())
    frame = frame.with_columns(pl.Series(f"is_{rule}", hits) for rule, hits in signals.items())
    return frame.with_columns(
        point_type=_point_type(),
        is_trial_limits=pl.lit(used < BASELINE_POINTS),
        variation_icon=_variation_icon(pl.Series(side, dtype=pl.Int8), better=_BETTER[direction]),
    )


def _signals(
    value: np.ndarray, limits: _Limits, middle: np.ndarray, *, known: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A flag a point for each rule (NHSRplotthedots), and the side of the middle (-1, 0, 1)."""
    slack = 1e-12 * np.abs(value[known]).max(initial=0)  # a constant process is not outside its own limits
    v = value[known]
    above = v - limits.upper[known] > slack
    below = limits.lower[known] - v > slack
    side = np.where(np.abs(v - middle[known]) > slack, np.sign(v - middle[known]), 0)
    side = np.where(np.isnan(side), 0, side)
    near = np.zeros(len(v), bool)
    if limits.near_upper is not None:
        near = (v - limits.near_upper[known] > slack) | (limits.near_lower[known] - v > slack)
    moves = np.sign(np.diff(v))
    found = {
        "outside": above | below,
        "trend": _covered(moves > 0, _RUN - 1, width=_RUN) | _covered(moves < 0, _RUN - 1, width=_RUN),
        "two_of_three": _two_of_three(near & ~above & ~below, side),
        "shift": _covered(side > 0, _RUN, width=_RUN) | _covered(side < 0, _RUN, width=_RUN),
    }
    sides = np.zeros(len(value), np.int8)
    sides[known] = side
    return {rule: _placed(hits, known, len(value)) for rule, hits in found.items()}, sides


def _covered(hits: np.ndarray, length: int, *, width: int) -> np.ndarray:
    """The points of every run: where `length` successive hits start, that point and the following, `width` in all."""
    size = len(hits) + width - length
    points = np.zeros(size, bool)
    if len(hits) >= length:
        starts = np.lib.stride_tricks.sliding_window_view(hits, length).all(axis=1)
        for k in range(width):
            points[k : k + len(starts)] |= starts
    return points


def _two_of_three(near: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Of three successive points on one side, two or more near the limit (within it): those near it."""
    if len(near) < 3:
        return np.zeros(len(near), bool)
    window = np.lib.stride_tricks.sliding_window_view
    starts = (window(near, 3).sum(axis=1) >= 2) & (np.abs(window(side, 3).sum(axis=1)) == 3)
    points = np.zeros(len(near), bool)
    for k in range(3):
        points[k : k + len(starts)] |= starts
    return points & near


def _placed(hits: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    placed = np.zeros(size, bool)
    placed[known] = hits[: len(known)]
    return placed


# --- icons ----------------------------------------------------------------------------------------


def _point_type() -> pl.Expr:
    rule = pl.lit(COMMON_CAUSE)
    for name in reversed(RULES):
        rule = pl.when(pl.col(f"is_{name}")).then(pl.lit(name)).otherwise(rule)
    return rule


def _variation_icon(side: pl.Series, *, better: int) -> pl.Expr:
    """The point's NHS icon: a signal on the better side of the middle is an improvement, on the other a concern."""
    signal = pl.any_horizontal(*(f"is_{rule}" for rule in RULES))
    judged = pl.lit((side * better).cast(pl.Int8))
    icon = pl.when(judged > 0).then(pl.lit("special_cause_improvement"))
    icon = icon.when(judged < 0).then(pl.lit("special_cause_concern")).otherwise(pl.lit("special_cause_neither"))
    return pl.when(~signal).then(pl.lit(COMMON_CAUSE)).otherwise(icon)


def _assurance(limits: _Limits, target, direction) -> str | None:
    better = _BETTER.get(direction, 0)
    if target is None or not better or not len(limits.upper) or np.isnan(limits.upper[-1]):
        return None
    if limits.lower[-1] <= target <= limits.upper[-1]:
        return "inconsistent"
    return "pass" if (target < limits.lower[-1]) == (better > 0) else "fail"
