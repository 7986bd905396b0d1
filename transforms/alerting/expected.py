"""Who is expected today and tomorrow: no event books a session, so what is prescribed and what is
habit say it, in words.

Here: frames of core -> one row per patient and day that a session is likely or possible on. Not
here: what is to be looked at before that session (before.py).

Treatment is under way on a day on which a course of the patient runs: it has begun, has not ended,
and not all that it prescribes was delivered. Of a patient without any course it is under way while
the last session is not longer ago than the gap that ends a course. A course that ended within a
week counts as long as the habit lasts, for the last sessions are often later than planned.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from ..options import Options
from ..rules.exposure import with_protocol
from ..rules.local_time import Clocks, clocks, with_day_start, with_home, with_local_day
from ..schemas import TIMESTAMP
from .begun import begun_sessions
from .expected_words import GAPS_DAYS, WEEKS, days_since, in_words

DAYS = 2  # today and tomorrow
AFTER_COURSE_DAYS = 7
EXPECTED = pl.Schema(
    {
        "day": pl.Date,
        "clinic_id": pl.String,
        "patient_id": pl.String,
        "expected": pl.String,
        "why": pl.String,
        "modality": pl.String,
        "device_id": pl.String,
        "course_id": pl.String,
        "sessions_done": pl.Int64,
        "prescribed_sessions": pl.Int64,
        "last_session_at": TIMESTAMP,
        "not_before": TIMESTAMP,
        "timezone": pl.String,
        "day_from": TIMESTAMP,
        "day_to": TIMESTAMP,
        "course_ended_on": pl.Date,
        "is_course_over": pl.Boolean,
        "is_week_full": pl.Boolean,
    }
)


def expected(core: Mapping[str, pl.DataFrame], *, now: datetime, options: Options) -> pl.DataFrame:
    """One row per day and patient, columns of EXPECTED: `expected` is likely or possible, `why`
    says in words from what.

    `core`: clinics, patients, patient_status, protocols, courses, sessions, of each patient whole.
    Today and tomorrow are those of the clinic's clock, of UTC where its zone is not known.
    `clinic_id` is that of the last session, or the course's before the first, or where the patient
    was transferred since. `not_before`: what the protocol's spacing allows. Whoever had a session
    that day already, or died, is not expected.
    """
    whose = clocks(
        patients=core["patients"], clinics=core["clinics"], patient_status=core["patient_status"]
    )
    sessions = begun_sessions(core, whose).filter(pl.col("started_at") <= now)
    begun = sessions.filter("is_begun")
    frame = _on_days(_people(core, begun, whose, now=now), whose, now=now)
    frame = _with_course(frame, core["courses"], sessions, options=options)
    frame = _with_rhythm(frame, begun)
    frame = _with_limits(frame, begun, core)
    came = begun.select("patient_id", "day").unique()
    frame = frame.join(came, on=["patient_id", "day"], how="anti").filter("is_under_way")
    named = in_words(frame)
    return (
        named.select(EXPECTED.names())
        .cast(dict(EXPECTED))
        .sort("day", "clinic_id", "expected", "patient_id")
    )


def _people(
    core: Mapping[str, pl.DataFrame], begun: pl.DataFrame, whose: Clocks, *, now: datetime
) -> pl.DataFrame:
    """One row per patient who lives: the last session, the newest course's clinic, the clinic of
    now.
    """
    last = begun.unique("patient_id", keep="last", maintain_order=True).select(
        "patient_id",
        last_session_at="started_at",
        last_day="day",
        last_clinic_id="clinic_id",
        last_course_id="course_id",
        last_protocol_id="protocol_id",
        device_id="device_id",
        last_modality="modality",
    )
    ids = pl.concat(
        [core[name].select("patient_id") for name in ("patients", "courses")]
        + [last.select("patient_id")]
    )
    dead = core["patient_status"].filter(pl.col("status") == "died").select("patient_id")
    people = (
        ids.unique()
        .join(dead, on="patient_id", how="anti")
        .with_columns(_now=pl.lit(now, dtype=TIMESTAMP))
    )
    people = with_home(people, at="_now", clocks=whose).drop("_now", "home_timezone")
    moved = core["patient_status"].filter(
        pl.col("status") == "transferred", pl.col("effective_on") <= now.date()
    )
    moved = moved.group_by("patient_id").agg(moved_on=pl.col("effective_on").max())
    return (
        people.join(last, on="patient_id", how="left")
        .join(moved, on="patient_id", how="left")
        .sort("patient_id")
    )


def _on_days(people: pl.DataFrame, whose: Clocks, *, now: datetime) -> pl.DataFrame:
    """The people, a row today's and tomorrow's day of the clinic at which each is."""
    is_moved = (pl.col("moved_on") >= pl.col("last_day")).fill_null(False)
    last = pl.when(~is_moved).then("last_clinic_id")
    placed = people.with_columns(clinic_id=pl.coalesce(last, "home_clinic_id"))
    placed = placed.join(whose.clinics, on="clinic_id", how="left", maintain_order="left")
    local = with_local_day(
        placed.with_columns(_now=pl.lit(now, dtype=TIMESTAMP)), at="_now", into="today"
    ).drop("_now")
    days = pl.concat(
        [local.with_columns(day=pl.col("today") + timedelta(days=k)) for k in range(DAYS)]
    )
    days = with_day_start(days, day="day", into="day_from")
    after = with_day_start(
        days.with_columns(_next=pl.col("day") + timedelta(days=1)), day="_next", into="day_to"
    )
    return after.drop("_next", "home_clinic_id", "moved_on", "last_clinic_id")


def _with_course(
    frame: pl.DataFrame, courses: pl.DataFrame, sessions: pl.DataFrame, *, options: Options
) -> pl.DataFrame:
    """The frame with the course that runs on the day, else the newest that ended within a week, and
    `is_under_way`.
    """
    counting = courses.filter(~pl.col("is_set_aside").fill_null(False))
    n_sessions = (
        sessions.filter("is_delivered")
        .group_by("course_id")
        .agg(sessions_done=pl.len().cast(pl.Int64))
    )
    prescribed = counting.join(n_sessions, on="course_id", how="left").select(
        "patient_id",
        "course_id",
        "starts_on",
        "ends_on",
        "prescribed_sessions",
        pl.col("sessions_done").fill_null(0),
        course_protocol_id="protocol_id",
        course_clinic_id="clinic_id",
    )
    each = frame.select("patient_id", "day", "last_day").join(prescribed, on="patient_id")
    each = each.filter(pl.col("starts_on").is_null() | (pl.col("starts_on") <= pl.col("day")))
    is_full = (pl.col("sessions_done") >= pl.col("prescribed_sessions")).fill_null(False)
    is_past = (pl.col("ends_on") < pl.col("day")).fill_null(False)
    since = pl.max_horizontal("starts_on", "last_day")
    is_idle = pl.col("ends_on").is_null() & (days_since(since) > options.course_gap_days).fill_null(
        False
    )
    is_just_over = (
        days_since(pl.coalesce(pl.when(is_past).then("ends_on"), "last_day")) <= AFTER_COURSE_DAYS
    )
    each = each.with_columns(is_course_over=is_past | is_full).filter(
        ~is_idle, ~pl.col("is_course_over") | is_just_over.fill_null(False)
    )
    best = each.sort(~pl.col("is_course_over"), "starts_on", "course_id", nulls_last=False).unique(
        ["patient_id", "day"], keep="last", maintain_order=True
    )
    on_course = frame.join(
        best.drop("last_day"), on=["patient_id", "day"], how="left", maintain_order="left"
    )
    has_none = ~pl.col("patient_id").is_in(courses["patient_id"].unique().to_list())
    is_recent = (days_since(pl.col("last_day")) <= options.course_gap_days).fill_null(False)
    return on_course.with_columns(
        is_course_over=pl.col("is_course_over").fill_null(False),
        course_ended_on=pl.when(pl.col("ends_on") < pl.col("day")).then("ends_on"),
        is_under_way=pl.col("course_id").is_not_null() | (has_none & is_recent),
        clinic_id=pl.when(pl.col("last_day").is_null())
        .then(pl.coalesce("course_clinic_id", "clinic_id"))
        .otherwise("clinic_id"),
    ).drop("course_clinic_id")


def _with_rhythm(frame: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """The frame with `hits` of `weeks` (this weekday in the four weeks before), `usual_gap` (days)
    and `gaps`.
    """
    days = begun.drop_nulls("day").select("patient_id", came="day").unique()
    each = frame.select("patient_id", "day").join(days, on="patient_id")
    ago = (pl.col("day") - pl.col("came")).dt.total_days()
    is_hit = (ago % 7 == 0) & ago.is_between(7, 7 * WEEKS)
    recent = each.filter(ago.is_between(0, GAPS_DAYS)).sort("patient_id", "day", "came")
    gaps = recent.group_by("patient_id", "day").agg(
        usual_gap=pl.col("came").diff().dt.total_days().median(), gaps=pl.len().cast(pl.Int64) - 1
    )
    weekdays = each.group_by("patient_id", "day").agg(
        hits=is_hit.sum().cast(pl.Int64), weeks=(ago.max() // 7).clip(0, WEEKS).cast(pl.Int64)
    )
    by = ["patient_id", "day"]
    return frame.join(weekdays, on=by, how="left").join(gaps, on=by, how="left")


def _with_limits(
    frame: pl.DataFrame, begun: pl.DataFrame, core: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """The frame with what its protocol allows: `not_before`, `is_too_soon` for the whole day,
    `is_week_full`.
    """
    asked = frame.with_row_index("_row").select(
        "patient_id",
        "clinic_id",
        "day",
        session_id=pl.col("_row").cast(pl.String),
        started_at="day_to",
        course_id=pl.coalesce("course_id", "last_course_id"),
        protocol_id=pl.coalesce("course_protocol_id", "last_protocol_id"),
    )
    limits = with_protocol(asked, core["protocols"], core["courses"]).select(
        "patient_id",
        "day",
        hours="limit_min_hours_between_sessions",
        most="limit_max_sessions_per_week",
        protocol_id="protocol_id",
    )
    delivered = begun.filter("is_delivered").select("patient_id", came="day")
    week = frame.select("patient_id", "day").join(delivered, on="patient_id")
    week = week.filter((pl.col("day") - pl.col("came")).dt.total_days().is_between(0, 6))
    week = week.group_by("patient_id", "day").agg(in_week=pl.len().cast(pl.Int64))
    by = ["patient_id", "day"]
    modalities = (
        core["protocols"]
        .select("protocol_id", _of_protocol="modality")
        .unique("protocol_id", keep="any")
    )
    full = frame.join(limits, on=by, how="left").join(week, on=by, how="left")
    full = full.join(modalities, on="protocol_id", how="left").with_columns(
        not_before=pl.col("last_session_at")
        + pl.duration(microseconds=(pl.col("hours") * 3.6e9).cast(pl.Int64)),
        is_week_full=(pl.col("in_week") >= pl.col("most")).fill_null(False),
        modality=pl.coalesce("last_modality", "_of_protocol"),
    )
    return full.with_columns(
        is_too_soon=(pl.col("not_before") >= pl.col("day_to")).fill_null(False)
    )
