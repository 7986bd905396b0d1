"""mart.clinic_funnel: each clinic beside all the others, and beside a stated reference. Never a
ranking.

Here: which figures are compared, from which marts, and how a low number of reported events is to be
read. Not here: limits and flags (funnel_limits.py), the sentences (nearness.py), the counts
(adverse_event_rates, cohort_outcomes).

Clinics are compared from five on, and only those with a denominator (for a response, with values
for enough of the patients due). Expected events are the clinic's sessions of each modality at the
rate of the other clinics' sessions of that modality. Only events in the time at risk count: what
was there before the first session is history. Few reported events are not better care: a low number
of events has a note that says so, with the share of sessions at which somebody asked.

Serious events and cold injuries of grade 2 or more are news, each of them: clinics' own spread is
no excuse for them (no over-dispersion), they are judged against a stated reference too, since where
all clinics are bad none is an outlier, and each is looked at by itself.
"""

import polars as pl

from .. import disclosure
from ..facts.catalogue import STATISTICS
from ..facts.estimands import COMPOSITE
from ..facts.headlines import CLINICS_PARAMETER, CLINICS_RESPONSE, CLINICS_VISIT
from ..facts.restrictions import rows_of
from ..facts.sessions import BEGUN, DELIVERED
from ..facts.thresholds import MODERATE_GRADE
from ..facts.values import COLD_INJURIES, COMPLETERS, FIRST
from ..options import Cut, Options
from ..rules.safety import counted_in_time, with_event_number
from ..schemas import MART_TABLES
from . import nearness
from .funnel_limits import REFERENCES, beside_others, beside_reference, share
from .stamp import stamped

TABLE = MART_TABLES["clinic_funnel"]
INPUTS = ("mart.adex", "mart.adae", "mart.adverse_event_rates", "mart.cohort_outcomes")
FEW_EVENTS = "few or no reported events: not a sign of better care; see the share of sessions asked"
EACH_IS_NEWS = "each is looked at by itself, whatever the limits say"
_COLD = pl.col("AEINJ").is_in(COLD_INJURIES)
# metric -> the records that it counts
_OF_EVENTS = {
    "funnel_any_event": pl.lit(True),
    "funnel_serious_event": pl.col("AESER") == "Y",
    "funnel_cold_injury": _COLD,
    "funnel_cold_injury_grade_2": _COLD & (pl.col("AETOXGR") >= MODERATE_GRADE),
    "funnel_event_ratio": pl.lit(True),
}


def compute(
    *, adex, adae, adverse_event_rates, cohort_outcomes, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a metric and clinic; columns of MART_TABLES["clinic_funnel"]."""
    any_term = adverse_event_rates.filter(pl.col("term").is_null())
    all_events = any_term.filter(rows_of("any"))
    by_clinic = _stratum(all_events, "clinic_id")
    asked = _asked(adex)
    records = counted_in_time(with_event_number(adae))
    counts = [
        _patients(by_clinic, "funnel_any_event"),
        _patients(
            _stratum(any_term.filter(rows_of("serious")), "clinic_id"), "funnel_serious_event"
        ),
        _cold_injuries(adex, records, "funnel_cold_injury"),
        _cold_injuries(adex, records, "funnel_cold_injury_grade_2"),
        _by_modality(_stratum(all_events, "clinic_id", "modality")),
        asked,
        _response(cohort_outcomes, options=options),
    ]
    compared = [_with_limits(c, options=options) for c in counts if not c.is_empty()]
    frame = pl.concat(
        [TABLE.empty(), *compared], how="diagonal_relaxed"
    )  # no signal where too few are compared
    asked = asked.select("clinic_id", asked_share=share("numerator", "denominator"))
    frame = frame.drop("asked_share").join(asked, on="clinic_id", how="left")
    frame = _in_words(
        frame.with_columns(modality=pl.lit(None, pl.String), note=_note()), records, adex
    )
    frame = frame.with_columns(cells(options).suppressed(frame))
    return TABLE.conform(stamped(frame, cut=cut)).sort("metric_id", "clinic_id", nulls_last=True)


# --- what is counted ----------------------------------------------------------------------------


def _stratum(rates: pl.DataFrame, *dimensions: str) -> pl.DataFrame:
    """The rows of one combination of dimensions, of known clinics."""
    is_in_force = [pl.col(d).is_not_null() for d in dimensions]
    return rates.filter(pl.col("strata").list.len() == len(dimensions), *is_in_force)


def _counted(
    frame: pl.DataFrame, metric: str, *, kind: str = "proportion", numerator, denominator, **columns
):
    """The shape that all comparisons share; `reason`: why a clinic is not compared."""
    columns = {"reason": pl.lit(None, pl.String), **columns}
    return frame.select(
        "clinic_id",
        metric_id=pl.lit(metric),
        kind=pl.lit(kind),
        numerator=pl.col(numerator).cast(pl.Float64),
        denominator=pl.col(denominator).cast(pl.Float64),
        **columns,
    )


def _patients(rates: pl.DataFrame, metric: str) -> pl.DataFrame:
    return _counted(rates, metric, numerator="patients_with_event", denominator="patients")


def _cold_injuries(adex: pl.DataFrame, records: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Patients with such an injury of those treated at the clinic."""
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN) & pl.col("CLINICID").is_not_null())
    treated = begun.select("CLINICID", "USUBJID").unique()
    injured = records.filter(_OF_EVENTS[metric]).select("CLINICID", "USUBJID").unique()
    injured = injured.with_columns(is_injured=pl.lit(True))
    counts = (
        treated.join(injured, on=["CLINICID", "USUBJID"], how="left")
        .group_by(clinic_id="CLINICID")
        .agg(x=pl.col("is_injured").sum(), n=pl.len())
    )
    return _counted(counts, metric, numerator="x", denominator="n")


