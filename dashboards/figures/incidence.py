"""Cumulative incidence of events that compete, with their limits, and below who was still followed.

Here: rising steps and bands, a line an event or an arm. Not here: the estimates, the numbers below
(survival.py).
"""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..theme import DASHES, Look
from .bands import band
from .survival import numbers_below, ticks_of

_ROW_PX, _HEAD_PX, _EDGES_PX = 20, 46, 84


def incidence(
    curves: pl.DataFrame,
    *,
    lines: list[tuple[str, list[str]]],
    legend: str | None,
    of: Look,
    height: int,
    axis_title: str,
    x_title: str,
) -> go.Figure:
    """`curves`: `name` and the columns of mart.competing_risks; a line a name.

    `lines`: the numbers below, a text a tick of `ticks_of`; `legend`: what they are.
    """
    last = curves["time_days"].max() or 1
    share = (len(lines) * _ROW_PX) / (height - _EDGES_PX)
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        row_heights=[1 - share, share],
        vertical_spacing=_HEAD_PX / (height - _EDGES_PX),
    )
    for k, (name,) in enumerate(curves.select("name").unique(maintain_order=True).iter_rows()):
        mine = curves.filter(pl.col("name") == name).sort("time_days")
        _curve(figure, mine, name=name, k=k, of=of)
    ticks = ticks_of(last)
    numbers_below(figure, lines, ticks, of=of, legend=legend)
    figure.update_xaxes(tickvals=ticks, range=[-0.12 * last, 1.05 * last], showgrid=False)
    figure.update_xaxes(title={"text": x_title}, showticklabels=True, row=1, col=1)
    figure.update_xaxes(showticklabels=False, ticks="", showline=False, row=2, col=1)
    top = min(103.0, 115 * (curves["upper"].max() or 0.05))
    figure.update_yaxes(title={"text": axis_title}, range=[0, top], row=1, col=1)
    return figure.update_layout(showlegend=True, margin={"t": 36, "b": 30 if legend else 12})


def _curve(figure: go.Figure, rows: pl.DataFrame, *, name: str, k: int, of: Look) -> None:
    colour = of.series[k % len(of.series)]
    days = [0.0, *rows["time_days"]]
    low, high = ([0.0, *(100 * rows[side])] for side in ("lower", "upper"))
    for trace in band(days, low, high, colour=colour, group=name, is_stepped=True):
        figure.add_trace(trace, row=1, col=1)
    hover = [
        f"day {r['time_days']:.0f}: {100 * r['incidence']:.1f} % "
        f"({100 * r['lower']:.1f} to {100 * r['upper']:.1f})<br>{r['at_risk']} at risk, "
        f"{r['events']} of this kind, {r['competing']} of another, {r['censored']} censored"
        for r in rows.iter_rows(named=True)
    ]
    line = go.Scatter(
        x=days,
        y=[0.0, *(100 * rows["incidence"])],
        mode="lines",
        name=name,
        legendgroup=name,
        line={"color": colour, "width": 2.5, "shape": "hv", "dash": DASHES[k % len(DASHES)]},
        customdata=["day 0: nobody", *hover],
        hovertemplate="%{customdata}<extra>" + name + "</extra>",
    )
    figure.add_trace(line, row=1, col=1)
