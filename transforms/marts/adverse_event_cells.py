"""Counts of adverse events over time at risk, cell by cell: what the marts of adverse-event rates
share.

Here: which records count where, numerators and denominators of every combination of strata,
category and restriction. Not here: rates and intervals (adverse_event_rates.py,
adverse_event_groups.py), what time at risk is (time_at_risk.py).

One definition serves numerator and denominator. A stratum of a clinic, modality or study holds the
sessions, the time and the events of that clinic, modality or study, and a patient in each of his or
her sessions' strata. An event counts in a stratum where its first record's onset lies in its
patient's time at risk there; elsewhere it is counted as outside. One of unknown onset counts in a
patient who has time at risk there. An event is counted once for all its records that meet the
restriction. While an event of a term lasts, and in its clean window, the patient is not at risk of
that term: that time is in no denominator of the term. Any term together, a body system or a group
of terms has the whole time: whoever has a headache can still fall. Counted to the planned end are
the same figures without the loss of lost patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

import polars as pl

from ..facts.restrictions import RESTRICTIONS
from ..facts.sessions import BEGUN, DELIVERED
from ..options import Cut, Options
from ..rules.safety import SESSION_WINDOW_H, lasts_until, with_event_number
from ..rules.time_at_risk import (
    OBSERVED,
    PLANNED,
    US_PER_YEAR,
    holds,
    in_stretch,
    intersection,
    intervals,
    joined,
    length_us,
    person_time_cut,
    session_windows,
)
from ..schemas.mart import STRATUM_COLUMNS
from .strata import COMBINATIONS, columns_of, dimensions_of, in_force

# Sums over a stratum's patients, from which intervals with patients as clusters are made
PATIENT_SUMS = (
    "events_squared",
    "sessions_squared",
    "patient_years_squared",
    "events_sessions",
    "events_patient_years",
)
# Suffix of the figures -> the end of the time that they are over
ENDS = {"": OBSERVED, "_planned": PLANNED}
# Columns that a session has; the indication is the patient's, the arm the patient's in the study
OF_SESSION = ("clinic_id", "modality", "study_id")
_ALL = "_all"  # one value in every row: the key of the stratum of everybody
_STRATUM = (_ALL, *STRATUM_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What lies where, by some of the columns OF_SESSION: `time` and `removed` by suffix of ENDS.

    `time`: intervals at risk with the patient's dimensions; `removed`: those of a `category` in
    which the patient is not at risk of it; `covered`: of the time at risk what session windows
    cover; `records`: of events, with `counts`, `counts_planned`, `is_outside`, `is_unknown`,
    `is_set_aside`.
    """

    time: dict[str, pl.DataFrame]
    removed: dict[str, pl.DataFrame]
    covered: pl.DataFrame
    records: pl.DataFrame


def sessions_in_time(adsl: pl.DataFrame, adex: pl.DataFrame, at_risk: pl.DataFrame) -> pl.DataFrame:
    """A row a session that began in time at risk, with its `episode` and the dimensions of its
    place and patient.
    """
    people = dimensions_of(adsl).select("STUDYID", "USUBJID", "indication", "study_id", "arm")
    begun = (
        adex.filter(pl.col("EXSTAT").is_in(BEGUN))
        .join(people, on=["STUDYID", "USUBJID"])
        .select(
            pl.lit(0).alias(_ALL),
            "indication",
            "study_id",
            "arm",
            patient_id="USUBJID",
            clinic_id="CLINICID",
            modality="MODALITY",
            session_id="SESSIONID",
            started_at="EXSTDTM",
            day="ASTDT",
            is_delivered=pl.col("EXSTAT") == DELIVERED,
            is_asked=(pl.col("ASKEDFL") == "Y").fill_null(False),
        )
    )
    return in_stretch(begun, at_risk)


def event_records(adsl: pl.DataFrame, adae: pl.DataFrame) -> pl.DataFrame:
    """A row a record of mart.adae with its dimensions, `event_number`, `event_at` and `category`,
    the term.
    """
    people = dimensions_of(adsl).select("STUDYID", "USUBJID", "indication", "study_id", "arm")
    records = (
        with_event_number(adae)
        .join(people, on=["STUDYID", "USUBJID"])
        .with_columns(pl.lit(0).alias(_ALL))
    )
    return records.rename(
        {
            "USUBJID": "patient_id",
            "CLINICID": "clinic_id",
            "MODALITY": "modality",
            "AEDECOD": "category",
        }
    )


