"""Columns `…_clustered_lower`, `…_clustered_upper`, `clustered_reason` of summaries: limits for
clinics like these.

Here: the clinics of a pooled stratum, which are the summary's own rows of each clinic, and why
there are no limits. Not here: the limits (statistics/clinics_like_these.py), those of these
clinics' own patients (each summary's `ci_lower`, `ci_upper`).

A row of one clinic, or of a stratum of fewer than five, has none. Patients without a known clinic
are in no clinic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..facts.strata import STORED, Combination
from ..facts.values import UNKNOWN
from ..statistics import clinics_like_these
from .strata import rows_over

MEAN, PROPORTION, RATE = "mean", "proportion", "rate"
ONE_CLINIC = "of one clinic"
EQUAL_CLINICS = "all clinics' means equal: no interval"
NO_EVENT = "no event: nothing says how much clinics differ, and a rate has no upper end"
NO_KIND = "a median over patients: no interval over clinics"
_LIMITS = {
    MEAN: clinics_like_these.mean_limits,
    PROPORTION: clinics_like_these.proportion_limits,
    RATE: clinics_like_these.rate_limits,
}
_WITHOUT_LIMITS = {MEAN: EQUAL_CLINICS, PROPORTION: None, RATE: NO_EVENT}
_BESIDE_CLINIC = (
    "modality",
    "indication",
    "study_id",
    "arm",
)  # what a stratum may name; a table has some of them
_ROW, _CLINICS = "_row", "_clinics"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """An estimate x / n · per: `name` of its two columns, `kind` (null = none of the three) and
    columns of x and n.
    """

    name: str
    kind: pl.Expr
    x: pl.Expr
    n: pl.Expr
    per: float = 1


def with_clustered(
    frame: pl.DataFrame,
    measures: Sequence[Measure],
    *,
    by: Sequence[str],
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """The rows of the combinations `over` with the two limits of each measure; `by`: what a row is
    of, beside its stratum.

    `frame`: rows over `strata.with_clinics(over)`, so that each stratum's clinics are known apart.
    `clustered_reason` is that of the first measure, which says most where one row has several.
    """
    frame = frame.with_row_index(_ROW)
    pairs = _pairs(frame, by=by)
    for k, measure in enumerate(measures):
        frame = frame.join(
            _limits_of(frame, pairs, measure), on=_ROW, how="left", maintain_order="left"
        )
        if k == 0:
            frame = frame.with_columns(clustered_reason=_reason(measure))
        frame = frame.drop(_CLINICS)
    return rows_over(frame, over).drop(_ROW)


def _pairs(frame: pl.DataFrame, *, by: Sequence[str]) -> pl.DataFrame:
    """A row a pooled row and clinic of its stratum: `_row` of the pooled, `clinic_row` of the
    clinic's.
    """
    key = [*(c for c in _BESIDE_CLINIC if c in frame.columns), "_others", *by]
    others = pl.col("strata").list.set_difference(pl.lit(["clinic_id"])).list.sort().list.join(",")
    rows = frame.with_columns(_others=others)
    pooled = rows.filter(~_is_of_clinic()).select(_ROW, *key)
    clinics = rows.filter(_is_of_clinic() & (pl.col("clinic_id") != UNKNOWN))
    return pooled.join(clinics.select(*key, clinic_row=_ROW), on=key, nulls_equal=True).select(
        _ROW, "clinic_row"
    )


def _is_of_clinic() -> pl.Expr:
    return pl.col("strata").list.contains("clinic_id")


def _limits_of(frame: pl.DataFrame, pairs: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """`_row`, the two limits and `_clinics`, of every pooled row."""
    values = frame.select(
        clinic_row=_ROW,
        kind=measure.kind,
        x=measure.x.cast(pl.Float64),
        n=measure.n.cast(pl.Float64),
    )
    counted = pairs.join(
        values.filter((pl.col("n") > 0) & pl.col("x").is_not_null()), on="clinic_row"
    )
    parts = [
        _limits(part, kind, measure)
        for (kind,), part in counted.group_by("kind")
        if kind is not None
    ]
    names = (f"{measure.name}_lower", f"{measure.name}_upper")
    empty = pl.DataFrame(
        schema={
            _ROW: frame.schema[_ROW],
            names[0]: pl.Float64,
            names[1]: pl.Float64,
            _CLINICS: pl.Int64,
        }
    )
    return pl.concat([empty, *parts])


def _limits(counted: pl.DataFrame, kind: str, measure: Measure) -> pl.DataFrame:
    """Of the rows of one kind; strata that are alike are computed once."""
    counted = counted.sort(_ROW, "x", "n")
    counted = counted.with_columns(
        place=pl.int_range(pl.len()).over(_ROW), stratum=pl.col(_ROW).rank("dense") - 1
    )
    rows = counted[_ROW].unique(maintain_order=True)
    table = np.zeros((2, len(rows), counted["place"].max() + 1))
    for k, column in enumerate("xn"):
        table[k, counted["stratum"].to_numpy(), counted["place"].to_numpy()] = counted[
            column
        ].to_numpy()
    alike, which = np.unique(np.concatenate(table, axis=1), axis=0, return_inverse=True)
    limits = _LIMITS[kind](*np.split(alike, 2, axis=1))
    sides = {
        f"{measure.name}_{s}": getattr(limits, s)[which.ravel()] * measure.per
        for s in ("lower", "upper")
    }
    return pl.DataFrame({_ROW: rows, **sides, _CLINICS: (table[1] > 0).sum(axis=1)}).with_columns(
        pl.col(list(sides)).fill_nan(None), pl.col(_CLINICS).cast(pl.Int64)
    )


def _reason(measure: Measure) -> pl.Expr:
    clinics = pl.col(_CLINICS).fill_null(0)
    few = pl.format(
        "{} clinics: at least {} are needed", clinics, pl.lit(clinics_like_these.MIN_CLINICS)
    )
    reason = pl.when(_is_of_clinic()).then(pl.lit(ONE_CLINIC))
    reason = reason.when(measure.kind.is_null()).then(pl.lit(NO_KIND))
    reason = reason.when(clinics < clinics_like_these.MIN_CLINICS).then(few)
    reason = reason.when(pl.col(f"{measure.name}_upper").is_not_null()).then(None)
    return reason.otherwise(measure.kind.replace_strict(_WITHOUT_LIMITS, return_dtype=pl.String))
