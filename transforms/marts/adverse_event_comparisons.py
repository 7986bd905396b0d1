"""mart.adverse_event_comparisons: rate ratios of adverse events between arms, modalities and
clinics.

Here: which strata of mart.adverse_event_rates are set against which. Not here: the counts
themselves (adverse_event_rates), the figures (event_figures), clinics against the number expected
of their modalities (clinic_funnel).

Each arm is set against the reference arm of its study (as in arm_comparisons), each modality
against each other, each clinic against all others together: never clinic against clinic, never a
ranking. Nothing is adjusted for case mix; a p-value stands only between arms of which every patient
was randomised. Few reported events are not fewer events.
"""

import json
from collections.abc import Iterator, Mapping

import polars as pl

from ..facts.restrictions import key_columns
from ..facts.values import EVENT_RATE_RATIO, MASKED, NONE, OTHERS, UNKNOWN
from ..options import Cut, Options
from ..schemas import MARK, MART_TABLES
from . import adverse_event_rates as counted
from .arm_pairs import NO_REFERENCE, reference_arm
from .event_figures import COUNTS, EXPOSURES, RISKS, risks, with_rate_ratios
from .stamp import stamped
from .strata import STUDY_ARM

TABLE = MART_TABLES["adverse_event_comparisons"]
INPUTS = ("mart.adverse_event_rates", *counted.INPUTS)
TOUCHED_BY = counted.TOUCHED_BY
CLINIC = "clinic"  # what a comparison is stratified by where the study's allocation was not
_CELL = ("term", *key_columns())
_BETWEEN = "\x1f"  # in no name of an arm, for ids have no control characters


def compute(
    *, adverse_event_rates, adsl, options: Options, cut: Cut, **tables: pl.DataFrame
) -> pl.DataFrame:
    """A row a pair, term and restriction; columns of MART_TABLES["adverse_event_comparisons"].

    `tables`: the other inputs of mart.adverse_event_rates, from which arms are counted anew within
    strata.
    """
    parts = [
        *_of_studies(_groups(adverse_event_rates, STUDY_ARM), adsl, options=options),
        _each_against_each(_groups(adverse_event_rates, "modality")),
        _each_against_others(_groups(adverse_event_rates, "clinic_id")),
    ]
    pairs = pl.concat([part for part in parts if part.width], how="diagonal_relaxed")
    if pairs.is_empty():
        return TABLE.empty()
    if "allocation" not in pairs.columns:
        pairs = pairs.with_columns(allocation=pl.lit(None, pl.String))
    is_randomised = (pl.col("dimension") == "arm") & (pl.col("allocation") == "randomised")
    pairs = with_rate_ratios(pairs, is_randomised=is_randomised.fill_null(False)).with_columns(
        pl.when(pl.col("reference") == NONE)
        .then(pl.lit(NO_REFERENCE))
        .otherwise(f"{e}_reason")
        .alias(f"{e}_reason")
        for e in EXPOSURES
    )
    pairs = _with_risks(pairs, _by_stratum(adsl, tables, options=options, cut=cut), adsl)
    # between two groups no row is for readers from outside: a group's counts, less those of a pair,
    # are another group's
    pairs = pairs.with_columns(pl.lit(True).alias(MARK), metric_id=pl.lit(EVENT_RATE_RATIO))
    return TABLE.conform(stamped(pairs, cut=cut)).sort(TABLE.key, nulls_last=False)


# --- strata -------------------------------------------------------------------------------------


def _by_stratum(
    adsl: pl.DataFrame, tables: Mapping[str, pl.DataFrame], *, options: Options, cut: Cut
) -> pl.DataFrame:
    """`study_id`, `arm`, `stratum`, the restriction, `patients`, `patients_with_event`: arms
    counted within strata.

    As mart.adverse_event_rates counts an arm, of patients who are each in one stratum: that of the
    allocation's factors, else the enrolling clinic.
    """
    armed = adsl.filter(pl.col("ARM").is_not_null())
    armed = armed.with_columns(ARM=pl.concat_str("ARM", _stratum(armed), separator=_BETWEEN))
    rows = counted.compute(adsl=armed, options=options, cut=cut, over=((STUDY_ARM,),), **tables)
    rows = rows.filter(pl.col("arm").str.contains(_BETWEEN, literal=True))
    names = pl.col("arm").str.split_exact(_BETWEEN, 1).struct.rename_fields(["arm", "stratum"])
    return (
        rows.with_columns(names.alias("names"))
        .drop("arm")
        .unnest("names")
        .select("study_id", "arm", "stratum", *_CELL, "patients", "patients_with_event")
    )


def _stratum(adsl: pl.DataFrame) -> pl.Series:
    """Each patient's stratum as text."""
    factors = [json.loads(text or "{}") for text in adsl["STRATA"]]
    sites = adsl["SITEID"].fill_null(UNKNOWN)
    of_study = {study: _factors(adsl, study) for study in adsl["STUDYID"].unique()}
    texts = [
        json.dumps([own.get(name) for name in names]) if (names := of_study[study]) else site
        for study, own, site in zip(adsl["STUDYID"], factors, sites, strict=True)
    ]
    return pl.Series("stratum", texts, pl.String)


def _factors(adsl: pl.DataFrame, study: str) -> list[str]:
    """The factors of a study's stratified allocation."""
    texts = adsl.filter(STUDYID=study)["STRATA"].drop_nulls()
    return sorted({name for text in texts for name in json.loads(text)})


