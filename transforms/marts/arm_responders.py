"""Shares of responders in mart.arm_comparisons: the product's rules and a site's own endpoints, two
arms apart.

Here: who responded and who could, and the difference of risks. Not here: who is in which arm
(arm_comparisons), the rules (pain, binary_endpoints), the intervals (rates).

Over completers, and over all patients due with the missing as non-responders. Beside them stands
how many of those started so low that no value of the scale would make them responders: they weigh a
comparison down in both arms.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from ..facts.parameters import PARAMETERS
from ..facts.responses import BY_POINTS, CRITERIA, WORSENING
from ..facts.values import COMPLETERS, MISSING_AS_NONRESPONDER
from ..options import Options
from ..rules import binary_endpoints, pain
from ..statistics import rates
from .arm_models import Arms


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way of responding. `is_met`: over rows of a visit; null = not evaluable. `can_respond`:
    over BASE; null = the scale has no known end to tell it by. `has_missing`: whether a missing
    value can be counted as no response.
    """

    name: str
    is_met: pl.Expr
    can_respond: pl.Expr
    is_evaluable: pl.Expr
    better: str = "higher"
    has_missing: bool = True


def rules(code: str, *, options: Options) -> Iterator[Rule]:
    """The rules that apply to the parameter, then the site's endpoints of it."""
    parameter = PARAMETERS[code]
    is_evaluable = pain.is_evaluable_baseline(parameter)
    applying = pain.rule_texts(parameter, options=options)
    for k, name in enumerate(CRITERIA, 1):
        if name in applying:
            yield Rule(
                name=name,
                is_met=pl.col(f"CRIT{k}FL") == "Y",
                can_respond=_can_respond(code, name, options=options),
                is_evaluable=is_evaluable,
                better="lower" if name == WORSENING else "higher",
                has_missing=name != WORSENING and code != "PGIC",
            )
    for endpoint in binary_endpoints.endpoints(options.binary_endpoints):
        if endpoint.parameter == code:
            needs_base = endpoint.kind != "value"
            yield Rule(
                name=endpoint.text,
                is_met=endpoint.is_met(),
                can_respond=_has_room(code, endpoint.cut)
                if endpoint.kind == "points"
                else pl.lit(None, pl.Boolean),
                is_evaluable=is_evaluable if endpoint.kind == "percent" else pl.lit(True),
                has_missing=needs_base or code != "PGIC",
            )


def _can_respond(code: str, name: str, *, options: Options) -> pl.Expr:
    """Whether some value of the scale would be a response from BASE; null where that can't be told
    or is not asked.
    """
    parameter = PARAMETERS[code]
    if name == WORSENING or code == "PGIC":
        return pl.lit(None, pl.Boolean)
    if name == BY_POINTS:
        return _has_room(code, pain.points_of(parameter, options=options))
    return pain.is_evaluable_baseline(parameter)


def _has_room(code: str, points: float) -> pl.Expr:
    """A scale that falls to 0 has room for as many points as BASE has; of another no end is known
    here.
    """
    parameter = PARAMETERS[code]
    if not parameter.has_percent_rules or parameter.better != "lower":
        return pl.lit(None, pl.Boolean)
    return (pl.col("BASE") >= points) & pain.is_evaluable_baseline(parameter)


def risk_differences(
    arms: Arms, rows: pl.DataFrame, at_visit: pl.DataFrame, *, due: pl.DataFrame, options: Options
) -> Iterator[dict]:
    """A row a rule and population. `rows`: all of the parameter's; `due`: patients whose window has
    closed.
    """
    based = rows.filter(pl.col("BASE").is_not_null()).unique("USUBJID")
    for rule in rules(at_visit["PARAMCD"][0], options=options):
        judged = at_visit.with_columns(is_met=rule.is_met)
        flagged = judged.filter(pl.col("is_met").is_not_null())
        too_low = based.filter(~rule.can_respond)
        of_visit = too_low.join(at_visit, on="USUBJID", how="semi")
        yield _row(arms, rule, flagged, flagged, COMPLETERS) | _too_low(arms, rule, of_visit)
        if rule.has_missing:
            not_evaluable = judged.filter(pl.col("is_met").is_null())
            counted = due.join(based.filter(rule.is_evaluable), on="USUBJID", how="semi")
            counted = counted.join(not_evaluable, on="USUBJID", how="anti")
            responses = flagged.join(counted, on="USUBJID", how="semi")
            of_due = too_low.join(due, on="USUBJID", how="semi")
            yield _row(arms, rule, responses, counted, MISSING_AS_NONRESPONDER) | _too_low(
                arms, rule, of_due
            )


def _too_low(arms: Arms, rule: Rule, too_low: pl.DataFrame) -> dict:
    counts = arms.count(too_low)
    is_told = (
        pl.select(rule.can_respond.is_null()).item()
        if not rule.can_respond.meta.root_names()
        else False
    )
    return {
        f"n_too_low_{side}": None if is_told else counts[f"n_{side}"]
        for side in ("arm", "reference")
    }


def _row(
    arms: Arms, rule: Rule, flagged: pl.DataFrame, counted: pl.DataFrame, population: str
) -> dict:
    counts = arms.count(counted)
    met = arms.count(flagged.filter("is_met"))
    row = {
        "method": "risk_difference",
        "population": population,
        "criterion": rule.name,
        "unit": "proportion",
        **counts,
        "x_arm": met["n_arm"],
        "x_reference": met["n_reference"],
        "metric_id": "arm_risk_difference",
        "direction": rule.better,
        "adjusted_for": [],
    }
    if not all(counts.values()):
        return row | {"reason": "no evaluable patient, due yet, in one of the arms"}
    pair = (row["x_arm"], row["n_arm"], row["x_reference"], row["n_reference"])
    newcombe, wald = rates.risk_difference(*pair), rates.risk_difference(*pair, method="wald")
    return row | {
        "estimate": newcombe.estimate,
        "ci_lower": newcombe.lower,
        "ci_upper": newcombe.upper,
        "wald_lower": wald.lower,
        "wald_upper": wald.upper,
    }
