"""The cohort page: pain over time, responders, what wearables measure, arms against each other.

Here: its cards, what is asked. Not here: how rows become charts (charts.py, change_charts.py,
arm_charts.py).
"""

import json

from dash import html
from dash.development.base_component import Component

from transforms.facts.mobility_parameters import VITALS
from transforms.facts.values import FIRST

from ... import ids, words
from ...components import Drawn, notice, panel, side_by_side
from ...parameters import parameter_options
from ...reader import Reader
from ...tables import WRAPPED, grid
from ...theme import Look
from ..cards import Card, CardPage, listing
from ..controls import FILTERS, OF_EPISODES, Control, Fill
from . import arm_charts, change_charts, charts, responder_charts
from .episodes import sentences
from .shown import Shown
from .tiles import change_tiles, comparison_rows

# Widths for a page of 1280 px: the grid is not in sight at first, so that nothing can be fitted.
_GRID_COLUMNS = [
    {"field": "visit", "headerName": "Visit", "width": 110},
    {"field": "outcome", "headerName": "Outcome", "width": 220, **WRAPPED},
    {"field": "population", "headerName": "Counted", "width": 180, **WRAPPED},
    {"field": "method", "headerName": "Method", "width": 140},
    {"field": "said", "headerName": "Arm minus reference (95 % CI)", "width": 190},
    {"field": "counts", "headerName": "Patients", "width": 190, **WRAPPED},
    {"field": "adjusted", "headerName": "Adjusted for", "width": 140, **WRAPPED},
]


def _trajectory(shown: Shown, of: Look) -> Drawn:
    title = f"How does it change over time? {words.parameter_title(shown.code)}"
    change = important_change(shown.reader, shown.code)
    drawn = charts.mean_by_visit(
        shown.series, shown.code, of=of, title=title, important_change=change
    )
    return _of_arms(shown, drawn)


def _responders(shown: Shown, of: Look) -> Drawn:
    return _of_arms(
        shown, responder_charts.responders(shown.series, shown.code, shown.visit, of=of)
    )


def _of_arms(shown: Shown, drawn: Drawn) -> Drawn:
    if not shown.arms:
        return drawn
    return shown.by_arm(drawn)


def important_change(reader: Reader, code: str) -> float | None:
    """The important change that the parameter's rule in points was computed with; null where it has
    no such rule.
    """
    rows = reader.mart("metric_definitions", "parameter = $1 AND statistic = 'points'", [code])
    settings = json.loads(rows["parameters"][0] or "{}") if rows.height else {}
    return next((float(v) for v in settings.values() if isinstance(v, int | float)), None)


def _reliable(shown: Shown, of: Look) -> Drawn:
    rows = shown.of_change("reliable_change", is_by_arm=True)
    drawn = change_charts.reliable(rows, shown.code, shown.visit, of=of)
    return _of_arms(shown, drawn)


def _important(shown: Shown, of: Look) -> Drawn:
    rows = shown.of_change("important_change", is_by_arm=False)
    return change_charts.important(rows, shown.code, shown.visit, visits=shown.visits, of=of)


def _body(cards: dict[str, Component], reader: Reader) -> list:
    compared = grid(
        ids.COMPARISON_TABLE,
        columns=_GRID_COLUMNS,
        label="Comparisons between arms",
        height=340,
        fits=False,
    )
    by_arm = [
        side_by_side(cards[ids.DIFFERENCES], cards[ids.RISK_DIFFERENCES]),
        panel("All comparisons between arms", compared),
    ]
    return [
        html.P(id=ids.EPISODES, className="small"),
        html.Div(id=ids.COHORT_TILES),
        side_by_side(cards[ids.TRAJECTORY], cards[ids.RESPONDERS]),
        side_by_side(cards[ids.RELIABLE_CHANGE], cards[ids.IMPORTANT_CHANGE]),
        html.Div(by_arm, id=ids.COMPARISONS, className="stack", style={"display": "none"}),
        side_by_side(cards[ids.STEPS], cards[ids.WALKING_SPEED]),
        side_by_side(*(cards[ids.vital(parameter.code)] for parameter in VITALS)),
    ]


def _vital(code: str, title: str) -> Card:
    """A mean of everybody in the selection: nobody says whether more of it is better."""
    return Card(
        ids.vital(code),
        f"{title}, over time",
        340,
        draw=lambda s, of: charts.mean_by_visit(s.rows, code, of=of),
    )


COHORT = CardPage(
    path="/",
    name="Cohort outcomes",
    heading="Cohort outcomes",
    lead="What happened to the patients of a selection: each number with interval and count.",
    above=lambda _reader: notice(
        "No whole-body cryotherapy device is cleared by the FDA for medical treatment. A before/after change is not an "
        "effect: pain that is treated at its worst gets better on average without any treatment.",
        title="Read this first",
    ),
    shown=Shown,
    bar=(
        *FILTERS,
        *OF_EPISODES,
        Control(
            name=ids.PARAMETER,
            label="Outcome",
            placeholder="most patients",
            width=260,
            options=lambda s: parameter_options(s.codes),
            usual=lambda s: s.code and f"{s.code}: most patients",
        ),
        Control(
            name=ids.VISIT,
            label="Visit for shares",
            placeholder="usual",
            width=150,
            options=lambda s: s.visits,
            usual=lambda s: s.visit,
        ),
    ),
    cards=(
        Card(ids.TRAJECTORY, "How does pain change over time?", 420, draw=_trajectory),
        Card(ids.RESPONDERS, "Who responded, by which rule?", 420, draw=_responders),
        Card(
            ids.RELIABLE_CHANGE,
            "Who changed by more than measurement error?",
            380,
            draw=_reliable,
            mart="reliable_change",
        ),
        Card(
            ids.IMPORTANT_CHANGE,
            "Which improvement do patients themselves call much improved?",
            380,
            draw=_important,
            mart="important_change",
        ),
        Card(
            ids.STEPS,
            "Do patients walk more?",
            340,
            draw=lambda s, of: charts.mean_by_visit(s.rows, "STEPS", of=of),
        ),
        Card(
            ids.WALKING_SPEED,
            "Do patients walk faster?",
            340,
            draw=lambda s, of: charts.mean_by_visit(s.rows, "WALKSPD", of=of),
        ),
        *(_vital(parameter.code, parameter.title) for parameter in VITALS),
        Card(
            ids.DIFFERENCES,
            "How do the arms differ?",
            340,
            mart="arm_comparisons",
            draw=lambda s, of: s.by_arm(
                arm_charts.differences(s.comparisons, s.code, of=of), episode=FIRST
            ),
        ),
        Card(
            ids.RISK_DIFFERENCES,
            "How do the arms differ in responders?",
            400,
            mart="arm_comparisons",
            draw=lambda s, of: s.by_arm(
                arm_charts.risk_differences(s.comparisons, s.code, of=of), episode=FIRST
            ),
        ),
    ),
    beside=(
        Fill(ids.COHORT_TILES, change_tiles),
        Fill(ids.EPISODES, lambda s: sentences(s.reader, s.choice)),
        Fill(
            ids.COMPARISONS, lambda s: {} if s.comparisons.height else {"display": "none"}, "style"
        ),
        *listing(
            ids.COMPARISON_TABLE,
            comparison_rows,
            mart="arm_comparisons",
            none="No arms are compared here.",
        ),
    ),
    body=_body,
)
