"""mart.adverse_event_rates: how often adverse events happen, by stratum, term and restriction, zero events included.

Here: numerators, denominators and their intervals over every combination of clinic, modality, indication and arm.
Not here: which record is an event, emergent or near a session (adae), what time at risk is (time_at_risk.py).

Counted are patients with a session that began and their events, wherever each happened: a stratum of a clinic or
modality holds the sessions, the time and the events of that clinic or modality, and a patient in each of his or her
sessions' strata. An event is counted once for all its records that meet the restriction (clean window). Each
restriction stands alone; they are not crossed. One numerator serves all rates of a row: an event outside the time at
risk counts, which `is_treatment_emergent_only` leaves out. Time to the first event ends at the earliest onset that is
known; a patient whose onsets are all unknown keeps the whole time.
"""

from collections.abc import Iterable

import polars as pl

from .. import disclosure, rates
from ..exposure import BEGUN, DELIVERED
from ..options import Cut, Options
from ..safety import SESSION_WINDOW_H, with_event_number
from ..schemas import MART_TABLES
from ..schemas.mart import DIMENSIONS
from ..time_at_risk import US_PER_YEAR, ends_of_follow_up, intervals, length_us, overlap_us, session_windows
from .stamp import stamped
from .strata import COMBINATIONS, dimensions_of

TABLE = MART_TABLES["adverse_event_rates"]
INPUTS = ("mart.adsl", "mart.adex", "mart.adae", "core.patient_status", "raw.rejects")
METRIC = "adverse_event_rates"

_ONLY = tuple(f"is_{name}_only" for name in ("serious", "related", "treatment_emergent", "session_emergent"))
# Restriction -> (the column it sets, its value, the events that meet it)
RESTRICTIONS: dict[str, tuple[str | None, object, pl.Expr]] = {
    "any": (None, None, pl.lit(True)),
    "serious": (_ONLY[0], True, pl.col("AESER") == "Y"),
    "related": (_ONLY[1], True, pl.col("AERELFL") == "Y"),
    "treatment_emergent": (_ONLY[2], True, pl.col("TRTEMFL") == "Y"),
    "session_emergent": (_ONLY[3], True, pl.col("SESS72FL") == "Y"),
    "grade_2": ("min_grade", 2, pl.col("AETOXGR") >= 2),
    "grade_3": ("min_grade", 3, pl.col("AETOXGR") >= 3),
}
# Dimensions that a session has; the other two are the patient's
_OF_SESSION = ("clinic_id", "modality")
_ALL = "_all"  # one value in every row: the key of the stratum of everybody


