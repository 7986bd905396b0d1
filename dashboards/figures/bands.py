"""Limits as an area around a line, and the curve of responders by cut-off.

Here: bands, curves of shares. Not here: what the limits are.
"""

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from ..theme import DASHES, Look

_ALPHA = 0.16
_GUIDES = (30, 50)  # % better: the usual rules (Farrar 2001, Dworkin 2008)


def band(
    x: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    *,
    colour: str,
    group: str,
    is_stepped: bool,
) -> list[go.Scatter]:
    """Two traces: the lower limit, unseen, and the area from it to the upper one."""
    line = {"width": 0, "color": colour, "shape": "hv" if is_stepped else "linear"}
    same = {
        "x": list(x),
        "mode": "lines",
        "line": line,
        "legendgroup": group,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return [
        go.Scatter(y=list(lower), **same),
        go.Scatter(y=list(upper), fill="tonexty", fillcolor=faint(colour), **same),
    ]


def faint(colour: str, alpha: float = _ALPHA) -> str:
    """#rrggbb, seen through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def responder_curves(rows: pl.DataFrame, *, of: Look, axis_title: str) -> go.Figure:
    """`rows` of mart.responder_curves with `series`, all with an estimate: share better by at least
    each cut-off.
    """
    figure = go.Figure()
    for k, name in enumerate(rows["series"].unique(maintain_order=True).to_list()):
        mine = rows.filter(pl.col("series") == name).sort("cutoff_pct")
        colour, x = of.series[k % len(of.series)], mine["cutoff_pct"].to_list()
        share, low, high = ((100 * mine[c]).to_list() for c in ("estimate", "ci_lower", "ci_upper"))
        figure.add_traces(band(x, low, high, colour=colour, group=name, is_stepped=False))
        hover = [
            f"at least {c} % better: {x} of {n}<br>{share:.0f} % ({low:.0f} to {high:.0f})"
            for c, x, n, share, low, high in zip(
                x, mine["x"], mine["n"], share, low, high, strict=True
            )
        ]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=share,
                mode="lines",
                name=name,
                legendgroup=name,
                customdata=hover,
                line={"color": colour, "width": 2.5, "dash": DASHES[k % len(DASHES)]},
                hovertemplate="%{customdata}<extra>" + name + "</extra>",
            )
        )
    for guide in _GUIDES:
        figure.add_vline(
            x=guide,
            line={"color": of.rule, "width": 1.5, "dash": "dot"},
            annotation={
                "text": f"{guide} %",
                "font": {"color": of.muted, "size": 12},
                "yanchor": "bottom",
                "y": 1,
                "yref": "paper",
                "xanchor": "center",
            },
        )
    figure.update_xaxes(
        title={"text": axis_title}, range=[0, 100], tickvals=list(range(0, 101, 10))
    )
    figure.update_yaxes(title={"text": "patients, %"}, range=[0, 100])
    return figure.update_layout(showlegend=rows["series"].n_unique() > 1, margin={"t": 44})
