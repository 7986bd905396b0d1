"""mart.clinic_funnel: each clinic beside all the others, and beside a stated reference. Never a
ranking.

Here: which figures are compared, from which marts, and how a low number of reported events is to be
read. Not here: limits and flags (statistics/left_out.py), the sentences (nearness.py), the counts
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

import numpy as np
import polars as pl

from .. import disclosure
from ..facts.estimands import COMPOSITE
from ..facts.restrictions import rows_of
from ..facts.sessions import BEGUN, DELIVERED
from ..facts.values import COLD_INJURIES, COMPLETERS, FIRST
from ..options import Cut, Options
from ..rules.safety import counted_in_time, with_event_number
from ..schemas import MART_TABLES
from ..statistics import funnel, left_out
from . import nearness
from .stamp import stamped

TABLE = MART_TABLES["clinic_funnel"]
INPUTS = ("mart.adex", "mart.adae", "mart.adverse_event_rates", "mart.cohort_outcomes")
RESPONSE, RESPONSE_VISIT = "nrs7d_pct30", "Week 8"
FEW_EVENTS = "few or no reported events: not a sign of better care; see the share of sessions asked"
EACH_IS_NEWS = "each is looked at by itself, whatever the limits say"
_COLD = pl.col("AEINJ").is_in(COLD_INJURIES)
# metric -> the records that it counts
_OF_EVENTS = {
    "funnel_any_event": pl.lit(True),
    "funnel_serious_event": pl.col("AESER") == "Y",
    "funnel_cold_injury": _COLD,
    "funnel_cold_injury_grade_2": _COLD & (pl.col("AETOXGR") >= 2),
    "funnel_event_ratio": pl.lit(True),
}
# metric of which each event is news -> the setting of its reference
REFERENCES = {
    "funnel_serious_event": "serious_event_reference_pct",
    "funnel_cold_injury_grade_2": "cold_injury_reference_pct",
}


def compute(
    *, adex, adae, adverse_event_rates, cohort_outcomes, options: Options, cut: Cut
) -> pl.DataFrame:
    """A row a metric and clinic; columns of MART_TABLES["clinic_funnel"]."""
    any_term = adverse_event_rates.filter(pl.col("term").is_null())
    all_events = any_term.filter(rows_of("any"))
    by_clinic = _stratum(all_events, "clinic_id")
    records = counted_in_time(with_event_number(adae))
    counts = [
        _patients(by_clinic, "funnel_any_event"),
        _patients(
            _stratum(any_term.filter(rows_of("serious")), "clinic_id"), "funnel_serious_event"
        ),
        _cold_injuries(adex, records, "funnel_cold_injury"),
        _cold_injuries(adex, records, "funnel_cold_injury_grade_2"),
        _by_modality(_stratum(all_events, "clinic_id", "modality")),
        _asked(by_clinic),
        _response(cohort_outcomes, options=options),
    ]
    compared = [_referred(_compared(c), options=options) for c in counts if not c.is_empty()]
    frame = pl.concat(
        [TABLE.empty(), *compared], how="diagonal_relaxed"
    )  # no signal where too few are compared
    asked = by_clinic.select("clinic_id", asked_share=_share("sessions_asked", "sessions"))
    frame = frame.drop("asked_share", strict=False).join(asked, on="clinic_id", how="left")
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


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


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


def _asked(rates: pl.DataFrame) -> pl.DataFrame:
    return _counted(
        rates, "funnel_sessions_asked", numerator="sessions_asked", denominator="sessions"
    )


def _response(cohort_outcomes: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Responders among patients with a value; not compared where too many of the due have none."""
    rows = _stratum(cohort_outcomes, "clinic_id").filter(
        pl.col("metric_id") == RESPONSE,
        pl.col("visit") == RESPONSE_VISIT,
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


# --- comparison ---------------------------------------------------------------------------------


def _compared(counts: pl.DataFrame) -> pl.DataFrame:
    """The clinics of one metric with target, limits and signal, or the reason why there are
    none.
    """
    counts = counts.sort("clinic_id").with_columns(
        reason=pl.when(pl.col("denominator").fill_null(0) <= 0)
        .then(pl.lit("nobody to count"))
        .otherwise("reason")
    )
    ready = counts.filter(pl.col("reason").is_null())
    left = counts.filter(pl.col("reason").is_not_null())
    if ready.height >= funnel.MIN_CLINICS:
        ready = _judged(ready)
    else:
        few = f"{ready.height} clinics to compare: at least {funnel.MIN_CLINICS} are needed"
        ready = _uncompared(ready).with_columns(reason=pl.lit(few))
    frame = pl.concat([ready, _uncompared(left)], how="diagonal_relaxed")
    return frame.drop("of_modality", "sessions_of", strict=False).with_columns(
        clinics=pl.lit(ready.height, pl.Int64)
    )


def _uncompared(counts: pl.DataFrame) -> pl.DataFrame:
    """A proportion stands without a comparison; a ratio is one."""
    is_proportion = pl.col("kind") == "proportion"
    return counts.with_columns(
        estimate=pl.when(is_proportion).then(_share("numerator", "denominator")),
        denominator=pl.when(is_proportion).then("denominator"),
    )


def _judged(ready: pl.DataFrame) -> pl.DataFrame:
    metric = ready["metric_id"][0]
    is_spread = metric not in REFERENCES
    if ready["kind"][0] == "ratio":
        tables = (np.array(ready[c].to_list(), float) for c in ("of_modality", "sessions_of"))
        chart = left_out.ratios(*tables, overdispersion=is_spread)
        none = pl.when(pl.col("expected").is_null()).then(
            pl.lit("nothing expected at the other clinics' rates")
        )
        counts = {"numerator": pl.col("x"), "denominator": pl.col("expected"), "reason": none}
    else:
        chart = left_out.proportions(
            ready["numerator"], ready["denominator"], overdispersion=is_spread
        )
        counts = {}
    limits = [c for c in TABLE.names if c.startswith(("lower_", "upper_"))]
    chart = chart.select(
        "overdispersion",
        "tau2",
        "signal",
        *limits,
        estimate="value",
        target="center",
        tail_probability="tail",
        tail_probability_at_target="tail_at_target",
        limit_share="share_high" if metric in _OF_EVENTS else "share_low",
        **counts,
    )
    return pl.concat([ready.drop(counts), chart], how="horizontal")


def _referred(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Beside the stated reference, in any number of clinics; where none is stated, that is said."""
    setting = REFERENCES.get(frame["metric_id"][0])
    if setting is None:
        return frame
    stated = getattr(options, setting)
    if stated is None:
        missing = f"no reference is stated (FLOE_{setting.upper()}): clinics that are all alike bad would not be seen"
        return frame.with_columns(reference_reason=pl.lit(missing))
    chart = left_out.against_reference(frame["numerator"], frame["denominator"], stated / 100)
    return frame.with_columns(
        chart["tail"].alias("reference_tail_probability"),
        chart["signal"].alias("reference_signal"),
        reference=pl.lit(stated / 100),
        reference_source=pl.lit(options.safety_reference_source or "a setting without a source"),
    )


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
    delivered = adex.filter((pl.col("EXSTAT") == DELIVERED) & pl.col("ASTDT").is_not_null())
    sessions = delivered.select(clinic_id="CLINICID", month=pl.col("ASTDT").dt.truncate("1mo"))
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN)).group_by(clinic_id="CLINICID")
    treated = dict(begun.agg(pl.col("USUBJID").n_unique()).rows())
    texts = {}
    for metric, meets in _OF_EVENTS.items():
        first = records.filter(meets).sort("ASTDTM", "AEID", nulls_last=True)
        events = first.unique("event_number", keep="first", maintain_order=True)
        events = events.select(
            "USUBJID", clinic_id="CLINICID", month=pl.col("ASTDT").dt.truncate("1mo")
        )
        texts |= _sentences(frame.filter(pl.col("metric_id") == metric), events, sessions, treated)
    for row in frame.filter(~pl.col("metric_id").is_in(list(_OF_EVENTS))).iter_rows(named=True):
        if row["estimate"] is not None:
            texts[row["metric_id"], row["clinic_id"]] = nearness.of_shares(row["metric_id"], row)
    keys = frame.select("metric_id", "clinic_id").rows()
    return frame.with_columns(nearness=pl.Series([texts.get(key) for key in keys], dtype=pl.String))


def _sentences(
    rows: pl.DataFrame, events: pl.DataFrame, sessions: pl.DataFrame, treated: dict[str, int]
) -> dict[tuple[str, str], str]:
    """By metric and clinic; months of the clinic run against the rate of all the others."""
    months = nearness.monthly(events.filter(pl.col("month").is_not_null()), sessions)
    total = months.select("events", "sessions").sum().row(0)
    texts = {}
    for row in rows.iter_rows(named=True):
        clinic = row["clinic_id"]
        mine, here = months.filter(clinic_id=clinic), events.filter(clinic_id=clinic)
        others = [
            of_all - of_one
            for of_all, of_one in zip(
                total, mine.select("events", "sessions").sum().row(0), strict=True
            )
        ]
        rising = nearness.rising_month(
            *(mine[c].to_list() for c in ("month", "events", "sessions")),
            rate=others[0] / max(others[1], 1),
        )
        texts[row["metric_id"], clinic] = nearness.of_events(
            row["metric_id"],
            events=here.height,
            patients=here["USUBJID"].n_unique(),
            of=treated.get(clinic, 0),
            rising=rising,
            row=row,
        )
    return texts


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
