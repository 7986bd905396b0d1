"""Studies: who is in which study from which day to which, what it masks, when its visits are
planned.

Here: the rules on enrolments, as functions of frames. Not here: what is computed of a study's
patients (the marts).

A patient is in routine care (`ROUTINE`) where in no study at all, or where a session that began
lies outside all of his or her enrolments. A record belongs to the study in whose enrolment its day
lies (of several the one that began last), else to routine care; of a patient without routine care
to the next study that begins, else to the last one.
"""

import json

import polars as pl

from ..facts.values import ROUTINE
from ..facts.visits import BASELINE, VISIT, VISITS, Visit
from ..options import Cut
from ..schemas import CORE_TABLES
from . import masking

ENROLMENTS = CORE_TABLES["study_enrolments"]
BASELINE_DAYS = -VISIT[BASELINE].first


def enrolments(explicit: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """The rows of `core.study_enrolments`: explicit ones, and the short form of patients without
    one of that study.

    The short form is in the patient's `study_id` from the earlier of `enrolled_on` and
    `allocated_on`, without an end; its id is STUDY:PATIENT. `explicit`: rows that count, patients
    merged. `patients`: rows of core.patients.
    """
    short = (
        patients.filter(pl.col("study_id").is_not_null())
        .join(explicit, on=["study_id", "patient_id"], how="anti")
        .with_columns(
            pl.lit(None).alias(name)
            for name in ("subject_id", "clinic_id", "strata", "analysis_sets", "to")
        )
        .with_columns(
            pl.min_horizontal("enrolled_on", "allocated_on").alias("from"),
            enrolment_id=pl.concat_str("study_id", "patient_id", separator=":"),
            is_set_aside=pl.lit(False),
        )
    )
    return pl.concat([ENROLMENTS.conform(explicit), ENROLMENTS.conform(short)]).sort(ENROLMENTS.key)


def memberships(
    patients: pl.DataFrame, study_enrolments: pl.DataFrame, begun: pl.DataFrame
) -> pl.DataFrame:
    """One row per patient and study, routine care being one: from which day, to which (null =
    open), arm, allocation.

    `begun`: sessions that began, with `patient_id` and local `day`. Columns: `study_id`,
    `patient_id`, `subject_id`, `clinic_id` (null = the patient's), `from_on`, `to_on`, `arm`,
    `allocation`, `allocated_on`, `is_allocated`, `strata`, `analysis_sets`, `enrolments` (how many),
    `has_other_arm` (a later one has another). Routine care runs from the enrolment as a patient and
    has the arm of a patient without a study. Several enrolments in one study are one, from the first
    to the last, as that one says which allocated first, else the first one (intention to treat). A
    first day that is not known is that of the allocation, else of the enrolment as a patient.
    """
    dated = study_enrolments.join(patients.select("patient_id", "enrolled_on"), on="patient_id")
    dated = dated.with_columns(pl.coalesce("from", "allocated_on", "enrolled_on").alias("from"))
    by_start = _allocating_first(dated)
    end = pl.when(pl.col("to").is_null().any()).then(None).otherwise(pl.col("to").max())
    first = (
        "subject_id",
        "clinic_id",
        "arm",
        "allocation",
        "allocated_on",
        "is_allocated",
        "strata",
        "analysis_sets",
    )
    in_study = by_start.group_by("patient_id", "study_id", maintain_order=True).agg(
        *(pl.col(c).first() for c in first),
        from_on=pl.col("from").min(),
        to_on=end,
        enrolments=pl.len().cast(pl.Int64),
        has_other_arm=pl.col("arm").drop_nulls().n_unique() > 1,
    )
    outside = outside_all(begun.select("patient_id", "day"), in_study)
    in_routine = patients.join(in_study, on="patient_id", how="anti")
    in_routine = pl.concat(
        [
            in_routine,
            patients.join(in_study, on="patient_id", how="semi").join(
                outside, on="patient_id", how="semi"
            ),
        ]
    )
    is_own = pl.col("study_id").is_null()
    routine = in_routine.select(
        "patient_id",
        *(
            pl.when(is_own).then(c).alias(c)
            for c in ("arm", "allocation", "allocated_on", "is_allocated")
        ),
        study_id=pl.lit(ROUTINE),
        from_on="enrolled_on",
    )
    return pl.concat([in_study, routine], how="diagonal").sort("patient_id", "from_on", "study_id")


def allocates() -> pl.Expr:
    """Whether an enrolment allocated its patient: an arm, known or masked, or a day is on record."""
    is_known = pl.col("arm").is_not_null() | pl.col("allocated_on").is_not_null()
    return pl.col("is_allocated").fill_null(False) | is_known


def _allocating_first(dated: pl.DataFrame) -> pl.DataFrame:
    """Each patient's enrolments in a study, that which allocated first before all others.

    Of several the day of allocation is, where it is not known, its own first day: theirs together may
    have begun before.
    """
    is_one_of_several = pl.len().over("patient_id", "study_id") > 1
    own_day = pl.when(is_one_of_several & allocates()).then("from")
    dated = dated.with_columns(allocated_on=pl.coalesce("allocated_on", own_day))
    day = pl.coalesce("allocated_on", "from")
    return dated.sort("patient_id", "study_id", ~allocates(), day, "from", "enrolment_id")


def outside_all(days: pl.DataFrame, in_study: pl.DataFrame) -> pl.DataFrame:
    """The rows of `days` (`patient_id`, `day`) that lie in none of the patient's enrolments; an
    unknown day does not.
    """
    days = days.drop_nulls("day")
    spans = in_study.select("patient_id", "from_on", "to_on")
    inside = days.join(spans, on="patient_id").filter(_holds("day"))
    return days.join(inside, on=["patient_id", "day"], how="anti")


def _holds(day: str) -> pl.Expr:
    return (pl.col("from_on") <= pl.col(day)) & (
        pl.col("to_on").is_null() | (pl.col(day) <= pl.col("to_on"))
    )


def with_study(frame: pl.DataFrame, spans: pl.DataFrame, *, day: str) -> pl.DataFrame:
    """The frame (with `patient_id`) with STUDYID: the study that the row belongs to by the local
    day in `day`.

    Where the day is null, routine care, else the first study. `spans`: rows of mart.adsl, or their
    STUDYID, USUBJID, ENRLDT and ENRENDT; rows of other patients are left out.
    """
    spans = spans.select("STUDYID", patient_id="USUBJID", from_on="ENRLDT", to_on="ENRENDT")
    if spans["patient_id"].is_unique().all():
        return frame.join(
            spans.select("patient_id", "STUDYID"), on="patient_id", maintain_order="left"
        )
    frame = frame.with_row_index("_row")
    pairs = frame.select("_row", "patient_id", _day=day).join(spans, on="patient_id")
    is_routine, begins = pl.col("STUDYID") == ROUTINE, pl.col("from_on").cast(pl.Int32)
    holds = ~is_routine & _holds("_day").fill_null(False)
    begins_later = (pl.col("from_on") > pl.col("_day")).fill_null(True)
    rank = pl.when(holds).then(0).when(is_routine).then(1).when(begins_later).then(2).otherwise(3)
    order = pl.when(rank == 2).then(begins).otherwise(-begins)
    best = pairs.sort("_row", rank, order, "STUDYID").unique(
        "_row", keep="first", maintain_order=True
    )
    return frame.join(best.select("_row", "STUDYID"), on="_row", maintain_order="left").drop("_row")


def of_studies(
    frame: pl.DataFrame, adsl: pl.DataFrame, *, day: str, lead_days: int
) -> pl.DataFrame:
    """The frame's rows once for each study that they tell something of, with STUDYID: for outcomes
    and their baselines.

    A row belongs to the study of `with_study`, to every other one in whose enrolment its day lies,
    and to each that begins in the `lead_days` after it: that may be its baseline.
    """
    own = with_study(frame, adsl, day=day)
    spans = adsl.filter(pl.col("STUDYID") != ROUTINE).select(
        patient_id="USUBJID",
        _other="STUDYID",
        from_on=pl.col("ENRLDT") - pl.duration(days=lead_days),
        to_on="ENRENDT",
    )
    also = own.join(spans, on="patient_id").filter(
        _holds(day) & (pl.col("_other") != pl.col("STUDYID"))
    )
    also = also.with_columns(STUDYID="_other").select(own.columns)
    return pl.concat([own, also])


def masked(studies: pl.DataFrame, *, cut: Cut) -> list[str]:
    """The ids of the studies whose arms are masked: `masked_until` is later than the data cut's day
    (UTC).

    On the day `masked_until` itself arms are shown.
    """
    return masking.masked(studies, on=cut.hour.date())


def planned_visits(plan: str | None) -> tuple[Visit, ...]:
    """The visits of a study's `planned_visits` (JSON); windows.VISITS where it gives no window of a
    follow-up visit.

    A planned visit counts where it has a first and a last day, in this order; a target that is not
    given is the window's middle. Baseline is the default one where the study plans none.
    """
    planned = [visit for item in json.loads(plan or "[]") if (visit := _visit(item))]
    if all(v.name == BASELINE for v in planned):
        return VISITS
    has_baseline = any(v.name == BASELINE for v in planned)
    visits = planned if has_baseline else [VISIT[BASELINE], *planned]
    return tuple(sorted(visits, key=lambda v: (v.target, v.name)))


def _visit(item: dict) -> Visit | None:
    first, last = item.get("from_day"), item.get("to_day")
    if first is None or last is None or first > last:
        return None
    target = item.get("target_day")
    middle = (first + last) // 2
    return Visit(item["visit"], int(middle if target is None else target), int(first), int(last))
