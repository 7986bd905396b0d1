"""The durability page: does relief last? Loss of response, relapse, responders by any cut-off, where rules disagree.

Here: layout, what is asked. Not here: how rows become charts (survival_charts.py, durability_charts.py).
"""

from dataclasses import replace

import polars as pl
from dash import Dash, Output, html

from .. import ids, words
from ..components import (
    Chart,
    Drawn,
    chart_card,
    filled,
    filter_controls,
    nothing,
    outputs,
    select,
    side_by_side,
    tile,
    tiles,
)
from ..filters import Chosen, chosen
from ..reader import Reader
from ..theme import Look, look
from . import durability_charts as charts
from .base import MARTS_INPUTS, Page, guarded, off_loop
from .cohort_charts import parameter_options
from .series import in_series, why_none
from .survival_charts import survival_chart

_CHARTS = (
    Chart(ids.LOSS, "How long does a response last?", height=480),
    Chart(ids.RELAPSE, "How long does a patient stay free of pain?", height=480),
    Chart(ids.CUMULATIVE, "What share improves by how much?", height=440),
    Chart(ids.DISAGREEMENT, "Where do the rules disagree?", height=440),
)
_BY_ID = {chart.id: chart for chart in _CHARTS}
_CLOCKS = {ids.LOSS: "TTLOSS", ids.RELAPSE: "TTRELAPS"}


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    return [
        html.H1("Does relief last?"),
        html.P("How long a response is held once it is confirmed, and how many reach it by any rule. Patients who were "
               "not followed long enough count for as long as they were.", className="lead"),
        html.Div(
            [
                *filter_controls(),
                select(ids.CURVE_OF, "Outcome of the lower charts", placeholder="pain", width=260),
                select(ids.CURVE_AT, "Visit", placeholder="usual", width=150),
            ],
            className="controls",
        ),
        html.Div(
            [
                html.Div(id=ids.DURABILITY_TILES),
                side_by_side(cards[ids.LOSS], cards[ids.RELAPSE]),
                side_by_side(cards[ids.CUMULATIVE], cards[ids.DISAGREEMENT]),
            ],
            className="stack",
        ),
    ]  # fmt: skip


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs(_CHARTS),
        Output(ids.DURABILITY_TILES, "children"),
        Output(ids.control(ids.CURVE_OF), "data"),
        Output(ids.control(ids.CURVE_OF), "placeholder"),
        Output(ids.control(ids.CURVE_AT), "data"),
        Output(ids.control(ids.CURVE_AT), "placeholder"),
        *MARTS_INPUTS,
    )
    async def show(search, _version, scheme):
        return await off_loop(view, reader, search, scheme)


def view(reader: Reader, search: str | None, scheme: str | None) -> list:
    """Values of the callback's outputs for the URL's query."""
    choice, of = chosen(search), look(scheme)
    shown = _Shown(reader, choice)
    drawn = guarded(lambda: _draw(shown, of), _CHARTS, of)
    return [
        *filled(_CHARTS, drawn, of=of, keep=choice.key()),
        tiles(_tiles(shown)),
        parameter_options(shown.codes),
        shown.code or "none yet",
        shown.visits,
        shown.visit or "none yet",
    ]


