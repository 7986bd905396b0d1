"""mart.adverse_event_rates: how often adverse events happen, by stratum, term and restriction, zero
events included.

Here: rates and their intervals over combinations of clinic, modality, indication and study with
arm. Not here: what counts in a cell (adverse_event_cells.py), body systems, grades and groups
of terms (adverse_event_groups.py).

Each restriction stands alone; they are not crossed. One numerator serves all rates of a row: the
events in time at risk. Time to the first event ends at the earliest onset that is known; a patient
whose onsets are all unknown keeps the whole time.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.restrictions import RESTRICTIONS, key_columns, spelt_out
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..options import Cut, Options
from ..records.unread import unread_records
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import rate_columns, rates
from ..touching import Touches
from . import adverse_event_cells as counted
from .adverse_event_clustered import clustered
from .adverse_event_places import ENDS, event_records, lasting, places, sessions_in_time
from .stamp import stamped
from .strata import with_clinics

TABLE = MART_TABLES["adverse_event_rates"]
INPUTS = (
    "mart.adsl",
    "mart.adex",
    "mart.adae",
    "mart.time_at_risk",
    "core.implausible",
    "core.likely_doubles",
    "raw.rejects",
)
TOUCHED_BY = {"raw.rejects": (Touches(part=("is_safety", frozenset({True}))),)}
METRIC = "adverse_event_rates"
# Rate -> its numerator and its denominator
RATES = {
    "events_per_100_sessions": ("events", "sessions"),
    "eair_per_100_patient_years": ("patients_with_event", "patient_years_at_risk"),
    "events_per_100_patient_years": ("events", "patient_years"),
}
_PER_STRATUM = ("patients", "sessions")  # are the same to the planned end
OVERDISPERSED = ("events_per_100_sessions", "events_per_100_patient_years")


def compute(
    *,
    adsl: pl.DataFrame,
    adex: pl.DataFrame,
    adae: pl.DataFrame,
    time_at_risk: pl.DataFrame,
    implausible: pl.DataFrame,
    likely_doubles: pl.DataFrame,
    rejects: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a stratum that has sessions or events, term seen in a treated patient (null = any) and
    restriction.

    Without any session there is one stratum, that of everybody, with zeros and the reason. Columns
    of MART_TABLES["adverse_event_rates"].
    """
    begun = sessions_in_time(adsl, adex, time_at_risk)
    records = event_records(adsl, adae)
    removed = lasting(records, clean_window_days=options.clean_window_days)
    apart = with_clinics(over)
    where = places(
        begun, records, time_at_risk, removed=removed, options=options, cut=cut, over=apart
    )
    events = {by: _of_terms_and_any(place.records) for by, place in where.items()}
    treated = records.join(begun.select("patient_id").unique(), on="patient_id", how="semi")
    any_term = pl.DataFrame({"category": [None]}, schema={"category": pl.String})
    terms = pl.concat([any_term, treated.select("category")]).unique()
    counts = counted.cells(begun, where, events, terms, tuple(RESTRICTIONS), apart)
    unread = unread_records(rejects.filter("is_safety"))
    rows = spelt_out(_rated(counts)).rename({"category": "term"})
    rows = rows.with_columns(metric_id=pl.lit(METRIC), unread_records=pl.lit(unread))
    rows = _with_doubts(rows, implausible, likely_doubles)
    rows = clustered(rows, over=over, by=["term", *key_columns()])
    rows = rows.with_columns(cells(options).suppressed(rows))
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def _of_terms_and_any(records: pl.DataFrame) -> pl.DataFrame:
    """The records once for each restriction that they meet, and once more with the term null
    (any).
    """
    each = counted.stacked(records, tuple(RESTRICTIONS))
    return pl.concat([each, each.with_columns(category=pl.lit(None, pl.String))])


def _with_doubts(
    rows: pl.DataFrame, implausible: pl.DataFrame, likely_doubles: pl.DataFrame
) -> pl.DataFrame:
    """The rows with how many records of the clinic, or of the lake, are implausible or likely
    doubles.
    """
    records = (
        implausible.filter("is_safety").select("table", "record_id", "source", "clinic_id").unique()
    )
    for name, listed in (
        ("implausible_records", records),
        ("likely_double_sessions", likely_doubles),
    ):
        by_clinic = (
            listed.filter(pl.col("clinic_id").is_not_null())
            .group_by("clinic_id")
            .agg(_here=pl.len())
        )
        rows = rows.join(by_clinic, on="clinic_id", how="left").with_columns(
            pl.when(pl.col("clinic_id").is_null())
            .then(listed.height)
            .otherwise(pl.col("_here").fill_null(0))
            .alias(name)
        )
        rows = rows.drop("_here")
    return rows


def _rated(counts: pl.DataFrame) -> pl.DataFrame:
    """The counts with years, proportions and rates, each with its exact and over-dispersed
    limits.
    """
    frame = counted.with_years(counts).with_columns(
        pl.col(counted.PATIENT_SUMS).fill_null(0.0),
        session_window_time_share=pl.when(pl.col("time_us") > 0).then(
            pl.col("covered_us") / pl.col("time_us")
        ),
    )
    sums = [frame[c] for c in ("patients_exposed", "events_in_exposed", "sessions")]
    squares = frame["squares"].fill_null(0.0)
    dispersion = pl.Series(
        "overdispersion", rates.overdispersion_from_sums(*sums, squares)
    ).fill_nan(None)
    frame = frame.with_columns(dispersion)
    for suffix in ENDS:
        frame = with_rates(frame, suffix=suffix)
    for name in OVERDISPERSED:
        events, exposure = RATES[name]
        frame = rate_columns.overdispersed_columns(
            frame, events=events, exposure=exposure, dispersion="overdispersion", name=name
        )
    return frame.with_columns(reason=counted.why_no_rate())


def with_rates(frame: pl.DataFrame, *, suffix: str) -> pl.DataFrame:
    """The frame with the proportion and the rates of one end of the time at risk, with exact
    limits.
    """

    def column(name: str) -> str:
        if name in _PER_STRATUM:
            return name
        return f"{name}{suffix}"

    frame = rate_columns.proportion_columns(
        frame, x=column("patients_with_event"), n="patients", name=f"incidence_proportion{suffix}"
    )
    for name, (events, exposure) in RATES.items():
        frame = rate_columns.poisson_rate_columns(
            frame, events=column(events), exposure=column(exposure), name=f"{name}{suffix}"
        )
    return frame


def cells(options: Options) -> disclosure.Cells:
    """The total over terms is a total like that over clinics.

    What a restriction leaves out of the unrestricted count, where that can be seen, is a count too.
    """
    cell = [*STRATUM_COLUMNS, "term"]
    whole = {c: pl.col(c).max().over(cell) for c in ("events", "patients_with_event")}
    left_out = [
        pl.when(all_of >= options.min_cell).then(all_of - pl.col(c)) for c, all_of in whole.items()
    ]
    without = pl.col("patients") - pl.col("patients_with_event")
    # what lies between the two ends, or outside, is told by difference
    further = [
        pl.col("events_planned") - pl.col("events"),
        pl.col("events_outside"),
        pl.col("unknown_onset"),
    ]
    counts = ["patients", "patients_with_event", "events", without, *left_out, *further]
    return disclosure.Cells(
        counts=counts,
        dimensions=[*CELL_DIMENSIONS, "term"],
        by=[*key_columns()],
        min_cell=options.min_cell,
    )
