"""The fixed-effects design of a linear model: its columns, the contrasts it can estimate.

Here: factor coding, interactions, collinear columns, contrasts of groups. Not here: which terms
there are (`model_terms`), fitting (`models`, `mmrm`).

Factors have reference coding: one column for each level but the reference, which is the first level
in sort order unless `reference` says otherwise. A column that earlier columns determine is aliased:
left out and named, as in R's `lm`; a contrast that the data can't tell from such columns is not
estimable, as in SAS. In an interaction a factor has a column for every level where the model lacks
the term without it (R's rule of marginality).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import polars as pl

from transforms.statistics.model_terms import Terms

# a column is aliased when what earlier columns leave of it is below this share of it (R's lm)
_ALIASED_BELOW = 1e-7


@dataclass(frozen=True, kw_only=True)
class Design:
    """Design matrix; a column is a product of (name, level) parts, the level None for a number."""

    matrix: np.ndarray
    columns: tuple[tuple[tuple[str, object], ...], ...]
    kept: np.ndarray
    levels: dict[str, list]
    means: dict[str, float]
    scale: np.ndarray
    null_space: np.ndarray

    @property
    def reduced(self) -> np.ndarray:
        return self.matrix[:, self.kept]

    def names(self, *, aliased: bool = False) -> tuple[str, ...]:
        chosen = ~self.kept if aliased else self.kept
        return tuple(
            _label(column)
            for column, is_chosen in zip(self.columns, chosen, strict=True)
            if is_chosen
        )

    def is_estimable(self, weights: np.ndarray) -> bool:
        """Whether the rows of data determine this combination of the full design's coefficients."""
        scaled = weights / self.scale
        size = np.linalg.norm(scaled)
        return bool(size > 0 and np.all(np.abs(scaled @ self.null_space) < 1e-6 * size))


def build(rows: pl.DataFrame, terms: Terms) -> Design:
    """Intercept, group, covariates, factors, then interactions, over complete rows."""
    interacting = (
        name for names in terms.interactions for name in names if name not in terms.covariates
    )
    factors = dict.fromkeys((terms.group, *terms.factors, *interacting))
    levels = {name: _levels(rows, name, terms.reference) for name in factors}
    columns = _columns(terms, levels)
    matrix = np.column_stack([_values(rows, column) for column in columns])
    kept, scale = _independent(matrix), np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1
    return Design(
        matrix=matrix,
        columns=columns,
        kept=kept,
        levels=levels,
        means={name: rows[name].mean() for name in terms.covariates},
        scale=scale,
        null_space=_null_space(matrix / scale, rank=int(kept.sum())),
    )


def _columns(terms: Terms, levels: dict[str, list]) -> tuple:
    mains = [(name,) for name in dict.fromkeys((terms.group, *terms.covariates, *terms.factors))]
    present = {frozenset(names) for names in (*mains, *terms.interactions)} | {frozenset()}

    def parts(name, names):
        if name not in levels:
            return [((name, None),)]
        is_marginal = frozenset(names) - {name} in present
        return [((name, level),) for level in levels[name][int(is_marginal) :]]

    return (
        (),
        *(
            column
            for names in (*mains, *terms.interactions)
            for column in _products([parts(n, names) for n in names])
        ),
    )


def group_contrast(design: Design, *, group: str, level, at: Mapping[str, object]) -> np.ndarray:
    """Weights over all columns of `level` minus the reference of `group`.

    Where the group interacts: with a factor or covariate named in `at`, at that level or value;
    with another factor, the mean over its levels with equal weights; with another covariate, at its
    mean.
    """
    weights = [_weight(column, design, group, level, at) for column in design.columns]
    return np.array(weights)


def group_mean(design: Design, *, group: str, level, at: Mapping[str, object]) -> np.ndarray:
    """Weights over all columns of the mean of `level` of `group`: its least-squares mean.

    Covariates at their mean over the rows, every factor's levels with equal weights, `at` where it
    names a level or value (Searle, Speed & Milliken 1980 Am Stat 34:216; as SAS's LSMEANS and R's
    emmeans).
    """
    here = {**at, group: level}
    return np.array(
        [
            prod(_share(name, value, design, here) for name, value in column)
            for column in design.columns
        ]
    )


def _weight(column, design: Design, group, level, at) -> float:
    sign = {level: 1.0, design.levels[group][0]: -1.0}.get(dict(column).get(group), 0.0)
    others = (part for part in column if part[0] != group)
    return prod((_share(name, value, design, at) for name, value in others), start=sign)


def _share(name, value, design: Design, at) -> float:
    if value is None:
        return float(at.get(name, design.means[name]))
    if name in at:
        return float(at[name] == value)
    return 1 / len(design.levels[name])


def _label(column) -> str:
    return (
        ":".join(name if level is None else f"{name}={level}" for name, level in column)
        or "(intercept)"
    )


def _values(rows: pl.DataFrame, column) -> np.ndarray:
    values = np.ones(rows.height)
    for name, level in column:
        values = (
            values
            * (rows[name] if level is None else rows[name].eq(level)).cast(pl.Float64).to_numpy()
        )
    return values


def _products(parts: Sequence[list]) -> list:
    columns = [()]
    for choices in parts:
        columns = [(*column, *choice) for choice in choices for column in columns]
    return columns


def _levels(rows: pl.DataFrame, name: str, reference: Mapping[str, object]) -> list:
    levels = rows[name].unique().sort().to_list()
    if name in reference and reference[name] in levels:
        levels.remove(reference[name])
        levels.insert(0, reference[name])
    return levels


def _independent(matrix: np.ndarray) -> np.ndarray:
    """Which columns are not combinations of earlier ones (Gram-Schmidt, twice for accuracy)."""
    basis, kept = np.empty((len(matrix), 0)), np.zeros(matrix.shape[1], dtype=bool)
    for j, column in enumerate(matrix.T):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        size = np.linalg.norm(rest)
        kept[j] = size > _ALIASED_BELOW * np.linalg.norm(column)
        if kept[j]:
            basis = np.column_stack([basis, rest / size])
    return kept


def _null_space(matrix: np.ndarray, *, rank: int) -> np.ndarray:
    """Columns: the combinations of (scaled) coefficients that change no fitted value."""
    triangle = np.linalg.qr(matrix, mode="r")
    _, _, directions = np.linalg.svd(triangle)
    return directions[rank:].T
