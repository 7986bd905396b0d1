"""mart.responder_curves: share of patients improved by at least x %, x = 0 to 100, by stratum and
visit.

Here: the cumulative curve of every parameter of which a percentage means something. Not here:
single rules (cohort_outcomes).

Who is due without a value has not responded, whatever the cut-off (Farrar 2006); a baseline that a
percentage can't be judged from is left out. Stored are first episodes; the latest, or all with each
patient's as a cluster, are for somebody who asks.
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from .. import disclosure
from ..facts.parameters import PARAMETERS
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..facts.values import ALL, FIRST
from ..options import Cut, Options
from ..rules import pain, windows
from ..rules.care import local_care
from ..rules.intercurrent import with_first_event
from ..rules.local_time import clocks
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import rate_columns, repeated
from .cohort_estimates import of_several_units
from .stamp import stamped
from .strata import by_strata
from .visit_values import asked_of, coupling, due_of, expected_of, people_of, values_of

TABLE = MART_TABLES["responder_curves"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.subject_episodes",
    "core.care",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
METRIC = "responder_curve"
CUTOFFS = range(101)
_CELL = [*STRATUM_COLUMNS, "PARAMCD", "AVISIT"]
_IN_PERCENT = {code: p for code, p in PARAMETERS.items() if p.has_percent_rules}


def compute(
    *,
    adsl,
    adqs,
    subject_episodes,
    care,
    patients,
    clinics,
    patient_status,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
    episode: str = FIRST,
) -> pl.DataFrame:
    """A row a parameter, visit, stratum and cut-off; columns of MART_TABLES["responder_curves"]."""
    people = people_of(adsl, subject_episodes, options=options, episode=episode)
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    people = with_first_event(people, local_care(care, whose))
    improved = _improved(people, adqs, cut=cut)
    if improved.is_empty():
        return TABLE.empty()
    curves = rate_columns.proportion_columns(
        _curves(improved, over=over, episode=episode),
        x="x",
        n="n",
        name="estimate",
        method="wilson",
    )
    limits = {"ci_lower": pl.col("estimate_lower"), "ci_upper": pl.col("estimate_upper")}
    if episode == ALL:
        limits = of_several_units(curves, limits, x="x", n="n")
    curves = curves.with_columns(**limits)
    curves = curves.with_columns(parameter="PARAMCD", visit="AVISIT", metric_id=pl.lit(METRIC))
    curves = curves.with_columns(cells(options).suppressed(curves))
    return TABLE.conform(stamped(curves, cut=cut)).sort(TABLE.key, nulls_last=False)


def coupled(
    *,
    adsl: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    adqs: pl.DataFrame,
    options: Options,
    **_: Any,
) -> list[pl.DataFrame]:
    """What the rows of a stratum are made of that is of everybody."""
    return coupling(_values(adqs), people_of(adsl, subject_episodes, options=options))


def _values(adqs: pl.DataFrame) -> pl.DataFrame:
    return values_of(adqs.filter(pl.col("PARAMCD").is_in(list(_IN_PERCENT))))


def _improved(people: pl.DataFrame, adqs: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """A row a patient due with an evaluable baseline, parameter and visit: `percent`, null = no
    value.

    From the day of the first intercurrent event on nothing is reached, as in the shares of
    responders of cohort_outcomes (the strategy `composite`).
    """
    values = _values(adqs)
    due = due_of(people, cut=cut).filter(pl.col("AVISIT") != windows.BASELINE)
    expected = expected_of(values, due, asked_of(values, people)).filter("can_improve")
    better = {
        side: [c for c, p in _IN_PERCENT.items() if p.better == side]
        for side in ("lower", "higher")
    }
    percent = pl.coalesce(
        pl.when(pl.col("PARAMCD").is_in(codes) & pl.col("CHG").is_not_null()).then(
            pain.percent_improvement(pl.col("BASE"), pl.col("AVAL"), better=side)
        )
        for side, codes in better.items()
    )
    seen = values.select("USUBJID", "PARAMCD", "AVISIT", "ADT", percent=percent)
    expected = expected.join(seen, on=["USUBJID", "PARAMCD", "AVISIT"], how="left")
    seen_on = pl.when(pl.col("percent").is_not_null()).then("ADT")
    is_after = (pl.col("event_on") <= pl.coalesce(seen_on, "target_on")).fill_null(False)
    return expected.with_columns(percent=pl.when(is_after).then(-math.inf).otherwise("percent"))


def _curves(improved: pl.DataFrame, *, over: Sequence[Combination], episode: str) -> pl.DataFrame:
    """`n`, `n_missing` and `x` of every stratum, parameter, visit and cut-off: counts from the
    highest one down; of all episodes the sums of repeated.sums, too.
    """
    # a percentage of decimals, not of their binary neighbours
    reached = (
        pl.col("percent")
        .clip(-1e6)
        .round(9)
        .floor()
        .clip(CUTOFFS[0] - 1, CUTOFFS[-1])
        .cast(pl.Int64)
    )
    improved = improved.with_columns(cutoff_pct=reached)
    cells = by_strata(
        improved,
        by=["PARAMCD", "AVISIT"],
        over=over,
        n=pl.len().cast(pl.Int64),
        n_missing=pl.col("percent").null_count().cast(pl.Int64),
    )
    at = by_strata(
        improved.filter(pl.col("cutoff_pct").is_not_null()),
        by=["PARAMCD", "AVISIT", "cutoff_pct"],
        over=over,
        here=pl.len().cast(pl.Int64),
    ).drop("strata")
    grid = cells.with_row_index("cell").join(
        pl.DataFrame({"cutoff_pct": list(CUTOFFS)}), how="cross"
    )
    grid = grid.join(at, on=[*_CELL, "cutoff_pct"], how="left", nulls_equal=True)
    grid = grid.sort("cell", "cutoff_pct", descending=[False, True])
    grid = grid.with_columns(x=pl.col("here").fill_null(0).cum_sum().over("cell"))
    grid = grid.drop("cell", "here")
    if episode != ALL:
        return grid
    sums = _sums_of_patients(improved, over=over)
    return grid.join(sums, on=[*_CELL, "cutoff_pct"], how="left", nulls_equal=True)


def _sums_of_patients(improved: pl.DataFrame, *, over: Sequence[Combination]) -> pl.DataFrame:
    """A row a stratum, parameter, visit and cut-off: the sums over patients, who are the clusters."""
    patients = by_strata(
        improved,
        by=["PARAMCD", "AVISIT", "patient_id"],
        over=over,
        every=pl.len(),
        **{str(cutoff): (pl.col("cutoff_pct") >= cutoff).sum() for cutoff in CUTOFFS},
    ).sort("patient_id")  # a sum's last digit depends on its order
    each = patients.unpivot(
        [str(cutoff) for cutoff in CUTOFFS],
        index=[*_CELL, "every"],
        variable_name="cutoff_pct",
        value_name="total",
    ).with_columns(pl.col("cutoff_pct").cast(pl.Int64))
    return each.group_by(*_CELL, "cutoff_pct").agg(**repeated.sums("every", "total"))


def cells(options: Options) -> disclosure.Cells:
    """A curve is hidden as a whole: where it is small, or a rule's count that cohort_outcomes hides
    is read from it.
    """
    cell = [*STRATUM_COLUMNS, "parameter", "visit"]
    counts: list[str | pl.Expr] = ["n"]
    for percent in (30, 50, options.responder_extra_pct):
        x = pl.col("x").filter(pl.col("cutoff_pct") == percent).first().over(cell)
        others = pl.col("n") - x
        counts += [x, others, others - pl.col("n_missing")]
    return disclosure.Cells(
        counts=counts,
        dimensions=CELL_DIMENSIONS,
        by=["parameter", "visit"],
        min_cell=options.min_cell,
    )
