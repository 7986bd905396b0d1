"""How the counts of each released summary hang together, for whoever solves for what is hidden.

Here: that, as data. Not here: solving (whole_release.py), what is hidden by one table's own counts
(each mart's `cells`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from ..facts.values import MISSING_AS_NONRESPONDER
from ..schemas import MART_TABLES
from ..schemas.mart.columns import STRATA


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One table: `by`, its key beside the stratum; `slack`: each count -> whether it is shown as a
    difference of two rounded ones; `guarded`: counts by which rows are hidden; `rest`: such ones
    that are no column, name -> (whole, part); `sums`: of each row (whole, its parts); `within`:
    name -> a group that is rounded as one; `over`: (columns of `by`, a count): what all their
    values add up to is the row without them; `apart`: counts from which no figure comes, but of
    `denominators` in rows that meet the condition. `looked_at`: rows that say what the others do;
    `as_a_whole`: columns of `by` whose rows are hidden together.
    """

    by: Sequence[str]
    slack: Mapping[str, bool]
    guarded: Sequence[str] = ()
    rest: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sums: Sequence[tuple[str, tuple[str, ...]]] = ()
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    never_more: Sequence[tuple[str, str]] = ()
    over: Sequence[tuple[tuple[str, ...], str]] = ()
    apart: Sequence[str] = ()
    denominators: tuple[str, pl.Expr] | None = None
    looked_at: pl.Expr = field(default_factory=lambda: pl.lit(True))
    as_a_whole: Sequence[str] = ()


def _beside_stratum(name: str) -> tuple[str, ...]:
    """What tells the rows of one stratum apart: all of the table's key that is no dimension."""
    strata = {column.name for column in STRATA}
    return tuple(column for column in MART_TABLES[name].key if column not in strata)


def _rounded(*names: str) -> dict[str, bool]:
    return dict.fromkeys(names, False)


_BETWEEN = ("n_missing", "n_not_evaluable", "n_pending")
_DUE = ("n_evaluable", "n_missing", "n_not_evaluable")
_NESTED = _rounded("n_patients", "n_due", "n_evaluable") | dict.fromkeys(_BETWEEN, True)
_SUMS = (("n_patients", ("n_due", "n_pending")), ("n_due", _DUE))
_WITHIN = {"with or without a value": ("n_evaluable", "n_missing"), "all due": _DUE}
_APART = ("n_patients", "n_due", *_BETWEEN)
_CLASSES = ("n_recovered", "n_improved", "n_unchanged", "n_deteriorated")
_IMPRESSIONS = ("n_improved", "n_not_improved", "n_without_pgic")
_EVENTS = _rounded("patients", "patients_with_event", "events", "sessions", "sessions_asked")
_WITHOUT = {"without": ("patients", "patients_with_event")}

COUNTS: Mapping[str, Counts] = {
    "cohort_outcomes": Counts(
        by=_beside_stratum("cohort_outcomes"),
        slack=_NESTED | _rounded("n_event"),
        guarded=("n_patients", "n_evaluable", "n_event"),
        rest={"without": ("n_evaluable", "n_event")},
        sums=_SUMS,
        within=_WITHIN,
        apart=_APART,
        denominators=("n_missing", pl.col("population") == MISSING_AS_NONRESPONDER),
    ),
    "reliable_change": Counts(
        by=_beside_stratum("reliable_change"),
        slack=_NESTED | _rounded(*_CLASSES),
        guarded=("n_patients", "n_evaluable", *_CLASSES),
        sums=(*_SUMS, ("n_evaluable", _CLASSES)),
        within=_WITHIN,
        apart=_APART,
    ),
    "important_change": Counts(
        by=_beside_stratum("important_change"),
        slack=_rounded("n_changes", *_IMPRESSIONS),
        guarded=("n_changes", *_IMPRESSIONS),
        sums=(("n_changes", _IMPRESSIONS),),
    ),
    "responder_curves": Counts(
        by=_beside_stratum("responder_curves"),
        slack=_rounded("n", "x") | {"n_missing": True},
        guarded=("n",),
        never_more=(("x", "n"), ("n_missing", "n")),
        apart=("n_missing",),
        looked_at=pl.col("cutoff_pct") % 10 == 0,
        as_a_whole=("cutoff_pct",),
    ),
    "dose_response": Counts(
        by=_beside_stratum("dose_response"),
        slack=_rounded("n_patients"),
        guarded=("n_patients",),
    ),
    "adverse_event_rates": Counts(
        by=_beside_stratum("adverse_event_rates"),
        slack=_EVENTS | _rounded("events_outside", "unknown_onset", "events_planned"),
        guarded=("patients", "patients_with_event", "events", "events_outside", "unknown_onset"),
        rest=_WITHOUT | {"after": ("events_planned", "events")},
        never_more=(("patients_with_event", "events"), ("sessions_asked", "sessions")),
        over=((("term",), "events"), (("term",), "events_outside")),
    ),
    "adverse_event_groups": Counts(
        by=_beside_stratum("adverse_event_groups"),
        slack=_EVENTS,
        guarded=("patients", "patients_with_event", "events"),
        rest=_WITHOUT,
    ),
}
