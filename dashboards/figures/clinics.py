"""Clinics beside each other (funnel) and one series over time (control chart).

Here: drawing the limits that the marts give. Not here: the limits; a ranking, which no figure here is.
"""

import plotly.graph_objects as go
import polars as pl

from .. import words
from ..theme import Look

_SIGNALS = {"is_outside": "outside the limits", "is_trend": "trend", "is_two_of_three": "2 of 3 near a limit",
            "is_shift": "7 on one side"}  # fmt: skip


def funnel(rows: pl.DataFrame, *, of: Look, axis_title: str, denominator_title: str) -> go.Figure:
    """`rows` of mart.clinic_funnel, one metric and modality, with `label` and `name`. The over-dispersed
    limits where there are any."""
    drawn = rows.filter(pl.col("estimate").is_not_null() & pl.col("denominator").is_not_null()).sort("denominator")
    # neighbours' names stand above and below by turns
    drawn = drawn.with_columns(
        side=pl.Series([("top center", "bottom center")[k % 2] for k in range(drawn.height)], dtype=pl.String)
    )
    has_wider = drawn["upper_95_od"].is_not_null().any()
    figure = go.Figure()
    for level, text, dash in (("998", "99.8 %", "solid"), ("95", "95 %", "dash")):
        for side in ("lower", "upper"):
            column = f"{side}_{level}" + ("_od" if has_wider else "")
            figure.add_trace(
                go.Scatter(
                    x=drawn["denominator"].to_list(), y=drawn[column].to_list(), mode="lines", name=f"{text} limits",
                    line={"color": of.rule, "dash": dash, "width": 1.5}, legendgroup=level, showlegend=side == "upper",
                    hoverinfo="skip",
                )
            )  # fmt: skip
    target = drawn["target"].drop_nulls()
    if len(target):
        figure.add_hline(y=target[0], line={"color": of.muted, "width": 1.5})
    is_signal = drawn["signal"].fill_null("none") != "none"
    for outside, name, symbol, colour in (
        (False, "within the limits", "circle", of.series[0]),
        (True, "outside a limit: look, do not conclude", "diamond", of.concern),
    ):
        mine = drawn.filter(is_signal if outside else ~is_signal)
        figure.add_trace(
            go.Scatter(
                x=mine["denominator"].to_list(),
                y=mine["estimate"].to_list(),
                mode="markers+text",
                name=name,
                text=mine["label"].to_list(),
                textposition=mine["side"].to_list(),
                cliponaxis=False,
                textfont={"color": of.text, "size": 12},
                marker={"symbol": symbol, "size": 11, "color": colour},
                customdata=mine.select("numerator", "denominator", "name").rows(),
                hovertemplate="%{customdata[2]}<br>%{customdata[0]:.4g} / %{customdata[1]:.4g}<br>%{y:.3g}"
                "<extra></extra>",
            )
        )
    low, high = drawn["denominator"].min() or 0, drawn["denominator"].max() or 1
    margin = 0.1 * (high - low) or 1
    figure.update_xaxes(title={"text": denominator_title}, range=[low - margin, high + margin])
    return figure.update_yaxes(title={"text": axis_title})


def control_chart(rows: pl.DataFrame, *, of: Look, axis_title: str) -> go.Figure:
    """`rows` of mart.control_charts, one chart, by `point`; points with a signal have their own shape and name."""
    rows = rows.sort("point")
    x = rows["period_start"].to_list() if rows["period_start"].null_count() == 0 else rows["point"].to_list()
    figure = go.Figure()
    for column, name, dash in (("upper", "limits", "dash"), ("lower", "limits", "dash"), ("center", "center", "solid")):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=rows[column].to_list(),
                mode="lines",
                name=name,
                legendgroup=name,
                hoverinfo="skip",
                showlegend=column != "lower",
                line={"color": of.rule, "dash": dash, "width": 1.5, "shape": "hvh"},
            )
        )
    signals = [_signal(r) for r in rows.iter_rows(named=True)]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=rows["value"].to_list(),
            mode="lines+markers",
            name="value",
            line={"color": of.series[0], "width": 2},
            marker={
                "size": 10,
                "symbol": ["diamond" if s else "circle" for s in signals],
                "color": [of.concern if s else of.series[0] for s in signals],
            },
            customdata=[
                f"{words.day(r['period_start'])}<br>{words.number(r['numerator'], 0)} / "
                f"{words.number(r['denominator'], 0)}{': ' + s if s else ''}"
                for r, s in zip(rows.iter_rows(named=True), signals, strict=True)
            ],
            hovertemplate="%{customdata}<br>%{y:.3g}<extra></extra>",
        )
    )
    return figure.update_yaxes(title={"text": axis_title}, rangemode="tozero")


def _signal(row: dict) -> str:
    return ", ".join(text for column, text in _SIGNALS.items() if row[column])
