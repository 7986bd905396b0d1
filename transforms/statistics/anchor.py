"""The smallest change in a score that patients call an improvement, anchored on their global
impression (PGIC).

Here: the cut of the change's ROC curve against the PGIC, in one group of patients or in many cells
at once, and the area's interval. Not here: important changes taken from publications
(`facts.parameters`), responder rules (`pain`), change beyond measurement error
(`reliable_change`), strata and visits (`marts.important_change`).

Sources: Youden 1950 Cancer 3:32 (the cut); Hanley & McNeil 1982 Radiology 143:29 (the area, ties
one half, and its standard error); Newcombe 2006 Stat Med 25:559, method 5 (its interval). That 30
patients are needed on each side of the anchor, PGIC 1-2 against 3-7 (so too Suzuki 2020,
PMC7053735), is a proposal of Floe.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from transforms.errors import UsageError
from transforms.facts.thresholds import PGIC_IMPROVED_AT_MOST

MIN_GROUP = 30
_CATEGORIES = tuple(range(1, 8))
_DECIMALS = 9  # equal changes of decimals differ in their binary fractions


@dataclass(frozen=True, kw_only=True)
class AnchoredChange:
    """The cut and what it rests on; None with a `reason` where it can't be given.

    `points`: improvement in the score's own points (positive = better); a patient improved by at
    least that is called improved. `tied_points`: every improvement of the same Youden index,
    ascending. `auc`: probability that an improved patient's change is better than another's, ties
    one half.
    """

    points: float | None = None
    tied_points: tuple[float, ...] = ()
    auc: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    n_improved: int
    n_not_improved: int
    n_left_out: int
    reason: str | None = None


def minimal_important_change(
    frame: pl.DataFrame, *, change="CHG", pgic="PGIC", better="lower", min_group=MIN_GROUP
) -> AnchoredChange:
    """The improvement that best tells patients of PGIC 1-2 from those of 3-7: the highest
    sensitivity + specificity.

    `frame`: one row per patient; `change` value minus baseline, `pgic` 1-7 at the same visit, a
    null in either leaves the row out (`n_left_out`). `better`: whether a `lower` or a `higher`
    score is. Every change seen is a possible cut; of equally good ones the greatest improvement is
    taken, which calls the fewest patients improved. No cut and no area where a group has fewer than
    `min_group` patients; no cut where the best is no improvement at all.
    """
    _check(frame, change=change, pgic=pgic, better=better, min_group=min_group)
    rows = frame.select(
        improvement=improvement(pl.col(change), better=better),
        is_improved=is_improved(pl.col(pgic)),
    )
    rows = rows.drop_nulls().with_columns(cell=0)
    n_left_out = frame.height - rows.height
    if rows.is_empty():
        reason = _too_few(0, 0, min_group)
        return AnchoredChange(n_improved=0, n_not_improved=0, n_left_out=n_left_out, reason=reason)
    best = cuts(
        rows.group_by("cell", "improvement").agg(**by_side()), by=["cell"], min_group=min_group
    )
    cut = best.drop("cell").row(0, named=True)
    tied = tuple(cut.pop("tied_points") or ())
    return AnchoredChange(**cut, tied_points=tied, n_left_out=n_left_out)


def improvement(change: pl.Expr, *, better: str | pl.Expr) -> pl.Expr:
    """How much better, in the score's points; equal decimals are equal. `better`: `lower`, `higher`
    or a column.
    """
    better = pl.lit(better) if isinstance(better, str) else better
    value = change.cast(pl.Float64).fill_nan(None)
    return (
        pl.when(better == "lower").then(-value).otherwise(value).round(_DECIMALS) + 0.0
    )  # -0.0 is 0


def is_improved(pgic: pl.Expr) -> pl.Expr:
    """Much or very much improved; null where nobody was asked."""
    return pgic <= PGIC_IMPROVED_AT_MOST


def by_side() -> dict[str, pl.Expr]:
    """What `cuts` needs of a cell and improvement: how many patients of each side of the column
    `is_improved`.
    """
    side = pl.col("is_improved")
    return {"at_improved": side.sum().cast(pl.Int64), "at_not": (~side).sum().cast(pl.Int64)}


def cuts(counts: pl.DataFrame, *, by: list[str], min_group: int = MIN_GROUP) -> pl.DataFrame:
    """One row per cell (the columns `by`, nulls equal): the fields of `AnchoredChange` but
    `n_left_out`.

    `counts`: one row per cell and distinct `improvement` with `at_improved` and `at_not`
    (`by_side`), in any order.
    """
    # the Youden index and the area times the pairs of patients: whole numbers, so that ties are
    # exact
    roc = counts.sort("improvement", descending=True).with_columns(
        true=pl.col("at_improved").cum_sum().over(by),
        false=pl.col("at_not").cum_sum().over(by),
        n_improved=pl.col("at_improved").sum().over(by),
        n_not_improved=pl.col("at_not").sum().over(by),
    )
    roc = roc.with_columns(
        youden=pl.col("true") * pl.col("n_not_improved") - pl.col("false") * pl.col("n_improved"),
        pairs_twice=pl.col("at_improved")
        * (2 * (pl.col("n_not_improved") - pl.col("false")) + pl.col("at_not")),
    )
    is_best = pl.col("youden") == pl.col("youden").max()
    tied = pl.col("improvement").filter(is_best)
    first = {name: pl.col(name).filter(is_best).first() for name in ("true", "false")}
    cells = roc.group_by(by).agg(
        pl.col("n_improved", "n_not_improved").first(),
        pl.col("youden").max(),
        pl.col("pairs_twice").sum(),
        points=tied.max(),
        tied_points=tied.sort(),
        **first,
    )
    return _judged(cells, min_group=min_group).select(*by, *_FIELDS)


_FIELDS = (
    "points",
    "tied_points",
    "auc",
    "sensitivity",
    "specificity",
    "n_improved",
    "n_not_improved",
    "reason",
)


def _judged(cells: pl.DataFrame, *, min_group: int) -> pl.DataFrame:
    """The cells with the area and, where it means something, the cut; else why not."""
    is_large = pl.min_horizontal("n_improved", "n_not_improved") >= min_group
    is_given = is_large & (pl.col("youden") > 0) & (pl.col("points") > 0)
    sizes = _too_few("{}", "{}", min_group)
    return cells.with_columns(
        points=pl.when(is_given).then("points"),
        tied_points=pl.when(is_given).then("tied_points"),
        auc=pl.when(is_large).then(
            pl.col("pairs_twice") / (2 * pl.col("n_improved") * pl.col("n_not_improved"))
        ),
        sensitivity=pl.when(is_given).then(pl.col("true") / pl.col("n_improved")),
        specificity=pl.when(is_given).then(1 - pl.col("false") / pl.col("n_not_improved")),
        reason=pl.when(~is_large)
        .then(pl.format(sizes, "n_improved", "n_not_improved"))
        .when(pl.col("youden") <= 0)
        .then(pl.lit("the change does not tell the two groups apart"))
        .when(pl.col("points") <= 0)
        .then(pl.lit("the best cut is no improvement")),
    )


def _too_few(improved, others, min_group: int) -> str:
    return f"{improved} improved and {others} not, {min_group} needed of each"


def area_standard_error(auc, n_improved, n_not_improved):
    """Hanley & McNeil 1982: √(θ(1-θ) + (m-1)(Q1-θ²) + (n-1)(Q2-θ²)) / √(mn), Q1 = θ/(2-θ), Q2 =
    2θ²/(1+θ).
    """
    theta, m, n = (np.asarray(v, float) for v in (auc, n_improved, n_not_improved))
    pairs = (m - 1) * (theta / (2 - theta) - theta**2) + (n - 1) * (
        2 * theta**2 / (1 + theta) - theta**2
    )
    return np.sqrt((theta * (1 - theta) + pairs) / (m * n))


def area_interval(
    auc, n_improved, n_not_improved, *, confidence=0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the area: every θ with |θ - auc| <= z · SE(θ), SE of Hanley & McNeil with both sizes (m + n)/2 in it.

    Newcombe's method 5: within 0 and 1, and no width of 0 where the groups do not overlap. Arrays
    of one length; NaN where the area is. Nothing closed: 60 halvings between 0 and the area, and
    between it and 1.
    """
    area, m, n = (np.asarray(v, float) for v in (auc, n_improved, n_not_improved))
    z = stats.norm.ppf((1 + confidence) / 2)
    half = (m + n) / 2

    def is_inside(theta):
        error = area_standard_error(theta, half, half) * half / np.sqrt(m * n)
        return np.abs(theta - area) <= z * error

    return _edge(area, np.zeros_like(area), is_inside), _edge(area, np.ones_like(area), is_inside)


