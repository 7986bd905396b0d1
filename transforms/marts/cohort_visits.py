"""Means, changes and responders of the visits, over strata: the counts and estimates of rows of
mart.cohort_outcomes.

Here: one choice of treatment episodes at a time, and each strategy for intercurrent events. Not
here: the assembly of the mart (cohort_outcomes.py), who is due (visit_values.py), the events'
days (rules/intercurrent.py).

Under the strategy `composite` a responder rule is not met from the day of the first intercurrent
event on: at an assessment on that day or later, and at a visit without a judgement whose target
day is that day or later; such a patient is evaluable. Under `while_on_treatment` the last judgement
of an assessment before that day stands for the visits from then on; without one there is no value.
"""

from collections.abc import Callable, Sequence

import polars as pl

from ..facts.catalogue import STATISTICS, Metric
from ..facts.estimands import COMPOSITE, STRATEGIES, TREATMENT_POLICY
from ..facts.responses import POPULATIONS, RESPONDER_RULES, WORSENING
from ..facts.strata import STRATUM_COLUMNS, Combination
from ..facts.values import COMPLETERS, MISSING_AS_NONRESPONDER
from ..options import Options
from ..rules import windows
from ..rules.regression_to_mean import rtm_columns
from .cohort_clusters import of_patients_in, with_sums
from .cohort_estimates import as_mean, as_proportion
from .cohort_responses import RULES, UNIT, WITHOUT_BASELINE, Units, candidates_of, under
from .strata import COUNTS_ONCE, by_strata, is_of
from .visit_values import asked_of, expected_of

_STRATUM = list(STRATUM_COLUMNS)
_CELL = [*_STRATUM, "PARAMCD", "AVISIT"]
_RESPONSES = tuple(rule.name for rule in RESPONDER_RULES.values() if not rule.is_worsening)


def rows(
    units: Units,
    *,
    over: Sequence[Combination],
    choices: Sequence[Combination],
    options: Options,
) -> list[pl.DataFrame]:
    """The estimates over the combinations `over`; of other strategies than the default over
    `choices`.
    """
    asked = asked_of(units.values, units.people)
    cells = _cells(units, asked, over=over)
    worsened = pl.col(RULES[WORSENING])
    values = {
        "mean": pl.col("AVAL"),
        "change": pl.col("CHG"),
        WORSENING: pl.when(worsened.is_not_null()).then((worsened == "Y").cast(pl.Float64)),
    }
    of_patients = of_patients_in(units, _seen(units), values, over=over)
    means = [_mean(with_sums(cells, of_patients, name), name) for name in ("mean", "change")]
    worse = _proportion(with_sums(cells, of_patients, WORSENING), WORSENING, COMPLETERS)
    parts = [part.with_columns(strategy=pl.lit(TREATMENT_POLICY)) for part in (*means, worse)]
    candidates = candidates_of(units, asked)
    for strategy in STRATEGIES:
        combinations = over if strategy == COMPOSITE else choices
        parts += _responses(cells, candidates, strategy, units=units, over=combinations)
    return [_named(part, options=options) for part in parts]


# --- counts -------------------------------------------------------------------------------------


def _cells(units: Units, asked: pl.DataFrame, *, over: Sequence[Combination]) -> pl.DataFrame:
    """A row a stratum, parameter and visit with every count and moment that the estimates need."""
    patients = by_strata(
        units.due,
        n_patients=pl.col("patient_id").n_unique(),
        n_episodes=pl.len(),
        n_due=pl.col("is_due").sum(),
        n_ended=pl.col("is_ended").sum(),
        # of several studies' plans together the usual day, as of a visit that they do not share
        visit_day=pl.when(pl.col("target_day").n_unique() == 1).then(pl.col("target_day").first()),
        by=["AVISIT"],
        over=over,
    )
    closed = units.due.filter("is_due")
    expected = (
        closed.group_by([*_STRATUM, COUNTS_ONCE, "STUDYID", "AVISIT"])
        .len()
        .join(asked, on=["STUDYID", "clinic_id", "AVISIT"])
    )
    based = expected_of(units.values, units.due, asked)
    by = ["PARAMCD", "AVISIT"]
    cells = by_strata(expected, n_asked=pl.col("len").sum(), by=by, over=over)
    cells = cells.join(patients.drop("strata"), on=[*_STRATUM, "AVISIT"], nulls_equal=True)
    for counts in (
        by_strata(based, **_base_counts(), by=by, over=over),
        by_strata(_seen(units), **_value_counts(), by=by, over=over),
    ):
        cells = cells.join(counts.drop("strata"), on=_CELL, how="left", nulls_equal=True)
    return _whole(cells)


