"""The treatment page: was everybody cleared, did exposure stay within the protocol, was the course delivered?

Here: layout, what is asked, the sessions to look at. Not here: how rows become charts (treatment_charts.py).
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
    grid,
    nothing,
    outputs,
    panel,
    select,
    side_by_side,
    table_of,
    tile,
    tiles,
)
from ..filters import Chosen, chosen
from ..reader import Reader
from ..theme import Look, look
from . import treatment_charts as charts
from .base import MARTS_INPUTS, Page, clinic_names, guarded, off_loop
from .cohort_charts import parameter_options
from .durability_charts import parameters, usual_visit, visits
from .records import of_selection
from .series import why_none

_CHARTS = (
    Chart(ids.CLEARANCE, "Was everybody cleared first?", height=300),
    Chart(ids.COURSE_DELIVERED, "Was the course delivered?", height=300),
    Chart(ids.WITHIN_LIMITS, "Did temperature and exposure stay within the protocol?", height=420),
    Chart(ids.DOSE, "Does it go with how often they come?", height=420),
    Chart(ids.CLINIC_TREATMENT, "Clinic by clinic", height=380),
)
_BY_ID = {chart.id: chart for chart in _CHARTS}
# flag of mart.adex -> (its value, what people read)
_FINDINGS = {
    "CLEARFL": ("N", "no valid clearance"),
    "CONTRAFL": ("Y", "contraindication known"),
    "TEMPLOFL": ("Y", "cabin too cold"),
    "TEMPHIFL": ("Y", "cabin too warm"),
    "DURFL": ("Y", "too long"),
    "SPACEFL": ("Y", "too soon after another"),
    "WEEKFL": ("Y", "too many in a week"),
    "SKINFL": ("Y", "skin too cold"),
    "O2FL": ("Y", "too little oxygen"),
}
_BEGUN = ("delivered", "aborted")
_MOST_SESSIONS = 500
_WRAPPED = {"wrapText": True, "autoHeight": True}
_SESSION_COLUMNS = [
    {"field": "when", "headerName": "Started", "minWidth": 200},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 200, **_WRAPPED},
    {"field": "found", "headerName": "What was found", "minWidth": 190, **_WRAPPED},
    {"field": "modality", "headerName": "Modality", "minWidth": 120},
    {"field": "measured", "headerName": "Duration; coldest cabin, skin; oxygen", "minWidth": 255},
    {"field": "patient", "headerName": "Patient", "minWidth": 125},
    {"field": "session", "headerName": "Session", "minWidth": 140},
]


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    listed = panel(
        "Sessions to look at",
        grid(ids.SESSIONS_TO_SEE, columns=_SESSION_COLUMNS, label="Sessions not cleared or beyond a limit"),
        subtitle=f"Not cleared, or beyond a limit of the protocol; the newest first, at most {_MOST_SESSIONS}.",
    )
    return [
        html.H1("Treatment kept to protocol"),
        html.P("Sessions against what was cleared, set and prescribed. A session is counted at the clinic and in the "
               "modality where it happened.", className="lead"),
        html.Div(
            [
                *filter_controls(),
                select(ids.DOSE_OF, "Outcome against dose", placeholder="pain", width=240),
                select(ids.DOSE_AT, "Visit", placeholder="usual", width=150),
            ],
            className="controls",
        ),
        html.Div(
            [
                html.Div(id=ids.TREATMENT_TILES),
                side_by_side(cards[ids.CLEARANCE], cards[ids.COURSE_DELIVERED]),
                side_by_side(cards[ids.WITHIN_LIMITS], cards[ids.DOSE]),
                cards[ids.CLINIC_TREATMENT],
                panel("How much cold", html.Div(id=ids.AMOUNTS), subtitle="A value a patient, then the median."),
                html.Div(listed, style={"display": "none"} if reader.is_outside else {}),
            ],
            className="stack",
        ),
    ]  # fmt: skip


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs(_CHARTS),
        Output(ids.TREATMENT_TILES, "children"),
        Output(ids.AMOUNTS, "children"),
        Output(ids.SESSIONS_TO_SEE, "rowData"),
        Output(ids.control(ids.DOSE_OF), "data"),
        Output(ids.control(ids.DOSE_OF), "placeholder"),
        Output(ids.control(ids.DOSE_AT), "data"),
        Output(ids.control(ids.DOSE_AT), "placeholder"),
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
        [
            table_of(charts.amounts(shown.rows), caption="Duration, dose, rewarming and exposure"),
            html.P(_rewarming(shown.metric("sessions_rewarming_seen")), className="small"),
        ],
        _session_rows(shown),
        parameter_options(shown.codes),
        shown.code or "none yet",
        shown.visits,
        shown.visit or "none yet",
    ]


class _Shown:
    """The rows that the choice stands for: of all, by clinic, of dose."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        self.clinics = clinic_names(reader)
        self.rows = reader.mart("cohort_outcomes", *choice.stratum()).filter(pl.col("visit").is_null())
        where, params = choice.stratum("clinic_id")
        self.by_clinic = reader.mart("cohort_outcomes", where, params).filter(pl.col("visit").is_null())
        doses = reader.mart("dose_response", *choice.stratum()).with_columns(n="n_patients")
        self.codes = parameters(doses)
        asked = choice.get(ids.DOSE_OF)
        self.code = asked if asked in self.codes else next(iter(self.codes), None)
        mine = doses.filter(pl.col("parameter") == (self.code or ""))
        self.visits = visits(mine)
        asked = choice.get(ids.DOSE_AT)
        self.visit = asked if asked in self.visits else usual_visit(mine)
        self.doses = mine.filter(pl.col("visit") == (self.visit or ""))

    def metric(self, name: str) -> dict:
        found = self.rows.filter(pl.col("metric_id") == name)
        return found.row(0, named=True) if found.height else dict.fromkeys(self.rows.columns)


