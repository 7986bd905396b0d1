"""Covariance structures of visits: matrix and derivatives as functions of their parameters.

Here: unstructured, compound symmetry, spatial power. Not here: their fitting (reml.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A covariance of visits: matrix, first and second derivatives as functions of its
    parameters.
    """

    name: str
    start: np.ndarray
    matrix: Callable[[np.ndarray], np.ndarray]
    slopes: Callable[[np.ndarray], np.ndarray]
    curvature: Callable[[np.ndarray], np.ndarray] | None = None


def unstructured(variances: np.ndarray) -> Structure:
    """A parameter for each pair of visits; starts from independent visits with these variances."""
    size = len(variances)
    pairs = [(a, b) for a in range(size) for b in range(a + 1)]
    basis = np.zeros((len(pairs), size, size))
    for h, (a, b) in enumerate(pairs):
        basis[h, a, b] = basis[h, b, a] = 1
    start = np.array([variances[a] if a == b else 0.0 for a, b in pairs])
    return _linear("unstructured", start, basis)


def compound_symmetry(variances: np.ndarray) -> Structure:
    """One variance and one covariance."""
    size = len(variances)
    basis = np.stack([np.eye(size), 1 - np.eye(size)]) if size > 1 else np.eye(1)[None]
    return _linear("compound_symmetry", np.array([variances.mean(), 0.0])[: len(basis)], basis)


def spatial_power(variances: np.ndarray, times: np.ndarray) -> Structure:
    """One variance; correlation falls with the time between visits: rho^distance, as exp(-rate ·
    distance).
    """
    distance = np.abs(np.subtract.outer(times, times))
    distance = distance / distance[distance > 0].mean()

    def matrix(parameters):
        variance, rate = parameters
        if rate > 0:
            return variance * np.exp(-rate * distance)
        return np.full_like(distance, np.nan)

    def slopes(parameters):
        fall = np.exp(-parameters[1] * distance)
        return np.stack([fall, -parameters[0] * distance * fall])

    def curvature(parameters):
        fall = np.exp(-parameters[1] * distance)
        mixed = -distance * fall
        return np.stack([[0 * fall, mixed], [mixed, parameters[0] * distance**2 * fall]])

    start = np.array([variances.mean(), 1.0])
    return Structure(
        name="spatial_power", start=start, matrix=matrix, slopes=slopes, curvature=curvature
    )


def _linear(name: str, start: np.ndarray, basis: np.ndarray) -> Structure:
    return Structure(
        name=name,
        start=start,
        matrix=lambda parameters: np.tensordot(parameters, basis, axes=1),
        slopes=lambda parameters: basis,
    )
