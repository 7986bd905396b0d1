"""Signals of a control chart: where its rules hold, which way, and what that means.

Here: the rules on values and lines (NHSRplotthedots), the NHS icons. Not here: the lines (spc.py).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

RULES = ("outside", "trend", "two_of_three", "shift")  # by precedence
COMMON_CAUSE = "common_cause"
BETTER = {
    None: 0,
    "none": 0,
    "neutral": 0,
    "higher": 1,
    "increase": 1,
    "lower": -1,
    "decrease": -1,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Lines of a chart, arrays of one shape: `near_…` at two thirds of the way, None where the rule
    does not hold.
    """

    center: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    near_lower: np.ndarray | None = None
    near_upper: np.ndarray | None = None


def signals_of(
    value: np.ndarray, limits: Limits, middle: np.ndarray, *, run: int
) -> dict[str, np.ndarray]:
    """For each rule (NHSRplotthedots) one number per point: 1 a signal upwards, -1 downwards, 0
    none.
    """
    places = np.flatnonzero(~np.isnan(value))
    slack = 1e-12 * np.abs(value[places]).max(
        initial=0
    )  # a constant process is not outside its own limits
    v = value[places]
    outside = _side(v, limits.lower[places], limits.upper[places], slack)
    near = np.zeros(len(v), np.int8)
    if limits.near_upper is not None:
        near = np.where(
            outside == 0, _side(v, limits.near_lower[places], limits.near_upper[places], slack), 0
        )
    side = _side(v, middle[places], middle[places], slack)
    signals = {
        "outside": outside,
        "trend": _runs(np.sign(np.diff(v)), run - 1, width=run),
        "two_of_three": _two_of_three(near, side),
        "shift": _runs(side, run, width=run),
    }
    return {rule: _placed(ways, places, len(value)) for rule, ways in signals.items()}


def _side(v: np.ndarray, lower: np.ndarray, upper: np.ndarray, slack: float) -> np.ndarray:
    """1 above the upper line, -1 below the lower; 0 between them, and where there is no line."""
    is_above, is_below = v - upper > slack, lower - v > slack
    return is_above.astype(np.int8) - is_below.astype(np.int8)


def _runs(ways: np.ndarray, length: int, *, width: int) -> np.ndarray:
    """Runs of `length` equal signs: that point and the following, `width` in all, with the run's
    sign.

    A point at which one trend ends and the other begins belongs to the one that it ends: that one
    could be seen first.
    """
    points = np.zeros(len(ways) + width - length, np.int8)
    if len(ways) < length:
        return points
    sums = np.lib.stride_tricks.sliding_window_view(ways, length).sum(axis=1)
    for start in np.flatnonzero(np.abs(sums) == length)[::-1]:
        points[start : start + width] = np.sign(sums[start])
    return points


def _two_of_three(near: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Of three successive points on one side, two or more near the limit (within it): those near
    it.
    """
    points = np.zeros(len(near), np.int8)
    if len(near) < 3:
        return points
    window = np.lib.stride_tricks.sliding_window_view
    starts = (np.abs(window(near, 3)).sum(axis=1) >= 2) & (np.abs(window(side, 3).sum(axis=1)) == 3)
    for start in np.flatnonzero(starts):
        points[start : start + 3] = near[start : start + 3]
    return points


def _placed(ways: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    placed = np.zeros(size, np.int8)
    placed[places] = ways[: len(places)]
    return placed


# A rule's way up and down in words
_WAYS = {
    "trend": ("rising", "falling"),
    **dict.fromkeys(("outside", "two_of_three", "shift"), ("high", "low")),
}
_ICONS = {1: "special_cause_improvement", -1: "special_cause_concern", 0: "special_cause_neither"}


def signal_columns(signals: dict[str, np.ndarray], *, better: int) -> dict[str, pl.Series]:
    """`point_type`, `signal_direction` and the NHS `variation_icon`, all of the first rule that
    holds at a point.
    """
    size = len(signals[RULES[0]])
    kinds, ways, icons = [COMMON_CAUSE] * size, [None] * size, [COMMON_CAUSE] * size
    for rule in reversed(RULES):
        for k in np.flatnonzero(signals[rule]):
            way = int(signals[rule][k])
            kinds[k], ways[k], icons[k] = rule, _WAYS[rule][way < 0], _ICONS[way * better]
    return {
        "point_type": pl.Series(kinds, dtype=pl.String),
        "signal_direction": pl.Series(ways, dtype=pl.String),
        "variation_icon": pl.Series(icons, dtype=pl.String),
    }


def assurance(limits: Limits, target, direction) -> str | None:
    better = BETTER.get(direction, 0)
    if target is None or not better or not len(limits.upper) or np.isnan(limits.upper[-1]):
        return None
    if limits.lower[-1] <= target <= limits.upper[-1]:
        return "inconsistent"
    if (target < limits.lower[-1]) == (better > 0):
        return "pass"
    return "fail"
