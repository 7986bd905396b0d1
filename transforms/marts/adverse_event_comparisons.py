"""mart.adverse_event_comparisons: rate ratios of adverse events between arms, modalities and clinics.

Here: which strata of mart.adverse_event_rates are set against which, and the ratios. Not here: the counts themselves
(adverse_event_rates), the ratio (rates), clinics against the number expected of their modalities (clinic_funnel).

Each arm is set against the reference arm of its study (as in arm_comparisons), each modality against each other, each clinic
against all others together: never clinic against clinic, never a ranking. Nothing is adjusted for case mix; a
p-value stands only between arms of which every patient was randomised. Few reported events are not fewer events.
"""

from collections.abc import Iterator

import polars as pl

from .. import disclosure, rates
from ..options import Cut, Options
from ..schemas import MART_TABLES
from .arm_comparisons import NO_REFERENCE, REFERENCE_ARMS, reference_arm
from .stamp import stamped
from .strata import MASKED, NONE, STUDY_ARM

TABLE = MART_TABLES["adverse_event_comparisons"]
INPUTS = ("mart.adverse_event_rates", "mart.adsl")
METRIC = "adverse_event_rate_ratio"
OTHERS = "(all others)"
_CELL = ("term", "is_serious_only", "is_related_only", "is_treatment_emergent_only", "is_session_emergent_only",
         "min_grade")  # fmt: skip
_COUNTS = ("patients", "events", "sessions", "patient_years")
_EXPOSURES = ("sessions", "patient_years")
_NOT_NAMED = f"no arm is named {', '.join(REFERENCE_ARMS)}: name it in FLOE_REFERENCE_ARM"


