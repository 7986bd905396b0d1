"""mart.clinic_funnel: clinics against what all of them together would lead to expect. Never a ranking.

Here: which figures are compared, from which marts, and how a low number of reported events is to be read. Not here:
limits and flags (funnel.py), the counts (adverse_event_rates, cohort_outcomes).

Clinics are compared from five on, and only those with a denominator (for a response, with values for enough of the
patients due). Expected events are the clinic's sessions of each modality at the rate of all clinics' sessions of that
modality. Few reported events are not better care: a low number of events has a note that says so, with the share of
sessions at which somebody asked.
"""

import polars as pl

from .. import disclosure, funnel
from ..exposure import BEGUN
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import DIMENSIONS
from .cohort_outcomes import COMPLETERS
from .stamp import stamped

TABLE = MART_TABLES["clinic_funnel"]
INPUTS = ("mart.adex", "mart.adae", "mart.adverse_event_rates", "mart.cohort_outcomes")
COLD_INJURIES = ("burn", "frostbite")
RESPONSE, RESPONSE_VISIT = "nrs7d_pct30", "Week 8"
FEW_EVENTS = "few or no reported events: not a sign of better care; see the share of sessions asked"
_ONLY = ("is_serious_only", "is_related_only", "is_treatment_emergent_only", "is_session_emergent_only")
_OF_EVENTS = ("funnel_any_event", "funnel_serious_event", "funnel_cold_injury", "funnel_event_ratio")


def compute(*, adex, adae, adverse_event_rates, cohort_outcomes, options: Options, cut: Cut) -> pl.DataFrame:
    """A row a metric and clinic; columns of MART_TABLES["clinic_funnel"]."""
    any_term = adverse_event_rates.filter(pl.col("term").is_null() & pl.col("min_grade").is_null())
    all_events = any_term.filter(~pl.any_horizontal(_ONLY))
    serious = any_term.filter("is_serious_only")
    by_clinic = _stratum(all_events, "clinic_id")
    counts = [
        _patients(by_clinic, "funnel_any_event"),
        _patients(_stratum(serious, "clinic_id"), "funnel_serious_event"),
        _cold_injuries(adex, adae),
        _expected(_stratum(all_events, "clinic_id", "modality")),
        _asked(by_clinic),
        _response(cohort_outcomes, options=options),
    ]
    compared = [_compared(c) for c in counts if not c.is_empty()]
    frame = pl.concat([TABLE.empty(), *compared], how="diagonal_relaxed")  # no signal where too few are compared
    asked = by_clinic.select("clinic_id", asked_share=_share("sessions_asked", "sessions"))
    is_few = (pl.col("numerator") == 0) | pl.col("signal").str.starts_with("low").fill_null(False)
    frame = frame.drop("asked_share", strict=False).join(asked, on="clinic_id", how="left").with_columns(
        note=pl.when(pl.col("metric_id").is_in(_OF_EVENTS) & is_few).then(pl.lit(FEW_EVENTS)),
        modality=pl.lit(None, pl.String),
    )  # fmt: skip
    frame = frame.with_columns(cells(options).suppressed(frame))
    return TABLE.conform(stamped(frame, cut=cut)).sort("metric_id", "clinic_id", nulls_last=True)


# --- what is counted ------------------------------------------------------------------------------


def _stratum(rates: pl.DataFrame, *dimensions: str) -> pl.DataFrame:
    """The rows of one combination of dimensions, of known clinics."""
    others = [d for d in DIMENSIONS if d not in dimensions]
    return rates.filter(pl.all_horizontal(*(pl.col(d).is_not_null() for d in dimensions),
                                          *(pl.col(d).is_null() for d in others)))  # fmt: skip


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _counted(frame: pl.DataFrame, metric: str, *, kind: str = "proportion", numerator, denominator, reason=None):
    """The shape that all comparisons share; `reason`: why a clinic is not compared."""
    return frame.select(
        "clinic_id",
        metric_id=pl.lit(metric),
        kind=pl.lit(kind),
        numerator=pl.col(numerator).cast(pl.Float64) if isinstance(numerator, str) else numerator,
        denominator=pl.col(denominator).cast(pl.Float64) if isinstance(denominator, str) else denominator,
        reason=pl.lit(None, pl.String) if reason is None else reason,
    )


def _patients(rates: pl.DataFrame, metric: str) -> pl.DataFrame:
    return _counted(rates, metric, numerator="patients_with_event", denominator="patients")


