"""A figure that says why there is nothing to see.

Here: that one figure. Not here: the reasons.
"""

import textwrap

import plotly.graph_objects as go

from ..theme import Look


def blank(sentence: str, *, of: Look) -> go.Figure:
    """The sentence in the middle, without axes."""
    text = "<br>".join(textwrap.wrap(sentence, 60))
    figure = go.Figure()
    figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 14, "color": of.muted}
    )
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)