def _with_risks(pairs: pl.DataFrame, by_stratum: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    """Risks of the pairs of arms, whole and over strata; null for modalities and clinics."""
    parts = by_stratum.partition_by("study_id", "arm", *_CELL, as_dict=True)
    factors = {study: _factors(adsl, study) or [CLINIC] for study in adsl["STUDYID"].unique()}
    figures = [_risks_of(row, parts, factors) for row in pairs.iter_rows(named=True)]
    columns = {c.name: c.polars for c in TABLE.columns if c.name.startswith(RISKS)}
    rows = [{name: row.get(name) for name in columns} for row in figures]
    return pairs.hstack(pl.DataFrame(rows, schema=columns))


def _risks_of(
    row: Mapping, parts: Mapping[tuple, pl.DataFrame], factors: Mapping[str, list[str]]
) -> dict:
    if row["dimension"] != "arm" or row["reference"] == NONE:
        return {}
    cell = [row[c] for c in _CELL]
    arm, reference = (
        parts.get((row["study_id"], row[side], *cell)) for side in ("compared", "reference")
    )
    strata = None if arm is None or reference is None else _tables(arm, reference)
    is_randomised = row["allocation"] == "randomised"
    return risks(row, strata, is_randomised=is_randomised) | {
        "stratified_by": factors[row["study_id"]]
    }


def _tables(arm: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    first = arm.select("stratum", x1="patients_with_event", n1="patients")
    second = reference.select("stratum", x2="patients_with_event", n2="patients")
    both = first.join(second, on="stratum", how="full", coalesce=True).fill_null(0)
    return both.sort("stratum")


def _groups(table: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """The strata of one dimension alone: `dimension`, `compared`, the restriction, its counts."""
    column = "arm" if dimension == STUDY_ARM else dimension
    alone = table.filter((pl.col("strata").list.len() == 1) & pl.col(column).is_not_null())
    return alone.select(
        pl.lit(column).alias("dimension"),
        pl.col(column).alias("compared"),
        "study_id",
        *_CELL,
        *COUNTS,
        "unread_records",
    )


def _paired(groups: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """Every group beside the rows of `references` (its `of` names the group that a reference is
    for).
    """
    named = references.rename({c: f"reference_{c}" for c in COUNTS})
    columns = ["of", "reference", *_CELL, *(f"reference_{c}" for c in COUNTS)]
    return groups.join(
        named.select(columns),
        left_on=["compared", *_CELL],
        right_on=["of", *_CELL],
        how="inner",
        nulls_equal=True,
    )


def _each_against_each(groups: pl.DataFrame) -> pl.DataFrame:
    """Each group against those before it in sort order, so that a pair is there once."""
    names = groups["compared"].unique().sort()
    of = pl.DataFrame(
        [(a, b) for a in names for b in names if a > b],
        schema={"of": pl.String, "reference": pl.String},
        orient="row",
    )
    return _paired(groups, of.join(groups, left_on="reference", right_on="compared"))


def _each_against_others(groups: pl.DataFrame) -> pl.DataFrame:
    """Each group against the sum of all others."""
    names = groups.select(of="compared").unique()
    pairs = names.join(groups, how="cross").filter(pl.col("of") != pl.col("compared"))
    sums = [pl.col(c).sum() for c in COUNTS]
    others = pairs.group_by("of", *_CELL).agg(*sums)
    return _paired(groups, others.with_columns(reference=pl.lit(OTHERS)))


def _of_studies(
    groups: pl.DataFrame, adsl: pl.DataFrame, *, options: Options
) -> Iterator[pl.DataFrame]:
    """The arms of each study among themselves; who has no arm, or a masked one, is in no
    comparison.
    """
    armed = groups.filter(~pl.col("compared").is_in([NONE, MASKED]))
    for (study,), of_study in armed.partition_by("study_id", as_dict=True).items():
        yield _arms(of_study, adsl.filter(STUDYID=study), options=options)


def _arms(groups: pl.DataFrame, adsl: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Each arm against the reference arm, with how they came about; without a reference the counts
    alone.
    """
    arms = adsl.select(arm="ARM", how=pl.col("ALLOCATN").fill_null("unknown")).drop_nulls("arm")
    named = next(iter(adsl["REFARM"].drop_nulls()), None)
    reference = reference_arm(arms["arm"].unique().sort().to_list(), named=named, options=options)
    others = groups.filter(pl.col("compared") != reference) if reference else groups
    if reference is None:
        return others.with_columns(
            reference=pl.lit(NONE),
            **{f"reference_{c}": pl.lit(None, groups.schema[c]) for c in COUNTS},
        )
    of = groups.filter(pl.col("compared") == reference).drop("compared")
    pairs = _paired(
        others,
        others.select(of="compared")
        .unique()
        .join(of, how="cross")
        .with_columns(reference=pl.lit(reference)),
    )
    allocation = pl.DataFrame(
        [
            (arm, ", ".join(sorted(set(arms.filter(pl.col("arm").is_in([arm, reference]))["how"]))))
            for arm in arms["arm"].unique().sort()
            if arm != reference
        ],
        schema={"compared": pl.String, "allocation": pl.String},
        orient="row",
    )
    return pairs.join(allocation, on="compared", how="left")
