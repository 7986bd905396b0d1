"""What a linear model gives: contrasts between groups, coefficients, and why a figure is missing.

Here: the result of `models.ancova` and `models.mmrm`, and the t inference both use. Not here: the
fits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from transforms.statistics.design import Design, group_contrast, group_mean
from transforms.statistics.intervals import alpha_of

STATISTICS = ("estimate", "standard_error", "degrees_of_freedom", "lower", "upper", "p_value")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A fitted model.

    `contrasts`: one row a contrast, each group against the reference (at every visit, where a
    model's group and visit interact): `group`, `reference`, `visit`, `n`, `n_reference` (patients),
    `estimate` (group minus reference), `standard_error`, `degrees_of_freedom`, `lower`, `upper`,
    `p_value`, `reason` (why a figure is missing, else null). `means`: the same figures (without a
    p-value) of the least-squares mean of each `group` at every `visit`. `coefficients`: the same
    figures for each `term`; those of collinear columns, `aliased`, are left out. The figures are
    attributes too: a number where there is one contrast, the column where there are more, None
    where there is none; `model["estimate"]` is the column always. `n` rows were used and
    `n_dropped_missing` were not; `reason` says why there are no contrasts at all.
    """

    contrasts: pl.DataFrame
    means: pl.DataFrame
    coefficients: pl.DataFrame
    n: int
    n_dropped_missing: int
    aliased: tuple[str, ...]
    confidence: float
    method: str
    reason: str | None = None

    def __getitem__(self, name: str) -> pl.Series:
        return self.contrasts[name]

    def _only(self, name: str):
        if self.contrasts.height > 1:
            return self.contrasts[name]
        if not self.contrasts.height:
            return None
        return self.contrasts[name].item()

    @property
    def estimate(self) -> float | pl.Series | None:
        return self._only("estimate")

    @property
    def standard_error(self) -> float | pl.Series | None:
        return self._only("standard_error")

    @property
    def degrees_of_freedom(self) -> float | pl.Series | None:
        return self._only("degrees_of_freedom")

    @property
    def lower(self) -> float | pl.Series | None:
        return self._only("lower")

    @property
    def upper(self) -> float | pl.Series | None:
        return self._only("upper")

    @property
    def p_value(self) -> float | pl.Series | None:
        return self._only("p_value")


def statistics(*, estimate, variance, degrees_of_freedom, confidence) -> dict[str, float]:
    """Estimate, standard error, t limits and two-sided p-value; no limits without a positive
    variance.
    """
    if not (variance > 0 and degrees_of_freedom > 0):
        return {**dict.fromkeys(STATISTICS), "estimate": float(estimate)}
    error = float(np.sqrt(variance))
    margin = stats.t.ppf(1 - alpha_of(confidence) / 2, degrees_of_freedom) * error
    return {
        "estimate": float(estimate),
        "standard_error": error,
        "degrees_of_freedom": float(degrees_of_freedom),
        "lower": float(estimate - margin),
        "upper": float(estimate + margin),
        "p_value": float(2 * stats.t.sf(abs(estimate) / error, degrees_of_freedom)),
    }


def compare(
    design: Design, *, group, places: Sequence[dict], count: Callable, infer: Callable
) -> list[dict]:
    """A row for each level of `group` but the reference, at each of `places` (mappings from factor
    to level).

    `count(level, place)` gives patients; `infer(weights)` the statistics of a combination of kept
    coefficients.
    """
    reference, *others = design.levels[group]
    rows = []
    for level in others:
        for place in places:
            weights = group_contrast(design, group=group, level=level, at=place)
            sizes = {name: count(name, place) for name in (level, reference)}
            rows.append(
                {
                    "group": level,
                    "reference": reference,
                    "visit": next(iter(place.values()), None),
                    "n": sizes[level],
                    "n_reference": sizes[reference],
                    **_inferred(
                        design,
                        weights,
                        infer,
                        nobody=[name for name, size in sizes.items() if not size],
                    ),
                }
            )
    return rows


def least_squares_means(
    design: Design, *, group, places: Sequence[dict], count: Callable, infer: Callable
) -> list[dict]:
    """A row for each level of `group` at each of `places`; `count` and `infer` as in `compare`."""
    rows = []
    for level in design.levels[group]:
        for place in places:
            weights = group_mean(design, group=group, level=level, at=place)
            size = count(level, place)
            figures = _inferred(design, weights, infer, nobody=[] if size else [level])
            rows.append(
                {"group": level, "visit": next(iter(place.values()), None), "n": size, **figures}
            )
    return rows


def _inferred(design: Design, weights: np.ndarray, infer: Callable, *, nobody: list) -> dict:
    if not design.is_estimable(weights):
        # the covariate alone: its levels may be many
        mixed = ", ".join(dict.fromkeys(n.split("=")[0] for n in design.names(aliased=True)))
        absent = f"nobody in {', '.join(map(str, nobody))} has a value there"
        reason = absent if nobody else f"the data can't tell the groups from {mixed} apart"
        return {**dict.fromkeys(STATISTICS), "reason": reason}
    inferred = infer(weights[design.kept])
    return {
        **inferred,
        "reason": None if inferred["standard_error"] else "no residual variation to judge it by",
    }


def contrast_frame(
    rows: list[dict], *, group: pl.DataType, visit: pl.DataType = pl.Null
) -> pl.DataFrame:
    figures = dict.fromkeys(STATISTICS, pl.Float64)
    counts = {"n": pl.Int64, "n_reference": pl.Int64}
    schema = {
        "group": group,
        "reference": group,
        "visit": visit,
        **counts,
        **figures,
        "reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def mean_frame(
    rows: list[dict], *, group: pl.DataType, visit: pl.DataType = pl.Null
) -> pl.DataFrame:
    figures = dict.fromkeys((name for name in STATISTICS if name != "p_value"), pl.Float64)
    schema = {"group": group, "visit": visit, "n": pl.Int64, **figures, "reason": pl.String}
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)


def coefficient_frame(names: Sequence[str], infer: Callable) -> pl.DataFrame:
    units = np.eye(len(names))
    rows = [{"term": name, **infer(unit)} for name, unit in zip(names, units, strict=True)]
    return pl.DataFrame(rows, schema={"term": pl.String, **dict.fromkeys(STATISTICS, pl.Float64)})
