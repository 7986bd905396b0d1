"""One patient's story: sessions, pain, steps and adverse events over one time axis.

Here: the four bands. Not here: whose they are.
"""

from datetime import UTC, datetime, time

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from transforms.facts.values import UNENDED

from .. import words
from ..theme import DASHES, SYMBOLS, Look
from .blank import say_in_row

_STATUS = {
    "delivered": "circle",
    "aborted": "x",
    "missed": "circle-open",
    "cancelled": "square-open",
}
_BESIDE_TITLE = {"orientation": "h", "x": 1, "xanchor": "right", "yanchor": "bottom"}
_GRADE_WIDTH = {1: 5, 2: 7, 3: 9, 4: 12, 5: 15}


def story(
    sessions: pl.DataFrame,
    pain: pl.DataFrame,
    steps: pl.DataFrame,
    events: pl.DataFrame,
    *,
    of: Look,
    until: datetime | None,
) -> go.Figure:
    """`sessions` as mart.adex, `pain` as mart.adqs, `steps` as mart.adact, `events` as mart.adae,
    of one patient.

    `until`: the data cut, where an ongoing event's bar ends with an arrow.
    """
    figure = make_subplots(
        rows=4,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.13, 0.33, 0.24, 0.3],
        subplot_titles=(
            "Sessions",
            "Pain (lower = less pain)",
            "Steps a day, weeks with enough wear",
            "Adverse events",
        ),
    )
    _sessions(figure, sessions, of)
    _pain(figure, pain, of)
    _steps(figure, steps, of)
    _events(figure, events, of, until)
    for note in figure.layout.annotations[:4]:
        note.update(x=0, xanchor="left", font={"size": 13, "color": of.text})
    figure.update_xaxes(type="date", showgrid=True, gridcolor=of.grid, range=_span(figure, until))
    for name, row in (("legend", 1), ("legend2", 2)):
        top = figure.layout[f"yaxis{'' if row == 1 else row}"].domain[1]
        figure.update_layout({name: _BESIDE_TITLE | {"y": top}})
    figure.update_layout(margin={"t": 40, "b": 40, "l": 130})
    return figure


