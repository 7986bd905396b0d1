"""Estimates with their intervals, a row each, in one or more panels that share the rows; counts
beside each.

Here: dots, limits, the text with numerator and denominator. Not here: the order of the rows, which
is the caller's (clinics by name: never a ranking).
"""

from dataclasses import dataclass
from textwrap import wrap

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..theme import SYMBOLS, Look

_LINE = 36  # characters of a line beside a mark
_TEXT_SHARE = 0.3  # of a panel's width, for the counts at its right
_DODGE = 0.3


@dataclass(frozen=True)
class Panel:
    """`estimate`, `lower`, `upper`, `text` name columns; `at_zero`: whether an estimate of 0 is
    drawn hollow.
    """

    title: str
    estimate: str
    lower: str
    upper: str
    text: str
    axis_title: str
    reference: float | None = None
    at_zero: bool = True


def interval_panels(
    rows: pl.DataFrame, *, panels: tuple[Panel, ...], of: Look, text_share: float = _TEXT_SHARE
) -> go.Figure:
    """`rows`: label, optional group (dodged, with its own colour and shape), and the panels'
    columns.

    An estimate of zero events is a hollow mark with its upper limit: no events seen is not a rate
    of nothing. A null estimate draws no mark; its text still stands.
    """
    if "group" not in rows.columns:
        rows = rows.with_columns(group=pl.lit(""))
    labels = rows["label"].unique(maintain_order=True).to_list()
    groups = rows["group"].unique(maintain_order=True).to_list()
    rows = rows.with_columns(
        place=pl.col("label").replace_strict(
            {name: -k for k, name in enumerate(labels)}, return_dtype=pl.Float64
        )
        - pl.col("group").replace_strict(_offsets(groups), return_dtype=pl.Float64)
    )
    figure = make_subplots(cols=len(panels), shared_yaxes=True, horizontal_spacing=0.02)
    for k, panel in enumerate(panels, 1):
        left, right = _domain(k, len(panels))
        figure.update_xaxes(
            domain=[left, right - (right - left) * text_share],
            title={"text": panel.axis_title},
            col=k,
        )
        if panel.reference is not None:
            figure.update_xaxes(range=_range_with(panel.reference, rows, panel), col=k)
        _draw(figure, rows, panel, k, groups, of)
    figure.update_yaxes(
        tickvals=[-float(k) for k in range(len(labels))],
        range=[-len(labels) + 0.4, 0.6],
        zeroline=False,
    )
    figure.update_yaxes(ticktext=labels, col=1)
    figure.update_yaxes(
        showticklabels=False,
        ticks="",
        showline=False,
        **({"matches": "y"} if len(panels) > 1 else {}),
    )
    figure.update_yaxes(showticklabels=True, ticklabelstandoff=6, col=1)
    notes = [note for k, panel in enumerate(panels, 1) for note in _notes(rows, panel, k, of)]
    has_head = len(groups) > 1 or any(panel.title for panel in panels)
    return figure.update_layout(
        annotations=notes,
        showlegend=len(groups) > 1,
        legend={"y": 1.06},
        margin={"t": 56 if has_head else 12, "b": 56},
    )


def _offsets(groups: list[str]) -> dict[str, float]:
    middle = (len(groups) - 1) / 2
    return {name: _DODGE * (k - middle) for k, name in enumerate(groups)}


def _domain(k: int, panels: int) -> tuple[float, float]:
    gap = 0.02
    width = (1 - gap * (panels - 1)) / panels
    left = (k - 1) * (width + gap)
    return left, left + width


def _range_with(reference: float, rows: pl.DataFrame, panel: Panel) -> list[float]:
    """From the lowest to the highest limit, the reference within."""
    ends = [reference, *rows[panel.lower].drop_nulls(), *rows[panel.upper].drop_nulls()]
    margin = 0.06 * (max(ends) - min(ends) or 1)
    return [min(ends) - margin, max(ends) + margin]


def _draw(
    figure: go.Figure, rows: pl.DataFrame, panel: Panel, k: int, groups: list[str], of: Look
) -> None:
    for g, name in enumerate(groups):
        mine = rows.filter((pl.col("group") == name) & pl.col(panel.estimate).is_not_null())
        estimate = mine[panel.estimate]
        colour, symbol = of.series[g % len(of.series)], SYMBOLS[g % len(SYMBOLS)]
        symbols = [
            f"{symbol}-open" if panel.at_zero and value == 0 else symbol
            for value in estimate.to_list()
        ]
        figure.add_trace(
            go.Scatter(
                cliponaxis=False,
                x=estimate.to_list(),
                y=mine["place"].to_list(),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=k == 1,
                marker={
                    "color": colour,
                    "symbol": symbols,
                    "size": 10,
                    "line": {"width": 2, "color": colour},
                },
                error_x={
                    "type": "data",
                    "array": (mine[panel.upper] - estimate).to_list(),
                    "color": colour,
                    "arrayminus": (estimate - mine[panel.lower]).to_list(),
                    "thickness": 2,
                    "width": 5,
                },
                customdata=mine.select("label", panel.text, panel.lower, panel.upper).rows(),
                hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{x:.3g} (%{customdata[2]:.3g} to "
                "%{customdata[3]:.3g})<extra>" + name + "</extra>",
            ),
            row=1,
            col=k,
        )
    if panel.reference is not None:
        figure.add_vline(
            x=panel.reference, line={"color": of.rule, "width": 1.5, "dash": "dash"}, col=k, row=1
        )


def _lines(text: str) -> str:
    """A sentence over several lines, for beside a mark; what has its lines keeps them."""
    return "<br>".join(line for part in text.split("<br>") for line in wrap(part, _LINE))


def _notes(rows: pl.DataFrame, panel: Panel, k: int, of: Look) -> list[dict]:
    """Annotations: the panel's title above it, at its right each row's text. Set in one call: one
    by one is slow.
    """
    axis = "" if k == 1 else str(k)
    beside = {"xref": f"x{axis} domain", "xanchor": "left", "showarrow": False}
    texts = [
        beside
        | {
            "text": _lines(row[panel.text] or ""),
            "x": 1,
            "xshift": 8,
            "y": row["place"],
            "yref": f"y{axis}",
            "align": "left",
            "font": {"size": 12, "color": of.muted},
        }
        for row in rows.iter_rows(named=True)
    ]
    if not panel.title:
        return texts
    head = {
        "text": f"<b>{panel.title}</b>",
        "x": 0,
        "y": 1,
        "yref": "paper",
        "yshift": 18,
        "yanchor": "bottom",
    }
    return [beside | head | {"font": {"size": 13}}, *texts]
