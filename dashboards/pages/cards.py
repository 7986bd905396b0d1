"""A page of cards: filters, charts and what stands beside them, all filled by one callback from the
URL's query.

Here: a card, a control, a page from the list of its own; the rows that a choice stands for, as far
as every page asks for them. Not here: any page, the look of a card (components.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from transforms.facts.values import ALL, FIRST, MISSING_AS_NONRESPONDER
from transforms.schemas import MART_TABLES

from .. import ids
from ..components import Chart, Drawn, chart_card, filled, nothing, outputs
from ..filters import Chosen, chosen, settled
from ..parameters import is_of
from ..reader import Reader
from ..theme import Look, look
from .base import MARTS_INPUTS, clinic_names, guarded, off_loop, studies_of, why_unknown
from .controls import FILTERS, Control, Fill, is_offered
from .restated import notes
from .series import of_episodes, why_none, why_not_seen

OUTCOMES = "cohort_outcomes"
# Summaries whose figures are of the treatment episodes that are chosen; all others' of the first
OF_CHOSEN_EPISODES = frozenset(
    {
        OUTCOMES,
        "reliable_change",
        "important_change",
        "responder_curves",
        "responder_disagreement",
    }
)
_OF_ALL = (
    "Counts are of treatment episodes, of which a patient may have several; limits, where there are "
    "any, are over patients."
)
# Summaries whose rows are of a study
_OF_A_STUDY = frozenset(name for name, table in MART_TABLES.items() if "study_id" in table.names)


class Shown:
    """The rows that a choice stands for; a page's own class adds what only that page asks for."""

    why_nothing: str | None = None  # said by every card, where no card has anything to show

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        self.reader, self.choice = reader, choice
        self._listed: dict[str, list[dict]] = {}

    def listed(self, list_id: str, rows: Callable[[Any], list[dict]]) -> list[dict]:
        """The rows of a list, made once for all that asks for them."""
        if list_id not in self._listed:
            self._listed[list_id] = rows(self)
        return self._listed[list_id]

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Rows of mart.cohort_outcomes, of everybody in the selection."""
        return of_episodes(self.reader, "cohort_outcomes", self.choice)

    @cached_property
    def not_released(self) -> str | None:
        """As `why_not_seen`."""
        return why_not_seen(self.reader, self.choice)

    def selection_of(self, card: "Card") -> str:
        """The selection as this card shows it: some marts are of all studies together, most are of
        first episodes whichever are chosen.
        """
        is_of_a_study, episode = card.mart in _OF_A_STUDY, card.counted_episode
        if is_of_a_study and episode in (None, self.choice.episode):
            return self.selection
        return self.choice.in_words(self.clinics, is_of_a_study=is_of_a_study, episode=episode)

    @cached_property
    def clinics(self) -> dict[str, str]:
        return clinic_names(self.reader)

    @cached_property
    def selection(self) -> str:
        """Whom the figures are of, in words: every card names it."""
        return self.choice.in_words(self.clinics)

    def by_arm(self, drawn: Drawn, *, episode: str | None = None) -> Drawn:
        """A card that sets the study's arms side by side: it is of no single one. `episode`: as of
        `Chosen.in_words`.
        """
        selection = self.choice.in_words(self.clinics, is_by_arm=True, episode=episode)
        return replace(drawn, selection=selection)

    def metric(self, metric_id: str, *, visit: str | None = None) -> dict:
        """The metric's row of `outcomes` (a responder rule's: of patients with a value); where there
        is none nulls, and why in `reason`.
        """
        return self._row(pl.col("metric_id") == metric_id, visit)

    def statistic(self, parameter: str, statistic: str, *, visit: str | None = None) -> dict:
        """As `metric`, of a parameter's statistic."""
        return self._row(is_of([parameter], statistic), visit)

    def _row(self, is_it: pl.Expr, visit: str | None) -> dict:
        is_at = pl.col("visit").eq_missing(visit)
        rows_of_metric = self.outcomes.filter(
            is_it & is_at & (pl.col("population") != MISSING_AS_NONRESPONDER)
        )
        if rows_of_metric.height:
            return rows_of_metric.row(0, named=True)
        return dict.fromkeys(rows_of_metric.columns) | {"reason": self.not_released}

    def asked(self, name: str, options: Sequence[str], *, usual: str | None = None) -> str | None:
        """What the URL's query says of `name`, where it is an option; else the usual one, or the
        first.
        """
        value = self.choice.get(name)
        if value in options:
            return value
        return usual or next(iter(options), None)

    def none(self, rows: pl.DataFrame, what: str, *split_by: str) -> str:
        """Why nothing of `rows` can be drawn; `split_by`: columns that they are split by further."""
        return why_none(self.reader, rows, self.choice, what=what, split_by=split_by)

    def none_of(self, metric_id: str, what: str) -> str:
        """Why nothing of this metric can be drawn."""
        metric = pl.col("metric_id")
        rows = self.outcomes.filter(metric == metric_id)
        return self.none(rows, what)


