"""Rows of mart.adact of performance tests, before they are placed.

Here: the contract's tests, by study and day. Not here: weeks of wearing, baseline and change
(adact.py).
"""

import polars as pl

from ..facts.mobility_parameters import (
    PERFORMANCE_TESTS,
    metric_of_test,
)
from ..rules import local_time, windows
from ..rules.episodes import with_episode
from ..rules.studies import BASELINE_DAYS, of_studies

OF_EPISODE = ("APERIOD", "DAY1DT", "TRTSDTM", "FRSTEPFL", "LASTEPFL")


def subjects_of(adsl: pl.DataFrame) -> pl.DataFrame:
    return adsl.select("STUDYID", "USUBJID", "SITEID", "VISITPLN", timezone="TIMEZONE")


def performance_tests_of(
    performance_tests: pl.DataFrame, *, adsl: pl.DataFrame, subject_episodes: pl.DataFrame
) -> pl.DataFrame:
    """A row a study and performance test of the contract's list, on the day of the clinic where it
    was done.
    """
    rows = local_time.with_local_day(
        performance_tests.join(_known_tests(), on="test"), at="performed_at", into="ADT"
    )
    rows = of_studies(rows, adsl, day="ADT", lead_days=BASELINE_DAYS).rename(
        {"patient_id": "USUBJID"}
    )
    rows = rows.join(subjects_of(adsl).drop("timezone"), on=["STUDYID", "USUBJID"])
    rows = with_episode(rows, subject_episodes, day="ADT")
    return rows.select(
        "STUDYID",
        "USUBJID",
        "SITEID",
        *OF_EPISODE,
        "is_in_episode",
        "days_after_course",
        "VISITPLN",
        "ADT",
        "PARAMCD",
        "PARAM",
        "AVALU",
        "METRICID",
        "MDC",
        AVAL="value",
        ADTM="performed_at",
        EVENTID="event_id",
        _tie="event_id",
        reason=pl.when(pl.col("value").is_null()).then(pl.lit("not done")),
        ADY=windows.study_day(pl.col("ADT"), day1=pl.col("DAY1DT")),
        is_before_treatment=(pl.col("performed_at") < pl.col("TRTSDTM")).fill_null(True),
    )


def _known_tests() -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "test": t.test,
                "PARAMCD": t.code,
                "PARAM": t.title,
                "AVALU": t.unit,
                "METRICID": metric_of_test(t.code),
                "MDC": float(t.change),
            }
            for t in PERFORMANCE_TESTS
        ]
    )
