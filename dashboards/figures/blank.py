"""A figure, or a row of one, that says why there is nothing to see.

Here: both. Not here: the reasons.
"""

import textwrap

import plotly.graph_objects as go

from ..theme import Look


def blank(sentence: str, *, of: Look) -> go.Figure:
    """The sentence in the middle, without axes."""
    text = "<br>".join(textwrap.wrap(sentence, 60))
    figure = go.Figure()
    figure.add_annotation(
        text=text,
        showarrow=False,
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        font={"size": 14, "color": of.muted},
    )
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def say_in_row(figure: go.Figure, text: str, of: Look, *, row: int) -> None:
    """A sentence in an empty row of a picture of several, which needs a trace to be a row at
    all.
    """
    figure.add_trace(
        go.Scatter(x=[None], y=[None], showlegend=False, hoverinfo="skip"), row=row, col=1
    )
    figure.update_yaxes(visible=False, row=row, col=1)
    axis = "" if row == 1 else str(row)
    figure.add_annotation(
        text=text,
        x=0.5,
        y=0.5,
        xref=f"x{axis} domain",
        yref=f"y{axis} domain",
        showarrow=False,
        font={"color": of.muted},
    )
