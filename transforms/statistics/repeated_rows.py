"""The rows of repeated measures, made ready for the likelihood.

Here: the orthonormal design, what a patient's rows must be, patients counted. Not here: covariance
and inference (mmrm.py, mmrm_inference.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.statistics import design, model_terms, reml


@dataclass(frozen=True, kw_only=True)
class RepeatedRows:
    """The design made orthonormal and the outcome less its least-squares fit: cross-products
    without cancellation.
    """

    fixed: design.Design
    visits: tuple
    subject: np.ndarray
    visit: np.ndarray
    x: np.ndarray
    y: np.ndarray
    triangle: np.ndarray  # design = x · triangle
    offset: np.ndarray  # least squares, in the orthonormal design
    groups: list[reml.Pattern]

    @property
    def subjects(self) -> int:
        return int(self.subject.max()) + 1

    @property
    def constant(self) -> float:
        freedom = len(self.y) - self.x.shape[1]
        return float(freedom * np.log(2 * np.pi) + 2 * np.log(np.abs(np.diag(self.triangle))).sum())


def prepare(rows: pl.DataFrame, terms: model_terms.Terms, *, subject, visit) -> RepeatedRows:
    fixed = design.build(rows, terms)
    x, triangle = np.linalg.qr(fixed.reduced)
    outcome = rows[terms.outcome].to_numpy()
    offset = x.T @ outcome
    y = outcome - x @ offset
    (_, subjects), (visits, at) = (_codes(rows[name]) for name in (subject, visit))
    return RepeatedRows(
        fixed=fixed,
        visits=visits,
        subject=subjects,
        visit=at,
        x=x,
        y=y,
        triangle=triangle,
        offset=offset,
        groups=reml.patterns(x, y, subjects, at),
    )


def _codes(values: pl.Series) -> tuple[tuple, np.ndarray]:
    """The levels in sort order, and the place of each value among them."""
    levels = tuple(values.unique().sort())
    place = {level: i for i, level in enumerate(levels)}
    return levels, np.array([place[value] for value in values])


def check_rows(rows: pl.DataFrame, subject, visit, group) -> None:
    repeated = rows.height - rows.select(subject, visit).n_unique()
    if repeated:
        raise UsageError(f"{repeated} rows repeat a {subject} and {visit}: give one row for each")
    mixed = rows.select(subject, group).n_unique() - rows[subject].n_unique()
    if mixed:
        raise UsageError(f"{mixed} of {subject} are in more than one {group}: give each one group")


def counter(rows: pl.DataFrame, subject, group) -> Callable:
    def count(level, place: dict) -> int:
        is_there = (pl.col(name) == value for name, value in place.items())
        chosen = rows.filter(pl.col(group) == level, *is_there)
        return chosen[subject].n_unique()

    return count
