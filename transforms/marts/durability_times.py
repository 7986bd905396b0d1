"""Times of durability, TTLOSS and TTRELAPS, within one treatment episode a unit.

Here: which assessments and procedures are of the episode. Not here: the rules
(rules/durability.py), which episode (adtte.py: the first; episode_curves.py: the one asked for).
"""

import polars as pl

from ..facts.headlines import PAIN_PARAMETERS
from ..options import Options
from ..rules import durability, pain
from ..rules.care import PROCEDURES


def durability_times(
    assessments: pl.DataFrame, care: pl.DataFrame, ends: pl.DataFrame, *, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Loss of response and relapse, to the end of the windows; columns of durability.TIMES.

    `assessments`: rows of mart.adqs of the episodes; `care`: of the units. `ends`: a row a unit, with
    USUBJID, which names it everywhere, and WINENDT, null = open.
    """
    own = assessments.join(ends, on="USUBJID").filter(_is_before_end("ADT"))
    judged = pain.headline(own, parameters=PAIN_PARAMETERS)
    judged = judged.filter(pl.col("PARAMCD").str.starts_with("NRS") & pl.col("CHG").is_not_null())
    procedures = care.filter(pl.col("kind").is_in(PROCEDURES)).join(ends, on="USUBJID")
    rescues = procedures.filter(_is_before_end("on")).select("USUBJID", rescued_on="on")
    loss = durability.loss_of_response(judged, rescues=rescues, min_days=options.sustained_min_days)
    return loss, durability.relapse(judged)


def _is_before_end(day: str) -> pl.Expr:
    """Whether the windows of the row's episode have not ended before the day."""
    return (pl.col(day) <= pl.col("WINENDT")) | pl.col("WINENDT").is_null()
