"""What has to be reported: adverse events, device deficiencies and incidents that a duty may cover.

Here: what is reportable, in one shape. Not here: which rule covers it and by when (report_duties.py).

Reportable, unless the device is known not to be the cause (`not_related`):
- an adverse event that is serious, by itself or by a criterion of seriousness, or a death, by its
  outcome, grade, criteria or words (words.py);
- a device deficiency that could have led to a serious event, and one of which that is not known;
- an incident that is serious, or a death by its words, with staff, a visitor, somebody else or
  nobody (nobody: a near miss).
"""

import polars as pl

from .words import DEATH, any_says, is_death

# what a row of `happenings` has
HAPPENING = (
    "subject_kind",
    "subject_id",
    "clinic_id",
    "harm",
    "is_harm_known",
    "person",
    "aware_at",
    "reported_at",
    "reported_to",
    "utc_offset_min",
)


def happenings(
    *,
    adverse_events: pl.DataFrame,
    deficiencies: pl.DataFrame,
    incidents: pl.DataFrame,
) -> pl.DataFrame:
    """One row per reportable event: `HAPPENING`; key `subject_kind`, `subject_id`.

    Frames of core; adverse events with the clinic where each happened (event_places.py).
    """
    parts = (
        _adverse_events(adverse_events),
        _deficiencies(deficiencies),
        _incidents(incidents),
    )
    return pl.concat(part.select(HAPPENING) for part in parts)


def reportable_events(events: pl.DataFrame) -> pl.DataFrame:
    """Of adverse events, of core or raw, those that are reportable by themselves."""
    is_serious = (
        pl.col("is_serious").fill_null(pl.col("serious_criteria").list.len() > 0).fill_null(False)
    )
    return events.filter((is_serious | is_death()) & pl.col("related").ne_missing("not_related"))


def _adverse_events(events: pl.DataFrame) -> pl.DataFrame:
    harm = (
        pl.when(is_death())
        .then(pl.lit("death"))
        .when(pl.col("is_expected").fill_null(False))
        .then(pl.lit("serious_expected"))
        .otherwise(pl.lit("serious"))
    )
    return reportable_events(events).with_columns(
        subject_kind=pl.lit("adverse_event"),
        subject_id="ae_id",
        harm=harm,
        is_harm_known=pl.lit(True),
        person=pl.lit("patient"),
    )


def _deficiencies(deficiencies: pl.DataFrame) -> pl.DataFrame:
    """A deficiency has no field for when the clinic became aware, nor for a report."""
    return deficiencies.filter(pl.col("could_have_led_to_sae").fill_null(True)).with_columns(
        subject_kind=pl.lit("deficiency"),
        subject_id="deficiency_id",
        harm=pl.lit("near_miss"),
        is_harm_known=pl.col("could_have_led_to_sae").is_not_null(),
        person=pl.lit("nobody"),
        **_UNREPORTED,
        aware_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    )


def _incidents(incidents: pl.DataFrame) -> pl.DataFrame:
    """An incident has no field for a report. With nobody harmed a serious one is a near miss."""
    dies = any_says(DEATH, "kind")
    person = pl.col("subject_kind").replace("none", "nobody").fill_null("other")
    return incidents.filter(pl.col("is_serious").fill_null(False) | dies).with_columns(
        person=person,
        subject_kind=pl.lit("incident"),
        subject_id="incident_id",
        harm=pl.when(person == "nobody")
        .then(pl.lit("near_miss"))
        .when(dies)
        .then(pl.lit("death"))
        .otherwise(pl.lit("serious")),
        is_harm_known=pl.lit(True),
        **_UNREPORTED,
    )


_UNREPORTED = {
    "reported_at": pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    "reported_to": pl.lit(None, dtype=pl.String),
}
