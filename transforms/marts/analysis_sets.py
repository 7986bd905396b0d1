"""mart.analysis_sets: one row a patient, study and analysis set.

Here: the rows. Not here: the rule (rules/analysis_sets.py), comparisons by set (arm_comparisons).
"""

from collections.abc import Iterator

import polars as pl

from ..facts.parameters import PARAMETERS
from ..facts.values import ROUTINE
from ..options import Cut, Options
from ..rules.analysis_sets import decided
from ..schemas import MART_TABLES
from .arm_pairs import as_compared, placed

TABLE = MART_TABLES["analysis_sets"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.study_plans")
NO_PARAMETER = "the study names no primary parameter"


def compute(
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    study_plans: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a patient, study (but routine care) and set; columns of MART_TABLES["analysis_sets"].

    A baseline and a value after it are placed as in a comparison of arms: from the day of
    allocation.
    """
    subjects = as_compared(adsl.filter(pl.col("STUDYID") != ROUTINE))
    rows = list(_rows(subjects, adqs, study_plans, options=options))
    return TABLE.conform(pl.DataFrame(rows, schema=TABLE.polars_schema)).sort(TABLE.key)


def _rows(
    subjects: pl.DataFrame, adqs: pl.DataFrame, plans: pl.DataFrame, *, options: Options
) -> Iterator[dict]:
    for plan in plans.iter_rows(named=True):
        people = subjects.filter(STUDYID=plan["study_id"])
        parameter = plan["primary_parameter"]
        answers = adqs.filter(STUDYID=plan["study_id"], PARAMCD=parameter or "")
        values = placed(answers, subjects=people, strata={}, options=options)
        for row in decided(people, has_value=_has_value(values), why=_why_not(plan)):
            yield {"STUDYID": plan["study_id"], **row}


def _why_not(plan: dict) -> str | None:
    """Why the study has no primary parameter that can be looked at; None where it has one."""
    if plan["primary_parameter"] is None:
        return NO_PARAMETER
    is_answered = plan["primary_parameter"] in {p.code for p in PARAMETERS.values()}
    if is_answered:
        return None
    return plan["primary_reason"]


def _has_value(values: pl.DataFrame) -> dict[str, bool]:
    """Each patient with a baseline, and whether a value follows it."""
    is_later = pl.col("is_after_baseline").fill_null(False) & pl.col("AVAL").is_not_null()
    based = values.filter(pl.col("BASE").is_not_null())
    return dict(based.group_by("USUBJID").agg(is_later.any()).iter_rows())
