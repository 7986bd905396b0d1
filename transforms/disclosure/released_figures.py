"""The figures of each released table, from its rounded counts.

Here: a function a table, `rows` (shown ones alone, their counts and sums of time already rounded)
-> rows with their figures, `base` being what counts were rounded to. What the mart has of a figure
is in `exact(name)`; what is given the figure's own name is released, nothing else is. Not here:
which column is a count or a figure (transforms/schemas).

Shares and rates have the estimators of their marts; what comes of single values (a mean, a model,
limits for clinics like these) is given in steps (rounding.py).
"""

import numpy as np
import polars as pl
from scipy import stats

from ..facts.values import MISSING_AS_NONRESPONDER
from ..marts.adverse_event_rates import OVERDISPERSED, RATES, with_rates
from ..marts.cohort_estimates import as_proportion
from ..marts.cohort_sessions import COURSES, SESSIONS
from ..marts.device_event_rates import with_rates as with_device_rates
from ..marts.reliable_change import CHANGE_CLASSES
from ..options import Options
from ..schemas.mart import STRATUM_COLUMNS
from ..statistics import anchor, rates, survival
from ..statistics.intervals import garwood
from .rounding import anew, at_least, coarse_limits, exact, in_steps, significant, to_base

_LIMITS = ("estimate", "ci_lower", "ci_upper")
_CLUSTERED = ("ci_clustered_lower", "ci_clustered_upper")