def _sessions(figure: go.Figure, rows: pl.DataFrame, of: Look) -> None:
    for status in rows["EXSTAT"].drop_nulls().unique().sort().to_list():
        mine = rows.filter((pl.col("EXSTAT") == status) & pl.col("EXSTDTM").is_not_null())
        hover = [
            f"session {r['EXSEQ']}: {words.name_of(r['MODALITY'])}, {words.number(r['EXDUR'], 0)} s"
            f"<br>coldest cabin {words.number(r['CABMINC'], 0)} °C, coldest skin {words.number(r['SKINMINC'], 1)} °C"
            for r in mine.iter_rows(named=True)
        ]
        figure.add_trace(
            go.Scatter(
                cliponaxis=False,
                x=mine["EXSTDTM"].to_list(),
                y=[0] * mine.height,
                mode="markers",
                name=status,
                marker=_session_mark(status, of),
                customdata=hover,
                hovertemplate="%{customdata}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    if rows.is_empty():
        say_in_row(figure, "no session", of, row=1)
    figure.update_yaxes(visible=False, range=[-1, 1], row=1, col=1)


def _session_mark(status: str, of: Look) -> dict:
    """Of a delivered one the edge is the page's: neighbours stay apart."""
    edge = of.surface if status == "delivered" else of.series[0]
    return {
        "symbol": _STATUS.get(status, "circle"),
        "size": 12,
        "color": of.series[0],
        "line": {"width": 1.5, "color": edge},
    }


def _pain(figure: go.Figure, rows: pl.DataFrame, of: Look) -> None:
    for k, code in enumerate(rows["PARAMCD"].unique().sort().to_list()):
        mine = rows.filter((pl.col("PARAMCD") == code) & pl.col("AVAL").is_not_null()).sort("ADT")
        colour = of.series[(k + 2) % len(of.series)]
        hover = [
            f"{words.number(r['AVAL'], 1)} {r['AVALU'] or ''}<br>{r['AVISIT'] or 'unscheduled'}"
            for r in mine.iter_rows(named=True)
        ]
        figure.add_trace(
            go.Scatter(
                cliponaxis=False,
                x=_moments(mine["ADT"]),
                y=mine["AVAL"].to_list(),
                name=code,
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": DASHES[k % len(DASHES)]},
                marker={"size": 9, "symbol": SYMBOLS[k % len(SYMBOLS)]},
                customdata=hover,
                legend="legend2",
                hovertemplate="%{customdata}<extra>" + code + "</extra>",
            ),
            row=2,
            col=1,
        )
    if rows["AVAL"].null_count() == rows.height:
        say_in_row(figure, "no pain score", of, row=2)
    units = sorted(set(rows["AVALU"].drop_nulls()))
    figure.update_yaxes(rangemode="tozero", title={"text": ", ".join(units)}, row=2, col=1)


def _steps(figure: go.Figure, rows: pl.DataFrame, of: Look) -> None:
    mine = rows.filter(pl.col("AVAL").is_not_null()).sort("ADT")
    if mine.is_empty():
        say_in_row(figure, "no week of steps", of, row=3)
    hover = [
        f"{words.count(r['AVAL'])} steps/day<br>{r['VALIDDAYS']} valid days"
        for r in mine.iter_rows(named=True)
    ]
    figure.add_trace(
        go.Scatter(
            cliponaxis=False,
            x=_moments(mine["ADT"]),
            y=mine["AVAL"].to_list(),
            name="steps",
            mode="lines+markers",
            line={"color": of.series[1], "width": 2},
            marker={"size": 8, "symbol": "square"},
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        ),
        row=3,
        col=1,
    )
    figure.update_yaxes(rangemode="tozero", title={"text": "steps/day"}, row=3, col=1)


def _events(figure: go.Figure, rows: pl.DataFrame, of: Look, until: datetime | None) -> None:
    """A bar an event from onset to end, thicker with the grade; ongoing ones end in an arrow at the
    data cut.

    Of an event that has ended on a day that nobody wrote down only the onset is drawn.
    """
    rows = rows.filter(pl.col("ASTDTM").is_not_null()).sort("ASTDTM")
    if rows.is_empty():
        say_in_row(figure, "no adverse event with a known onset", of, row=4)
    terms = rows["AEDECOD"].fill_null("not coded").unique(maintain_order=True).to_list()
    for r in rows.iter_rows(named=True):
        colour = of.concern if r["AESER"] == "Y" else of.series[3]
        is_open = r["AENDTM"] is None and r["AEOUT"] in UNENDED
        end = r["AENDTM"] or (until if is_open else None) or r["ASTDTM"]
        text = (
            f"{r['AETERM']}<br>grade {words.count(r['AETOXGR'])}, {'serious' if r['AESER'] == 'Y' else 'not serious'}, "
            f"{words.name_of(r['AEREL'])}<br>{words.name_of(r['AEOUT'])}"
        )
        figure.add_trace(
            go.Scatter(
                cliponaxis=False,
                x=[r["ASTDTM"], max(end, r["ASTDTM"])],
                y=[r["AEDECOD"] or "not coded"] * 2,
                mode="lines+markers",
                line={"color": colour, "width": _GRADE_WIDTH.get(r["AETOXGR"], 5)},
                showlegend=False,
                marker={
                    "size": 11,
                    "color": colour,
                    "symbol": [
                        "star" if r["AESER"] == "Y" else "circle",
                        "triangle-right" if is_open else "circle",
                    ],
                },
                customdata=[text] * 2,
                hovertemplate="%{customdata}<extra></extra>",
            ),
            row=4,
            col=1,
        )
    figure.update_yaxes(categoryorder="array", categoryarray=terms[::-1], row=4, col=1)


def _span(figure: go.Figure, until: datetime | None) -> list[datetime] | None:
    """From the first to the last moment that is drawn, or to the data cut where that is later; null
    of nothing.
    """
    drawn = [moment for trace in figure.data for moment in trace.x if moment is not None]
    if not drawn:
        return None
    first, last = min(drawn, key=_instant), max([*drawn, *([until] if until else [])], key=_instant)
    margin = (_instant(last) - _instant(first)) * 0.03 + 86_400
    return [
        datetime.fromtimestamp(_instant(first) - margin, UTC),
        datetime.fromtimestamp(_instant(last) + margin, UTC),
    ]


def _instant(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp()


def _moments(days: pl.Series) -> list[datetime | None]:
    """A day as its noon, so that the four bands share one axis."""
    noon = time(12)
    return [None if day is None else datetime.combine(day, noon) for day in days]