def _whole(cells: pl.DataFrame) -> pl.DataFrame:
    counted = [c for c in cells.columns if c.startswith("n_")]
    return cells.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64))


def _seen(units: Units) -> pl.DataFrame:
    """Values at visits that are due; in one order, whatever that of the rows: the last digit of a
    sum depends on it.
    """
    closed = units.due.filter("is_due")
    return units.values.join(closed, on=["USUBJID", "AVISIT"]).sort(UNIT)


def _base_counts() -> dict[str, pl.Expr]:
    return {
        "n_based": pl.len(),
        "n_can_improve": pl.col("can_improve").sum(),
        "n_can_worsen": pl.col("can_worsen").sum(),
    }


def _value_counts() -> dict[str, pl.Expr]:
    counts = {}
    for name, column in (("mean", "AVAL"), ("change", "CHG")):
        value = pl.col(column)
        counts |= {
            f"n_{name}": value.count(),
            name: value.mean(),
            f"{name}_sd": value.std(),
            **_day_of(name, value),
        }
    return counts | _rule_counts(WORSENING, pl.col(RULES[WORSENING]))


def _rule_counts(name: str, flag: pl.Expr) -> dict[str, pl.Expr]:
    return {
        f"n_{name}": flag.count(),
        f"n_{name}_yes": (flag == "Y").sum(),
        **_day_of(name, flag),
    }


def _day_of(name: str, value: pl.Expr) -> dict[str, pl.Expr]:
    """The median day of those assessments that the statistic is of."""
    return {f"day_{name}": pl.col("ADY").filter(value.is_not_null()).median()}


# --- responders ------------------------------------------------------------------------------------


def _responses(
    cells: pl.DataFrame,
    candidates: pl.DataFrame,
    strategy: str,
    *,
    units: Units,
    over: Sequence[Combination],
) -> list[pl.DataFrame]:
    """The shares of responders under a strategy, a frame a rule and population: all rules are
    counted at once.
    """
    judged = _judged(candidates, strategy, units=units)
    counts = by_strata(judged, by=["PARAMCD", "AVISIT"], over=over, **_response_counts())
    frame = cells.filter(is_of(over))
    frame = _whole(frame.join(counts.drop("strata"), on=_CELL, how="left", nulls_equal=True))
    values = {name: (pl.col(name) == "Y").cast(pl.Float64) for name in _RESPONSES}
    of_patients = of_patients_in(units, judged, values, over=over)
    parts = []
    for name in _RESPONSES:
        of_rule = frame.with_columns(n_events_between=f"n_decided_{name}")
        for population in (COMPLETERS, MISSING_AS_NONRESPONDER):
            is_of_every = population == MISSING_AS_NONRESPONDER
            of_units = with_sums(of_rule, of_patients, name, is_of_every=is_of_every)
            part = _proportion(of_units, name, population)
            parts.append(part.with_columns(strategy=pl.lit(strategy)))
    return parts


def _judged(candidates: pl.DataFrame, strategy: str, *, units: Units) -> pl.DataFrame:
    """The candidates with a column a rule, its judgement under the strategy, and `decided_…`: an
    event decided it.
    """
    columns = []
    for name in _RESPONSES:
        of_rule = under(candidates, strategy, name=name, judged=units.judged)
        columns += [of_rule["_flag"].alias(name), of_rule["_is_decided"].alias(f"decided_{name}")]
    return candidates.with_columns(columns)