def nothing(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    return rows


def _exact(name: str) -> pl.Expr:
    return pl.col(exact(name))


def _as_it_is(*names: str) -> dict[str, pl.Expr]:
    """Figures that no count can be read from."""
    return {name: _exact(name) for name in names}


def _to_digits(digits: int, *names: str) -> dict[str, pl.Expr]:
    return {name: significant(_exact(name), digits) for name in names}


def _share_limits(pairs: pl.DataFrame, x: str, n: str) -> pl.DataFrame:
    """Estimate and limits of a share, as the marts have them; named `estimate`, `ci_lower`,
    `ci_upper`.
    """
    made = as_proportion(pairs.rename({x: "n_event"}), n)
    return made.select(pl.col("n_event").alias(x), n, *_LIMITS)


def _of(base: int, whole: str, *, per: int = 1) -> pl.Expr:
    """What `base` people or things make of a whole; null of none."""
    return pl.when(pl.col(whole) > 0).then(per * base / pl.col(whole))


def _clustered(rows: pl.DataFrame, *, least: pl.Expr | None = None) -> pl.DataFrame:
    lower, upper = _CLUSTERED
    return rows.with_columns(**coarse_limits(_CLUSTERED, lower=lower, upper=upper, least=least))


# --- outcomes -----------------------------------------------------------------------------------


def cohort_outcomes(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Shares and rates anew; shares of sessions and courses, whose limits need each patient's, in
    steps; so means.
    """
    missing = (
        pl.when(pl.col("population") == MISSING_AS_NONRESPONDER).then("n_missing").otherwise(0)
    )
    rows = rows.with_columns(
        _n=pl.col("n_evaluable") + missing, median_day=_exact("median_day").round()
    )
    is_share = pl.col("unit") == "proportion"
    is_of_things = pl.col("population").is_in([SESSIONS, COURSES])
    rate = pl.col("patient_years").is_not_null()
    least = (
        pl.when(rate).then(_of(base, "patient_years", per=100)).when(is_share).then(_of(base, "_n"))
    )
    rows = _clustered(rows, least=least).with_row_index("_row")
    parts = [
        _anew_shares(rows.filter((is_share & ~is_of_things).fill_null(False))),
        _anew_rates(rows.filter(rate)),
        _in_steps(rows.filter(is_share & is_of_things), base=base),
        rows.filter(~is_share.fill_null(False) & ~rate).with_columns(
            **coarse_limits(_LIMITS, lower="ci_lower", upper="ci_upper")
        ),
    ]
    return pl.concat(parts, how="diagonal").sort("_row").drop("_row", "_n")


def _anew_shares(rows: pl.DataFrame) -> pl.DataFrame:
    return anew(rows, ["n_event", "_n"], lambda pairs: _share_limits(pairs, "n_event", "_n"))


def _anew_rates(rows: pl.DataFrame) -> pl.DataFrame:
    limits = garwood(rows["n_event"], rows["patient_years"])
    return rows.with_columns(
        pl.Series(name, values, pl.Float64).fill_nan(None)
        for name, values in zip(_LIMITS, limits, strict=True)
    )


def _in_steps(rows: pl.DataFrame, *, base: int) -> pl.DataFrame:
    """The share of the rounded counts; its limits in steps of what `base` things make of the
    denominator.
    """
    share = pl.when(pl.col("_n") > 0).then(pl.col("n_event") / pl.col("_n"))
    coarse = coarse_limits(_LIMITS[1:], lower="ci_lower", upper="ci_upper", least=_of(base, "_n"))
    return rows.with_columns(estimate=share, **coarse)


def responder_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    def wilson(pairs: pl.DataFrame) -> pl.DataFrame:
        made = rates.proportion_columns(pairs, x="x", n="n", name="estimate", method="wilson")
        return made.rename({"estimate_lower": "ci_lower", "estimate_upper": "ci_upper"})

    return anew(rows, ["x", "n"], wilson)


def responder_disagreement(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    return anew(rows, ["x", "n"], lambda pairs: _share_limits(pairs, "x", "n"))


def dose_response(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Mean in steps, standard deviation to two digits, and the t interval of these with the rounded
    number.
    """
    rows = rows.with_columns(**coarse_limits(["mean_change"], lower="ci_lower", upper="ci_upper"))
    rows = _clustered(rows).with_columns(
        **_as_it_is("to_per_week"), **_to_digits(2, "sd_change", "mean_sessions_per_week")
    )
    quantile = pl.Series(stats.t.ppf(0.975, np.maximum(rows["n_patients"].to_numpy() - 1, 1)))
    margin = pl.when((pl.col("sd_change") > 0) & (pl.col("n_patients") > 1)).then(
        pl.col("sd_change") * quantile / pl.col("n_patients").sqrt()
    )
    return rows.with_columns(
        ci_lower=pl.col("mean_change") - margin, ci_upper=pl.col("mean_change") + margin
    )


def important_change(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Sensitivity, specificity and area in steps of what `base` patients make of their group; the
    area's limits anew.
    """
    smaller = pl.min_horizontal(_of(base, "n_improved"), _of(base, "n_not_improved"))
    rows = rows.with_columns(
        **_as_it_is("anchored_change", "anchored_change_least"),
        sensitivity=in_steps(_exact("sensitivity"), at_least(_of(base, "n_improved"))),
        specificity=in_steps(_exact("specificity"), at_least(_of(base, "n_not_improved"))),
        auc=in_steps(_exact("auc"), at_least(smaller)),
    )
    given = (
        rows.select("auc", "n_improved", "n_not_improved").cast(pl.Float64).fill_null(float("nan"))
    )
    lower, upper = anchor.area_interval(*(given[c].to_numpy() for c in given.columns))
    return rows.with_columns(pl.DataFrame({"auc_lower": lower, "auc_upper": upper}).fill_nan(None))


def reliable_change(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    for name in CHANGE_CLASSES:
        named = dict(zip(_LIMITS, (name, f"{name}_lower", f"{name}_upper"), strict=True))
        rows = anew(
            rows,
            [f"n_{name}", "n_evaluable"],
            lambda pairs, x=f"n_{name}", named=named: _share_limits(pairs, x, "n_evaluable").rename(
                named
            ),
        )
        lower, upper = f"{name}_clustered_lower", f"{name}_clustered_upper"
        rows = rows.with_columns(
            **coarse_limits(
                [lower, upper], lower=lower, upper=upper, least=_of(base, "n_evaluable")
            )
        )
    return rows


def arm_comparisons(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Risk differences anew; of models each figure in steps that suit its interval."""
    is_risk = pl.col("method") == "risk_difference"
    counts = ["x_arm", "n_arm", "x_reference", "n_reference"]
    risks = anew(rows.filter(is_risk), counts, _risk_differences).with_columns(
        p_value=pl.lit(None, pl.Float64)
    )
    models = rows.filter(~is_risk).with_columns(
        **_to_digits(1, "p_value"), **coarse_limits(_LIMITS, lower="ci_lower", upper="ci_upper")
    )
    for side in ("lsmean_arm", "lsmean_reference"):
        names = (side, f"{side}_lower", f"{side}_upper")
        models = models.with_columns(**coarse_limits(names, lower=names[1], upper=names[2]))
    return pl.concat([risks, models], how="diagonal_relaxed")


def _risk_differences(tables: pl.DataFrame) -> pl.DataFrame:
    columns = {name: [] for name in (*_LIMITS, "wald_lower", "wald_upper")}
    for x1, n1, x2, n2 in tables.select("x_arm", "n_arm", "x_reference", "n_reference").iter_rows():
        newcombe, wald = (
            rates.risk_difference(x1, n1, x2, n2, method=m) for m in ("newcombe", "wald")
        )
        figures = (newcombe.estimate, newcombe.lower, newcombe.upper, wald.lower, wald.upper)
        for name, value in zip(columns, figures, strict=True):
            columns[name].append(value)
    return tables.with_columns(
        pl.Series(name, values, pl.Float64) for name, values in columns.items()
    )


# --- adverse events -----------------------------------------------------------------------------

_TIMES = ("patient_years", "patient_years_at_risk")


def adverse_event_groups(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    counts = ["patients", "patients_with_event", "events", "sessions", *_TIMES]
    return anew(rows, counts, lambda distinct: with_rates(distinct, suffix=""))


def adverse_event_rates(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Rates of both ends anew, over-dispersed limits by a dispersion of two digits; those for
    clinics in steps.
    """
    rows = rows.with_columns(**_to_digits(2, "overdispersion", "session_window_time_share"))
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
                rates.overdispersed_columns(
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
        least = _of(base, whole, per=per)
        rows = rows.with_columns(
            **coarse_limits([lower, upper], lower=lower, upper=upper, least=least)
        )
    return rows


def device_event_rates(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Rates anew; of device-hours none where the mart gives none, though few sessions without a
    duration round to 0.
    """
    rows = anew(
        rows, ["events", "sessions", "device_hours", "sessions_without_duration"], with_device_rates
    )
    per_hour = [c for c in rows.columns if c.startswith("events_per_1000_device_hours")]
    is_given = _exact("events_per_1000_device_hours").is_not_null()
    return rows.with_columns(pl.when(is_given).then(c).alias(c) for c in per_hour)


# --- clinics ------------------------------------------------------------------------------------


def clinic_funnel(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """The clinic's own figure anew; target and limits in steps of what `base` people make of its
    denominator.
    """
    is_ratio = pl.col("kind") == "ratio"
    share = pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator"))
    least = at_least(_of(base, "denominator"))
    lines = [
        f"{side}_{level}{od}"
        for side in ("lower", "upper")
        for level in ("95", "998")
        for od in ("", "_od")
    ]
    tails = ("tail_probability", "tail_probability_at_target", "reference_tail_probability")
    return rows.with_columns(
        estimate=pl.when(_exact("estimate").is_not_null()).then(share),
        target=pl.when(is_ratio)
        .then(_exact("target"))
        .otherwise(in_steps(_exact("target"), least)),
        asked_share=in_steps(_exact("asked_share"), pl.lit(0.05)),
        **_as_it_is("clinics"),
        **{c: in_steps(_exact(c), least) for c in lines},
        **_to_digits(1, *tails),
        **_to_digits(2, "overdispersion", "tau2", "limit_share"),
    )


def control_charts(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Shares and rates anew; lines and values of other charts in steps that suit the limits."""
    share = pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator"))
    anew_of = {"u": 100 * share, "p": share, "c": pl.col("numerator")}
    lines = coarse_limits(("value", "center", "lower", "upper"), lower="lower", upper="upper")
    rows = rows.with_columns(
        **_as_it_is("baseline_points"),
        **_to_digits(1, "limit_share"),
        **_to_digits(2, "in_control_arl"),
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


# --- curves -------------------------------------------------------------------------------------

_CURVE = ["parameter", *STRATUM_COLUMNS]


def thinned_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """A row a time at which the rounded events, or censored, so far are more; until few are at
    risk.

    The last row is the last time at which at least `min_cell` were, whether or not there is a step.
    At risk are the rounded patients without those gone before.
    """
    rows = rows.sort(*_CURVE, "time_days", nulls_last=False).with_columns(
        _all=to_base(pl.col("at_risk").max().over(_CURVE), base),
        _gone=to_base(pl.col("events").cum_sum().over(_CURVE), base),
        _left=to_base(pl.col("censored").cum_sum().over(_CURVE), base),
    )
    rows = rows.filter(pl.col("at_risk") >= options.min_cell)
    totals = pl.col("_gone", "_left")
    steps = rows.filter(
        pl.any_horizontal(totals > totals.shift(1, fill_value=0).over(_CURVE))
        | (pl.int_range(pl.len()).over(_CURVE) == pl.len().over(_CURVE) - 1)
    )
    before = {c: pl.col(c).shift(1, fill_value=0).over(_CURVE) for c in ("_gone", "_left")}
    steps = steps.with_columns(
        at_risk=pl.col("_all") - before["_gone"] - before["_left"],
        events=pl.col("_gone") - before["_gone"],
        censored=pl.col("_left") - before["_left"],
    )
    is_left = (pl.col("at_risk") >= base) & (pl.col("events") <= pl.col("at_risk"))
    return steps.filter(is_left).drop("_all", "_gone", "_left")


def survival_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Curve, limits and median of the thinned counts; the log-rank test's p-value to one digit."""
    if rows.is_empty():
        return rows
    counts = rows.select(*_CURVE, "at_risk", "events", "censored", time="time_days")
    curve = survival.from_counts(counts, by=_CURVE)
    medians = survival.median(curve, by=_CURVE)
    medians = medians.rename({"lower": "median_lower", "upper": "median_upper"})
    made = curve.select(*_CURVE, "survival", "lower", "upper", "ci_method", time_days="time")
    kept = rows.drop("ci_method", "reason")
    return (
        kept.with_columns(**_to_digits(1, "log_rank_p_value"))
        .join(made, on=[*_CURVE, "time_days"], how="left", nulls_equal=True, maintain_order="left")
        .join(medians, on=_CURVE, how="left", nulls_equal=True, maintain_order="left")
    )
