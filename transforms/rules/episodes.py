"""Treatment episodes: which sessions are one course of treatment, its Day 1, baseline and windows.

Here: frames of sessions to frames of episodes, and which episode a record belongs to. Not here:
studies (studies.py), windows within an episode (windows.py), time at risk (time_at_risk.py).

A new episode begins with the first session of a course that is new to the patient and does not
continue an earlier one of the patient, or with a session more than `episode_gap_days` x 24 h after the last; a session
without a course belongs to the episode under way. `aperiod` counts them from 1. Day 1 is the day of
its first delivered session. The baseline period is the 28 days before Day 1, but no day of the
episode before up to that one's Day 1 (but of its own); where it begins, the windows of the episode before end.
"""

from datetime import timedelta

import polars as pl

from ..facts.sessions import DELIVERED
from ..facts.values import ROUTINE
from ..facts.visits import VISITS
from .studies import BASELINE_DAYS
from .windows import date_of, first_course_end

NEW_COURSE, GAP = "new_course", "gap"
_LAST_WINDOW_DAY = max(visit.last for visit in VISITS)
_BASELINE = pl.duration(days=BASELINE_DAYS)
_DAY = timedelta(days=1)
_WHOSE = ["STUDYID", "USUBJID"]


# --- of a patient -------------------------------------------------------------------------------


def numbered(sessions: pl.DataFrame, courses: pl.DataFrame, *, gap_days: int) -> pl.DataFrame:
    """The sessions by patient and start, with `episode` from 1 and `begun_by` where one begins.

    `sessions`: `patient_id`, `session_id`, `course_id`, `started_at`; those without a start are
    left out. `courses`: of core (`course_id`, `continues`, `patient_id`). `begun_by`: NEW_COURSE, GAP, or null
    for a session that begins none and for a patient's first.
    """
    timed = sessions.filter(pl.col("started_at").is_not_null())
    frame = timed.join(
        _prolonging(timed, courses), on=["patient_id", "course_id"], how="left"
    ).sort("patient_id", "started_at", "session_id")
    is_first_of_course = pl.int_range(pl.len()).over("patient_id", "course_id") == 0
    is_new_course = (
        pl.col("course_id").is_not_null() & is_first_of_course & pl.col("is_prolonging").is_null()
    )
    since = pl.col("started_at").diff().over("patient_id")
    is_late = since > pl.duration(days=gap_days)
    is_new = is_new_course | is_late | since.is_null()
    begun_by = (
        pl.when(since.is_null())
        .then(None)
        .when(is_new_course)
        .then(pl.lit(NEW_COURSE))
        .when(is_late)
        .then(pl.lit(GAP))
    )
    return frame.with_columns(
        episode=is_new.cum_sum().over("patient_id").cast(pl.Int64), begun_by=begun_by
    ).drop("is_prolonging")


def _prolonging(sessions: pl.DataFrame, courses: pl.DataFrame) -> pl.DataFrame:
    """`patient_id`, `course_id`, `is_prolonging`: the patient's courses that continue an earlier one.

    Itself, another patient's course, and one that begins only later are none; one of which the lake
    has no session may be of the time before it.
    """
    begun = sessions.drop_nulls("course_id").group_by("patient_id", "course_id")
    begun = begun.agg(begun_at=pl.col("started_at").min())
    earlier = begun.select("patient_id", continues="course_id", earlier_at="begun_at")
    pairs = begun.join(_continuing(courses), on="course_id")
    pairs = pairs.join(earlier, on=["patient_id", "continues"], how="left")
    is_of_another = (pl.col("whose") != pl.col("patient_id")) & pl.col("earlier_at").is_null()
    is_later = pl.col("earlier_at") > pl.col("begun_at")
    return pairs.filter(~is_of_another.fill_null(False), ~is_later.fill_null(False)).select(
        "patient_id", "course_id", is_prolonging=True
    )


def _continuing(courses: pl.DataFrame) -> pl.DataFrame:
    """`course_id`, the other course that it `continues`, and `whose` that is where it is known."""
    named = courses.filter(pl.col("continues") != pl.col("course_id"))
    whose = courses.select(continues="course_id", whose="patient_id")
    return named.select("course_id", "continues").join(whose, on="continues", how="left")


def episodes(
    delivered: pl.DataFrame, courses: pl.DataFrame, consults: pl.DataFrame, *, gap_days: int
) -> pl.DataFrame:
    """The rows of `core.episodes`, by patient and `aperiod`.

    `delivered`: delivered sessions with their local `day` (exposure.placed_sessions); `courses`,
    `consults`: of core. What ended an episode is what began the next; null where none followed.
    """
    sessions = numbered(delivered, courses, gap_days=gap_days)
    by_episode = sessions.group_by("patient_id", aperiod="episode", maintain_order=True)
    frame = by_episode.agg(
        clinic_id=pl.col("clinic_id").first(),
        modality=pl.col("modality").first(),
        course_ids=pl.col("course_id").drop_nulls().unique(maintain_order=True),
        sessions=pl.len().cast(pl.Int64),
        first_session_at=pl.col("started_at").first(),
        first_session_on=pl.col("day").first(),
        last_session_at=pl.col("started_at").last(),
        last_session_on=pl.col("day").last(),
        begun_by=pl.col("begun_by").first(),
    ).sort("patient_id", "aperiod")
    frame = with_windows(frame, by=["patient_id"], day1="first_session_on").with_columns(
        ended_by=pl.col("begun_by").shift(-1).over("patient_id")
    )
    follow_up_ends = date_of(_LAST_WINDOW_DAY, day1=pl.col("first_session_on"))
    return frame.with_columns(
        is_baseline_in_follow_up=pl.col("baseline_from")
        <= follow_up_ends.shift(1).over("patient_id")
    ).join(_treated_before(sessions, courses, consults), on="patient_id", how="left")


