"""Clinics beside each other (funnel) and one series over time (control chart).

Here: drawing the limits that the marts give. Not here: the limits; a ranking, which no figure here
is.
"""

import plotly.graph_objects as go
import polars as pl

from transforms.facts.values import BASELINE_POINTS

from .. import words
from ..theme import Look

_SIGNALS = {
    "is_outside": "outside the limits",
    "is_trend": "trend",
    "is_two_of_three": "2 of 3 near a limit",
    "is_shift": "a run on one side",
}
# rule -> its name in the legend, its shape
_POINTS = {
    "common_cause": ("common cause", "circle"),
    "outside": (_SIGNALS["is_outside"], "diamond"),
    "trend": ("trend", "triangle-up"),
    "two_of_three": (_SIGNALS["is_two_of_three"], "square"),
    "shift": (_SIGNALS["is_shift"], "star"),
}
_FEW_TICKS = 8


def funnel(
    rows: pl.DataFrame,
    *,
    of: Look,
    axis_title: str,
    denominator_title: str,
    is_proportion: bool = False,
) -> go.Figure:
    """`rows` of mart.clinic_funnel, one metric and modality, with `label` and `name`. Each clinic's
    own target and limits, which leave it out; the wider ones where the others' over-dispersion
    widens them: a signal is beyond both.
    """
    drawn = _drawn_clinics(rows)
    figure = go.Figure()
    for level, text, dash in (("998", "99.8 %", "solid"), ("95", "95 %", "dash")):
        for side in ("lower", "upper"):
            figure.add_trace(
                _line_of(
                    drawn,
                    f"{side}_{level}",
                    name=f"{text} limits",
                    line={"color": of.rule, "dash": dash, "width": 1.5},
                    legendgroup=level,
                    showlegend=side == "upper",
                )
            )
    line = {"color": of.muted, "width": 1.5}
    figure.add_trace(_line_of(drawn, "target", name="all the others", line=line))
    is_signal = drawn["signal"].fill_null("none") != "none"
    within = {"symbol": "circle", "size": 11, "color": of.series[0]}
    outside = {"symbol": "diamond", "size": 11, "color": of.concern}
    figure.add_traces(
        [
            _clinic_points(drawn.filter(~is_signal), "within the limits", marker=within, of=of),
            _clinic_points(
                drawn.filter(is_signal),
                "outside a limit: look, do not conclude",
                marker=outside,
                of=of,
            ),
        ]
    )
    low, high = drawn["denominator"].min() or 0, drawn["denominator"].max() or 1
    margin = 0.1 * (high - low) or 1
    figure.update_xaxes(title={"text": denominator_title}, range=[low - margin, high + margin])
    if high - low < _FEW_TICKS:  # no halves of a patient
        figure.update_xaxes(dtick=1)
    tickformat = ".0%" if is_proportion else None
    return figure.update_yaxes(title={"text": axis_title}, tickformat=tickformat)


def _drawn_clinics(rows: pl.DataFrame) -> pl.DataFrame:
    """The clinics that have a place, from left to right, with the wider of both limits and the side
    on which the name stands: neighbours' names stand above and below by turns.
    """
    has_place = pl.col("estimate").is_not_null() & pl.col("denominator").is_not_null()
    drawn = rows.filter(has_place).sort("denominator")
    sides = [("top center", "bottom center")[k % 2] for k in range(drawn.height)]
    limits = {
        f"{side}_{level}": wider(f"{side}_{level}", f"{side}_{level}_od")
        for side, wider in (("lower", pl.min_horizontal), ("upper", pl.max_horizontal))
        for level in ("95", "998")
    }
    return drawn.with_columns(side=pl.Series(sides, dtype=pl.String), **limits)


def _line_of(drawn: pl.DataFrame, column: str, **looks) -> go.Scatter:
    return go.Scatter(
        x=drawn["denominator"].to_list(),
        y=drawn[column].to_list(),
        mode="lines",
        hoverinfo="skip",
        **looks,
    )


def _clinic_points(clinics: pl.DataFrame, name: str, *, marker: dict, of: Look) -> go.Scatter:
    nearness = pl.col("nearness").fill_null("")
    return go.Scatter(
        x=clinics["denominator"].to_list(),
        y=clinics["estimate"].to_list(),
        mode="markers+text",
        name=name,
        text=clinics["label"].to_list(),
        textposition=clinics["side"].to_list(),
        cliponaxis=False,
        textfont={"color": of.text, "size": 12},
        marker=marker,
        customdata=clinics.select("numerator", "denominator", "name", nearness).rows(),
        hovertemplate="%{customdata[2]}<br>%{customdata[0]:.4g} / %{customdata[1]:.4g}<br>%{y:.3g}<br>"
        "%{customdata[3]}<extra></extra>",
    )


