"""What a release holds of each summary: its counts rounded, its figures computed from these, nothing of hidden rows.

Here: which column is what (`treatment`, of every column of every released table: one that nobody declared is left
out), and `as_released`, which makes the rows. Not here: which rows are hidden (disclosure.py, release.py), how the
figures of each table come of its rounded counts (released_figures.py), who reads them (dashboards/disclosed.py).

Counts, which the schema tells by their unit, are given to the nearest multiple of `base`: `release_rounding`, or
`min_cell` where that is more, so that none of 1 to `min_cell` - 1 is ever shown. A figure that was computed from
counts is computed anew from the rounded ones; one that can't be (a mean, a model's estimate) is given in steps that
no count can be read from (rounding.py). Moments of single records and people become months, numbers in sentences words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from ..options import Options
from ..rounding import nested, significant, to_base
from ..schemas import TIMESTAMP, Column, Table
from ..schemas.app import MARK
from ..schemas.mart import CELL_DIMENSIONS, MART_TABLES, STAMP, STRATUM_COLUMNS
from ..telling import telling
from ..withheld import withheld
from . import released_figures as figures
from .adverse_event_cells import PATIENT_SUMS

KEY, CONSTANT, WORDS = "key", "constant", "words"
COUNT, AMOUNT, MONTH, FIGURE, LEFT_OUT = "count", "amount", "month", "figure", "left_out"
_FREE_TEXT = ("reason", "note", "nearness")
# A number in a sentence, unless it is of a visit, a threshold, clinics or a share
_NUMBER = re.compile(
    r"(?<!Week )(?<!Month )(?<!least )(?<!than )(?<!from )(?<![\d.,])\d[\d,]*(?:\.\d+)?(?! clinics| %| needed|[\d])"
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One table: `constants` hold no figure of people, `amounts` are sums of time to two significant digits, `months`
    are days of people, `left_out` is for nobody outside, `figures` are what `compute(rows, base=, options=)` makes.

    `nested`: the innermost of nested groups, then what each wider one has more; `rest`: a count -> the
    one that it is a part of, where the others of that are nested in it. `thinned`: of the rows shown those
    that stay, where a row stands for a moment (a curve).
    """

    compute: Callable[..., pl.DataFrame]
    figures: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    rest: Mapping[str, str] = field(default_factory=dict)
    thinned: Callable[..., pl.DataFrame] | None = field(default=None)


def _names(table: str, *starts: str) -> tuple[str, ...]:
    """Columns of the table that begin so, counts and texts apart."""
    columns = MART_TABLES[table].columns
    return tuple(
        c.name for c in columns if c.name.startswith(starts) and not c.is_count and c.polars in (pl.Float64, pl.Int64)
    )


_LIMITS = ("ci_lower", "ci_upper")
_CLUSTERED = ("ci_clustered_lower", "ci_clustered_upper")
_EVALUABLE = ("n_evaluable", "n_missing", "n_not_evaluable", "n_pending")
_PERIOD = ("period_start", "period_end")
_CLASSES = ("recovered", "improved", "unchanged", "deteriorated")

RULES: Mapping[str, Rule] = {
    "cohort_outcomes": Rule(
        compute=figures.cohort_outcomes,
        figures=("estimate", *_LIMITS, *_CLUSTERED, "median_day"),
        constants=("visit_day", "rtm_expected"),
        amounts=("patient_years",),
        nested=_EVALUABLE,
    ),
    "responder_curves": Rule(compute=figures.responder_curves, figures=("estimate", *_LIMITS), rest={"n_missing": "n"}),
    "responder_disagreement": Rule(compute=figures.responder_disagreement, figures=("estimate", *_LIMITS)),
    "dose_response": Rule(
        compute=figures.dose_response,
        figures=("mean_sessions_per_week", "mean_change", "sd_change", *_LIMITS, *_CLUSTERED),
        constants=("to_per_week", "is_causal", "rtm_expected"),
    ),
    "important_change": Rule(
        compute=figures.important_change,
        figures=("sensitivity", "specificity", "auc", "auc_lower", "auc_upper"),
        constants=("anchored_change", "anchored_change_least", "published_change"),
    ),
    "reliable_change": Rule(
        compute=figures.reliable_change,
        figures=_names("reliable_change", *(c for name in _CLASSES for c in (f"{name}_l", f"{name}_u", f"{name}_c")))
        + _CLASSES,
        constants=("standard_error_of_measurement", "smallest_change", "recovered_at"),
        nested=_EVALUABLE,
    ),
    "adverse_event_rates": Rule(
        compute=figures.adverse_event_rates,
        figures=(
            *_names("adverse_event_rates", "incidence_", "events_per_", "eair_"),
            "overdispersion",
            "session_window_time_share",
        ),
        amounts=(
            "patient_years",
            "patient_years_at_risk",
            "patient_years_planned",
            "patient_years_at_risk_planned",
        ),
        months=_PERIOD,
        left_out=PATIENT_SUMS,
    ),
    "adverse_event_groups": Rule(
        compute=figures.adverse_event_groups,
        figures=_names("adverse_event_groups", "incidence_", "events_per_", "eair_"),
        amounts=("patient_years", "patient_years_at_risk"),
        months=_PERIOD,
    ),
    "device_event_rates": Rule(
        compute=figures.device_event_rates,
        figures=_names("device_event_rates", "events_per_"),
        amounts=("device_hours",),
        months=_PERIOD,
    ),
    "adverse_event_comparisons": Rule(  # every row of it is hidden
        compute=figures.nothing,
        left_out=_names(
            "adverse_event_comparisons",
            "patient_years",
            "reference_",
            "sessions_",
            "risk_",
            "fisher_",
            "stratified_",
            "cmh_",
        ),
    ),
    "arm_comparisons": Rule(
        compute=figures.arm_comparisons,
        figures=("estimate", *_LIMITS, "wald_lower", "wald_upper", "p_value", *_names("arm_comparisons", "lsmean_")),
    ),
    "clinic_funnel": Rule(
        compute=figures.clinic_funnel,
        figures=(
            "estimate",
            "target",
            *_names("clinic_funnel", "lower_", "upper_"),
            "overdispersion",
            "tau2",
            "tail_probability",
            "tail_probability_at_target",
            "limit_share",
            "reference_tail_probability",
            "asked_share",
        ),
        constants=("reference", "clinics"),
    ),
    "control_charts": Rule(
        compute=figures.control_charts,
        figures=("value", "center", "lower", "upper", "limit_share", "in_control_arl"),
        constants=(
            "is_outside",
            "is_trend",
            "is_two_of_three",
            "is_shift",
            "is_trial_limits",
            "rebased_from",
            "baseline_points",
        ),
        months=("period_start",),
    ),
    "survival_curves": Rule(
        compute=figures.survival_curves,
        figures=("survival", "lower", "upper", "median", "median_lower", "median_upper", "log_rank_p_value"),
        thinned=figures.thinned_curves,
    ),
}


