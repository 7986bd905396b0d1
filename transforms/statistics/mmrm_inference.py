"""Standard errors and degrees of freedom of a model of repeated measures.

Here: Satterthwaite's, Kenward and Roger's, and the robust ones of a structure that was not asked
for. Not here: which structure is fitted (mmrm.py).
"""

from collections.abc import Callable

import numpy as np

from transforms.statistics import reml
from transforms.statistics.fitted import statistics
from transforms.statistics.repeated_rows import RepeatedRows


def inference(
    data: RepeatedRows, fit: reml.Fit, *, method, confidence
) -> Callable[[np.ndarray], dict]:
    """A function from weights of coefficients to their statistics."""
    coefficients = data.offset + fit.coefficients
    parameters = 2 * np.linalg.inv(
        fit.hessian
    )  # covariance of the parameters: the inverse information
    variance = {
        "satterthwaite": lambda: fit.variance,
        "kenward_roger": lambda: _kenward_roger(fit, parameters),
        "robust": lambda: _robust(data, fit),
    }[method]()

    def infer(weights: np.ndarray) -> dict:
        turned = np.linalg.solve(data.triangle.T, weights)
        freedom = (
            data.subjects - data.x.shape[1]
            if method == "robust"
            else _satterthwaite(fit, parameters, turned)
        )
        return statistics(
            estimate=turned @ coefficients,
            variance=turned @ variance @ turned,
            degrees_of_freedom=freedom,
            confidence=confidence,
        )

    return infer


def _satterthwaite(fit: reml.Fit, parameters: np.ndarray, weights: np.ndarray) -> float:
    """2 f² / (g' W g): f the variance of the contrast, g its slope in the parameters, W their
    covariance.

    Kenward & Roger's degrees of freedom of a single contrast are the same.
    """
    pulled = fit.variance @ weights
    slope = fit.slopes @ pulled @ pulled
    return float(2 * (weights @ pulled) ** 2 / (slope @ parameters @ slope))


def _kenward_roger(fit: reml.Fit, parameters: np.ndarray) -> np.ndarray:
    """Variance + 2 · variance · sum of w_hk (Q_hk - P_h · variance · P_k) · variance (Kenward &
    Roger 1997).
    """
    crossed = np.einsum(
        "hk,hpq,qr,krs->ps", parameters, fit.slopes, fit.variance, fit.slopes, optimize=True
    )
    return fit.variance + 2 * fit.variance @ (fit.second_order(parameters) - crossed) @ fit.variance


def _robust(data: RepeatedRows, fit: reml.Fit) -> np.ndarray:
    """Sandwich variance with patients as clusters (Liang & Zeger 1986), times n/(n - p)
    patients.
    """
    sigma, errors = fit.covariance, data.y - data.x @ fit.coefficients
    scores = np.zeros((data.subjects, data.x.shape[1]))
    for i in range(data.subjects):
        rows = np.flatnonzero(data.subject == i)
        inner = sigma[np.ix_(data.visit[rows], data.visit[rows])]
        scores[i] = data.x[rows].T @ np.linalg.solve(inner, errors[rows])
    spare = max(data.subjects - data.x.shape[1], 1)
    return fit.variance @ scores.T @ scores @ fit.variance * data.subjects / spare
