"""What a release holds of each summary: its counts rounded, its figures computed from these,
nothing of hidden rows.

Here: `as_released`, which makes the rows by what the schema says of each column (`Outside`; one
that says nothing is left out). Not here: which rows are hidden (disclosure/), how the figures
of each table come of its rounded counts (figures.py and its neighbours), who reads them
(dashboards/gate.py).

Counts are given to the nearest multiple of `base`: `release_rounding`, or `min_cell` where that is
more, so that none of 1 to `min_cell` - 1 is ever shown. A figure that was computed from counts is
computed anew from the rounded ones; one that can't be (a mean, a model's estimate) is given in
steps that no count can be read from (disclosure/rounding.py). Sums of time have two significant digits;
moments of single records and people become months and hours, numbers in sentences words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from ..disclosure.rounding import exact, nested, significant, to_base
from ..disclosure.telling import telling
from ..disclosure.withheld import withheld
from ..facts.strata import STRATUM_COLUMNS
from ..options import Options
from ..schemas import MARK, TIMESTAMP, Column, Outside, Table
from ..schemas.mart import CELL_DIMENSIONS
from . import curves, figures, safety
from .courses import course_relief
from .risks import competing_risks, thinned_risks

_SUMS_OF_TIME = ("years", "h")  # their units
# A number in a sentence, unless it is of a visit, a threshold, clinics or a share
_NUMBER = re.compile(
    r"(?<!Week )(?<!Month )(?<!least )(?<!than )(?<!from )(?<![\d.,])\d[\d,]*(?:\.\d+)?(?! clinics| %| needed|[\d])"
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One table: its figures are what `compute(rows, base=, options=)` makes; what it does not make
    is left out.

    `nested`: the innermost of nested groups, then what each wider one has more; `rest`: a count ->
    the one that it is a part of, where the others of that are nested in it. `thinned`: of the rows
    shown those that stay, where a row stands for a moment (a curve).
    """

    compute: Callable[..., pl.DataFrame] = figures.nothing
    nested: tuple[str, ...] = ()
    rest: Mapping[str, str] = field(default_factory=dict)
    thinned: Callable[..., pl.DataFrame] | None = field(default=None)


_EVALUABLE = ("n_evaluable", "n_missing", "n_not_evaluable", "n_pending")

RULES: Mapping[str, Rule] = {
    "cohort_outcomes": Rule(compute=figures.cohort_outcomes, nested=_EVALUABLE),
    "responder_curves": Rule(compute=figures.responder_curves, rest={"n_missing": "n"}),
    "responder_disagreement": Rule(compute=figures.responder_disagreement),
    "dose_response": Rule(compute=figures.dose_response),
    "important_change": Rule(compute=figures.important_change),
    "reliable_change": Rule(compute=figures.reliable_change, nested=_EVALUABLE),
    "adverse_event_rates": Rule(compute=safety.adverse_event_rates),
    "adverse_event_groups": Rule(compute=safety.adverse_event_groups),
    "device_event_rates": Rule(compute=safety.device_event_rates),
    "arm_comparisons": Rule(compute=figures.arm_comparisons),
    "consort_flow": Rule(),
    "clinic_funnel": Rule(compute=safety.clinic_funnel),
    "control_charts": Rule(compute=safety.control_charts),
    "survival_curves": Rule(compute=curves.survival_curves, thinned=curves.thinned_curves),
    "course_relief": Rule(
        compute=course_relief,
        nested=("n_pairs", "n_missing", "n_ended", "n_pending"),
        rest={"n_baseline_in_follow_up": "n_pairs"},
    ),
    "competing_risks": Rule(compute=competing_risks, thinned=thinned_risks),
}


def _rule(table: Table) -> Rule:
    mart = table.name.removeprefix("released_")
    return RULES.get(mart, Rule())


