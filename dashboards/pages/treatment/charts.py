"""The treatment page's charts: clearance, limits, courses, clinics side by side, dose against
response.

Here: which rows, which figure, which sentence. Not here: asking the lake (page.py). Clinics stand
in the order of their names: this is no ranking.
"""

import polars as pl

from transforms.facts.limits import ANY_EXCEEDED, LIMITS
from transforms.facts.sessions import BOOKED

from ... import words
from ...components import Drawn, nothing
from ...figures.dose import dose_response, visible_range
from ...figures.intervals import Panel, interval_panels
from ...gate import SUPPRESSED
from ...parameters import digits_of
from ...theme import Look
from ..shares import counted, shares_chart

CLEARANCE = {
    "sessions_not_cleared": "Without clearance or<br>with a contraindication",
    "sessions_without_clearance": "Without a valid<br>clearance",
    "sessions_with_contraindication": "With a known<br>contraindication",
}
LIMIT_SHARES = {
    ANY_EXCEEDED: "Any limit",
    **{limit.metric: limit.words.capitalize() for limit in LIMITS.values()},
}
COURSE = {f"sessions_{state}": state.capitalize() for state in BOOKED}
ASKED = {"sessions_not_asked": "Nobody asked about<br>side effects"}
# of the picture of clinics: metric -> panel's title, axis
BY_CLINIC = {
    "sessions_not_cleared": ("Not cleared (target 0)", "% of sessions"),
    ANY_EXCEEDED: ("A limit exceeded (target 0)", "% of sessions"),
    "sessions_delivered": ("Delivered of those booked", "% of sessions"),
}
_AMOUNTS = {
    "session_duration_median": ("Duration of a session", 0),
    "session_dose_median": ("Cold dose of a session (not validated)", 0),
    "skin_rewarming_median": ("Until the skin is warm again", 1),
    "cumulative_exposure_median": ("Exposure of a patient so far", 0),
}
NOT_CAUSAL = (
    "Not causal: who does well may come more often, or less; nobody was put into a bin by chance. "
    "Of each patient's first treatment episode."
)