def compute(*, adverse_event_rates, adsl, options: Options, cut: Cut) -> pl.DataFrame:
    """A row a pair, term and restriction; columns of MART_TABLES["adverse_event_comparisons"]."""
    parts = [
        *_of_studies(_groups(adverse_event_rates, STUDY_ARM), adsl, options=options),
        _each_against_each(_groups(adverse_event_rates, "modality")),
        _each_against_others(_groups(adverse_event_rates, "clinic_id")),
    ]
    pairs = pl.concat(parts, how="diagonal")
    if pairs.is_empty():
        return TABLE.empty()
    whole = adverse_event_rates.filter(pl.col("strata").list.len() == 0).select(*_CELL, "overdispersion")
    pairs = pairs.join(whole, on=list(_CELL), how="left", nulls_equal=True)
    for exposure in _EXPOSURES:
        pairs = rates.rate_ratio_columns(
            pairs, x1="events", t1=exposure, x2="reference_events", t2=f"reference_{exposure}",
            name=f"{exposure}_rate_ratio", dispersion="overdispersion",
        )  # fmt: skip
    pairs = pairs.with_columns(cells(options).suppressed(pairs), metric_id=pl.lit(METRIC), **_reasons())
    return TABLE.conform(stamped(_with_p_values(pairs), cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """No row is for readers from outside: a group's counts, less those of a pair, are another group's."""
    return disclosure.Cells(
        counts=["patients", "events"], dimensions=["term"], min_cell=options.min_cell,
        by=["dimension", "study_id", "compared", "reference", *(c for c in _CELL if c != "term")],
        widened=lambda rows: pl.repeat(True, rows.height, eager=True).alias("is_suppressed"),
    )  # fmt: skip


def _groups(table: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """The strata of one dimension alone: `dimension`, `compared`, the restriction, its counts."""
    column = "arm" if dimension == STUDY_ARM else dimension
    alone = table.filter((pl.col("strata").list.len() == 1) & pl.col(column).is_not_null())
    return alone.select(
        pl.lit(column).alias("dimension"), pl.col(column).alias("compared"), "study_id", *_CELL, *_COUNTS,
        "unread_records",
    )  # fmt: skip


def _paired(groups: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """Every group beside the rows of `references` (its `of` names the group that a reference is for)."""
    named = references.rename({c: f"reference_{c}" for c in _COUNTS})
    columns = ["of", "reference", *_CELL, *(f"reference_{c}" for c in _COUNTS)]
    return groups.join(
        named.select(columns), left_on=["compared", *_CELL], right_on=["of", *_CELL], how="inner", nulls_equal=True
    )


def _each_against_each(groups: pl.DataFrame) -> pl.DataFrame:
    """Each group against those before it in sort order, so that a pair is there once."""
    names = groups["compared"].unique().sort()
    of = pl.DataFrame([(a, b) for a in names for b in names if a > b], schema={"of": pl.String, "reference": pl.String},
                      orient="row")  # fmt: skip
    return _paired(groups, of.join(groups, left_on="reference", right_on="compared"))


def _each_against_others(groups: pl.DataFrame) -> pl.DataFrame:
    """Each group against the sum of all others."""
    names = groups.select(of="compared").unique()
    pairs = names.join(groups, how="cross").filter(pl.col("of") != pl.col("compared"))
    sums = [pl.col(c).sum() for c in _COUNTS]
    others = pairs.group_by("of", *_CELL).agg(*sums)
    return _paired(groups, others.with_columns(reference=pl.lit(OTHERS)))


def _of_studies(groups: pl.DataFrame, adsl: pl.DataFrame, *, options: Options) -> Iterator[pl.DataFrame]:
    """The arms of each study among themselves; who has no arm, or a masked one, is in no comparison."""
    armed = groups.filter(~pl.col("compared").is_in([NONE, MASKED]))
    for (study,), of_study in armed.partition_by("study_id", as_dict=True).items():
        yield _arms(of_study, adsl.filter(STUDYID=study), options=options)


def _arms(groups: pl.DataFrame, adsl: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Each arm against the reference arm, with how they came about; without a reference the counts alone."""
    arms = adsl.select(arm="ARM", how=pl.col("ALLOCATN").fill_null("unknown")).drop_nulls("arm")
    named = next(iter(adsl["REFARM"].drop_nulls()), None)
    reference = reference_arm(arms["arm"].unique().sort().to_list(), named=named, options=options)
    others = groups.filter(pl.col("compared") != reference) if reference else groups
    if reference is None:
        return others.with_columns(reference=pl.lit(NO_REFERENCE), **{
            f"reference_{c}": pl.lit(None, groups.schema[c]) for c in _COUNTS})  # fmt: skip
    of = groups.filter(pl.col("compared") == reference).drop("compared")
    pairs = _paired(others, others.select(of="compared").unique().join(of, how="cross").with_columns(
        reference=pl.lit(reference)))  # fmt: skip
    allocation = pl.DataFrame(
        [(arm, ", ".join(sorted(set(arms.filter(pl.col("arm").is_in([arm, reference]))["how"]))))
         for arm in arms["arm"].unique().sort() if arm != reference],
        schema={"compared": pl.String, "allocation": pl.String}, orient="row",
    )  # fmt: skip
    return pairs.join(allocation, on="compared", how="left")


def _reasons() -> dict[str, pl.Expr]:
    """Why a ratio, or its upper limit, can't be given; by sessions and by patient-years."""
    nobody = (pl.col("events") == 0) & (pl.col("reference_events") == 0)
    return {
        f"{exposure}_reason": pl.when(pl.col("reference") == NO_REFERENCE)
        .then(pl.lit(_NOT_NAMED))
        .when((pl.col(exposure) == 0) | (pl.col(f"reference_{exposure}") == 0))
        .then(pl.lit("a group has no exposure: there is no rate to compare"))
        .when(nobody)
        .then(pl.lit("no events in either group: the ratio could be anything"))
        .when(pl.col("reference_events") == 0)
        .then(pl.lit("no events in the reference: the ratio has no upper bound"))
        for exposure in _EXPOSURES
    }


def _with_p_values(pairs: pl.DataFrame) -> pl.DataFrame:
    """The exact two-sided p-value of each ratio between arms whose patients were all randomised."""
    columns = {f"{exposure}_p_value": [] for exposure in _EXPOSURES}
    for row in pairs.iter_rows(named=True):
        is_randomised = row["dimension"] == "arm" and row.get("allocation") == "randomised"
        for exposure in _EXPOSURES:
            numbers = (row["events"], row[exposure], row["reference_events"], row[f"reference_{exposure}"])
            columns[f"{exposure}_p_value"].append(rates.rate_ratio(*numbers).p_value if is_randomised else None)
    missing = [] if "allocation" in pairs.columns else [pl.lit(None, pl.String).alias("allocation")]
    return pairs.with_columns(*missing, *(pl.Series(n, v, pl.Float64) for n, v in columns.items()))
