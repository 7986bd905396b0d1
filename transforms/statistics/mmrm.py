"""Mixed model for repeated measures: groups compared at visits, with the covariance of visits
estimated.

Here: the model over a frame, degrees of freedom, the fallbacks and what is said about them.
Not here: the likelihood (`reml`), the design (`design`), which visits count (the marts). Call it as
`models.mmrm`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.statistics import covariance, model_terms, reml
from transforms.statistics.fitted import (
    Model,
    coefficient_frame,
    compare,
    contrast_frame,
    least_squares_means,
    mean_frame,
)
from transforms.statistics.mmrm_inference import inference
from transforms.statistics.repeated_rows import RepeatedRows, check_rows, counter, prepare

_STRUCTURES = ("unstructured", "spatial_power", "compound_symmetry")
_DEGREES_OF_FREEDOM = ("satterthwaite", "kenward_roger")


@dataclass(frozen=True, kw_only=True)
class RepeatedMeasures(Model):
    """A `Model` with what a model of repeated measures adds.

    `n` counts rows (a patient's visit), `n_subjects` patients. `covariance`: of the visits, a
    column and a row for each, in sort order of `visits`. `covariance_structure` is the one fitted;
    where it is not the one asked for, `covariance_reason` says why, standard errors are robust and
    `degrees_of_freedom_method` says so. `converged` False: no structure could be fitted, and no
    figure is given.
    """

    minus_two_log_likelihood: float | None
    covariance: pl.DataFrame
    visits: tuple
    covariance_structure: str | None
    covariance_reason: str | None
    degrees_of_freedom_method: str
    converged: bool
    n_subjects: int


def mmrm(
    frame: pl.DataFrame,
    outcome,
    subject,
    visit,
    group,
    covariates=(),
    factors=(),
    interactions=(),
    *,
    reference=None,
    confidence=0.95,
    covariance_structure="unstructured",
    degrees_of_freedom="satterthwaite",
    times: Mapping | None = None,
    min_patients_per_parameter=0,
    convergence=1e-8,
) -> RepeatedMeasures:
    """REML of `outcome` on group, covariates (numbers), factors (categories) and interactions.

    One row a patient and visit; rows without one of the values are left out and counted (valid
    where values are missing at random). `visit` indexes the covariance of a patient's rows; its
    effect on the mean enters only where `factors` or `interactions` name it. Each group is compared
    with the reference, the first in sort order unless `reference` names it (or maps columns to
    theirs): at every visit where group and visit interact; over other interacting factors with
    equal weights, at the mean of interacting covariates. An interaction is a pair (or more) of
    names, or R's "a:b" ("a*b" names a and b as well).

    `covariance_structure`: `unstructured`, `spatial_power` (over `times`, a mapping from visit to
    day, or the visits themselves where they are numbers) or `compound_symmetry`. Where it can't be
    fitted, or has fewer patients than `min_patients_per_parameter` for each of its parameters, the
    next of that order is, with robust standard errors. `degrees_of_freedom`: `satterthwaite` (Fai &
    Cornelius 1996) or `kenward_roger` (1997, first order: as SAS's for the linear structures),
    which also widens standard errors. `convergence` is SAS PROC MIXED's relative Hessian criterion,
    with its default; a smaller one goes nearer to the maximum.

    Sources: Mallinckrodt 2008 Drug Inf J 42:303; methods as in SAS PROC MIXED and the R package
    mmrm.
    """
    _check_choice("covariance_structure", covariance_structure, _STRUCTURES)
    _check_choice("degrees_of_freedom", degrees_of_freedom, _DEGREES_OF_FREEDOM)
    terms = model_terms.terms_of(
        outcome=outcome,
        group=group,
        covariates=covariates,
        factors=factors,
        interactions=interactions,
        others=(subject, visit),
        reference=reference,
    )
    rows = model_terms.complete(frame, terms)
    reason = model_terms.missing_reference(frame, rows, terms)
    if reason is not None:
        return _nothing(frame, rows, terms, reason=reason, confidence=confidence)
    check_rows(rows, subject, visit, group)
    data = prepare(rows, terms, subject=subject, visit=visit)
    least = min_patients_per_parameter
    fit, why = _first_that_fits(
        data, asked=covariance_structure, times=times, least=least, convergence=convergence
    )
    if fit is None:
        return _nothing(frame, rows, terms, reason=why, confidence=confidence)
    method = "robust" if why else degrees_of_freedom
    infer = inference(data, fit, method=method, confidence=confidence)
    return _described(
        frame,
        rows,
        terms,
        data=data,
        fit=fit,
        why=why,
        method=method,
        infer=infer,
        confidence=confidence,
    )


def _described(
    frame, rows, terms, *, data, fit, why, method, infer, confidence
) -> RepeatedMeasures:
    subject, visit = terms.others
    at_visits = any({terms.group, visit} <= set(names) for names in terms.interactions)
    asked = {
        "group": terms.group,
        "places": [{visit: v} for v in data.visits] if at_visits else [{}],
        "count": counter(rows, subject, terms.group),
        "infer": infer,
    }
    types = {"group": rows.schema[terms.group], "visit": rows.schema[visit]}
    return RepeatedMeasures(
        contrasts=contrast_frame(compare(data.fixed, **asked), **types),
        means=mean_frame(least_squares_means(data.fixed, **asked), **types),
        coefficients=coefficient_frame(data.fixed.names(), infer),
        n=rows.height,
        n_dropped_missing=frame.height - rows.height,
        aliased=data.fixed.names(aliased=True),
        confidence=confidence,
        method="mmrm",
        minus_two_log_likelihood=fit.minus_two_log_likelihood,
        covariance=pl.DataFrame(fit.covariance, schema=[str(v) for v in data.visits]),
        visits=data.visits,
        covariance_structure=fit.structure.name,
        covariance_reason=why or None,
        degrees_of_freedom_method=method,
        converged=True,
        n_subjects=data.subjects,
    )


def _check_choice(name, value, choices) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}: use one of {', '.join(choices)}")


def _nothing(frame, rows, terms: model_terms.Terms, *, reason, confidence) -> RepeatedMeasures:
    subject, visit = terms.others
    return RepeatedMeasures(
        contrasts=contrast_frame([], group=rows.schema[terms.group], visit=rows.schema[visit]),
        means=mean_frame([], group=rows.schema[terms.group], visit=rows.schema[visit]),
        coefficients=coefficient_frame((), dict),
        n=rows.height,
        n_dropped_missing=frame.height - rows.height,
        aliased=(),
        confidence=confidence,
        method="mmrm",
        reason=reason,
        minus_two_log_likelihood=None,
        covariance=pl.DataFrame(),
        visits=tuple(rows[visit].unique().sort()),
        covariance_structure=None,
        covariance_reason=reason,
        degrees_of_freedom_method="none",
        converged=False,
        n_subjects=rows[subject].n_unique(),
    )


def _first_that_fits(
    data: RepeatedRows, *, asked, times, least, convergence
) -> tuple[reml.Fit | None, str]:
    """The first structure, from the one asked for, that can be fitted; why those before it could
    not.
    """
    obstacles = []
    if data.subjects < 2 or len(data.y) <= data.x.shape[1]:
        return (
            None,
            f"{data.subjects} patients and {len(data.y)} rows for {data.x.shape[1]} coefficients",
        )
    for name in _STRUCTURES[_STRUCTURES.index(asked) :]:
        structure, obstacle = _structure(data, name, times)
        needed = 0 if structure is None else least * len(structure.start)
        if not obstacle and data.subjects < needed:
            obstacle = (
                f"{data.subjects} patients, {needed} needed for {len(structure.start)} parameters"
            )
        fit = None if obstacle else _fit(data, structure, convergence)
        if fit is not None:
            return fit, "; ".join(obstacles)
        obstacles.append(f"{name}: {obstacle or 'did not converge'}")
    return None, "; ".join(obstacles)


def _structure(data: RepeatedRows, name, times) -> tuple[covariance.Structure | None, str]:
    size = len(data.visits)
    variances = np.array([_mean_square(data.y[data.visit == v], data.y) for v in range(size)])
    if name == "unstructured":
        return covariance.unstructured(variances), _never_together(data)
    if name == "compound_symmetry":
        alone = max(len(group.visits) for group in data.groups) == 1 and size > 1
        return covariance.compound_symmetry(variances), "no patient has two visits" if alone else ""
    days = _days(data.visits, times)
    if days is None or size < 2:
        return None, "needs two visits and the times of all"
    return covariance.spatial_power(variances, days), ""


def _mean_square(values: np.ndarray, others: np.ndarray) -> float:
    own = float(np.mean(values**2))
    if own > 0:
        return own
    return float(np.mean(others**2))


def _never_together(data: RepeatedRows) -> str:
    together = np.zeros((len(data.visits),) * 2, dtype=bool)
    for group in data.groups:
        together[np.ix_(group.visits, group.visits)] = True
    apart = np.argwhere(~together)
    if not len(apart):
        return ""
    return f"no patient has both {data.visits[apart[0][0]]} and {data.visits[apart[0][1]]}"


def _days(visits: tuple, times: Mapping | None) -> np.ndarray | None:
    days = [times.get(v) if times else v for v in visits]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in days):
        return None
    if len(set(days)) != len(days):
        return None
    return np.array(days, dtype=float)


def _fit(
    data: RepeatedRows, structure: covariance.Structure, convergence: float
) -> reml.Fit | None:
    if not data.y.any() or np.mean(data.y**2) < 1e-24 * np.mean(
        (data.y + data.x @ data.offset) ** 2
    ):
        return None
    fit = reml.fit(data.groups, structure, constant=data.constant, convergence=convergence)
    if fit is not None and fit.converged:
        return fit
    return None
