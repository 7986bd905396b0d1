"""Statistical process control: charts of one process over time, with limits and signals by rule.

Here: u-, p-, c-, XmR, g- and t-charts, the NHS rules and icons; `cusum` and `cusum_limit` come from
cusum.py. Not here: which figures are charted (marts/control_charts.py), comparison between clinics
(funnel.py).

A chart takes sequences, arrays or polars series in order of time and gives a frame, one row a
point: `point` (from 1), `value`, what it was made of, `center`, `lower`, `upper`, a column for each
rule, `point_type` (the first rule that holds, in the order outside, trend, two of three, shift;
else `common_cause`), `signal_direction` and `variation_icon`. A point without a value has no
signal, makes no limits, and the rules and moving ranges pass over it.

Each rule says which way: a trend is `rising` or `falling`, wherever it lies; the others are `high`
or `low`, by the side on which their points lie. Better or worse is judged by that of the rule that
gives `point_type`.

`baseline` is how many first points with a value the limits are computed from (None = all),
`baseline_points` how many there were; with fewer than 12 they are trial limits. `run` is how many
points make a shift or a trend, 6 or 7. `direction` says what is better: `higher`, `lower` or None.
Nonsense is a `UsageError`.

Sources: Montgomery, Introduction to Statistical Quality Control (u, p, c); NHS England "Making data
count" as in NHSRplotthedots (XmR, rules, icons); Benneyan 2001 (g); Nelson 1994 (t).
"""

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.statistics.cusum import (
    CusumLimit,
    bernoulli_weights,
    cusum,
    cusum_limit,
    poisson_reference,
    rising_since,
)
from transforms.statistics.intervals import aligned, counts_of, exposures_of, finite

from ..facts.values import BASELINE_POINTS
from .spc_signals import BETTER, Limits, assurance, signal_columns, signals_of

__all__ = [
    "CusumLimit",
    "bernoulli_weights",
    "c_chart",
    "cusum",
    "cusum_limit",
    "g_chart",
    "p_chart",
    "poisson_reference",
    "rising_since",
    "t_chart",
    "u_chart",
    "xmr",
]
RUNS = (7, 6)  # points of a shift or a trend: NHS England's, and the other that is in use
_XMR_LIMIT = 2.66  # 3 / d2 for ranges of two values
_MR_SCREEN = 3.267  # upper limit of a moving range over their mean
_T_POWER = 3.6  # makes an exponential time between events close to normal (Nelson 1994)


def u_chart(events, exposure, per=1, *, baseline=None, direction=None, run=RUNS[0]) -> pl.DataFrame:
    """Events per `per` units of exposure: u = sum(x) / sum(n), limits u ± 3·sqrt(u / n_i), not
    below 0.

    `exposure` is one number for all points or one a point; a point without exposure has no value.
    """
    x, n = aligned(np.atleast_1d(counts_of(events, name="events")[0]), exposures_of(exposure)[0])
    rate, n = _pooled(x, n, baseline)
    limits = _three_sigma(per * rate, per * np.sqrt(rate / n), floor=0)
    made_of = {"events": x, "exposure": n}
    return _chart(
        per * x / n, limits, made_of=made_of, baseline=baseline, direction=direction, run=run
    )


def p_chart(x, n, *, baseline=None, direction=None, run=RUNS[0]) -> pl.DataFrame:
    """Share x / n: p = sum(x) / sum(n), limits p ± 3·sqrt(p (1 - p) / n_i), within 0 and 1."""
    x, n = aligned(*(np.atleast_1d(a) for a in counts_of(x, n, name="counts")))
    if np.any(x > n):
        raise UsageError(f"{x[x > n][0]:g} of {n[x > n][0]:g}: a part can't exceed its whole")
    share, n = _pooled(x, n, baseline)
    limits = _three_sigma(share, np.sqrt(share * (1 - share) / n), floor=0, ceiling=1)
    return _chart(
        x / n, limits, made_of={"x": x, "n": n}, baseline=baseline, direction=direction, run=run
    )


def c_chart(counts, *, baseline=None, direction=None, run=RUNS[0]) -> pl.DataFrame:
    """Counts of equal opportunity: c = mean, limits c ± 3·sqrt(c), not below 0."""
    counts = np.atleast_1d(counts_of(counts, name="counts")[0])
    center = _mean(counts[_base(counts, baseline)])
    limits = _three_sigma(center, np.full(counts.shape, np.sqrt(center)), floor=0)
    return _chart(counts, limits, baseline=baseline, direction=direction, run=run)


def xmr(
    values, baseline=None, direction=None, target=None, screen=False, *, run=RUNS[0]
) -> pl.DataFrame:
    """XmR by the NHS's "Making data count": mean ± 2.66 · mean moving range.

    A moving range is that between a value and the value before it, also where points between them
    have none. `screen` leaves out, once, moving ranges of 3.267 times their mean or more. The frame
    adds `moving_range`, `mean_moving_range`, `near_lower`, `near_upper`, `is_trial_limits` and
    `assurance_icon`: with a `target` and a `direction`, whether the limits (of the last point) lie
    wholly on the good side of the target (`pass`), on the bad one (`fail`) or neither
    (`inconsistent`).
    """
    values = np.atleast_1d(finite(values))
    base = values[_base(values, baseline)]
    ranges = np.abs(np.diff(base))
    if screen:
        ranges = ranges[ranges < _MR_SCREEN * _mean(ranges)]
    spread = np.full(values.shape, _XMR_LIMIT * _mean(ranges) / 3)
    limits = _three_sigma(_mean(base), spread)
    made_of = {
        "moving_range": _moving_ranges(values),
        "mean_moving_range": 3 * spread / _XMR_LIMIT,
        "near_lower": limits.near_lower,
        "near_upper": limits.near_upper,
    }
    chart = _chart(values, limits, made_of=made_of, baseline=baseline, direction=direction, run=run)
    return chart.with_columns(
        assurance_icon=pl.lit(assurance(limits, target, direction), pl.String)
    )


