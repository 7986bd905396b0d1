"""Time to the first of several events that compete: cumulative incidence.

Here: estimators over a frame of durations, as survival.py has for one event. Not here: Gray's
test (gray.py), which events compete, when a clock starts, what censors (the marts).

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

import polars as pl

from transforms.errors import UsageError
from transforms.statistics.beta_product import beta_product_limits
from transforms.statistics.frames import check_columns
from transforms.statistics.intervals import z_of
from transforms.statistics.survival import BETA_PRODUCT, LOG_LOG, along, columns_of

_COUNTS = ("at_risk", "events", "competing", "censored")
_FIGURES = ("incidence", "standard_error", "lower", "upper", "ci_method")


def cumulative_incidence(
    frame: pl.DataFrame,
    duration: str,
    event: str,
    by=None,
    *,
    events: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """The cumulative incidence of each event: one row per group, event and distinct time, in order.

    `events`: those to give, by default all that happened; one that happened to nobody is a curve
    that stays at 0. Columns: those of `by`, `event`, `time`, `at_risk` (just before it), `events`
    (of this kind), `competing` (of any other), `censored`, and the figures of `from_counts`. Of a
    group and time the incidences and the survival free of any event add up to 1.
    """
    keys = columns_of(by)
    rows = observed_events(frame, duration, event, keys)
    kinds = list(dict.fromkeys(events if events is not None else rows["event"].drop_nulls().sort()))
    unasked = set(rows["event"].drop_nulls()) - set(kinds)
    if unasked:
        raise UsageError(f"{event} has {sorted(unasked)}, which `events` does not name: name all")
    return from_counts(_counts(rows, keys, kinds), [*keys, "event"], confidence=confidence)


def from_counts(counts: pl.DataFrame, by=None, *, confidence: float = 0.95) -> pl.DataFrame:
    """Curves from their counts: one row per time of each curve, in order, with the columns of `by`,
    `time`, `at_risk`, `events`, `competing` and `censored`.

    Adds `incidence`, `standard_error`, `lower`, `upper` (log(-log) limits of the incidence, as
    Kalbfleisch & Prentice's, used by Pintilie 2006, R's cmprsk and SAS) and `ci_method`:
    `log_log`, or where these do not exist, at 0 and 1, `beta_product`: the limits of the survival
    curve with the other events censored, which there is the complement (0 of n: from 0 to 1 -
    (a/2)^(1/n), n being those still at risk). `standard_error` is null there.
    """
    z, keys = z_of(confidence), columns_of(by)
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
    before = along((1 - any_event).cum_prod().shift(1, fill_value=1.0), keys)
    rows = counts.with_columns(_n=n, _own=own, _any=any_event).with_columns(_before=before)
    jump = pl.col("_before") * pl.col("_own")
    rows = rows.with_columns(incidence=along(jump.cum_sum(), keys).clip(0, 1))
    share, jump = pl.col("incidence"), jump / pl.col("_n")
    # after the last of those at risk had an event nothing follows, and F(t) - F(u) is 0
    odds = pl.when(pl.col("_any") < 1).then(pl.col("_any") / (1 - pl.col("_any"))).otherwise(0)
    odds = odds / pl.col("_n")
    sums = {
        "_a": jump * pl.col("_before") * (1 - pl.col("_own")) + 2 * jump * share + odds * share**2,
        "_b": jump + odds * share,
        "_c": odds,
    }
    rows = rows.with_columns(**{k: along(v.cum_sum(), keys) for k, v in sums.items()})
    variance = pl.col("_a") - 2 * share * pl.col("_b") + share**2 * pl.col("_c")
    # what rounding leaves of a share of all, or of none, is no variance
    return rows.with_columns(variance=pl.when(variance > 1e-15).then(variance).otherwise(0.0))


def _with_beta_product(counts: pl.DataFrame, keys: list[str], *, confidence: float) -> pl.DataFrame:
    ordered = counts.sort(keys, maintain_order=True) if keys else counts
    others = pl.col("censored") + pl.col("competing")
    lower, upper = beta_product_limits(
        ordered.with_columns(censored=others), keys, confidence=confidence
    )
    return ordered.with_columns(lower=1 - upper, upper=1 - lower)


def _counts(rows: pl.DataFrame, keys: list[str], kinds: list[str]) -> pl.DataFrame:
    """One row per group, kind of event and time at which anybody had any, or was censored."""
    leaving = rows.group_by(*keys, "time").agg(
        *[(pl.col("event") == kind).sum().cast(pl.Int64).alias(f"_{kind}") for kind in kinds],
        censored=pl.col("event").is_null().sum().cast(pl.Int64),
        _leaving=pl.len().cast(pl.Int64),
    )
    leaving = leaving.sort(*keys, "time").with_columns(
        at_risk=along(pl.col("_leaving").cum_sum(reverse=True), keys)
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


def observed_events(
    frame: pl.DataFrame, duration: str, event: str, keys: list[str]
) -> pl.DataFrame:
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
