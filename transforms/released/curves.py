"""Survival curves from the rounded numbers at risk, and at which times they have a step.

Here: `thinned_curves`, `survival_curves`. Not here: the figures of other tables
(figures.py, safety.py).
"""

import polars as pl

from ..disclosure.rounding import to_base
from ..facts.strata import STRATUM_COLUMNS
from ..options import Options
from ..statistics import survival
from .figure_parts import to_digits

_CURVE = ["parameter", *STRATUM_COLUMNS]


def thinned_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """One row per time at which the rounded events, or censored, so far are more; until few are at
    risk.

    The last row is the last time at which at least `min_cell` were, whether or not there is a step.
    At risk are the rounded patients without those gone before.
    """
    rows = rows.sort(*_CURVE, "time_days", nulls_last=False).with_columns(
        _all=to_base(pl.col("at_risk").max().over(_CURVE), base),
        _gone=to_base(pl.col("events").cum_sum().over(_CURVE), base),
        _left=to_base(pl.col("censored").cum_sum().over(_CURVE), base),
    )
    rows = rows.filter(pl.col("at_risk") >= options.min_cell)
    totals = pl.col("_gone", "_left")
    steps = rows.filter(
        pl.any_horizontal(totals > totals.shift(1, fill_value=0).over(_CURVE))
        | (pl.int_range(pl.len()).over(_CURVE) == pl.len().over(_CURVE) - 1)
    )
    before = {c: pl.col(c).shift(1, fill_value=0).over(_CURVE) for c in ("_gone", "_left")}
    steps = steps.with_columns(
        at_risk=pl.col("_all") - before["_gone"] - before["_left"],
        events=pl.col("_gone") - before["_gone"],
        censored=pl.col("_left") - before["_left"],
    )
    is_left = (pl.col("at_risk") >= base) & (pl.col("events") <= pl.col("at_risk"))
    return steps.filter(is_left).drop("_all", "_gone", "_left")


def survival_curves(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Curve, limits and median of the thinned counts; the log-rank test's p-value to one digit."""
    if rows.is_empty():
        return rows
    counts = rows.select(*_CURVE, "at_risk", "events", "censored", time="time_days")
    curve = survival.from_counts(counts, by=_CURVE)
    medians = survival.median(curve, by=_CURVE)
    medians = medians.rename({"lower": "median_lower", "upper": "median_upper"})
    made = curve.select(*_CURVE, "survival", "lower", "upper", "ci_method", time_days="time")
    kept = rows.drop("ci_method", "reason")
    return (
        kept.with_columns(**to_digits(1, "log_rank_p_value"))
        .join(made, on=[*_CURVE, "time_days"], how="left", nulls_equal=True, maintain_order="left")
        .join(medians, on=_CURVE, how="left", nulls_equal=True, maintain_order="left")
    )
