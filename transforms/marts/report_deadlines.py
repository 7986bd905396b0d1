"""mart.report_deadlines: what has to be told to whom by when, by the rules of the clinic's country,
and whether it was.

Here: the mart, with its stamp. Not here: the rules (facts/report_rules.py), what they cover and the
judgement (rules/report_duties.py).
"""

import polars as pl

from ..options import Cut, Options
from ..rules.report_duties import duties
from ..rules.reportable import happenings
from ..schemas import MART_TABLES
from .stamp import stamped

TABLE = MART_TABLES["report_deadlines"]
INPUTS = ("core.adverse_events", "core.deficiencies", "core.incidents", "core.clinics", "mart.adae")
METRIC = "report_deadlines"


def compute(
    *,
    adverse_events: pl.DataFrame,
    deficiencies: pl.DataFrame,
    incidents: pl.DataFrame,
    clinics: pl.DataFrame,
    adae: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a reportable event and rule; columns of MART_TABLES["report_deadlines"]. Days are
    counted to the data cut.

    The duty is that of the clinic where the event happened, which mart.adae says of adverse events
    (CLINICID).
    """
    places = adae.select(ae_id="AEID", _place="CLINICID")
    placed = adverse_events.join(places, on="ae_id", how="left").with_columns(
        clinic_id=pl.coalesce("_place", "clinic_id")  # of an unknown patient only the record tells
    )
    events = happenings(adverse_events=placed, deficiencies=deficiencies, incidents=incidents)
    rows = duties(events, clinics=clinics, as_of=cut.data_cutoff)
    rows = rows.with_columns(metric_id=pl.lit(METRIC), is_suppressed=pl.lit(True))
    return TABLE.conform(stamped(rows, cut=cut)).sort("due_on", *TABLE.key, nulls_last=True)
