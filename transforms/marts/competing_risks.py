"""mart.competing_risks: of the times of mart.adtte with competing events, the cumulative incidence
of each event, over combinations of strata.

Here: which rows make a curve, Gray's test. Not here: the times (rules/retreatment.py), the
estimators (statistics/competing.py, gray.py), Kaplan-Meier of the same times (survival_curves.py).

Gray's p-value is given only between the arms of one study, where all patients of the compared arms
were randomised and everybody allocated has a time: whom only one arm's course of things left out
was not put aside by chance.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.competing_events import CENSORED, COMPETING_EVENTS, EVENT
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..facts.values import NONE
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import competing, gray
from .stamp import stamped
from .strata import STUDY_ARM, columns_of, dimensions_of, in_force, of_subjects, once

TABLE = MART_TABLES["competing_risks"]
INPUTS = ("mart.adtte", "mart.adsl")
METRIC = "first_of_competing_events"


def compute(
    *,
    adtte: pl.DataFrame,
    adsl: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a parameter, stratum, event and time; columns of MART_TABLES["competing_risks"].

    A row of adtte without a time is in no curve; empty without times.
    """
    subjects = of_subjects(adsl)
    rows = _with_event(of_subjects(adtte)).drop("STUDYID")
    rows = rows.join(dimensions_of(subjects), on="USUBJID").join(
        _comparable(subjects, rows), on="study_id", how="left"
    )
    curves = [
        _curves(part, combination, events=events)
        for parameter, events in COMPETING_EVENTS.items()
        if (part := rows.filter(pl.col("PARAMCD") == parameter)).height
        for combination in over
    ]
    if not curves:
        return TABLE.empty()
    frame = pl.concat(curves)
    frame = frame.with_columns(cells(options).suppressed(frame), metric_id=pl.lit(METRIC))
    return TABLE.conform(stamped(frame, cut=cut)).sort(
        "parameter", *STRATUM_COLUMNS, "event", "time_days", nulls_last=False
    )


def cells(options: Options) -> disclosure.Cells:
    """The curves of a stratum are hidden together, where it is of few patients or any event, or
    being censored, is one of few: what competes with one event are the others.
    """
    of_stratum = ["parameter", *STRATUM_COLUMNS]
    totals = [
        pl.col("events").filter(pl.col("event") == event).sum().over(of_stratum)
        for events in COMPETING_EVENTS.values()
        for event in events
    ]
    censored = pl.col("censored").sum().over(*of_stratum, "event")
    return disclosure.Cells(
        counts=["n_patients", *totals, censored],
        dimensions=CELL_DIMENSIONS,
        by=["parameter"],
        min_cell=options.min_cell,
    )


def is_released() -> pl.Expr:
    """No row, till a release is solved with these counts among the rest
    (released/counts.py): what they tell together with other tables is not known.
    """
    return pl.lit(False)


def _with_event(adtte: pl.DataFrame) -> pl.DataFrame:
    """Times with `first`, the event that came first; null = censored."""
    timed = adtte.filter(
        pl.col("PARAMCD").is_in(list(COMPETING_EVENTS)) & pl.col("AVAL").is_not_null()
    )
    main = {parameter: events[0] for parameter, events in COMPETING_EVENTS.items()}
    first = (
        pl.when(pl.col("CNSR") == EVENT)
        .then(pl.col("PARAMCD").replace_strict(main, return_dtype=pl.String))
        .when(pl.col("CNSR") != CENSORED)
        .then("EVNTDESC")
    )
    return timed.with_columns(first=first)


def _comparable(subjects: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`study_id` and `is_comparable`: all in an arm were randomised, and all of them have a time."""
    allocated = subjects.filter(pl.col("ARM").is_not_null())
    has_time = pl.col("USUBJID").is_in(rows["USUBJID"].implode())
    is_randomised = (pl.col("ALLOCATN") == "randomised").fill_null(False)
    return allocated.group_by(study_id="STUDYID").agg(
        is_comparable=(has_time & is_randomised).all()
    )


def _curves(
    rows: pl.DataFrame, combination: tuple[str, ...], *, events: tuple[str, ...]
) -> pl.DataFrame:
    """All curves of a parameter and combination of dimensions, with p-values."""
    by = ["PARAMCD", *columns_of(combination)]
    rows = once(rows, combination)
    curve = competing.cumulative_incidence(rows, "AVAL", "first", by=by, events=events)
    counts = rows.group_by(by).agg(n_patients=pl.col("USUBJID").n_unique().cast(pl.Int64))
    tests = _tests(rows, combination, events=events)
    frame = curve.join(counts, on=by, how="left").join(
        tests, on=["event", *(c for c in by if c != "arm")], how="left"
    )
    return frame.select(
        *in_force(combination),
        "event",
        "at_risk",
        "events",
        "competing",
        "censored",
        "incidence",
        "lower",
        "upper",
        "ci_method",
        "gray_p_value",
        "n_patients",
        parameter="PARAMCD",
        time_days="time",
    )


def _tests(
    rows: pl.DataFrame, combination: tuple[str, ...], *, events: tuple[str, ...]
) -> pl.DataFrame:
    """A row an event, study and stratum apart from the arm: Gray's p-value between its arms, where
    they may be compared.
    """
    keys = ["PARAMCD", *(c for c in columns_of(combination) if c != "arm")]
    schema = {**dict.fromkeys([*keys, "event"], pl.String), "gray_p_value": pl.Float64}
    if STUDY_ARM not in combination:
        return pl.DataFrame(schema=schema)
    compared = rows.filter(pl.col("is_comparable").fill_null(False) & (pl.col("arm") != NONE))
    tests = [
        (*key, event, gray.gray_test(part, "AVAL", "first", "arm", of=event).p_value)
        for key, part in compared.group_by(keys, maintain_order=True)
        if part["arm"].n_unique() > 1
        for event in events
    ]
    return pl.DataFrame(tests, schema=schema, orient="row")
