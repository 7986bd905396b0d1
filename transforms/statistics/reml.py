"""Restricted maximum likelihood of a linear model whose rows are correlated within a patient over
visits.

Here: covariance structures, the likelihood with its first and second derivatives, the iterations to
its maximum. Not here: the design, contrasts, degrees of freedom, what to do without convergence
(`mmrm`).

Patients with the same visits observed share their cross-products (`Pattern`), so that an iteration costs
the same for 200 patients and for 20,000. In the formulas V is the covariance of all rows, V_h its
derivative in parameter h, P = V⁻¹ - V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹, and -2 log L = log|V| + log|X'V⁻¹X| + y'Py + (n -
p) log 2π, as SAS PROC MIXED counts it (Harville 1977 JASA 72:320; Lindstrom & Bates 1988 JASA 83:1014).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transforms.statistics.covariance import Structure

_MOST_ITERATIONS = 200
_LARGEST_CONDITION = 1e12
# a relative Newton decrement below which floating point may see no further descent
_AS_NEAR_AS_CAN_BE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Cross-products of the patients observed at `visits` (indexes): xx[a, b] sums x_a x_b', xy x_a
    y_b, yy y_a y_b.
    """

    visits: np.ndarray
    patients: int
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Maximum of the likelihood, or the last step towards it; derivatives are those of -2 log L."""

    structure: Structure
    minus_two_log_likelihood: float
    parameters: np.ndarray
    coefficients: np.ndarray
    variance: np.ndarray  # of the coefficients: (X'V⁻¹X)⁻¹
    slopes: np.ndarray  # of X'V⁻¹X in each parameter, with the sign changed: X'V⁻¹V_hV⁻¹X
    hessian: np.ndarray
    second_order: Callable[
        [np.ndarray], np.ndarray
    ]  # weights w -> sum over h, k of w_hk X'V⁻¹V_hV⁻¹V_kV⁻¹X
    converged: bool

    @property
    def covariance(self) -> np.ndarray:
        return self.structure.matrix(self.parameters)


def patterns(x: np.ndarray, y: np.ndarray, subject: np.ndarray, visit: np.ndarray) -> list[Pattern]:
    """Rows (x: n by p, y: n, subject and visit: integer codes from 0) grouped by which visits a
    patient has.
    """
    size = int(visit.max()) + 1
    cells = np.full((int(subject.max()) + 1, size), -1)
    cells[subject, visit] = np.arange(len(y))
    groups = []
    for present in np.unique(cells >= 0, axis=0):
        rows = cells[((cells >= 0) == present).all(axis=1)][:, present]
        a, b = x[rows], y[rows]
        groups.append(
            Pattern(
                visits=np.flatnonzero(present),
                patients=len(rows),
                xx=np.einsum("iap,ibq->abpq", a, a, optimize=True),
                xy=np.einsum("iap,ib->abp", a, b, optimize=True),
                yy=b.T @ b,
            )
        )
    return groups


@dataclass(frozen=True, kw_only=True)
class _Point:
    objective: float
    inverses: list[np.ndarray]
    coefficients: np.ndarray
    variance: np.ndarray


def _evaluate(groups: Sequence[Pattern], sigma: np.ndarray) -> _Point | None:
    """-2 log L (without its constants) at one covariance; None where that is not positive
    definite.
    """
    if not np.all(np.isfinite(sigma)):
        return None
    inverses, log_size, constant = [], 0.0, 0.0
    size = groups[0].xx.shape[-1]
    weight, right = np.zeros((size, size)), np.zeros(size)
    for group in groups:
        try:
            lower = np.linalg.cholesky(sigma[np.ix_(group.visits, group.visits)])
        except np.linalg.LinAlgError:
            return None
        root = np.linalg.inv(lower)
        inverse = root.T @ root
        inverses.append(inverse)
        log_size += 2 * group.patients * np.log(np.diag(lower)).sum()
        weight += np.tensordot(inverse, group.xx)
        right += np.tensordot(inverse, group.xy)
        constant += (inverse * group.yy).sum()
    sign, log_weight = np.linalg.slogdet(weight)
    if sign <= 0:
        return None
    coefficients = np.linalg.solve(weight, right)
    objective = log_size + log_weight + constant - right @ coefficients
    return _Point(
        objective=float(objective),
        inverses=inverses,
        coefficients=coefficients,
        variance=np.linalg.inv(weight),
    )


@dataclass(frozen=True, kw_only=True)
class _Derivatives:
    gradient: np.ndarray
    expected: np.ndarray
    observed: np.ndarray
    slopes: np.ndarray
    second_order: Callable


def _derive(groups, point: _Point, structure: Structure, parameters: np.ndarray) -> _Derivatives:
    """Gradient, expected and observed Hessian of -2 log L in the parameters."""
    basis = structure.slopes(parameters)
    size, beta, variance = basis.shape[1], point.coefficients, point.variance
    p = len(beta)
    spread, score = np.zeros((size, size, p, p)), np.zeros((size, size, p))
    residual = np.zeros((size, size))
    traces, crossed, squared = 0.0, 0.0, 0.0
    for group, inner in zip(groups, point.inverses, strict=True):
        at = np.ix_(group.visits, group.visits)
        fitted = group.xy @ beta
        errors = group.yy - fitted - fitted.T + group.xx @ beta @ beta
        s = np.einsum("ac,cdpq,db->abpq", inner, group.xx, inner, optimize=True)
        inverse, f, r = (np.zeros((size, size)) for _ in range(3))
        inverse[at], f[at], r[at] = (
            inner,
            np.einsum("abpq,qp->ab", s, variance),
            inner @ errors @ inner,
        )
        spread[at] += s
        score[at] += np.einsum(
            "ac,cdp,db->abp", inner, group.xy - group.xx @ beta, inner, optimize=True
        )
        residual += group.patients * inverse - f - r
        half = basis @ inverse
        traces += group.patients * np.einsum("hab,kba->hk", half, half, optimize=True)
        crossed += np.einsum("hab,kba->hk", half, basis @ f, optimize=True)
        squared += np.einsum("hab,kba->hk", half, basis @ r, optimize=True)
    slopes = np.tensordot(basis, spread)
    turned = variance @ slopes
    pulls = np.tensordot(basis, score)
    expected = (
        traces - crossed - crossed.T + np.einsum("hpq,kqp->hk", turned, turned, optimize=True)
    )
    observed = squared + squared.T - 2 * pulls @ variance @ pulls.T - expected
    if structure.curvature is not None:
        observed = observed + np.tensordot(structure.curvature(parameters), residual)
    return _Derivatives(
        gradient=np.tensordot(basis, residual),
        expected=expected,
        observed=observed,
        slopes=slopes,
        second_order=lambda weights: _second_order(weights, basis, groups, point),
    )


def _second_order(weights: np.ndarray, basis: np.ndarray, groups, point: _Point) -> np.ndarray:
    spread = np.einsum("hk,hab,kcd->abcd", weights, basis, basis, optimize=True)
    total = 0.0
    for group, inner in zip(groups, point.inverses, strict=True):
        v = group.visits
        middle = np.einsum("abcd,bc->ad", spread[np.ix_(v, v, v, v)], inner)
        total = total + np.tensordot(inner @ middle @ inner, group.xx)
    return total


def fit(
    groups: Sequence[Pattern], structure: Structure, *, constant: float, convergence: float
) -> Fit | None:
    """Newton's method from MIVQUE0, as SAS PROC MIXED; None where no start has a likelihood.

    `constant` is what -2 log L has beside the terms of the patterns. It has converged when g'H⁻¹g, about
    twice the distance of -2 log L from its minimum, is below `convergence` · |-2 log L|.
    """
    fit = _start(groups, structure)
    if fit is None:
        return None
    parameters, point = fit
    for _ in range(_MOST_ITERATIONS):
        derivatives = _derive(groups, point, structure, parameters)
        distance = _decrement(derivatives) / abs(point.objective + constant)
        moved = (
            None
            if 0 <= distance < convergence
            else _descend(groups, structure, parameters, derivatives, point)
        )
        if moved is None:
            break
        parameters, point = moved
    is_near = 0 <= distance < max(convergence, _AS_NEAR_AS_CAN_BE)
    return Fit(
        structure=structure,
        minus_two_log_likelihood=point.objective + constant,
        parameters=parameters,
        coefficients=point.coefficients,
        variance=point.variance,
        slopes=derivatives.slopes,
        hessian=derivatives.observed,
        second_order=derivatives.second_order,
        converged=is_near and _is_maximum(derivatives.observed, structure.matrix(parameters)),
    )


def _start(groups, structure: Structure):
    """MIVQUE0 (one scoring step from independence with equal variances), else the structure's own
    start.
    """
    size = len(structure.matrix(structure.start))
    level = np.full_like(structure.start, 0.0)
    starts = [structure.start]
    if structure.curvature is None:
        level[np.diagonal(structure.slopes(level), axis1=1, axis2=2).any(axis=1)] = 1.0
        derivatives = _derive(groups, _evaluate(groups, np.eye(size)), structure, level)
        starts = [level - _solve(derivatives.expected, derivatives.gradient), structure.start]
    points = ((start, _evaluate(groups, structure.matrix(start))) for start in starts)
    return next(((start, point) for start, point in points if point is not None), None)


def _descend(groups, structure, parameters, derivatives: _Derivatives, point: _Point):
    """A step that lowers the objective: Newton's, else Fisher's scoring, halved where needed; None
    if none does.
    """
    for hessian in (derivatives.observed, derivatives.expected):
        step = _solve(hessian, derivatives.gradient)
        if derivatives.gradient @ step <= 0:
            continue
        for halvings in range(30):
            tried = parameters - step / 2**halvings
            reached = _evaluate(groups, structure.matrix(tried))
            if reached is not None and reached.objective < point.objective:
                return tried, reached
    return None


def _decrement(derivatives: _Derivatives) -> float:
    step = _solve(derivatives.observed, derivatives.gradient)
    return float(derivatives.gradient @ step)


def _solve(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(hessian, gradient, rcond=1e-13)[0]


def _is_maximum(hessian: np.ndarray, sigma: np.ndarray) -> bool:
    """Whether every parameter is determined and the covariance is not about to be singular."""
    scale = np.sqrt(np.abs(np.diag(hessian)))
    if not np.all(scale > 0) or np.linalg.eigvalsh(hessian / np.outer(scale, scale))[0] < 1e-10:
        return False
    deviation = np.sqrt(np.diag(sigma))
    return bool(np.linalg.cond(sigma / np.outer(deviation, deviation)) < _LARGEST_CONDITION)
