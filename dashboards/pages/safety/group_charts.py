"""Adverse events by body system, by worst grade and of groups of terms, as the safety page shows
them.

Here: which rows of mart.adverse_event_groups, and how they become a card. Not here: single terms
(charts.py), the layout (page.py). Categories stand in the order of their names: what is seen most
is no verdict.
"""

import polars as pl

from transforms.facts.restrictions import GROUP_RESTRICTIONS, RESTRICTIONS, sql_of

from ... import words
from ...components import Drawn, nothing
from ...figures.intervals import Panel, interval_panels
from ...filters import Chosen
from ...finer import rows_of
from ...gate import SUPPRESSED
from ...reader import Reader
from ...theme import Look

MART = "adverse_event_groups"
TITLE = "Of what kind are they?"
GROUPINGS = {
    "body_system": "body system",
    "worst_grade": "worst grade of a patient",
    "term_group": "group of terms",
}
# rate -> panel's title, numerator, denominator, scale, axis
_PANELS = {
    "incidence_proportion": (
        "Patients with one",
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
}
_SIDES = ("", "_lower", "_upper")


def rows(reader: Reader, choice: Chosen, *, grouping: str, restriction: str) -> pl.DataFrame:
    """The selection's rows of a grouping; a restriction that the mart has not (a grade) is any
    event.
    """
    only = sql_of(of_restriction(restriction), among=GROUP_RESTRICTIONS)
    where = f"{only} AND grouping = $1"
    groups = rows_of(reader, MART, choice.stratum(), where, [grouping])
    return groups.sort("category")


def of_restriction(name: str) -> str:
    if name in GROUP_RESTRICTIONS:
        return name
    return "any"


def card(rows: pl.DataFrame, *, grouping: str, restriction: str, of: Look) -> Drawn:
    """One row per category over patients and, where an event is of one, over sessions."""
    restriction_words = RESTRICTIONS[of_restriction(restriction)].words
    title = f"{TITLE} By {GROUPINGS[grouping]} ({restriction_words})"
    if rows.is_empty():
        return nothing("No patient of this selection has been treated yet.", of=of, title=title)
    name = "Grade {}" if grouping == "worst_grade" else "{}"
    shown = _shown(rows).with_columns(label=pl.format(name, pl.col("label")))
    panels = tuple(
        Panel(
            name,
            f"{rate}_shown",
            f"{rate}_lower_shown",
            f"{rate}_upper_shown",
            f"{rate}_text",
            axis,
        )
        for rate, (name, *_, axis) in _PANELS.items()
        if shown[f"{rate}_text"].is_not_null().any()
    )
    figure = interval_panels(shown, panels=panels, of=of)
    figure.update_xaxes(rangemode="tozero")
    hidden = int(rows["is_suppressed"].sum())
    return Drawn(
        figure=figure,
        title=title,
        summary=_sentence(shown, grouping),
        notes=(f"{hidden} of {words.plural(rows.height, 'row')}: {SUPPRESSED}.",) if hidden else (),
        metrics=(MART,),
        table=_table(shown),
        data_to=rows["data_cutoff"].max(),
    )


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """`label`, and of each rate its value and limits on the axis and `numerator / denominator`,
    null where it has none.
    """
    columns = [
        pl.col("category").map_elements(words.name_of, return_dtype=pl.String).alias("label")
    ]
    for rate, (_, numerator, denominator, scale, _) in _PANELS.items():
        columns += [
            (pl.col(f"{rate}{side}") * scale).alias(f"{rate}{side}_shown") for side in _SIDES
        ]
        count = pl.format(
            "{} / {}",
            *(
                pl.col(c).map_elements(words.count, return_dtype=pl.String)
                for c in (numerator, denominator)
            ),
        )
        hidden = pl.when("is_suppressed").then(pl.lit(SUPPRESSED.partition(" ")[0]))
        columns.append(
            pl.when(pl.col(numerator).is_not_null())
            .then(count)
            .otherwise(hidden)
            .alias(f"{rate}_text")
        )
    return rows.select(*columns, "patients", "patients_with_event")


def _sentence(shown: pl.DataFrame, grouping: str) -> str:
    most = shown.filter(pl.col("patients_with_event") > 0)
    once = (
        "A patient is in the worst grade alone."
        if grouping == "worst_grade"
        else "A patient may be in several."
    )
    hollow = "Each share and rate has its exact 95 % interval; a hollow mark is none seen, with the most that this allows."
    return f"{most.height} of the {shown.height} listed here were seen. {once} {hollow}"


def _table(shown: pl.DataFrame) -> pl.DataFrame:
    lines = []
    for row in shown.iter_rows(named=True):
        line = {"what": row["label"]}
        for rate, (name, *_) in _PANELS.items():
            line[f"{name}, n"] = row[f"{rate}_text"] or words.NOTHING
            line[f"{name} (95 % CI)"] = words.interval(
                *(row[f"{rate}{side}_shown"] for side in _SIDES)
            )
        lines.append(line)
    return pl.DataFrame(lines)
