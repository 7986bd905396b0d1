"""Instruments scored by a sum or a single answer: pain scales, RMDQ, NDI, ODI, STarT Back, PGIC.

Here: their items, ranges and missing-item rules. Not here: T-score tables (promis.py), value sets
(eq5d.py).
"""

from dataclasses import replace

import polars as pl

from .parameters import PARAMETERS
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

SINGLE = {  # instrument: lowest, highest answer, whole numbers only
    "nrs_pain": (0, 10, False),
    "vas_pain": (0, 100, False),
    "pain_index": (0, 100, False),
    "pain_days_28": (0, 28, False),
    "pgic": (1, 7, True),
}
ODI_ITEMS = [f"s{k}" for k in range(1, 11)]
RMDQ_ITEMS = [f"q{k}" for k in range(1, 25)]
START_BACK_ITEMS = [f"q{k}" for k in range(1, 10)]
RMDQ_MAX_MISSING = 2
NDI_MIN_ITEMS = 8
# printed for whole percentages (0-20, 21-40, ...): a value between two bands, such as 20.4, is in
# the upper one
ODI_BANDS = {"minimal": 20.0, "moderate": 40.0, "severe": 60.0, "crippled": 80.0}
ODI_LAST_BAND = "bed-bound or exaggerating"


def single(code: str) -> Scored:
    """A parameter that is one answer, as given."""
    p = PARAMETERS[code]
    lower, upper, integer = SINGLE.get(p.instrument, (0, 100, False))
    missing = pl.when(pl.col(p.item).is_null()).then(pl.lit(NOT_ANSWERED))
    reason = first_reason(
        out_of_range([p.item], lower=lower, upper=upper, integer=integer), missing
    )
    return Scored(
        parameter=code,
        value=pl.col(p.item),
        reason=reason,
        n_answered=n_answered([p.item]),
        n_items=1,
        item=p.item,
    )


def _percent_of_sections(code: str, *, needed: int, refused: pl.Expr | None = None) -> Scored:
    """`100 sum / (5 answered)`: ten sections of 0 to 5; a section not answered leaves the
    denominator.
    """
    n = n_answered(ODI_ITEMS)
    reasons = [out_of_range(ODI_ITEMS, lower=0, upper=5), too_few(ODI_ITEMS, needed=needed)]
    reason = first_reason(*([refused] if refused is not None else []), *reasons)
    return Scored(
        parameter=code,
        value=20 * total(ODI_ITEMS) / n,
        reason=reason,
        n_answered=n,
        n_items=10,
        raw=total(ODI_ITEMS),
        derivation=_prorated(n < 10, reason),
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
    scored = _percent_of_sections("ODI", needed=min_items, refused=refused)
    return replace(
        scored, band=band(scored.value, ODI_BANDS, last=ODI_LAST_BAND, is_inclusive=True)
    )


def ndi() -> Scored:
    """Neck Disability Index, 0-100 % (Vernon & Mior 1991), at least 8 of 10 sections, in proportion
    as the ODI.
    """
    return _percent_of_sections("NDI", needed=NDI_MIN_ITEMS)


def rmdq() -> Scored:
    """Roland-Morris: statements ticked, 0-24; up to two unanswered ones in proportion, sum x 24 /
    answered.
    """
    n = n_answered(RMDQ_ITEMS)
    needed = len(RMDQ_ITEMS) - RMDQ_MAX_MISSING
    reason = first_reason(
        out_of_range(RMDQ_ITEMS, lower=0, upper=1), too_few(RMDQ_ITEMS, needed=needed)
    )
    return Scored(
        parameter="RMDQ",
        value=24 * total(RMDQ_ITEMS) / n,
        reason=reason,
        n_answered=n,
        n_items=24,
        raw=total(RMDQ_ITEMS),
        derivation=_prorated(n < 24, reason),
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