def with_windows(frame: pl.DataFrame, *, by: list[str], day1: str) -> pl.DataFrame:
    """Episodes in order with `baseline_from`, `baseline_to` and `windows_to` (null = they run on).

    `day1`: the column of their Day 1; `by`: whose they are.
    """
    before = pl.col(day1).shift(1).over(by)
    begins = pl.max_horizontal(pl.col(day1) - _BASELINE, before + _DAY)
    frame = frame.with_columns(
        baseline_from=pl.min_horizontal(begins, day1),  # two that begin on one day share it
        baseline_to=day1,
    )
    return frame.with_columns(windows_to=pl.col("baseline_from").shift(-1).over(by) - _DAY)


def _treated_before(
    sessions: pl.DataFrame, courses: pl.DataFrame, consults: pl.DataFrame
) -> pl.DataFrame:
    """A row a patient: `is_treated_before`, with cryotherapy before the lake's first session.

    Yes where a consult up to that session says so, or its course continues one of which the lake
    has no session; no where the latest such consult denies it; else null: not known.
    """
    first = sessions.unique("patient_id", keep="first", maintain_order=True)
    continued = _continuing(courses).join(
        sessions.select(continues="course_id").unique(), on="continues", how="anti"
    )
    is_own = (pl.col("whose") == pl.col("patient_id")).fill_null(True)
    prolonging = (
        first.select("patient_id", "course_id")
        .join(continued, on="course_id")
        .filter(is_own)
        .select("patient_id", is_prolonging=True)
    )
    asked = consults.filter(pl.col("had_cryotherapy_before").is_not_null()).join(
        first.select("patient_id", "started_at"), on="patient_id"
    )
    answers = (
        asked.filter(pl.col("occurred_at") <= pl.col("started_at"))
        .sort("occurred_at", "consult_id")
        .group_by("patient_id")
        .agg(by_consult=pl.col("had_cryotherapy_before").last())
    )
    return (
        first.select("patient_id")
        .join(prolonging, on="patient_id", how="left")
        .join(answers, on="patient_id", how="left")
        .select("patient_id", is_treated_before=pl.coalesce("is_prolonging", "by_consult"))
    )


# --- of a patient in a study --------------------------------------------------------------------


def of_subjects(
    adsl: pl.DataFrame, adex: pl.DataFrame, episodes: pl.DataFrame, *, course_gap_days: int
) -> pl.DataFrame:
    """A row a patient, study and episode that has a delivered session there: the rows of
    `mart.subject_episodes`.

    Day 1 is that of the first such session; windows end where the baseline of the patient's next
    episode begins, in whichever study, or where the patient enrols in another study. A patient without a session in the study has one row without
    a number, from Day 1 of adsl. `adsl`, `adex`: marts; `episodes`: of core.
    """
    delivered = adex.filter((pl.col("EXSTAT") == DELIVERED) & pl.col("APERIOD").is_not_null())
    treated = _treated(delivered, course_gap_days=course_gap_days)
    untreated = adsl.join(treated, on=_WHOSE, how="anti").select(
        *_WHOSE, "DAY1DT", NSESS=pl.lit(0, pl.Int64)
    )
    own = _with_windows_of_patients(treated, episodes)
    rows = pl.concat([own, untreated], how="diagonal")
    rows = rows.join(adsl.select(*_WHOSE, "SITEID"), on=_WHOSE)
    rows = rows.join(_next_study(adsl, rows), on=[*_WHOSE, "DAY1DT"], how="left")
    period = pl.col("APERIOD")
    return rows.with_columns(
        windows_to=pl.min_horizontal("windows_to", pl.col("next_study_on") - _DAY),
        is_first=(period == period.min().over(_WHOSE)).fill_null(True),
        is_latest=(period == period.max().over(_WHOSE)).fill_null(True),
    ).sort(*_WHOSE, "APERIOD")


