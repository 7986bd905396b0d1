"""A cause of an alert: the shape in which every rule says what it found.

Here: the frame's columns, how one is made, how its age lowers its tier. Not here: any rule.
"""

import polars as pl

from ..schemas import TIMESTAMP
from .rule import TIERS
from .rules import RULES

# One row a cause. `cause` tells several of one rule and subject apart ('' where there is one).
# `level` grows as a cause grows worse (a grade, a count); `finding` is in words and stays on the
# site.
CAUSES = pl.Schema(
    {
        "rule": pl.String,
        "subject_kind": pl.String,
        "subject_id": pl.String,
        "cause": pl.String,
        "clinic_id": pl.String,
        "patient_id": pl.String,
        "device_id": pl.String,
        "evidence": pl.List(pl.String),
        "occurred_at": TIMESTAMP,
        "landed_at": TIMESTAMP,
        "tier": pl.String,
        "level": pl.Int64,
        "finding": pl.String,
    }
)
# The causes as rules give them. `fresh_from`: since when they could be acted on; null = since they
# occurred.
RULED = pl.Schema({**CAUSES, "fresh_from": TIMESTAMP})
# What causes are of; one row a subject.
SUBJECTS = pl.Schema({"subject_kind": pl.String, "subject_id": pl.String})
_NULL_UNLESS_GIVEN = ("clinic_id", "patient_id", "device_id", "occurred_at", "fresh_from")


def causes(
    rule: str, frame: pl.DataFrame, *, subject_kind: str, **columns: pl.Expr
) -> pl.DataFrame:
    """The frame's rows as causes of the rule, columns of RULED; `columns` are expressions over it.

    Without `tier` the rule's own; without `level` 1; without `cause` ''; without `landed_at` and
    `evidence` the row's `ingested_at` and `event_id`; without a clinic, patient, device or moment
    null.
    """
    given = {
        "rule": pl.lit(rule),
        "subject_kind": pl.lit(subject_kind),
        "cause": pl.lit(""),
        "tier": pl.lit(RULES[rule].tier),
        "level": pl.lit(1),
        "landed_at": pl.col("ingested_at") if "ingested_at" in frame.columns else None,
        "evidence": pl.concat_list("event_id") if "event_id" in frame.columns else None,
        **{name: pl.lit(None) for name in _NULL_UNLESS_GIVEN},
        **columns,
    }
    return frame.select(given[name].cast(dtype).alias(name) for name, dtype in RULED.items())


def aged(frame: pl.DataFrame, *, where: pl.Expr | None = None) -> pl.DataFrame:
    """The causes, a tier lower where they landed later than their rule counts as fresh; without a
    moment as they are.

    `where`: which of them age, for what grew worse is new however old its beginning is; None = all.
    """
    where = pl.lit(True) if where is None else where
    fresh_h = pl.col("rule").replace_strict(
        {id: rule.fresh_h for id, rule in RULES.items()}, return_dtype=pl.Float64
    )
    since = pl.coalesce(*(name for name in ("fresh_from", "occurred_at") if name in frame.columns))
    age_h = (pl.col("landed_at") - since).dt.total_microseconds() / 3.6e9
    lower = pl.col("tier").replace({"now": "today", "today": "noted"})
    return frame.with_columns(
        tier=pl.when(where & (age_h > fresh_h).fill_null(False)).then(lower).otherwise("tier")
    )


def tier_rank(tier: str = "tier") -> pl.Expr:
    """0, 1, 2 for noted, today, now."""
    ranks = {name: rank for rank, name in enumerate(TIERS)}
    return pl.col(tier).replace_strict(ranks, return_dtype=pl.Int64)
