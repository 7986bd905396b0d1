"""What one patient's page shows: the rows of the chosen patient.

Here: `Shown`, and why nobody is shown. Not here: the cards that are drawn of it (page.py).
"""

import polars as pl

from transforms.facts.parameters import PARAMETERS

from ... import ids
from ...filters import Chosen
from ...parameters import is_pain
from ...reader import Reader
from .. import cards
from ..base import waiting

_NOT_OUTSIDE = (
    "Single patients are shown to the clinic's own staff only (FLOE_VIEWER_ROLE is outside)."
)


class Shown(cards.Shown):
    """One patient's rows; empty frames where nobody is chosen."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.people = reader.mart("adsl")["USUBJID"].unique().sort().to_list()
        asked = choice.get(ids.PATIENT)
        self.patient = asked if asked in self.people else None
        if self.patient is None:
            self.why_nothing = self._why_nobody(asked)

        def rows(mart: str, order: str) -> pl.DataFrame:
            frame = reader.mart(mart, '"USUBJID" = $1', [self.patient or ""])
            return frame.sort(order, nulls_last=True)

        self.person = rows(
            "adsl", "TRTSDT"
        )  # the first row: the study in which the patient was treated first
        self.sessions = rows("adex", "EXSTDTM")
        # an assessment may be told of two studies
        self.answers = rows("adqs", "ADTM").unique(
            ["PARAMCD", "EVENTID"], keep="first", maintain_order=True
        )
        self.activity = rows("adact", "ADT").unique(
            ["PARAMCD", "ADT", "EVENTID"], keep="first", maintain_order=True
        )
        self.events = rows("adae", "ASTDTM")
        self.headline = reader.mart("patient_outcomes", "patient_id = $1", [self.patient or ""])

    @property
    def selection(self) -> str:
        if not self.patient:
            return "nobody"
        return f"patient {self.patient}"

    def selection_of(self, mart: str) -> str:
        return self.selection

    @property
    def pain(self) -> pl.DataFrame:
        """Scores of scheduled pain questionnaires; those around a session have parameters of their
        own.
        """
        codes = [code for code in PARAMETERS if is_pain(code)]
        return self.answers.filter(pl.col("PARAMCD").is_in(codes))

    @property
    def steps(self) -> pl.DataFrame:
        return self.activity.filter(pl.col("PARAMCD") == "STEPS")

    def _why_nobody(self, asked: str | None) -> str:
        if self.reader.is_outside:
            return _NOT_OUTSIDE
        if not self.people:
            return waiting(self.reader)
        return f"There is no patient {asked!r}." if asked else "Choose a patient above."
