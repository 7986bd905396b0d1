"""Controls of a page of cards: selects of the URL's query, and what else the page's callback fills.

Here: a control, those that several pages have, what fills a component. Not here: cards (cards.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dash.development.base_component import Component

from .. import ids
from ..components import select
from ..filters import EPISODES, STRATEGY_NAMES
from ..reader import Reader


@dataclass(frozen=True)
class Fill:
    """A property of a component beside the charts, and what fills it: `value(shown)`."""

    id: str
    value: Callable[[Any], Any]
    prop: str = "children"


@dataclass(frozen=True, kw_only=True)
class Control:
    """A select of one name of the URL's query. `options(shown)`, `usual(shown)`: what it offers,
    and what stands for no choice; without them others fill it, and the placeholder stands.
    """

    name: str
    label: str
    placeholder: str
    width: int = 180
    options: Callable[[Any], list] | None = None
    usual: Callable[[Any], str | None] | None = None
    fixed: Mapping[str, str] | None = None  # value -> label: the same on every page, for staff

    def select(self) -> Component:
        return select(
            self.name,
            self.label,
            placeholder=self.placeholder,
            width=self.width,
            options=[
                {"value": value, "label": label} for value, label in (self.fixed or {}).items()
            ],
        )

    def fills(self) -> list["Fill"]:
        id, usual = ids.control(self.name), self.usual
        options = [Fill(id, self.options, "data")] if self.options else []
        return options + (
            [Fill(id, lambda shown: usual(shown) or "none yet", "placeholder")] if usual else []
        )


# The filters that every page of the summaries has; the shell fills them, for a callback's outputs
# must all be there.
FILTERS = (
    Control(name="study", label="Study", placeholder="routine care"),
    Control(name="arm", label="Arm", placeholder="no arm"),
    *(
        Control(name=name, label=name.capitalize(), placeholder=f"all {plural}")
        for name, plural in (
            ("clinic", "clinics"),
            ("modality", "modalities"),
            ("indication", "indications"),
        )
    ),
)


# Which treatment episodes outcomes are of, and what an event in between does: a reader from outside
# sees the first under the default strategy alone
WHICH_EPISODE = Control(
    name=ids.EPISODE,
    label="Treatment episode",
    placeholder="first of each patient",
    width=230,
    fixed=EPISODES,
)
OF_EPISODES = (
    WHICH_EPISODE,
    Control(
        name=ids.STRATEGY,
        label="Opioid, injection, surgery, rescue",
        placeholder="after it no response",
        width=230,
        fixed=STRATEGY_NAMES,
    ),
)


def is_offered(control: Control, reader: Reader) -> bool:
    return control.fixed is None or not reader.is_outside
