"""Time to the first of several events that compete: cumulative incidence, Gray's test.

Here: estimators over a frame of durations, as survival.py has for one event. Not here: which events
compete, when a clock starts, what censors (the marts).

`duration` is a column of times from 0, in any one unit; `event` names what happened first at that
time (text), null where observation ended without any. At equal times events come before
censorings. Rows without a duration or a group are left out: count them before.

Cumulative incidence is Aalen and Johansen's (1978): F(t) = sum of S(u-) d(u) / n(u) over the times
u up to t, S being the Kaplan-Meier curve of any event. One minus Kaplan-Meier of one event with the
others censored is more than that: it says what would happen if the others could not.

Its variance is of Greenwood's type (Andersen, Borgan, Gill & Keiding 1993, 4.4.19; SAS PROC
LIFETEST's error=delta, the infinitesimal jackknife of R's multi-state survfit): the events of a
time are multinomial among those at risk. With one event it is Greenwood's, without censoring that
of a binomial share, F (1 - F) / n. R's cmprsk and SAS's default (Aalen 1978) is somewhat greater.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics.beta_product import beta_product_limits
from transforms.statistics.frames import check_columns
from transforms.statistics.intervals import z_of
from transforms.statistics.survival import BETA_PRODUCT, LOG_LOG

_COUNTS = ("at_risk", "events", "competing", "censored")
_FIGURES = ("incidence", "standard_error", "lower", "upper", "ci_method")


@dataclass(frozen=True, kw_only=True)
class GrayTest:
    """Chi-squared `statistic` on `degrees_of_freedom`; None with a `reason` where it can't be
    given.

    `groups`: a row a group: the `by` columns, `n`, `observed` events and those `expected` of its
    share of the pooled risk set (summed over strata).
    """

    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    groups: pl.DataFrame
    reason: str | None = None


# --- cumulative incidence -----------------------------------------------------------------------


def cumulative_incidence(
    frame: pl.DataFrame,
    duration: str,
    event: str,
    by=None,
    *,
    events: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """The cumulative incidence of each event: a row a group, event and distinct time, in order.

    `events`: those to give, by default all that happened; one that happened to nobody is a curve
    that stays at 0. Columns: those of `by`, `event`, `time`, `at_risk` (just before it), `events`
    (of this kind), `competing` (of any other), `censored`, and the figures of `from_counts`. Of a
    group and time the incidences and the survival free of any event add up to 1.
    """
    keys = _names(by)
    rows = _observed(frame, duration, event, keys)
    kinds = list(dict.fromkeys(events if events is not None else rows["event"].drop_nulls().sort()))
    unasked = set(rows["event"].drop_nulls()) - set(kinds)
    if unasked:
        raise UsageError(f"{event} has {sorted(unasked)}, which `events` does not name: name all")
    return from_counts(_counts(rows, keys, kinds), [*keys, "event"], confidence=confidence)


def from_counts(counts: pl.DataFrame, by=None, *, confidence: float = 0.95) -> pl.DataFrame:
    """Curves from their counts: a row a time of each curve, in order, with the columns of `by`,
    `time`, `at_risk`, `events`, `competing` and `censored`.

    Adds `incidence`, `standard_error`, `lower`, `upper` (log(-log) limits of the incidence, as
    Kalbfleisch & Prentice's, used by Pintilie 2006, R's cmprsk and SAS) and `ci_method`:
    `log_log`, or where these do not exist, at 0 and 1, `beta_product`: the limits of the survival
    curve with the other events censored, which there is the complement (0 of n: from 0 to 1 -
    (a/2)^(1/n), n being those still at risk). `standard_error` is null there.
    """
    z, keys = z_of(confidence), _names(by)
    curve = _with_variance(_with_beta_product(counts, keys, confidence=confidence), keys)
    share = pl.col("incidence")
    has_log_log = (share > 0) & (share < 1) & (pl.col("variance") > 0)
    error = pl.col("variance").sqrt()
    margin = z * error / (share * share.log())  # negative: log of what is below 1
    return curve.with_columns(
        standard_error=pl.when(has_log_log).then(error),
        lower=pl.when(has_log_log).then(share ** (-margin).exp()).otherwise("lower"),
        upper=pl.when(has_log_log).then(share ** margin.exp()).otherwise("upper"),
        ci_method=pl.when(has_log_log).then(pl.lit(LOG_LOG)).otherwise(pl.lit(BETA_PRODUCT)),
    ).select(*keys, "time", *_COUNTS, *_FIGURES)


def _with_variance(counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """`incidence` F and its `variance`: with S just before u, h1 and h the hazards there of this
    event and of any, sum over u <= t of

    S² h1 (1 - h1) / n  -  2 S h1 (F(t) - F(u)) / n  +  (F(t) - F(u))² h / (n (1 - h)).
    """
    n = pl.col("at_risk").cast(pl.Float64)
    own, any_event = pl.col("events") / n, (pl.col("events") + pl.col("competing")) / n
    before = _along((1 - any_event).cum_prod().shift(1, fill_value=1.0), keys)
    rows = counts.with_columns(_n=n, _own=own, _any=any_event).with_columns(_before=before)
    jump = pl.col("_before") * pl.col("_own")
    rows = rows.with_columns(incidence=_along(jump.cum_sum(), keys).clip(0, 1))
    share, jump = pl.col("incidence"), jump / pl.col("_n")
    # after the last of those at risk had an event nothing follows, and F(t) - F(u) is 0
    odds = pl.when(pl.col("_any") < 1).then(pl.col("_any") / (1 - pl.col("_any"))).otherwise(0)
    odds = odds / pl.col("_n")
    sums = {
        "_a": jump * pl.col("_before") * (1 - pl.col("_own")) + 2 * jump * share + odds * share**2,
        "_b": jump + odds * share,
        "_c": odds,
    }
    rows = rows.with_columns(**{k: _along(v.cum_sum(), keys) for k, v in sums.items()})
    variance = pl.col("_a") - 2 * share * pl.col("_b") + share**2 * pl.col("_c")
    # what rounding leaves of a share of all, or of none, is no variance
    return rows.with_columns(variance=pl.when(variance > 1e-15).then(variance).otherwise(0.0))


def _with_beta_product(counts: pl.DataFrame, keys: list[str], *, confidence: float) -> pl.DataFrame:
    parts = []
    for part in _parts(counts, keys):
        others = pl.col("censored") + pl.col("competing")
        lower, upper = beta_product_limits(
            part.with_columns(censored=others), confidence=confidence
        )
        parts.append(part.with_columns(lower=1 - upper, upper=1 - lower))
    return pl.concat(parts) if parts else counts.with_columns(lower=pl.lit(0.0), upper=pl.lit(1.0))


def _counts(rows: pl.DataFrame, keys: list[str], kinds: list[str]) -> pl.DataFrame:
    """A row a group, kind of event and time at which anybody had any, or was censored."""
    leaving = rows.group_by(*keys, "time").agg(
        *[(pl.col("event") == kind).sum().cast(pl.Int64).alias(f"_{kind}") for kind in kinds],
        censored=pl.col("event").is_null().sum().cast(pl.Int64),
        _leaving=pl.len().cast(pl.Int64),
    )
    leaving = leaving.sort(*keys, "time").with_columns(
        at_risk=_along(pl.col("_leaving").cum_sum(reverse=True), keys)
    )
    each = [
        leaving.select(
            *keys,
            "time",
            "at_risk",
            "censored",
            event=pl.lit(kind),
            events=f"_{kind}",
            competing=pl.col("_leaving") - pl.col("censored") - pl.col(f"_{kind}"),
        )
        for kind in kinds
    ]
    if not each:
        nothing = pl.lit(None, pl.Int64)
        each = [
            leaving.clear().with_columns(
                event=pl.lit(None, pl.String), events=nothing, competing=nothing
            )
        ]
    # the events in the order in which they were named
    order = pl.col("event").replace_strict({k: i for i, k in enumerate(kinds)}, default=None)
    return pl.concat(each).sort(*keys, order, "time", maintain_order=True)


# --- Gray's test --------------------------------------------------------------------------------


def gray_test(
    frame: pl.DataFrame, duration: str, event: str, by, *, of: str, strata=None
) -> GrayTest:
    """Whether the groups' cumulative incidence of the event `of` differs: Gray's K-sample test
    (1988), rho = 0, on (groups compared - 1); as R's cmprsk.

    `strata`: a column, or columns; scores and variances are computed within each and added. Null
    hypothesis: one cumulative incidence for all (of a stratum). Without competing events it is a
    log-rank test with Gray's variance.
    """
    keys, within = _names(by), _names(strata)
    if not keys:
        raise UsageError("by is not given: name the column, or columns, of the groups to compare")
    rows = _observed(frame, duration, event, list(dict.fromkeys([*keys, *within])))
    groups = rows.select(keys).unique().sort(keys)
    rows = rows.join(groups.with_row_index("_group"), on=keys)
    observed, expected = np.zeros(groups.height), np.zeros(groups.height)
    variance = np.zeros((groups.height, groups.height))
    for part in _parts(rows, within):
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


# --- rows ---------------------------------------------------------------------------------------


def _observed(frame: pl.DataFrame, duration: str, event: str, keys: list[str]) -> pl.DataFrame:
    """Columns of `keys`, `time` and `event`; rows without a time or a group are left out."""
    check_columns(frame, duration, event, *keys)
    reserved = {"event", "time", *_COUNTS, *_FIGURES}
    if set(keys) & reserved:
        raise UsageError(
            f"column {keys} clashes with a column of the result ({', '.join(sorted(reserved))}): "
            "rename it"
        )
    if not (frame.schema[duration].is_numeric() or frame.schema[duration] == pl.Null):
        raise UsageError(
            f"{duration} is {frame.schema[duration]}: give durations as numbers, such as days"
        )
    if frame.schema[event] not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise UsageError(
            f"{event} is {frame.schema[event]}: it must name the event, null where there was none"
        )
    time = pl.col(duration).cast(pl.Float64).fill_nan(None)
    rows = frame.select(*keys, time=time, event=pl.col(event).cast(pl.String))
    rows = rows.drop_nulls([*keys, "time"])
    if rows["time"].lt(0).any() or rows["time"].is_infinite().any():
        raise UsageError(f"{duration} has {rows['time'].min()}: durations are finite and from 0")
    return rows


def _names(by) -> list[str]:
    return [] if by is None else [by] if isinstance(by, str) else list(dict.fromkeys(by))


def _along(expression: pl.Expr, keys: list[str]) -> pl.Expr:
    return expression.over(keys) if keys else expression


def _parts(frame: pl.DataFrame, keys: list[str]) -> list[pl.DataFrame]:
    """The groups, in the order in which they come; without keys, the whole frame."""
    return frame.partition_by(keys, maintain_order=True) if keys else [frame]
