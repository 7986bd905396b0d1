"""Records that contradict themselves or others, or whose judgement fails, as a cause of alerts.

Here: `core.conflicts` and `core.implausible` -> causes. Not here: what is a clash
(records/identity.py) or can't be true (rules/plausibility.py), records that can't be read.
"""

from datetime import datetime

import polars as pl

from .causes import causes

_SERIES = ("readings", "telemetry")
BETWEEN = " and "  # the clinics whose ids clash

# Patients and single records (`table`, `record_id`) whose judgement fails, and why.
UNJUDGED = pl.Schema(
    {
        "table": pl.String,
        "record_id": pl.String,
        "patient_id": pl.String,
        "clinic_id": pl.String,
        "reason": pl.String,
    }
)


def of_clashes(conflicts: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """A cause an id whose records are of two things: what numbers alike is the topic of the same
    clinics.

    `patients`: of core, for the clinic of a record that names none.
    """
    home = patients.select("patient_id", _home="clinic_id")
    clashes = conflicts.filter(pl.col("kind") == "clash").join(home, on="patient_id", how="left")
    clashes = clashes.with_columns(clinic_id=pl.coalesce("clinic_id", "_home")).sort(
        "ingested_at", "event_id"
    )
    each = clashes.group_by("topic", "record_id", maintain_order=True).agg(
        evidence=pl.col("event_id").unique(maintain_order=True).head(20),
        ingested_at=pl.col("ingested_at").min(),
        _clinics=pl.col("clinic_id").drop_nulls().unique().sort().str.join(BETWEEN),
    )
    return causes(
        "clash_of_ids",
        each,
        subject_kind="record",
        subject_id=pl.format("{}/{}", "topic", "record_id"),
        cause=pl.format(
            "{} of {}", "topic", pl.col("_clinics").replace("", "a clinic that is not named")
        ),
        evidence=pl.col("evidence"),
        occurred_at=pl.col("ingested_at"),
        finding=pl.format("{} {} is the id of two things", "topic", "record_id"),
    )


def of_implausible(implausible: pl.DataFrame) -> pl.DataFrame:
    """A cause a contradiction, and a field of a safety record that can't be true.

    Of series that run on past a death one a patient and rule, not one an event.
    """
    wrong = implausible.filter(pl.col("is_contradiction") | pl.col("is_safety"))
    of_series = pl.col("table").is_in(_SERIES)
    about = wrong.with_columns(
        _subject=pl.when(of_series)
        .then(pl.coalesce("patient_id", "record_id"))
        .otherwise("record_id"),
        _cause=pl.when(of_series).then("rule").otherwise(pl.format("{} {}", "field", "rule")),
    ).sort("ingested_at", "event_id")
    each = about.group_by(
        "is_contradiction", "table", "_subject", "_cause", maintain_order=True
    ).agg(
        pl.col("clinic_id", "patient_id", "sentence").first(),
        evidence=pl.col("event_id").unique(maintain_order=True).head(20),
        ingested_at=pl.col("ingested_at").min(),
    )
    parts = each.partition_by("is_contradiction", as_dict=True)
    rules = {(True,): "contradiction", (False,): "implausible_safety_record"}
    return pl.concat(
        causes(
            rule,
            parts.get(is_contradiction, each.clear()),
            subject_kind="record",
            subject_id=pl.format("{}/{}", "table", "_subject"),
            cause=pl.col("_cause"),
            clinic_id=pl.col("clinic_id"),
            patient_id=pl.col("patient_id"),
            evidence=pl.col("evidence"),
            occurred_at=pl.col("ingested_at"),
            finding=pl.col("sentence"),
        )
        for is_contradiction, rule in rules.items()
    )


def of_unjudged(unjudged: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """One cause per patient or single record that can't be judged. `unjudged`: UNJUDGED.

    Its subject is the judgement, `TABLE/ID`, not the record, whose other alerts stay as they were.
    """
    return causes(
        "not_judged",
        unjudged,
        subject_kind="judgement",
        subject_id=pl.format("{}/{}", "table", "record_id"),
        clinic_id=pl.col("clinic_id"),
        patient_id=pl.col("patient_id"),
        evidence=pl.lit([], dtype=pl.List(pl.String)),
        occurred_at=pl.lit(now),
        landed_at=pl.lit(now),
        finding=pl.format("can't be judged ({})", "reason"),
    )
