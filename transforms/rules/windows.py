"""Time: study day, clinic-local day, visit windows, baseline, the record that counts for a visit.

Here: expressions and frames of days. Not here: a moment's clinic-local day (local_time), what is
measured (instruments, mobility) and how a change is judged (pain).

Windows (methods: proposals of this project; CDISC for the study day): they do not overlap, the
record nearest to the target counts, ties the earlier one. End of course hangs on the last session
and lies across other windows, so it never takes the record that counts for a visit of a fixed day;
the record that counts for it is flagged apart.
"""

from collections.abc import Sequence

import polars as pl

from ..facts.visits import BASELINE, END_OF_COURSE, END_OF_COURSE_DAYS, VISITS, Visit


def study_day(day: pl.Expr, *, day1: pl.Expr) -> pl.Expr:
    """Study day of a date: `day - day1 + 1` from Day 1 on, else `day - day1`; there is no day 0
    (CDISC).
    """
    offset = (day - day1).dt.total_days()
    return (offset + (offset >= 0).cast(pl.Int64)).cast(pl.Int64)


def date_of(study_day: int, *, day1: pl.Expr) -> pl.Expr:
    """The calendar date of a study day (never 0)."""
    days = study_day - 1 if study_day > 0 else study_day  # there is no day 0
    return day1 + pl.duration(days=days)


def visit(
    ady: pl.Expr, *, is_before_treatment: pl.Expr, visits: Sequence[Visit] = VISITS
) -> pl.Expr:
    """The visit whose window holds the study day, null = unscheduled; where windows overlap, the
    later one's.

    Baseline needs `is_before_treatment` too: an answer of Day 1 after the session's start is
    unscheduled.
    """
    chosen = pl.lit(None, dtype=pl.String)
    for v in visits:
        inside = ady.is_between(v.first, v.last)
        if v.name == BASELINE:
            inside = inside & is_before_treatment
        chosen = pl.when(inside).then(pl.lit(v.name)).otherwise(chosen)
    return chosen


def target_day(visit: pl.Expr, *, visits: Sequence[Visit] = VISITS) -> pl.Expr:
    """The visit's target study day; null for End of course, whose day differs from patient to
    patient.
    """
    return visit.replace_strict(
        {v.name: v.target for v in visits}, default=None, return_dtype=pl.Int64
    )


def place(
    frame: pl.DataFrame,
    *,
    by: list[str],
    moment: str = "ADTM",
    tie: str = "EVENTID",
    visits: Sequence[Visit] = VISITS,
) -> pl.DataFrame:
    """Visits, baseline and the record that counts.

    `frame`: a row an assessment with the columns of `by` (who and what), `moment` (UTC), `tie`,
    `ADY`, `AVAL`, `is_before_treatment`, `days_after_course` (days from the last session of the
    first course; null = no session), `is_in_episode` (its windows have not ended). Adds `AVISIT`, `AVISITN`, `ABLFL`, `ANL01FL`, `EOCFL`, `BASE`
    and `is_after_baseline`. A record without a value never counts. Flags are Y or null.
    """
    at_visit = visit(
        pl.col("ADY"), is_before_treatment=pl.col("is_before_treatment"), visits=visits
    )
    frame = frame.with_columns(AVISIT=pl.when("is_in_episode").then(at_visit))
    counts = _counts(frame, by=by, moment=moment, tie=tie, visits=visits)
    end = _end_of_course(frame, by=by, moment=moment, tie=tie)
    frame = frame.with_row_index("_row").with_columns(
        _counts=pl.col("_row").is_in(counts.implode()), _ends=pl.col("_row").is_in(end.implode())
    )
    takes_end = pl.col("_ends") & ~pl.col("_counts")
    frame = frame.with_columns(
        AVISIT=pl.when(takes_end).then(pl.lit(END_OF_COURSE)).otherwise(pl.col("AVISIT")),
        ANL01FL=_yes(pl.col("_counts") | takes_end),
        EOCFL=_yes(pl.col("_ends")),
        ABLFL=_yes(pl.col("_counts") & (pl.col("AVISIT") == BASELINE)),
    ).with_columns(AVISITN=target_day(pl.col("AVISIT"), visits=visits))
    is_base = pl.col("ABLFL") == "Y"
    first = (pl.col(moment).filter(is_base).first()).over(by)
    return frame.with_columns(
        BASE=pl.col("AVAL").filter(is_base).first().over(by),
        is_after_baseline=(pl.col(moment) > first) & (pl.col("AVISIT").ne_missing(BASELINE)),
    ).drop("_row", "_counts", "_ends")


def _yes(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit("Y"))


def _counts(
    frame: pl.DataFrame, *, by: list[str], moment: str, tie: str, visits: Sequence[Visit]
) -> pl.Series:
    """Row numbers of the records that count: at baseline the last, else the nearest to target, ties
    the earlier.
    """
    is_baseline = pl.col("AVISIT") == BASELINE
    since_epoch = pl.col(moment).dt.epoch("us")
    order = pl.when(is_baseline).then(-since_epoch).otherwise(since_epoch)
    distance = (
        pl.when(is_baseline)
        .then(0)
        .otherwise((pl.col("ADY") - target_day(pl.col("AVISIT"), visits=visits)).abs())
    )
    return (
        frame.with_row_index("_row")
        .filter(pl.col("AVISIT").is_not_null() & pl.col("AVAL").is_not_null())
        .sort([*by, "AVISIT", distance, order, tie], maintain_order=True)
        .unique([*by, "AVISIT"], keep="first", maintain_order=True)["_row"]
    )


def _end_of_course(frame: pl.DataFrame, *, by: list[str], moment: str, tie: str) -> pl.Series:
    """Row numbers of the records nearest to the day after the last session, in its window of 0 to
    +14 days.
    """
    after = pl.col("days_after_course")
    return (
        frame.with_row_index("_row")
        .filter(
            after.is_between(0, END_OF_COURSE_DAYS)
            & pl.col("is_in_episode")
            & ~pl.col("is_before_treatment")
            & pl.col("AVAL").is_not_null()
        )
        .sort([*by, (after - 1).abs(), moment, tie], maintain_order=True)
        .unique(by, keep="first", maintain_order=True)["_row"]
    )


def first_course_end(sessions: pl.DataFrame, *, by: list[str], gap_days: int) -> pl.DataFrame:
    """A row a value of `by` (whose, and of which episode): `course_ended_on`, the day of the last
    session of the first course so far.

    Sessions without a day are left out. `sessions`: delivered ones, with `course_id` (may be null),
    `session_id`, `day` and `started_at`. The course is that of the first session; where sessions
    name none, more than `gap_days` days without a session end it.
    """
    ordered = sessions.filter(pl.col("day").is_not_null()).sort(*by, "started_at", "session_id")
    is_break = (pl.col("day").diff().over(by).dt.total_days() > gap_days).fill_null(False)
    named = pl.col("course_id").first().over(by)
    in_first = pl.when(named.is_not_null()).then(pl.col("course_id") == named)
    in_first = in_first.otherwise(is_break.cum_sum().over(by) == 0)
    return ordered.filter(in_first).group_by(by).agg(course_ended_on=pl.col("day").max())
