"""The log-rank test of curves.

Here: the test over a frame of durations, as of survival.py. Not here: the curves (survival.py).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics.survival import columns_of, observed_rows, parts_of


@dataclass(frozen=True, kw_only=True)
class LogRank:
    """Chi-squared `statistic` on `degrees_of_freedom`; None with a `reason` where it can't be
    given.

    `groups`: one row per group: the `by` columns, `n`, `observed` and `expected` events.
    """

    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    groups: pl.DataFrame
    reason: str | None = None


def log_rank(frame: pl.DataFrame, duration, event, by) -> LogRank:
    """Whether the groups' survival differs: Mantel-Haenszel chi-squared on (groups at risk - 1).

    As R's survdiff with rho = 0. Null hypothesis: one survival curve for all.
    """
    keys = columns_of(by)
    if not keys:
        raise UsageError("by is not given: name the column, or columns, of the groups to compare")
    rows = observed_rows(frame, duration, event, keys)
    groups = [part for _, part in parts_of(rows, keys)]
    observed, expected, variance = _mantel_haenszel(rows, groups)
    table = (
        rows.select(keys)
        .unique()
        .sort(keys)
        .with_columns(
            n=pl.Series([part.height for part in groups], dtype=pl.Int64),
            observed=pl.Series(observed, dtype=pl.Float64).cast(pl.Int64),
            expected=pl.Series(expected, dtype=pl.Float64),
        )
    )
    compared = expected > 0
    freedom = max(int(compared.sum()) - 1, 0)
    if not freedom:
        reason = (
            "no events"
            if len(groups) > 1 and not observed.sum()
            else "fewer than two groups at risk"
        )
        return LogRank(
            statistic=None, degrees_of_freedom=0, p_value=None, groups=table, reason=reason
        )
    used = np.flatnonzero(compared)[:-1]
    excess = (observed - expected)[used]
    statistic = float(excess @ np.linalg.pinv(variance[np.ix_(used, used)]) @ excess)
    return LogRank(
        statistic=statistic,
        degrees_of_freedom=freedom,
        p_value=float(stats.chi2.sf(statistic, freedom)),
        groups=table,
    )


def _mantel_haenszel(rows: pl.DataFrame, groups: list[pl.DataFrame]):
    """Observed and expected events of each group, and their hypergeometric covariance."""
    times = np.unique(rows.filter("event")["time"].to_numpy())
    shape = (len(groups), len(times))
    risk, events = (
        np.reshape([count(g, times) for g in groups], shape) for count in (_at_risk, _events)
    )
    n, d = risk.sum(axis=0), events.sum(axis=0)
    share = risk / n
    spread = d * (n - d) / np.maximum(n - 1, 1)
    variance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    return events.sum(axis=1), (share * d).sum(axis=1), variance


def _at_risk(part: pl.DataFrame, times: np.ndarray) -> np.ndarray:
    ends = np.sort(part["time"].to_numpy())
    n_gone = np.searchsorted(ends, times, side="left")
    return part.height - n_gone


def _events(part: pl.DataFrame, times: np.ndarray) -> np.ndarray:
    at = np.sort(part.filter("event")["time"].to_numpy())
    return np.searchsorted(at, times, side="right") - np.searchsorted(at, times, side="left")
