"""Where all treatment episodes count: the sums over patients, who are the clusters, of values by
stratum and visit.

Here: which units of a patient are summed. Not here: the intervals of the sums
(statistics/repeated.py), what is counted (cohort_visits.py).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from ..facts.strata import STRATUM_COLUMNS, Combination
from ..facts.values import ALL
from ..statistics import repeated
from .cohort_responses import Units
from .strata import by_strata

_CELL = [*STRATUM_COLUMNS, "PARAMCD", "AVISIT"]


def of_patients_in(
    units: Units,
    rows: pl.DataFrame,
    values: Mapping[str, pl.Expr],
    *,
    over: Sequence[Combination],
) -> pl.DataFrame | None:
    """Where all episodes count: a row a stratum, parameter, visit and patient, of each value the
    units that have it and its total, and `every` unit.
    """
    if units.episode != ALL:
        return None
    return by_strata(
        rows,
        by=["PARAMCD", "AVISIT", "patient_id"],
        over=over,
        every=pl.len(),
        **{f"units_{name}": value.count() for name, value in values.items()},
        **{f"total_{name}": value.sum() for name, value in values.items()},
    ).sort("patient_id")  # a sum's last digit depends on its order


def with_sums(
    cells: pl.DataFrame, of_patients: pl.DataFrame | None, name: str, *, is_of_every: bool = False
) -> pl.DataFrame:
    """The cells with the sums of repeated.sums of a value, whose patients are the clusters.
    `is_of_every`: who has no value counts with 0.
    """
    if of_patients is None:
        return cells
    units = "every" if is_of_every else f"units_{name}"
    sums = of_patients.group_by(_CELL).agg(**repeated.sums(units, f"total_{name}"))
    return cells.join(sums, on=_CELL, how="left", nulls_equal=True)
