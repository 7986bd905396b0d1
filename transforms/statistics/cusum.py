"""Cumulative sums that see a small, lasting change: tabular, Poisson and Bernoulli; their limit by
simulation.

Here: the sums and the limit `h` that gives an in-control average run length (ARL). Not here:
Shewhart charts (spc.py, which also gives these functions under its name).

No sum is set back after a signal: the chart shows how far the process has gone. Sources:
Montgomery, Introduction to Statistical Quality Control, chapter 9 (tabular); Lucas 1985
Technometrics 27:129 (Poisson); Steiner et al. 2000 Biostatistics 1:441 (Bernoulli, risk-adjusted).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.statistics.intervals import aligned, counts_of, exposures_of, finite, floats

KINDS = ("tabular", "poisson", "bernoulli")
_LONG_RUN = 2000  # steps from which a run length counts as exponential, so that one ARL of each run is enough


@dataclass(frozen=True, kw_only=True)
class CusumLimit:
    """`h`, the ARL that the simulation gave with it (same unit as asked), and that ARL's standard
    error.
    """

    h: float
    arl: float
    standard_error: float


def cusum(
    values,
    target=None,
    sd=None,
    k=0.5,
    h=5,
    *,
    kind="tabular",
    exposure=1,
    in_control=None,
    out_of_control=None,
    odds_ratio=2,
) -> pl.DataFrame:
    """One row per value, in order: `point`, `value`, `c_plus`, `c_minus`, `center` (0), `lower`,
    `upper`, `is_outside`.

    `tabular`: values with `target` and `sd`; C+ = max(0, C+ + x - target - k·sd), C- alike for
    falls, both in the values' unit and not below 0; a signal where one exceeds h·sd. `poisson`:
    counts with `exposure` (one for all, or one each), rates `in_control` and `out_of_control`: C =
    max(0, C + x - k·n), k of `poisson_reference`; below the in-control rate it is C- that is
    summed. `bernoulli`: 1 and 0 with the in-control probability (one, or each person's own) and
    `odds_ratio` to detect: C = max(0, C + log-likelihood ratio); under 1 it is C-. Both signal from
    h on. The side that is not summed is null. A value that is null leaves the sums as they were.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}")
    if not _is_number(h) or h <= 0:
        raise UsageError(f"h is {h!r}: give a limit above 0")
    if kind == "tabular":
        return _tabular(np.atleast_1d(finite(values)), target, sd, k=k, h=h)
    if kind == "poisson":
        counts, exposure = aligned(
            np.atleast_1d(counts_of(values, name="events")[0]), exposures_of(exposure)[0]
        )
        reference = poisson_reference(in_control, out_of_control)
        rises = out_of_control > in_control
        steps = (counts - reference * exposure) * (1 if rises else -1)
        return _one_sided(counts, steps, h=h, rises=rises)
    outcomes = np.atleast_1d(floats(values))
    if not np.isin(outcomes[~np.isnan(outcomes)], (0, 1)).all():
        raise UsageError("bernoulli takes 1 (event), 0 (none) and null: found another value")
    event, none = bernoulli_weights(in_control, odds_ratio)
    steps = np.where(np.isnan(outcomes), np.nan, np.where(outcomes == 1, event, none))
    return _one_sided(outcomes, steps, h=h, rises=odds_ratio > 1)


