"""When has a patient responded? Responder rules, worsening, the parameter that stands for a
patient.

Here: rules as expressions, in exact arithmetic. Not here: scores (instruments), visits and
baselines (windows), what of a change is regression to the mean (regression_to_mean).

The rules stay apart, because they disagree on common cases: 7 to 5 is two points but not 30 %, 3 to
2 is 30 % but not two points. Dworkin 2008 (IMMPACT), Ostelo 2008.
"""

from fractions import Fraction

import polars as pl

from ..facts.parameters import PARAMETERS, Parameter
from ..facts.responses import BY_POINTS, CRITERIA, RESPONDER_RULES, WORSENING
from ..facts.thresholds import PGIC_IMPROVED_AT_MOST, PGIC_WORSE_AT_LEAST
from ..options import Options
from .flags import flag

# A score is a decimal of up to six places, or a mean of 8 to 11 or 22 to 24 answered items on a
# scale of integers: each is a whole number of these units, so that "exactly 30 %" is decided in
# integers, never in binary fractions.
_UNITS = 10**6 * 91_080


def _exact(value: pl.Expr) -> pl.Expr:
    return (value * _UNITS).round().cast(pl.Int64)


def improvement(base: pl.Expr, value: pl.Expr, *, better: str = "lower") -> pl.Expr:
    """How much better than at baseline, in the scale's own points; negative = worse."""
    if better == "lower":
        return base - value
    return value - base


def percent_improvement(base: pl.Expr, value: pl.Expr, *, better: str = "lower") -> pl.Expr:
    """`100 (BASE - AVAL) / BASE`; null where the baseline is 0: a percentage of nothing is
    undefined.
    """
    percent = 100 * improvement(base, value, better=better) / base
    return pl.when(base != 0).then(percent)


def is_percent_responder(
    base: pl.Expr, value: pl.Expr, *, percent: float, better: str = "lower"
) -> pl.Expr:
    """Better by at least `percent` % of baseline, in exact arithmetic; null where the baseline is 0
    or one is null.

    30 % iff 10 (BASE - AVAL) >= 3 BASE, for any other percentage alike.
    """
    share = Fraction(str(percent)) / 100
    gained = share.denominator * improvement(_exact(base), _exact(value), better=better)
    return pl.when(base != 0).then(gained >= share.numerator * _exact(base))


def is_points_responder(
    base: pl.Expr, value: pl.Expr, *, points: float, better: str = "lower"
) -> pl.Expr:
    """Better by at least `points`; null where one is null."""
    better_by = improvement(_exact(base), _exact(value), better=better)
    return better_by >= round(points * _UNITS)


def is_worse(base: pl.Expr, value: pl.Expr, *, points: float, better: str = "lower") -> pl.Expr:
    """Worse by at least `points`; null where one is null."""
    worse_by = -improvement(_exact(base), _exact(value), better=better)
    return worse_by >= round(points * _UNITS)


# The rules of mart.adqs: CRITn and CRITnFL hold rule n (transforms/facts/responses.py: CRITERIA).
def _percents(options: Options) -> dict[str, float]:
    return {
        rule.name: getattr(options, rule.percent_option) if rule.percent_option else rule.percent
        for rule in RESPONDER_RULES.values()
        if rule.is_percent
    }


def points_of(parameter: Parameter, *, options: Options) -> float | None:
    """The parameter's important change, in its own points; None where it has none."""
    if parameter.points_option is None:
        return None
    return getattr(options, parameter.points_option)


def rule_texts(parameter: Parameter, *, options: Options) -> dict[str, str]:
    """Rule name -> the rule in words, for the rules that apply to the parameter."""
    texts = {}
    if parameter.has_percent_rules:
        texts = {
            name: f"improvement of at least {p:g} % of baseline"
            for name, p in _percents(options).items()
        }
    points = points_of(parameter, options=options)
    if points is not None:
        texts[BY_POINTS] = f"improvement of at least {points:g} {parameter.unit}"
        texts[WORSENING] = f"worsening of at least {points:g} {parameter.unit}"
    if parameter.code == "PGIC":
        texts |= {
            BY_POINTS: "much or very much improved (1 or 2)",
            WORSENING: "much or very much worse (6 or 7)",
        }
    return texts


