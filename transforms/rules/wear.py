"""Valid days, weeks and their values: what a week of wearing a device says, and why it can say
nothing.

Here: frames of days to frames of weeks. Not here: days (series/activity.py, series/mobility.py),
baseline and change (marts/adact).

A day is valid with `valid_day_wear_h` hours of wear; a week with `valid_week_days` valid days, of
which `valid_week_weekend_days` at a weekend (NHANES; the rule of the week and its weighting are
proposals). A week that is not valid has a reason and a null, never a zero. Of two devices worn on
one day the one worn longest counts.
"""

import polars as pl

from ..options import Options

NO_DATA = "no data"
NO_WEAR_INFORMATION = "no wear information"
TOO_FEW_VALID_DAYS = "too few valid days"
TOO_FEW_WEEKEND_DAYS = "too few valid weekend days"
NO_WEEKDAY = "no valid weekday"


def counting_days(days: pl.DataFrame, *, column: str) -> pl.DataFrame:
    """Of each patient and day, the device that counts: of those with a value, the one worn longest.

    `days`: patient_id, device_id, day, wear_minutes and `column`. A device whose wear is not known
    comes after all others; ties go to the first device id. Values of two devices are never added.
    """
    days = days.filter(pl.col(column).is_not_null())
    days = days.sort("patient_id", "day", -pl.col("wear_minutes"), "device_id", nulls_last=True)
    is_other = pl.any_horizontal(
        pl.col(c).ne_missing(pl.col(c).shift()) for c in ("patient_id", "day")
    )
    return days.filter(is_other)


def is_valid_day(options: Options) -> pl.Expr:
    """Whether a day counts; null where its wear is not known."""
    least_minutes = options.valid_day_wear_h * 60
    return pl.col("wear_minutes") >= least_minutes


def is_weekend() -> pl.Expr:
    return pl.col("day").dt.weekday() >= 6


def week_of(ady: pl.Expr) -> pl.Expr:
    """Week of a study day: days 1-7 are week 1, days -7 to -1 are week -1; there is no week 0 as
    there is no day 0.
    """
    after, before = (ady + 6) // 7, (6 - ady) // 7
    return pl.when(ady > 0).then(after).otherwise(-before)


def weekly(
    days: pl.DataFrame, *, column: str, options: Options, by: list[str], is_weighted: bool = False
) -> pl.DataFrame:
    """One row a group of `by` (patient and week): value, valid_days, wear_h (a day, of valid days),
    devices, reason.

    `days` as `counting_days` gives them, with the columns of `by`. `value` is the mean over valid
    days, null with a `reason` where the week is not valid.
    """
    valid = pl.col("is_valid")
    value = pl.col(column).filter(valid)
    weekday, weekend = (
        pl.col(column).filter(valid & condition).mean()
        for condition in (~is_weekend(), is_weekend())
    )
    weeks = (
        days.with_columns(is_valid=is_valid_day(options).fill_null(False))
        .group_by(by)
        .agg(
            mean=(5 * weekday + 2 * weekend) / 7 if is_weighted else value.mean(),
            valid_days=valid.sum().cast(pl.Int64),
            weekend_days=(valid & is_weekend()).sum().cast(pl.Int64),
            wear_h=pl.col("wear_minutes").filter(valid).mean() / 60,
            known_days=pl.col("wear_minutes").count(),
            first_device=_NAMED.min(),
            last_device=_NAMED.max(),
        )
    )
    weeks = weeks.join(_several_devices(days, weeks, by=by), on=by, how="left", nulls_equal=True)
    reason = _reason(options, is_weighted=is_weighted)
    return (
        weeks.with_columns(reason=reason)
        .select(
            *by,
            pl.when(pl.col("reason").is_null()).then(pl.col("mean")).alias("value"),
            "valid_days",
            "wear_h",
            pl.coalesce("devices", "first_device").alias("devices"),
            "reason",
        )
        .sort(by)
    )


_NAMED = pl.col("device_id").filter(pl.col("device_id") != "")


def _several_devices(days: pl.DataFrame, weeks: pl.DataFrame, *, by: list[str]) -> pl.DataFrame:
    """`devices` of the weeks that have more than one, joined; almost none have, and lists of text
    are slow.
    """
    several = weeks.filter(pl.col("first_device") != pl.col("last_device")).select(by)
    worn = days.join(several, on=by, how="semi", nulls_equal=True)
    return worn.group_by(by).agg(devices=_NAMED.unique().sort().str.join(","))


def _reason(options: Options, *, is_weighted: bool) -> pl.Expr:
    """Why the week has no value; null where it has one."""
    weekend = (
        max(options.valid_week_weekend_days, 1) if is_weighted else options.valid_week_weekend_days
    )
    return (
        pl.when(pl.col("known_days") == 0)
        .then(pl.lit(NO_WEAR_INFORMATION))
        .when(pl.col("valid_days") < options.valid_week_days)
        .then(pl.lit(TOO_FEW_VALID_DAYS))
        .when(pl.col("weekend_days") < weekend)
        .then(pl.lit(TOO_FEW_WEEKEND_DAYS))
        .when(pl.lit(is_weighted) & (pl.col("valid_days") == pl.col("weekend_days")))
        .then(pl.lit(NO_WEEKDAY))
        .when(pl.col("valid_days") == 0)
        .then(pl.lit(TOO_FEW_VALID_DAYS))
    )