def lasting(records: pl.DataFrame, *, clean_window_days: int) -> pl.DataFrame:
    """When a patient has an event of a term, or is in its clean window: `patient_id`, `category`,
    `from_at`, `to_at`.
    """
    until = lasts_until(
        onset="ASTDTM", end="AENDTM", outcome="AEOUT", clean_window_days=clean_window_days
    )
    spans = records.select("patient_id", "category", from_at="ASTDTM", to_at=until)
    return joined(spans.filter(pl.col("to_at") > pl.col("from_at")))


def places(
    begun: pl.DataFrame,
    records: pl.DataFrame,
    at_risk: pl.DataFrame,
    *,
    removed: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> dict[tuple[str, ...], Place]:
    """The place of each set of the columns OF_SESSION. `removed`: as `lasting` gives it, or no
    row.
    """
    cut_at = person_time_cut(options=options, cut=cut)
    return {
        by: _place(
            begun,
            records,
            at_risk,
            removed,
            by=by,
            cut_at=cut_at,
            window_days=options.risk_window_days,
        )
        for size in range(len(OF_SESSION) + 1)
        for by in combinations(OF_SESSION, size)
    }


def _place(
    begun: pl.DataFrame,
    records: pl.DataFrame,
    at_risk: pl.DataFrame,
    removed: pl.DataFrame,
    *,
    by: tuple[str, ...],
    cut_at: datetime,
    window_days: int,
) -> Place:
    spans = {
        suffix: intervals(begun, at_risk, by=by, until=until, window_days=window_days)
        for suffix, until in ENDS.items()
    }
    of = ["patient_id", *(c for c in ("study_id",) if c in by)]
    people = begun.select(*of, "indication", "arm", _ALL).unique(of)
    windows = intersection(
        spans[""], session_windows(begun, by=by, hours=SESSION_WINDOW_H), on=["patient_id", *by]
    )
    without = {
        suffix: intersection(part, removed, on=["patient_id"]) for suffix, part in spans.items()
    }
    return Place(
        time={suffix: part.join(people, on=of) for suffix, part in spans.items()},
        removed={suffix: part.join(people, on=of) for suffix, part in without.items()},
        covered=windows.join(people, on=of),
        records=_judged(records, spans, by=by, cut_at=cut_at),
    )


def _judged(
    records: pl.DataFrame, spans: dict[str, pl.DataFrame], *, by: tuple[str, ...], cut_at: datetime
) -> pl.DataFrame:
    """The records with whether each counts there, observed and to the planned end, and whether it
    is outside.

    An event after the cut of person-time is neither: it waits. One of unknown onset that ended
    before the first session (it is not treatment-emergent, though the setting takes unknown ones
    for it) is told by `is_unknown` alone.
    """
    on = ["patient_id", *by]
    keyed = records.with_row_index("_record")
    is_unknown = pl.col("event_at").is_null()
    counts = {}
    for suffix, part in spans.items():
        pairs = keyed.select("_record", *on, "event_at").join(part, on=on)
        there = pairs["_record"].unique()
        inside = pairs.filter(holds("event_at"))["_record"].unique()
        by_patient = (
            is_unknown & (pl.col("TRTEMFL") == "Y") & pl.col("_record").is_in(there.implode())
        )
        counts[f"counts{suffix}"] = pl.col("_record").is_in(
            inside.implode()
        ) | by_patient.fill_null(False)
        if not suffix:
            counts["is_unknown"] = is_unknown & pl.col("_record").is_in(there.implode())
    judged = keyed.with_columns(**counts).drop("_record")
    is_past = (pl.col("event_at") <= pl.lit(cut_at)).fill_null(False)
    is_aside = pl.col("ASIDEFL").eq_missing("Y")
    return judged.with_columns(
        is_outside=is_past & ~pl.col("counts") & ~is_aside, is_set_aside=is_aside
    )


# --- cells --------------------------------------------------------------------------------------


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
    over: Sequence[tuple[str, ...]] = COMBINATIONS,
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
        for by in (tuple(c for c in columns_of(combination) if c in OF_SESSION),)
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
    keys = [_ALL, *columns_of(combination)]
    people = begun.group_by([*keys, "patient_id"]).agg(delivered=pl.col("is_delivered").sum())
    people = _with_years_of_patients(people, place.time[""], keys=keys)
    everybody = (
        pl.DataFrame({_ALL: [0]}, schema={_ALL: begun.schema[_ALL]})
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
