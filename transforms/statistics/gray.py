"""Gray's test: whether groups' curves of cumulative incidence differ.

Here: the test over a frame of durations, as of competing.py. Not here: the curves (competing.py).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics.competing import observed_events
from transforms.statistics.survival import columns_of, parts_of


@dataclass(frozen=True, kw_only=True)
class GrayTest:
    """Chi-squared `statistic` on `degrees_of_freedom`; None with a `reason` where it can't be
    given.

    `groups`: one row per group: the `by` columns, `n`, `observed` events and those `expected` of
    its share of the pooled risk set (summed over strata).
    """

    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    groups: pl.DataFrame
    reason: str | None = None


def gray_test(
    frame: pl.DataFrame, duration: str, event: str, by, *, of: str, strata=None
) -> GrayTest:
    """Whether the groups' cumulative incidence of the event `of` differs: Gray's K-sample test
    (1988), rho = 0, on (groups compared - 1); as R's cmprsk.

    `strata`: a column, or columns; scores and variances are computed within each and added. Null
    hypothesis: one cumulative incidence for all (of a stratum). Without competing events it is a
    log-rank test with Gray's variance.
    """
    keys, within = columns_of(by), columns_of(strata)
    if not keys:
        raise UsageError("by is not given: name the column, or columns, of the groups to compare")
    rows = observed_events(frame, duration, event, list(dict.fromkeys([*keys, *within])))
    groups = rows.select(keys).unique().sort(keys)
    rows = rows.join(groups.with_row_index("_group"), on=keys)
    observed, expected = np.zeros(groups.height), np.zeros(groups.height)
    variance = np.zeros((groups.height, groups.height))
    for _, part in parts_of(rows, within):
        for total, own in zip(
            (observed, expected, variance),
            _gray_scores(part, of=of, groups=groups.height),
            strict=True,
        ):
            total += own
    table = groups.with_columns(
        n=pl.Series(np.bincount(rows["_group"], minlength=groups.height), dtype=pl.Int64),
        observed=pl.Series(observed).cast(pl.Int64),
        expected=pl.Series(expected),
    )
    return _judged(table, observed - expected, variance, is_compared=expected > 0)


def _judged(
    table: pl.DataFrame, score: np.ndarray, variance: np.ndarray, *, is_compared: np.ndarray
) -> GrayTest:
    freedom = max(int(is_compared.sum()) - 1, 0)
    if not freedom:
        is_quiet = table.height > 1 and not table["observed"].sum()
        reason = "no events" if is_quiet else "fewer than two groups at risk"
        return GrayTest(
            statistic=None, degrees_of_freedom=0, p_value=None, groups=table, reason=reason
        )
    used = np.flatnonzero(is_compared)[:-1]
    excess = score[used]
    statistic = float(excess @ np.linalg.pinv(variance[np.ix_(used, used)]) @ excess)
    p_value = float(stats.chi2.sf(statistic, freedom))
    return GrayTest(statistic=statistic, degrees_of_freedom=freedom, p_value=p_value, groups=table)


def _gray_scores(
    rows: pl.DataFrame, *, of: str, groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observed and expected events of each group, and the covariance of their differences (Gray
    1988, section 2).

    Under the null hypothesis the groups share a cumulative incidence F, estimated of all: a group
    of n at risk with survival S just before adds n / S to the pooled risk set of F, and to the
    risk set of the subdistribution n (1 - F_k) / S. Ties of the same event count as drawn without
    replacement.
    """
    times = np.unique(rows.filter(pl.col("event").is_not_null())["time"].to_numpy())
    if not times.size:
        return np.zeros(groups), np.zeros(groups), np.zeros((groups, groups))
    at_risk, own, other = _group_counts(rows, times, of=of, groups=groups)
    survival, survival_before = _survival(at_risk, own + other)
    has_risk = at_risk > 0
    weight = _ratio(at_risk, survival_before)
    own_incidence = np.cumsum(survival_before * _ratio(own, at_risk), axis=1)
    subdistribution = weight * (1 - _shifted(own_incidence, 0.0))
    total, pooled = own.sum(axis=0), weight.sum(axis=0)
    expected = total * _ratio(subdistribution, subdistribution.sum(axis=0))
    incidence = np.cumsum(_ratio(total, pooled))
    observed = np.where(has_risk, own, 0).sum(axis=1)
    variance = _gray_variance(
        weight=weight,
        pooled=pooled,
        total=total,
        incidence=incidence,
        at_risk=at_risk,
        survival=survival,
        survival_before=survival_before,
        other=other,
    )
    return observed, expected.sum(axis=1), variance


def _gray_variance(
    *, weight, pooled, total, incidence, at_risk, survival, survival_before, other
) -> np.ndarray:
    """Of each group k what its events and those that compete add to every score.

    `share[i, k, t]` = weight_i (1{i = k} - weight_k / pooled); `ahead`: its integral over the
    pooled subdistribution hazard from t on, by which an event of k still moves the score of i.
    """
    groups = len(weight)
    before = _shifted(incidence, 0.0)
    share = weight[:, None] * (np.eye(groups)[:, :, None] - _ratio(weight, pooled)[None])
    hazard = _ratio(total, pooled * (1 - before))
    so_far = np.cumsum(share * hazard, axis=2)
    ahead = so_far[:, :, -1:] - so_far
    free = _ratio(np.broadcast_to(1 - incidence, survival.shape), survival)
    has_free = survival > 0
    own_part = share + np.where(has_free, 1 - free, 1.0) * ahead
    tied = np.where(total > 1, 1 - _ratio(total - 1, pooled * survival_before - 1), 1.0)
    own_spread = np.where(at_risk > 0, tied * survival_before * total, 0.0)
    own_spread = _ratio(own_spread, pooled * at_risk)
    other_tied = np.where(other > 1, 1 - _ratio(other - 1, at_risk - 1), 1.0)
    other_spread = np.where(has_free, other_tied * _ratio(survival_before, at_risk) ** 2 * other, 0)
    other_part = free * ahead
    return np.einsum("ikt,jkt,kt->ij", own_part, own_part, own_spread) + np.einsum(
        "ikt,jkt,kt->ij", other_part, other_part, other_spread
    )


def _group_counts(rows: pl.DataFrame, times: np.ndarray, *, of: str, groups: int):
    """At risk, events `of` and other events of each group (rows) at each time (columns)."""
    at_risk, own, other = (np.zeros((groups, len(times))) for _ in range(3))
    is_own = (pl.col("event") == of).fill_null(False)
    is_other = pl.col("event").is_not_null() & ~is_own
    for (group,), part in rows.partition_by("_group", as_dict=True).items():
        leaving = np.sort(part["time"].to_numpy())
        at_risk[group] = part.height - np.searchsorted(leaving, times, side="left")
        for counts, is_it in ((own, is_own), (other, is_other)):
            np.add.at(counts[group], np.searchsorted(times, part.filter(is_it)["time"]), 1)
    return at_risk, own, other


def _survival(at_risk: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier of any event in each group, at each time and just before it."""
    after = np.cumprod(1 - _ratio(events, at_risk), axis=1)
    return after, _shifted(after, 1.0)


def _shifted(values: np.ndarray, first: float) -> np.ndarray:
    """Just before each time: the value at the time before, `first` before all."""
    start = np.full((*values.shape[:-1], 1), first)
    return np.concatenate([start, values[..., :-1]], axis=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 where there is nothing to divide by."""
    whole = np.broadcast_to(whole, np.broadcast_shapes(np.shape(part), np.shape(whole)))
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
