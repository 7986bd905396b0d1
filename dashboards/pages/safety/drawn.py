"""The safety page's charts as its cards ask for them: of what is shown, the rows and the title of each.

Here: `Shown` -> what fills a card. Not here: how rows become charts (charts.py, ratio_charts.py,
between_charts.py), the cards (page.py).
"""

import polars as pl

from transforms.facts.restrictions import RESTRICTIONS

from ...components import Drawn, nothing
from ...theme import Look
from . import between_charts as between
from . import charts, ratio_charts
from .rows import SEVERITY, Shown

RATIOS_TITLE = "How do arms, modalities and clinics differ?"
CLINIC_RATES_TITLE = "How often do adverse events happen, clinic by clinic?"


def _clinic(shown: Shown) -> pl.Expr:
    return pl.col("clinic_id").replace(shown.clinics)


def clinic_rates_chart(shown: Shown, of: Look) -> Drawn:
    title = f"{CLINIC_RATES_TITLE} ({shown.restriction_words})"
    if shown.by_clinic.is_empty():
        return nothing(
            shown.none(shown.by_clinic, "Clinic by clinic", "clinic_id"), of=of, title=title
        )
    return charts.rates_chart(shown.by_clinic, _clinic(shown), of=of, what="clinics", title=title)


def term_rates_chart(shown: Shown, of: Look) -> Drawn:
    terms = shown.by_term.filter(pl.col("term").is_not_null())
    left_out = terms.height - charts.MOST_TERMS
    more = (
        f"The {charts.MOST_TERMS} most frequent terms; left to the table below: {left_out}."
        if left_out > 0
        else ""
    )
    return charts.rates_chart(
        terms.head(charts.MOST_TERMS),
        pl.col("term"),
        of=of,
        what="terms",
        more=more,
        title=f"Which events? ({shown.restriction_words})",
    )


def severity_chart(shown: Shown, of: Look) -> Drawn:
    return charts.severity(
        shown.by_restriction, {name: RESTRICTIONS[name].words for name in SEVERITY}, of=of
    )


def grades_chart(shown: Shown, of: Look) -> Drawn:
    if shown.reader.is_outside:
        return nothing("Grades of single terms are shown to the clinic's own staff only.", of=of)
    return charts.grades(*(shown.by_term_of(name) for name in ("any", "grade_2", "grade_3")), of=of)


def ratios_chart(shown: Shown, of: Look) -> Drawn:
    return ratio_charts.ratios(
        shown.comparisons,
        shown.clinics,
        of=of,
        is_outside=shown.reader.is_outside,
        title=f"{RATIOS_TITLE} ({shown.restriction_words})",
    )


def funnel_chart_of(shown: Shown, of: Look) -> Drawn:
    rows = shown.funnel_rows.filter(pl.col("metric_id") == (shown.funnel or ""))
    return between.funnel_chart(rows, _clinic(shown), of=of)


def control_chart(shown: Shown, of: Look) -> Drawn:
    name = shown.charts.get(shown.chart, "")
    return between.control(shown.control, of=of, name=name)
