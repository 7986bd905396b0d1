"""mart.responder_disagreement: where the responder rules agree and where not, by stratum and visit.

Here: the 30 % rule, the rule in points and the global impression, side by side. Not here: the rules
(rules/pain.py).

7 to 5 is two points but not 30 %; 3 to 2 is 30 % but not two points (Dworkin 2008; Ostelo 2008).
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.parameters import PARAMETERS
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..facts.values import ALL, FIRST
from ..options import Cut, Options
from ..rules import windows
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import repeated
from .by_stratum import by_itself
from .cohort_estimates import as_proportion
from .stamp import stamped
from .strata import by_strata
from .visit_values import due_of, people_of, values_of

TABLE = MART_TABLES["responder_disagreement"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.subject_episodes")
coupled = by_itself
METRIC = "rule_disagreement"
_VERDICT = ("pct30", "points", "pgic")
_BOTH_RULES = [
    c for c, p in PARAMETERS.items() if p.has_percent_rules and p.points_option is not None
]


def compute(
    *,
    adsl,
    adqs,
    subject_episodes,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
    episode: str = FIRST,
) -> pl.DataFrame:
    """A row a parameter, visit, stratum and verdict; columns of
    MART_TABLES["responder_disagreement"].
    """
    people = people_of(adsl, subject_episodes, options=options, episode=episode)
    due = due_of(people, cut=cut).filter(pl.col("is_due") & (pl.col("AVISIT") != windows.BASELINE))
    verdicts = _verdicts(values_of(adqs)).join(due, on=["USUBJID", "AVISIT"])
    if verdicts.is_empty():
        return TABLE.empty()
    by = ["parameter", "visit"]
    verdicts = verdicts.rename({"PARAMCD": "parameter", "AVISIT": "visit"})
    whole = by_strata(verdicts, by=by, over=over, n=pl.len().cast(pl.Int64)).drop("strata")
    parts = by_strata(
        verdicts,
        by=[*by, *_VERDICT],
        over=over,
        n_event=pl.len().cast(pl.Int64),
    )
    parts = parts.join(whole, on=[*STRATUM_COLUMNS, *by], nulls_equal=True)
    if episode == ALL:
        parts = _with_sums(parts, verdicts, by=by, over=over)
    rows = as_proportion(parts, "n")
    rows = rows.with_columns(metric_id=pl.lit(METRIC), x="n_event")
    rows = rows.with_columns(cells(options).suppressed(rows))
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """All verdicts of a stratum are one cell: together they are its patients."""
    return disclosure.Cells(
        counts=["n", "x", pl.col("n") - pl.col("x")],
        dimensions=CELL_DIMENSIONS,
        by=["parameter", "visit"],
        min_cell=options.min_cell,
    )


def _with_sums(
    parts: pl.DataFrame,
    verdicts: pl.DataFrame,
    *,
    by: Sequence[str],
    over: Sequence[Combination],
) -> pl.DataFrame:
    """The rows with the sums over patients, who are the clusters: of those without the verdict,
    too.
    """
    cell = [*STRATUM_COLUMNS, *by]
    every = by_strata(verdicts, by=[*by, "patient_id"], over=over, every=pl.len())
    of_it = by_strata(verdicts, by=[*by, *_VERDICT, "patient_id"], over=over, total=pl.len())
    pairs = parts.select(*cell, *_VERDICT).join(every.drop("strata"), on=cell, nulls_equal=True)
    keys = [*cell, *_VERDICT, "patient_id"]
    pairs = pairs.join(of_it.drop("strata"), on=keys, how="left", nulls_equal=True)
    pairs = pairs.with_columns(pl.col("total").fill_null(0)).sort("patient_id")
    sums = pairs.group_by(*cell, *_VERDICT).agg(**repeated.sums("every", "total"))
    return parts.join(sums, on=[*cell, *_VERDICT], nulls_equal=True)


def _verdicts(values: pl.DataFrame) -> pl.DataFrame:
    """A row a patient, parameter and visit with a value: `pct30`, `points`, `pgic` (Y, N, null =
    not known).
    """
    pgic = values.filter(pl.col("PARAMCD") == "PGIC").select("USUBJID", "AVISIT", pgic="CRIT3FL")
    judged = values.filter(pl.col("PARAMCD").is_in(_BOTH_RULES) & pl.col("AVAL").is_not_null())
    judged = judged.select("USUBJID", "PARAMCD", "AVISIT", pct30="CRIT1FL", points="CRIT3FL")
    return judged.join(pgic, on=["USUBJID", "AVISIT"], how="left")
