"""Rows of mart.control_charts about burns and frostbite: a sum over each clinic's sessions, a row a
month.

Here: the sums, their common limit, how near each is to it. Not here: which sessions an injury
belongs to (control_charts), the sum itself (statistics/cusum.py), the other charts.
"""

from collections.abc import Iterator

import polars as pl

from ..options import Options
from ..statistics import spc, spc_signals
from . import nearness
from .chart_rows import named

METRIC = "chart_cold_injuries"
MIN_INJURIES = 5  # fewer give no in-control rate to compare with
ODDS_RATIO = 2
SEED = 2005  # of the simulation that gives a CUSUM its limit
DAYS_PER_MONTH = 365.25 / 12


def rows(sessions: pl.DataFrame, injured: pl.Series, *, options: Options) -> Iterator[pl.DataFrame]:
    """Bernoulli CUSUM over a clinic's sessions that began; all clinics share the limit, and the
    false alarms.

    `sessions`: `session_id`, `USUBJID`, `clinic_id`, `is_begun`, `at`, `day`, `month`; `injured`:
    ids of sessions.
    """
    begun = sessions.filter(pl.col("is_begun") & pl.col("clinic_id").is_not_null()).sort(
        "at", "session_id"
    )
    begun = begun.with_columns(is_injured=pl.col("session_id").is_in(injured.implode()))
    if begun.is_empty():
        return
    injuries = int(begun["is_injured"].sum())
    in_control = injuries / begun.height
    limit = months_arl = reason = None
    if MIN_INJURIES <= injuries < begun.height:
        limit, months_arl = _limit(begun, in_control=in_control, options=options)
    else:
        reason = f"{injuries} injuries at all clinics: the limit needs {MIN_INJURIES}"
    for (clinic,), given in begun.group_by("clinic_id", maintain_order=True):
        months = _months(given, in_control=in_control, limit=limit)
        yield named(months, METRIC, clinic).with_columns(
            in_control_arl=pl.lit(months_arl, pl.Float64), reason=pl.lit(reason, pl.String)
        )


def _limit(
    begun: pl.DataFrame, *, in_control: float, options: Options
) -> tuple[spc.CusumLimit, float]:
    """The limit of all clinics' sums together, and the months that it gives between two false
    alarms.
    """
    days = (begun["day"].max() - begun["day"].min()).days + 1
    per_month = begun.height / max(days / DAYS_PER_MONTH, 1)
    limit = spc.cusum_limit(
        kind="bernoulli",
        in_control=in_control,
        odds_ratio=ODDS_RATIO,
        seed=SEED,
        arl=options.control_chart_arl * per_month,
    )
    return limit, limit.arl / per_month


def _months(
    sessions: pl.DataFrame, *, in_control: float, limit: spc.CusumLimit | None
) -> pl.DataFrame:
    """The month's highest sum; the sum goes on from month to month and is not set back."""
    if limit is None:
        sums = sessions.with_columns(
            c_plus=pl.lit(None, pl.Float64), is_outside=pl.lit(None, pl.Boolean)
        )
    else:
        chart = spc.cusum(
            sessions["is_injured"].cast(pl.Float64),
            kind="bernoulli",
            in_control=in_control,
            odds_ratio=ODDS_RATIO,
            h=limit.h,
        )
        sums = sessions.with_columns(chart["c_plus"], chart["is_outside"])
    months = sums.group_by("month").agg(
        value=pl.col("c_plus").max(),
        is_outside=pl.col("is_outside").max(),
        numerator=pl.col("is_injured").sum(),
        denominator=pl.len(),
    )
    months = months.join(_nearness(sums, limit=limit), on="month")
    is_outside = pl.col("is_outside")
    lines = {"center": 0.0, "upper": limit.h} if limit else {}
    return months.sort("month").with_columns(
        chart=pl.lit("cusum"),
        point=pl.int_range(1, pl.len() + 1),
        period_start="month",
        point_type=pl.when(is_outside)
        .then(pl.lit("outside"))
        .when(~is_outside)
        .then(pl.lit(spc_signals.COMMON_CAUSE)),
        signal_direction=pl.when(is_outside).then(pl.lit("high")),
        variation_icon=pl.when(is_outside)
        .then(pl.lit("special_cause_concern"))
        .when(~is_outside)
        .then(pl.lit(spc_signals.COMMON_CAUSE)),
        **{name: pl.lit(line) for name, line in lines.items()},
    )


def _nearness(sums: pl.DataFrame, *, limit: spc.CusumLimit | None) -> pl.DataFrame:
    """Of each month of one clinic's sums how near the highest is to the limit, and all injuries so
    far in words.
    """
    ordered = sums.sort("at", "session_id")
    rows = []
    for month in ordered["month"].unique().sort():
        so_far = ordered.filter(pl.col("month") <= month)
        injured = so_far.filter("is_injured")
        start = spc.rising_since(so_far["c_plus"]) if limit else None
        since = so_far[start:].filter("is_injured") if start is not None else injured.clear()
        highest = so_far.filter(pl.col("month") == month)["c_plus"].max() if limit else None
        share = None if highest is None else highest / limit.h
        rising = since["month"][0] if since.height >= nearness.RISING_EVENTS else None
        text = nearness.of_sum(
            events=injured.height,
            patients=injured["USUBJID"].n_unique(),
            rising=rising,
            limit_share=share,
        )
        rows.append({"month": month, "limit_share": share, "nearness": text})
    schema = {"month": pl.Date, "limit_share": pl.Float64, "nearness": pl.String}
    return pl.DataFrame(rows, schema=schema)
