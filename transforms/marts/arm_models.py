"""The models of mart.arm_comparisons: analysis of covariance at a visit, and all planned visits
together.

Here: from the values of two arms to the figures of a row. Not here: who is in which arm and which
rows there are (arm_pairs), the estimators (models), the rule for what is missing at baseline
(baseline_covariates).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ..facts.visits import Visit
from ..options import Options
from ..statistics import models
from ..statistics.baseline_covariates import Adjustment, adjustment, number

BASELINE = {"BASE": "baseline"}
COVARIATES = {"AGE": "age", "PAINDUR": "pain duration"}
FACTORS = {"SEX": "sex", "INDICATN": "indication", "SITEID": "clinic"}
_MEANS = tuple(
    f"lsmean_{arm}{side}" for arm in ("arm", "reference") for side in ("", "_lower", "_upper")
)
NO_FIGURE = dict.fromkeys(
    ("estimate", "ci_lower", "ci_upper", "wald_lower", "wald_upper", "p_value", *_MEANS)
)
_STRATUM = "stratum: "  # before the name of a factor of the stratified allocation, as a column


@dataclass(frozen=True, kw_only=True)
class Arms:
    """Two arms that are compared: `people` has a row for everybody in them, with what is known at
    baseline.

    `strata`: the columns of `people` (and of all rows of values) that are factors of a stratified
    allocation. `min_cell`: the smallest number of people that a reason may tell.
    """

    arm: str
    reference: str
    people: pl.DataFrame
    is_randomised: bool
    strata: Mapping[str, str]
    min_cell: int

    def count(self, frame: pl.DataFrame) -> dict[str, int]:
        """Patients of both arms in rows of values."""
        people = frame.unique("USUBJID")
        return {
            "n_arm": (people["ARM"] == self.arm).sum(),
            "n_reference": (people["ARM"] == self.reference).sum(),
        }

    def adjust(self, rows: pl.DataFrame) -> Adjustment:
        """Baseline too where arms were randomised: elsewhere only patients with one are in
        `rows`.
        """
        covariates = COVARIATES | (BASELINE if self.is_randomised else {})
        return adjustment(
            rows,
            people=self.people,
            person="USUBJID",
            covariates=covariates,
            factors={**self.strata, **FACTORS},
            is_randomised=self.is_randomised,
            min_count=self.min_cell,
        )


def with_strata(people: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """`people` with a column for each factor in STRATA (JSON; null = not stratified), and their
    names in words.
    """
    strata = [json.loads(text or "{}") for text in people["STRATA"]]
    names = sorted({name for factors in strata for name in factors})
    columns = {f"{_STRATUM}{name}": [factors.get(name) for factors in strata] for name in names}
    series = [
        pl.Series(c, [None if v is None else str(v) for v in values], pl.String)
        for c, values in columns.items()
    ]
    return people.with_columns(series), {
        f"{_STRATUM}{name}": f"{name} (stratification)" for name in names
    }


def ancova(arms: Arms, at_visit: pl.DataFrame) -> dict:
    """A visit's adjusted difference and least-squares means; `at_visit` has a row a patient with a
    value there.
    """
    rows = at_visit if arms.is_randomised else at_visit.filter(pl.col("BASE").is_not_null())
    left_out = at_visit.height - rows.height
    adjusted = arms.adjust(rows)
    row = arms.count(rows) | {"n_left_out": left_out, "adjusted_for": _names(adjusted)}
    if not (row["n_arm"] and row["n_reference"]):
        return row | {"reason": "no patient with a value and a baseline in one of the arms"}
    numbers = [c for c in adjusted.covariates if c != "BASE"]
    baseline = "BASE" if arms.is_randomised is False or "BASE" in adjusted.covariates else None
    model = models.ancova(
        adjusted.rows, "AVAL", baseline, "ARM", numbers, adjusted.factors, reference=arms.reference
    )
    notes = [*adjusted.notes, *_without_baseline(arms, left_out)]
    contrast = model.contrasts.filter(group=arms.arm)
    return row | _figures(arms, contrast, model.means, reason=model.reason, notes=notes)


def mmrm(
    arms: Arms,
    counted: pl.DataFrame,
    *,
    visits: tuple[Visit, ...],
    unplanned: Mapping[str, str],
    options: Options,
) -> Iterator[tuple[str, dict]]:
    """Each visit's name and figures, all planned visits' values modelled together (missing at
    random).

    `counted`: a row a patient and visit. `unplanned`: visits that are not of the model, to why;
    answers there are left out and counted, so that they change neither the covariance nor any other
    visit's figure.
    """
    why = _out_of_model(arms, counted, visits=visits, unplanned=unplanned, options=options)
    based = counted if arms.is_randomised else counted.filter(pl.col("BASE").is_not_null())
    rows = based.filter(~pl.col("AVISIT").is_in(list(why)))
    left_out = counted.height - rows.height
    if not all(arms.count(rows).values()):
        return
    adjusted = arms.adjust(rows)
    model = _fit(arms, adjusted, options=options)
    notes = [*adjusted.notes, *_of_covariance(model), *_left_out(arms, why, counted, based)]
    for visit in visits:
        at_visit = rows.filter(AVISIT=visit.name)
        row = {"n_left_out": left_out, "adjusted_for": _names(adjusted)}
        if visit.name in why:
            yield (
                visit.name,
                row | arms.count(based.filter(AVISIT=visit.name)) | {"reason": why[visit.name]},
            )
        elif at_visit.height:
            here = {"visit": visit.target}
            contrast = model.contrasts.filter(group=arms.arm, **here)
            means = model.means.filter(**here)
            figures = _figures(arms, contrast, means, reason=model.reason, notes=notes)
            yield visit.name, row | arms.count(at_visit) | figures


def _fit(arms: Arms, adjusted: Adjustment, *, options: Options) -> models.RepeatedMeasures:
    """Arm x visit and baseline x visit (and x visit whether it was imputed); unstructured
    covariance, REML.
    """
    baseline = [
        c for c in ("BASE", *adjusted.indicators) if adjusted.indicators.get(c, c) == "BASE"
    ]
    others = [c for c in adjusted.covariates if c not in baseline]
    baseline = [c for c in baseline if adjusted.rows[c].n_unique() > 1]
    return models.mmrm(
        adjusted.rows,
        "AVAL",
        "USUBJID",
        "AVISITN",
        "ARM",
        [*baseline, *others],
        ["AVISITN", *adjusted.factors],
        [("ARM", "AVISITN"), *((c, "AVISITN") for c in baseline)],
        reference={"ARM": arms.reference},
        degrees_of_freedom=options.mmrm_degrees_of_freedom,
        min_patients_per_parameter=options.min_patients_per_parameter,
    )


def _out_of_model(
    arms: Arms,
    counted: pl.DataFrame,
    *,
    visits: tuple[Visit, ...],
    unplanned: Mapping[str, str],
    options: Options,
) -> dict[str, str]:
    """The visits that are not of the model: those unplanned, and those that too few of an arm have
    to tell a covariance.
    """
    why = dict(unplanned)
    for visit in visits:
        counts = arms.count(counted.filter(AVISIT=visit.name)).values()
        if (
            any(counts)
            and min(counts) < options.min_patients_per_parameter
            and visit.name not in why
        ):
            why[visit.name] = (
                f"not in the model of all visits: {' and '.join(map(str, counts))} patients of the arms have a value, "
                f"{options.min_patients_per_parameter} of each are needed"
            )
    return why


def _left_out(
    arms: Arms, why: Mapping[str, str], counted: pl.DataFrame, based: pl.DataFrame
) -> list[str]:
    sparse = based.filter(pl.col("AVISIT").is_in(list(why)))
    notes = _without_baseline(arms, counted.height - based.height)
    if sparse.height:
        visits = ", ".join(sparse["AVISIT"].unique().sort())
        notes = [
            f"answers left out of the model: {number(sparse.height, least=arms.min_cell)} at {visits}",
            *notes,
        ]
    return notes


def _without_baseline(arms: Arms, left_out: int) -> list[str]:
    return (
        [f"{number(left_out, least=arms.min_cell)} without a baseline left out"] if left_out else []
    )


def _of_covariance(model: models.RepeatedMeasures) -> list[str]:
    if model.covariance_reason:
        return [model.covariance_reason]
    return []


def _names(adjusted: Adjustment) -> list[str]:
    return ["baseline", *(name for name in adjusted.names if name != "baseline")]


def _figures(
    arms: Arms, contrast: pl.DataFrame, means: pl.DataFrame, *, reason: str | None, notes: list[str]
) -> dict:
    """Difference and means of both arms; `notes` go into the reason of figures that are given."""
    if contrast.is_empty():
        return {"reason": reason or "the model has no such contrast"}
    c = contrast.row(0, named=True)
    figures = {
        "estimate": c["estimate"],
        "ci_lower": c["lower"],
        "ci_upper": c["upper"],
        "p_value": c["p_value"] if arms.is_randomised else None,
        "reason": c["reason"] or "; ".join(notes) or None,
    }
    for side, arm in (("arm", arms.arm), ("reference", arms.reference)):
        for m in means.filter(group=arm).iter_rows(named=True):
            figures |= {
                f"lsmean_{side}": m["estimate"],
                f"lsmean_{side}_lower": m["lower"],
                f"lsmean_{side}_upper": m["upper"],
            }
    return figures
