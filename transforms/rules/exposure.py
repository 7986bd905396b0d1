"""Exposure: which sessions count, under which limits they ran, which they broke, and what a course
delivered.

Here: frames of sessions. Not here: harm (safety.py), person-time (time_at_risk.py), the marts'
columns.

A session that began (`delivered` or `aborted`) exposes the patient; one that was delivered counts
in denominators; a `missed` or `cancelled` one, or one of unknown status (`other`), does neither.
"""

import polars as pl

from ..facts.limits import LIMITS, Limit
from ..facts.sessions import BEGUN, DELIVERED, NOT_HELD
from .flags import flag
from .local_time import Clocks, with_clock, with_local_day

DOSE_EDGES = (1.0, 2.0, 3.0)  # sessions a week
_LIMIT_COLUMNS = [limit.column for limit in LIMITS.values()]


def placed_sessions(sessions: pl.DataFrame, clocks: Clocks) -> pl.DataFrame:
    """core.sessions by patient and start, with `timezone` and `day` by their clock, `is_begun`,
    `is_delivered`.

    A session without a status was delivered (contract). One whose start can't be true has none,
    comes last and counts, but on no day; one that is set aside is left out.
    """
    counting = sessions.filter(~pl.col("is_set_aside").fill_null(False))
    frame = counting.with_columns(pl.col("status").fill_null(DELIVERED))
    frame = with_local_day(
        with_clock(frame, at="started_at", clocks=clocks), at="started_at", into="day"
    )
    frame = frame.with_columns(
        is_begun=pl.col("status").is_in(BEGUN), is_delivered=pl.col("status") == DELIVERED
    )
    return frame.sort("patient_id", "started_at", "session_id", nulls_last=True)


def of_patients(frame: pl.DataFrame, keys: pl.DataFrame | None) -> pl.DataFrame:
    """The rows of the patients in `keys` (a frame of `patient_id`; None = all)."""
    if keys is None:
        return frame
    return frame.join(keys, on="patient_id", how="semi")


def with_protocol(
    sessions: pl.DataFrame, protocols: pl.DataFrame, courses: pl.DataFrame
) -> pl.DataFrame:
    """The sessions with `limit_…` of the protocol version in force at each start; null where none
    is.

    The protocol is the session's own, else that of its course. Of its versions with
    `effective_from` <= start the latest of the session's clinic counts; where the clinic has none,
    the latest for all clinics; then any other's (a session that names it is judged by it).
    """
    named = courses.select("course_id", course_protocol_id="protocol_id")
    frame = sessions.join(named, on="course_id", how="left").with_columns(
        protocol_id=pl.coalesce("protocol_id", "course_protocol_id")
    )
    versions = protocols.select(
        "protocol_id",
        "clinic_id",
        "effective_from",
        **{limit.column: limit.field for limit in LIMITS.values()},
    )
    own = versions.filter(pl.col("clinic_id").is_not_null())
    tiers = [
        _in_force(frame, own, by=["protocol_id", "clinic_id"]),
        _in_force(frame, versions.filter(pl.col("clinic_id").is_null()), by=["protocol_id"]),
        _in_force(frame, own, by=["protocol_id"]),
    ]
    ranked = pl.concat([t.with_columns(_tier=pl.lit(k)) for k, t in enumerate(tiers)])
    best = (
        ranked.sort("_tier").unique("session_id", keep="first", maintain_order=True).drop("_tier")
    )
    return frame.join(best, on="session_id", how="left").sort(
        "patient_id", "started_at", "session_id", nulls_last=True
    )


def _in_force(sessions: pl.DataFrame, versions: pl.DataFrame, *, by: list[str]) -> pl.DataFrame:
    """session_id and the limits of the latest version of the same `by` with effective_from <=
    started_at.
    """
    kept = [*by, "effective_from", *_LIMIT_COLUMNS]
    candidates = sessions.select("session_id", "started_at", *by).join(
        versions.select(kept), on=by, how="inner"
    )
    candidates = candidates.filter(pl.col("effective_from") <= pl.col("started_at"))
    latest = candidates.sort("effective_from", descending=True).unique(
        "session_id", keep="first", maintain_order=True
    )
    return latest.select("session_id", *_LIMIT_COLUMNS)


