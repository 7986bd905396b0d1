"""The smallest change in a score that patients call an improvement, anchored on their global impression (PGIC).

Here: the cut of the change's ROC curve against the PGIC, in one group of patients. Not here: important changes
taken from publications (`instruments.parameters`), responder rules (`pain`), change beyond measurement error
(`reliable_change`).

Sources: Youden 1950 Cancer 3:32 (the cut); Hanley & McNeil 1982 Radiology 143:29 (the area, ties one half). That the
anchor is PGIC 1-2 against 3-7 and that 30 patients are needed on each side is a proposal of Floe.
"""

from dataclasses import dataclass

import polars as pl

from transforms.errors import UsageError

MIN_GROUP = 30
_IMPROVED_AT_MOST = 2  # PGIC: 1 very much improved, 2 much improved
_CATEGORIES = tuple(range(1, 8))
_DECIMALS = 9  # equal changes of decimals differ in their binary fractions


@dataclass(frozen=True, kw_only=True)
class AnchoredChange:
    """The cut and what it rests on; None with a `reason` where it can't be given.

    `points`: improvement in the score's own points (positive = better); a patient improved by at least that is called
    improved. `tied_points`: every improvement of the same Youden index, ascending. `auc`: probability that an improved
    patient's change is better than another's, ties one half.
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
    """The improvement that best tells patients of PGIC 1-2 from those of 3-7: the highest sensitivity + specificity.

    `frame`: a row a patient; `change` value minus baseline, `pgic` 1-7 at the same visit, a null in either leaves the
    row out (`n_left_out`). `better`: whether a `lower` or a `higher` score is. Every change seen is a possible cut;
    of equally good ones the greatest improvement is taken, which calls the fewest patients improved. No cut and no
    area where a group has fewer than `min_group` patients; no cut where the best is no improvement at all.
    """
    _check(frame, change=change, pgic=pgic, better=better, min_group=min_group)
    rows = _improvements(frame, change=change, pgic=pgic, better=better)
    n_improved = int(rows["is_improved"].sum())
    counts = {"n_improved": n_improved, "n_not_improved": rows.height - n_improved,
              "n_left_out": frame.height - rows.height}  # fmt: skip
    if min(n_improved, rows.height - n_improved) < min_group:
        return AnchoredChange(**counts, reason=f"{n_improved} improved and {rows.height - n_improved} not, "
                              f"{min_group} needed of each")  # fmt: skip
    return _best(_roc(rows), counts)


def _improvements(frame: pl.DataFrame, *, change: str, pgic: str, better: str) -> pl.DataFrame:
    sign = -1 if better == "lower" else 1
    return frame.select(
        improvement=(sign * pl.col(change).cast(pl.Float64).fill_nan(None)).round(_DECIMALS) + 0.0,  # -0.0 is 0
        is_improved=pl.col(pgic) <= _IMPROVED_AT_MOST,
    ).drop_nulls()


def _roc(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a distinct improvement, greatest first: who improved by exactly (`at_`) and by at least that, by group."""
    return (
        rows.group_by("improvement")
        .agg(
            at_improved=pl.col("is_improved").sum().cast(pl.Int64),
            at_not=(~pl.col("is_improved")).sum().cast(pl.Int64),
        )
        .sort("improvement", descending=True)
        .with_columns(true=pl.col("at_improved").cum_sum(), false=pl.col("at_not").cum_sum())
    )


def _best(roc: pl.DataFrame, counts: dict[str, int]) -> AnchoredChange:
    improved, others = counts["n_improved"], counts["n_not_improved"]
    # the Youden index and the area times the pairs of patients: whole numbers, so that ties are exact
    roc = roc.with_columns(youden=pl.col("true") * others - pl.col("false") * improved)
    pairs_twice = roc.select((pl.col("at_improved") * (2 * (others - pl.col("false")) + pl.col("at_not"))).sum()).item()
    auc = pairs_twice / (2 * improved * others)
    best = roc.filter(pl.col("youden") == pl.col("youden").max())
    cut = best.row(0, named=True)
    if cut["youden"] <= 0:
        return AnchoredChange(**counts, auc=auc, reason="the change does not tell the two groups apart")
    if cut["improvement"] <= 0:
        return AnchoredChange(**counts, auc=auc, reason="the best cut is no improvement")
    return AnchoredChange(
        points=cut["improvement"],
        tied_points=tuple(best["improvement"].sort()),
        auc=auc,
        sensitivity=cut["true"] / improved,
        specificity=(others - cut["false"]) / others,
        **counts,
    )


def _check(frame: pl.DataFrame, *, change: str, pgic: str, better: str, min_group: int) -> None:
    if better not in ("lower", "higher"):
        raise UsageError(f"found better={better!r}; expected 'lower' or 'higher': which score is better")
    if min_group < 1:
        raise UsageError(f"found min_group={min_group}; expected 1 or more patients in each group")
    for column in (change, pgic):
        if column not in frame.columns:
            raise UsageError(f"found no column {column!r} among {', '.join(frame.columns)}; name the one to use")
        if not (frame.schema[column].is_numeric() or frame.schema[column] == pl.Null):
            raise UsageError(f"column {column!r} is {frame.schema[column]}; expected numbers")
    odd = frame[pgic].drop_nulls().unique().sort().to_list()
    odd = [value for value in odd if value not in _CATEGORIES]
    if odd:
        raise UsageError(f"found PGIC {odd[0]:g}; expected a category from 1 (very much improved) to 7")
