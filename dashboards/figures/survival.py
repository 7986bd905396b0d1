"""Kaplan-Meier curves with their limits, and below, in line with the ticks, who was still followed.

Here: steps, band, marks of censoring, the extended table of numbers at risk (Morris 2019, BMJ Open
9:e030215). Not here: the estimates, what an event is.
"""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..theme import DASHES, Look
from .bands import band

_STEPS = (
    1,
    2,
    5,
    7,
    14,
    30,
    60,
    90,
    180,
    365,
    730,
)  # days between ticks, those that people count in
_MOST_TICKS = 7
_ROW_PX, _HEAD_PX = 20, 46  # of the table below, and the axis title above it


def ticks_of(last: float) -> list[int]:
    """Days from 0 to at most `last`, no more than eight."""
    step = next(
        (s for s in _STEPS if last <= s * _MOST_TICKS), 365 * (1 + int(last // (365 * _MOST_TICKS)))
    )
    return list(range(0, int(last) + 1, step))


def at_risk(curve: pl.DataFrame, ticks: list[int]) -> pl.DataFrame:
    """`day`, `at_risk` just before it, `events` and `censored` before it, one row per tick: the
    three add up to everybody.

    `curve`: time_days, at_risk, events, censored of one curve.
    """
    curve = curve.sort("time_days")
    rows = []
    for tick in ticks:
        gone = curve.filter(pl.col("time_days") < tick)
        ahead = curve.filter(pl.col("time_days") >= tick)
        rows.append(
            (
                tick,
                ahead["at_risk"][0] if ahead.height else 0,
                gone["events"].sum(),
                gone["censored"].sum(),
            )
        )
    return pl.DataFrame(rows, schema=["day", "at_risk", "events", "censored"], orient="row")


def survival(
    curves: pl.DataFrame,
    *,
    of: Look,
    axis_title: str,
    height: int,
    x_title: str,
    until: float | None = None,
) -> go.Figure:
    """`curves`: series and the columns of mart.survival_curves, all with a survival; `x_title`:
    what days are counted from.

    `until`: last day that is shown at first; without it the last one there is.
    """
    names = curves["series"].unique(maintain_order=True).to_list()
    last = min(until or float("inf"), curves["time_days"].max() or 1) or 1
    ticks = ticks_of(last)
    lines, is_alone = _table(curves, names, ticks), len(names) == 1
    share = (len(lines) * _ROW_PX) / (height - 84)
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        row_heights=[1 - share, share],
        vertical_spacing=_HEAD_PX / (height - 84),
    )
    for k, name in enumerate(names):
        _curve(figure, curves.filter(pl.col("series") == name).sort("time_days"), name, k, of)
    numbers_below(
        figure,
        lines,
        ticks,
        of=of,
        legend=None if is_alone else "at risk (events so far; censored so far)",
    )
    figure.update_xaxes(
        tickvals=ticks, range=[-(0.04 if is_alone else 0.12) * last, 1.05 * last], showgrid=False
    )
    figure.update_xaxes(title={"text": x_title}, showticklabels=True, row=1, col=1)
    figure.update_xaxes(showticklabels=False, ticks="", showline=False, row=2, col=1)
    figure.update_yaxes(title={"text": axis_title}, range=[0, 103], row=1, col=1)
    return figure.update_layout(
        showlegend=not is_alone, margin={"t": 36, "b": 12 if is_alone else 30}
    )


def _curve(figure: go.Figure, rows: pl.DataFrame, name: str, k: int, of: Look) -> None:
    colour = of.series[k % len(of.series)]
    limits = rows.filter(pl.col("lower").is_not_null() & pl.col("upper").is_not_null())
    sides = [
        [0.0, *limits["time_days"]],
        *([100.0, *(100 * limits[side])] for side in ("lower", "upper")),
    ]
    for trace in band(*sides, colour=colour, group=name, is_stepped=True):
        figure.add_trace(trace, row=1, col=1)
    hover = [
        f"day {r['time_days']:.0f}: {100 * r['survival']:.0f} %"
        + ("" if r["lower"] is None else f" ({100 * r['lower']:.0f} to {100 * r['upper']:.0f})")
        + f"<br>{r['at_risk']} at risk, {r['events']} events, {r['censored']} censored"
        for r in rows.iter_rows(named=True)
    ]
    is_censored = rows["censored"] > 0
    figure.add_trace(
        go.Scatter(
            x=[0.0, *rows["time_days"]],
            y=[100.0, *(100 * rows["survival"])],
            mode="lines",
            name=name,
            legendgroup=name,
            line={"color": colour, "width": 2.5, "shape": "hv", "dash": DASHES[k % len(DASHES)]},
            customdata=["day 0: all", *hover],
            hovertemplate="%{customdata}<extra>" + name + "</extra>",
        ),
        row=1,
        col=1,
    )
    seen = rows.filter(is_censored)
    figure.add_trace(
        go.Scatter(
            x=seen["time_days"].to_list(),
            y=(100 * seen["survival"]).to_list(),
            mode="markers",
            name="censored",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
            cliponaxis=False,
            marker={"symbol": "line-ns-open", "size": 8, "color": colour, "line": {"width": 1.5}},
        ),
        row=1,
        col=1,
    )


def _table(curves: pl.DataFrame, names: list[str], ticks: list[int]) -> list[tuple[str, list[str]]]:
    """The rows below the curves: of one curve three, of several one each."""
    numbers = {name: at_risk(curves.filter(pl.col("series") == name), ticks) for name in names}
    if len(names) == 1:
        only = numbers[names[0]]
        titles = {"at_risk": "at risk", "events": "events so far", "censored": "censored so far"}
        return [(title, [f"{v:,}" for v in only[column]]) for column, title in titles.items()]
    return [
        (name, [f"{r[1]:,} ({r[2]:,}; {r[3]:,})" for r in rows.iter_rows()])
        for name, rows in numbers.items()
    ]


def numbers_below(
    figure: go.Figure,
    lines: list[tuple[str, list[str]]],
    ticks: list[int],
    *,
    of: Look,
    legend: str | None = None,
) -> None:
    """Fills the second row of the figure: a title and a text a tick for each line; `legend` says
    what the texts are, where the titles don't.
    """
    for k, (title, texts) in enumerate(lines):
        figure.add_trace(
            go.Scatter(
                x=ticks,
                y=[-k] * len(ticks),
                mode="text",
                text=texts,
                name=title,
                showlegend=False,
                hoverinfo="skip",
                cliponaxis=False,
                textfont={"size": 12, "color": of.text},
            ),
            row=2,
            col=1,
        )
    figure.update_yaxes(
        tickvals=[-k for k in range(len(lines))],
        ticktext=[title for title, _ in lines],
        range=[0.5 - len(lines), 0.5],
        showgrid=False,
        showline=False,
        ticks="",
        fixedrange=True,
        row=2,
        col=1,
    )
    if legend:
        figure.add_annotation(
            text=legend,
            xref="paper",
            yref="paper",
            x=0,
            y=0,
            xanchor="left",
            yanchor="top",
            yshift=2,
            showarrow=False,
            font={"size": 12, "color": of.muted},
        )
