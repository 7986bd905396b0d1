"""The safety page: how often adverse events happen, by clinic and term; signals; report deadlines.

Here: layout, what is asked. Not here: how rows become charts (safety_charts.py).
"""

from dataclasses import replace

import dash_mantine_components as dmc
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
    link,
    nothing,
    notice,
    outputs,
    panel,
    select,
    tile,
    tiles,
)
from ..filters import Chosen, chosen
from ..reader import Reader
from ..theme import Look, look
from . import safety_charts as charts
from .base import MARTS_INPUTS, Page, clinic_names, guarded, off_loop, waiting

_CHARTS = (
    Chart(ids.CLINIC_RATES, "How often do adverse events happen, clinic by clinic?", height=380),
    Chart(ids.TERM_RATES, "Which events?", height=600),
    Chart(ids.FUNNEL, "Does a clinic differ by more than chance?", height=420),
    Chart(ids.CONTROL_CHART, "Has something changed?", height=420),
)
# query name -> (what people read, the column that it sets, its value); the rows of the others stay out
RESTRICTIONS: dict[str, tuple[str, str | None, bool | int | None]] = {
    "any": ("any event", None, None),
    "serious": ("serious", "is_serious_only", True),
    "related": ("related", "is_related_only", True),
    "treatment_emergent": ("treatment-emergent", "is_treatment_emergent_only", True),
    "session_emergent": ("within 72 h of a session", "is_session_emergent_only", True),
    "grade_2": ("grade 2 or more", "min_grade", 2),
    "grade_3": ("grade 3 or more", "min_grade", 3),
}
_RATE_COLUMNS = [
    {"field": "term", "headerName": "Term", "minWidth": 180},
    {"field": "events", "headerName": "Events", "minWidth": 90},
    {"field": "patients_with_event", "headerName": "Patients with an event", "minWidth": 110},
    {"field": "patients", "headerName": "Patients treated", "minWidth": 100},
    {"field": "sessions", "headerName": "Sessions", "minWidth": 115},
    {"field": "patient_years", "headerName": "Patient-years", "minWidth": 100},
    {"field": "incidence_proportion", "headerName": "% of patients (95 % CI)", "minWidth": 170},
    {"field": "events_per_100_sessions", "headerName": "Per 100 sessions (95 % CI)", "minWidth": 170},
    {"field": "eair_per_100_patient_years", "headerName": "EAIR per 100 patient-years (95 % CI)", "minWidth": 190},
    {"field": "events_per_100_patient_years", "headerName": "Events per 100 patient-years (95 % CI)", "minWidth": 190},
    {"field": "overdispersion", "headerName": "Over-dispersion", "minWidth": 110},
]
_DEADLINE_COLUMNS = [
    {"field": "ae_id", "headerName": "Adverse event", "minWidth": 180},
    {"field": "clinic", "headerName": "Clinic", "minWidth": 180},
    {"field": "rule", "headerName": "Rule", "minWidth": 240},
    {"field": "clock", "headerName": "Clinic aware"},
    {"field": "due", "headerName": "Due"},
    {"field": "days_left", "headerName": "Days left"},
    {"field": "state", "headerName": "State"},
    {"field": "reason", "headerName": "Why no date", "minWidth": 200},
]


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    return [
        html.H1("Safety"),
        html.P("How often something went wrong, over patients, sessions and time at risk. No event seen does not mean "
               "safe: the interval says how often it may still happen.", className="lead"),
        html.Div(id=ids.UNREAD),
        html.Div([*filter_controls(), select(ids.RESTRICTION, "Which events count", placeholder="any event")],
                 className="controls"),
        html.Div(
            [
                html.Div(id=ids.SAFETY_TILES),
                cards[ids.CLINIC_RATES],
                cards[ids.TERM_RATES],
                panel("All terms", grid(ids.RATES_TABLE, columns=_RATE_COLUMNS, label="Rates of all terms")),
                dmc.SimpleGrid(
                    [
                        html.Div([select(ids.FUNNEL_OF, "Compare clinics by", placeholder="first metric", width=320),
                                  cards[ids.FUNNEL]], className="stack"),
                        html.Div([select(ids.CHART_OF, "Chart of", placeholder="first chart", width=420),
                                  cards[ids.CONTROL_CHART]], className="stack"),
                    ],
                    cols={"base": 1, "lg": 2}, spacing="lg",
                ),
                panel("Reports that are due", grid(ids.DEADLINES, columns=_DEADLINE_COLUMNS,
                                                   label="Reports and their due dates", height=260),
                      subtitle="Days are counted to the data cut."),
            ],
            className="stack",
        ),
    ]  # fmt: skip


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs(_CHARTS),
        Output(ids.UNREAD, "children"),
        Output(ids.SAFETY_TILES, "children"),
        Output(ids.RATES_TABLE, "rowData"),
        Output(ids.DEADLINES, "rowData"),
        Output(ids.control(ids.RESTRICTION), "data"),
        Output(ids.control(ids.FUNNEL_OF), "data"),
        Output(ids.control(ids.CHART_OF), "data"),
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
        _unread(shown),
        tiles(_tiles(shown)),
        charts.grid_rows(shown.by_term),
        _deadline_rows(shown),
        [{"value": name, "label": text} for name, (text, _, _) in RESTRICTIONS.items()],
        [{"value": m, "label": words.metric_title(m)} for m in shown.funnels],
        [{"value": key, "label": name} for key, name in shown.charts.items()],
    ]


