"""Time at risk: when a patient could have had an adverse event that would have been told of, as
disjoint intervals.

Here: episodes of sessions, what ends the time of each, and what of it lies where. Not here: which
events count, rates.

Each episode runs from the start of its first session that began to `risk_window_days` x 24 h after
the start of its last (episodes.py says when a new one begins; here sessions that began form them,
for an aborted one exposes too). Time ends with the last
moment (the microsecond before midnight by the record's clock, local_time.py) of the day of death,
of withdrawal from follow-up (who comes back for a session is at risk again from there), or of the
last contact of a patient who is lost, and with the data cut, taken down to `person_time_cut_h`
whole hours. Lost is who had no contact for `lost_after_days` x 24 h up to that cut (or to death or
withdrawal); what a clinic files does not matter. The planned time is the same without that loss.
Intervals hold both their ends: an event at the cut is in. Time is counted in whole microseconds and
divided once, so that sums do not depend on their order.
"""

from datetime import UTC, datetime, timedelta

import polars as pl

from ..options import Cut, Options
from ..schemas import TIMESTAMP
from .episodes import numbered
from .local_time import with_day_start

US_PER_YEAR = 365.25 * 86_400 * 1_000_000
OBSERVED, PLANNED = "to_at", "planned_to_at"
# What ends a stretch, the first of equal moments
ENDS = {
    "death": "died_at",
    "withdrawal": "withdrawn_at",
    "lost": "lost_at",
    "data_cut": "cut_at",
    "next_episode": "next_at",
    "risk_window": "window_at",
}


def person_time_cut(*, options: Options, cut: Cut) -> datetime:
    """The moment to which person-time runs: the data cut, taken down to whole hours (0 = as it
    is).
    """
    if options.person_time_cut_h <= 0:
        return cut.data_cutoff
    step = timedelta(hours=options.person_time_cut_h)
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (cut.data_cutoff - epoch) // step * step


# --- stretches of a patient ---------------------------------------------------------------------


