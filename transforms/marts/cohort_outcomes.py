"""mart.cohort_outcomes: a row a metric, stratum, visit and population, with its denominators.

Here: means, changes from baseline and responder shares of the parameters of adqs and adact, over
every combination of the dimensions, and all rows together. Not here: rows about sessions and
courses (cohort_sessions) and about other care (cohort_care), comparisons of arms. A change from
baseline is a change, not an effect.

Of the due (visit_values), those whose study (STUDYID) never asks for the parameter at the visit, or
whose clinic asks for others alone, or who have no baseline that a rule can judge from, are not
evaluable; the others have a value (evaluable) or not (missing). Who is not due is pending, not
missing.
"""

from collections.abc import Callable

import polars as pl

from .. import disclosure
from ..facts.catalogue import METRICS, STATISTICS, Metric
from ..facts.values import COMPLETERS, MISSING_AS_NONRESPONDER
from ..options import Cut, Options
from ..rules import care as care_rules
from ..rules import windows
from ..rules.local_time import clocks
from ..rules.regression_to_mean import rtm_columns
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS, CRITERIA, STRATUM_COLUMNS
from . import cohort_care, cohort_sessions
from .clustered_columns import MEAN, PROPORTION, RATE, Measure, with_clustered
from .cohort_estimates import as_mean, as_proportion
from .patient_outcomes import lasting_response
from .stamp import stamped
from .strata import COUNTS_ONCE, by_strata, of_subjects, per_subject
from .visit_values import asked_of, due_of, expected_of, people_of, values_of

