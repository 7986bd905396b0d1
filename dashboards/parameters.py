"""Rows and metrics by what they are a statistic of.

Here: finding them by parameter and statistic. Not here: which a page shows (pages/), what they are called (words.py).
"""

from collections.abc import Iterable

import polars as pl

from transforms.catalogue import STATISTICS


def is_of(parameters: Iterable[str], *statistics: str) -> pl.Expr:
    """Rows of a summary that are one of the statistics of one of the parameters."""
    return pl.col("parameter").is_in(list(parameters)) & pl.col("statistic").is_in(statistics)


def metrics_of(parameters: Iterable[str], *statistics: str) -> tuple[str, ...]:
    """Ids of the metrics, those that there are, in order."""
    pairs = ((parameter, statistic) for parameter in parameters for statistic in statistics)
    return tuple(STATISTICS[pair].id for pair in pairs if pair in STATISTICS)
