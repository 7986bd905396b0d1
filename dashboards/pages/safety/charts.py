"""The safety page's charts of rates and severity, each from rows of a mart to what fills its card.

Here: which rows, which figure, which sentence. Not here: asking the lake, the layout (page.py),
clinics against each other and over time (between_charts.py). Clinics stand in the order of their
names: this is no ranking.
"""

from dataclasses import replace

import polars as pl

from transforms.facts.digits import DIGITS_OF_RATE

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...figures.severity import grade_bars
from ...gate import SUPPRESSED
from ...theme import Look
from ..both_intervals import LIKE_THESE, like_these, which_is_drawn

METRIC = "adverse_event_rates"
MOST_TERMS = 16
# column of the mart -> title, numerator, denominator, scale, axis
RATES = {
    "incidence_proportion": (
        "Patients with an event",
        "patients_with_event",
        "patients",
        100,
        "% of patients",
    ),
    "events_per_100_sessions": (
        "Events per 100 sessions",
        "events",
        "sessions",
        1,
        "per 100 sessions",
    ),
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
    """`label`, and for each rate its value, limits and `numerator / denominator`, from rows of the
    mart.
    """
    columns = [labels.alias("label")]
    for rate, (_, numerator, denominator, scale, _) in RATES.items():
        columns += [
            (pl.col(f"{rate}{suffix}") * scale).alias(f"{rate}{suffix}_shown")
            for suffix in ("", "_lower", "_upper")
        ]
        columns += [(pl.col(f"{rate}_clustered_{side}") * scale) for side in ("lower", "upper")]
        columns.append(_fraction(numerator, denominator).alias(f"{rate}_text"))
    return rows.select(
        *columns,
        "clustered_reason",
        pl.col("events"),
        pl.col("is_suppressed"),
        pl.col("data_cutoff"),
    )


def _fraction(numerator: str, denominator: str) -> pl.Expr:
    """`3 / 710`; patient-years with one digit; what is hidden says so."""
    digits = 1 if denominator == "patient_years" else 0

    def said(r: dict) -> str:
        if r[numerator] is None:
            return SUPPRESSED.partition(" ")[0] if r["is_suppressed"] else words.NOTHING
        return f"{words.count(r[numerator])} / {words.number(r[denominator], digits)}"

    return pl.struct(numerator, denominator, "is_suppressed").map_elements(
        said, return_dtype=pl.String
    )


def rates_chart(
    rows: pl.DataFrame,
    labels: pl.Expr,
    *,
    of: Look,
    what: str,
    title: str | None = None,
    more: str = "",
) -> Drawn:
    """Three denominators side by side: patients, sessions, patient-years; a row a `label`, in the
    rows' order.
    """
    if rows.is_empty():
        return nothing("No patient of this selection has been treated yet.", of=of, title=title)
    shown = with_panels(rows, labels)
    panels = tuple(
        Panel(
            name,
            f"{rate}_shown",
            f"{rate}_lower_shown",
            f"{rate}_upper_shown",
            f"{rate}_text",
            axis,
        )
        for rate, (name, *_, axis) in RATES.items()
    )
    figure = interval_panels(shown, panels=panels, of=of)
    figure.update_xaxes(rangemode="tozero")
    hidden = int(shown["events"].is_null().sum())
    return Drawn(
        figure=figure,
        title=title,
        summary=f"{_spread(shown, what)} {_ONCE}",
        notes=(
            which_is_drawn(rows, name="events_per_100_sessions_clustered"),
            *((f"{hidden} rows: {SUPPRESSED}.",) if hidden else ()),
            *((more,) if more else ()),
        ),
        metrics=(METRIC,),
        table=_table(shown, what),
        data_to=rows["data_cutoff"].max(),
    )


def _spread(shown: pl.DataFrame, what: str) -> str:
    counted = shown.filter(pl.col("events").is_not_null())
    if counted.is_empty():
        return "No row of this selection can be shown."
    first = counted.row(0, named=True)
    rate = words.interval(
        *(first[f"events_per_100_sessions{s}_shown"] for s in ("", "_lower", "_upper"))
    )
    none = int((counted["events"] == 0).sum())
    return (
        f"{counted.height} {what}, {none or 'none'} of them without an event; the first, {first['label']}: "
        f"{first['events_per_100_sessions_text']} sessions, {rate} per 100 sessions."
    )


def _table(shown: pl.DataFrame, what: str) -> pl.DataFrame:
    rows = []
    for r in shown.iter_rows(named=True):
        row = {what: r["label"]}
        for rate, (name, *_) in RATES.items():
            row[f"{name}, n"] = r[f"{rate}_text"]
            row[f"{name} (95 % CI)"] = words.interval(
                *(r[f"{rate}{s}_shown"] for s in ("", "_lower", "_upper")),
                digits=DIGITS_OF_RATE[rate],
            )
            row[f"{name}, {LIKE_THESE}"] = like_these(
                r, digits=DIGITS_OF_RATE[rate], name=f"{rate}_clustered"
            )
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
            values = [
                None if r[f"{rate}{s}"] is None else r[f"{rate}{s}"] * scale
                for s in ("", "_lower", "_upper")
            ]
            row[rate] = (
                r["reason"] or words.NOTHING
                if values[0] is None
                else words.interval(*values, digits=DIGITS_OF_RATE[rate])
            )
        limits = [r[f"events_per_100_sessions_od_{side}"] for side in ("lower", "upper")]
        row["events_per_100_sessions_od"] = (
            words.NOTHING
            if limits[0] is None
            else words.interval(r["events_per_100_sessions"], *limits)
        )
        row["overdispersion"] = (
            None if r["overdispersion"] is None else round(r["overdispersion"], 2)
        )
        shown.append(row)
    return shown


# --- how bad, and how long ----------------------------------------------------------------------


def severity(rows: pl.DataFrame, names: dict[str, str], *, of: Look) -> Drawn:
    """`rows`: of any term, with `restriction`; one row per restriction of `names`, in their
    order.
    """
    place = {name: k for k, name in enumerate(names)}
    rows = rows.filter(pl.col("restriction").is_in(list(names)))
    rows = rows.sort(pl.col("restriction").replace_strict(place, return_dtype=pl.Int64))
    drawn = rates_chart(rows, pl.col("restriction").replace(names), of=of, what="kinds of event")
    events = {r["restriction"]: r["events"] for r in rows.iter_rows(named=True)}
    if events.get("any") is None:
        return drawn
    parts = [
        f"{words.count(events[name])} {text}"
        for name, text in names.items()
        if name != "any" and name in events
    ]
    return replace(
        drawn, summary=f"Of {words.plural(events['any'], 'event')}: {', '.join(parts)}. {_ONCE}"
    )


def grades(
    any_event: pl.DataFrame, grade_2: pl.DataFrame, grade_3: pl.DataFrame, *, of: Look
) -> Drawn:
    """Events by grade, a bar a term, the most frequent first; from the nested counts of the
    mart.
    """
    terms = [
        frame.filter(pl.col("term").is_not_null() & pl.col("events").is_not_null()).select(
            "term", "events"
        )
        for frame in (any_event, grade_2, grade_3)
    ]
    counts = terms[0].filter(pl.col("events") > 0)
    for name, frame in zip(("two", "three"), terms[1:], strict=True):
        counts = counts.join(frame.rename({"events": name}), on="term", how="left")
    counts = counts.with_columns(pl.col("two", "three").fill_null(0)).sort(
        "events", "term", descending=[True, False]
    )
    if counts.is_empty():
        return nothing("No adverse event in this selection.", of=of)
    parts = counts.select(
        "term",
        "events",
        mild=pl.col("events") - pl.col("two"),
        moderate=pl.col("two") - pl.col("three"),
        severe="three",
    )
    totals = {
        column: int(parts[column].sum()) for column in ("events", "mild", "moderate", "severe")
    }
    more = parts.height - MOST_TERMS
    return Drawn(
        figure=grade_bars(parts.head(MOST_TERMS), of=of),
        summary=f"Counts, not rates: of {words.count(totals['events'])} events {words.count(totals['mild'])} are of "
        f"grade 1 or without a grade, {words.count(totals['moderate'])} of grade 2, {words.count(totals['severe'])} of "
        "grade 3 or more. Their rates with intervals stand above.",
        notes=((f"Rarer terms, in the table: {more}.",) if more > 0 else ()),
        metrics=(METRIC,),
        table=parts.rename(
            {"mild": "grade 1 or none given", "moderate": "grade 2", "severe": "grade 3 or more"}
        ),
        data_to=any_event["data_cutoff"].max(),
    )