class _Shown:
    """The rows that the choice stands for: curves of time, the responders' curves, the verdicts."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        curves = reader.mart("responder_curves", *choice.stratum())
        self.codes = charts.parameters(curves)
        asked = choice.get(ids.CURVE_OF)
        self.code = asked if asked in self.codes else next(iter(self.codes), None)
        mine = curves.filter(pl.col("parameter") == (self.code or ""))
        self.visits = charts.visits(mine)
        asked = choice.get(ids.CURVE_AT)
        self.visit = asked if asked in self.visits else charts.usual_visit(mine)

    @property
    def responder(self) -> pl.Expr:
        return (pl.col("parameter") == (self.code or "")) & (pl.col("visit") == (self.visit or ""))


def _draw(shown: _Shown, of: Look) -> dict[str, Drawn]:
    return {**{id: _curve(shown, id, of) for id in _CLOCKS}, **_responders(shown, of)}


def _curve(shown: _Shown, id: str, of: Look) -> Drawn:
    rows = in_series(
        shown.reader, "survival_curves", shown.choice, meets=pl.col("parameter") == _CLOCKS[id], known="survival"
    )
    what = {ids.LOSS: "Time to loss of response", ids.RELAPSE: "Time to relapse"}[id]
    drawn = survival_chart(
        rows, _CLOCKS[id], of=of, title=_BY_ID[id].title, height=_BY_ID[id].height,
        none=why_none(shown.reader, rows, shown.choice, what=what),
    )  # fmt: skip
    return replace(drawn, computed_at=shown.reader.changed_at("mart.survival_curves"))


def _responders(shown: _Shown, of: Look) -> dict[str, Drawn]:
    reader, choice = shown.reader, shown.choice
    curves = in_series(reader, "responder_curves", choice, meets=shown.responder, known="estimate")
    verdicts = reader.mart("responder_disagreement", *choice.stratum()).filter(shown.responder)
    if not shown.code or not shown.visit:
        reason = why_none(reader, curves, choice, what="Responders by cut-off", is_of_few=True)
        return {id: nothing(reason, of=of) for id in (ids.CUMULATIVE, ids.DISAGREEMENT)}
    none = {
        id: why_none(reader, rows, choice, what=what, is_of_few=True)
        for id, rows, what in (
            (ids.CUMULATIVE, curves, "Responders by cut-off"),
            (ids.DISAGREEMENT, verdicts, f"Rules side by side for {shown.code}"),
        )
    }
    drawn = {
        ids.CUMULATIVE: charts.cumulative(curves, shown.code, shown.visit, of=of, none=none[ids.CUMULATIVE]),
        ids.DISAGREEMENT: charts.disagreement(verdicts, shown.code, shown.visit, of=of, none=none[ids.DISAGREEMENT]),
    }
    marts = {ids.CUMULATIVE: "responder_curves", ids.DISAGREEMENT: "responder_disagreement"}
    return {id: replace(d, computed_at=reader.changed_at(f"mart.{marts[id]}")) for id, d in drawn.items()}


def _tiles(shown: _Shown) -> list:
    """Sustained response, and of the curves how many were followed."""
    rows = shown.reader.mart("cohort_outcomes", *shown.choice.stratum()).filter(
        pl.col("metric_id") == "sustained_response"
    )
    r = rows.row(0, named=True) if rows.height else dict.fromkeys(rows.columns)
    held = f"{words.count(r['n_event'])} of {words.count(r['n_evaluable'])}"
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
    detail = r["reason"] or f"{share}; {words.count(r['n_not_evaluable'])} not evaluable"
    response = tile("Response held at two visits in a row", words.NOTHING if r["estimate"] is None else held, detail)
    curves = shown.reader.mart("survival_curves", *shown.choice.stratum())
    return [response, *(_clock_tile(curves, parameter) for parameter in _CLOCKS.values())]


def _clock_tile(curves: pl.DataFrame, parameter: str):
    rows = curves.filter((pl.col("parameter") == parameter) & pl.col("at_risk").is_not_null())
    title = words.metric_title(parameter.lower())
    if rows.is_empty():
        return tile(title, words.NOTHING, "none in this selection, or too few to be shown")
    first, events, n = rows.row(0, named=True), int(rows["events"].sum()), rows["at_risk"].max()
    counts = f"{words.plural(events, 'event')} among {words.count(n)} patients"
    if first["median"] is None:
        return tile(title, "no median", f"{first['reason'] or 'not reached'}; {counts}")
    upper = "not reached" if first["median_upper"] is None else words.number(first["median_upper"], 0)
    lower = words.number(first["median_lower"], 0)
    return tile(title, f"{words.number(first['median'], 0)} days", f"median, 95 % CI {lower} to {upper}; {counts}")


DURABILITY = Page(
    path="/durability",
    name="Durability",
    layout=layout,
    register=register,
    controls=(*ids.FILTERS, ids.CURVE_OF, ids.CURVE_AT),
)
