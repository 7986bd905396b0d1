"""Time at risk: when a patient could have had a treatment-emergent event, as disjoint intervals.

Here: intervals of courses of sessions and what of them lies before a moment. Not here: events and rates.

For each course (sessions of one `course_id`; those without one are split where two starts are more than
`course_gap_days` x 24 h apart): from the start of its first session that began to `risk_window_days` x 24 h after the
start of its last, cut at the data cutoff, at the first moment of the day of death, and at that of the first withdrawal
whose day is not before the local day of the course's first session (a patient who withdrew may come back for another
course); days are local to the enrolling clinic. Overlapping intervals of a patient are merged, empty ones dropped.
Time is counted in whole microseconds and divided once, so that sums do not depend on their order.
"""

import polars as pl

from .local_time import with_day_start
from .options import Cut, Options

US_PER_YEAR = 365.25 * 86_400 * 1_000_000


def ends_of_follow_up(adsl: pl.DataFrame, patient_status: pl.DataFrame) -> pl.DataFrame:
    """A row a death or withdrawal: `patient_id`, `effective_on`, `is_death`, `ended_at` (the day's first moment)."""
    zones = adsl.select(patient_id="USUBJID", timezone="TIMEZONE")
    ends = patient_status.filter(pl.col("status").is_in(["died", "withdrew"])).select(
        "patient_id", "effective_on", is_death=pl.col("status") == "died"
    )
    return with_day_start(ends.join(zones, on="patient_id"), day="effective_on", into="ended_at").drop("timezone")


def intervals(
    begun: pl.DataFrame, ends: pl.DataFrame, *, by: tuple[str, ...] = (), options: Options, cut: Cut
) -> pl.DataFrame:
    """Disjoint intervals [`from_at`, `to_at`): a row a patient, value of the columns `by` and interval, in order.

    `begun`: sessions that began, with `patient_id`, `session_id`, `course_id`, `started_at`, `day` and the columns
    `by` (clinic, modality); `ends`: of `ends_of_follow_up`. With `by`, each value's sessions are taken alone.
    """
    group = ["patient_id", *by]
    courses = _courses(begun, group=group, gap_days=options.course_gap_days)
    window = pl.duration(days=options.risk_window_days)
    death = ends.filter("is_death").group_by("patient_id").agg(died_at=pl.col("ended_at").min())
    withdrawals = ends.filter(~pl.col("is_death")).select("patient_id", "effective_on", "ended_at")
    withdrawn = (
        courses.select("course", "patient_id", "first_day")
        .join(withdrawals, on="patient_id")
        .filter(pl.col("effective_on") >= pl.col("first_day"))
        .group_by("course")
        .agg(withdrawn_at=pl.col("ended_at").min())
    )
    cutoff = pl.lit(cut.data_cutoff).cast(pl.Datetime("us", "UTC"))
    courses = courses.join(death, on="patient_id", how="left").join(withdrawn, on="course", how="left")
    ended = courses.with_columns(
        from_at="first_at", to_at=pl.min_horizontal(pl.col("last_at") + window, "died_at", "withdrawn_at", cutoff)
    ).filter(pl.col("to_at") > pl.col("from_at"))
    return _merged(ended.select(*group, "from_at", "to_at"), group=group)


def session_windows(begun: pl.DataFrame, *, by: tuple[str, ...] = (), hours: int) -> pl.DataFrame:
    """Disjoint intervals of `hours` after the start of each session, a row a patient, value of `by` and interval."""
    group = ["patient_id", *by]
    timed = begun.filter(pl.col("started_at").is_not_null())
    spans = timed.select(*group, from_at="started_at", to_at=pl.col("started_at") + pl.duration(hours=hours))
    return _merged(spans, group=group)


def overlap_us(first: pl.DataFrame, second: pl.DataFrame, *, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """A row a patient and value of `by`: `time_us`, how long disjoint intervals of both frames overlap."""
    group = ["patient_id", *by]
    pairs = first.join(second, on=group, suffix="_2", nulls_equal=True)
    shared = pl.min_horizontal("to_at", "to_at_2") - pl.max_horizontal("from_at", "from_at_2")
    return pairs.group_by(group).agg(time_us=shared.dt.total_microseconds().clip(lower_bound=0).sum())


def length_us() -> pl.Expr:
    """Microseconds of an interval."""
    return (pl.col("to_at") - pl.col("from_at")).dt.total_microseconds()


def _courses(begun: pl.DataFrame, *, group: list[str], gap_days: int) -> pl.DataFrame:
    """A row a course (of a group): `course`, `first_at`, `last_at`, `first_day` of its sessions."""
    ordered = begun.filter(pl.col("started_at").is_not_null()).sort(*group, "started_at", "session_id")
    unnamed = pl.col("course_id").is_null()
    since = pl.col("started_at").diff().over([*group, "course_id"])
    breaks = (unnamed & (since > pl.duration(days=gap_days))).fill_null(False)
    ordered = ordered.with_columns(_part=breaks.cum_sum().over([*group, "course_id"]))
    courses = ordered.group_by([*group, "course_id", "_part"], maintain_order=True).agg(
        first_at=pl.col("started_at").first(), last_at=pl.col("started_at").last(), first_day=pl.col("day").first()
    )
    return courses.with_row_index("course")


def _merged(spans: pl.DataFrame, *, group: list[str]) -> pl.DataFrame:
    """The spans with overlapping or touching ones of a group joined to one, by group and start."""
    ordered = spans.sort(*group, "from_at", "to_at")
    reached = pl.col("to_at").cum_max().shift(1).over(group)
    is_new = (pl.col("from_at") > reached).fill_null(True)
    ordered = ordered.with_columns(_span=is_new.cum_sum())
    merged = ordered.group_by([*group, "_span"], maintain_order=True)
    return merged.agg(from_at=pl.col("from_at").min(), to_at=pl.col("to_at").max()).drop("_span")
