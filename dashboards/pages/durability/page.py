"""The durability page: does relief last? Loss of response, relapse, responders by any cut-off,
where rules disagree.

Here: its cards, what is asked. Not here: how rows become charts (survival_charts.py, charts.py,
coming_back.py, course_charts.py).
"""

import polars as pl
from dash import html

from transforms.facts.competing_events import RETREATMENT
from transforms.facts.estimands import events_in_words
from transforms.facts.values import FIRST

from ... import ids, words
from ...components import Drawn, nothing, side_by_side, tile, tiles
from ...filters import Chosen, of_episodes
from ...finer import rows_of
from ...parameters import parameter_options
from ...reader import Reader
from ...theme import Look
from .. import cards
from ..cards import Card, CardPage
from ..controls import FILTERS, WHICH_EPISODE, Control, Fill
from ..series import in_series
from ..survival_charts import median_limits, survival_card
from . import charts, coming_back, course_charts

_CLOCKS = ("TTLOSS", "TTRELAPS")
_COMING_BACK_HEIGHT = 520


class Shown(cards.Shown):
    """Of the responders' curves and verdicts: the parameter, the visit."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        curves = rows_of(reader, "responder_curves", choice.stratum(), episode=choice.episode)
        self.codes = charts.parameters(curves)
        self.code = self.asked(ids.CURVE_OF, self.codes)
        mine = curves.filter(pl.col("parameter") == (self.code or ""))
        self.visits = charts.visits(mine)
        self.visit = self.asked(ids.CURVE_AT, self.visits, usual=charts.usual_visit(mine))

    @property
    def is_it(self) -> pl.Expr:
        is_parameter = pl.col("parameter") == (self.code or "")
        is_visit = pl.col("visit") == (self.visit or "")
        return is_parameter & is_visit


def _cumulative(shown: Shown, of: Look) -> Drawn:
    rows = in_series(
        shown.reader,
        "responder_curves",
        shown.choice,
        meets=shown.is_it,
        known="estimate",
        episode=shown.choice.episode,
    )
    none = shown.none(rows, "Responders by cut-off")
    if not shown.visit:
        return nothing(none, of=of)
    drawn = charts.cumulative(rows, shown.code, shown.visit, of=of, none=none)
    return shown.by_arm(drawn) if rows["series"].n_unique() > 1 else drawn


def _disagreement(shown: Shown, of: Look) -> Drawn:
    choice = shown.choice
    rows = rows_of(
        shown.reader, "responder_disagreement", choice.stratum(), episode=choice.episode
    ).filter(shown.is_it)
    none = shown.none(
        rows,
        f"Rules side by side for {shown.code}" if shown.code else "Rules side by side",
    )
    if not shown.visit:
        return nothing(none, of=of)
    return charts.disagreement(rows, shown.code, shown.visit, of=of, none=none)


def _coming_back(shown: Shown, of: Look) -> Drawn:
    is_it = pl.col("parameter") == RETREATMENT
    rows = in_series(shown.reader, "competing_risks", shown.choice, meets=is_it, known="incidence")
    curves = rows_of(shown.reader, "survival_curves", shown.choice.stratum())
    drawn = coming_back.first_events(
        rows,
        curves.filter(is_it),
        of=of,
        height=_COMING_BACK_HEIGHT,
        none=shown.none(rows, "Coming back, surgery and death"),
    )
    return shown.by_arm(drawn, episode=FIRST) if rows["series"].n_unique() > 1 else drawn


def _course_relief(shown: Shown, of: Look) -> Drawn:
    rows = course_charts.of_most_pairs(
        rows_of(shown.reader, "course_relief", shown.choice.stratum())
    )
    none = shown.none(rows, "A second course beside the first")
    return course_charts.relief(rows, of=of, none=none)


def _tiles(shown: Shown):
    """Sustained response, and of the curves how many were followed."""
    r = shown.metric("sustained_response")
    held = f"{words.count(r['n_event'])} of {words.count(r['n_evaluable'])}"
    share = words.percent(r["estimate"], r["ci_lower"], r["ci_upper"])
    detail = r["reason"] or f"{share}; {words.count(r['n_not_evaluable'])} not evaluable"
    whose = of_episodes(shown.choice.episode)
    detail += f". Of {whose}; after {events_in_words()} it counts as not held."
    response = tile(
        "Response held at two visits in a row",
        words.NOTHING if r["estimate"] is None else held,
        detail,
    )
    choice = shown.choice
    curves = rows_of(shown.reader, "survival_curves", choice.stratum(), episode=choice.episode)
    none = shown.not_released or "none in this selection, or too few to be shown"
    clocks = (_clock_tile(curves, name, whose=whose, none=none) for name in _CLOCKS)
    return tiles([response, *clocks])


def _clock_tile(curves: pl.DataFrame, parameter: str, *, whose: str, none: str):
    rows = curves.filter((pl.col("parameter") == parameter) & pl.col("at_risk").is_not_null())
    title = words.metric_title(parameter.lower())
    if rows.is_empty():
        return tile(title, words.NOTHING, none)
    first, events, n = rows.row(0, named=True), int(rows["events"].sum()), rows["at_risk"].max()
    counts = f"{words.plural(events, 'event')} among {words.count(n)}, of {whose}"
    if first["median"] is None:
        return tile(title, "no median", f"{first['reason'] or 'not reached'}; {counts}")
    return tile(
        title,
        f"{words.number(first['median'], 0)} days",
        f"median, {median_limits(first)}; {counts}",
    )


DURABILITY = CardPage(
    path="/durability",
    name="Durability",
    heading="Does relief last?",
    lead="How long a response is held once it is confirmed, who comes back, and how many reach it by any rule. Patients who were not "
    "followed long enough count for as long as they were. All is of each patient's first treatment episode unless another is "
    "chosen; what comes first is counted from the first, and a second course stands beside it.",
    shown=Shown,
    bar=(
        *FILTERS,
        WHICH_EPISODE,
        Control(
            name=ids.CURVE_OF,
            label="Outcome of the lower charts",
            placeholder="pain",
            width=260,
            options=lambda s: parameter_options(s.codes),
            usual=lambda s: s.code,
        ),
        Control(
            name=ids.CURVE_AT,
            label="Visit",
            placeholder="usual",
            width=150,
            options=lambda s: s.visits,
            usual=lambda s: s.visit,
        ),
    ),
    cards=(
        survival_card(
            ids.LOSS,
            "How long does a response last?",
            parameter="TTLOSS",
            what="Time to loss of response",
            is_of_chosen=True,
        ),
        survival_card(
            ids.RELAPSE,
            "How long does a patient stay free of pain?",
            parameter="TTRELAPS",
            what="Time to relapse",
            is_of_chosen=True,
        ),
        Card(
            ids.COMING_BACK,
            "What comes first: another treatment, surgery or death?",
            _COMING_BACK_HEIGHT,
            draw=_coming_back,
            mart="competing_risks",
        ),
        Card(
            ids.COURSE_RELIEF,
            "Does a second course help as the first did?",
            _COMING_BACK_HEIGHT,
            draw=_course_relief,
            mart="course_relief",
        ),
        Card(
            ids.CUMULATIVE,
            "What share improves by how much?",
            440,
            draw=_cumulative,
            mart="responder_curves",
        ),
        Card(
            ids.DISAGREEMENT,
            "Where do the rules disagree?",
            440,
            draw=_disagreement,
            mart="responder_disagreement",
        ),
    ),
    beside=(Fill(ids.DURABILITY_TILES, _tiles),),
    body=lambda cards, reader: [
        html.Div(id=ids.DURABILITY_TILES),
        side_by_side(cards[ids.LOSS], cards[ids.RELAPSE]),
        side_by_side(cards[ids.COMING_BACK], cards[ids.COURSE_RELIEF]),
        side_by_side(cards[ids.CUMULATIVE], cards[ids.DISAGREEMENT]),
    ],
)
