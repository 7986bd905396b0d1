"""Linear models of outcomes: differences between groups, adjusted for baseline and other columns.

Here: analysis of covariance; `mmrm` (in its own module) is importable from here. Not here: which
patients and visits are compared (the marts), the design's columns (`design`), the shape of a result
(`fitted`).
"""

import numpy as np
import polars as pl

from transforms.statistics import design, model_terms
from transforms.statistics.fitted import (
    Model,
    coefficient_frame,
    compare,
    contrast_frame,
    least_squares_means,
    mean_frame,
    statistics,
)
from transforms.statistics.mmrm import RepeatedMeasures, mmrm

__all__ = ["Model", "RepeatedMeasures", "ancova", "mmrm"]


def ancova(
    frame: pl.DataFrame,
    outcome,
    baseline,
    group,
    covariates=(),
    factors=(),
    *,
    reference=None,
    confidence=0.95,
) -> Model:
    """Least squares of `outcome` on group, `baseline`, covariates (numbers) and factors
    (categories).

    One row a patient. Patients without one of the values are left out and counted; each group is
    compared with the reference, the first in sort order unless `reference` names it (or maps
    columns to theirs). `covariates` and `factors` are lists, one name or None. Estimates are in the
    outcome's unit, group minus reference, with t limits on n - rank degrees of freedom. A
    comparison that the data can't give (group and site inseparable, say) is a row with a `reason`.
    Source: Vickers & Altman 2001 BMJ 323:1123.
    """
    terms = model_terms.terms_of(
        outcome=outcome,
        group=group,
        covariates=(baseline, *model_terms.names_of(covariates)),
        factors=factors,
        reference=reference,
    )
    rows = model_terms.complete(frame, terms)
    reason = model_terms.missing_reference(frame, rows, terms)
    contrasts, means, coefficients, aliased = [], [], coefficient_frame((), dict), ()
    if reason is None:
        fixed = design.build(rows, terms)
        infer = _least_squares(fixed.reduced, rows[outcome].to_numpy(), confidence=confidence)
        sizes = dict(rows.group_by(group).len().iter_rows())
        asked = {
            "group": group,
            "places": [{}],
            "count": lambda level, _: sizes[level],
            "infer": infer,
        }
        contrasts, means = compare(fixed, **asked), least_squares_means(fixed, **asked)
        coefficients, aliased = coefficient_frame(fixed.names(), infer), fixed.names(aliased=True)
    return Model(
        contrasts=contrast_frame(contrasts, group=rows.schema[group]).drop("visit"),
        means=mean_frame(means, group=rows.schema[group]).drop("visit"),
        coefficients=coefficients,
        n=rows.height,
        n_dropped_missing=frame.height - rows.height,
        aliased=aliased,
        confidence=confidence,
        method="ancova",
        reason=reason,
    )


def _least_squares(matrix: np.ndarray, outcome: np.ndarray, *, confidence: float):
    """A function from weights of coefficients to their statistics."""
    q, r = np.linalg.qr(matrix)
    coefficients = np.linalg.solve(r, q.T @ outcome)
    degrees_of_freedom = len(outcome) - matrix.shape[1]
    squares = float(np.sum((outcome - matrix @ coefficients) ** 2))
    is_exact = squares <= 1e-24 * float(outcome @ outcome)
    variance = 0.0 if is_exact or degrees_of_freedom < 1 else squares / degrees_of_freedom

    def infer(weights):
        spread = np.linalg.solve(r.T, weights)
        return statistics(
            estimate=weights @ coefficients,
            variance=variance * (spread @ spread),
            degrees_of_freedom=degrees_of_freedom,
            confidence=confidence,
        )

    return infer