def judged(rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """`rows` with CRITn, CRITnFL (Y, N, null = not evaluable) and `rule_reason`.

    `rows`: `parameter`, `AVAL`, `BASE`, `is_judged` (after a baseline, both there). Not evaluable:
    every improvement from a baseline of 0 or below what the scale can show, a worsening above it.
    """
    by_parameter = rows.partition_by("parameter", as_dict=True) or {("NRS7D",): rows}
    return pl.concat(
        _judged_parameter(part, PARAMETERS[code], options=options)
        for (code,), part in by_parameter.items()
    )


def _judged_parameter(
    rows: pl.DataFrame, parameter: Parameter, *, options: Options
) -> pl.DataFrame:
    texts = rule_texts(parameter, options=options)
    flags = _flags(parameter, options=options)
    columns = {}
    for k, name in enumerate(CRITERIA, 1):
        columns[f"CRIT{k}"] = pl.lit(texts.get(name), dtype=pl.String)
        is_met = flags.get(name, pl.lit(None, dtype=pl.Boolean))
        columns[f"CRIT{k}FL"] = flag(is_met)
    return rows.with_columns(**columns, rule_reason=_rule_reason(parameter))


def _flags(parameter: Parameter, *, options: Options) -> dict[str, pl.Expr]:
    if parameter.code == "PGIC":
        return {
            BY_POINTS: pl.col("AVAL") <= PGIC_IMPROVED_AT_MOST,
            WORSENING: pl.col("AVAL") >= PGIC_WORSE_AT_LEAST,
        }
    base, value = pl.col("BASE"), pl.col("AVAL")
    flags = {}
    if parameter.has_percent_rules:
        for name, percent in _percents(options).items():
            flag = is_percent_responder(base, value, percent=percent, better=parameter.better)
            flags[name] = pl.when(is_evaluable_baseline(parameter)).then(flag)
    points = points_of(parameter, options=options)
    if points is not None:
        better = is_points_responder(base, value, points=points, better=parameter.better)
        worse = is_worse(base, value, points=points, better=parameter.better)
        flags[BY_POINTS] = pl.when(is_evaluable_baseline(parameter)).then(better)
        flags[WORSENING] = pl.when(can_worsen(parameter)).then(worse)
    return {name: pl.when(pl.col("is_judged")).then(flag) for name, flag in flags.items()}


def is_evaluable_baseline(parameter: Parameter) -> pl.Expr:
    """Whether an improvement from the baseline in column BASE can be seen: not from 0, not below
    what a scale shows.
    """
    possible = pl.col("BASE") != 0 if parameter.has_percent_rules else pl.lit(True)
    return possible & is_on_scale(parameter)


def is_on_scale(parameter: Parameter) -> pl.Expr:
    """Whether the scale can show an improvement from the baseline in column BASE, a percentage
    apart.
    """
    return (
        pl.lit(True)
        if parameter.lowest_baseline is None
        else pl.col("BASE") >= parameter.lowest_baseline
    )


def can_worsen(parameter: Parameter) -> pl.Expr:
    """Whether a worsening from the baseline in column BASE can be seen."""
    return (
        pl.lit(True)
        if parameter.highest_baseline is None
        else pl.col("BASE") <= parameter.highest_baseline
    )


def _rule_reason(parameter: Parameter) -> pl.Expr:
    reason = pl.lit(None, dtype=pl.String)
    if parameter.highest_baseline is not None:
        text = f"baseline over {parameter.highest_baseline:g}: a worsening can't be seen"
        reason = pl.when(~can_worsen(parameter)).then(pl.lit(text)).otherwise(reason)
    if parameter.lowest_baseline is not None:
        text = f"baseline under {parameter.lowest_baseline:g}: an improvement can't be seen"
        reason = (
            pl.when(pl.col("BASE") < parameter.lowest_baseline).then(pl.lit(text)).otherwise(reason)
        )
    if parameter.has_percent_rules:
        text = "baseline is 0: a percentage of it is undefined"
        reason = pl.when(pl.col("BASE") == 0).then(pl.lit(text)).otherwise(reason)
    return pl.when(pl.col("is_judged")).then(reason)


def headline(rows: pl.DataFrame, *, parameters: tuple[str, ...]) -> pl.DataFrame:
    """The rows of the one parameter that stands for each patient: the first of `parameters` with a
    baseline, else the first with a value. `rows`: `USUBJID`, `PARAMCD`, `AVAL`, `BASE`.
    """
    order = {code: k for k, code in enumerate(parameters)}
    ranked = rows.filter(
        pl.col("PARAMCD").is_in(parameters) & pl.col("AVAL").is_not_null()
    ).with_columns(
        _order=pl.col("PARAMCD").replace_strict(order, default=len(order))
        + len(order) * pl.col("BASE").is_null()
    )
    first = ranked.sort("USUBJID", "_order").unique("USUBJID", keep="first", maintain_order=True)
    return rows.join(first.select("USUBJID", "PARAMCD"), on=["USUBJID", "PARAMCD"], how="semi")