def treatment(table: Table, column: Column) -> str | None:
    """What is done with a column of a released table; None where that is declared nowhere, so that it is left out."""
    rule, name = RULES[table.name.removeprefix("released_")], column.name
    if name in {*table.key, *STRATUM_COLUMNS, "strata", *(c.name for c in STAMP)}:
        return KEY
    if column.is_count:
        return COUNT
    declared = {
        CONSTANT: rule.constants,
        AMOUNT: rule.amounts,
        MONTH: rule.months,
        FIGURE: rule.figures,
        LEFT_OUT: rule.left_out,
    }
    for kind, names in declared.items():
        if name in names:
            return kind
    if column.polars in (pl.String, pl.List(pl.String)):
        return WORDS if name.endswith(_FREE_TEXT) else CONSTANT
    return None


def base_of(options: Options) -> int:
    """What counts are rounded to a multiple of."""
    return max(options.release_rounding, options.min_cell)


def to_hour(at: datetime) -> datetime:
    """The hour in which it lies: the newest event's moment, to the second, is one record's."""
    return at.replace(minute=0, second=0, microsecond=0)


def as_released(table: Table, rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The rows of a summary, with the release's `is_suppressed`, as a release holds them; conforms to `table`."""
    base, rule = base_of(options), RULES[table.name.removeprefix("released_")]
    shown = rows.filter(~pl.col(MARK))
    if rule.thinned:
        shown = rule.thinned(shown, base=base, options=options)
    shown = shown.with_columns(_treated(table, base=base))
    shown = rule.compute(shown, base=base, options=options)
    hidden = withheld(table, rows.filter(MARK))
    both = pl.concat([table.conform(shown), table.conform(hidden)])
    both = both.with_columns(pl.col(TIMESTAMP).dt.truncate("1h"))
    return _without_telling(table, both, options=options) if rule.nested else both


def _without_telling(table: Table, rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The rows without what lies between the groups of those that would give a few people away with their totals."""
    base, (_, *between) = base_of(options), RULES[table.name.removeprefix("released_")].nested
    marked = telling(
        rows,
        slack={"n_due": base // 2, **dict.fromkeys(between, base - 1)},
        min_cell=options.min_cell,
        dimensions=CELL_DIMENSIONS,
        by=[k for k in table.key if k not in (*STRATUM_COLUMNS, "strata")],
    )
    return rows.with_columns(pl.when(~marked).then(pl.col(c)).alias(c) for c in ("n_due", *between))


def _treated(table: Table, *, base: int) -> list[pl.Expr]:
    """All columns but those that are computed anew and those that stay."""
    rule = RULES[table.name.removeprefix("released_")]
    made = [count.alias(name) for name, count in nested(*rule.nested, base=base).items()] if rule.nested else []
    for part, whole in rule.rest.items():
        others = to_base(pl.col(whole) - pl.col(part), base)
        made.append((to_base(pl.col(whole), base) - others).alias(part))
    done = {*rule.nested, *rule.rest}
    for column in table.columns:
        kind, value = treatment(table, column), pl.col(column.name)
        if kind == COUNT and column.name not in done:
            made.append(to_base(value, base))
        elif kind == AMOUNT:
            made.append(significant(value, 2))
        elif kind == MONTH:
            made.append(value.dt.truncate("1mo"))
        elif kind == WORDS:
            made.append(_without_numbers(column.name))
        elif kind in (LEFT_OUT, None):
            made.append(pl.lit(None, column.polars).alias(column.name))
    return made


def _without_numbers(name: str) -> pl.Expr:
    """A sentence whose numbers, which may count people, are the word "some"; none where it is of nothing else."""
    if name == "nearness":
        return pl.lit(None, pl.String).alias(name)

    def worded(texts: pl.Series) -> pl.Series:
        known = texts.drop_nulls().unique().to_list()
        said = {text: _NUMBER.sub("some", text) for text in known}
        return texts.replace(said) if said else texts

    return pl.col(name).map_batches(worded, return_dtype=pl.String)