def restriction_condition(name: str) -> str:
    """SQL condition of the rows of mart.adverse_event_rates that have this restriction and no other."""
    _, sets, value = RESTRICTIONS[name]
    columns = {column for _, column, _ in RESTRICTIONS.values() if column}
    flags = [f"{column} = {str(column == sets).lower()}" for column in sorted(columns - {"min_grade"})]
    grade = f"min_grade = {value}" if sets == "min_grade" else "min_grade IS NULL"
    return " AND ".join([*flags, grade])


class _Shown:
    """The rows that the choice stands for."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        asked = choice.get(ids.RESTRICTION)
        self.restriction = asked if asked in RESTRICTIONS else "any"
        only = restriction_condition(self.restriction)
        self.clinics = clinic_names(reader)
        self.by_term = self._rates(choice.stratum(), only).sort(
            "events", "term", descending=[True, False], nulls_last=[True, False]
        )
        by_clinic = self._rates(choice.stratum("clinic_id"), f"{only} AND term IS NULL")
        self.by_clinic = by_clinic.sort(pl.col("clinic_id").replace(self.clinics))
        self.funnel_rows = reader.mart("clinic_funnel").filter(pl.col("modality").is_null())
        self.control_rows = reader.mart("control_charts")
        self.funnels = self.funnel_rows["metric_id"].unique().sort().to_list()
        self.charts = {_key(r): charts.chart_name(r, self.clinics) for r in self._series().iter_rows(named=True)}

    def _rates(self, stratum: tuple[str, list], only: str) -> pl.DataFrame:
        where, params = stratum
        return self.reader.mart("adverse_event_rates", f"{where} AND {only}", params)

    def _series(self) -> pl.DataFrame:
        """One row a control chart, of the chosen clinic where there is one."""
        rows = self.control_rows.select("metric_id", "chart", "clinic_id", "term").unique()
        clinic = self.choice.dimensions.get("clinic_id")
        if clinic:
            rows = rows.filter(pl.col("clinic_id") == clinic)
        return rows.sort("clinic_id", "metric_id", "term", "chart", nulls_last=False)

    @property
    def everybody(self) -> dict | None:
        """The row of any event, of the whole selection."""
        rows = self.by_term.filter(pl.col("term").is_null())
        return rows.row(0, named=True) if rows.height else None


def _key(row: dict) -> str:
    return "|".join(row[c] or "" for c in ("metric_id", "chart", "clinic_id", "term"))


def _draw(shown: _Shown, of: Look) -> dict[str, Drawn]:
    if shown.everybody is None:
        is_empty = shown.by_clinic.is_empty() and not shown.choice.dimensions
        reason = waiting(shown.reader) if is_empty else "Nobody of this selection has been treated yet."
        return {chart.id: nothing(reason, of=of) for chart in _CHARTS}
    name = RESTRICTIONS[shown.restriction][0]
    terms = shown.by_term.filter(pl.col("term").is_not_null()).head(charts.MOST_TERMS)
    left_out = shown.by_term.height - 1 - terms.height
    more = (
        f"The {charts.MOST_TERMS} most frequent terms; {left_out} more are in the table below." if left_out > 0 else ""
    )
    clinic = pl.col("clinic_id").replace(shown.clinics)
    drawn = {
        ids.CLINIC_RATES: charts.rates_chart(shown.by_clinic, clinic, of=of, what="clinics",
                                             title=f"How often do adverse events happen, clinic by clinic? ({name})"),
        ids.TERM_RATES: charts.rates_chart(terms, pl.col("term"), of=of, what="terms", more=more,
                                           title=f"Which events? ({name})"),
        ids.FUNNEL: charts.funnel_chart(_funnel(shown), clinic, of=of),
        ids.CONTROL_CHART: _control(shown, of),
    }  # fmt: skip
    marts = {ids.FUNNEL: "clinic_funnel", ids.CONTROL_CHART: "control_charts"}
    return {
        id: replace(d, computed_at=shown.reader.changed_at(f"mart.{marts.get(id, 'adverse_event_rates')}"))
        for id, d in drawn.items()
    }


def _funnel(shown: _Shown) -> pl.DataFrame:
    asked = shown.choice.get(ids.FUNNEL_OF)
    metric = asked if asked in shown.funnels else next(iter(shown.funnels), None)
    return shown.funnel_rows.filter(pl.col("metric_id") == (metric or ""))


def _control(shown: _Shown, of: Look) -> Drawn:
    asked = shown.choice.get(ids.CHART_OF)
    key = asked if asked in shown.charts else next(iter(shown.charts), None)
    rows = shown.control_rows
    if key:
        for column, value in zip(("metric_id", "chart", "clinic_id", "term"), key.split("|", 3), strict=True):
            rows = rows.filter(pl.col(column) == value if value else pl.col(column).is_null())
    return charts.control(rows, of=of, name=shown.charts.get(key, ""))


# --- beside the charts ------------------------------------------------------------------------------


def _unread(shown: _Shown):
    """How many safety records could not be read: the rates do not know them."""
    unread = shown.everybody["unread_records"] if shown.everybody else None
    if not unread:
        return None
    text = [f"{unread} records of safety topics could not be read and are not in these figures: ",
            link("see which, and why", "/operations")]  # fmt: skip
    return notice(text, title="These rates may be too low", color="orange")


def _tiles(shown: _Shown) -> list:
    r = shown.everybody
    if r is None:
        return [tile("Adverse events", words.NOTHING, "none computed yet")]
    if r["events"] is None:
        return [tile("Adverse events", words.NOTHING, r["reason"] or "")]
    name = RESTRICTIONS[shown.restriction][0]
    asked = f"asked about side effects at {words.count(r['sessions_asked'])} of {words.count(r['sessions'])} sessions"

    def said(rate: str, scale: int = 1) -> tuple[str, str]:
        values = [None if r[f"{rate}{s}"] is None else r[f"{rate}{s}"] * scale for s in ("", "_lower", "_upper")]
        limits = f"95 % CI {words.number(values[1])} to {words.number(values[2])}"
        return (words.NOTHING, r["reason"] or "") if values[0] is None else (words.number(values[0]), limits)

    proportion, sessions, years = (said("incidence_proportion", 100), said("events_per_100_sessions"),
                                   said("events_per_100_patient_years"))  # fmt: skip
    return [
        tile(
            f"Events ({name})",
            words.count(r["events"]),
            f"in {words.count(r['patients_with_event'])} of {words.count(r['patients'])} patients treated; {asked}",
        ),
        tile(
            "% of patients with an event",
            proportion[0],
            f"{proportion[1]}; {words.count(r['patients_with_event'])} / {words.count(r['patients'])}",
        ),
        tile(
            "Events per 100 sessions",
            sessions[0],
            f"{sessions[1]}; {words.count(r['events'])} / {words.count(r['sessions'])}",
        ),
        tile(
            "Events per 100 patient-years",
            years[0],
            f"{years[1]}; {words.count(r['events'])} / {words.number(r['patient_years'], 1)} years at risk",
        ),
    ]


def _deadline_rows(shown: _Shown) -> list[dict]:
    rows = shown.reader.mart("report_deadlines").sort("due_on", "ae_id", nulls_last=True)
    clinic = shown.choice.dimensions.get("clinic_id")
    if clinic:
        rows = rows.filter(pl.col("clinic_id") == clinic)
    return [
        {
            "ae_id": r["ae_id"],
            "clinic": shown.clinics.get(r["clinic_id"], r["clinic_id"]),
            "rule": words.name_of(r["rule"]),
            "clock": words.day(r["clock_start"]),
            "due": words.day(r["due_on"]),
            "days_left": r["days_left"] if r["state"] in ("open", "overdue") else None,
            "state": words.name_of(r["state"]),
            "reason": r["reason"] or "",
        }
        for r in rows.iter_rows(named=True)
    ]


SAFETY = Page(
    path="/safety",
    name="Safety",
    layout=layout,
    register=register,
    controls=(*ids.FILTERS, ids.RESTRICTION, ids.FUNNEL_OF, ids.CHART_OF),
)