def _by_modality(rates: pl.DataFrame) -> pl.DataFrame:
    """Events and sessions of each modality, lists in one order for all clinics; sessions stand for
    the denominator.
    """
    modalities = rates["modality"].unique().sort()
    grid = rates.select("clinic_id").unique().join(modalities.to_frame(), how="cross")
    full = grid.join(rates, on=["clinic_id", "modality"], how="left").with_columns(
        pl.col("events", "sessions").fill_null(0)
    )
    totals = full.sort("clinic_id", "modality").group_by("clinic_id", maintain_order=True)
    counts = totals.agg(
        pl.col("events").sum(),
        pl.col("sessions").sum(),
        of_modality=pl.col("events"),
        sessions_of=pl.col("sessions"),
    )
    return _counted(
        counts,
        "funnel_event_ratio",
        kind="ratio",
        numerator="events",
        denominator="sessions",
        of_modality=pl.col("of_modality"),
        sessions_of=pl.col("sessions_of"),
    )


def _asked(adex: pl.DataFrame) -> pl.DataFrame:
    """Sessions at which side effects were asked about, of those that say whether they were."""
    delivered = adex.filter((pl.col("EXSTAT") == DELIVERED) & pl.col("CLINICID").is_not_null())
    asked = pl.col("ASKEDFL")
    counts = delivered.group_by(clinic_id="CLINICID").agg(x=(asked == "Y").sum(), n=asked.count())
    return _counted(counts, "funnel_sessions_asked", numerator="x", denominator="n")


def _response(cohort_outcomes: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Responders among patients with a value; not compared where too many of the due have none."""
    rows = _stratum(cohort_outcomes, "clinic_id").filter(
        pl.col("metric_id") == STATISTICS[CLINICS_PARAMETER, CLINICS_RESPONSE].id,
        pl.col("visit") == CLINICS_VISIT,
        pl.col("population") == COMPLETERS,
        pl.col("episode") == FIRST,
        pl.col("strategy") == COMPOSITE,
    )
    judged = pl.col("n_evaluable") + pl.col("n_missing")
    share = 100 * pl.col("n_evaluable") / judged
    text = pl.format(
        "values of {} of {} patients due: compared from {} % on",
        pl.col("n_evaluable"),
        judged,
        pl.lit(f"{options.min_completeness_pct:g}"),
    )
    reason = pl.when((judged > 0) & (share < options.min_completeness_pct)).then(text)
    return _counted(
        rows, "funnel_response", numerator="n_event", denominator="n_evaluable", reason=reason
    )


def _with_limits(counts: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The clinics of one metric with target, limits and signal, and beside the stated reference."""
    has_events = counts["metric_id"][0] in _OF_EVENTS
    return beside_reference(beside_others(counts, has_events=has_events), options=options)


# --- words --------------------------------------------------------------------------------------


def _note() -> pl.Expr:
    events = pl.col("metric_id").is_in(list(_OF_EVENTS))
    news = pl.col("metric_id").is_in(list(REFERENCES))
    is_low = pl.any_horizontal(
        pl.col(c).str.starts_with("low").fill_null(False) for c in ("signal", "reference_signal")
    )
    few = pl.when(events & ((pl.col("numerator") == 0) | is_low)).then(pl.lit(FEW_EVENTS))
    return few.when(news).then(pl.lit(EACH_IS_NEWS))


def _in_words(frame: pl.DataFrame, records: pl.DataFrame, adex: pl.DataFrame) -> pl.DataFrame:
    """`nearness` of every row: of events with how many there are and since when they are rising."""
    is_of_events = pl.col("metric_id").is_in(list(_OF_EVENTS))
    texts = {
        (row["metric_id"], row["clinic_id"]): nearness.of_shares(row["metric_id"], row)
        for row in frame.filter(~is_of_events).iter_rows(named=True)
        if row["estimate"] is not None
    }
    runs = nearness.Runs.of(adex)
    for metric, meets in _OF_EVENTS.items():
        rows = frame.filter(pl.col("metric_id") == metric)
        texts |= nearness.sentences(rows, records.filter(meets), runs)
    keys = frame.select("metric_id", "clinic_id").rows()
    return frame.with_columns(nearness=pl.Series([texts.get(key) for key in keys], dtype=pl.String))


def cells(options: Options) -> disclosure.Cells:
    """Small counts, their other side, and what the total of the clinics (the target gives it)
    leaves for one alone.
    """
    is_proportion = pl.col("kind") == "proportion"
    rest = pl.when(is_proportion).then(pl.col("denominator") - pl.col("numerator"))
    people = pl.when(is_proportion).then("denominator")
    return disclosure.Cells(
        counts=[people, "numerator", rest],
        dimensions=["clinic_id"],
        by=["metric_id"],
        min_cell=options.min_cell,
        is_total_known=True,
    )