def with_spacing(sessions: pl.DataFrame) -> pl.DataFrame:
    """The sessions (in order) with `hours_since_previous` and `sessions_in_week`; null where one
    did not begin.

    The previous one is the patient's last session before that began, at any clinic: an aborted one
    exposes too. `sessions_in_week`: delivered sessions of the seven local days that end with this
    one's, up to its start, and this one.
    """
    begun_at = pl.when("is_begun").then("started_at")
    frame = sessions.with_columns(
        previous_at=pl.when("is_begun").then(begun_at.shift(1).forward_fill().over("patient_id"))
    ).with_columns(
        hours_since_previous=(pl.col("started_at") - pl.col("previous_at")).dt.total_microseconds()
        / 3.6e9
    )
    begun = frame.filter("is_begun").select("patient_id", "session_id", "started_at", "day")
    earlier = frame.filter("is_delivered").select(
        "patient_id", earlier_at="started_at", earlier_day="day"
    )
    earlier = earlier.with_columns(earliest=pl.col("earlier_day").dt.offset_by("6d"))
    week = begun.join_where(
        earlier.rename({"patient_id": "of"}),
        pl.col("patient_id") == pl.col("of"),
        pl.col("earlier_at") < pl.col("started_at"),
        pl.col("earliest") >= pl.col("day"),
    )
    counted = week.group_by("session_id").agg(sessions_before=pl.len())
    return (
        frame.join(counted, on="session_id", how="left", maintain_order="left")
        .with_columns(
            sessions_in_week=pl.when(pl.col("is_begun") & pl.col("started_at").is_not_null()).then(
                1 + pl.col("sessions_before").fill_null(0)
            )
        )
        .drop("sessions_before", "previous_at")
    )


