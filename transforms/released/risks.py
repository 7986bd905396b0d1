"""The curves of competing events as a release holds them.

Here: which rows stay, and the figures of their rounded counts. Not here: other summaries
(figures.py), which curves are hidden (marts/competing_risks.py).
"""

import polars as pl

from ..disclosure.rounding import exact, significant, to_base
from ..facts.strata import STRATUM_COLUMNS
from ..options import Options
from ..statistics import competing

_OF_STRATUM = ["parameter", *STRATUM_COLUMNS]
_CURVE = [*_OF_STRATUM, "event"]
_COUNTS = ("at_risk", "events", "competing", "censored")


def thinned_risks(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """A row a time at which the rounded events of any kind, or censored, so far are more; until few
    are at risk, as curves.thinned_curves.

    What competes with an event is the sum of the others as they are shown, so that no sum tells
    more than they do.
    """
    rows = rows.sort(*_CURVE, "time_days", nulls_last=False).with_columns(
        _all=to_base(pl.col("at_risk").max().over(_CURVE), base),
        _own=to_base(pl.col("events").cum_sum().over(_CURVE), base),
        _left=to_base(pl.col("censored").cum_sum().over(_CURVE), base),
    )
    rows = rows.with_columns(_gone=pl.col("_own").sum().over(*_OF_STRATUM, "time_days"))
    rows = rows.filter(pl.col("at_risk") >= options.min_cell)
    totals = pl.col("_gone", "_left")
    steps = rows.filter(
        pl.any_horizontal(totals > totals.shift(1, fill_value=0).over(_CURVE))
        | (pl.int_range(pl.len()).over(_CURVE) == pl.len().over(_CURVE) - 1)
    )
    before = {c: pl.col(c).shift(1, fill_value=0).over(_CURVE) for c in ("_own", "_gone", "_left")}
    own = pl.col("_own") - before["_own"]
    steps = steps.with_columns(
        at_risk=pl.col("_all") - before["_gone"] - before["_left"],
        events=own,
        competing=pl.col("_gone") - before["_gone"] - own,
        censored=pl.col("_left") - before["_left"],
    )
    leaving = pl.col("events") + pl.col("competing")
    is_left = (pl.col("at_risk") >= base) & (leaving <= pl.col("at_risk"))
    return steps.filter(is_left).drop("_all", "_own", "_gone", "_left")


def competing_risks(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Curves and limits of the thinned counts; Gray's p-value to one digit."""
    if rows.is_empty():
        return rows
    counts = rows.select(*_CURVE, *_COUNTS, time="time_days")
    curves = competing.from_counts(counts, by=_CURVE)
    made = curves.drop(*_COUNTS, "standard_error").rename({"time": "time_days"})
    return (
        rows.drop("ci_method")
        .with_columns(gray_p_value=significant(pl.col(exact("gray_p_value")), 1))
        .join(made, on=[*_CURVE, "time_days"], how="left", nulls_equal=True, maintain_order="left")
    )
