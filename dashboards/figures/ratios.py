"""Ratios with their intervals on a log axis, a row each, around 1; counts beside each.

Here: dots, limits, what lies beyond the picture. Not here: rows without a log axis (intervals.py),
the order of the rows, which is the caller's (clinics by name: never a ranking).
"""

import math

import plotly.graph_objects as go
import polars as pl

from ..theme import Look
from .intervals import Panel, interval_panels

_ROOM = 1.6  # the axis goes beyond the outermost limit by this factor
_EDGE = 0.02  # of the axis, between a triangle and its end
_TICKS = [m * 10.0**e for e in range(-4, 5) for m in (1, 2, 5)]


def ratio_intervals(
    rows: pl.DataFrame, *, of: Look, axis_title: str, text_share: float = 0.42
) -> go.Figure:
    """`rows`: label, ratio, lower, upper, text, said (for the hover text).

    0 and what has no upper limit are not on a log axis: an open triangle at that edge, and the
    limit that there is. Without limits no mark is drawn; its text still stands.
    """
    low, high = _ends(rows)
    inside = (high / low) ** _EDGE
    first, last = low * inside, high / inside
    ratio, lower = pl.col("ratio"), pl.col("lower")
    is_drawn = lower.is_not_null()
    placed = rows.with_columns(
        x=pl.when(ratio > 0).then(ratio).when(ratio == 0).then(first).when(is_drawn).then(last),
        start=pl.when(is_drawn).then(pl.max_horizontal(lower, pl.lit(first))),
        end=pl.when(is_drawn).then(pl.coalesce("upper", pl.lit(last))),
        mark=pl.when(ratio > 0)
        .then(pl.lit("circle"))
        .when(ratio == 0)
        .then(pl.lit("triangle-left-open"))
        .when(is_drawn)
        .then(pl.lit("triangle-right-open")),
    )
    panel = Panel("", "x", "start", "end", "text", axis_title, at_zero=False)
    figure = interval_panels(placed, panels=(panel,), of=of, text_share=text_share)
    drawn = placed.filter(is_drawn)
    figure.update_traces(
        marker_symbol=drawn["mark"].to_list(),
        customdata=drawn.select("label", "said").rows(),
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
    figure.add_vline(x=1, line={"color": of.rule, "width": 1.5, "dash": "dash"})
    ticks = [t for t in _TICKS if low <= t <= high]
    return figure.update_xaxes(
        type="log",
        range=[math.log10(low), math.log10(high)],
        tickvals=ticks,
        ticktext=[f"{t:g}" for t in ticks],
    )


def _ends(rows: pl.DataFrame) -> tuple[float, float]:
    """Of the axis: what is drawn, and 1/2 to 2 at least."""
    values = [v for c in ("ratio", "lower", "upper") for v in rows[c].drop_nulls() if v > 0]
    return min(0.5, *values, 1) / _ROOM, max(2.0, *values, 1) * _ROOM