def _edge(inside: np.ndarray, outside: np.ndarray, is_inside) -> np.ndarray:
    for _ in range(60):
        middle = (inside + outside) / 2
        inner = is_inside(middle)
        inside, outside = np.where(inner, middle, inside), np.where(inner, outside, middle)
    return np.where(np.isnan(inside), np.nan, (inside + outside) / 2)


def _check(frame: pl.DataFrame, *, change: str, pgic: str, better: str, min_group: int) -> None:
    if better not in ("lower", "higher"):
        raise UsageError(
            f"found better={better!r}; expected 'lower' or 'higher': which score is better"
        )
    if min_group < 1:
        raise UsageError(f"found min_group={min_group}; expected 1 or more patients in each group")
    for column in (change, pgic):
        if column not in frame.columns:
            raise UsageError(
                f"found no column {column!r} among {', '.join(frame.columns)}; name the one to use"
            )
        if not (frame.schema[column].is_numeric() or frame.schema[column] == pl.Null):
            raise UsageError(f"column {column!r} is {frame.schema[column]}; expected numbers")
    odd = frame[pgic].drop_nulls().unique().sort().to_list()
    odd = [value for value in odd if value not in _CATEGORIES]
    if odd:
        raise UsageError(
            f"found PGIC {odd[0]:g}; expected a category from 1 (very much improved) to 7"
        )