def control_chart(rows: pl.DataFrame, *, of: Look, axis_title: str) -> go.Figure:
    """`rows` of mart.control_charts, one chart, by `point`.

    A point's shape says which rule made it a signal, its colour whether that is a concern or an
    improvement. A dotted line stands after the points that the limits were computed from, where the
    limits are locked, and where they were begun anew.
    """
    rows = rows.sort("point")
    has_days = (
        rows["period_start"].null_count() == 0 and rows["period_start"].n_unique() == rows.height
    )
    rows = rows.with_columns(x=pl.col("period_start") if has_days else pl.col("point"))
    is_sum = rows["chart"][0] == "cusum"
    figure = go.Figure()
    lines = (
        (("upper", "decision limit", "dash"),)
        if is_sum
        else (
            ("upper", "limits", "dash"),
            ("lower", "limits", "dash"),
            ("center", "center", "solid"),
        )
    )
    for column, name, dash in lines:
        if rows[column].null_count() < rows.height:
            figure.add_trace(_limit(rows, column, name, dash, of))
    figure.add_trace(
        go.Scatter(
            x=rows["x"].to_list(),
            y=rows["value"].to_list(),
            mode="lines",
            name="value",
            hoverinfo="skip",
            line={"color": of.series[0], "width": 2},
            showlegend=False,
        )
    )
    rows = rows.with_columns(kind=pl.col("point_type").fill_null("common_cause"))
    for kind, (name, symbol) in _POINTS.items():
        mine = rows.filter(pl.col("kind") == kind)
        if mine.height:
            figure.add_trace(_points(mine, name, symbol, of))
    _mark_baseline(figure, rows, of)
    if not has_days:
        figure.update_xaxes(title={"text": "number of the event"})
    return figure.update_yaxes(title={"text": axis_title}, rangemode="tozero")


def _limit(rows: pl.DataFrame, column: str, name: str, dash: str, of: Look) -> go.Scatter:
    return go.Scatter(
        x=rows["x"].to_list(),
        y=rows[column].to_list(),
        mode="lines",
        name=name,
        legendgroup=name,
        hoverinfo="skip",
        showlegend=column != "lower",
        line={"color": of.rule, "dash": dash, "width": 1.5, "shape": "hvh"},
    )


def _points(rows: pl.DataFrame, name: str, symbol: str, of: Look) -> go.Scatter:
    """The points of one rule; hollow of an improvement."""
    icons = rows["variation_icon"].to_list()
    colours = [_colour(icon, name, of) for icon in icons]
    hover = [
        f"{words.day(r['period_start'])}<br>{_counts(r)}{_signal(r)}"
        for r in rows.iter_rows(named=True)
    ]
    return go.Scatter(
        x=rows["x"].to_list(),
        y=rows["value"].to_list(),
        mode="markers",
        name=name,
        customdata=hover,
        cliponaxis=False,
        hovertemplate="%{customdata}<br>%{y:.3g}<extra></extra>",
        marker={
            "size": 10,
            "color": colours,
            "line": {"width": 1.5, "color": colours},
            "symbol": [
                f"{symbol}-open" if i == "special_cause_improvement" else symbol for i in icons
            ],
        },
    )


def _colour(icon: str | None, name: str, of: Look) -> str:
    if name == _POINTS["common_cause"][0]:
        return of.series[0]
    return {"special_cause_improvement": of.series[1], "special_cause_neither": of.series[2]}.get(
        icon, of.concern
    )


def _mark_baseline(figure: go.Figure, rows: pl.DataFrame, of: Look) -> None:
    """Where the points end that made the limits, and where limits were begun anew."""
    has_phases = rows["rebased_from"].is_not_null().any()
    for (start,), phase in rows.group_by("rebased_from", maintain_order=True):
        if start is not None:
            _mark(figure, phase["x"][0], "limits begun anew", of, xanchor="left")
        measured = phase.filter(pl.col("value").is_not_null())
        if measured["is_trial_limits"].fill_null(True).any() or measured.height <= BASELINE_POINTS:
            continue
        before, after = measured["x"][BASELINE_POINTS - 1], measured["x"][BASELINE_POINTS]
        text = "" if has_phases else f"limits from these {BASELINE_POINTS}"
        _mark(figure, before + (after - before) / 2, text, of, xanchor="right")


def _mark(figure: go.Figure, x, text: str, of: Look, *, xanchor: str) -> None:
    figure.add_vline(x=x, line={"color": of.rule, "dash": "dot", "width": 1.5})
    figure.add_annotation(
        x=x,
        xanchor=xanchor,
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        text=text,
        font={"size": 12, "color": of.muted},
    )


def _counts(r: dict) -> str:
    if r["denominator"] is None:
        return "sessions since the event before" if r["chart"] == "g" else ""
    if r["numerator"] is None:
        return f"n = {words.count(r['denominator'])}"
    return f"{words.count(r['numerator'])} / {words.count(r['denominator'])}"


def _signal(row: dict) -> str:
    signals = [text for column, text in _SIGNALS.items() if row[column]]
    if not signals:
        return ""
    return f": {', '.join(signals)} ({row['signal_direction']})"
