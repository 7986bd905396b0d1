"""What every instrument's scorer gives, and the rules that all of them share.

Here: the result of scoring as expressions, item ranges, sums with a missing-item rule. Not here:
any instrument.
"""

from dataclasses import dataclass

import polars as pl

NOT_ANSWERED = "not answered"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One parameter's score as expressions over a frame of item columns (Float64; null = not
    answered).

    `value` null where `reason` says why. `raw` is the sum that a table was entered with,
    `standard_error` the table's; `derivation` is PRORATED where a missing item was filled in
    proportion; `band` the severity in words; `item` the one item that the score is (a pain scale
    asks some of its items).
    """

    parameter: str
    value: pl.Expr
    reason: pl.Expr
    n_answered: pl.Expr
    n_items: int
    raw: pl.Expr | None = None
    standard_error: pl.Expr | None = None
    derivation: pl.Expr | None = None
    title: pl.Expr | None = None
    item: str | None = None
    band: pl.Expr | None = None

    def struct(self) -> pl.Expr:
        none_f, none_s = pl.lit(None, dtype=pl.Float64), pl.lit(None, dtype=pl.String)
        return pl.struct(
            parameter=pl.lit(self.parameter),
            value=pl.when(self.reason.is_null()).then(self.value).cast(pl.Float64),
            raw_score=(
                none_f if self.raw is None else pl.when(self.reason.is_null()).then(self.raw)
            ).cast(pl.Float64),
            standard_error=none_f
            if self.standard_error is None
            else self.standard_error.cast(pl.Float64),
            n_answered=self.n_answered.cast(pl.Int64),
            n_items=pl.lit(self.n_items, dtype=pl.Int64),
            derivation=none_s if self.derivation is None else self.derivation,
            band=none_s if self.band is None else pl.when(self.reason.is_null()).then(self.band),
            detail=none_s if self.title is None else self.title,
            reason=self.reason,
        )


def n_answered(items: list[str]) -> pl.Expr:
    return pl.sum_horizontal([pl.col(i).is_not_null().cast(pl.Int64) for i in items])


def out_of_range(items: list[str], *, lower: float, upper: float, integer: bool = True) -> pl.Expr:
    """Why an item can't be used: its code, what was found and what was expected; null where all are
    fine.
    """
    reason = pl.lit(None, dtype=pl.String)
    for item in reversed(items):
        value = pl.col(item)
        bad = ~value.is_between(lower, upper)
        if integer:
            bad = bad | (value != value.round())
        kind = "a whole number " if integer else ""
        text = pl.format(f"item {item} is {{}}, expected {kind}{lower:g} to {upper:g}", value)
        reason = pl.when(bad.fill_null(False)).then(text).otherwise(reason)
    return reason


def first_reason(*reasons: pl.Expr) -> pl.Expr:
    return pl.coalesce(*reasons)


def too_few(items: list[str], *, needed: int) -> pl.Expr:
    """Why there are too few answers: `needed` of the items must be answered."""
    n = n_answered(items)
    text = pl.format(f"{{}} of {len(items)} items answered, {needed} needed", n)
    return pl.when(n < needed).then(text)


def total(items: list[str]) -> pl.Expr:
    """Sum of the answered items."""
    return pl.sum_horizontal([pl.col(i) for i in items])


def band(value: pl.Expr, names: dict[str, float], *, last: str, is_inclusive: bool) -> pl.Expr:
    """The first of `names` whose upper end the value (not rounded) is below, or at where inclusive;
    else `last`.
    """
    words = pl.lit(last)
    for name, upper in reversed(names.items()):
        words = (
            pl.when(value <= upper if is_inclusive else value < upper)
            .then(pl.lit(name))
            .otherwise(words)
        )
    return pl.when(value.is_not_null()).then(words)