def compute(
    *,
    adsl: pl.DataFrame,
    adex: pl.DataFrame,
    adae: pl.DataFrame,
    patient_status: pl.DataFrame,
    rejects: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a stratum that has sessions or events, term seen anywhere (null = any) and restriction.

    Without any session there is one stratum, that of everybody, with zeros and the reason. Columns of
    MART_TABLES["adverse_event_rates"].
    """
    begun = _begun(adsl, adex)
    events = _stacked(_events(adae, begun))
    ends = ends_of_follow_up(adsl, patient_status)
    time = {
        by: _time_at_risk(begun, ends, by=by, options=options, cut=cut)
        for by in ((), ("clinic_id",), ("modality",), _OF_SESSION)
    }
    terms = events.select("term").unique().sort("term", nulls_last=False)
    counted = pl.concat(_cells(combination, begun, events, terms, time) for combination in COMBINATIONS)
    unread = rejects.filter(pl.col("is_safety") & pl.col("replayed_at").is_null()).height
    rows = _restricted(_rated(counted)).with_columns(metric_id=pl.lit(METRIC), unread_records=pl.lit(unread))
    rows = rows.with_columns(cells(options).suppressed(rows))
    return TABLE.conform(stamped(rows, cut=cut)).sort(*DIMENSIONS, "term", *_ONLY, "min_grade", nulls_last=False)


# --- what is counted --------------------------------------------------------------------------------


def _begun(adsl: pl.DataFrame, adex: pl.DataFrame) -> pl.DataFrame:
    """A row a session that began, with the dimensions of its place and its patient."""
    people = dimensions_of(adsl).select("USUBJID", "indication", "arm")
    return (
        adex.filter(pl.col("EXSTAT").is_in(BEGUN))
        .join(people, on="USUBJID")
        .select(
            pl.lit(0).alias(_ALL), "indication", "arm", patient_id="USUBJID", clinic_id="CLINICID",
            modality="MODALITY", session_id="SESSIONID", course_id="COURSEID", started_at="EXSTDTM", day="ASTDT",
            is_delivered=pl.col("EXSTAT") == DELIVERED, is_asked=(pl.col("ASKEDFL") == "Y").fill_null(False),
        )
    )  # fmt: skip


def _events(adae: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """A row a record of a treated patient's event, with its dimensions and the number of the event."""
    people = begun.select("patient_id", "indication", "arm", _ALL).unique("patient_id")
    return (
        with_event_number(adae)
        .rename({"USUBJID": "patient_id", "CLINICID": "clinic_id", "MODALITY": "modality", "AEDECOD": "term"})
        .join(people, on="patient_id")
    )


def _stacked(events: pl.DataFrame) -> pl.DataFrame:
    """The records once for each restriction that they meet, and once more with the term null (any)."""
    kept = [_ALL, *DIMENSIONS, "patient_id", "event_number", "term", "ASTDTM"]
    stacked = pl.concat(
        events.filter(meets.fill_null(False)).select(*kept, restriction=pl.lit(name))
        for name, (_, _, meets) in RESTRICTIONS.items()
    )
    return pl.concat([stacked, stacked.with_columns(term=pl.lit(None, pl.String))])


def _time_at_risk(
    begun: pl.DataFrame, ends: pl.DataFrame, *, by: tuple[str, ...], options: Options, cut: Cut
) -> dict[str, pl.DataFrame]:
    """`at_risk`: the intervals; `covered`: how long the session windows cover of them; both with the dimensions."""
    people = begun.select("patient_id", "indication", "arm", _ALL).unique("patient_id")
    at_risk = intervals(begun, ends, by=by, options=options, cut=cut)
    covered = overlap_us(at_risk, session_windows(begun, by=by, hours=SESSION_WINDOW_H), by=by)
    return {"at_risk": at_risk.join(people, on="patient_id"), "covered": covered.join(people, on="patient_id")}


# --- counts -----------------------------------------------------------------------------------------


def _cells(
    combination: tuple[str, ...],
    begun: pl.DataFrame,
    events: pl.DataFrame,
    terms: pl.DataFrame,
    time: dict[tuple[str, ...], dict[str, pl.DataFrame]],
) -> pl.DataFrame:
    """Counts of a combination of dimensions: a row a stratum, restriction and term, those without events too."""
    keys = [_ALL, *combination]
    of_session = tuple(d for d in combination if d in _OF_SESSION)
    people = begun.group_by([*keys, "patient_id"]).agg(delivered=pl.col("is_delivered").sum())
    everybody = pl.DataFrame({_ALL: [0]}, schema={_ALL: begun.schema[_ALL]}) if not combination else begun.select(keys)
    strata = pl.concat([everybody, begun.select(keys), events.select(keys)]).unique()
    strata = _with_denominators(strata, begun, people, time[of_session], keys=keys)
    grid = strata.join(pl.DataFrame({"restriction": list(RESTRICTIONS)}), how="cross")
    any_term = pl.DataFrame({"term": [None]}, schema={"term": pl.String})
    grid = grid.join(pl.concat([any_term, terms]).unique(), how="cross")
    counts = _event_counts(events, people, time[of_session]["at_risk"], keys=keys, of_session=of_session)
    cells = grid.join(counts, on=[*keys, "restriction", "term"], how="left", nulls_equal=True)
    return cells.select(
        *(d if d in combination else pl.lit(None, pl.String).alias(d) for d in DIMENSIONS),
        pl.lit(list(combination), pl.List(pl.String)).alias("strata"),
        pl.exclude(_ALL, *DIMENSIONS),
    )


def _with_denominators(
    strata: pl.DataFrame,
    begun: pl.DataFrame,
    people: pl.DataFrame,
    time: dict[str, pl.DataFrame],
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
    at_risk = time["at_risk"].group_by(keys).agg(time_us=length_us().sum(), period_end=pl.col("to_at").max().dt.date())
    covered = time["covered"].group_by(keys).agg(covered_us=pl.col("time_us").sum())
    for counts in (sessions, exposed, at_risk, covered):
        strata = strata.join(counts, on=keys, how="left")
    counted = ("patients", "sessions", "sessions_asked", "patients_exposed", "time_us", "covered_us")
    return strata.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64))


