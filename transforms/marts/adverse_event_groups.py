"""mart.adverse_event_groups: adverse events by body system, by worst grade, and of groups of terms.

Here: which category an event, or a patient, is in. Not here: what counts at all
(adverse_event_cells.py), single terms (adverse_event_rates.py), which terms make a group
(facts/event_groups.py).

A patient with several events of a body system or group counts once in it, and in the worst grade
alone among the grades.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.event_groups import GROUPS
from ..facts.restrictions import GROUP_RESTRICTIONS, flag_columns, spelt_out
from ..facts.strata import STORED, Combination
from ..facts.values import UNKNOWN
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import rate_columns
from . import adverse_event_cells as counted
from .adverse_event_places import ENDS, event_records, lasting, places, sessions_in_time
from .adverse_event_rates import RATES
from .stamp import stamped

TABLE = MART_TABLES["adverse_event_groups"]
INPUTS = ("mart.adsl", "mart.adex", "mart.adae", "mart.time_at_risk")
METRIC = "adverse_event_groups"
BODY_SYSTEM, WORST_GRADE, TERM_GROUP = "body_system", "worst_grade", "term_group"
ONLY = flag_columns(GROUP_RESTRICTIONS)
GRADES = ("1", "2", "3", "4", "5", UNKNOWN)
_OF_EVENTS = (
    "events",
    *RATES,
    *(f"{name}_{side}" for name in RATES for side in ("lower", "upper")),
)


def compute(
    *,
    adsl: pl.DataFrame,
    adex: pl.DataFrame,
    adae: pl.DataFrame,
    time_at_risk: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a stratum, grouping, category and restriction, those without events too.

    Columns of MART_TABLES["adverse_event_groups"].
    """
    begun = sessions_in_time(adsl, adex, time_at_risk)
    records = event_records(adsl, adae)
    nothing = lasting(records.clear(), clean_window_days=options.clean_window_days)
    where = places(
        begun, records, time_at_risk, removed=nothing, options=options, cut=cut, over=over
    )
    parts = [
        _of(grouping, pick, categories, where=where, begun=begun, over=over).with_columns(
            grouping=pl.lit(grouping)
        )
        for grouping, pick, categories in (
            (BODY_SYSTEM, _by_body_system, records["AESOC"].fill_null(UNKNOWN).unique().to_list()),
            (WORST_GRADE, _by_worst_grade, GRADES),
            (TERM_GROUP, _by_group, list(GROUPS)),
        )
    ]
    rows = pl.concat(parts, how="diagonal").with_columns(metric_id=pl.lit(METRIC))
    rows = rows.with_columns(cells(options).suppressed(rows))
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """Patients with and without an event of the category, and events, by stratum and category."""
    without = pl.col("patients") - pl.col("patients_with_event")
    return disclosure.Cells(
        counts=["patients", "patients_with_event", "events", without],
        dimensions=CELL_DIMENSIONS,
        by=["grouping", "category", *ONLY],
        min_cell=options.min_cell,
    )


def _of(
    grouping: str, pick, categories, *, where, begun: pl.DataFrame, over: Sequence[Combination]
) -> pl.DataFrame:
    """The rows of a grouping; `pick` gives the stacked records their category."""
    events = {
        by: pick(counted.stacked(place.records, GROUP_RESTRICTIONS), by=by)
        for by, place in where.items()
    }
    listed = pl.DataFrame({"category": sorted(categories)}, schema={"category": pl.String})
    counts = counted.cells(begun, where, events, listed, GROUP_RESTRICTIONS, over)
    frame = spelt_out(_rated(counts))
    if grouping == WORST_GRADE:
        # a patient is in one grade, so that time and events are of no grade
        frame = frame.with_columns(pl.lit(None, frame.schema[c]).alias(c) for c in _OF_EVENTS)
    return frame


def _rated(frame: pl.DataFrame) -> pl.DataFrame:
    frame = counted.with_years(frame)
    frame = rate_columns.proportion_columns(
        frame, x="patients_with_event", n="patients", name="incidence_proportion"
    )
    for name, (events, exposure) in RATES.items():
        frame = rate_columns.poisson_rate_columns(
            frame, events=events, exposure=exposure, name=name
        )
    return frame.with_columns(reason=counted.why_no_rate())


# --- which category -----------------------------------------------------------------------------


def _by_body_system(events: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    return events.with_columns(category=pl.col("AESOC").fill_null(UNKNOWN))


def _by_group(events: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    """The records once for each group that they are in."""
    parts = [
        events.filter(group.members(term="category")).with_columns(category=pl.lit(id))
        for id, group in GROUPS.items()
    ]
    return pl.concat([events.clear(), *parts])


def _by_worst_grade(events: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    """The records that count, of each patient (and place) those of the worst grade; unknown where
    none is known.
    """
    over = ["patient_id", *by, "restriction"]
    counting = events.filter(pl.any_horizontal(f"counts{suffix}" for suffix in ENDS))
    grade = pl.col("AETOXGR")
    worst = counting.filter(grade.eq_missing(grade.max().over(over)))
    return worst.with_columns(category=grade.cast(pl.String).fill_null(UNKNOWN))
