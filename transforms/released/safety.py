"""The figures of adverse events, of devices and of clinics, from their rounded counts.

Here: one function per table, as in figures.py. Not here: figures of outcomes
(figures.py), curves (curves.py).
"""

import polars as pl

from ..disclosure.rounding import anew, at_least, coarse_limits, in_steps, to_base
from ..marts.adverse_event_rates import OVERDISPERSED, RATES, with_rates
from ..marts.device_event_rates import with_rates as with_device_rates
from ..options import Options
from ..statistics import rate_columns
from .figure_parts import as_it_is, exact_figure, share_of_base, to_digits

_TIMES = ("patient_years", "patient_years_at_risk")


def adverse_event_groups(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    counts = ["patients", "patients_with_event", "events", "sessions", *_TIMES]
    return anew(rows, counts, lambda distinct: with_rates(distinct, suffix=""))


def adverse_event_rates(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Rates of both ends anew, over-dispersed limits by a dispersion of two digits; those for
    clinics in steps.
    """
    rows = rows.with_columns(**to_digits(2, "overdispersion", "session_window_time_share"))
    rows = adverse_event_groups(rows, base=base, options=options)
    planned = ["patients_with_event_planned", "events_planned", *(f"{t}_planned" for t in _TIMES)]
    rows = anew(
        rows,
        ["patients", "sessions", *planned],
        lambda distinct: with_rates(distinct, suffix="_planned"),
    )
    for name in OVERDISPERSED:
        events, exposure = RATES[name]
        rows = anew(
            rows,
            [events, exposure, "overdispersion"],
            lambda distinct, events=events, exposure=exposure, name=name: (
                rate_columns.overdispersed_columns(
                    distinct,
                    events=events,
                    exposure=exposure,
                    dispersion="overdispersion",
                    name=name,
                )
            ),
        )
    wholes = {"incidence_proportion": ("patients", 1)} | {
        name: (exposure, 100) for name, (_, exposure) in RATES.items()
    }
    for name, (whole, per) in wholes.items():
        lower, upper = f"{name}_clustered_lower", f"{name}_clustered_upper"
        least = share_of_base(base, whole, per=per)
        rows = rows.with_columns(
            **coarse_limits([lower, upper], lower=lower, upper=upper, least=least)
        )
    return rows


def device_event_rates(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Rates anew; of device-hours none where the mart gives none, though few sessions without a
    duration round to 0.
    """
    counts = ["events", "sessions", "device_hours", "sessions_without_duration"]
    rows = anew(rows, counts, with_device_rates)
    per_hour = [c for c in rows.columns if c.startswith("events_per_1000_device_hours")]
    is_given = exact_figure("events_per_1000_device_hours").is_not_null()
    return rows.with_columns(pl.when(is_given).then(c).alias(c) for c in per_hour)


def clinic_funnel(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """The clinic's own figure anew; target and limits in steps of what `base` people make of its
    denominator.
    """
    is_ratio = pl.col("kind") == "ratio"
    share = pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator"))
    least = at_least(share_of_base(base, "denominator"))
    lines = [
        f"{side}_{level}{od}"
        for side in ("lower", "upper")
        for level in ("95", "998")
        for od in ("", "_od")
    ]
    tails = ("tail_probability", "tail_probability_at_target", "reference_tail_probability")
    return rows.with_columns(
        estimate=pl.when(exact_figure("estimate").is_not_null()).then(share),
        target=pl.when(is_ratio)
        .then(exact_figure("target"))
        .otherwise(in_steps(exact_figure("target"), least)),
        asked_share=in_steps(exact_figure("asked_share"), pl.lit(0.05)),
        **as_it_is("clinics"),
        **{c: in_steps(exact_figure(c), least) for c in lines},
        **to_digits(1, *tails),
        **to_digits(2, "overdispersion", "tau2", "limit_share"),
    )


def control_charts(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Shares and rates anew; lines and values of other charts in steps that suit the limits."""
    share = pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator"))
    anew_of = {"u": 100 * share, "p": share, "c": pl.col("numerator")}
    lines = coarse_limits(("value", "center", "lower", "upper"), lower="lower", upper="upper")
    rows = rows.with_columns(
        **as_it_is("baseline_points"),
        **to_digits(1, "limit_share"),
        **to_digits(2, "in_control_arl"),
        **lines,
    )
    value = pl.col("value")
    for chart, made in anew_of.items():
        value = (
            pl.when((pl.col("chart") == chart) & pl.col("value").is_not_null())
            .then(made)
            .otherwise(value)
        )
    gap = pl.when(pl.col("chart") == "g").then(to_base(value, base)).otherwise(value)
    return rows.with_columns(value=gap)
