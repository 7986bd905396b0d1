"""The care page: less medication, fewer procedures, later surgery, and is life better?

Here: layout, what is asked. Not here: how rows become charts (care_charts.py, survival_charts.py).
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
    notice,
    outputs,
    select,
    side_by_side,
    tile,
    tiles,
)
from ..filters import Chosen, chosen
from ..reader import Reader
from ..theme import Look, look
from . import care_charts as charts
from .base import MARTS_INPUTS, Page, guarded, off_loop
from .series import in_series, why_none
from .survival_charts import survival_chart

_CHARTS = (
    Chart(ids.MEDICATION, "Do fewer patients take pain killers?", height=300),
    Chart(ids.STOPPED, "Who stopped, who started?", height=300),
    Chart(ids.SURGERY, "How long without surgery?", height=460),
    Chart(ids.RESCUE, "How long without rescue care?", height=460),
    Chart(ids.PROCEDURES, "How many injections and surgeries?", height=200),
    Chart(ids.LIFE, "Is life better? Function and quality of life", height=520),
)
_BY_ID = {chart.id: chart for chart in _CHARTS}
_CLOCKS = {ids.SURGERY: ("TTSURG", "TTSURGA", "Time to surgery"), ids.RESCUE: ("TTRESC", "TTRESCA", "Time to rescue")}


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    return [
        html.H1("Other care and life"),
        html.P("Medication and procedures before and after, for as long as other care was reported; function and "
               "quality of life by each instrument's own important change.", className="lead"),
        notice("Patients come when they need most care, and need less later without any treatment. A before/after "
               "change here is not an effect.", title="Read this first"),
        html.Div(
            [*filter_controls(), select(ids.LIFE_AT, "Visit for function and life", placeholder="usual", width=200)],
            className="controls",
        ),
        html.Div(
            [
                html.Div(id=ids.CARE_TILES),
                side_by_side(cards[ids.MEDICATION], cards[ids.STOPPED]),
                side_by_side(cards[ids.SURGERY], cards[ids.RESCUE]),
                cards[ids.PROCEDURES],
                cards[ids.LIFE],
            ],
            className="stack",
        ),
    ]  # fmt: skip


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs(_CHARTS),
        Output(ids.CARE_TILES, "children"),
        Output(ids.control(ids.LIFE_AT), "data"),
        Output(ids.control(ids.LIFE_AT), "placeholder"),
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
        charts.life_visits(shown.rows),
        shown.visit or "none yet",
    ]


class _Shown:
    """The rows that the choice stands for, and the visit at which function and life are judged."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        self.rows = reader.mart("cohort_outcomes", *choice.stratum())
        asked = choice.get(ids.LIFE_AT)
        self.visit = asked if asked in charts.life_visits(self.rows) else charts.usual_life_visit(self.rows)

    def metric(self, name: str) -> dict:
        found = self.rows.filter(pl.col("metric_id") == name)
        return found.row(0, named=True) if found.height else dict.fromkeys(self.rows.columns)

    def none(self, metric: str, what: str) -> str:
        return why_none(self.reader, self.rows.filter(pl.col("metric_id") == metric), self.choice, what=what)


def _draw(shown: _Shown, of: Look) -> dict[str, Drawn]:
    drawn = {
        id: draw(shown.rows, of=of, title=_BY_ID[id].title, none=shown.none(metric, what))
        for id, draw, metric, what in (
            (ids.MEDICATION, charts.medication, "opioid_use_before", "Medication"),
            (ids.STOPPED, charts.turns, "opioid_use_before", "Medication"),
            (ids.PROCEDURES, charts.procedures, "injections_per_100_patient_years", "Procedures"),
        )
    }
    changes = shown.rows.filter(pl.col("metric_id").str.ends_with("_points") & (pl.col("visit") == (shown.visit or "")))
    none = why_none(shown.reader, changes, shown.choice, what="Function and quality of life")
    drawn[ids.LIFE] = charts.life(shown.rows, shown.visit, of=of, title=_BY_ID[ids.LIFE].title, none=none)
    dated = {id: replace(d, computed_at=shown.reader.changed_at("mart.cohort_outcomes")) for id, d in drawn.items()}
    return dated | {id: _curve(shown, id, of) for id in _CLOCKS}


def _curve(shown: _Shown, id: str, of: Look) -> Drawn:
    """Of arms from their allocation; of everybody from Day 1."""
    everybody, by_arm, what = _CLOCKS[id]
    parameter = by_arm
    rows = in_series(shown.reader, "survival_curves", shown.choice, meets=pl.col("parameter") == by_arm,
                     known="survival")  # fmt: skip
    if rows["series"].n_unique() < 2:
        parameter = everybody
        whole = shown.reader.mart("survival_curves", *shown.choice.stratum())
        rows = whole.filter(pl.col("parameter") == everybody).with_columns(series=pl.lit("all patients"))
    drawn = survival_chart(
        rows, parameter, of=of, title=_BY_ID[id].title, height=_BY_ID[id].height,
        none=why_none(shown.reader, rows, shown.choice, what=what),
    )  # fmt: skip
    return replace(drawn, computed_at=shown.reader.changed_at("mart.survival_curves"))


def _tiles(shown: _Shown) -> list:
    """Dose of opioids, use of opioids before and at the latest, procedures."""
    dose, surgery, injection = (
        shown.metric(m)
        for m in ("opioid_change", "surgeries_per_100_patient_years", "injections_per_100_patient_years")
    )
    before, latest = shown.metric("opioid_use_before"), shown.metric("opioid_use_latest")
    limits = f"95 % CI {words.number(dose['ci_lower'], 1)} to {words.number(dose['ci_upper'], 1)} MME a day"
    return [
        tile(
            "Opioid dose, mean change, not an effect",
            f"{words.number(dose['estimate'], 1)} MME a day" if dose["estimate"] is not None else words.NOTHING,
            f"{limits}, n = {words.count(dose['n_evaluable'])}" if dose["estimate"] is not None else _why(dose),
        ),
        tile(
            "Patients on opioids, before and latest",
            f"{words.count(before['n_event'])} and {words.count(latest['n_event'])}"
            if before["estimate"] is not None else words.NOTHING,
            f"of {words.count(before['n_evaluable'])}; latest "
            f"{words.percent(latest['estimate'], latest['ci_lower'], latest['ci_upper'])}"
            if before["estimate"] is not None else _why(before),
        ),
        *(_rate_tile(label, r) for label, r in (("Surgeries", surgery), ("Injections", injection))),
    ]  # fmt: skip


def _rate_tile(label: str, r: dict):
    title = f"{label} per 100 patient-years"
    if r["estimate"] is None:
        return tile(title, words.NOTHING, _why(r))
    limits = f"95 % CI {words.number(r['ci_lower'], 1)} to {words.number(r['ci_upper'], 1)}"
    counts = f"{words.count(r['n_event'])} / {words.number(r['patient_years'], 1)} years of known care"
    return tile(title, words.number(r["estimate"], 1), f"{limits}; {counts}")


def _why(r: dict) -> str:
    return r["reason"] or "none in this selection yet"


CARE = Page(path="/care", name="Care and life", layout=layout, register=register, controls=(*ids.FILTERS, ids.LIFE_AT))
