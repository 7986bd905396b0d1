"""What the figures of released tables are made with.

Here: the mart's exact figure, digits, steps, limits of a share. Not here: the figures of each table
(figures.py, safety.py, curves.py), the rounding itself (disclosure/rounding.py).
"""

import polars as pl

from ..disclosure.rounding import coarse_limits, exact, significant
from ..marts.cohort_estimates import as_proportion

LIMITS = ("estimate", "ci_lower", "ci_upper")
_CLUSTERED = ("ci_clustered_lower", "ci_clustered_upper")


def exact_figure(name: str) -> pl.Expr:
    return pl.col(exact(name))


def as_it_is(*names: str) -> dict[str, pl.Expr]:
    """Figures that no count can be read from."""
    return {name: exact_figure(name) for name in names}


def to_digits(digits: int, *names: str) -> dict[str, pl.Expr]:
    return {name: significant(exact_figure(name), digits) for name in names}


def share_limits(pairs: pl.DataFrame, x: str, n: str) -> pl.DataFrame:
    """Estimate and limits of a share, as the marts have them; named `estimate`, `ci_lower`,
    `ci_upper`.
    """
    made = as_proportion(pairs.rename({x: "n_event"}), n)
    return made.select(pl.col("n_event").alias(x), n, *LIMITS)


def share_of_base(base: int, whole: str, *, per: int = 1) -> pl.Expr:
    """What `base` people or things make of a whole; null of none."""
    share = per * base / pl.col(whole)
    return pl.when(pl.col(whole) > 0).then(share)


def with_clustered_limits(rows: pl.DataFrame, *, least: pl.Expr | None = None) -> pl.DataFrame:
    lower, upper = _CLUSTERED
    return rows.with_columns(**coarse_limits(_CLUSTERED, lower=lower, upper=upper, least=least))
