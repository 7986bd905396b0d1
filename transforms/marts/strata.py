"""Strata: every combination of clinic, modality, indication and study with arm, and aggregation
over them.

Here: subjects, the dimensions of each, and one group-by a combination. Not here: what is aggregated
(each summary).

A subject is a patient in a study (routine care being one): where study and arm are a dimension, a
patient of two studies is in a stratum of each. In any other stratum each patient counts once, as
the subject who was treated first.
"""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from ..facts.values import MASKED, NONE, ROUTINE, UNKNOWN
from ..schemas.mart import COLUMNS_OF, DIMENSIONS, STRATUM_COLUMNS

STUDY_ARM = "study_arm"
COUNTS_ONCE = "counts_once"
_BETWEEN = "\x1f"  # in no id, for ids have no control characters

COMBINATIONS: tuple[tuple[str, ...], ...] = tuple(
    combination
    for size in range(len(DIMENSIONS) + 1)
    for combination in combinations(DIMENSIONS, size)
)

PAIRS = tuple(c for c in COMBINATIONS if len(c) <= 2)
# The whole, each dimension, and each within a study's arm: what a page shows with one filter
ONE_FILTER = tuple(c for c in PAIRS if len(c) < 2 or STUDY_ARM in c)

# For tables with many rows a stratum: everybody, each dimension alone, and the modalities of a
# clinic; all of that with study and arm too
_FEW = ((), ("clinic_id",), ("modality",), ("indication",), ("clinic_id", "modality"))
FEW_COMBINATIONS = tuple(c for c in COMBINATIONS if tuple(d for d in c if d != STUDY_ARM) in _FEW)


# --- subjects -----------------------------------------------------------------------------------


def subject(study: str = "STUDYID", patient: str = "USUBJID", period: str | None = None) -> pl.Expr:
    """One text that names a patient in a study; with `period` (a column), in an episode there."""
    parts = [pl.col(study), pl.col(patient)]
    if period:
        parts.append(pl.col(period).cast(pl.String).fill_null(""))
    return pl.concat_str(parts, separator=_BETWEEN)


def of_subjects(frame: pl.DataFrame) -> pl.DataFrame:
    """A CDISC-like mart with `patient_id` beside a USUBJID that names the patient in the study of
    the row.
    """
    return frame.with_columns(patient_id="USUBJID", USUBJID=subject())


def of_episodes(frame: pl.DataFrame) -> pl.DataFrame:
    """A CDISC-like mart with `patient_id` beside a USUBJID that names patient, study and episode."""
    return frame.with_columns(patient_id="USUBJID", USUBJID=subject(period="APERIOD"))


def per_subject(frame: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Rows of a patient (`patient_id`) once for each of the subjects that the patient is, who take
    its place.
    """
    names = subjects.select("patient_id", _subject="USUBJID")
    return frame.join(names, on="patient_id").with_columns(patient_id="_subject").drop("_subject")


def dimensions_of(adsl: pl.DataFrame) -> pl.DataFrame:
    """A row a row of adsl: STUDYID, USUBJID and the columns of the four dimensions, never null, and
    `counts_once`.

    (none) = no session, or no arm; (masked) = the arms of the study are masked; (unknown).
    `counts_once`: this row stands for its patient where the study is no dimension: that with the
    first delivered session, else the first one.
    """
    arm = (
        pl.when(pl.col("MASKFL") == "Y")
        .then(pl.lit(MASKED))
        .otherwise(pl.col("ARM").fill_null(NONE))
    )
    patient = "patient_id" if "patient_id" in adsl.columns else "USUBJID"
    order = [pl.col("TRTSDT"), pl.col("DAY1DT"), pl.col("STUDYID") != ROUTINE, pl.col("STUDYID")]
    ordered = adsl.sort(order, nulls_last=True, maintain_order=True)
    return ordered.select(
        "STUDYID",
        "USUBJID",
        clinic_id=pl.col("SITEID").fill_null(UNKNOWN),
        modality=pl.col("MODALITY").fill_null(NONE),
        indication=pl.col("INDICATN").fill_null(UNKNOWN),
        study_id="STUDYID",
        arm=arm,
        counts_once=pl.col(patient).is_first_distinct(),
    )


# --- strata -------------------------------------------------------------------------------------


def columns_of(combination: Sequence[str]) -> list[str]:
    """The columns of a combination of dimensions."""
    return [column for dimension in combination for column in COLUMNS_OF[dimension]]


def in_force(combination: Sequence[str]) -> list[pl.Expr]:
    """The columns of all dimensions, null where not in the combination, and `strata`, those in
    it.
    """
    columns = columns_of(combination)
    values = [
        pl.col(c) if c in columns else pl.lit(None, pl.String).alias(c) for c in STRATUM_COLUMNS
    ]
    strata = pl.lit(pl.Series([list(combination)], dtype=pl.List(pl.String))).first()
    return [*values, strata.alias("strata")]


def once(frame: pl.DataFrame, combination: Sequence[str]) -> pl.DataFrame:
    """The rows to count: without study and arm those alone that stand for their patient
    (`counts_once`).
    """
    if STUDY_ARM in combination:
        return frame
    return frame.filter(COUNTS_ONCE)


def by_strata(
    frame: pl.DataFrame,
    *,
    by: Sequence[str] = (),
    over: Sequence[tuple[str, ...]] = COMBINATIONS,
    **aggregates: pl.Expr,
) -> pl.DataFrame:
    """A row a stratum (and value of `by`) with the aggregates, over the combinations of dimensions
    in `over`.

    `frame` holds the dimensions, none of them null, and `counts_once`. A dimension not in force is
    null; `strata` lists those in force.
    """
    if frame.is_empty():
        return pl.concat([_one(frame, (), aggregates, by)]).clear()
    return pl.concat([_one(frame, combination, aggregates, by) for combination in over])


def _one(
    frame: pl.DataFrame,
    combination: tuple[str, ...],
    aggregates: dict[str, pl.Expr],
    by: Sequence[str],
) -> pl.DataFrame:
    keys = [*columns_of(combination), *by]
    frame = once(frame, combination)
    grouped = frame.group_by(keys).agg(**aggregates) if keys else frame.select(**aggregates)
    rest = [c for c in grouped.columns if c not in (*STRATUM_COLUMNS, "strata", *by)]
    return grouped.select(*in_force(combination), *by, *rest)
