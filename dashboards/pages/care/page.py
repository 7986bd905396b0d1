"""The care page: less medication, fewer procedures, later surgery, and is life better?

Here: its cards, what is asked. Not here: how rows become charts (charts.py, survival_charts.py).
"""

import polars as pl
from dash import html

from ... import ids, words
from ...components import Drawn, notice, side_by_side, tile, tiles
from ...filters import Chosen
from ...reader import Reader
from ...theme import Look
from .. import cards
from ..cards import Card, CardPage
from ..controls import FILTERS, OF_EPISODES, Control, Fill
from ..survival_charts import survival_card
from . import charts, life_charts


class Shown(cards.Shown):
    """The visit at which function and life are judged."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.visits = life_charts.life_visits(self.outcomes)
        self.visit = self.asked(
            ids.LIFE_AT, self.visits, usual=life_charts.usual_life_visit(self.outcomes)
        )


def _medication(shown: Shown, of: Look) -> Drawn:
    return charts.medication(
        shown.outcomes, of=of, none=shown.none_of("opioid_use_before", "Medication")
    )


def _turns(shown: Shown, of: Look) -> Drawn:
    return charts.turns(
        shown.outcomes, of=of, none=shown.none_of("opioid_use_before", "Medication")
    )


def _procedures(shown: Shown, of: Look) -> Drawn:
    none = shown.none_of("injections_per_100_patient_years", "Procedures")
    return charts.procedures(shown.outcomes, of=of, none=none)


def _life(shown: Shown, of: Look) -> Drawn:
    is_rule = (pl.col("statistic") == "points") & (pl.col("visit") == (shown.visit or ""))
    none = shown.none(shown.outcomes.filter(is_rule), "Function and quality of life")
    return life_charts.life(shown.outcomes, shown.visit, of=of, none=none)


def _tiles(shown: Shown):
    """Dose of opioids, use of opioids before and at the latest, procedures."""
    dose, before, latest = (
        shown.metric(m) for m in ("opioid_change", "opioid_use_before", "opioid_use_latest")
    )
    limits = f"95 % CI {words.number(dose['ci_lower'], 1)} to {words.number(dose['ci_upper'], 1)} MME a day"
    share = words.percent(latest["estimate"], latest["ci_lower"], latest["ci_upper"])
    return tiles(
        [
            _tile(
                "Opioid dose, mean change, not an effect",
                dose,
                f"{words.number(dose['estimate'], 1)} MME a day",
                f"{limits}, n = {words.count(dose['n_evaluable'])}",
            ),
            _tile(
                "Patients on opioids, before and latest",
                before,
                f"{words.count(before['n_event'])} and {words.count(latest['n_event'])}",
                f"of {words.count(before['n_evaluable'])}; latest {share}",
            ),
            _rate_tile("Surgeries", shown.metric("surgeries_per_100_patient_years")),
            _rate_tile("Injections", shown.metric("injections_per_100_patient_years")),
        ]
    )


def _rate_tile(label: str, r: dict):
    limits = f"95 % CI {words.number(r['ci_lower'], 1)} to {words.number(r['ci_upper'], 1)}"
    counts = (
        f"{words.count(r['n_event'])} / {words.number(r['patient_years'], 1)} years of known care"
    )
    return _tile(
        f"{label} per 100 patient-years", r, words.number(r["estimate"], 1), f"{limits}; {counts}"
    )


def _tile(label: str, r: dict, value: str, detail: str):
    """The tile of a metric's row; without an estimate its reason."""
    if r["estimate"] is None:
        return tile(label, words.NOTHING, r["reason"] or "none in this selection yet")
    return tile(label, value, detail)


CARE = CardPage(
    path="/care",
    name="Care and life",
    heading="Other care and life",
    lead="Medication and procedures before and after, for as long as other care was reported; function and quality of "
    "life by each instrument's own important change.",
    above=lambda _reader: notice(
        "Patients come when they need most care, and need less later without any treatment. A before/after change here "
        "is not an effect.",
        title="Read this first",
    ),
    shown=Shown,
    bar=(
        *FILTERS,
        *OF_EPISODES,
        Control(
            name=ids.LIFE_AT,
            label="Visit for function and life",
            placeholder="usual",
            width=200,
            options=lambda s: s.visits,
            usual=lambda s: s.visit,
        ),
    ),
    cards=(
        Card(
            ids.MEDICATION,
            "Do fewer patients take pain killers?",
            300,
            draw=_medication,
            is_of_episodes=False,
        ),
        Card(ids.STOPPED, "Who stopped, who started?", 300, draw=_turns, is_of_episodes=False),
        survival_card(
            ids.SURGERY,
            "How long without surgery?",
            parameter="TTSURGA",
            everybody="TTSURG",
            what="Time to surgery",
            height=460,
        ),
        survival_card(
            ids.RESCUE,
            "How long without rescue care?",
            parameter="TTRESCA",
            everybody="TTRESC",
            what="Time to rescue",
            height=460,
        ),
        Card(
            ids.PROCEDURES,
            "How many injections and surgeries?",
            200,
            draw=_procedures,
            is_of_episodes=False,
        ),
        Card(ids.LIFE, life_charts.LIFE, 520, draw=_life, least_width=760),
    ),
    beside=(Fill(ids.CARE_TILES, _tiles),),
    body=lambda cards, reader: [
        html.Div(id=ids.CARE_TILES),
        side_by_side(cards[ids.MEDICATION], cards[ids.STOPPED]),
        side_by_side(cards[ids.SURGERY], cards[ids.RESCUE]),
        cards[ids.PROCEDURES],
        cards[ids.LIFE],
    ],
)