def _cold_injuries(adex: pl.DataFrame, adae: pl.DataFrame) -> pl.DataFrame:
    """Patients with a burn or frostbite of those treated at the clinic."""
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN) & pl.col("CLINICID").is_not_null())
    treated = begun.select("CLINICID", "USUBJID").unique()
    injured = adae.filter(pl.col("AEINJ").is_in(COLD_INJURIES)).select("CLINICID", "USUBJID").unique()
    injured = injured.with_columns(is_injured=pl.lit(True))
    counts = (
        treated.join(injured, on=["CLINICID", "USUBJID"], how="left")
        .group_by(clinic_id="CLINICID")
        .agg(x=pl.col("is_injured").sum(), n=pl.len())
    )
    return _counted(counts, "funnel_cold_injury", numerator="x", denominator="n")


def _expected(rates: pl.DataFrame) -> pl.DataFrame:
    """Events, and those expected: sessions of each modality at the rate of all clinics' sessions of that modality."""
    rated = rates.filter(pl.col("sessions") > 0).sort("modality", "clinic_id")
    overall = pl.col("events").sum().over("modality") / pl.col("sessions").sum().over("modality")
    counts = (
        rated.with_columns(expected=pl.col("sessions") * overall)
        .group_by("clinic_id")
        .agg(pl.col("events").sum(), pl.col("expected").sum())
    )
    return _counted(counts, "funnel_event_ratio", kind="ratio", numerator="events", denominator="expected")


def _asked(rates: pl.DataFrame) -> pl.DataFrame:
    return _counted(rates, "funnel_sessions_asked", numerator="sessions_asked", denominator="sessions")


def _response(cohort_outcomes: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Responders among patients with a value; not compared where too many of the due have none."""
    rows = _stratum(cohort_outcomes, "clinic_id").filter(
        pl.col("metric_id") == RESPONSE, pl.col("visit") == RESPONSE_VISIT, pl.col("population") == COMPLETERS
    )
    judged = pl.col("n_evaluable") + pl.col("n_missing")
    share = 100 * pl.col("n_evaluable") / judged
    text = pl.format(
        "values of {} of {} patients due: compared from {} % on",
        pl.col("n_evaluable"), judged, pl.lit(f"{options.min_completeness_pct:g}"),
    )  # fmt: skip
    reason = pl.when((judged > 0) & (share < options.min_completeness_pct)).then(text)
    return _counted(rows, "funnel_response", numerator="n_event", denominator="n_evaluable", reason=reason)


# --- comparison -----------------------------------------------------------------------------------


def _compared(counts: pl.DataFrame) -> pl.DataFrame:
    """The clinics of one metric with target, limits and signal, or the reason why there are none."""
    counts = counts.sort("clinic_id").with_columns(
        reason=pl.when(pl.col("denominator").fill_null(0) <= 0)
        .then(pl.lit("nobody to count, or nothing expected"))
        .otherwise("reason")
    )
    ready = counts.filter(pl.col("reason").is_null())
    left = counts.filter(pl.col("reason").is_not_null())
    clinics = pl.lit(ready.height, pl.Int64)
    if ready.height < funnel.MIN_CLINICS:
        few = f"{ready.height} clinics to compare: at least {funnel.MIN_CLINICS} are needed"
        ready = ready.with_columns(estimate=_estimate(), reason=pl.lit(few))
        return pl.concat([ready, left], how="diagonal_relaxed").with_columns(clinics=clinics)
    x, n = ready["numerator"], ready["denominator"]
    is_ratio = ready["kind"][0] == "ratio"
    chart = funnel.funnel_ratio(x, n, method="sqrt") if is_ratio else funnel.funnel_proportions(x, n)
    limits = [c for c in TABLE.names if c.startswith(("lower_", "upper_"))]
    chart = chart.select("overdispersion", "tau2", "signal", *limits, estimate="value", target="center")
    ready = pl.concat([ready, chart], how="horizontal")
    left = left.with_columns(estimate=_estimate())
    return pl.concat([ready, left], how="diagonal_relaxed").with_columns(clinics=clinics)


def _estimate() -> pl.Expr:
    return _share("numerator", "denominator")


def cells(options: Options) -> disclosure.Cells:
    """Small counts, their other side, and what the total of the clinics (the target gives it) leaves for one alone."""
    is_proportion = pl.col("kind") == "proportion"
    rest = pl.when(is_proportion).then(pl.col("denominator") - pl.col("numerator"))
    people = pl.when(is_proportion).then("denominator")
    return disclosure.Cells(
        counts=[people, "numerator", rest], dimensions=["clinic_id"], by=["metric_id"], min_cell=options.min_cell,
        is_total_known=True,
    )  # fmt: skip
