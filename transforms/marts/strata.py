"""Strata: every combination of clinic, modality, indication and arm, and aggregation over them.

Here: the dimensions of a patient and one group-by a combination. Not here: what is aggregated (each summary).
"""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from ..schemas.mart import DIMENSIONS

NONE = "(none)"
UNKNOWN = "(unknown)"
COMBINATIONS: tuple[tuple[str, ...], ...] = tuple(
    combination for size in range(len(DIMENSIONS) + 1) for combination in combinations(DIMENSIONS, size)
)

# For tables with many rows a stratum: everybody, each dimension alone, and the modalities of a clinic
FEW_COMBINATIONS = tuple(c for c in COMBINATIONS if len(c) < 2 or c == ("clinic_id", "modality"))


def dimensions_of(adsl: pl.DataFrame) -> pl.DataFrame:
    """A row a patient: `USUBJID` and the four dimensions, never null: (none) = no session or no arm, (unknown)."""
    return adsl.select(
        "USUBJID",
        clinic_id=pl.col("SITEID").fill_null(UNKNOWN),
        modality=pl.col("MODALITY").fill_null(NONE),
        indication=pl.col("INDICATN").fill_null(UNKNOWN),
        arm=pl.col("ARM").fill_null(NONE),
    )


def by_strata(
    frame: pl.DataFrame,
    *,
    by: Sequence[str] = (),
    over: Sequence[tuple[str, ...]] = COMBINATIONS,
    **aggregates: pl.Expr,
) -> pl.DataFrame:
    """A row a stratum (and value of `by`) with the aggregates, over the combinations of dimensions in `over`.

    `frame` holds the dimensions, none of them null. A dimension not in force is null; `strata` lists those in force.
    """
    if frame.is_empty():
        return pl.concat([_one(frame, (), aggregates, by)]).clear()
    return pl.concat([_one(frame, combination, aggregates, by) for combination in over])


def _one(
    frame: pl.DataFrame, combination: tuple[str, ...], aggregates: dict[str, pl.Expr], by: Sequence[str]
) -> pl.DataFrame:
    keys = [*combination, *by]
    grouped = frame.group_by(keys).agg(**aggregates) if keys else frame.select(**aggregates)
    absent = [pl.lit(None, dtype=pl.String).alias(d) for d in DIMENSIONS if d not in combination]
    strata = pl.lit(pl.Series([list(combination)], dtype=pl.List(pl.String))).first()
    grouped = grouped.with_columns(*absent, strata=strata)
    return grouped.select(
        *DIMENSIONS, "strata", *by, *[c for c in grouped.columns if c not in (*DIMENSIONS, "strata", *by)]
    )