def with_limit_flags(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a flag a limit: Y, N, null = not measured, no limit, or the session did not
    begin.

    Wants the limits of `with_protocol`, the columns of `with_spacing`, mart.adex's measurements and
    `cabin_max_measured_c`, the warmest sample of telemetry. A value equal to its limit is within
    it. A session without a start has no spacing. The warmest temperature comes from telemetry
    alone: without it a session is known to be too warm only where even its coldest value is.
    """
    begun = pl.when("is_begun")
    return frame.with_columns(
        **{limit.flag: begun.then(flag(_is_beyond(limit))) for limit in LIMITS.values()}
    )


def _is_beyond(limit: Limit) -> pl.Expr:
    """Null where the value or the limit is not known."""
    value, allowed = _held_against(limit), pl.col(limit.column)
    if limit.is_lowest:
        return value < allowed
    return value > allowed


def _held_against(limit: Limit) -> pl.Expr:
    """What was measured; where a value is not all that is known, that too."""
    value = pl.col(limit.measured)
    if limit.measured == "hours_since_previous":
        is_first = pl.col("started_at").is_not_null() & value.is_null()
        return pl.when(is_first).then(float("inf")).otherwise(value)
    if limit.measured == "cabin_max_c":
        coldest = pl.col("CABMINC")
        return pl.coalesce(
            "cabin_max_measured_c", pl.when(coldest > pl.col(limit.column)).then(coldest)
        )
    return value


# --- courses and dose ---------------------------------------------------------------------------


def course_adherence(courses: pl.DataFrame, adex: pl.DataFrame) -> pl.DataFrame:
    """One row per course of core.courses: what was prescribed and what came of it, from rows of
    mart.adex.

    Columns: `course_id`, `patient_id`, `clinic_id`, `prescribed`, `delivered`, `aborted`, `missed`,
    `cancelled`, `adherence_ratio` (delivered / prescribed; null where nothing is known to be
    prescribed), `exposure_s` (null where a session that began has no duration), `dose_k_s` (of the
    sessions that have one), `sessions_with_dose`.
    """
    status, begun = pl.col("EXSTAT"), pl.col("EXSTAT").is_in(BEGUN)
    duration = pl.col("EXDUR").filter(begun)
    counts = adex.group_by(course_id="COURSEID").agg(
        *((status == name).sum().cast(pl.Int64).alias(name) for name in (*BEGUN, *NOT_HELD)),
        exposure_s=pl.when(duration.null_count() == 0).then(duration.sum()),
        dose_k_s=pl.when(pl.col("DOSEKS").count() > 0).then(pl.col("DOSEKS").sum()),
        sessions_with_dose=pl.col("DOSEKS").count().cast(pl.Int64),
    )
    counted = (*BEGUN, *NOT_HELD, "sessions_with_dose")
    frame = courses.select("course_id", "patient_id", "clinic_id", prescribed="prescribed_sessions")
    frame = frame.join(counts, on="course_id", how="left").with_columns(
        pl.col(counted).fill_null(0)
    )
    ratio = pl.when(pl.col("prescribed") > 0).then(pl.col("delivered") / pl.col("prescribed"))
    return frame.with_columns(adherence_ratio=ratio).sort("course_id")


def dose_response(
    adex: pl.DataFrame,
    adqs: pl.DataFrame,
    *,
    parameter: str,
    visit: str,
    edges: tuple[float, ...] = DOSE_EDGES,
) -> pl.DataFrame:
    """Mean change of `parameter` at `visit` by delivered sessions a week until then: a picture, not
    a causal effect.

    `adqs`: rows of mart.adqs. One row per bin `[from_per_week, to_per_week)`, the last without an
    upper end: `n_patients`, `mean_sessions_per_week`, `mean_change`, `sd_change` (null for fewer
    than two), `is_causal` (always false). Patients without a session until then or without a
    change are left out.
    """
    judged = adqs.filter(
        (pl.col("PARAMCD") == parameter)
        & (pl.col("AVISIT") == visit)
        & (pl.col("ANL01FL") == "Y")
        & pl.col("CHG").is_not_null()
    )
    people = sessions_per_week(adex, judged).sort("USUBJID")
    bins = (
        people.with_columns(**dose_bin(edges))
        .group_by("from_per_week", "to_per_week")
        .agg(**of_dose_bin())
    )
    return bins.sort("from_per_week").with_columns(is_causal=pl.lit(False))


def sessions_per_week(adex: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """The rows of `judged` (`USUBJID`, `ADT`) of patients with a session until then, with
    `per_week`.

    Delivered sessions up to the day `ADT` over the weeks from the first of them to it, at least one
    week.
    """
    given = adex.filter(pl.col("EXSTAT") == DELIVERED).select("USUBJID", "ASTDT")
    days = judged.select("USUBJID", "ADT").unique()
    until = given.join(days, on="USUBJID").filter(pl.col("ASTDT") <= pl.col("ADT"))
    weeks = pl.max_horizontal(
        (pl.col("ADT").first() - pl.col("ASTDT").min()).dt.total_days() / 7, 1.0
    )
    return judged.join(
        until.group_by("USUBJID", "ADT").agg(per_week=pl.len() / weeks), on=["USUBJID", "ADT"]
    )


def dose_bin(edges: tuple[float, ...] = DOSE_EDGES) -> dict[str, pl.Expr]:
    """`from_per_week`, `to_per_week` of the bin that holds `per_week`; the last has no upper end
    (null).
    """
    number = pl.sum_horizontal(pl.col("per_week") >= edge for edge in edges).cast(pl.Int64)
    ends = {"from_per_week": dict(enumerate((0.0, *edges))), "to_per_week": dict(enumerate(edges))}
    return {
        name: number.replace_strict(values, default=None, return_dtype=pl.Float64)
        for name, values in ends.items()
    }


def of_dose_bin() -> dict[str, pl.Expr]:
    """What is told of a bin's patients: their number, mean sessions a week, mean and SD of
    `CHG`.
    """
    return {
        "n_patients": pl.len().cast(pl.Int64),
        "mean_sessions_per_week": pl.col("per_week").mean(),
        "mean_change": pl.col("CHG").mean(),
        "sd_change": pl.col("CHG").std(),
    }