def _event_counts(
    events: pl.DataFrame, people: pl.DataFrame, at_risk: pl.DataFrame, *, keys: list[str], of_session: Iterable[str]
) -> pl.DataFrame:
    """A row a stratum, restriction and term with events: their number, patients, sums for the over-dispersion.

    `time_after_us` is the time at risk after the patients' first events.
    """
    by = [*keys, "restriction", "term"]
    cell = events.group_by([*by, "patient_id"]).agg(
        events=pl.col("event_number").n_unique(), first_at=pl.col("ASTDTM").min()
    )
    cell = cell.join(people, on=[*keys, "patient_id"], how="left")
    # a sum of fractions depends on its order in the last digit, so the order is fixed
    cell = cell.sort(*by, "patient_id").with_row_index("cell")
    spans = at_risk.select("patient_id", *of_session, "from_at", "to_at")
    after = (pl.col("to_at") - pl.max_horizontal("from_at", "first_at")).dt.total_microseconds().clip(lower_bound=0)
    first = cell.filter(pl.col("first_at").is_not_null()).select("cell", "patient_id", *of_session, "first_at")
    after = first.join(spans, on=["patient_id", *of_session]).group_by("cell").agg(after_us=after.sum())
    x, t = pl.col("events"), pl.col("delivered")
    return (
        cell.join(after, on="cell", how="left")
        .sort("cell")
        .group_by(by)
        .agg(
            x.sum(),
            patients_with_event=t.count(),
            events_in_exposed=x.filter(t > 0).sum(),
            squares=(x.pow(2) / t).filter(t > 0).sum(),
            time_after_us=pl.col("after_us").sum(),
        )
    )


# --- rates ------------------------------------------------------------------------------------------


def _rated(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with years, proportions and rates, each with its exact and over-dispersed limits."""
    counted = ("events", "patients_with_event", "events_in_exposed", "time_after_us")
    frame = cells.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64), pl.col("squares").fill_null(0.0))
    frame = frame.with_columns(
        patient_years=pl.col("time_us") / US_PER_YEAR,
        patient_years_at_risk=(pl.col("time_us") - pl.col("time_after_us")) / US_PER_YEAR,
        session_window_time_share=pl.when(pl.col("time_us") > 0).then(pl.col("covered_us") / pl.col("time_us")),
    )
    sums = [frame[c] for c in ("patients_exposed", "events_in_exposed", "sessions", "squares")]
    dispersion = pl.Series("overdispersion", rates.overdispersion_from_sums(*sums)).fill_nan(None)
    frame = frame.with_columns(dispersion)
    frame = rates.proportion_columns(frame, x="patients_with_event", n="patients", name="incidence_proportion")
    for name, events, exposure in (
        ("events_per_100_sessions", "events", "sessions"),
        ("eair_per_100_patient_years", "patients_with_event", "patient_years_at_risk"),
        ("events_per_100_patient_years", "events", "patient_years"),
    ):
        frame = rates.poisson_rate_columns(frame, events=events, exposure=exposure, name=name)
    for name, exposure in (("events_per_100_sessions", "sessions"), ("events_per_100_patient_years", "patient_years")):
        frame = rates.overdispersed_columns(
            frame, events="events", exposure=exposure, dispersion="overdispersion", name=name
        )
    return frame.with_columns(reason=_reason())


def _reason() -> pl.Expr:
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


def _restricted(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the restriction spelt out: four flags and the lowest grade."""
    name = pl.col("restriction")
    flags = {column: name.is_in([r for r, (sets, _, _) in RESTRICTIONS.items() if sets == column]) for column in _ONLY}
    grades = {r: value for r, (sets, value, _) in RESTRICTIONS.items() if sets == "min_grade"}
    return frame.with_columns(**flags, min_grade=name.replace_strict(grades, default=None, return_dtype=pl.Int64))


def cells(options: Options) -> disclosure.Cells:
    """The total over terms is a total like that over clinics.

    What a restriction leaves out of the unrestricted count, where that can be seen, is a count too.
    """
    cell = [*DIMENSIONS, "term"]
    whole = {c: pl.col(c).max().over(cell) for c in ("events", "patients_with_event")}
    left_out = [pl.when(all_of >= options.min_cell).then(all_of - pl.col(c)) for c, all_of in whole.items()]
    without = pl.col("patients") - pl.col("patients_with_event")
    counts = ["patients", "patients_with_event", "events", without, *left_out]
    return disclosure.Cells(counts=counts, dimensions=cell, by=[*_ONLY, "min_grade"], min_cell=options.min_cell)
