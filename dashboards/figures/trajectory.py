"""A mean with its interval at each visit, one line a series.

Here: visits on the x-axis, each with its n. Not here: what the mean is of.
"""

from collections.abc import Sequence
from textwrap import wrap

import plotly.graph_objects as go
import polars as pl

from .. import words
from ..theme import DASHES, SYMBOLS, Look
from .bands import faint

_TICK_WIDTH = 10  # characters of a visit on one line
_DODGE = 0.12
_FEW = 5  # patients below which an interval does not set the axis


def trajectory(
    rows: pl.DataFrame,
    *,
    of: Look,
    axis_title: str,
    digits: int = 1,
    is_from_zero: bool = True,
    expected: float | None = None,
    important: tuple[float, float] | None = None,
) -> go.Figure:
    """`rows`: series, visit, visit_day (null = a visit without a fixed day, drawn apart at the
    right), n_evaluable, estimate, ci_lower, ci_upper. A null estimate leaves a gap. `expected`: a
    level that regression to the mean alone would reach, as a dotted line. `important`: the levels
    between which a change is less than the important one, as a band.
    """
    visits = _visits(rows)
    series = rows["series"].unique(maintain_order=True).to_list()
    figure = go.Figure()
    for k, name in enumerate(series):
        mine = rows.filter(pl.col("series") == name).join(visits, on="visit").sort("place")
        offset = _DODGE * (k - (len(series) - 1) / 2)
        timed = mine.filter(pl.col("visit_day").is_not_null())
        apart = mine.filter(pl.col("visit_day").is_null())
        for part, mode in ((timed, "lines+markers"), (apart, "markers")):
            if part.height:
                figure.add_trace(
                    _line(
                        part,
                        name,
                        k,
                        offset,
                        mode,
                        of,
                        digits,
                        is_named=part is timed or timed.is_empty(),
                    )
                )
    if important is not None:
        _add_important(figure, important, of=of)
    if expected is not None:
        figure.add_hline(
            y=expected,
            line={"color": of.rule, "dash": "dot", "width": 2},
            annotation={"text": "regression to the mean alone", "font": {"color": of.muted}},
        )
    places = visits["place"].to_list()
    figure.update_xaxes(
        tickvals=places,
        ticktext=_ticks(rows, visits, series),
        tickangle=0,
        range=[-0.5, len(places) - 0.5],
    )
    seen = visible_range(rows, is_from_zero=is_from_zero, also=important or ())
    ticks = ",.1f" if seen and seen[1] - seen[0] < 4 else ","  # 1.0 beside 0.8
    figure.update_yaxes(title={"text": axis_title}, range=seen, tickformat=ticks)
    return figure.update_layout(showlegend=len(series) > 1)


def _add_important(figure: go.Figure, levels: tuple[float, float], *, of: Look) -> None:
    """The band of changes less than the important one; its name stands beyond the band's far edge,
    where no line begins.
    """
    is_up = levels[0] < levels[1]
    arrow = "↓" if is_up else "↑"
    figure.add_hrect(
        y0=min(levels),
        y1=max(levels),
        line_width=0,
        fillcolor=faint(of.rule),
        layer="below",
        annotation={
            "text": f"{arrow} less than the important change",
            "font": {"color": of.muted},
            "yanchor": "bottom" if is_up else "top",
        },
        annotation_position="top left" if is_up else "bottom left",
    )


def visible_range(
    rows: pl.DataFrame, *, is_from_zero: bool, also: Sequence[float] = ()
) -> list[float] | None:
    """The axis: all means, and the intervals of visits with at least 5 patients; two patients'
    limits would flatten everything else. Whoever draws says which limits leave it. `also` is
    within. Null where no mean is given.
    """
    means = rows["estimate"].drop_nulls().to_list()
    if not means:
        return None
    steady = rows.filter(pl.col("n_evaluable") >= _FEW)
    seen = [*means, *also, *steady["ci_lower"].drop_nulls(), *steady["ci_upper"].drop_nulls()]
    low, high = min(seen), max(seen)
    margin = 0.08 * (high - low or abs(high) or 1)
    is_clipped = is_from_zero and min(means) >= 0
    return [0 if is_clipped else low - margin, high + margin]


def _visits(rows: pl.DataFrame) -> pl.DataFrame:
    """visit and its place on the axis: by day, those without a day last."""
    visits = rows.select("visit", "visit_day").unique().sort("visit_day", "visit", nulls_last=True)
    return visits.select("visit").with_row_index("place")


def _line(
    part: pl.DataFrame,
    name: str,
    k: int,
    offset: float,
    mode: str,
    of: Look,
    digits: int,
    *,
    is_named: bool,
):
    colour = of.series[k % len(of.series)]
    up = (part["ci_upper"] - part["estimate"]).to_list()
    down = (part["estimate"] - part["ci_lower"]).to_list()
    hover = [
        f"{r['visit']}: {words.interval(r['estimate'], r['ci_lower'], r['ci_upper'], digits=digits)}"
        f"<br>n = {words.count(r['n_evaluable'])}"
        for r in part.iter_rows(named=True)
    ]
    return go.Scatter(
        x=(part["place"].cast(pl.Float64) + offset).to_list(),
        y=part["estimate"].to_list(),
        mode=mode,
        name=name,
        legendgroup=name,
        showlegend=is_named,
        connectgaps=False,
        customdata=hover,
        hovertemplate="%{customdata}<extra>" + name + "</extra>",
        line={"color": colour, "width": 2.5, "dash": DASHES[k % len(DASHES)]},
        marker={"size": 10, "symbol": SYMBOLS[k % len(SYMBOLS)], "color": colour},
        error_y={
            "type": "data",
            "array": up,
            "arrayminus": down,
            "color": colour,
            "thickness": 1.8,
            "width": 6,
        },
    )


def _ticks(rows: pl.DataFrame, visits: pl.DataFrame, series: list[str]) -> list[str]:
    """The visit, and below it the n of each series, in the order of the legend."""
    n_by_place = {(r["series"], r["visit"]): r["n_evaluable"] for r in rows.iter_rows(named=True)}
    return [
        "<br>".join([*wrap(visit, _TICK_WIDTH), "n "])
        + " · ".join(words.count(n_by_place.get((name, visit))) for name in series)
        for visit in visits["visit"].to_list()
    ]