def _response_counts() -> dict[str, pl.Expr]:
    counts = {}
    for name in _RESPONSES:
        counts |= _rule_counts(name, pl.col(name))
        counts[f"n_decided_{name}"] = pl.col(f"decided_{name}").sum()
    return counts


# --- estimates ----------------------------------------------------------------------------------


def _mean(cells: pl.DataFrame, name: str) -> pl.DataFrame:
    judged = pl.col("n_asked" if name == "mean" else "n_based")
    frame = _with_counts(cells, n_evaluable=pl.col(f"n_{name}"), n_judged=judged)
    frame = frame.with_columns(
        mean=pl.col(name),
        sd=pl.col(f"{name}_sd"),
        unit=_by_parameter("mean", lambda metric: metric.unit),
    )
    frame = _of_statistic(as_mean(frame), name, COMPLETERS)
    return frame.filter((name == "mean") | (pl.col("AVISIT") != windows.BASELINE))


def _proportion(frame: pl.DataFrame, criterion: str, population: str) -> pl.DataFrame:
    judged = pl.col("n_can_worsen" if criterion == WORSENING else "n_can_improve")
    needs_none = pl.col("PARAMCD").is_in(WITHOUT_BASELINE)
    n_judged = pl.when(needs_none).then("n_asked").otherwise(judged)
    frame = _with_counts(frame, n_evaluable=pl.col(f"n_{criterion}"), n_judged=n_judged)
    counted = pl.col("n_evaluable")
    if population == MISSING_AS_NONRESPONDER:
        counted = counted + pl.col("n_missing")
    frame = frame.with_columns(
        n_event=pl.col(f"n_{criterion}_yes"),
        unit=pl.lit("proportion"),
        n_counted=counted,
        n_cannot_respond=pl.when(~needs_none).then(pl.col("n_based") - judged),
    )
    frame = _of_statistic(as_proportion(frame, "n_counted"), criterion.lower(), population)
    return frame.filter(pl.col("AVISIT") != windows.BASELINE)


def _with_counts(frame: pl.DataFrame, *, n_evaluable: pl.Expr, n_judged: pl.Expr) -> pl.DataFrame:
    """`n_judged`: the due who are asked and whose baseline allows the statistic; some of them have
    a value.
    """
    return frame.with_columns(
        n_evaluable=n_evaluable,
        n_missing=n_judged - n_evaluable,
        n_not_evaluable=pl.col("n_due") - n_judged,
    )


def _of_statistic(frame: pl.DataFrame, name: str, population: str) -> pl.DataFrame:
    """The rows of parameters that have the statistic, named."""
    day = name if name in ("mean", "change") else name.upper()
    named = frame.with_columns(
        metric_id=_by_parameter(name, lambda metric: metric.id),
        median_day=pl.col(f"day_{day}"),
        population=pl.lit(population),
        missing_rule=pl.lit(POPULATIONS[population].of_missing),
        is_change=pl.lit(name == "change"),
    )
    return named.filter(pl.col("metric_id").is_not_null())


def _by_parameter(statistic: str, field: Callable[[Metric], str | None]) -> pl.Expr:
    """A field of each parameter's metric of the statistic; null for a parameter without one."""
    values = {
        parameter: field(metric)
        for (parameter, name), metric in STATISTICS.items()
        if name == statistic
    }
    return pl.col("PARAMCD").replace_strict(values, default=None, return_dtype=pl.String)


def _named(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    targets = {v.name: v.target for v in windows.VISITS}
    is_change = not frame.is_empty() and frame["is_change"][0]
    return frame.with_columns(
        visit=pl.col("AVISIT"),
        visit_day=pl.coalesce(
            "visit_day",
            pl.col("AVISIT").replace_strict(targets, default=None, return_dtype=pl.Int64),
        ),
        n_pending=pl.col("n_episodes") - pl.col("n_due"),
        **rtm_columns(pl.col("PARAMCD"), options=options, is_change=is_change),
    ).drop("is_change")