def is_figure(table: Table, column: Column) -> bool:
    """Whether it is measured and only its table's rule can say how it is released."""
    if column.outside is not Outside.MEASURED or column.name in table.key:
        return False
    is_number = column.polars in (pl.Float64, pl.Int64)
    return is_number and column.unit not in _SUMS_OF_TIME


def base_of(options: Options) -> int:
    """What counts are rounded to a multiple of."""
    return max(options.release_rounding, options.min_cell)


def to_hour(at: datetime) -> datetime:
    """The hour in which it lies: the newest event's moment, to the second, is one record's."""
    return at.replace(minute=0, second=0, microsecond=0)


def as_released(table: Table, rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The rows of a summary, with the release's `is_suppressed`, as a release holds them; conforms
    to `table`.
    """
    base, rule = base_of(options), _rule(table)
    shown = rows.filter(~pl.col(MARK))
    if rule.thinned:
        shown = rule.thinned(shown, base=base, options=options)
    names = [c.name for c in table.columns if is_figure(table, c)]
    shown = shown.with_columns(_treated(table, base=base)).rename(
        {name: exact(name) for name in names}
    )
    shown = rule.compute(shown, base=base, options=options)
    left_out = [pl.lit(None).alias(name) for name in names if name not in shown.columns]
    hidden = withheld(table, rows.filter(MARK))
    both = pl.concat([table.conform(shown.with_columns(left_out)), table.conform(hidden)])
    both = both.with_columns(pl.col(TIMESTAMP).dt.truncate("1h"))
    if not rule.nested:
        return both
    return _without_telling(table, both, options=options)


def _without_telling(table: Table, rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The rows without what lies between the groups of those that would give a few people away with
    their totals.
    """
    base, (_, *between) = base_of(options), _rule(table).nested
    marked = telling(
        rows,
        slack={"n_due": base // 2, **dict.fromkeys(between, base - 1)},
        min_cell=options.min_cell,
        dimensions=CELL_DIMENSIONS,
        by=[k for k in table.key if k not in (*STRATUM_COLUMNS, "strata")],
    )
    return rows.with_columns(pl.when(~marked).then(pl.col(c)).alias(c) for c in ("n_due", *between))


def _treated(table: Table, *, base: int) -> list[pl.Expr]:
    """All columns but figures, and those that are seen as they are."""
    rule = _rule(table)
    made = (
        [count.alias(name) for name, count in nested(*rule.nested, base=base).items()]
        if rule.nested
        else []
    )
    for part, whole in rule.rest.items():
        others = to_base(pl.col(whole) - pl.col(part), base)
        made.append((to_base(pl.col(whole), base) - others).alias(part))
    covered = {*rule.nested, *rule.rest, *table.key}
    return made + [
        _coarse(c, base=base)
        for c in table.columns
        if c.name not in covered and not is_figure(table, c)
    ]


def _coarse(column: Column, *, base: int) -> pl.Expr:
    value = pl.col(column.name)
    match column.outside:
        case Outside.KEY | Outside.OPEN:
            return value
        case Outside.COUNT:
            return to_base(value, base)
        case Outside.MEASURED if column.unit in _SUMS_OF_TIME:
            return significant(value, 2)
        case Outside.MEASURED if column.polars == pl.Date:
            return value.dt.truncate("1mo")
        case Outside.MEASURED if column.polars == pl.Boolean or column.closed is not None:
            return value
        case Outside.MEASURED if column.polars == pl.String:
            return _without_numbers(column.name)
    return pl.lit(None, column.polars).alias(column.name)


def _without_numbers(name: str) -> pl.Expr:
    """A sentence whose numbers, which may count people, are the word "some"."""

    def worded(texts: pl.Series) -> pl.Series:
        sentences = texts.drop_nulls().unique().to_list()
        sentence_of = {text: _NUMBER.sub("some", text) for text in sentences}
        if not sentence_of:
            return texts
        return texts.replace(sentence_of)

    return pl.col(name).map_batches(worded, return_dtype=pl.String)
