"""What one patient's wearables measured beside movement: a band a parameter over one time axis.

Here: the bands. Not here: which parameters (transforms/facts/mobility_parameters.py), whose they
are.
"""

from collections.abc import Mapping
from datetime import datetime, time

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from .. import words
from ..theme import Look
from .blank import say_in_row


def vitals(rows: pl.DataFrame, *, titles: Mapping[str, str], of: Look) -> go.Figure:
    """`rows` as mart.adact, of one patient: a point a week with a value, by its last day; `titles`:
    PARAMCD -> title.

    A week without a value is a gap in the line; a parameter without any says so.
    """
    figure = make_subplots(
        rows=len(titles),
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=list(titles.values()),
    )
    for k, code in enumerate(titles, 1):
        mine = rows.filter(pl.col("PARAMCD") == code).sort("ADT")
        _band(figure, mine, of, row=k)
    for note in figure.layout.annotations[: len(titles)]:
        note.update(x=0, xanchor="left", font={"size": 13, "color": of.text})
    figure.update_xaxes(type="date", showgrid=True, gridcolor=of.grid)
    return figure.update_layout(margin={"t": 40, "b": 40, "l": 70}, showlegend=False)


def _band(figure: go.Figure, rows: pl.DataFrame, of: Look, *, row: int) -> None:
    values = rows["AVAL"].to_list()
    hover = [
        f"{words.number(r['AVAL'], 2)} {r['AVALU']}<br>{r['VALIDDAYS']} valid days"
        if r["AVAL"] is not None
        else ""
        for r in rows.iter_rows(named=True)
    ]
    figure.add_trace(
        go.Scatter(
            cliponaxis=False,
            x=[
                None if day is None else datetime.combine(day, time(12))
                for day in rows["ADT"].to_list()
            ]
            or [None],
            y=values or [None],
            mode="lines+markers",
            connectgaps=False,
            line={"color": of.series[1], "width": 2},
            marker={"size": 8, "symbol": "square"},
            customdata=hover or [""],
            hovertemplate="%{customdata}<extra></extra>",
        ),
        row=row,
        col=1,
    )
    if rows["AVAL"].null_count() == rows.height:
        say_in_row(figure, "no week with a value", of, row=row)
        return
    figure.update_yaxes(title={"text": rows["AVALU"].drop_nulls()[0]}, row=row, col=1)
