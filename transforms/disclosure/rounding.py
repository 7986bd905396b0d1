"""Coarse figures: counts to the nearest multiple of a base, and figures whose further digits would
give a count back.

Counts of nested groups (with a value, judged, due, everybody) are rounded one by one, and what lies
between two groups is the difference of the rounded ones: rounded by itself, it would tell with
them, in one row out of twenty, that it is one of two small numbers (12 of 15 due are shown as 10 of
15; 5 of the others beside them could only be 3 or 4).

Here: the arithmetic. Not here: which column is what (transforms/schemas), which cells are hidden
(small_cells.py).

A mean of whole scores, or a share, has the number of people in its digits: 2.125 is of 8, 16 or 24
people. So a figure with limits is given in steps of at most a tenth of its interval (the error is
at most a twentieth of it, and a change of the count by a few lies within it), a share in steps of
at least what `base` people make of its denominator. Steps are 1, 2 or 5 times a power of ten, as a
reader expects them.
"""

from collections.abc import Callable, Sequence

import polars as pl

_STEPS_OF_HALF_WIDTH = 5
_DIGITS = 12  # what a multiplication by a step leaves beyond is noise


def exact(name: str) -> str:
    """The name of a mart's figure beside the one that is released under its own: nothing is, but
    what is made.
    """
    return f"exact_{name}"


def to_base(count: pl.Expr, base: int) -> pl.Expr:
    """The nearest multiple of `base`, of its type; half-way up. Null stays null."""
    n_bases = (count + base // 2) // base
    return n_bases * base


def nested(innermost: str, *between: str, base: int) -> dict[str, pl.Expr]:
    """Rounded sizes of nested groups: `innermost`, and each of `between` as the difference of the
    rounded groups without and with it, so from -0 up; null where one of the counts is.
    """
    size, columns = pl.col(innermost), {innermost: to_base(pl.col(innermost), base)}
    for name in between:
        wider = size + pl.col(name)
        columns[name] = to_base(wider, base) - to_base(size, base)
        size = wider
    return columns


def significant(value: pl.Expr, digits: int) -> pl.Expr:
    """The value to so many significant digits; 0 and null stay."""
    rounded = value.round_sig_figs(digits)
    return pl.when(value == 0).then(value).otherwise(rounded)


def at_least(step: pl.Expr) -> pl.Expr:
    """The least of 1, 2, 5 times a power of ten that is not below `step`; null where that is not
    above 0.
    """
    power = _power(step)
    share = step / power
    return power * pl.when(share <= 1 + 1e-9).then(1).when(share <= 2).then(2).when(
        share <= 5
    ).then(5).otherwise(10)


def at_most(step: pl.Expr) -> pl.Expr:
    """The greatest of 1, 2, 5 times a power of ten that is not above `step`; null where that is not
    above 0.
    """
    power = _power(step)
    share = step / power
    return power * pl.when(share >= 5).then(5).when(share >= 2).then(2).otherwise(1)


def _power(step: pl.Expr) -> pl.Expr:
    is_step = (step > 0) & step.is_finite()
    return pl.lit(10.0) ** pl.when(is_step).then(step).log10().floor()


def in_steps(value: pl.Expr, step: pl.Expr) -> pl.Expr:
    """The nearest multiple of `step`; where there is no step, two significant digits."""
    coarse = ((value / step).round() * step).round(_DIGITS)
    return pl.when(step.is_not_null()).then(coarse).otherwise(significant(value, 2))


def coarse_limits(
    names: Sequence[str], *, lower: str, upper: str, least: pl.Expr | None = None
) -> dict[str, pl.Expr]:
    """The figures `names` in steps that suit the exact interval from `lower` to `upper`, and are at
    least `least`.
    """
    of_width = at_most((pl.col(exact(upper)) - pl.col(exact(lower))) / (2 * _STEPS_OF_HALF_WIDTH))
    step = of_width if least is None else pl.max_horizontal(of_width, at_least(least))
    return {name: in_steps(pl.col(exact(name)), step) for name in names}


def anew(
    frame: pl.DataFrame, inputs: Sequence[str], compute: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """`frame` with the columns that `compute` adds to `inputs`, computed once for each distinct
    combination of these.

    Of rounded counts there are few, of rows many.
    """
    distinct = frame.select(inputs).unique(maintain_order=True)
    made = compute(distinct)
    new = [c for c in made.columns if c not in inputs]
    return frame.drop(new, strict=False).join(
        made, on=list(inputs), how="left", nulls_equal=True, maintain_order="left"
    )