def _treated(delivered: pl.DataFrame, *, course_gap_days: int) -> pl.DataFrame:
    """A row a patient, study and episode with a delivered session: Day 1, the last session, how
    many there are, the end of the first course.
    """
    by = [*_WHOSE, "APERIOD"]
    sessions = delivered.sort("USUBJID", "EXSEQ").group_by(by, maintain_order=True)
    treated = sessions.agg(
        MODALITY=pl.col("MODALITY").first(),
        NSESS=pl.len().cast(pl.Int64),
        DAY1DT=pl.col("ASTDT").first(),
        TRTEDT=pl.col("ASTDT").last(),
        TRTSDTM=pl.col("EXSTDTM").first(),
    )
    named = {
        "course_id": "COURSEID",
        "session_id": "SESSIONID",
        "started_at": "EXSTDTM",
        "day": "ASTDT",
    }
    ends = first_course_end(delivered.select(*by, **named), by=by, gap_days=course_gap_days)
    return treated.join(ends, on=by, how="left")


def _with_windows_of_patients(treated: pl.DataFrame, episodes: pl.DataFrame) -> pl.DataFrame:
    """The episodes of patients in studies, with the windows of the patient's own, in whichever
    study.
    """
    own = with_windows(treated.sort(*_WHOSE, "APERIOD"), by=_WHOSE, day1="DAY1DT")
    of_patient = episodes.select(
        "windows_to",
        "ended_by",
        "is_baseline_in_follow_up",
        "is_treated_before",
        USUBJID="patient_id",
        APERIOD="aperiod",
    )
    return own.drop("windows_to").join(of_patient, on=["USUBJID", "APERIOD"])


def _next_study(adsl: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """STUDYID, USUBJID, DAY1DT and `next_study_on`: when the patient next enrolled in another study
    after the episode's Day 1; routine care is none.
    """
    others = adsl.filter(pl.col("STUDYID") != ROUTINE).select(
        "USUBJID", other="STUDYID", next_study_on="ENRLDT"
    )
    later = rows.select("STUDYID", "USUBJID", "DAY1DT").unique().join(others, on="USUBJID")
    later = later.filter(
        (pl.col("other") != pl.col("STUDYID")) & (pl.col("next_study_on") > pl.col("DAY1DT"))
    )
    return later.group_by("STUDYID", "USUBJID", "DAY1DT").agg(pl.col("next_study_on").min())


def with_episode(frame: pl.DataFrame, periods: pl.DataFrame, *, day: str) -> pl.DataFrame:
    """Assessments (STUDYID, USUBJID, the local `day`) with what is of their episode.

    `periods`: rows of mart.subject_episodes. Adds APERIOD, DAY1DT, TRTSDTM, FRSTEPFL, LASTEPFL,
    `is_in_episode` (windows have not ended on that day), `days_after_course` (from the last session
    of the episode's first course). An assessment belongs to the last episode
    whose baseline period has begun by its day, else to the first. Rows of subjects who are not in
    `periods` are left out.
    """
    own = periods.select(
        *_WHOSE,
        "APERIOD",
        "DAY1DT",
        "TRTSDTM",
        "FRSTEPFL",
        "LASTEPFL",
        _ended="CRSENDT",
        _from="BLSTDT",
        _to="WINENDT",
    )
    several = own.filter(pl.len().over(_WHOSE) > 1)
    alone = frame.join(own.join(several, on=_WHOSE, how="anti"), on=_WHOSE)
    placed = pl.concat([alone, _latest_begun(frame, several, day=day).select(alone.columns)])
    is_over = pl.col(day) > pl.col("_to")
    return placed.with_columns(
        is_in_episode=~is_over.fill_null(False),
        days_after_course=(pl.col(day) - pl.col("_ended")).dt.total_days(),
    ).drop("_from", "_to", "_ended")


def _latest_begun(frame: pl.DataFrame, periods: pl.DataFrame, *, day: str) -> pl.DataFrame:
    """Rows of subjects with several episodes, each with the one that it belongs to."""
    rows = frame.with_row_index("_row")
    pairs = rows.select("_row", *_WHOSE, _day=day).join(periods, on=_WHOSE)
    has_begun = (pl.col("_from") <= pl.col("_day")).fill_null(False)
    order = pl.when(has_begun).then(-pl.col("APERIOD")).otherwise(pl.col("APERIOD"))
    best = pairs.sort("_row", ~has_begun, order).unique("_row", keep="first", maintain_order=True)
    return rows.join(best.drop(*_WHOSE, "_day"), on="_row").drop("_row")


def under_way(frame: pl.DataFrame, episodes: pl.DataFrame, *, at: str) -> pl.DataFrame:
    """Records (`patient_id`, the moment `at`) with APERIOD: the patient's episode under way then.

    It is the last whose first session began at or before the moment; null before the first, and
    where the moment is not known. The order of the rows is kept. `episodes`: of core.
    """
    starts = episodes.select("patient_id", "first_session_at", APERIOD="aperiod")
    starts = starts.drop_nulls("first_session_at").sort("first_session_at")
    moments = frame.select("patient_id", _at=at).with_row_index("_row")
    placed = (
        moments.drop_nulls("_at")
        .sort("_at")
        .join_asof(
            starts,
            left_on="_at",
            right_on="first_session_at",
            by="patient_id",
            check_sortedness=False,
        )
        .select("_row", "APERIOD")
    )
    periods = moments.join(placed, on="_row", how="left", maintain_order="left")["APERIOD"]
    return frame.with_columns(periods)
