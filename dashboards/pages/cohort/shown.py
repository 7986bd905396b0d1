"""What the cohort page shows: the rows that the chosen filters stand for.

Here: `Shown`. Not here: the cards that are drawn of it (page.py).
"""

import polars as pl

from transforms.facts.values import ROUTINE

from ... import ids
from ...filters import Chosen
from ...finer import rows_of
from ...reader import Reader
from .. import cards
from ..base import waiting
from ..series import of_episodes
from . import charts


class Shown(cards.Shown):
    """The parameter and the visit; rows split by arm where the parameter has arms; the arms'
    comparisons.
    """

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.rows = self.outcomes.with_columns(series=pl.lit(self.selection))
        self.codes = charts.parameters(self.rows)
        self.code = self.asked(ids.PARAMETER, self.codes)
        self.visits = charts.visits(self.rows, self.code) if self.code else []
        usual = charts.usual_visit(self.rows, self.code) if self.code else None
        self.visit = self.asked(ids.VISIT, self.visits, usual=usual)
        split = of_episodes(reader, "cohort_outcomes", choice, "arm")
        self.arms = charts.arms(split, self.code) if self.code and "arm" not in choice.asked else []
        # the rows of the outcome's lines: an arm each, where there are arms
        self.series = self._by_arm(split) if self.arms else self.rows
        self.comparisons = self._comparisons()
        if not self.code:
            is_empty = self.rows.is_empty() and not choice.dimensions
            self.why_nothing = self.not_released or (
                waiting(reader)
                if is_empty
                else ("No patients with outcomes in this selection, or too few to be shown.")
            )

    def of_change(self, mart: str, *, is_by_arm: bool) -> pl.DataFrame:
        """The mart's rows of the parameter, of the episodes chosen, with `series`; `is_by_arm`: an arm
        each, where there are arms.
        """
        is_split = is_by_arm and bool(self.arms)
        stratum = self.choice.stratum(*(["arm"] if is_split else []))
        is_it, episode = ("parameter = $1", [self.code]), self.choice.episode
        rows = rows_of(self.reader, mart, stratum, *is_it, episode=episode)
        if is_split:
            return self._by_arm(rows)
        return rows.with_columns(series=pl.lit(self.selection))

    def _by_arm(self, rows: pl.DataFrame) -> pl.DataFrame:
        arm = pl.col("arm")
        is_chosen = arm.is_in(self.arms)
        of_arms = rows.filter(is_chosen)
        return of_arms.with_columns(series="arm")

    def _comparisons(self) -> pl.DataFrame:
        """Of the study, parameter and chosen indication's subgroup; clinics and modalities are not
        compared by arm.
        """
        indication = self.choice.dimensions.get("indication")
        where = "parameter = $1 AND indication IS NOT DISTINCT FROM $2 AND study_id = $3"
        study = self.choice.dimensions.get("study_id", ROUTINE)
        return self.reader.mart("arm_comparisons", where, [self.code or "", indication, study])