def _is_number(value) -> bool:
    return (
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def poisson_reference(in_control, out_of_control) -> float:
    """k = (λ1 - λ0) / (ln λ1 - ln λ0), events per unit of exposure (Lucas 1985)."""
    if in_control is None or out_of_control is None or min(in_control, out_of_control) <= 0:
        raise UsageError("a Poisson CUSUM needs an in-control and an out-of-control rate above 0")
    if in_control == out_of_control:
        raise UsageError(f"both rates are {in_control:g}: there is no change to detect")
    return float((out_of_control - in_control) / (np.log(out_of_control) - np.log(in_control)))


def bernoulli_weights(in_control, odds_ratio=2) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood ratio of an event and of none: ln(R / (1 - p + R p)), ln(1 / (1 - p + R p))
    (Steiner 2000).
    """
    p = floats(np.nan if in_control is None else in_control)
    if not np.all((p > 0) & (p < 1)):
        raise UsageError("a Bernoulli CUSUM needs in-control probabilities between 0 and 1")
    if odds_ratio <= 0 or odds_ratio == 1:
        raise UsageError(f"odds_ratio is {odds_ratio:g}: give a positive number other than 1")
    scale = 1 - p + odds_ratio * p
    return np.log(odds_ratio / scale), np.log(1 / scale)


def rising_since(sums) -> int | None:
    """Where the rise began that the sum has not fallen back from: the point after its last 0; None
    at 0, and of none.

    It is the most likely point of change (Page 1954), with any step of a log-likelihood ratio.
    """
    heights = floats(sums)
    if not heights.size or heights[-1] <= 0:
        return None
    zeros = np.flatnonzero(heights <= 0)
    if not zeros.size:
        return 0
    return int(zeros[-1]) + 1


# --- sums ---------------------------------------------------------------------------------------


def _tabular(values: np.ndarray, target, sd, *, k, h) -> pl.DataFrame:
    if not (_is_number(target) and _is_number(sd) and _is_number(k)) or sd <= 0:
        raise UsageError(
            f"a tabular CUSUM needs a target and an sd above 0: found {target} and {sd}, with k {k}"
        )
    high = _sum(values - target - k * sd)
    low = _sum(target - values - k * sd)
    is_outside = (high > h * sd) | (low > h * sd)
    return _frame(values, high, low, limit=h * sd, is_outside=is_outside)


def _one_sided(values: np.ndarray, steps: np.ndarray, *, h, rises: bool) -> pl.DataFrame:
    sums, nothing = _sum(steps), np.full(len(values), np.nan)
    high, low = (sums, nothing) if rises else (nothing, sums)
    return _frame(values, high, low, limit=h, is_outside=sums >= h)


def _sum(steps: np.ndarray) -> np.ndarray:
    """max(0, sum so far + step), from 0: the walk less the lowest point that it has reached, 0
    included.
    """
    given = np.where(np.isnan(steps), 0, steps)
    walk = np.cumsum(given)
    if not len(walk):
        return walk
    lowest = np.minimum.accumulate(walk)
    return walk - np.minimum(lowest, 0)


def _frame(values, high, low, *, limit, is_outside) -> pl.DataFrame:
    size = len(values)
    arrays = {
        "point": np.arange(1, size + 1),
        "value": values,
        "c_plus": high,
        "c_minus": low,
        "center": np.zeros(size),
        "lower": np.full(size, -float(limit)),
        "upper": np.full(size, float(limit)),
        "is_outside": is_outside & ~np.isnan(values),
    }
    return pl.DataFrame(arrays).with_columns(
        pl.col("value", "c_plus", "c_minus").cast(pl.Float64).fill_nan(None)
    )


# --- the limit ----------------------------------------------------------------------------------


def cusum_limit(
    *,
    arl,
    seed,
    kind="tabular",
    k=0.5,
    exposure=1,
    in_control=None,
    out_of_control=None,
    odds_ratio=2,
    runs=1000,
) -> CusumLimit:
    """The smallest `h` whose in-control ARL is at least `arl`, from `runs` simulated processes.

    `arl` counts points: values (`tabular`, one-sided as each of C+ and C-, in standard deviations),
    periods of `exposure` (`poisson`) or persons (`bernoulli`). The same seed gives the same limit.
    Of processes that did not signal within the simulated time, that time counts, and the ARL is
    time over signals.
    """
    if not arl > 1 or runs < 2:
        raise UsageError(
            f"arl is {arl}, runs are {runs}: give an ARL above 1 point and at least 2 runs"
        )
    generator = np.random.default_rng(seed)
    points_per_step = 1
    if kind == "tabular":
        step = _to_next_value(generator, k, runs)
    elif kind == "poisson":
        step = _to_next_period(generator, in_control, out_of_control, exposure, runs)
    elif kind == "bernoulli" and odds_ratio > 1:
        step = _to_next_event(generator, in_control, odds_ratio, runs)
        points_per_step = 1 / in_control
    else:
        raise UsageError(
            f"no limit for kind {kind!r} with odds_ratio {odds_ratio}: detect a rise, or use poisson"
        )
    horizon = arl * (5 if arl / points_per_step < _LONG_RUN else 1)
    return _bisected(_Records(step, horizon=horizon, runs=runs), arl=arl)


def _to_next_value(generator, k, runs) -> Callable:
    """A step to the next value: one point, and the change of the sum."""

    def step():
        return 1, generator.standard_normal(runs) - k

    return step


def _to_next_period(generator, in_control, out_of_control, exposure, runs) -> Callable:
    """A step to the next period: one point, and the change of the sum."""
    reference = poisson_reference(in_control, out_of_control)
    sign = np.sign(out_of_control - in_control)

    def step():
        events = generator.poisson(in_control * exposure, runs)
        return 1, sign * (events - reference * exposure)

    return step


def _to_next_event(generator, in_control, odds_ratio, runs) -> Callable:
    """A step to the next event: how many persons, and the change of the sum. Between events it only
    falls.
    """
    event, none = (float(w) for w in bernoulli_weights(in_control, odds_ratio))

    def step():
        persons = generator.geometric(in_control, runs)
        return persons, (none * (persons - 1), event)

    return step


class _Records:
    """When each simulated sum first reached a height: every new maximum of a run, as (run, time,
    height).
    """

    def __init__(self, step: Callable, *, horizon: float, runs: int):
        maxima = list(_new_maxima(step, horizon=horizon, runs=runs))
        self.runs, self.horizon = runs, horizon
        self.run, self.time, self.height = (np.concatenate(a) for a in zip(*maxima, strict=True))

    def arl(self, h: float) -> tuple[float, int]:
        """Time over signals, and the signals, at limit `h`."""
        times = np.full(self.runs, float(self.horizon))
        is_reached = self.height >= h
        np.minimum.at(times, self.run[is_reached], self.time[is_reached])
        signals = len(np.unique(self.run[is_reached]))
        return (times.sum() / signals if signals else np.inf), signals


def _new_maxima(
    step: Callable, *, horizon: float, runs: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    time, level, highest = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    while time.min() < horizon:
        passed, change = step()
        time = time + passed
        falls, change = change if isinstance(change, tuple) else (0, change)
        level = np.maximum(np.maximum(level + falls, 0) + change, 0)
        is_new = (level > highest) & (time <= horizon)
        if is_new.any():
            highest[is_new] = level[is_new]
            where = np.flatnonzero(is_new)
            yield where, time[where], level[where]


def _bisected(records: _Records, *, arl: float) -> CusumLimit:
    heights = np.unique(records.height)
    low, high = 0, len(heights) - 1
    if records.arl(heights[high])[0] < arl:
        raise UsageError(f"no limit found for an ARL of {arl:g}: give more runs")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if records.arl(heights[middle])[0] >= arl else (middle + 1, high)
    reached, signals = records.arl(heights[low])
    return CusumLimit(
        h=float(heights[low]), arl=float(reached), standard_error=float(reached / np.sqrt(signals))
    )
