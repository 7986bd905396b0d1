"""The safety page: serious events at once, how often events happen, how bad and how long, signals, what is due.

Here: layout, what is asked. Not here: how rows become charts (safety_charts.py, ratio_charts.py, between_charts.py)
and lists (safety_lists.py).
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
    link,
    nothing,
    notice,
    outputs,
    panel,
    select,
    side_by_side,
    tile,
    tiles,
)
from ..filters import chosen
from ..reader import Reader
from ..theme import Look, look
from . import between_charts as between
from . import ratio_charts
from . import safety_charts as charts
from . import safety_lists as lists
from .base import MARTS_INPUTS, Page, guarded, off_loop, waiting
from .safety_rows import RESTRICTIONS, SEVERITY, Shown
from .series import in_series, why_none
from .survival_charts import survival_chart

_CHARTS = (
    Chart(ids.CLINIC_RATES, "How often do adverse events happen, clinic by clinic?", height=380),
    Chart(ids.SEVERITY, "Are they mild?", height=420),
    Chart(ids.GRADES, "Which are severe?", height=480),
    Chart(ids.RESOLUTION, "Do they pass quickly?", height=480),
    Chart(ids.TERM_RATES, "Which events?", height=600),
    Chart(ids.RATE_RATIOS, "How do arms, modalities and clinics differ?", height=520),
    Chart(ids.FUNNEL, "Does a clinic differ by more than chance?", height=420),
    Chart(ids.CONTROL_CHART, "Has something changed?", height=420),
)
_BY_ID = {chart.id: chart for chart in _CHARTS}


def layout(reader: Reader) -> list:
    cards = {chart.id: chart_card(chart) for chart in _CHARTS}
    staff_only = {"display": "none"} if reader.is_outside else {}
    at_once = panel(
        "Serious events and cold injuries",
        html.Div([html.P(id=ids.SERIOUS_SAID, className="caption"),
                  grid(ids.SERIOUS, columns=lists.SERIOUS_COLUMNS, label="Serious events and cold injuries", height=300)]),
    )  # fmt: skip
    return [
        html.H1("Safety"),
        html.P("How often something went wrong, over patients, sessions and time at risk. No event seen does not mean "
               "safe: the interval says how often it may still happen.", className="lead"),
        html.Div(id=ids.UNREAD),
        html.Div([*filter_controls(), select(ids.RESTRICTION, "Which events count", placeholder="any event")],
                 className="controls"),
        html.Div(
            [
                html.Div(at_once, style=staff_only),
                html.Div(id=ids.SAFETY_TILES),
                cards[ids.SEVERITY],
                side_by_side(cards[ids.RESOLUTION], cards[ids.GRADES]),
                cards[ids.CLINIC_RATES],
                cards[ids.RATE_RATIOS],
                cards[ids.TERM_RATES],
                panel("All terms", grid(ids.RATES_TABLE, columns=lists.RATE_COLUMNS, label="Rates of all terms")),
                html.Div([select(ids.FUNNEL_OF, "Compare clinics by", placeholder="first metric", width=360),
                          cards[ids.FUNNEL]], className="stack"),
                html.Div([select(ids.CHART_OF, "Chart of", placeholder="first chart", width=560),
                          html.Div(id=ids.SPC_ICONS, className="icons"), cards[ids.CONTROL_CHART]], className="stack"),
                panel("What the latest point of every chart says",
                      grid(ids.ALL_CHARTS, columns=lists.CHART_COLUMNS, label="Latest point of every control chart"),
                      subtitle="All clinics together, then each by name: no ranking. Few reported events are never shown "
                      "as improvement."),
                panel("Reports that are due", grid(ids.DEADLINES, columns=lists.DEADLINE_COLUMNS,
                                                   label="Reports and their due dates", height=260),
                      subtitle="Days are counted to the data cut."),
                html.Div(panel("Alerts", grid(ids.ALERTS, columns=lists.ALERT_COLUMNS, label="Alerts and their state",
                                              height=300),
                               subtitle="Open ones first, then the newest. floe alerts acknowledges and closes them."), style=staff_only),
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
        Output(ids.SERIOUS, "rowData"),
        Output(ids.SERIOUS_SAID, "children"),
        Output(ids.ALERTS, "rowData"),
        Output(ids.SPC_ICONS, "children"),
        Output(ids.ALL_CHARTS, "rowData"),
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
    shown = Shown(reader, choice)
    records = lists.records(reader, choice)
    drawn = guarded(lambda: _draw(shown, of), _CHARTS, of)
    return [
        *filled(_CHARTS, drawn, of=of, keep=choice.key()),
        _unread(shown),
        tiles(_tiles(shown)),
        charts.grid_rows(shown.by_term),
        lists.deadlines(reader, choice, shown.clinics),
        lists.serious(records, shown.clinics),
        lists.serious_said(records),
        lists.alerts(reader, choice, shown.clinics),
        between.icons_of(shown.control),
        between.overview(shown.control_rows.filter(shown.of_clinic), shown.clinics),
        [{"value": name, "label": text} for name, (text, _, _) in RESTRICTIONS.items()],
        [{"value": m, "label": words.metric_title(m)} for m in shown.funnels],
        [{"value": key, "label": name} for key, name in shown.charts.items()],
    ]


def _draw(shown: Shown, of: Look) -> dict[str, Drawn]:
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
        ids.RATE_RATIOS: ratio_charts.ratios(shown.comparisons, shown.clinics, of=of, is_outside=shown.reader.is_outside,
                                             title=f"{_BY_ID[ids.RATE_RATIOS].title} ({name})"),
        ids.FUNNEL: between.funnel_chart(_funnel(shown), clinic, of=of),
        ids.CONTROL_CHART: between.control(shown.control, of=of, name=shown.charts.get(shown.chart, "")),
        ids.SEVERITY: charts.severity(shown.by_restriction, {name: RESTRICTIONS[name][0] for name in SEVERITY}, of=of, title=_BY_ID[ids.SEVERITY].title),
        ids.GRADES: _grades(shown, of),
        ids.RESOLUTION: _resolution(shown, of),
    }  # fmt: skip
    marts = {
        ids.FUNNEL: "clinic_funnel",
        ids.CONTROL_CHART: "control_charts",
        ids.RESOLUTION: "survival_curves",
        ids.RATE_RATIOS: "adverse_event_comparisons",
    }
    return {
        id: replace(d, computed_at=shown.reader.changed_at(f"mart.{marts.get(id, 'adverse_event_rates')}"))
        for id, d in drawn.items()
    }


def _funnel(shown: Shown) -> pl.DataFrame:
    asked = shown.choice.get(ids.FUNNEL_OF)
    metric = asked if asked in shown.funnels else next(iter(shown.funnels), None)
    return shown.funnel_rows.filter(pl.col("metric_id") == (metric or ""))


def _grades(shown: Shown, of: Look) -> Drawn:
    title = _BY_ID[ids.GRADES].title
    if shown.reader.is_outside:
        return nothing("Grades of single terms are shown to the clinic's own staff only.", of=of, title=title)
    frames = (shown.by_term_of(name) for name in ("any", "grade_2", "grade_3"))
    return charts.grades(*frames, of=of, title=title)


def _resolution(shown: Shown, of: Look) -> Drawn:
    chart = _BY_ID[ids.RESOLUTION]
    rows = in_series(shown.reader, "survival_curves", shown.choice, meets=pl.col("parameter") == "TTAERES",
                     known="survival")  # fmt: skip
    none = why_none(shown.reader, rows, shown.choice, what="Time to resolution")
    return survival_chart(rows, "TTAERES", of=of, title=chart.title, height=chart.height, none=none)


# --- beside the charts ------------------------------------------------------------------------------


def _unread(shown: Shown):
    """How many safety records could not be read: the rates do not know them."""
    unread = shown.everybody["unread_records"] if shown.everybody else None
    if not unread:
        return None
    text = [f"{unread} records of safety topics could not be read and are not in these figures: ",
            link("see which, and why", "/operations")]  # fmt: skip
    return notice(text, title="These rates may be too low", color="orange")


def _tiles(shown: Shown) -> list:
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


SAFETY = Page(
    path="/safety",
    name="Safety",
    layout=layout,
    register=register,
    controls=(*ids.FILTERS, ids.RESTRICTION, ids.FUNNEL_OF, ids.CHART_OF),
)
