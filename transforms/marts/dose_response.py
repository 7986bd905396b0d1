"""mart.dose_response: change of an outcome by delivered sessions per week. Not causal.

Here: mean changes of the patients due, in bins, by stratum and visit. Not here: sessions a week and
bins (rules/exposure.py), the thermal dose of a session (cohort_sessions).
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.parameters import PARAMETERS
from ..facts.strata import STORED, Combination
from ..options import Cut, Options
from ..rules import exposure, windows
from ..rules.regression_to_mean import rtm_columns
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from .clustered_columns import MEAN, Measure, with_clustered
from .cohort_estimates import as_mean
from .stamp import stamped
from .strata import by_strata, of_episodes, with_clinics
from .visit_values import due_of, people_of, values_of

TABLE = MART_TABLES["dose_response"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.adex", "mart.subject_episodes")
METRIC = "dose_response"
_CLUSTERED = Measure(
    name="ci_clustered",
    kind=pl.lit(MEAN),
    x=pl.col("mean_change") * pl.col("n_patients"),
    n=pl.col("n_patients"),
)


def compute(
    *,
    adsl,
    adqs,
    adex,
    subject_episodes,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a parameter, visit, stratum and bin; columns of MART_TABLES["dose_response"]."""
    due = due_of(people_of(adsl, subject_episodes, options=options), cut=cut).filter("is_due")
    changes = values_of(adqs).filter(
        pl.col("CHG").is_not_null() & (pl.col("AVISIT") != windows.BASELINE)
    )
    judged = changes.join(due, on=["USUBJID", "AVISIT"]).with_columns(
        parameter="PARAMCD", visit="AVISIT"
    )
    people = exposure.sessions_per_week(of_episodes(adex), judged).with_columns(
        **exposure.dose_bin()
    )
    if people.is_empty():
        return TABLE.empty()
    by = ["parameter", "visit", "from_per_week", "to_per_week"]
    bins = by_strata(
        people.sort("USUBJID"), by=by, over=with_clinics(over), **exposure.of_dose_bin()
    )
    bins = as_mean(bins.with_columns(mean="mean_change", sd="sd_change", n_evaluable="n_patients"))
    bins = with_clustered(bins, [_CLUSTERED], by=by, over=over)
    units = {code: p.unit for code, p in PARAMETERS.items()}
    unit = pl.col("parameter").replace_strict(units, return_dtype=pl.String)
    bins = bins.with_columns(
        cells(options).suppressed(bins),
        unit=unit,
        is_causal=pl.lit(False),
        metric_id=pl.lit(METRIC),
        **rtm_columns(pl.col("parameter"), options=options),
    )
    return TABLE.conform(stamped(bins, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """All bins of a stratum are one cell: together they are its patients."""
    return disclosure.Cells(
        counts=["n_patients"],
        dimensions=CELL_DIMENSIONS,
        by=["parameter", "visit"],
        min_cell=options.min_cell,
    )
