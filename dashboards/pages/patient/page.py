"""One patient's page: sessions, pain, steps and adverse events on one time axis, and where each
record came from.

Here: its cards, what is asked, the events' places in Kafka. Not here: the figure
(figures/patient.py), what wearables measured beside steps (vitals.py). A reader from outside the
clinic sees no single patient.
"""

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.facts.sessions import DELIVERED

from ... import ids, words
from ...components import Drawn, panel
from ...figures.patient import story
from ...reader import Reader
from ...tables import WRAPPED, grid
from ...theme import Look
from ..cards import Card, CardPage, listing, staff_only
from ..controls import Control, Fill
from .episodes import episodes_of
from .facts import facts_of, outcomes, records_table
from .shown import Shown
from .vitals import not_given, vitals_card

_EVENT_COLUMNS = [
    {"field": "when", "headerName": "When (UTC)", "minWidth": 150},
    {"field": "kind", "headerName": "Record", "minWidth": 140},
    {"field": "what", "headerName": "What", "minWidth": 260, **WRAPPED},
    {"field": "event_id", "headerName": "Event id", "minWidth": 300, **WRAPPED},
    {
        "field": "position",
        "headerName": "Kafka topic / partition / offset",
        "minWidth": 280,
        **WRAPPED,
    },
]


def _story(shown: Shown, of: Look) -> Drawn:
    data_to = shown.headline["data_cutoff"].max() if shown.headline.height else None
    return Drawn(
        figure=story(shown.sessions, shown.pain, shown.steps, shown.events, of=of, until=data_to),
        summary=_sentence(shown),
        notes=_not_drawn(shown),
        table=_events_table(shown.events),
        metrics=("visit_windows", "treatment_emergent"),
        data_to=data_to,
    )


def _sentence(shown: Shown) -> str:
    delivered = shown.sessions.filter(pl.col("EXSTAT") == DELIVERED).height
    serious = (shown.events["AESER"] == "Y").sum()
    return (
        f"Patient {shown.patient}: {words.plural(delivered, 'session')} delivered, "
        f"{words.plural(shown.pain.height, 'pain score')}, "
        f"{shown.steps.height} weeks of steps, "
        f"{words.plural(shown.events.height, 'adverse event')} ({serious} serious). "
        "Times are UTC; an arrow is an ongoing event."
    )


def _not_drawn(shown: Shown) -> tuple[str, ...]:
    """What the picture can't place, and why."""
    notes = []
    unknown = shown.events.filter(pl.col("ASTDTM").is_null()).height
    if unknown:
        notes.append(
            f"{words.plural(unknown, 'adverse event')} of unknown onset: in the tables only."
        )
    notes += not_given(shown.pain, shown.steps)
    if shown.steps.is_empty():
        notes.append("No week of steps: no wearable has sent any.")
    return tuple(notes)


def _events_table(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        event="AETERM",
        term="AEDECOD",
        grade="AETOXGR",
        serious="AESER",
        related="AEREL",
        onset="ASTDT",
        end="AENDT",
        treatment_emergent="TRTEMFL",
        hours_since_session=pl.col("HRSSESS").round(1),
        outcome="AEOUT",
    )


def _body(cards: dict[str, Component], reader: Reader) -> list:
    records = grid(
        ids.PATIENT_EVENTS, columns=_EVENT_COLUMNS, label="The patient's records", height=460
    )
    return [
        html.Div(id=ids.PATIENT_FACTS),
        staff_only(panel("Treatment episodes", html.Div(id=ids.PATIENT_EPISODES)), reader),
        cards[ids.STORY],
        cards[ids.VITALS],
        staff_only(
            panel(
                "Headline outcomes, and why one can't be given", html.Div(id=ids.PATIENT_REASONS)
            ),
            reader,
        ),
        staff_only(panel("Records", records), reader),
    ]


PATIENT = CardPage(
    path="/patient",
    name="Patient",
    heading="One patient",
    lead="Sessions, pain, steps and adverse events on one time axis; below, each record and where it lies in Kafka.",
    shown=Shown,
    bar=(
        Control(
            name=ids.PATIENT,
            label="Patient",
            placeholder="choose or type an id",
            width=300,
            options=lambda s: s.people,
        ),
    ),
    cards=(
        Card(
            ids.STORY,
            "What happened to this patient, and when?",
            720,
            draw=_story,
            least_width=640,
            mart="adsl",
        ),
        Card(
            ids.VITALS,
            "What did the wearables measure beside steps?",
            720,
            draw=lambda s, of: vitals_card(s.activity, s.headline, of=of),
            least_width=640,
            mart="adact",
        ),
    ),
    beside=(
        Fill(ids.PATIENT_FACTS, facts_of),
        Fill(ids.PATIENT_REASONS, outcomes),
        Fill(ids.PATIENT_EPISODES, lambda s: episodes_of(s.reader, s.patient)),
        *listing(ids.PATIENT_EVENTS, records_table, mart="adsl", none="No patient is chosen."),
    ),
    body=_body,
)
