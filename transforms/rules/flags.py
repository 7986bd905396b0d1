"""Flags of a mart as CDISC writes them.

Here: the one rule of it. Not here: what is flagged (the marts), the columns (schemas/mart).
"""

import polars as pl


def flag(condition: pl.Expr) -> pl.Expr:
    """Y, N, or null where the condition is not known."""
    is_true = pl.when(condition).then(pl.lit("Y"))
    return is_true.when(~condition).then(pl.lit("N"))
