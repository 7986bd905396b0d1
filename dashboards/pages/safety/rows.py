"""Which rows the safety page's choice stands for: rates under one restriction, severity, clinics,
one control chart.

Here: what is asked of the marts. Not here: layout (page.py), charts, lists of records.
"""

import polars as pl

from transforms.facts.restrictions import RESTRICTIONS, sql_of

from ... import ids
from ...filters import Chosen
from ...finer import rows_of
from ...reader import Reader
from ...strata import Stratum
from .. import cards
from ..base import waiting
from ..devices import device_events
from . import between_charts as between
from . import group_charts, lists, ratio_charts

# those of the picture of severity, in its order
SEVERITY = ("any", "related", "session_emergent", "grade_2", "grade_3", "serious")


class Shown(cards.Shown):
    """Rates under the chosen restriction, clinics between each other and over time, serious
    records.
    """

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.restriction = self.asked(ids.RESTRICTION, tuple(RESTRICTIONS), usual="any")
        only = sql_of(self.restriction)
        self.by_term = self._rates(choice.stratum(), only).sort(
            "events", "term", descending=[True, False], nulls_last=[True, False]
        )
        by_clinic = self._rates(choice.stratum("clinic_id"), f"{only} AND term IS NULL")
        self.by_clinic = by_clinic.sort(pl.col("clinic_id").replace(self.clinics))
        every = [
            self.by_term_of(name)
            .filter(pl.col("term").is_null())
            .with_columns(restriction=pl.lit(name))
            for name in SEVERITY
        ]
        self.by_restriction = pl.concat(every)
        pairs = reader.mart("adverse_event_comparisons", f"{only} AND term IS NULL")
        self.comparisons = ratio_charts.of_choice(pairs, choice)
        self.funnel_rows = reader.mart("clinic_funnel").filter(pl.col("modality").is_null())
        self.control_rows = reader.mart("control_charts")
        self.funnels = self.funnel_rows["metric_id"].unique().sort().to_list()
        self.funnel = self.asked(ids.FUNNEL_OF, self.funnels)
        clinic = choice.dimensions.get("clinic_id")
        self.of_clinic = pl.col("clinic_id") == clinic if clinic else pl.lit(True)
        self.charts = {
            _key(r): between.chart_name(r, self.clinics)
            for r in self._series().iter_rows(named=True)
        }
        self.chart = self.asked(ids.CHART_OF, tuple(self.charts))
        self.control = self._control_rows()
        self.grouping = self.asked(ids.GROUPING, tuple(group_charts.GROUPINGS))
        self.groups = group_charts.rows(
            reader, choice, grouping=self.grouping, restriction=self.restriction
        )
        self.records = lists.records(reader, choice)
        self.device_rates = device_events.rates(reader, choice)
        self.device_rates_by_clinic = device_events.rates(reader, choice, is_by_clinic=True)
        if self.everybody is None:
            is_empty = self.by_clinic.is_empty() and not choice.dimensions
            self.why_nothing = self.not_released or (
                waiting(reader) if is_empty else "Nobody of this selection has been treated yet."
            )

    def _rates(self, stratum: Stratum, only: str) -> pl.DataFrame:
        return rows_of(self.reader, "adverse_event_rates", stratum, only)

    def by_term_of(self, restriction: str) -> pl.DataFrame:
        """Rows of the selection under another restriction, any term and each."""
        return self._rates(self.choice.stratum(), sql_of(restriction))

    @property
    def restriction_words(self) -> str:
        return RESTRICTIONS[self.restriction].words

    def _series(self) -> pl.DataFrame:
        """One row a control chart, of the chosen clinic where there is one."""
        rows = self.control_rows.select("metric_id", "chart", "clinic_id", "term").unique()
        rows = rows.filter(self.of_clinic)
        return rows.sort("clinic_id", "metric_id", "term", "chart", nulls_last=False)

    def _control_rows(self) -> pl.DataFrame:
        """The points of the chosen chart."""
        rows = self.control_rows
        if self.chart:
            for column, value in zip(
                ("metric_id", "chart", "clinic_id", "term"), self.chart.split("|", 3), strict=True
            ):
                rows = rows.filter(pl.col(column) == value if value else pl.col(column).is_null())
        return rows

    @property
    def everybody(self) -> dict | None:
        """The row of any event, of the whole selection."""
        rows = self.by_term.filter(pl.col("term").is_null())
        if not rows.height:
            return None
        return rows.row(0, named=True)


def _key(row: dict) -> str:
    parts = ("metric_id", "chart", "clinic_id", "term")
    values = (row[part] or "" for part in parts)
    return "|".join(values)