TABLE = MART_TABLES["cohort_outcomes"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.adact",
    "mart.adex",
    "core.courses",
    "core.care",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
MISSING_RULES = {
    COMPLETERS: "observed cases only",
    MISSING_AS_NONRESPONDER: "no value counts as no response",
}
_DEFINED = pl.DataFrame(
    [(m.id, m.parameter, m.statistic) for m in METRICS.values()],
    schema=dict.fromkeys(("metric_id", "parameter", "statistic"), pl.String),
    orient="row",
)
_STRATUM = list(STRATUM_COLUMNS)
_CELL = [*_STRATUM, "PARAMCD", "AVISIT"]


def compute(
    *,
    adsl,
    adqs,
    adact,
    adex,
    courses,
    care,
    patients,
    clinics,
    patient_status,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Conforms to `mart.cohort_outcomes`; empty where there is no patient."""
    people = people_of(adsl, adex, options=options)
    if people.is_empty():
        return TABLE.empty()
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    care = care_rules.local_care(care, whose)
    counts = _cells(people, due_of(people, cut=cut), values_of(adqs, adact))
    parts = [_estimates(counts, statistic, options=options) for statistic in _STATISTICS]
    parts += _without_visit(_whole_course(people, adqs, care, options=options))
    parts += cohort_sessions.rows(adsl, adex, courses, options=options, cut=cut) + cohort_care.rows(
        adsl, care, cut=cut
    )
    frame = pl.concat(parts, how="diagonal").join(_DEFINED, on="metric_id", maintain_order="left")
    frame = with_clustered(frame, [_CLUSTERED], by=["metric_id", "visit", "population"])
    frame = frame.with_columns(cells(options).suppressed(frame))
    return TABLE.conform(stamped(frame, cut=cut)).sort([*TABLE.key[:6], "visit_day", "population"])


# What a row's estimate is over clinics: a rate has years, a median over patients is neither sum nor
# share
_IS_SHARE = pl.col("unit") == "proportion"
_COUNTED = pl.col("n_evaluable") + pl.when(pl.col("population") == MISSING_AS_NONRESPONDER).then(
    "n_missing"
).otherwise(0)
_CLUSTERED = Measure(
    name="ci_clustered",
    kind=pl.when(pl.col("statistic") == "median")
    .then(None)
    .when(pl.col("patient_years").is_not_null())
    .then(pl.lit(RATE))
    .when(_IS_SHARE)
    .then(pl.lit(PROPORTION))
    .otherwise(pl.lit(MEAN)),
    x=pl.when(_IS_SHARE | pl.col("patient_years").is_not_null())
    .then("n_event")
    .otherwise(pl.col("estimate") * pl.col("n_evaluable")),
    n=pl.coalesce(pl.col("patient_years") / 100, _COUNTED),
)


def cells(options: Options) -> disclosure.Cells:
    """The populations of a metric share their patients: they are one cell."""
    counts = ["n_patients", "n_evaluable", "n_event", pl.col("n_evaluable") - pl.col("n_event")]
    return disclosure.Cells(
        counts=counts,
        dimensions=CELL_DIMENSIONS,
        by=["metric_id", "visit"],
        min_cell=options.min_cell,
    )


# --- counts -------------------------------------------------------------------------------------


def _cells(people: pl.DataFrame, due: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """A row a stratum, parameter and visit with every count and moment that the estimates need."""
    patients = by_strata(due, n_patients=pl.len(), n_due=pl.col("is_due").sum(), by=["AVISIT"])
    closed = due.filter("is_due")
    asked = asked_of(rows, people)
    expected = (
        closed.group_by([*_STRATUM, COUNTS_ONCE, "STUDYID", "AVISIT"])
        .len()
        .join(asked, on=["STUDYID", "clinic_id", "AVISIT"])
    )
    based = expected_of(rows, due, asked)
    # in one order, whatever that of the rows: the last digit of a sum depends on it
    seen = rows.join(closed, on=["USUBJID", "AVISIT"]).sort("USUBJID", "PARAMCD", "AVISIT")
    by = ["PARAMCD", "AVISIT"]
    cells = by_strata(expected, n_asked=pl.col("len").sum(), by=by)
    cells = cells.join(patients.drop("strata"), on=[*_STRATUM, "AVISIT"], nulls_equal=True)
    for counts in (
        by_strata(based, **_base_counts(), by=by),
        by_strata(seen, **_value_counts(), by=by),
    ):
        cells = cells.join(counts.drop("strata"), on=_CELL, how="left", nulls_equal=True)
    counted = [c for c in cells.columns if c.startswith("n_")]
    return cells.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64))


def _base_counts() -> dict[str, pl.Expr]:
    return {
        "n_based": pl.len(),
        "n_can_improve": pl.col("can_improve").sum(),
        "n_can_worsen": pl.col("can_worsen").sum(),
    }


def _value_counts() -> dict[str, pl.Expr]:
    counts = {}
    for name, column in (("mean", "AVAL"), ("change", "CHG")):
        value = pl.col(column)
        counts |= {
            f"n_{name}": value.count(),
            name: value.mean(),
            f"{name}_sd": value.std(),
            **_day_of(name, value),
        }
    for k, criterion in enumerate(CRITERIA, 1):
        flag = pl.col(f"CRIT{k}FL")
        counts |= {
            f"n_{criterion}": flag.count(),
            f"n_{criterion}_yes": (flag == "Y").sum(),
            **_day_of(criterion, flag),
        }
    return counts


def _day_of(name: str, value: pl.Expr) -> dict[str, pl.Expr]:
    """The median day of those assessments that the statistic is of."""
    return {f"day_{name}": pl.col("ADY").filter(value.is_not_null()).median()}


# --- estimates ----------------------------------------------------------------------------------

# (statistic of the catalogue, population)
_STATISTICS = (
    ("mean", COMPLETERS),
    ("change", COMPLETERS),
    *((c.lower(), COMPLETERS) for c in CRITERIA),
    *((c.lower(), MISSING_AS_NONRESPONDER) for c in CRITERIA if c != "WORSE"),
)


def _estimates(
    cells: pl.DataFrame, statistic: tuple[str, str], *, options: Options
) -> pl.DataFrame:
    name, population = statistic
    frame = cells.with_columns(metric_id=_by_parameter(name, lambda metric: metric.id))
    if name in ("mean", "change"):
        frame = _with_mean(frame, name).filter(
            (name == "mean") | (pl.col("AVISIT") != windows.BASELINE)
        )
    else:
        frame = _with_proportion(frame, name.upper(), population).filter(
            pl.col("AVISIT") != windows.BASELINE
        )
    targets = {v.name: v.target for v in windows.VISITS}
    return frame.with_columns(
        visit=pl.col("AVISIT"),
        visit_day=pl.col("AVISIT").replace_strict(targets, default=None, return_dtype=pl.Int64),
        median_day=pl.col(f"day_{name}" if name in ("mean", "change") else f"day_{name.upper()}"),
        population=pl.lit(population),
        n_pending=pl.col("n_patients") - pl.col("n_due"),
        missing_rule=pl.lit(MISSING_RULES[population]),
        **rtm_columns(pl.col("PARAMCD"), options=options, is_change=name == "change"),
    )


def _with_mean(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    judged = pl.col("n_asked" if name == "mean" else "n_based")
    frame = _with_counts(frame, n_evaluable=pl.col(f"n_{name}"), n_judged=judged)
    frame = frame.with_columns(mean=pl.col(name), sd=pl.col(f"{name}_sd"))
    return as_mean(frame.with_columns(unit=_by_parameter("mean", lambda metric: metric.unit)))


def _with_counts(frame: pl.DataFrame, *, n_evaluable: pl.Expr, n_judged: pl.Expr) -> pl.DataFrame:
    """`n_judged`: the due who are asked and whose baseline allows the statistic; some of them have
    a value.
    """
    return frame.with_columns(
        n_evaluable=n_evaluable,
        n_missing=n_judged - n_evaluable,
        n_not_evaluable=pl.col("n_due") - n_judged,
    )


def _by_parameter(statistic: str, field: Callable[[Metric], str | None]) -> pl.Expr:
    """A field of each parameter's metric of the statistic; null for a parameter without one."""
    values = {
        parameter: field(metric)
        for (parameter, name), metric in STATISTICS.items()
        if name == statistic
    }
    return pl.col("PARAMCD").replace_strict(values, default=None, return_dtype=pl.String)


def _with_proportion(frame: pl.DataFrame, criterion: str, population: str) -> pl.DataFrame:
    judged = pl.col("n_can_worsen" if criterion == "WORSE" else "n_can_improve")
    judged = pl.when(pl.col("PARAMCD") == "PGIC").then(pl.col("n_asked")).otherwise(judged)
    frame = _with_counts(frame, n_evaluable=pl.col(f"n_{criterion}"), n_judged=judged)
    counted = pl.col("n_evaluable") + (
        pl.col("n_missing") if population == MISSING_AS_NONRESPONDER else 0
    )
    frame = frame.with_columns(
        n_event=pl.col(f"n_{criterion}_yes"), unit=pl.lit("proportion"), n_counted=counted
    )
    return as_proportion(frame, "n_counted")


# --- metrics of a patient's whole course --------------------------------------------------------


def _whole_course(
    people: pl.DataFrame, adqs: pl.DataFrame, care: pl.DataFrame, *, options: Options
) -> pl.DataFrame:
    """The subjects with sustained response and opioid doses, as mart.patient_outcomes gives them of
    a patient.
    """
    lasting = lasting_response(of_subjects(adqs), options=options).drop("sustained_reason")
    days = people.select("DAY1DT", patient_id="USUBJID")
    doses = care_rules.opioid_doses(per_subject(care, people), days).rename(
        {"patient_id": "USUBJID"}
    )
    return people.join(lasting, on="USUBJID", how="left").join(doses, on="USUBJID", how="left")


def _without_visit(outcomes: pl.DataFrame) -> list[pl.DataFrame]:
    """Sustained response (without two assessments not evaluable) and opioid dose (not known:
    missing): no visit.
    """
    change = pl.col("opioid_mme_latest") - pl.col("opioid_mme_baseline")
    paired = change.is_not_null()
    outcomes = outcomes.with_columns(
        sustained=pl.col("is_sustained_responder").cast(pl.Int64),
        opioid=change,
        opioid_before=pl.when(paired).then("opioid_mme_baseline"),
        opioid_latest=pl.when(paired).then("opioid_mme_latest"),
    )
    share = _of_everybody(
        outcomes, "sustained", "sustained_response", without="n_not_evaluable"
    ).with_columns(n_event=pl.col("total").cast(pl.Int64))
    means = [
        _of_everybody(outcomes, "opioid", "opioid_change"),
        _of_everybody(outcomes, "opioid_before", "opioid_dose_before"),
        _of_everybody(outcomes, "opioid_latest", "opioid_dose_latest"),
    ]
    return [as_proportion(share, "n_evaluable"), *(as_mean(m) for m in means)]


def _of_everybody(
    outcomes: pl.DataFrame, column: str, metric: str, *, without: str = "n_missing"
) -> pl.DataFrame:
    """Counts of all patients; those without a value are counted in `without`."""
    value = pl.col(column)
    unit = next(m.unit for m in METRICS.values() if m.id == metric)
    counts = by_strata(
        outcomes,
        n_patients=pl.len().cast(pl.Int64),
        n_evaluable=value.count().cast(pl.Int64),
        total=value.sum().cast(pl.Float64),
        mean=value.mean(),
        sd=value.std(),
    )
    return counts.with_columns(
        metric_id=pl.lit(metric),
        unit=pl.lit(unit),
        population=pl.lit(COMPLETERS),
        missing_rule=pl.lit(MISSING_RULES[COMPLETERS]),
        n_due=pl.col("n_patients"),
        n_pending=pl.lit(0, dtype=pl.Int64),
        n_missing=pl.lit(0, dtype=pl.Int64),
        n_not_evaluable=pl.lit(0, dtype=pl.Int64),
    ).with_columns((pl.col("n_patients") - pl.col("n_evaluable")).alias(without))
