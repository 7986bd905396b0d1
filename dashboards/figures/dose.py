"""Mean change by bins of dose.

Here: dots with limits, a bin each, n below. Not here: bins; any line through them, which would be
read as cause.
"""

import plotly.graph_objects as go
import polars as pl

from .. import words
from ..theme import Look

_FEW = 5  # patients below which an interval does not set the axis


def dose_response(rows: pl.DataFrame, *, of: Look, axis_title: str, digits: int) -> go.Figure:
    """`rows`: bin, n_patients, mean_change, ci_lower, ci_upper, all with a mean, in order of their
    bins.
    """
    places = list(range(rows.height))
    mean = rows["mean_change"]
    hover = [
        f"{r['bin']} sessions a week<br>{words.interval(r['mean_change'], r['ci_lower'], r['ci_upper'], digits=digits)}"
        f"<br>n = {words.count(r['n_patients'])}"
        for r in rows.iter_rows(named=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=places,
            y=mean.to_list(),
            mode="markers",
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
            marker={"size": 11, "color": of.series[0]},
            error_y={
                "type": "data",
                "array": (rows["ci_upper"] - mean).to_list(),
                "arrayminus": (mean - rows["ci_lower"]).to_list(),
                "color": of.series[0],
                "thickness": 2,
                "width": 6,
            },
        )
    )
    figure.add_hline(y=0, line={"color": of.rule, "width": 1.5, "dash": "dash"})
    figure.update_xaxes(
        tickvals=places,
        range=[-0.6, rows.height - 0.4],
        title={"text": "delivered sessions a week, until the visit"},
        ticktext=[
            f"{r['bin']}<br>n {words.count(r['n_patients'])}" for r in rows.iter_rows(named=True)
        ],
    )
    return figure.update_yaxes(
        title={"text": axis_title}, range=visible_range(rows), tickformat=f",.{digits}f"
    )


def visible_range(rows: pl.DataFrame) -> list[float]:
    """All means and 0, and the limits of bins with at least 5 patients."""
    steady = rows.filter(pl.col("n_patients") >= _FEW)
    seen = [
        0.0,
        *rows["mean_change"],
        *steady["ci_lower"].drop_nulls(),
        *steady["ci_upper"].drop_nulls(),
    ]
    margin = 0.08 * (max(seen) - min(seen) or 1)
    return [min(seen) - margin, max(seen) + margin]
