"""mart.cohort_outcomes: a row a metric, stratum, visit and population, with its denominators.

Here: means, changes from baseline and responder shares of the parameters of adqs and adact, over every combination
of the dimensions. Not here: comparisons of arms. A change from baseline is a change, not an effect.

Of the stratum's patients those are due whose visit window has closed at the data cut, whatever ended their
follow-up: who left or died without a value is missing. The rest is pending, not missing. Of the due, those
whose study (STUDYID) never asks for the parameter at the visit, or who have no baseline that a rule can judge from,
are not evaluable; the others have a value (evaluable) or not (missing).
"""

import numpy as np
import polars as pl
from scipy import stats

from .. import disclosure, pain, rates, windows
from ..catalogue import METRICS
from ..instruments import PARAMETERS
from ..options import Cut, Options
from ..schemas import MART_TABLES
from ..schemas.mart import CRITERIA, DIMENSIONS
from .stamp import stamped
from .strata import by_strata, dimensions_of

TABLE = MART_TABLES["cohort_outcomes"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.adact", "mart.adex", "mart.patient_outcomes")
COMPLETERS, MISSING_AS_NONRESPONDER = "completers", "missing_as_nonresponder"
NO_VALUE = "no evaluable value among the patients due"
MISSING_RULES = {COMPLETERS: "observed cases only", MISSING_AS_NONRESPONDER: "no value counts as no response"}
_STRATUM = list(DIMENSIONS)
_CELL = [*_STRATUM, "PARAMCD", "AVISIT"]


def compute(*, adsl, adqs, adact, adex, patient_outcomes, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.cohort_outcomes`; empty where there is no patient."""
    people = _people(adsl, adex, options=options)
    if people.is_empty():
        return TABLE.empty()
    counts = _cells(people, _due(people, cut=cut), _values(adqs, adact))
    parts = [_estimates(counts, statistic, options=options) for statistic in _STATISTICS]
    parts += _without_visit(people.join(patient_outcomes, left_on="USUBJID", right_on="patient_id", suffix="_of"))
    frame = pl.concat(parts, how="diagonal").filter(pl.col("metric_id").is_in([m.id for m in METRICS.values()]))
    cells = ["n_patients", "n_evaluable", "n_event", pl.col("n_evaluable") - pl.col("n_event")]
    marks = disclosure.suppressed(
        frame, counts=cells, dimensions=DIMENSIONS, by=["metric_id", "visit"], min_cell=options.min_cell
    )
    frame = frame.with_columns(marks)
    return TABLE.conform(stamped(frame, cut=cut)).sort([*TABLE.key[:5], "visit_day", "population"])


# --- who is due -------------------------------------------------------------------------------------


def _people(adsl: pl.DataFrame, adex: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """A row a patient: dimensions, Day 1, the end of the first course."""
    delivered = adex.filter(pl.col("EXSTAT") == "delivered").select(
        patient_id="USUBJID", course_id="COURSEID", session_id="SESSIONID", started_at="EXSTDTM", day="ASTDT"
    )
    ends = windows.first_course_end(delivered, gap_days=options.course_gap_days).rename({"patient_id": "USUBJID"})
    known = (
        adsl.select("USUBJID", "STUDYID", "DAY1DT")
        .join(dimensions_of(adsl), on="USUBJID")
        .join(ends, on="USUBJID", how="left")
    )
    days = max(windows.END_OF_COURSE_DAYS, options.course_gap_days)
    return known.with_columns(end_closes_on=pl.col("course_ended_on") + pl.duration(days=days))


def _due(people: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """A row a patient and visit: `is_due`, the visit's window has closed at the data cut.

    End of course closes when no further session can belong to the course any more; without a session it is never due.
    """
    closes = {v.name: windows.date_of(v.last, day1=pl.col("DAY1DT")) for v in windows.VISITS}
    closes[windows.END_OF_COURSE] = pl.col("end_closes_on")
    today = pl.lit(cut.data_cutoff.date())
    parts = [
        people.with_columns(AVISIT=pl.lit(name), is_due=(closed < today).fill_null(False))
        for name, closed in closes.items()
    ]
    return pl.concat(parts)


# --- values at the visits ---------------------------------------------------------------------------


def _values(adqs: pl.DataFrame, adact: pl.DataFrame) -> pl.DataFrame:
    """A row a patient, parameter and visit that has a record that counts; End of course by its own flag."""
    columns = ["USUBJID", "PARAMCD", "AVISIT", "ADY", "AVAL", "BASE", "CHG"]
    flags = [f"CRIT{k}FL" for k in range(1, len(CRITERIA) + 1)]
    asked = adqs.filter(pl.col("PARAMCD").is_in(list(PARAMETERS)))
    at_visit = asked.filter((pl.col("ANL01FL") == "Y") & (pl.col("AVISIT") != windows.END_OF_COURSE))
    at_end = asked.filter(pl.col("EOCFL") == "Y").with_columns(AVISIT=pl.lit(windows.END_OF_COURSE))
    moved = adact.filter((pl.col("ANL01FL") == "Y") & pl.col("AVAL").is_not_null())
    parts = [at_visit.select(*columns, *flags), at_end.select(*columns, *flags), moved.select(columns)]
    return pl.concat(parts, how="diagonal").filter(pl.col("AVISIT").is_not_null())


def _cells(people: pl.DataFrame, due: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """A row a stratum, parameter and visit with every count and moment that the estimates need."""
    patients = by_strata(due, n_patients=pl.len(), n_due=pl.col("is_due").sum(), by=["AVISIT"])
    closed = due.filter("is_due")
    asked = rows.join(people, on="USUBJID").select("STUDYID", "PARAMCD", "AVISIT").unique()
    expected = closed.group_by([*_STRATUM, "STUDYID", "AVISIT"]).len().join(asked, on=["STUDYID", "AVISIT"])
    based = _bases(rows).join(closed, on="USUBJID").join(asked, on=["STUDYID", "PARAMCD", "AVISIT"], how="semi")
    seen = rows.join(closed, on=["USUBJID", "AVISIT"])
    by = ["PARAMCD", "AVISIT"]
    cells = by_strata(expected, n_asked=pl.col("len").sum(), by=by)
    cells = cells.join(patients.drop("strata"), on=[*_STRATUM, "AVISIT"], nulls_equal=True)
    for counts in (by_strata(based, **_base_counts(), by=by), by_strata(seen, **_value_counts(), by=by)):
        cells = cells.join(counts.drop("strata"), on=_CELL, how="left", nulls_equal=True)
    counted = [c for c in cells.columns if c.startswith("n_")]
    return cells.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64))


def _bases(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a patient and parameter with a baseline, and whether the rules can judge from it."""
    based = rows.filter(pl.col("BASE").is_not_null()).unique(["USUBJID", "PARAMCD"])
    can_improve, can_worsen = pl.lit(True), pl.lit(True)
    for code in set(based["PARAMCD"].unique()) & set(PARAMETERS):
        here = pl.col("PARAMCD") == code
        can_improve = pl.when(here).then(pain.is_evaluable_baseline(PARAMETERS[code])).otherwise(can_improve)
        can_worsen = pl.when(here).then(pain.can_worsen(PARAMETERS[code])).otherwise(can_worsen)
    return based.select("USUBJID", "PARAMCD", can_improve=can_improve, can_worsen=can_worsen)


def _base_counts() -> dict[str, pl.Expr]:
    return {
        "n_based": pl.len(),
        "n_can_improve": pl.col("can_improve").sum(),
        "n_can_worsen": pl.col("can_worsen").sum(),
    }


def _value_counts() -> dict[str, pl.Expr]:
    counts = {"median_day": pl.col("ADY").median()}
    for name, column in (("mean", "AVAL"), ("change", "CHG")):
        value = pl.col(column)
        counts |= {f"n_{name}": value.count(), name: value.mean(), f"{name}_sd": value.std()}
    for k, criterion in enumerate(CRITERIA, 1):
        flag = pl.col(f"CRIT{k}FL")
        counts |= {f"n_{criterion}": flag.count(), f"n_{criterion}_yes": (flag == "Y").sum()}
    return counts


# --- estimates --------------------------------------------------------------------------------------

# (statistic of the catalogue, population)
_STATISTICS = (
    ("mean", COMPLETERS),
    ("change", COMPLETERS),
    *((c.lower(), COMPLETERS) for c in CRITERIA),
    *((c.lower(), MISSING_AS_NONRESPONDER) for c in CRITERIA if c != "WORSE"),
)


def _estimates(cells: pl.DataFrame, statistic: tuple[str, str], *, options: Options) -> pl.DataFrame:
    name, population = statistic
    frame = cells.with_columns(metric_id=pl.col("PARAMCD").str.to_lowercase() + f"_{name}")
    if name in ("mean", "change"):
        frame = _with_mean(frame, name).filter((name == "mean") | (pl.col("AVISIT") != windows.BASELINE))
    else:
        frame = _with_proportion(frame, name.upper(), population).filter(pl.col("AVISIT") != windows.BASELINE)
    targets = {v.name: v.target for v in windows.VISITS}
    return frame.with_columns(
        visit=pl.col("AVISIT"),
        visit_day=pl.col("AVISIT").replace_strict(targets, default=None, return_dtype=pl.Int64),
        population=pl.lit(population),
        n_pending=pl.col("n_patients") - pl.col("n_due"),
        missing_rule=pl.lit(MISSING_RULES[population]),
        **_rtm(name, options=options),
    )


def _with_mean(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    judged = pl.col("n_asked" if name == "mean" else "n_based")
    frame = _with_counts(frame, n_evaluable=pl.col(f"n_{name}"), n_judged=judged)
    frame = frame.with_columns(mean=pl.col(name), sd=pl.col(f"{name}_sd"))
    unit = pl.col("PARAMCD").replace_strict(_units(), default=None, return_dtype=pl.String)
    return _as_mean(frame.with_columns(unit=unit))


def _as_mean(frame: pl.DataFrame) -> pl.DataFrame:
    """Estimate and t interval from `mean`, `sd`, `n_evaluable`; of one value no interval, of none no mean."""
    n = frame["n_evaluable"].to_numpy()
    quantile = pl.Series(stats.t.ppf(0.975, np.maximum(n - 1, 1)))
    margin = pl.when(pl.col("n_evaluable") > 1).then(pl.col("sd") * quantile / pl.col("n_evaluable").sqrt())
    return frame.with_columns(
        estimate=pl.col("mean"), ci_lower=pl.col("mean") - margin, ci_upper=pl.col("mean") + margin,
        reason=pl.when(pl.col("n_evaluable") == 0).then(pl.lit(NO_VALUE))
        .when(pl.col("n_evaluable") == 1).then(pl.lit("one value: no interval")),
    )  # fmt: skip


def _with_counts(frame: pl.DataFrame, *, n_evaluable: pl.Expr, n_judged: pl.Expr) -> pl.DataFrame:
    """`n_judged`: the due who are asked and whose baseline allows the statistic; some of them have a value."""
    return frame.with_columns(
        n_evaluable=n_evaluable, n_missing=n_judged - n_evaluable, n_not_evaluable=pl.col("n_due") - n_judged
    )


def _units() -> dict[str, str | None]:
    return {m.id.removesuffix("_mean").upper(): m.unit for m in METRICS.values() if m.id.endswith("_mean")}


def _with_proportion(frame: pl.DataFrame, criterion: str, population: str) -> pl.DataFrame:
    judged = pl.col("n_can_worsen" if criterion == "WORSE" else "n_can_improve")
    judged = pl.when(pl.col("PARAMCD") == "PGIC").then(pl.col("n_asked")).otherwise(judged)
    frame = _with_counts(frame, n_evaluable=pl.col(f"n_{criterion}"), n_judged=judged)
    counted = pl.col("n_evaluable") + (pl.col("n_missing") if population == MISSING_AS_NONRESPONDER else 0)
    frame = frame.with_columns(n_event=pl.col(f"n_{criterion}_yes"), unit=pl.lit("proportion"), n_counted=counted)
    return _as_proportion(frame, "n_counted")


def _as_proportion(frame: pl.DataFrame, n: str) -> pl.DataFrame:
    """Share of `n_event` among the column `n`; Wilson limits, Clopper-Pearson where it is 5 or fewer."""
    for method in ("wilson", "clopper_pearson"):
        frame = rates.proportion_columns(frame, x="n_event", n=n, name=method, method=method)
    is_few = pl.col("n_event") <= 5
    limits = {f"ci_{side}": pl.when(is_few).then(f"clopper_pearson_{side}").otherwise(f"wilson_{side}")
              for side in ("lower", "upper")}  # fmt: skip
    return frame.with_columns(
        estimate=pl.col("wilson"), **limits, reason=pl.when(pl.col(n) == 0).then(pl.lit(NO_VALUE))
    )


def _rtm(name: str, *, options: Options) -> dict[str, pl.Expr]:
    is_pain_change = pl.col("PARAMCD").is_in([c for c, p in PARAMETERS.items() if p.instrument == "nrs_pain"]) & (
        name == "change"
    )
    expected = pain.expected_change(options=options)
    source = pl.lit(options.rtm_source or None, dtype=pl.String)
    return {"rtm_expected": pl.when(is_pain_change).then(pl.lit(expected, dtype=pl.Float64)),
            "rtm_source": pl.when(is_pain_change & pl.lit(expected is not None)).then(source)}  # fmt: skip


# --- metrics of a patient's whole course ----------------------------------------------------------------


def _without_visit(outcomes: pl.DataFrame) -> list[pl.DataFrame]:
    """Sustained response, adherence and opioid dose: no visit, everybody counted, those without a value missing."""
    outcomes = outcomes.with_columns(
        sustained=pl.col("is_sustained_responder").cast(pl.Int64),
        opioid=pl.col("opioid_mme_latest") - pl.col("opioid_mme_baseline"),
    )
    share = _of_everybody(outcomes, "sustained", "sustained_response").with_columns(
        n_event=pl.col("total").cast(pl.Int64)
    )
    means = [
        _of_everybody(outcomes, "adherence_ratio", "course_adherence"),
        _of_everybody(outcomes, "opioid", "opioid_change"),
    ]
    return [_as_proportion(share, "n_evaluable"), *(_as_mean(m) for m in means)]


def _of_everybody(outcomes: pl.DataFrame, column: str, metric: str) -> pl.DataFrame:
    value = pl.col(column)
    unit = next(m.unit for m in METRICS.values() if m.id == metric)
    counts = by_strata(outcomes, n_patients=pl.len().cast(pl.Int64), n_evaluable=value.count().cast(pl.Int64),
                       total=value.sum().cast(pl.Float64), mean=value.mean(), sd=value.std())  # fmt: skip
    return counts.with_columns(
        metric_id=pl.lit(metric), unit=pl.lit(unit), population=pl.lit(COMPLETERS),
        missing_rule=pl.lit(MISSING_RULES[COMPLETERS]), n_due=pl.col("n_patients"), n_pending=pl.lit(0, dtype=pl.Int64),
        n_missing=pl.lit(0, dtype=pl.Int64), n_not_evaluable=pl.col("n_patients") - pl.col("n_evaluable"),
    )  # fmt: skip
