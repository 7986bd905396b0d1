"""Outcomes of one stratum that somebody asks for, stored or not: by the function that makes the mart.

Here: which combinations it takes, and picking the rows. Not here: counting (cohort_outcomes.py),
asking (orchestration/outcomes.py).
"""

from collections.abc import Mapping

import polars as pl

from ..facts.estimands import ESTIMANDS
from ..facts.values import FIRST
from ..options import Cut, Options
from ..schemas.mart import COLUMNS_OF, DIMENSIONS
from . import cohort_outcomes

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
    combination = tuple(d for d in DIMENSIONS if any(c in stratum for c in COLUMNS_OF[d]))
    with_clinic = tuple(d for d in DIMENSIONS if d == "clinic_id" or d in combination)
    over = tuple(dict.fromkeys([combination, with_clinic]))
    rows = cohort_outcomes.compute(
        **tables, options=options, cut=cut, wanted={episode: (over, over)}
    )
    strategies = {
        name: strategy if strategy in estimand.strategies else estimand.default
        for name, estimand in ESTIMANDS.items()
    }
    wanted = pl.col("statistic").replace_strict(
        strategies, default=pl.col("strategy"), return_dtype=pl.String
    )
    is_it = [pl.col(column) == value for column, value in stratum.items()]
    of_strategy = pl.col("strategy").is_null() | (pl.col("strategy") == wanted)
    is_combination = pl.col("strata").list.join(",") == ",".join(combination)
    return rows.filter(is_combination, of_strategy, *is_it)
