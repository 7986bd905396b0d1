"""mart.adact: a row a patient, study, parameter and week of wearing, or performance test.

Here: from days and tests to placed rows with baseline and change. Not here: what a valid week is
(rules/wear.py), the parameters and their thresholds (facts/mobility_parameters.py), days
(series/activity.py, series/mobility.py).

Weeks are of 7 days from Day 1: days 1-7 are week 1, days -7 to -1 week -1. A week is dated by its
last day, and given once it is over; weeks without data between a parameter's first and last have a
row with a reason. Baseline is the last valid week before Day 1, or the last test before the first
session, in the window of days -28 to 1.
"""

import polars as pl

from ..facts.catalogue import METRICS
from ..facts.mobility_parameters import (
    PERFORMANCE_TESTS,
    WEEKLY_PARAMETERS,
    WeeklyParameter,
    metric_of_week,
)
from ..options import Cut, Options
from ..rules import local_time, wear, windows
from ..rules.episodes import with_episode
from ..rules.exposure import of_patients
from ..rules.flags import flag
from ..rules.studies import BASELINE_DAYS, of_studies, planned_visits
from ..schemas import MART_TABLES, TIMESTAMP
from ..statistics.reliable_change import change_class
from .adact_tests import OF_EPISODE, performance_tests_of, subjects_of
from .strata import subject

TABLE = MART_TABLES["adact"]
INPUTS = (
    "core.activity_days",
    "core.walking_days",
    "core.performance_tests",
    "core.patients",
    "core.clinics",
    "core.patient_status",
    "mart.adsl",
    "mart.subject_episodes",
)
_BY = ["STUDYID", "USUBJID", "APERIOD", "PARAMCD"]
_WITHOUT_ZERO = [p.code for p in WEEKLY_PARAMETERS if not p.has_zero]
_OF_DAY = (
    "patient_id",
    "device_id",
    "day",
    "wear_minutes",
)  # the other columns would be sorted along in vain


