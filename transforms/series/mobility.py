"""Walking bouts to days by the aggregation of Mobilise-D.

Here: plausibility limits and statistics. Not here: days of minutes (activity.py), valid days and
weeks (rules/wear.py).
"""

from dataclasses import dataclass

import polars as pl

from ..options import Options
from ..schemas.core import WALKING_DAYS
from .wearable_day import with_wearable_day

MOBGAP = "Mobilise-D (mobgap)"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A plausible range, both ends included; a value outside it makes the columns `voids`
    unknown.
    """

    column: str
    lower: float
    upper: float
    voids: tuple[str, ...]
    source: str = MOBGAP


BOUT_LIMITS = (
    Limit(column="cadence_spm", lower=40, upper=172.9, voids=("cadence_spm", "walking_speed_mps")),
    Limit(
        column="stride_length_m",
        lower=0.15,
        upper=2.19,
        voids=("stride_length_m", "walking_speed_mps"),
    ),
    Limit(column="walking_speed_mps", lower=0.0815, upper=2.22, voids=("walking_speed_mps",)),
    Limit(column="stride_duration_s", lower=0.46, upper=3, voids=("stride_duration_s",)),
)


def plausible(bouts: pl.DataFrame) -> pl.DataFrame:
    """The bouts with values outside `BOUT_LIMITS` made null, all judged as sent; one without a
    duration is dropped.
    """
    void = {
        column: pl.any_horizontal(
            ~pl.col(limit.column).is_between(limit.lower, limit.upper)
            for limit in BOUT_LIMITS
            if column in limit.voids
        )
        for column in dict.fromkeys(c for limit in BOUT_LIMITS for c in limit.voids)
    }
    return bouts.filter(pl.col("duration_s") > 0).with_columns(
        pl.when(condition.fill_null(False)).then(None).otherwise(pl.col(column)).alias(column)
        for column, condition in void.items()
    )


_DURATION = pl.col("duration_s")
_GROUPS: dict[str, pl.Expr] = {
    "all": pl.lit(True),
    "10_30": (_DURATION > 10) & (_DURATION <= 30),
    "10": _DURATION > 10,
    "30": _DURATION > 30,
    "60": _DURATION > 60,
}


def _cv(values: pl.Expr) -> pl.Expr:
    """Standard deviation (n - 1) over mean, a ratio; null for fewer than two values or a mean of
    0.
    """
    mean = values.mean()
    return pl.when(mean != 0).then(values.std() / mean)


def _p90(values: pl.Expr, group: str) -> pl.Expr:
    """90th percentile: interpolated, but for bouts over 30 s the smallest value that 90 % do not
    exceed.

    The reference row of mobgap was made by an older program with that difference (mobgap's own test
    excuses those two columns); both definitions are needed to give it in full.
    """
    interpolation = "equiprobable" if group == "30" else "linear"
    return values.quantile(0.9, interpolation=interpolation)


def _statistic(column: str, group: str, statistic: str) -> pl.Expr:
    values = pl.col(column).filter(_GROUPS[group]).drop_nulls()
    return {"mean": values.mean, "cv": lambda: _cv(values), "p90": lambda: _p90(values, group)}[
        statistic
    ]()


_PARAMETERS = ("cadence_spm", "stride_duration_s", "stride_length_cm", "walking_speed_mps")
_FIXED = {
    "walking_duration_h": _DURATION.sum() / 3600,
    "walking_steps": pl.when(pl.col("steps").count() > 0).then(pl.col("steps").sum()),
    "turns": pl.when(pl.col("turns").count() > 0).then(pl.col("turns").sum()),
    "bout_duration_median_s": _DURATION.median(),
    "bout_duration_p90_s": _p90(_DURATION, "all"),
    "bout_duration_cv": _cv(_DURATION),
}


def _column(name: str) -> pl.Expr:
    """The expression of a column of core.walking_days, read from its name: parameter, group,
    statistic.
    """
    if name in _FIXED:
        return _FIXED[name]
    if name.startswith("bouts_"):
        return (
            _GROUPS[name.removeprefix("bouts_")].cast(pl.Int64).sum()
            if name != "bouts_all"
            else pl.len()
        )
    parameter = next(p for p in _PARAMETERS if name.startswith(p))
    group, _, statistic = name.removeprefix(f"{parameter}_").rpartition("_")
    return _statistic(parameter, group, statistic)


STATISTICS = tuple(
    c for c in WALKING_DAYS.names if c not in (*WALKING_DAYS.key, "is_timezone_assumed")
)


def aggregate(bouts: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """One row a group of `by` with the columns `STATISTICS` of core.walking_days, units as there.

    `bouts`: one row per bout with duration_s, steps, turns, cadence_spm, stride_length_m,
    stride_duration_s and walking_speed_mps; a null value does not count, a sum or statistic of none
    is null (counts are 0).
    """
    timed = bouts.filter(_DURATION.is_not_null()).with_columns(
        stride_length_cm=pl.col("stride_length_m") * 100
    )
    return timed.group_by(by).agg(_column(name).alias(name) for name in STATISTICS).sort(by)


def walking_days(
    *, walking_bouts: pl.DataFrame, people: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """core.walking_days from core.walking_bouts and `wearers.people`; a bout counts to the day of
    its start.

    The day is that of wearable_day.py; a bout of which it is not known, or of a patient not known
    yet, waits.
    """
    bouts = plausible(walking_bouts) if options.is_bout_plausibility_checked else walking_bouts
    zones = people.select("patient_id", "timezone", "moves").unique("patient_id")
    placed = with_wearable_day(bouts, zones).with_columns(pl.col("device_id").fill_null(""))
    placed = placed.filter(pl.col("day").is_not_null())
    key = list(WALKING_DAYS.key)
    assumed = placed.group_by(key).agg(pl.col("is_timezone_assumed").any())
    return WALKING_DAYS.conform(aggregate(placed, key).join(assumed, on=key)).sort(key)