def clearance(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    return shares_chart(
        rows,
        CLEARANCE,
        of=of,
        none=none,
        axis_title="% of the sessions that began; target 0",
        target=0,
        sentence=_target(
            rows, "sessions_not_cleared", "without a valid clearance or with a contraindication"
        ),
    )


def limits(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    return shares_chart(
        rows,
        LIMIT_SHARES,
        of=of,
        none=none,
        axis_title="% of the sessions that began; target 0",
        target=0,
        sentence=_target(rows, ANY_EXCEEDED, "with a limit of the protocol exceeded"),
        notes=("A limit that was not measured is not known, not kept.",),
    )


def _target(rows: pl.DataFrame, metric: str, text: str) -> str:
    r = next(iter(rows.filter(pl.col("metric_id") == metric).iter_rows(named=True)), None)
    if r is None or r["estimate"] is None:
        return ""
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1)
    return (
        f"{words.count(r['n_event'])} of {words.count(r['n_evaluable'])} sessions of {words.count(r['n_patients'])} "
        f"patients {text}: {share}; the target is 0."
    )


def course(rows: pl.DataFrame, *, of: Look, none: str) -> Drawn:
    adherence = next(
        iter(rows.filter(pl.col("metric_id") == "course_adherence").iter_rows(named=True)), None
    )
    return shares_chart(
        rows,
        COURSE | ASKED,
        of=of,
        none=none,
        axis_title="% of the sessions booked (asked: of those delivered)",
        notes=(f"{_adherence(adherence)}",) if adherence else (),
    )


def _adherence(r: dict) -> str:
    if r["estimate"] is None:
        return f"Adherence: {r['reason'] or 'not given'}."
    ratio = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
    return (
        f"Of the sessions prescribed {ratio} were delivered, mean over {words.plural(r['n_evaluable'], 'course')} that "
        f"are over; {words.count(r['n_pending'])} still run."
    )


def by_clinic(rows: pl.DataFrame, names: dict[str, str], *, of: Look, none: str) -> Drawn:
    """One row per clinic, by name; `rows`: of mart.cohort_outcomes, split by clinic."""
    shown = _clinic_rows(rows, names)
    if shown.is_empty() or all(shown[f"{m}_value"].null_count() == shown.height for m in BY_CLINIC):
        return nothing(none, of=of)
    panels = tuple(
        Panel(text, f"{m}_value", f"{m}_low", f"{m}_high", f"{m}_text", axis)
        for m, (text, axis) in BY_CLINIC.items()
    )
    figure = interval_panels(shown, panels=panels, of=of)
    figure.update_xaxes(rangemode="tozero")
    figure.update_xaxes(range=[0, 102], col=len(panels))
    hidden = sum(shown[f"{m}_value"].null_count() for m in BY_CLINIC)
    return Drawn(
        figure=figure,
        summary=f"{words.plural(shown.height, 'clinic')}, in the order of their names: no ranking. A difference asks "
        "for a look at records and patients first.",
        notes=(
            (f"{hidden} values are not given: the reason stands in their place.",) if hidden else ()
        ),
        metrics=tuple(BY_CLINIC),
        table=shown.select(
            pl.col("label").alias("clinic"),
            *(pl.col(f"{m}_said").alias(f"{text} (95 % CI)") for m, (text, _) in BY_CLINIC.items()),
            *(pl.col(f"{m}_text").alias(f"{text}, n") for m, (text, _) in BY_CLINIC.items()),
        ),
        data_to=rows["data_cutoff"].max(),
    )


def _clinic_rows(rows: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """One row per clinic with sessions (or with numbers that are hidden)."""
    row_of: dict[str, dict] = {}
    has_sessions = pl.col("n_due").is_null() | (pl.col("n_due") > 0)
    for r in rows.filter(pl.col("metric_id").is_in(list(BY_CLINIC)) & has_sessions).iter_rows(
        named=True
    ):
        row = row_of.setdefault(
            r["clinic_id"], {"label": names.get(r["clinic_id"], r["clinic_id"])}
        )
        m = r["metric_id"]
        for name, column in (("value", "estimate"), ("low", "ci_lower"), ("high", "ci_upper")):
            row[f"{m}_{name}"] = None if r[column] is None else 100 * r[column]
        row[f"{m}_text"] = counted(r).partition(" (")[0]
        row[f"{m}_said"] = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1)
    numbers = {f"{m}_{name}": pl.Float64 for m in BY_CLINIC for name in ("value", "low", "high")}
    ordered = sorted(row_of.values(), key=lambda row: row["label"])
    if ordered:
        return pl.DataFrame(ordered, infer_schema_length=None, schema_overrides=numbers)
    return pl.DataFrame()


def amounts(rows: pl.DataFrame) -> pl.DataFrame:
    """Duration, dose, rewarming, exposure: medians over patients with their limits, as people read
    them.
    """
    row_of = {r["metric_id"]: r for r in rows.iter_rows(named=True) if r["metric_id"] in _AMOUNTS}
    shown = [
        (
            title,
            _amount(row_of[m], digits),
            row_of[m]["unit"],
            row_of[m]["n_evaluable"],
            row_of[m]["n_missing"],
        )
        for m, (title, digits) in _AMOUNTS.items()
        if m in row_of
    ]
    columns = ["what", "median over patients (95 % CI)", "unit", "patients", "not known"]
    return pl.DataFrame(shown, schema=columns, orient="row", infer_schema_length=None)


def _amount(r: dict, digits: int) -> str:
    if r["estimate"] is None:
        return r["reason"] or words.NOTHING
    return words.interval(r["estimate"], r["ci_lower"], r["ci_upper"], digits=digits)


def dose(rows: pl.DataFrame, code: str, visit: str, *, of: Look, none: str) -> Drawn:
    """`rows` of mart.dose_response of the parameter and visit."""
    title = f"Does it go with how often they come? {words.parameter_title(code)} at {visit}"
    drawn = rows.filter(pl.col("mean_change").is_not_null()).sort("from_per_week")
    if drawn.is_empty():
        return nothing(none, of=of, title=title)
    unit = drawn["unit"].drop_nulls().first() or ""
    digits = digits_of(unit)
    drawn = drawn.with_columns(
        bin=pl.Series([_bin(r) for r in drawn.iter_rows(named=True)], dtype=pl.String)
    )
    sentences = [
        f"{r['bin']} a week {words.interval(r['mean_change'], r['ci_lower'], r['ci_upper'], digits=digits)} {unit} "
        f"(n = {words.count(r['n_patients'])})"
        for r in drawn.iter_rows(named=True)
    ]
    return Drawn(
        figure=dose_response(drawn, of=of, axis_title=f"mean change, {unit}", digits=digits),
        title=title,
        summary=f"{NOT_CAUSAL} Mean change by sessions a week: {'; '.join(sentences)}.",
        notes=("A change is not an effect.", *_out_of_sight(drawn), *_hidden(rows)),
        metrics=("dose_response",),
        table=drawn.select(
            pl.col("bin").alias("sessions a week"),
            pl.Series(
                "mean change (95 % CI)",
                [t.partition(" a week ")[2] for t in sentences],
                dtype=pl.String,
            ),
            pl.col("mean_sessions_per_week").alias("mean sessions a week"),
            pl.col("n_patients").alias("patients"),
        ),
        data_to=drawn["data_cutoff"].max(),
    )


def _out_of_sight(rows: pl.DataFrame) -> tuple[str, ...]:
    low, high = visible_range(rows)
    cut = rows.filter((pl.col("ci_lower") < low) | (pl.col("ci_upper") > high)).height
    return (
        ("An interval of few patients reaches beyond the picture: see the table.",) if cut else ()
    )


def _hidden(rows: pl.DataFrame) -> tuple[str, ...]:
    hidden = rows["mean_change"].null_count()
    if not hidden:
        return ()
    return (f"{words.plural(hidden, 'bin')}: {SUPPRESSED}.",)


def _bin(r: dict) -> str:
    low = words.number(r["from_per_week"], 0)
    return (
        f"{low} or more"
        if r["to_per_week"] is None
        else f"{low} to below {words.number(r['to_per_week'], 0)}"
    )
