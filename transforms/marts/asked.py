"""A stratum of a summary that somebody asks for, stored or not: by the function that makes the
summary.

Here: picking its rows, which function makes them. Not here: counting (each summary), which combinations are stored
(facts/strata.py), asking (orchestration/outcomes.py, dashboards/finer.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from ..facts.strata import Combination
from ..facts.values import FIRST
from . import MARTS, episode_curves


def made_by(name: str, *, episode: str) -> tuple[Sequence[str], Callable[..., pl.DataFrame]]:
    """The full names of what a summary's rows of these treatment episodes are computed from, and the
    function: of times to an event other episodes than the first have a function of their own.
    """
    if name == "survival_curves" and episode != FIRST:
        return episode_curves.INPUTS, episode_curves.compute
    return MARTS[name].inputs, MARTS[name].compute


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
