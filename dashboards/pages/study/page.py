"""A study's page: its primary analysis first, then its flow of patients, its plan, its analysis
sets.

Here: which study, what is asked, the cards. Not here: the parts (diagram.py, plan.py).
"""

from dash import dcc, html
from dash.development.base_component import Component

from transforms.marts.consort_flow import primary_rows

from ... import ids, words
from ...components import Drawn, nothing, panel
from ...filters import Chosen, search_of
from ...reader import Reader
from ...theme import Look
from .. import cards
from ..base import STAFF_ONLY, waiting
from ..cards import Card, CardPage, staff_only
from ..cohort import arm_charts
from ..controls import Fill
from . import diagram, plan

PATH = "/study"
_NO_STUDY = "No study is on record: all patients are in routine care."


class Shown(cards.Shown):
    """The study in the URL's query, else the first; its plan, flow, sets and comparisons."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        plans = reader.mart("study_plans").sort("study_id")
        self.studies = plans["study_id"].to_list()
        asked = choice.asked.get("study_id")
        self.study = asked if asked in self.studies else next(iter(self.studies), None)
        if self.study is None:
            self.why_nothing = (
                _NO_STUDY if reader.changed_at("mart.study_plans") else waiting(reader)
            )
            return
        mine, of = "study_id = $1", [self.study]
        self.plan = plans.filter(study_id=self.study).row(0, named=True)
        self.flow = reader.mart("consort_flow", mine, of)
        self.comparisons = reader.mart("arm_comparisons", mine, of)
        self.sets = reader.mart("analysis_sets", '"STUDYID" = $1', of)

    @property
    def selection(self) -> str:
        if self.study:
            return f"study {self.study}, by arm"
        return ""


def _differences(shown: Shown, of: Look) -> Drawn:
    code = shown.plan["primary_parameter"]
    if shown.plan["is_masked"]:
        return nothing("The study's arms are masked: nothing compares them.", of=of)
    if code is None:
        return nothing("The study names no primary parameter.", of=of)
    return arm_charts.differences(plan.secondary(shown.plan, shown.comparisons), code, of=of)


def _choice(shown: Shown) -> Component | None:
    """A link a study; the one shown is marked."""
    here = {"aria-current": "true"}
    links = [
        html.Li(html.Strong(link, **here) if study == shown.study else link)
        for study in shown.studies
        for link in (dcc.Link(words.study(study), href=PATH + search_of({"study": study})),)
    ]
    return html.Nav(html.Ul(links, className="choice"), **{"aria-label": "Studies"})


def _flow(shown: Shown) -> Component:
    if shown.study is None:
        return html.P(shown.why_nothing)
    if shown.flow.is_empty():
        return html.P(waiting(shown.reader))
    caption = f"Flow of the patients of {shown.study}"
    table = diagram.as_table(shown.flow, caption=caption)
    again = plan.enrolled_again(shown.flow, is_masked=shown.plan["is_masked"])
    remark = [html.P(again)] if again else []
    return html.Div([*remark, diagram.diagram(shown.flow), table])


def _sets(shown: Shown) -> Component:
    if shown.reader.is_outside:
        return html.P(STAFF_ONLY)
    if shown.sets.is_empty():
        return html.P("No patient yet.")
    return plan.sets(shown.sets)


def _of(part):
    """A part of the page that there is only where there is a study."""
    return lambda shown: None if shown.study is None else part(shown)


def _body(cards: dict[str, Component], reader: Reader) -> list:
    return [
        html.Div(id=ids.STUDY_MASKED),
        html.Div(id=ids.STUDY_PRIMARY),
        panel("How did patients flow through the study?", html.Div(id=ids.STUDY_FLOW)),
        cards[ids.STUDY_DIFFERENCES],
        panel("What does the study plan?", html.Div(id=ids.STUDY_PLAN)),
        staff_only(panel("Who is in which analysis set?", html.Div(id=ids.STUDY_SETS)), reader),
    ]


STUDY = CardPage(
    path=PATH,
    name="Studies",
    heading="A study",
    lead="One study's patients from enrolment to analysis, by its own visits and reference arm. "
    "Routine care and other studies are in none of its numbers.",
    above=lambda _reader: html.Div(id=ids.STUDY_CHOICE),
    shown=Shown,
    bar=(),
    cards=(
        Card(
            ids.STUDY_DIFFERENCES,
            "How do the arms differ in the primary outcome?",
            340,
            mart="arm_comparisons",
            draw=_differences,
        ),
    ),
    beside=(
        Fill(ids.STUDY_CHOICE, _choice),
        Fill(ids.STUDY_MASKED, _of(lambda shown: plan.masked(shown.plan))),
        Fill(
            ids.STUDY_PRIMARY,
            _of(
                lambda shown: plan.primary(shown.plan, primary_rows(shown.plan, shown.comparisons))
            ),
        ),
        Fill(ids.STUDY_FLOW, _flow),
        Fill(ids.STUDY_PLAN, _of(lambda shown: plan.facts(shown.plan))),
        Fill(ids.STUDY_SETS, _of(_sets)),
    ),
    body=_body,
)
