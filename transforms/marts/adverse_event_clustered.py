"""Limits of adverse-event rates for clinics like these, beside the exact ones of these clinics'
patients.

Here: which counts make the columns `…_clustered_lower` and `…_clustered_upper`. Not here: the
limits (statistics/clinics_like_these.py), the counts (adverse_event_rates).
"""

from collections.abc import Sequence

import polars as pl

from ..facts.strata import Combination
from .clustered_columns import PROPORTION, RATE, Measure, with_clustered


def _measure(name: str, kind: str, x: str, n: str) -> Measure:
    per = 1 if kind == PROPORTION else 100
    return Measure(name=f"{name}_clustered", kind=pl.lit(kind), x=pl.col(x), n=pl.col(n), per=per)


# The first gives the reason: a rate without an event has no limits where a proportion still has
# them
MEASURES = (
    _measure("events_per_100_sessions", RATE, "events", "sessions"),
    _measure("events_per_100_patient_years", RATE, "events", "patient_years"),
    _measure("eair_per_100_patient_years", RATE, "patients_with_event", "patient_years_at_risk"),
    _measure("incidence_proportion", PROPORTION, "patients_with_event", "patients"),
)


def clustered(
    rows: pl.DataFrame, *, over: Sequence[Combination], by: Sequence[str]
) -> pl.DataFrame:
    """The rows over `over` with both limits of each rate; `by`: term and restriction."""
    return with_clustered(rows, MEASURES, by=by, over=over)
