"""EQ-5D-5L: the index of a five-digit profile by a value set that the user supplies, and the EQ
VAS.

Here: profile and look-up. Not here: any value set (each is its owner's; `FLOE_EQ5D_VALUE_SETS`
names a folder of them), the EQ-5D-3L, mappings.
"""

import polars as pl

from ..facts.instruments import EQ_5D_DIMENSIONS
from .scales import single
from .scoring import Scored, first_reason, n_answered, out_of_range, too_few

DIMENSIONS = list(EQ_5D_DIMENSIONS)
NO_VALUE_SET = (
    "no EQ-5D-5L value set for the clinic's country: put one in the folder FLOE_EQ5D_VALUE_SETS"
)


def profile() -> pl.Expr:
    """The five digits, 11111 to 55555; null where a dimension is not answered."""
    levels = (pl.col(dimension).cast(pl.Int64) for dimension in DIMENSIONS)
    digits = [level.cast(pl.String) for level in levels]
    return pl.concat_str(digits)


def index(value_set: pl.DataFrame | None) -> Scored:
    """Utility of the profile. `value_set`: `profile`, `utility`, `value_set` (its id, named in
    `detail`).
    """
    answered = first_reason(
        out_of_range(DIMENSIONS, lower=1, upper=5), too_few(DIMENSIONS, needed=5)
    )
    n = n_answered(DIMENSIONS)
    if value_set is None or value_set.is_empty():
        nothing = pl.lit(None, dtype=pl.Float64)
        return Scored(
            parameter="EQ5D",
            value=nothing,
            reason=first_reason(answered, pl.lit(NO_VALUE_SET)),
            n_answered=n,
            n_items=5,
        )
    utility = profile().replace_strict(
        value_set["profile"], value_set["utility"], default=None, return_dtype=pl.Float64
    )
    name = value_set["value_set"][0]
    absent = pl.when(utility.is_null()).then(
        pl.format(f"profile {{}} is not in the value set {name}", profile())
    )
    return Scored(
        parameter="EQ5D",
        value=utility,
        reason=first_reason(answered, absent),
        n_answered=n,
        n_items=5,
        title=pl.lit(f"value set {name}"),
    )


def scores(value_set: pl.DataFrame | None) -> list[Scored]:
    return [index(value_set), single("EQVAS")]
