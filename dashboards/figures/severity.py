"""Events by grade, a bar a term.

Here: stacked counts; a pattern goes with each colour. Not here: rates.
"""

import plotly.graph_objects as go
import polars as pl

from ..theme import Look

_GRADES = (
    ("mild", "grade 1 or none given", 0, ""),
    ("moderate", "grade 2", 3, "/"),
    ("severe", "grade 3 or more", 2, "x"),
)


def grade_bars(rows: pl.DataFrame, *, of: Look) -> go.Figure:
    """`rows`: term, mild, moderate, severe, in the order in which the terms stand, top down."""
    figure = go.Figure()
    for column, name, colour, pattern in _GRADES:
        figure.add_bar(
            y=rows["term"].to_list(),
            x=rows[column].to_list(),
            name=name,
            orientation="h",
            marker={
                "color": of.series[colour],
                "pattern": {
                    "shape": pattern,
                    "size": 6,
                    "bgcolor": of.series[colour],
                    "fgcolor": of.surface,
                },
            },
            hovertemplate="%{y}: %{x} of " + name + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.3)
    figure.update_xaxes(title={"text": "events"}, rangemode="tozero", showgrid=True)
    return figure.update_yaxes(autorange="reversed", showgrid=False)