def stretches(
    begun: pl.DataFrame,
    *,
    courses: pl.DataFrame,
    patient_status: pl.DataFrame,
    last_contact: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Disjoint stretches of time at risk: `patient_id`, `episode`, `from_at`, `to_at`,
    `planned_to_at`, `ended_by`.

    `begun`: sessions that began; `patient_status`: of core, with its clock (`timezone`);
    `last_contact`: of contact.last_contact. One row per episode, more where a patient withdrew and
    came back.
    """
    cut_at = person_time_cut(options=options, cut=cut)
    ends = _ends_of_follow_up(patient_status)
    withdrawals = ends.filter(~pl.col("is_death")).select("patient_id", withdrawn_at="ended_at")
    deaths = ends.filter("is_death").group_by("patient_id").agg(died_at=pl.col("ended_at").min())
    sessions = numbered(begun, courses, gap_days=options.episode_gap_days)
    sessions = sessions.filter(pl.col("started_at") <= cut_at)
    parts = _parts(sessions, withdrawals)
    parts = parts.join(deaths, on="patient_id", how="left").with_columns(
        cut_at=pl.lit(cut_at).cast(TIMESTAMP),
        window_at=pl.col("last_at") + pl.duration(days=options.risk_window_days),
    )
    parts = _with_loss(parts, last_contact, after_days=options.lost_after_days)
    planned = pl.min_horizontal(column for name, column in ENDS.items() if name != "lost")
    parts = parts.with_columns(planned_to_at=planned).with_columns(
        to_at=pl.min_horizontal("planned_to_at", "lost_at")
    )
    ended_by = pl.coalesce(
        pl.when(pl.col(column) == pl.col("to_at")).then(pl.lit(n)) for n, column in ENDS.items()
    )
    parts = parts.filter(pl.col("to_at") >= pl.col("from_at")).with_columns(ended_by=ended_by)
    return parts.select(
        "patient_id", "episode", "from_at", "to_at", "planned_to_at", "ended_by"
    ).sort("patient_id", "from_at", "episode")


def _ends_of_follow_up(patient_status: pl.DataFrame) -> pl.DataFrame:
    """One row per death or withdrawal: `patient_id`, `is_death`, `ended_at` (the day's last
    moment).
    """
    ends = patient_status.filter(pl.col("status").is_in(["died", "withdrew"])).select(
        "patient_id",
        "timezone",
        "utc_offset_min",
        day="effective_on",
        is_death=pl.col("status") == "died",
    )
    return _with_day_end(ends, day="day", into="ended_at")


def _with_day_end(frame: pl.DataFrame, *, day: str, into: str) -> pl.DataFrame:
    """The frame (with `timezone`) with the last moment of the local `day`."""
    after = frame.with_columns(_next=pl.col(day).dt.offset_by("1d"))
    return (
        with_day_start(after, day="_next", into=into)
        .with_columns(pl.col(into) - _MICROSECOND)
        .drop("_next")
    )


_MICROSECOND = pl.duration(microseconds=1)


def _parts(sessions: pl.DataFrame, withdrawals: pl.DataFrame) -> pl.DataFrame:
    """One row per stretch of sessions of one episode between two withdrawals, with its times and
    what follows it.
    """
    keyed = sessions.select("patient_id", "session_id", "episode", "started_at")
    after = keyed.join(withdrawals, on="patient_id").filter(
        pl.col("withdrawn_at") < pl.col("started_at")
    )
    after = after.group_by("session_id").agg(withdrawn_before=pl.len())
    keyed = keyed.join(after, on="session_id", how="left").with_columns(
        pl.col("withdrawn_before").fill_null(0)
    )
    parts = keyed.group_by("patient_id", "episode", "withdrawn_before").agg(
        from_at=pl.col("started_at").min(), last_at=pl.col("started_at").max()
    )
    parts = parts.sort("patient_id", "from_at", "episode", "withdrawn_before").with_columns(
        next_at=pl.col("from_at").shift(-1).over("patient_id")
    )
    parts = parts.with_row_index("part")
    ending = parts.join(withdrawals, on="patient_id").filter(
        pl.col("withdrawn_at") >= pl.col("from_at")
    )
    ending = ending.group_by("part").agg(pl.col("withdrawn_at").min())
    return parts.join(ending, on="part", how="left").drop("part", "withdrawn_before")


def _with_loss(parts: pl.DataFrame, last_contact: pl.DataFrame, *, after_days: int) -> pl.DataFrame:
    """The parts with `lost_at`, the last moment of the day of the last contact; null where nobody
    was lost.
    """
    parts = parts.join(last_contact, on="patient_id", how="left")
    parts = _with_day_end(parts, day="last_contact_on", into="contact_ended_at")
    watched_until = pl.min_horizontal("cut_at", "died_at", "withdrawn_at")
    is_lost = pl.col("last_contact_at") + pl.duration(days=after_days) <= watched_until
    return parts.with_columns(lost_at=pl.when(is_lost).then("contact_ended_at"))


# --- intervals ----------------------------------------------------------------------------------


def intervals(
    begun: pl.DataFrame,
    at_risk: pl.DataFrame,
    *,
    by: tuple[str, ...] = (),
    until: str = OBSERVED,
    window_days: int,
) -> pl.DataFrame:
    """Disjoint intervals [`from_at`, `to_at`]: one row per patient, value of the columns `by` and
    interval, in order.

    `at_risk`: of `stretches`; `until`: OBSERVED or PLANNED. Without `by` they are the patient's
    own. With it (clinic, modality) each value's sessions are taken alone: from the first there of
    an episode to `window_days` after the last there, as far as the patient is at risk at all.
    """
    whole = at_risk.select("patient_id", "from_at", to_at=until)
    if not by:
        return _merged(whole, group=["patient_id"])
    group = ["patient_id", *by]
    there = (
        begun.filter(pl.col("episode").is_not_null())
        .group_by(*group, "episode")
        .agg(
            from_at=pl.col("started_at").min(),
            to_at=pl.col("started_at").max() + pl.duration(days=window_days),
        )
    )
    return intersection(_merged(there.drop("episode"), group=group), whole, on=["patient_id"])


def in_stretch(sessions: pl.DataFrame, at_risk: pl.DataFrame) -> pl.DataFrame:
    """The sessions (`patient_id`, `started_at`) that lie in the planned time, with `episode` of
    their stretch.

    One whose start is not known counts, in no episode, for a patient who has time at risk.
    """
    timed = pl.col("started_at").is_not_null()
    untimed = sessions.filter(~timed).join(at_risk, on="patient_id", how="semi")
    starts = at_risk.select("patient_id", "episode", "from_at", PLANNED).sort("from_at")
    placed = (
        sessions.filter(timed)
        .sort("started_at")
        .join_asof(
            starts,
            left_on="started_at",
            right_on="from_at",
            by="patient_id",
            strategy="backward",
            check_sortedness=False,
        )
    )
    placed = placed.filter(pl.col("started_at") <= pl.col(PLANNED)).drop("from_at", PLANNED)
    return pl.concat([placed, untimed], how="diagonal")


def intersection(first: pl.DataFrame, second: pl.DataFrame, *, on: list[str]) -> pl.DataFrame:
    """What of the intervals of `first` lies in those of `second`, one row per piece, with the
    columns of both.

    `on`: the columns that both share. Intervals that only touch share a piece of no length.
    """
    pairs = first.join(second, on=on, suffix="_2", nulls_equal=True)
    pairs = pairs.with_columns(
        from_at=pl.max_horizontal("from_at", "from_at_2"),
        to_at=pl.min_horizontal("to_at", "to_at_2"),
    )
    pairs = pairs.filter(pl.col("to_at") >= pl.col("from_at")).drop("from_at_2", "to_at_2")
    return _merged(pairs, group=_others(pairs))


def session_windows(begun: pl.DataFrame, *, by: tuple[str, ...] = (), hours: int) -> pl.DataFrame:
    """Disjoint intervals of `hours` after the start of each session, one row per patient, value of
    `by` and interval.
    """
    group = ["patient_id", *by]
    timed = begun.filter(pl.col("started_at").is_not_null())
    spans = timed.select(
        *group, from_at="started_at", to_at=pl.col("started_at") + pl.duration(hours=hours)
    )
    return _merged(spans, group=group)


def joined(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with overlapping or touching ones joined, of each value of the other columns."""
    return _merged(spans, group=_others(spans))


def holds(moment: str) -> pl.Expr:
    """Whether the column `moment` lies in [`from_at`, `to_at`]."""
    is_begun = pl.col(moment) >= pl.col("from_at")
    is_over = pl.col(moment) > pl.col("to_at")
    return is_begun & ~is_over


def length_us() -> pl.Expr:
    """Microseconds of an interval."""
    length = pl.col("to_at") - pl.col("from_at")
    return length.dt.total_microseconds()


def _others(spans: pl.DataFrame) -> list[str]:
    return [c for c in spans.columns if c not in ("from_at", "to_at")]


def _merged(spans: pl.DataFrame, *, group: list[str]) -> pl.DataFrame:
    """The spans with overlapping or touching ones of a group joined to one, by group and start."""
    ordered = spans.sort(*group, "from_at", "to_at")
    reached = pl.col("to_at").cum_max().shift(1).over(group)
    is_new = (pl.col("from_at") > reached).fill_null(True)
    ordered = ordered.with_columns(_span=is_new.cum_sum())
    merged = ordered.group_by([*group, "_span"], maintain_order=True)
    return merged.agg(from_at=pl.col("from_at").min(), to_at=pl.col("to_at").max()).drop("_span")