def compute(
    keys: pl.DataFrame | None,
    *,
    activity_days: pl.DataFrame,
    walking_days: pl.DataFrame,
    performance_tests: pl.DataFrame,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    adsl: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Conforms to `mart.adact`. `keys`: frame of `patient_id`, None = all. Rows of an unknown
    patient wait.
    """
    activity, walking, tests = (
        of_patients(f, keys) for f in (activity_days, walking_days, performance_tests)
    )
    whose = local_time.clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    tests = local_time.with_clock(tests, at="performed_at", clocks=whose)
    worn = activity.select("patient_id", "device_id", "day", "wear_minutes")
    days = {
        "activity_days": activity,
        "walking_days": walking.join(worn, on=worn.columns[:3], how="left"),
    }
    weeks = [
        _weeks(
            p, days[p.table], adsl=adsl, subject_episodes=subject_episodes, options=options, cut=cut
        )
        for p in WEEKLY_PARAMETERS
    ]
    rows = pl.concat(
        [*weeks, performance_tests_of(tests, adsl=adsl, subject_episodes=subject_episodes)],
        how="diagonal",
    )
    if rows.is_empty():
        return TABLE.empty()
    rows = rows.with_columns(METRICV=_version())
    plans = rows.partition_by("VISITPLN", as_dict=True)
    placed = [
        windows.place(part, by=_BY, tie="_tie", visits=planned_visits(plan))
        for (plan,), part in plans.items()
    ]
    rows = _judged(pl.concat(placed))
    return TABLE.conform(rows).sort(
        "STUDYID", "USUBJID", "PARAMCD", "ADT", "EVENTID", nulls_last=True
    )


def _version() -> pl.Expr:
    versions = {m.id: m.version for m in METRICS.values()}
    return pl.col("METRICID").replace_strict(versions, return_dtype=pl.String)


# --- weeks --------------------------------------------------------------------------------------


def _weeks(
    parameter: WeeklyParameter,
    days: pl.DataFrame,
    *,
    adsl: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a patient, study and week that is over, from the first to the last week with a value of
    some day.
    """
    counting = wear.counting_days(days.select(*_OF_DAY, parameter.column), column=parameter.column)
    counting = of_studies(counting, adsl, day="day", lead_days=BASELINE_DAYS).rename(
        {"patient_id": "USUBJID"}
    )
    counting = with_episode(counting, subject_episodes, day="day").with_columns(
        subject=subject(period="APERIOD"),
        week=wear.week_of(windows.study_day(pl.col("day"), day1=pl.col("DAY1DT"))),
    )
    by = ["subject", "week"]
    weekly = wear.weekly(
        counting, column=parameter.column, options=options, by=by, is_weighted=parameter.is_weighted
    )
    rows = _all_weeks(counting).join(weekly, on=by, how="left")
    rows = rows.join(_in_episodes(adsl, subject_episodes), on="subject")
    first_day = (
        pl.when(pl.col("week") > 0).then(7 * pl.col("week") - 6).otherwise(7 * pl.col("week"))
    )
    rows = rows.with_columns(WEEKSTDT=_date_of(first_day)).with_columns(
        ADT=pl.col("WEEKSTDT") + pl.duration(days=6)
    )
    rows = _over(rows, cut=cut)
    return rows.select(
        "STUDYID",
        "USUBJID",
        "SITEID",
        *OF_EPISODE,
        "VISITPLN",
        "WEEKSTDT",
        "ADT",
        is_in_episode=(pl.col("ADT") <= pl.col("WINENDT")).fill_null(True),
        days_after_course=(pl.col("ADT") - pl.col("CRSENDT")).dt.total_days(),
        PARAMCD=pl.lit(parameter.code),
        PARAM=pl.lit(parameter.title),
        AVALU=pl.lit(parameter.unit),
        METRICID=pl.lit(metric_of_week(parameter.code)),
        MDC=pl.lit(parameter.change, dtype=pl.Float64),
        AVAL=pl.col("value"),
        VALIDDAYS=pl.col("valid_days").fill_null(0),
        WEARHRS=pl.col("wear_h"),
        DEVICEID=pl.col("devices"),
        reason=pl.when(pl.col("valid_days").is_null())
        .then(pl.lit(wear.NO_DATA))
        .otherwise(pl.col("reason")),
        ADTM=pl.col("ADT").cast(TIMESTAMP),
        EVENTID=pl.lit(None, dtype=pl.String),
        ADY=windows.study_day(pl.col("ADT"), day1=pl.col("DAY1DT")),
        is_before_treatment=pl.col("week") < 0,
    ).with_columns(_tie=pl.lit(""))


def _in_episodes(adsl: pl.DataFrame, subject_episodes: pl.DataFrame) -> pl.DataFrame:
    """A row a subject and episode, named `subject`, with what its weeks need."""
    own = subject_episodes.select("STUDYID", "USUBJID", *OF_EPISODE, "CRSENDT", "WINENDT")
    return (
        subjects_of(adsl)
        .join(own, on=["STUDYID", "USUBJID"])
        .with_columns(subject=subject(period="APERIOD"))
    )


def _date_of(first_study_day: pl.Expr) -> pl.Expr:
    """The date of a study day that is not 0, from the column DAY1DT."""
    offset = pl.when(first_study_day > 0).then(first_study_day - 1).otherwise(first_study_day)
    return pl.col("DAY1DT") + pl.duration(days=offset)


def _all_weeks(counting: pl.DataFrame) -> pl.DataFrame:
    """`subject` and week, every week from the first to the last of each subject; there is no week
    0.
    """
    span = counting.group_by("subject").agg(first=pl.col("week").min(), last=pl.col("week").max())
    weeks = span.select("subject", week=pl.int_ranges("first", pl.col("last") + 1)).explode("week")
    return weeks.filter(pl.col("week") != 0)


def _over(rows: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """The weeks whose last day had ended at the data cut, in the time zone of the patient's
    clinic.
    """
    return local_time.with_cut_day(rows, cut=cut).filter(pl.col("ADT") < pl.col("cut_on"))


# --- change -------------------------------------------------------------------------------------


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Change from baseline, whether it exceeds measurement error, and why a value or change can't
    be given.
    """
    is_judged = (
        pl.col("is_after_baseline").fill_null(False)
        & pl.col("AVAL").is_not_null()
        & pl.col("BASE").is_not_null()
    )
    rows = rows.with_columns(CHG=pl.when(is_judged).then(pl.col("AVAL") - pl.col("BASE")))
    # A difference of two decimals that is the threshold in print may fall short of it in binary.
    reaches = pl.col("CHG").abs() >= pl.col("MDC") - 1e-9
    follows = pl.col("AVISIT").is_not_null() & (pl.col("AVISIT") != windows.BASELINE)
    return rows.with_columns(
        PCHG=pl.when((pl.col("BASE") != 0) & ~pl.col("PARAMCD").is_in(_WITHOUT_ZERO)).then(
            100 * pl.col("CHG") / pl.col("BASE")
        ),
        CHGMDCFL=flag(reaches),
        CHGCAT1=_class(reaches),
        NEREASON=pl.coalesce(
            "reason", pl.when(follows & pl.col("BASE").is_null()).then(pl.lit("no baseline"))
        ),
    )


def _class(reaches: pl.Expr) -> pl.Expr:
    """Improved or deteriorated by at least MDC, else unchanged; null where no direction is the
    better one.
    """
    better = pl.col("PARAMCD").replace_strict(
        {
            p.code: {"higher": 1, "lower": -1}.get(p.direction)
            for p in (*WEEKLY_PARAMETERS, *PERFORMANCE_TESTS)
        },
        return_dtype=pl.Int64,
    )
    gain = better * pl.col("CHG")
    label = change_class(
        is_better=reaches & (gain > 0), is_worse=reaches & (gain < 0), is_recovered=pl.lit(False)
    )
    return pl.when(gain.is_not_null()).then(label)