def g_chart(gaps, *, baseline=None, direction=None, run=RUNS[0]) -> pl.DataFrame:
    """Opportunities (sessions) without an event between two events: g = mean, limits g ± 3·sqrt(g
    (g + 1)), from 0.

    The geometric distribution is skewed: shifts are judged about its `median`, and two of three
    does not hold.
    """
    gaps = np.atleast_1d(counts_of(gaps, name="gaps")[0])
    center = _mean(gaps[_base(gaps, baseline)])
    limits = _three_sigma(center, np.full(gaps.shape, np.sqrt(center * (center + 1))), floor=0)
    limits = Limits(center=limits.center, lower=limits.lower, upper=limits.upper)
    with np.errstate(divide="ignore"):
        median = np.maximum(np.ceil(np.log(0.5) / np.log1p(-1 / (center + 1))) - 1, 0)
    median = np.full(gaps.shape, median)
    return _chart(
        gaps,
        limits,
        made_of={"median": median},
        middle=median,
        baseline=baseline,
        direction=direction,
        run=run,
    )


def t_chart(gaps, *, baseline=None, direction=None, run=RUNS[0]) -> pl.DataFrame:
    """Time between two events, any unit: an XmR chart of gap^(1/3.6), its lines taken back (Nelson
    1994).

    `center` is so near the median; the lower limit is not below 0.
    """
    gaps = np.atleast_1d(exposures_of(gaps)[0])
    chart = xmr(gaps ** (1 / _T_POWER), baseline=baseline, direction=direction, run=run)
    lines = [pl.col(c).clip(lower_bound=0) ** _T_POWER for c in ("center", "lower", "upper")]
    kept = [
        c
        for c in chart.columns
        if c not in ("moving_range", "mean_moving_range", "near_lower", "near_upper")
    ]
    value = pl.Series("value", gaps).fill_nan(None)
    return chart.select(kept).drop("assurance_icon").with_columns(value, *lines)


def _three_sigma(center: float, sigma: np.ndarray, *, floor=-np.inf, ceiling=np.inf) -> Limits:
    lower, near_lower, near_upper, upper = (center + k * sigma for k in (-3, -2, 2, 3))
    return Limits(
        center=np.full(sigma.shape, center),
        lower=np.maximum(lower, floor),
        upper=np.minimum(upper, ceiling),
        near_lower=near_lower,
        near_upper=near_upper,
    )


def _pooled(x: np.ndarray, n: np.ndarray, baseline) -> tuple[float, np.ndarray]:
    """sum(x) / sum(n) of the baseline's points that have both, and n with NaN where there is
    none.
    """
    n = np.where(n > 0, n, np.nan)
    base = _base(x / n, baseline)
    return (float(x[base].sum() / n[base].sum()) if base.size else np.nan), n


def _base(values: np.ndarray, baseline) -> np.ndarray:
    """Where the points stand that make the limits: the first `baseline` that have a value."""
    if baseline is not None and (
        not isinstance(baseline, int | float | np.number) or not 1 <= baseline == baseline // 1
    ):
        raise UsageError(
            f"baseline is {baseline}: give the number of first points, from 1, or None for all"
        )
    return np.flatnonzero(~np.isnan(values))[: None if baseline is None else int(baseline)]


def _moving_ranges(values: np.ndarray) -> np.ndarray:
    """From the last value before; NaN for the first and where there is none."""
    ranges, places = np.full(values.shape, np.nan), np.flatnonzero(~np.isnan(values))
    ranges[places[1:]] = np.abs(np.diff(values[places]))
    return ranges


def _mean(values: np.ndarray) -> float:
    given = values[~np.isnan(values)]
    if not given.size:
        return np.nan
    return float(given.mean())


def _chart(
    value: np.ndarray,
    limits: Limits,
    *,
    made_of=None,
    middle=None,
    baseline=None,
    direction=None,
    run=RUNS[0],
) -> pl.DataFrame:
    """The frame of a chart; `middle` is what shifts are judged about, where it is not the center
    line.
    """
    if direction not in BETTER:
        raise UsageError(f"unknown direction {direction!r}: give higher, lower or None")
    if run not in RUNS:
        raise UsageError(
            f"run is {run!r}: a shift or a trend has {' or '.join(str(r) for r in sorted(RUNS))} points"
        )
    signals = signals_of(value, limits, limits.center if middle is None else middle, run=run)
    arrays = {
        "point": np.arange(1, len(value) + 1),
        "value": value,
        **(made_of or {}),
        "center": limits.center,
        "lower": limits.lower,
        "upper": limits.upper,
    }
    frame = pl.DataFrame(arrays).with_columns(pl.exclude("point").cast(pl.Float64).fill_nan(None))
    used = len(_base(value, baseline))
    return frame.with_columns(
        **{f"is_{rule}": pl.Series(way != 0) for rule, way in signals.items()},
        **signal_columns(signals, better=BETTER[direction]),
        baseline_points=pl.lit(used, pl.Int64),
        is_trial_limits=pl.lit(used < BASELINE_POINTS),
    )
