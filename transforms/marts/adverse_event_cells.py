"""Counts of adverse events over time at risk, cell by cell: what the marts of adverse-event rates
share.

Here: numerators and denominators of combinations of strata, category and restriction. Not
here: which records count where (adverse_event_places.py), rates and intervals
(adverse_event_rates.py, adverse_event_groups.py). An event is counted once for all its records that
meet the restriction.
"""

from collections.abc import Sequence

import polars as pl

from ..facts.restrictions import RESTRICTIONS
from ..facts.strata import STRATUM_COLUMNS, Combination
from ..rules.time_at_risk import US_PER_YEAR, length_us
from .adverse_event_places import ENDS, EVERYBODY, Place, of_session
from .strata import columns_of, in_force

# Sums over a stratum's patients, from which intervals with patients as clusters are made
PATIENT_SUMS = (
    "events_squared",
    "sessions_squared",
    "patient_years_squared",
    "events_sessions",
    "events_patient_years",
)
_STRATUM = (EVERYBODY, *STRATUM_COLUMNS)


def stacked(records: pl.DataFrame, restrictions: Sequence[str]) -> pl.DataFrame:
    """The records once for each restriction that they meet."""
    return pl.concat(
        records.filter(RESTRICTIONS[name].is_met()).with_columns(restriction=pl.lit(name))
        for name in restrictions
    )


def cells(
    begun: pl.DataFrame,
    where: dict[tuple[str, ...], Place],
    events: dict[tuple[str, ...], pl.DataFrame],
    categories: pl.DataFrame,
    restrictions: Sequence[str],
    over: Sequence[Combination],
) -> pl.DataFrame:
    """Counts over the combinations of dimensions in `over`: a row a stratum, restriction and
    category, those without events too.

    `events`: stacked records of each place, with `category`; `categories`: one column, all that
    there are.
    """
    grid = categories.join(pl.DataFrame({"restriction": list(restrictions)}), how="cross")
    return pl.concat(
        _of_combination(combination, begun, where[by], events[by], grid, by=by)
        for combination in over
        for by in (of_session(combination),)
    )


def _of_combination(
    combination: tuple[str, ...],
    begun: pl.DataFrame,
    place: Place,
    events: pl.DataFrame,
    grid: pl.DataFrame,
    *,
    by: tuple[str, ...],
) -> pl.DataFrame:
    keys = [EVERYBODY, *columns_of(combination)]
    people = begun.group_by([*keys, "patient_id"]).agg(delivered=pl.col("is_delivered").sum())
    people = _with_years_of_patients(people, place.time[""], keys=keys)
    everybody = (
        pl.DataFrame({EVERYBODY: [0]}, schema={EVERYBODY: begun.schema[EVERYBODY]})
        if not combination
        else begun.select(keys)
    )
    treated = events.join(begun.select("patient_id").unique(), on="patient_id", how="semi")
    strata = pl.concat([everybody, begun.select(keys), treated.select(keys).drop_nulls()]).unique()
    frame = _with_denominators(strata, begun, people, place, keys=keys).join(grid, how="cross")
    frame = frame.join(
        _removed_us(place, keys), on=[*keys, "category"], how="left", nulls_equal=True
    )
    by_cell = [*keys, "restriction", "category"]
    for counts in _counts(events, people, place, keys=keys, by=by):
        frame = frame.join(counts, on=by_cell, how="left", nulls_equal=True)
    zeros = [c for c in frame.columns if c in COUNTS or c.removesuffix("_planned") in COUNTS]
    return frame.select(
        *in_force(combination),
        pl.col(zeros).fill_null(0).cast(pl.Int64),
        pl.exclude(*_STRATUM, *zeros),
    )


# Counts that are 0 where there is nothing, observed and planned
COUNTS = (
    "patients",
    "sessions",
    "sessions_asked",
    "patients_exposed",
    "covered_us",
    "time_us",
    "removed_us",
    "events",
    "patients_with_event",
    "events_in_exposed",
    "after_us",
    "events_outside",
    "unknown_onset",
    "set_aside",
)


def _with_years_of_patients(
    people: pl.DataFrame, at_risk: pl.DataFrame, *, keys: list[str]
) -> pl.DataFrame:
    """The patients of each stratum with `years` at risk there, in a fixed order: sums depend on it
    in the last digit.
    """
    years = at_risk.group_by([*keys, "patient_id"]).agg(years=length_us().sum() / US_PER_YEAR)
    people = people.join(years, on=[*keys, "patient_id"], how="left").with_columns(
        pl.col("years").fill_null(0.0)
    )
    return people.sort(*keys, "patient_id")


def _with_denominators(
    strata: pl.DataFrame,
    begun: pl.DataFrame,
    people: pl.DataFrame,
    place: Place,
    *,
    keys: list[str],
) -> pl.DataFrame:
    delivered = pl.col("is_delivered")
    sessions = begun.group_by(keys).agg(
        patients=pl.col("patient_id").n_unique(),
        sessions=delivered.sum(),
        sessions_asked=(delivered & pl.col("is_asked")).sum(),
        period_start=pl.col("day").min(),
    )
    exposed = people.filter(pl.col("delivered") > 0).group_by(keys).agg(patients_exposed=pl.len())
    covered = place.covered.group_by(keys).agg(covered_us=length_us().sum())
    time = [
        part.group_by(keys).agg(length_us().sum().alias(f"time_us{s}"))
        for s, part in place.time.items()
    ]
    ends = place.time[""].group_by(keys).agg(period_end=pl.col("to_at").max().dt.date())
    squares = people.group_by(keys, maintain_order=True).agg(
        sessions_squared=pl.col("delivered").cast(pl.Float64).pow(2).sum(),
        patient_years_squared=pl.col("years").pow(2).sum(),
    )
    for counts in (sessions, exposed, covered, ends, squares, *time):
        strata = strata.join(counts, on=keys, how="left")
    return strata


