"""Instruments scored by a sum or a single answer: pain scales, RMDQ, NDI, ODI, STarT Back, PGIC.

Here: their items, ranges and missing-item rules. Not here: T-score tables (promis.py), value sets
(eq5d.py).
"""

from dataclasses import replace

import polars as pl

from ..facts.instruments import INSTRUMENTS
from ..facts.parameters import PARAMETERS
from .scoring import (
    NOT_ANSWERED,
    Scored,
    band,
    first_reason,
    n_answered,
    out_of_range,
    too_few,
    total,
)

START_BACK_ITEMS = list(INSTRUMENTS["start_back"].items)
# printed for whole percentages (0-20, 21-40, ...): a value between two bands, such as 20.4, is in
# the upper one
ODI_BANDS = {"minimal": 20.0, "moderate": 40.0, "severe": 60.0, "crippled": 80.0}
ODI_LAST_BAND = "bed-bound or exaggerating"


def single(code: str) -> Scored:
    """A parameter that is one answer, as given."""
    p = PARAMETERS[code]
    instrument = INSTRUMENTS[p.instrument]
    lower, upper = instrument.items[p.item]
    missing = pl.when(pl.col(p.item).is_null()).then(pl.lit(NOT_ANSWERED))
    reason = first_reason(
        out_of_range([p.item], lower=lower, upper=upper, integer=instrument.is_whole), missing
    )
    return Scored(
        parameter=code,
        value=pl.col(p.item),
        reason=reason,
        n_answered=n_answered([p.item]),
        n_items=1,
        item=p.item,
    )


def prorated(code: str, *, needed: int | None = None, refused: pl.Expr | None = None) -> Scored:
    """The instrument's factor times the mean of the items answered; one not answered leaves the
    denominator.

    `needed`: where the instrument's record leaves it to an option. ODI and NDI are so 100 sum / (5
    answered), ten sections of 0 to 5 (Vernon & Mior 1991); RMDQ the statements ticked, in proportion.
    """
    instrument = INSTRUMENTS[PARAMETERS[code].instrument]
    items, (lower, upper) = list(instrument.items), instrument.limits
    n = n_answered(items)
    fewest = instrument.prorated.needed if needed is None else needed
    reasons = [
        out_of_range(items, lower=lower, upper=upper, integer=instrument.is_whole),
        too_few(items, needed=fewest),
    ]
    reason = first_reason(*([refused] if refused is not None else []), *reasons)
    return Scored(
        parameter=code,
        value=instrument.prorated.factor * total(items) / n,
        reason=reason,
        n_answered=n,
        n_items=len(items),
        raw=total(items),
        derivation=_prorated(n < len(items), reason),
    )


def _prorated(condition: pl.Expr, reason: pl.Expr) -> pl.Expr:
    return pl.when(condition & reason.is_null()).then(pl.lit("PRORATED"))


def odi(*, is_licensed: bool, min_items: int) -> Scored:
    """Oswestry Disability Index 2.1a, 0-100 % (Fairbank & Pynsent 2000), only where the user states
    a licence.
    """
    refused = (
        None
        if is_licensed
        else pl.lit("the ODI is licensed: state a licence with FLOE_ODI_LICENSED")
    )
    scored = prorated("ODI", needed=min_items, refused=refused)
    return replace(
        scored, band=band(scored.value, ODI_BANDS, last=ODI_LAST_BAND, is_inclusive=True)
    )


def start_back() -> list[Scored]:
    """STarT Back (Hill 2008): total of nine, psychosocial subscale of items 5-9, and the class.

    Items 1-8 are 0 or 1; item 9 (bothersomeness) is 0-4, of which 3 very much and 4 extremely count
    1. Low: total at most 3; medium: subscale at most 3; high: subscale at least 4. All nine must be
    answered.
    """
    item9 = (pl.col("q9") >= 3).cast(pl.Float64)
    reason = first_reason(
        out_of_range(START_BACK_ITEMS[:8], lower=0, upper=1),
        out_of_range(["q9"], lower=0, upper=4),
        too_few(START_BACK_ITEMS, needed=9),
    )
    psychosocial = total(START_BACK_ITEMS[4:8]) + item9
    whole = total(START_BACK_ITEMS[:8]) + item9
    risk = pl.when(whole <= 3).then(1).when(psychosocial <= 3).then(2).otherwise(3)
    n = n_answered(START_BACK_ITEMS)
    values = {"STARTB": whole, "STBPSYCH": psychosocial, "STBCLASS": risk}
    return [
        Scored(parameter=code, value=value, reason=reason, n_answered=n, n_items=9)
        for code, value in values.items()
    ]
