"""Strata: aggregation over combinations of clinic, modality, indication and study with arm.

Here: subjects, the dimensions of each, and one group-by a combination. Not here: which combinations
are stored (facts/strata.py), what is aggregated (each summary), a stratum that somebody asks for
(asked.py).

A subject is a patient in a study (routine care being one): where study and arm are a dimension, a
patient of two studies is in a stratum of each. In any other stratum each patient counts once, as
the subject who was treated first.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from ..facts.strata import (
    COLUMNS_OF,
    DIMENSIONS,
    STORED,
    STRATUM_COLUMNS,
    STUDY_ARM,
    Combination,
)
from ..facts.values import MASKED, NONE, ROUTINE, UNKNOWN

COUNTS_ONCE = "counts_once"
# What `dimensions_of` reads
ADSL_COLUMNS = (
    "STUDYID",
    "USUBJID",
    "SITEID",
    "MODALITY",
    "INDICATN",
    "ARM",
    "MASKFL",
    "TRTSDT",
    "DAY1DT",
)
_BETWEEN = "\x1f"  # in no id, for ids have no control characters


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


class Over(tuple[Combination, ...]):
    """Combinations of dimensions of which some strata alone are wanted: those in which something
    was `touched`, rows of all STRATUM_COLUMNS; None = all.
    """

    touched: pl.DataFrame | None

    def __new__(cls, combinations: Iterable[Combination], touched: pl.DataFrame | None = None):
        over = super().__new__(cls, combinations)
        over.touched = touched
        return over

    def strata(self) -> pl.DataFrame:
        """The strata that are wanted, a row each of STRATUM_COLUMNS."""
        parts = [self.touched.select(in_force(c)[:-1]).unique() for c in self]
        return pl.concat(parts)

    def needed(self, frame: pl.DataFrame, combination: Combination) -> pl.DataFrame:
        """The rows of a frame with strata that those of a combination are counted from: of all
        clinics, for a stratum's limits are of each of its clinics.
        """
        columns = [c for c in columns_of(combination) if c != "clinic_id"]
        if self.touched is None or not columns:
            return frame
        return frame.join(self.touched.select(columns).unique(), on=columns, how="semi")


def is_of(over: Sequence[Combination]) -> pl.Expr:
    """Whether a row is of one of the combinations."""
    stored = pl.col("strata").list.join(",")
    wanted = [",".join(combination) for combination in over]
    return stored.is_in(wanted)


def rows_over(frame: pl.DataFrame, over: Sequence[Combination]) -> pl.DataFrame:
    """The rows of a summary that are of the combinations, and of the strata that are wanted."""
    rows = frame.filter(is_of(over))
    if not isinstance(over, Over) or over.touched is None:
        return rows
    return rows.join(
        over.strata(), on=STRATUM_COLUMNS, how="semi", nulls_equal=True, maintain_order="left"
    )


def with_clinics(over: Sequence[Combination]) -> Over:
    """The combinations, and each of them by clinic: what a pooled row's limits for clinics like
    these are of.
    """
    by_clinic = (tuple(d for d in DIMENSIONS if d == "clinic_id" or d in c) for c in over)
    touched = over.touched if isinstance(over, Over) else None
    return Over(dict.fromkeys([*over, *by_clinic]), touched)


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
    over: Sequence[Combination] = STORED,
    **aggregates: pl.Expr,
) -> pl.DataFrame:
    """A row a stratum (and value of `by`) with the aggregates, over the combinations of dimensions
    in `over`.

    `frame` holds the dimensions, none of them null, and `counts_once`. A dimension not in force is
    null; `strata` lists those in force.
    """
    if frame.is_empty() or not over:
        return _one(frame, (), aggregates, by).clear()
    wanted = over if isinstance(over, Over) else Over(over)
    return pl.concat([_one(wanted.needed(frame, c), c, aggregates, by) for c in over])


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