def _removed_us(place: Place, keys: list[str]) -> pl.DataFrame:
    """A row a stratum and category: `removed_us`, `removed_us_planned`, in which nobody was at risk
    of it.
    """
    parts = [
        part.group_by([*keys, "category"]).agg(length_us().sum().alias(f"removed_us{suffix}"))
        for suffix, part in place.removed.items()
    ]
    return parts[0].join(parts[1], on=[*keys, "category"], how="full", coalesce=True)


def _counts(
    events: pl.DataFrame,
    people: pl.DataFrame,
    place: Place,
    *,
    keys: list[str],
    by: tuple[str, ...],
) -> list[pl.DataFrame]:
    """Frames of a row a stratum, restriction and category: counted, counted to the planned end, and
    the rest.
    """
    cell = [*keys, "restriction", "category"]
    number = pl.col("event_number")
    rest = events.group_by(cell).agg(
        events_outside=number.filter("is_outside").n_unique(),
        unknown_onset=number.filter("is_unknown").n_unique(),
        set_aside=number.filter("is_set_aside").n_unique(),
    )
    counted = [_counted(events, people, place, keys=keys, by=by, suffix=suffix) for suffix in ENDS]
    return [*counted, rest]


def _counted(
    events: pl.DataFrame,
    people: pl.DataFrame,
    place: Place,
    *,
    keys: list[str],
    by: tuple[str, ...],
    suffix: str,
) -> pl.DataFrame:
    """Events, patients with one, sums for the over-dispersion, and the time at risk after patients'
    first events.
    """
    cell = [*keys, "restriction", "category"]
    rows = (
        events.filter(f"counts{suffix}")
        .group_by([*cell, "patient_id"])
        .agg(events=pl.col("event_number").n_unique(), first_at=pl.col("event_at").min())
    )
    rows = rows.join(people, on=[*keys, "patient_id"], how="left")
    # a sum of fractions depends on its order in the last digit, so the order is fixed
    rows = rows.sort(*cell, "patient_id").with_row_index("row")
    after = _after_first(rows, place.time[suffix], on=["patient_id", *by])
    removed = _after_first(rows, place.removed[suffix], on=["patient_id", *by, "category"])
    rows = (
        rows.join(after, on="row", how="left")
        .join(removed, on="row", how="left", suffix="_removed")
        .sort("row")
    )
    x, t = pl.col("events"), pl.col("delivered")
    counts = rows.group_by(cell).agg(
        x.sum(),
        patients_with_event=pl.len(),
        events_in_exposed=x.filter(t > 0).sum(),
        squares=(x.pow(2) / t).filter(t > 0).sum(),
        events_squared=x.cast(pl.Float64).pow(2).sum(),
        events_sessions=(x * t).sum().cast(pl.Float64),
        events_patient_years=(x * pl.col("years")).sum(),
        after_us=pl.col("after_us").sum() - pl.col("after_us_removed").sum(),
    )
    return counts.rename({c: f"{c}{suffix}" for c in counts.columns if c not in cell})


def _after_first(rows: pl.DataFrame, spans: pl.DataFrame, *, on: list[str]) -> pl.DataFrame:
    """A row a row of `rows`: `after_us`, how much of its patient's spans lies after `first_at`."""
    first = rows.filter(pl.col("first_at").is_not_null()).select("row", *on, "first_at")
    after = (
        (pl.col("to_at") - pl.max_horizontal("from_at", "first_at"))
        .dt.total_microseconds()
        .clip(lower_bound=0)
    )
    pairs = first.join(spans.select(*on, "from_at", "to_at"), on=on, nulls_equal=True)
    return pairs.group_by("row").agg(after_us=after.sum())


# --- what rates need ----------------------------------------------------------------------------


def with_years(frame: pl.DataFrame) -> pl.DataFrame:
    """The cells with `patient_years` and `patient_years_at_risk` (to the first event), observed and
    planned.
    """
    columns = {}
    for suffix in ENDS:
        time = pl.col(f"time_us{suffix}") - pl.col(f"removed_us{suffix}")
        columns[f"patient_years{suffix}"] = time / US_PER_YEAR
        columns[f"patient_years_at_risk{suffix}"] = (
            time - pl.col(f"after_us{suffix}")
        ) / US_PER_YEAR
    return frame.with_columns(**columns)


def why_no_rate() -> pl.Expr:
    missing = (
        ("patients", "nobody was treated"),
        ("sessions", "no session was delivered"),
        ("patient_years", "no time at risk"),
        ("patient_years_at_risk", "no time at risk before the first events"),
    )
    reason = pl.lit(None, pl.String)
    for column, text in reversed(missing):
        reason = pl.when(pl.col(column) == 0).then(pl.lit(text)).otherwise(reason)
    return reason
