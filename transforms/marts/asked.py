"""A stratum of a summary that somebody asks for, stored or not: by the function that makes the
summary.

Here: picking its rows. Not here: counting (each summary), which combinations are stored
(facts/strata.py), asking (orchestration/outcomes.py, dashboards/finer.py).
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from ..facts.strata import Combination


def rows_of_stratum(
    compute: Callable[..., pl.DataFrame],
    combination: Combination,
    values: Mapping[str, str],
    **given: Any,
) -> pl.DataFrame:
    """Rows of a summary, of one combination of dimensions; `values`: column of the strata -> value,
    of those that are to have one.

    `given`: what the summary is computed from, options, cut. `is_suppressed` is by these rows alone:
    what is computed for a question is for the clinic's own staff, whatever it says.
    """
    rows = compute(**given, over=(combination,))
    is_it = [pl.col(column) == value for column, value in values.items()]
    return rows.filter(*is_it)
