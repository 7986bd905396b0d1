"""The safety page's charts, each from rows of a mart to what fills its card.

Here: which rows, which figure, which sentence. Not here: asking the lake, the layout (safety.py). Clinics stand in the
order of their names: this is no ranking.
"""

import polars as pl

from .. import words
from ..components import Drawn, nothing
from ..disclosed import SUPPRESSED
from ..figures.clinics import control_chart, funnel
from ..figures.intervals import Panel, interval_panels
from ..theme import Look

METRIC = "adverse_event_rates"
MOST_TERMS = 16
# column of the mart -> title, numerator, denominator, scale, axis
RATES = {
    "incidence_proportion": ("Patients with an event", "patients_with_event", "patients", 100, "% of patients"),
    "events_per_100_sessions": ("Events per 100 sessions", "events", "sessions", 1, "per 100 sessions"),
    "events_per_100_patient_years": (
        "Events per 100 patient-years",
        "events",
        "patient_years",
        1,
        "per 100 patient-years",
    ),
}
_ONCE = "Each rate has its exact 95 % interval; a hollow mark is no event seen, with the highest rate that this allows."


def with_panels(rows: pl.DataFrame, labels: pl.Expr) -> pl.DataFrame:
    """`label`, and for each rate its value, limits and `numerator / denominator`, from rows of the mart."""
    columns = [labels.alias("label")]
    for rate, (_, numerator, denominator, scale, _) in RATES.items():
        columns += [
            (pl.col(f"{rate}{suffix}") * scale).alias(f"{rate}{suffix}_shown") for suffix in ("", "_lower", "_upper")
        ]
        columns.append(_fraction(numerator, denominator).alias(f"{rate}_text"))
    return rows.select(*columns, pl.col("events"), pl.col("is_suppressed"), pl.col("data_cutoff"))


def _fraction(numerator: str, denominator: str) -> pl.Expr:
    """`3 / 710`; patient-years with one digit; what is hidden says so."""
    digits = 1 if denominator == "patient_years" else 0

    def said(r: dict) -> str:
        if r[numerator] is None:
            return SUPPRESSED.partition(" ")[0] if r["is_suppressed"] else words.NOTHING
        return f"{words.count(r[numerator])} / {words.number(r[denominator], digits)}"

    return pl.struct(numerator, denominator, "is_suppressed").map_elements(said, return_dtype=pl.String)


def rates_chart(rows: pl.DataFrame, labels: pl.Expr, *, of: Look, title: str, what: str, more: str = "") -> Drawn:
    """Three denominators side by side: patients, sessions, patient-years; a row a `label`, in the rows' order."""
    if rows.is_empty():
        return nothing("No patient of this selection has been treated yet.", of=of, title=title)
    shown = with_panels(rows, labels)
    panels = tuple(
        Panel(name, f"{rate}_shown", f"{rate}_lower_shown", f"{rate}_upper_shown", f"{rate}_text", axis)
        for rate, (name, *_, axis) in RATES.items()
    )
    figure = interval_panels(shown, panels=panels, of=of)
    figure.update_xaxes(rangemode="tozero")
    hidden = int(shown["events"].is_null().sum())
    return Drawn(
        figure=figure,
        title=title,
        summary=f"{_spread(shown, what)} {_ONCE}",
        notes=((f"{hidden} rows: {SUPPRESSED}.",) if hidden else ()) + ((more,) if more else ()),
        metrics=(METRIC,),
        table=_table(shown, what),
        data_to=rows["data_cutoff"].max(),
    )


def _spread(shown: pl.DataFrame, what: str) -> str:
    known = shown.filter(pl.col("events").is_not_null())
    if known.is_empty():
        return "No row of this selection can be shown."
    first = known.row(0, named=True)
    rate = words.interval(*(first[f"events_per_100_sessions{s}_shown"] for s in ("", "_lower", "_upper")))
    none = int((known["events"] == 0).sum())
    return (
        f"{known.height} {what}, {none or 'none'} of them without an event; the first, {first['label']}: "
        f"{first['events_per_100_sessions_text']} sessions, {rate} per 100 sessions."
    )


def _table(shown: pl.DataFrame, what: str) -> pl.DataFrame:
    rows = []
    for r in shown.iter_rows(named=True):
        row = {what: r["label"]}
        for rate, (name, *_) in RATES.items():
            row[f"{name}, n"] = r[f"{rate}_text"]
            row[f"{name} (95 % CI)"] = words.interval(*(r[f"{rate}{s}_shown"] for s in ("", "_lower", "_upper")))
        rows.append(row)
    return pl.DataFrame(rows)


