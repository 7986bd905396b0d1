"""Who responded by which rule under each strategy for intercurrent events, a row per unit.

Here: candidates of a rule and its judgement under a strategy (cohort_visits.py says what each
does). Not here: counting over strata (cohort_visits.py), the events' days (rules/intercurrent.py).
"""

from dataclasses import dataclass

import polars as pl

from ..facts.estimands import COMPOSITE, TREATMENT_POLICY
from ..facts.responses import CRITERIA
from .visit_values import expected_of

UNIT = ["USUBJID", "PARAMCD", "AVISIT"]
RULES = {name: f"CRIT{k}FL" for k, name in enumerate(CRITERIA, 1)}
WITHOUT_BASELINE = ("PGIC",)  # judged without one: whoever is asked can be


@dataclass(frozen=True, kw_only=True)
class Units:
    """What the counts of one choice of episodes are made from.

    `people`, `due`: of visit_values, `people` with `event_on`, the day of the first intercurrent
    event; `values`: of visit_values.values_of; `judged`: all judged assessments, with `ADT`.
    """

    episode: str
    people: pl.DataFrame
    due: pl.DataFrame
    values: pl.DataFrame
    judged: pl.DataFrame


def candidates_of(units: Units, asked: pl.DataFrame) -> pl.DataFrame:
    """A row a unit, parameter and visit that is due and asked for and whose baseline allows a rule,
    or that needs none; with its judgements where there are any.
    """
    columns = [*UNIT, *RULES.values(), "ADT", "ADY"]
    based = expected_of(units.values, units.due, asked).filter("can_improve")
    asked_alone = units.due.filter("is_due").join(
        asked.filter(pl.col("PARAMCD").is_in(WITHOUT_BASELINE)),
        on=["STUDYID", "clinic_id", "AVISIT"],
    )
    based = based.filter(~pl.col("PARAMCD").is_in(WITHOUT_BASELINE))
    due = pl.concat([based.select(asked_alone.columns), asked_alone])
    return due.join(units.values.select(columns), on=UNIT, how="left").sort(UNIT)


def under(
    candidates: pl.DataFrame, strategy: str, *, name: str, judged: pl.DataFrame
) -> pl.DataFrame:
    """The candidates with `_flag`, the judgement of the rule under the strategy, and `_is_decided`:
    an intercurrent event decided it.
    """
    flag = pl.col(RULES[name])
    seen_on = pl.when(flag.is_not_null()).then("ADT")
    is_after = (pl.col("event_on") <= pl.coalesce(seen_on, "target_on")).fill_null(False)
    if strategy == TREATMENT_POLICY:
        return candidates.with_columns(_flag=flag, _is_decided=pl.lit(False))
    if strategy == COMPOSITE:
        after = pl.lit("N")
    else:
        candidates = _with_last_before(candidates, judged, column=RULES[name])
        after = pl.col("_before")
    return candidates.with_columns(
        _flag=pl.when(is_after).then(after).otherwise(flag), _is_decided=is_after
    )


def _with_last_before(
    candidates: pl.DataFrame, judged: pl.DataFrame, *, column: str
) -> pl.DataFrame:
    """The candidates with `_before`: the last judgement of the rule before the event."""
    events = candidates.select("USUBJID", "PARAMCD", "event_on").drop_nulls().unique()
    before = (
        judged.drop_nulls(column)
        .join(events, on=["USUBJID", "PARAMCD"])
        .filter(pl.col("ADT") < pl.col("event_on"))
        .sort("USUBJID", "PARAMCD", "ADTM", "EVENTID")
        .group_by("USUBJID", "PARAMCD", maintain_order=True)
        .agg(_before=pl.col(column).last())
    )
    return candidates.join(before, on=["USUBJID", "PARAMCD"], how="left", maintain_order="left")
