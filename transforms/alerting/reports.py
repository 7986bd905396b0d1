"""Reports that are due as a cause of alerts.

Here: the rows of `report_duties.duties` that press -> causes. Not here: the duties, their countries
and days.
"""

from datetime import datetime, timedelta

import polars as pl

from ..facts.values import DATED_STATES
from ..rules.report_duties import duties
from ..rules.reportable import happenings
from ..schemas import TIMESTAMP
from .causes import CAUSES, causes

SOON_DAYS = 3
# A day of a duty begins at eight of the clinic's clock: nobody is called at midnight because a date
# changed.
_DAY_BEGINS = timedelta(hours=8)


def of_reports(
    *,
    adverse_events: pl.DataFrame,
    deficiencies: pl.DataFrame,
    incidents: pl.DataFrame,
    clinics: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """One cause per reportable event and rule of its country whose report is due within three
    days, due or overdue.

    Frames of core, adverse events with the clinic where each happened. `level` is 1
    before the last day (and of a report without delay on the day on which the clinic became aware),
    2 on the last day, 3 after it.
    """
    records = {
        "adverse_events": adverse_events,
        "deficiencies": deficiencies,
        "incidents": incidents,
    }
    rows = duties(happenings(**records), clinics=clinics, as_of=as_of - _DAY_BEGINS)
    is_late = pl.col("state") == "overdue"
    is_late = is_late | (
        (pl.col("state") == "due_now") & (pl.col("today") > pl.col("aware_on")).fill_null(False)
    )
    is_soon = pl.col("state").is_in(DATED_STATES) & (pl.col("days_left") <= SOON_DAYS)
    level = pl.when(is_late).then(3).when(pl.col("days_left") == 0).then(2).otherwise(1)
    pressing = rows.filter(is_soon.fill_null(False) | (pl.col("state") == "due_now")).with_columns(
        _level=level
    )
    pressing = pressing.join(
        _evidence(**records), on=["subject_kind", "subject_id"], how="left", maintain_order="left"
    )
    of_duties = causes(
        "report_due",
        pressing,
        subject_kind="",
        subject_id=pl.col("subject_id"),
        cause=pl.col("rule"),
        clinic_id=pl.col("clinic_id"),
        patient_id=pl.col("patient_id"),
        evidence=pl.concat_list("_event_id"),
        occurred_at=pl.coalesce(pl.col("due_on").cast(TIMESTAMP), "aware_at", "_landed_at"),
        landed_at=pl.lit(as_of),
        tier=pl.when(pl.col("_level") > 1).then(pl.lit("now")).otherwise(pl.lit("today")),
        level=pl.col("_level"),
        finding=pl.format(
            "{}: due {}", "duty", pl.col("due_on").cast(pl.String).fill_null("without delay")
        ),
    )
    return of_duties.with_columns(
        subject_kind=pressing["subject_kind"].cast(CAUSES["subject_kind"])
    )


def _evidence(
    *, adverse_events: pl.DataFrame, deficiencies: pl.DataFrame, incidents: pl.DataFrame
) -> pl.DataFrame:
    named = (
        ("adverse_event", "ae_id", adverse_events.with_columns(_patient="patient_id")),
        (
            "deficiency",
            "deficiency_id",
            deficiencies.with_columns(_patient=pl.lit(None, dtype=pl.String)),
        ),
        ("incident", "incident_id", incidents.with_columns(_patient=pl.lit(None, dtype=pl.String))),
    )
    return pl.concat(
        frame.select(
            subject_kind=pl.lit(kind),
            subject_id=pl.col(id),
            patient_id=pl.col("_patient"),
            _event_id=pl.col("event_id"),
            _landed_at=pl.col("ingested_at"),
        )
        for kind, id, frame in named
    )