def _draw(shown: _Shown, of: Look) -> dict[str, Drawn]:
    reader, choice = shown.reader, shown.choice

    def none(metric: str, what: str) -> str:
        return why_none(reader, shown.rows.filter(pl.col("metric_id") == metric), choice, what=what)

    def card(id: str, draw, metric: str, rows: pl.DataFrame = shown.rows, **more) -> Drawn:
        title = _BY_ID[id].title
        return draw(rows, **more, of=of, title=title, none=none(metric, "Sessions"))

    drawn = {
        ids.CLEARANCE: card(ids.CLEARANCE, charts.clearance, "sessions_not_cleared"),
        ids.COURSE_DELIVERED: card(ids.COURSE_DELIVERED, charts.course, "sessions_delivered"),
        ids.WITHIN_LIMITS: card(ids.WITHIN_LIMITS, charts.limits, "limit_any_exceeded"),
        ids.CLINIC_TREATMENT: card(ids.CLINIC_TREATMENT, charts.by_clinic, "sessions_delivered", shown.by_clinic,
                                   names=shown.clinics),
        ids.DOSE: _dose(shown, of),
    }  # fmt: skip
    return {
        id: replace(
            d, computed_at=reader.changed_at(f"mart.{'dose_response' if id == ids.DOSE else 'cohort_outcomes'}")
        )
        for id, d in drawn.items()
    }


def _dose(shown: _Shown, of: Look) -> Drawn:
    none = why_none(shown.reader, shown.doses, shown.choice, what="Change by sessions a week", is_of_few=True)
    if not shown.code or not shown.visit:
        return nothing(none, of=of)
    return charts.dose(shown.doses, shown.code, shown.visit, of=of, none=none)


# --- beside the charts ------------------------------------------------------------------------------


def _tiles(shown: _Shown) -> list:
    """Two targets of 0, adherence, and how often nobody asked."""
    course = shown.metric("course_adherence")
    ratio = words.percent(course["estimate"], course["ci_lower"], course["ci_upper"])
    return [
        _count_tile("Sessions not cleared (target 0)", shown.metric("sessions_not_cleared")),
        _count_tile("Sessions beyond a limit (target 0)", shown.metric("limit_any_exceeded")),
        tile(
            "Delivered of the sessions prescribed",
            ratio.partition(" (")[0],
            course["reason"] or f"95 % CI {ratio.partition('(')[2].rstrip(')')}; "
            f"{words.count(course['n_evaluable'])} courses that are over, {words.count(course['n_pending'])} still run",
        ),
        _count_tile("Sessions at which nobody asked about side effects", shown.metric("sessions_not_asked"),
                    is_target=False),
    ]  # fmt: skip


def _count_tile(label: str, r: dict, *, is_target: bool = True):
    """x of n with the share's interval; above a target of 0 a concern."""
    if r["estimate"] is None:
        return tile(label, words.NOTHING, r["reason"] or "none yet")
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"], digits=1)
    value = f"{words.count(r['n_event'])} of {words.count(r['n_evaluable'])}"
    unknown = f"; {words.count(r['n_missing'])} not known" if r["n_missing"] else ""
    return tile(label, value, share + unknown, is_concern=is_target and r["n_event"] > 0)


def _rewarming(r: dict) -> str:
    """How complete the time to rewarming is."""
    if r["estimate"] is None:
        return ""
    return (
        f"The skin was seen warm again at {words.count(r['n_event'])} of {words.count(r['n_evaluable'])} sessions "
        f"({words.percent(r['estimate'], r['ci_lower'], r['ci_upper'])}): slow rewarming is understated."
    )


def _session_rows(shown: _Shown) -> list[dict]:
    """Sessions that began with a finding, the newest first; of single patients, so nothing for a reader from outside."""
    found = " OR ".join(f"\"{flag}\" = '{value}'" for flag, (value, _) in _FINDINGS.items())
    rows = shown.reader.mart("adex", f"({found})").filter(pl.col("EXSTAT").is_in(_BEGUN))
    rows = of_selection(shown.reader, rows, shown.choice).sort("EXSTDTM", "SESSIONID", descending=True)
    return [
        {
            "when": words.moment(r["EXSTDTM"]),
            "clinic": shown.clinics.get(r["SITEID"], r["SITEID"]),
            "found": ", ".join(text for flag, (value, text) in _FINDINGS.items() if r[flag] == value),
            "modality": words.name_of(r["MODALITY"]),
            "measured": f"{words.number(r['EXDUR'], 0)} s; {words.number(r['CABMINC'], 0)} °C, "
            f"{words.number(r['SKINMINC'], 1)} °C; {words.number(r['O2MINPCT'], 1)} %",
            "patient": r["USUBJID"],
            "session": r["SESSIONID"],
        }
        for r in rows.head(_MOST_SESSIONS).iter_rows(named=True)
    ]


TREATMENT = Page(
    path="/treatment",
    name="Treatment",
    layout=layout,
    register=register,
    controls=(*ids.FILTERS, ids.DOSE_OF, ids.DOSE_AT),
)
