"""Time to an event: Kaplan-Meier curves with limits and numbers at risk, medians, the log-rank
test.

Here: estimators over a frame of durations. Not here: when a clock starts, what ends it, what
censors (the marts).

Everywhere `duration` is a column of times from 0, in any one unit, and `event` true or 1 where the
event happened at that time, false or 0 where observation ended (ADaM's CNSR is the opposite: 0 is
an event). At equal times events come before censorings. Rows without a duration, an event indicator
or a group are left out: count them before. `by` is a column, or a list of columns, whose every
value is a curve of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.statistics.beta_product import beta_product_limits
from transforms.statistics.frames import check_columns
from transforms.statistics.intervals import alpha_of, z_of

# two survival probabilities this near are the same; R's survfit compares with the same tolerance
_SAME = 1.5e-8
_LIMITS = ("lower", "upper")
_HALF_OF = {"median": "survival", "lower": "lower", "upper": "upper"}
_RESERVED = (
    "time",
    "at_risk",
    "events",
    "censored",
    "survival",
    "standard_error",
    "lower",
    "upper",
    "ci_method",
    "event",
)
LOG_LOG, BETA_PRODUCT = "log_log", "beta_product"


def kaplan_meier(frame: pl.DataFrame, duration, event, by=None, *, confidence=0.95) -> pl.DataFrame:
    """The survival curve: a row for each distinct time (of each group), in order.

    Columns: those of `by`, `time`, `at_risk` (just before it), `events`, `censored`, `survival` =
    prod(1 - d/n), `standard_error` (Greenwood 1926; null where survival is 0), `lower`, `upper` and
    `ci_method`, how they came about: `log_log` (Kalbfleisch & Prentice 1980), or `beta_product`
    (beta_product.py) where log-log limits do not exist, before the first event and where survival
    is 0: three patients without an event show .29 to 1, not 1.
    """
    keys = columns_of(by)
    return from_counts(
        _counts(observed_rows(frame, duration, event, keys), keys), keys, confidence=confidence
    )


def from_counts(counts: pl.DataFrame, by=None, *, confidence=0.95) -> pl.DataFrame:
    """The curve of `kaplan_meier` from its counts: one row per time (of each group), in order, with
    those of `by`, `time`, `at_risk`, `events` (no more than are at risk) and `censored`.
    """
    z, keys = z_of(confidence), columns_of(by)
    n, d, s = pl.col("at_risk"), pl.col("events"), pl.col("survival")
    hazard = along(
        pl.when(n > d).then(d / (n * (n - d)).cast(pl.Float64)).otherwise(None).cum_sum(), keys
    )
    margin = z * hazard.sqrt() / s.log()
    has_log_log = (s > 0) & (s < 1)
    curve = _with_beta_product(counts, keys, confidence=confidence).with_columns(
        survival=along((1 - d / n).cum_prod(), keys)
    )
    return curve.with_columns(
        standard_error=pl.when(s > 0).then(s * hazard.sqrt()),
        lower=pl.when(has_log_log).then(s ** (-margin).exp()).otherwise("lower"),
        upper=pl.when(has_log_log).then(s ** margin.exp()).otherwise("upper"),
        ci_method=pl.when(has_log_log).then(pl.lit(LOG_LOG)).otherwise(pl.lit(BETA_PRODUCT)),
    ).select(
        *keys,
        "time",
        "at_risk",
        "events",
        "censored",
        "survival",
        "standard_error",
        "lower",
        "upper",
        "ci_method",
    )


def _with_beta_product(counts: pl.DataFrame, keys: list[str], *, confidence: float) -> pl.DataFrame:
    ordered = counts.sort(keys, maintain_order=True) if keys else counts
    return ordered.with_columns(beta_product_limits(ordered, keys, confidence=confidence))


def median(curve: pl.DataFrame, by=None) -> pl.DataFrame:
    """Median survival time of each group of a `kaplan_meier` curve, with limits (Brookmeyer &
    Crowley 1982).

    Columns: those of `by`, `median`, `lower`, `upper`, `reason`. Each figure is the first time at
    which survival, its lower or its upper limit is at most one half, or the middle of the time that
    it stays at exactly one half (as R's survfit); null, with a `reason`, where it never falls that
    far. The limits are of the log-log ones alone.
    """
    is_log_log = pl.col("ci_method") == LOG_LOG
    # where there are none, the lower is as survival before the first event, and both are unknown at
    # 0
    limits = {
        name: pl.when(is_log_log).then(name).when(pl.col("survival") == 1).then(1.0)
        for name in _LIMITS
    }
    keys, curve = columns_of(by), curve.with_columns(**limits)
    times = {name: _half(column) for name, column in _HALF_OF.items()}
    if keys:
        halves = curve.sort(keys, maintain_order=True).group_by(keys, maintain_order=True)
        medians = halves.agg(n=pl.len(), **times)
    else:
        medians = curve.select(n=pl.len(), **times)
    return medians.with_columns(reason=_reason()).drop("n")


def survival_at(
    curve: pl.DataFrame, times: Sequence[float], by=None, *, confidence=0.95
) -> pl.DataFrame:
    """`survival`, `lower`, `upper` of each group of a `kaplan_meier` curve (of that `confidence`)
    at each of `times`.

    Null after the last observed time: nobody was there to see. Before the first event survival is
    1, and its limits are those of as many as were still at risk then, (a/2)^(1/n) to 1.
    """

    def steps(part: pl.DataFrame) -> pl.DataFrame:
        at = np.asarray(times, dtype=float)
        observed = part["time"].to_numpy()
        row = np.searchsorted(observed, at, side="right")
        is_seen = pl.Series(at <= (part["time"].max() if part.height else -np.inf))
        figures = {n: pl.concat([pl.Series([1.0]), part[n]])[row] for n in ("survival", *_LIMITS)}
        waiting = pl.concat([part["at_risk"], pl.Series([1])])[
            np.searchsorted(observed, at, side="left")
        ]
        no_event = (alpha_of(confidence) / 2) ** (1 / waiting)
        frame = pl.DataFrame({"time": at, **figures, "no_event": no_event})
        frame = frame.with_columns(
            lower=pl.when(pl.col("survival") == 1).then("no_event").otherwise("lower")
        )
        return frame.drop("no_event").with_columns(
            pl.when(is_seen).then(pl.col("survival", *_LIMITS))
        )

    return _each(curve, columns_of(by), steps)


def numbers_at_risk(
    frame: pl.DataFrame, duration, event, times: Sequence[float], by=None
) -> pl.DataFrame:
    """`at_risk` of each group at each of `times`: those whose duration is that time or longer."""
    keys = columns_of(by)

    def waiting(part: pl.DataFrame) -> pl.DataFrame:
        before = np.searchsorted(
            np.sort(part["time"].to_numpy()), np.asarray(times, dtype=float), side="left"
        )
        return pl.DataFrame(
            {"time": np.asarray(times, dtype=float), "at_risk": part.height - before}
        )

    return _each(observed_rows(frame, duration, event, keys), keys, waiting)


def _counts(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    counts = rows.group_by(*keys, "time").agg(
        events=pl.col("event").sum().cast(pl.Int64),
        censored=(~pl.col("event")).sum().cast(pl.Int64),
    )
    leaving = pl.col("events") + pl.col("censored")
    return counts.sort(*keys, "time").with_columns(
        at_risk=along(leaving.cum_sum(reverse=True), keys)
    )


def _half(curve: str) -> pl.Expr:
    """When a falling step function reaches one half; the middle of a step at one half."""
    levels = pl.col(curve).fill_null(float("inf"))
    time = pl.col("time").cast(pl.Float64)
    is_reached, is_below = levels <= 0.5 + _SAME, levels < 0.5 - _SAME
    first, below = time.filter(is_reached).first(), time.filter(is_below).first()
    middle = (first + pl.coalesce(below, time.last())) / 2
    return pl.when(levels.filter(is_reached).first() < 0.5 - _SAME).then(first).otherwise(middle)


def _reason() -> pl.Expr:
    """Why one of the times of `_HALF_OF` is not there."""
    nobody = pl.when(pl.col("n") == 0).then(pl.lit("nobody was observed"))
    reasons = [
        nobody.when(pl.col("median").is_null()).then(pl.lit("survival stays above one half"))
    ]
    reasons += [
        pl.when(pl.col(name).is_null()).then(pl.lit(f"the {name} limit stays above one half"))
        for name in _LIMITS
    ]
    return pl.coalesce(reasons)


def observed_rows(frame: pl.DataFrame, duration: str, event: str, keys: list[str]) -> pl.DataFrame:
    """Columns of `keys`, `time`, and `event` as a boolean; rows that lack one are left out."""
    check_columns(frame, duration, event, *keys)
    if set(keys) & set(_RESERVED):
        raise UsageError(
            f"column {keys} clashes with a column of the result ({', '.join(_RESERVED)}): rename it"
        )
    kinds = {name: frame.schema[name] for name in (duration, event)}
    if not (kinds[duration].is_numeric() or kinds[duration] == pl.Null):
        raise UsageError(
            f"{duration} is {kinds[duration]}: give durations as numbers, such as days"
        )
    if not (kinds[event].is_numeric() or kinds[event] in (pl.Boolean, pl.Null)):
        raise UsageError(
            f"{event} is {kinds[event]}: it must be true or false, 1 or 0, where 1 is an event"
        )
    time = (
        pl.col(duration)
        if kinds[duration].is_integer()
        else pl.col(duration).cast(pl.Float64).fill_nan(None)
    )
    rows = frame.select(
        *keys, time=time, event=pl.col(event).cast(pl.Float64).fill_nan(None)
    ).drop_nulls()
    if rows["time"].lt(0).any() or rows["time"].is_infinite().any():
        raise UsageError(f"{duration} has {rows['time'].min()}: durations are finite and from 0")
    if not rows["event"].is_in([0.0, 1.0]).all():
        raise UsageError(f"{event} must be true or false, 1 or 0, where 1 is an event")
    return rows.with_columns(pl.col("event") == 1)


def columns_of(by) -> list[str]:
    if by is None:
        return []
    if isinstance(by, str):
        return [by]
    return list(dict.fromkeys(by))


def along(expression: pl.Expr, keys: list[str]) -> pl.Expr:
    if not keys:
        return expression
    return expression.over(keys)


def parts_of(frame: pl.DataFrame, keys: list[str]) -> list[tuple[tuple, pl.DataFrame]]:
    """Groups in sort order, with their key values; without keys, the whole frame."""
    if not keys:
        return [((), frame)]
    return list(
        frame.sort(keys, maintain_order=True)
        .partition_by(keys, maintain_order=True, as_dict=True)
        .items()
    )


def _each(
    frame: pl.DataFrame, keys: list[str], work: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """`work` on each group, below one another, with the key columns in front."""

    def named(values, part):
        literals = [pl.lit(v, frame.schema[k]).alias(k) for k, v in zip(keys, values, strict=True)]
        return work(part).select(*literals, pl.all())

    parts = [named(values, part) for values, part in parts_of(frame, keys)]
    if parts:
        return pl.concat(parts)
    return named([None] * len(keys), frame).clear()