@dataclass(frozen=True, kw_only=True)
class Card(Chart):
    """A chart of a page: `draw(shown, of)` fills it; `mart` is the summary whose age it says.
    `is_of_episodes`: its figures are of treatment episodes; care and sessions are not.
    `is_of_chosen`: they are of the chosen ones though the mart's others are not.
    """

    draw: Callable[[Any, Look], Drawn]
    mart: str = OUTCOMES
    is_of_episodes: bool = True
    is_of_chosen: bool = False

    @property
    def counted_episode(self) -> str | None:
        """Of which episodes it is whichever are chosen: empty = of none, None = of the chosen."""
        if not self.is_of_episodes:
            return ""
        return None if self.is_of_chosen or self.mart in OF_CHOSEN_EPISODES else FIRST

    def drawn(self, shown: Shown, of: Look) -> Drawn:
        """What fills the card, with its age."""
        if shown.why_nothing:
            return replace(nothing(shown.why_nothing, of=of), selection=shown.selection)
        drawn = guarded(lambda: self.draw(shown, of), of=of)
        computed_at = shown.reader.changed_at(f"mart.{self.mart}")
        selection = drawn.selection or shown.selection_of(self)
        remarks = (
            *self._of_all(shown),
            *notes(shown.reader, self.mart, drawn.metrics, shown.choice),
        )
        return replace(
            drawn, selection=selection, computed_at=computed_at, notes=(*drawn.notes, *remarks)
        )

    def _of_all(self, shown: Shown) -> tuple[str, ...]:
        is_of_all = self.counted_episode is None and shown.choice.episode == ALL
        return (_OF_ALL,) if is_of_all else ()


def listing(
    list_id: str, rows: Callable[[Any], list[dict]], *, mart: str, none: str
) -> tuple[Fill, Fill]:
    """What fills a grid: its rows, and above it, where there are none, why: none on record
    (`none`), or not known.
    """

    def why_none(shown: Shown) -> str:
        if shown.listed(list_id, rows):
            return ""
        return why_unknown(shown.reader, f"mart.{mart}") or none

    return Fill(list_id, lambda shown: shown.listed(list_id, rows), "rowData"), Fill(
        ids.part(list_id, "none"), why_none
    )


def staff_only(child: Component, reader: Reader) -> Component:
    """What holds single records: a reader from outside gets none of them, and no empty list
    either.
    """
    return html.Div(child, style={"display": "none"} if reader.is_outside else {})


@dataclass(frozen=True, kw_only=True)
class CardPage:
    """A page: head, controls in a bar, and below them what `body(cards, reader)` makes of the cards
    by id.

    `shown(reader, choice)`: the rows that all of it is drawn from. `apart`: controls that the body
    places. `above`: what stands between head and controls; `registers`: adds the callbacks of what
    there is filled by its own.
    """

    path: str
    name: str
    heading: str
    lead: str
    shown: Callable[[Reader, Chosen], Shown]
    cards: tuple[Card, ...]
    body: Callable[[dict[str, Component], Reader], list]
    bar: tuple[Control, ...] = FILTERS
    apart: tuple[Control, ...] = ()
    beside: tuple[Fill, ...] = ()
    above: Callable[[Reader], Component] | None = None
    registers: Callable[[Dash, Reader], None] | None = None

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of the URL's query that the page sets."""
        return tuple(control.name for control in (*self.bar, *self.apart))

    def layout(self, reader: Reader) -> list:
        cards = {card.id: chart_card(card) for card in self.cards}
        return [
            html.H1(self.heading),
            html.P(self.lead, className="lead"),
            *([self.above(reader)] if self.above else []),
            html.Div(
                [control.select() for control in self.bar if is_offered(control, reader)],
                className="controls",
            ),
            dcc.Store(id=ids.shown_for(self.path)),
            html.Div(self.body(cards, reader), className="stack"),
        ]

    def register(self, app: Dash, reader: Reader) -> None:
        fills = [Output(fill.id, fill.prop) for fill in self._fills()]
        shown_for = ids.shown_for(self.path)

        @app.callback(*outputs(self.cards), *fills, Output(shown_for, "data"), *MARTS_INPUTS)
        async def show(search, _version, scheme):
            return [*await off_loop(self.view, reader, search, scheme), search or ""]

        # figures of another selection than the URL's are dimmed, for as long as that lasts
        app.clientside_callback(ClientsideFunction("floe", "settled"), Input(shown_for, "data"))
        if self.registers:
            self.registers(app, reader)

    def view(self, reader: Reader, search: str | None, scheme: str | None) -> list:
        """Values of the callback's outputs for the URL's query."""
        choice, of = settled(chosen(search), studies_of(reader)), look(scheme)
        shown = self.shown(reader, choice)
        drawn = {card.id: card.drawn(shown, of) for card in self.cards}
        return [
            *filled(self.cards, drawn, of=of, keep=choice.key(), options=reader.settings.options),
            *[fill.value(shown) for fill in self._fills()],
        ]

    def _fills(self) -> list[Fill]:
        return [
            *self.beside,
            *[fill for control in (*self.bar, *self.apart) for fill in control.fills()],
        ]
