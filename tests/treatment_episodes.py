"""mart.subject_episodes for tests that begin at adsl: from sessions where there are any, else one episode
of each subject.

Here: that. Not here: what is right about episodes (tests/transforms/rules/test_episodes.py).
"""

import polars as pl

from transforms.core import CORE
from transforms.facts.estimands import ESTIMANDS
from transforms.facts.values import FIRST
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.rules import episodes as rules
from transforms.rules.episodes import under_way
from transforms.rules.exposure import placed_sessions
from transforms.rules.local_time import clocks
from transforms.rules.studies import with_study
from transforms.schemas import CORE_TABLES, MART_TABLES

TABLE = MART_TABLES["subject_episodes"]
OPTIONS = Options()


def core(tables: dict[str, pl.DataFrame], *, options: Options = OPTIONS) -> pl.DataFrame:
    """core.episodes of tables of core by their bare names."""
    return CORE["episodes"].compute(tables, options)


def alone(adsl: pl.DataFrame) -> pl.DataFrame:
    """Each subject's only episode, with Day 1 and the first session as adsl has them."""
    is_treated = pl.col("TRTSDTM").is_not_null() | pl.col("TRTSDT").is_not_null()
    unknown = (pl.lit(None).alias(c) for c in TABLE.names if c not in adsl.columns)
    return TABLE.conform(
        adsl.with_columns(unknown).with_columns(
            APERIOD=pl.when(is_treated).then(1), FRSTEPFL=pl.lit("Y"), LASTEPFL=pl.lit("Y")
        )
    )


def usual(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Rows of mart.cohort_outcomes of the first episode under the default strategy, and those that
    no episode is asked of.
    """
    default = pl.col("statistic").replace_strict(
        {name: estimand.default for name, estimand in ESTIMANDS.items()},
        default=pl.col("strategy"),
        return_dtype=pl.String,
    )
    is_usual = (pl.col("episode") == FIRST) & (pl.col("strategy") == default)
    return outcomes.filter(pl.col("episode").is_null() | is_usual)


def of_sessions(
    adsl: pl.DataFrame,
    sessions: pl.DataFrame,
    *,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    courses: pl.DataFrame | None = None,
    consults: pl.DataFrame | None = None,
    options: Options = OPTIONS,
) -> pl.DataFrame:
    """By the real rules, from rows of core; of a subject without a session as `alone`."""
    courses = CORE_TABLES["courses"].empty() if courses is None else courses
    consults = CORE_TABLES["consults"].empty() if consults is None else consults
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    placed = placed_sessions(sessions, whose)
    own = rules.episodes(
        placed.filter("is_delivered"), courses, consults, gap_days=options.episode_gap_days
    )
    adex = under_way(with_study(placed, adsl, day="day"), own, at="started_at").select(
        "STUDYID",
        "APERIOD",
        USUBJID="patient_id",
        EXSEQ=pl.int_range(1, pl.len() + 1),
        SESSIONID="session_id",
        COURSEID="course_id",
        MODALITY="modality",
        EXSTAT="status",
        EXSTDTM="started_at",
        ASTDT="day",
    )
    made = MARTS["subject_episodes"].compute(
        None,
        adsl=adsl,
        adex=adex,
        episodes=CORE_TABLES["episodes"].conform(own),
        options=options,
        cut=Cut(lake_snapshot=1, data_cutoff=None),
    )
    given = made.filter(pl.col("APERIOD").is_not_null())
    rest = alone(adsl).join(given, on=["STUDYID", "USUBJID"], how="anti")
    return pl.concat([given, rest])