def grid_rows(rows: pl.DataFrame) -> list[dict]:
    """The table of all terms: counts, denominators, and each rate with its interval as text."""
    shown = []
    for r in rows.iter_rows(named=True):
        row = {
            "term": r["term"] or "any event",
            **{c: r[c] for c in ("events", "patients_with_event", "patients", "sessions")},
        }
        row["patient_years"] = None if r["patient_years"] is None else round(r["patient_years"], 1)
        for rate, scale in (
            ("incidence_proportion", 100),
            ("events_per_100_sessions", 1),
            ("eair_per_100_patient_years", 1),
            ("events_per_100_patient_years", 1),
        ):
            values = [None if r[f"{rate}{s}"] is None else r[f"{rate}{s}"] * scale for s in ("", "_lower", "_upper")]
            row[rate] = r["reason"] or words.NOTHING if values[0] is None else words.interval(*values)
        row["overdispersion"] = None if r["overdispersion"] is None else round(r["overdispersion"], 2)
        shown.append(row)
    return shown


# --- between clinics, over time ---------------------------------------------------------------------


def funnel_chart(rows: pl.DataFrame, labels: pl.Expr, *, of: Look) -> Drawn:
    """One metric's funnel; without rows the reason."""
    title = "Does a clinic differ by more than chance?"
    if rows.is_empty():
        return nothing(
            "No data yet: the funnel is drawn once the clinics' comparison has been computed.", of=of, title=title
        )
    drawn = rows.filter(pl.col("estimate").is_not_null())
    if drawn.is_empty():
        return nothing(rows["reason"].drop_nulls().first() or "No limits can be given.", of=of, title=title)
    drawn = drawn.with_columns(name=labels, label="clinic_id")
    is_proportion = drawn["kind"][0] == "proportion"
    outside = drawn.filter(pl.col("signal").fill_null("none") != "none")["name"].sort().to_list()
    said = f"outside a limit: {', '.join(outside)}" if outside else "all within the limits"
    return Drawn(
        figure=funnel(
            drawn,
            of=of,
            axis_title="proportion" if is_proportion else "observed / expected",
            denominator_title="patients" if is_proportion else "events expected",
        ),
        title=f"{title} {words.metric_title(drawn['metric_id'][0])}",
        summary=f"{drawn.height} clinics, {said}. Not a ranking: a point outside asks for a look at its data, case mix "
        "and practice, in this order.",
        metrics=tuple(drawn["metric_id"].unique()),
        table=drawn.select(
            clinic="name",
            numerator="numerator",
            denominator="denominator",
            value="estimate",
            lower_95="lower_95",
            upper_95="upper_95",
            lower_998="lower_998",
            upper_998="upper_998",
            signal="signal",
        ).sort("clinic"),
        data_to=drawn["data_cutoff"].max(),
    )


def chart_name(row: dict, clinics: dict[str, str]) -> str:
    """A control chart in words."""
    where = clinics.get(row["clinic_id"], row["clinic_id"]) if row["clinic_id"] else "all clinics"
    term = f", {row['term']}" if row["term"] else ""
    return f"{words.metric_title(row['metric_id'])}{term}: {where} ({row['chart']}-chart)"


def control(rows: pl.DataFrame, *, of: Look, name: str) -> Drawn:
    """One series with its limits; without rows the reason."""
    title = "Has something changed?"
    if rows.is_empty():
        return nothing("No data yet: a chart needs its first months of sessions.", of=of, title=title)
    seen = rows.filter(pl.col("value").is_not_null())
    if seen.is_empty():
        return nothing(rows["reason"].drop_nulls().first() or "No values can be given.", of=of, title=title)
    signals = seen.filter(
        pl.any_horizontal(pl.col("is_outside", "is_trend", "is_two_of_three", "is_shift").fill_null(False))
    )
    trial = " Trial limits: fewer than 12 points." if seen["is_trial_limits"].fill_null(False).any() else ""
    return Drawn(
        figure=control_chart(seen, of=of, axis_title=words.metric_title(seen["metric_id"][0])),
        title=f"{title} {name}",
        summary=f"{seen.height} points, {signals.height} with a signal.{trial}",
        metrics=tuple(seen["metric_id"].unique()),
        table=seen.sort("point").select(
            "point", "period_start", "value", "numerator", "denominator", "center", "lower", "upper", "is_outside",
            "is_trend", "is_two_of_three", "is_shift"),
        data_to=seen["data_cutoff"].max(),
    )  # fmt: skip
