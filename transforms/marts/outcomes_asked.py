"""Outcomes of one stratum that somebody asks for, of an episode and strategy.

Here: picking the rows. Not here: the stratum's (asked.py), counting (cohort_outcomes.py), asking
(orchestration/outcomes.py).
"""

from collections.abc import Mapping

import polars as pl

from ..facts.estimands import ESTIMANDS
from ..facts.strata import combination_of
from ..facts.values import FIRST
from ..options import Cut, Options
from . import cohort_outcomes
from .asked import rows_of_stratum

INPUTS = cohort_outcomes.INPUTS


def outcomes_of(
    stratum: Mapping[str, str],
    *,
    episode: str = FIRST,
    strategy: str | None = None,
    options: Options,
    cut: Cut,
    **tables: pl.DataFrame,
) -> pl.DataFrame:
    """Rows of mart.cohort_outcomes of the stratum: of each arm of a study where only that is named.

    `stratum`: column of the strata -> value; `episode`: as the column; `strategy`: None = each
    statistic's default, else the one asked for where the statistic has it. Rows that no episode is
    asked of (sessions, care) come too. `tables`: those of INPUTS by their bare names.
    """
    combination = combination_of(stratum)
    rows = rows_of_stratum(
        cohort_outcomes.compute,
        combination,
        stratum,
        **tables,
        options=options,
        cut=cut,
        choices=(combination,),
        episodes=(episode,),
    )
    strategies = {
        name: strategy if strategy in estimand.strategies else estimand.default
        for name, estimand in ESTIMANDS.items()
    }
    wanted = pl.col("statistic").replace_strict(
        strategies, default=pl.col("strategy"), return_dtype=pl.String
    )
    return rows.filter(pl.col("strategy").is_null() | (pl.col("strategy") == wanted))
