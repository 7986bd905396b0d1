"""mart.survival_curves: Kaplan-Meier curves of the parameters of mart.adtte over combinations
of strata.

Here: which rows make a curve, medians, log-rank. Not here: the clocks (adtte.py) and the estimators
(statistics/survival.py).

A log-rank p-value is given only between the arms of one study, for the times from allocation, and
where all patients of the compared arms were randomised: whoever comes to a session first, or
responds first, was not put there by chance.

What competes with an event (CNSR 2) is censored here: the curve is of what would be if it could not
happen. What does happen is in mart.competing_risks.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.competing_events import COMPETING_EVENTS
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import log_rank, repeated_survival, survival
from .adtte import FROM_ALLOCATION
from .stamp import stamped
from .strata import (
    COUNTS_ONCE,
    STUDY_ARM,
    columns_of,
    dimensions_of,
    in_force,
    of_subjects,
    once,
)

TABLE = MART_TABLES["survival_curves"]
INPUTS = ("mart.adtte", "mart.adsl")


def compute(
    *,
    adtte: pl.DataFrame,
    adsl: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a parameter, stratum and time at which somebody had the event or was censored.

    A row of adtte without a time is in no curve. Columns of MART_TABLES["survival_curves"]; empty
    without times.
    """
    subjects = of_subjects(adsl)
    allocation = subjects.select(
        "USUBJID", is_randomised=(pl.col("ALLOCATN") == "randomised").fill_null(False)
    )
    rows = of_subjects(adtte.filter(pl.col("AVAL").is_not_null())).drop("STUDYID")
    rows = rows.join(dimensions_of(subjects), on="USUBJID").join(allocation, on="USUBJID")
    # a patient counts once where the study is no dimension, each event of a patient always
    rows = rows.with_columns(
        event=pl.col("CNSR") == 0,
        **{COUNTS_ONCE: pl.col(COUNTS_ONCE) | pl.col("SRCID").is_not_null()},
    )
    return curves_of(rows, over=over, options=options, cut=cut)


def curves_of(
    rows: pl.DataFrame,
    *,
    over: Sequence[Combination],
    options: Options,
    cut: Cut,
    are_clusters: bool = False,
) -> pl.DataFrame:
    """The summary's rows of times: a row each with PARAMCD, AVAL, `event`, `is_randomised`, USUBJID,
    who it is of, and the dimensions. `are_clusters`: those of one USUBJID are not independent.
    """
    if rows.is_empty():
        return TABLE.empty()
    curves = pl.concat(_curves(rows, c, are_clusters=are_clusters) for c in over)
    curves = curves.with_columns(
        cells(options).suppressed(curves), metric_id=pl.col("parameter").str.to_lowercase()
    )
    return TABLE.conform(stamped(curves, cut=cut)).sort(
        "parameter", *STRATUM_COLUMNS, "time_days", nulls_last=False
    )


def cells(options: Options) -> disclosure.Cells:
    """A curve is hidden as a whole: where it is of few patients, few events, or few times without
    one. So is that of a time with competing events: what is censored here is counted by kind in
    competing_risks, and both would tell of a few.
    """
    times = [pl.col(c).sum().over("parameter", *STRATUM_COLUMNS) for c in ("events", "censored")]
    return disclosure.Cells(
        counts=["n_patients", *times],
        dimensions=CELL_DIMENSIONS,
        by=["parameter"],
        min_cell=options.min_cell,
        widened=lambda rows: (
            rows["is_suppressed"] | rows["parameter"].is_in(list(COMPETING_EVENTS))
        ),
    )


def _curves(
    rows: pl.DataFrame, combination: tuple[str, ...], *, are_clusters: bool
) -> pl.DataFrame:
    """All curves of a combination of dimensions, with medians and p-values."""
    by = ["PARAMCD", *columns_of(combination)]
    rows = once(rows, combination)
    curve = survival.kaplan_meier(rows, "AVAL", "event", by=by)
    if are_clusters:
        of = {"person": "USUBJID", "by": by}
        curve = repeated_survival.with_limits(curve, rows, "AVAL", "event", **of)
    medians = survival.median(curve, by=by).rename(
        {"lower": "median_lower", "upper": "median_upper", "reason": "median_reason"}
    )
    counts = rows.group_by(by).agg(n_patients=pl.col("USUBJID").n_unique())
    frame = curve.join(medians, on=by, how="left").join(counts, on=by, how="left")
    tests = _log_rank(rows, combination)
    frame = frame.join(tests, on=[c for c in by if c != "arm"], how="left")
    return frame.select(
        *in_force(combination),
        "at_risk",
        "events",
        "censored",
        "survival",
        "lower",
        "upper",
        "ci_method",
        "median",
        "median_lower",
        "median_upper",
        "log_rank_p_value",
        "n_patients",
        parameter="PARAMCD",
        time_days="time",
        reason="median_reason",
    )


def _log_rank(rows: pl.DataFrame, combination: tuple[str, ...]) -> pl.DataFrame:
    """A row a parameter, study and stratum apart from the arm: the p-value between its arms, where
    randomised.
    """
    keys = ["PARAMCD", *(c for c in columns_of(combination) if c != "arm")]
    schema = {**dict.fromkeys(keys, pl.String), "log_rank_p_value": pl.Float64}
    if STUDY_ARM not in combination:
        return pl.DataFrame(schema=schema)
    from_allocation = rows.filter(pl.col("PARAMCD").is_in(FROM_ALLOCATION))
    tests = []
    for key, part in from_allocation.group_by(keys, maintain_order=True):
        if part["is_randomised"].all() and part["arm"].n_unique() > 1:
            tests.append((*key, log_rank.log_rank(part, "AVAL", "event", by="arm").p_value))
    return pl.DataFrame(tests, schema=schema, orient="row")
