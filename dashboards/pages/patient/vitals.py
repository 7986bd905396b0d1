"""What one patient's wearables measured beside steps: heart rate and its variability, sleep,
nightly skin temperature.

Here: its card, and why values are not given. Not here: the figure (figures/vitals.py), the page
(page.py).
"""

import polars as pl

from transforms.facts.mobility_parameters import VITALS, metric_of_week

from ... import words
from ...components import Drawn, nothing
from ...figures.vitals import vitals
from ...theme import Look

_TITLES = {parameter.code: f"{parameter.title} ({parameter.unit})" for parameter in VITALS}


def vitals_card(activity: pl.DataFrame, headline: pl.DataFrame, *, of: Look) -> Drawn:
    """A band a parameter, by week. `activity`: rows of mart.adact, `headline`: of
    mart.patient_outcomes, of one patient.
    """
    rows = activity.filter(pl.col("PARAMCD").is_in(list(_TITLES)))
    if rows.is_empty():
        return nothing(
            "No wearable of this patient has sent heart rate, sleep or skin temperature.", of=of
        )
    given = rows.filter(pl.col("AVAL").is_not_null())
    counts = [f"{p.title} {given.filter(pl.col('PARAMCD') == p.code).height}" for p in VITALS]
    return Drawn(
        figure=vitals(rows, titles=_TITLES, of=of),
        summary=f"Weeks with a value: {'; '.join(counts)}. Neither more nor less of these is known to be better.",
        notes=tuple(not_given(rows)),
        table=rows.select(
            week_from="WEEKSTDT",
            parameter="PARAM",
            value=pl.col("AVAL").round(2),
            unit="AVALU",
            valid_days="VALIDDAYS",
        ),
        metrics=tuple(metric_of_week(code) for code in _TITLES),
        data_to=headline["data_cutoff"].max() if headline.height else None,
    )


def not_given(*frames: pl.DataFrame) -> list[str]:
    """How many values can't be given for which reason, of rows of adqs or adact."""
    reasons = pl.concat([f.filter(pl.col("AVAL").is_null()).select("NEREASON") for f in frames])
    counts = reasons.drop_nulls().group_by("NEREASON").len().sort("NEREASON")
    return [
        f"{words.plural(n, 'value')} can't be given: {reason}." for reason, n in counts.iter_rows()
    ]
