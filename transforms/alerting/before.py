"""Before the session: what is to be looked at of each who is expected today and tomorrow.

Here: one function a kind of concern, from frames of core to sentences. Not here: who is expected
(expected.py), the judgement of sessions that were (sessions.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from ..options import Options
from ..records.current import merge_map
from ..rules.clearance import SCREENING_HOURS
from ..rules.local_time import with_local_text
from ..schemas import TIMESTAMP
from .clearance_concerns import clearance
from .concerns import CONCERNS, KEY, LISTED, concern_rows
from .contraindications import ITEM, contraindication
from .devices import devices_to_see
from .expected import expected
from .harm import open_events

MERGED_DAYS = 30


def before(
    core: Mapping[str, pl.DataFrame], spells: pl.DataFrame, *, now: datetime, options: Options
) -> pl.DataFrame:
    """One row per patient expected today or tomorrow, columns of LISTED; the grave first within a
    day and clinic.

    `core`: as of `expected.expected`, and consults, screenings, adverse_events, devices,
    deficiencies; `spells`: of `devices.spells`. `concerns` are sentences, `codes` their keys in
    CONCERNS, empty where nothing is known that is to be looked at. `screened_at`: the latest
    screening of the day up to now, or of the 24 hours before it.
    """
    people = expected(core, now=now, options=options)
    parts = [
        clearance(people, core["consults"], now=now),
        contraindication(people, core, now=now),
        _adverse_events(people, core["adverse_events"], now=now),
        _screening(people, core),
        _ended(people, core["patient_status"]),
        _course(people),
        _identity(people, core["patient_status"]),
        _device(people, devices_to_see(core["devices"], core["deficiencies"], spells)),
    ]
    concerns = pl.concat(part.select(*KEY, "code", "sentence") for part in parts).drop_nulls(
        "sentence"
    )
    order = list(CONCERNS)
    concerns = concerns.sort(
        pl.col("code").replace_strict(
            {code: k for k, code in enumerate(order)}, return_dtype=pl.Int64
        ),
        "sentence",
    )
    each = concerns.group_by(KEY, maintain_order=True).agg(
        codes=pl.col("code"), concerns=pl.col("sentence")
    )
    frame = people.join(each, on=list(KEY), how="left").with_columns(
        pl.col("codes", "concerns").fill_null([]).cast(pl.List(pl.String))
    )
    grave = [code for code, concern in CONCERNS.items() if concern.is_grave]
    frame = _screened(frame, core["screenings"], now=now).with_columns(
        is_grave=pl.col("codes").list.eval(pl.element().is_in(grave)).list.any()
    )
    ranked = frame.sort("day", "clinic_id", ~pl.col("is_grave"), "expected", "patient_id")
    return ranked.select(LISTED.names()).cast(dict(LISTED))


def _adverse_events(people: pl.DataFrame, events: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    frame = people.join(open_events(events, now=now), on="patient_id")
    frame = with_local_text(frame, at="onset_at", into="onset", form="%-d %b %Y")
    grade = (
        pl.when(pl.col("grade").is_null())
        .then(pl.lit("not graded"))
        .otherwise(pl.format("grade {}", "grade"))
    )
    since = pl.coalesce(pl.format("since {}", "onset"), pl.lit("onset not known"))
    serious = pl.when("is_serious_or_fatal").then(pl.lit(", serious")).otherwise(pl.lit(""))
    state = pl.coalesce("outcome", pl.lit("outcome not known")).str.replace_all("_", " ")
    code = (
        pl.when("is_grave").then(pl.lit("adverse_event_grave")).otherwise(pl.lit("adverse_event"))
    )
    return concern_rows(
        frame,
        code,
        pl.format("open adverse event: {}, {}{}, {} ({})", "term", grade, serious, since, state),
    )


def _screening(people: pl.DataFrame, core: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The last session without a screening that asked something; of clinics that have sent one of
    the patients listed.
    """
    asked = core["screenings"].filter(pl.col("items").str.contains(ITEM))
    sessions = core["sessions"].select(
        "session_id", "patient_id", "started_at", held_at="clinic_id"
    )
    of_session = asked.select("session_id", _clinic="clinic_id").drop_nulls("session_id")
    screens = (
        pl.concat(
            [
                asked.select("clinic_id"),
                sessions.join(of_session, on="session_id").select(clinic_id="held_at"),
            ]
        )
        .drop_nulls()["clinic_id"]
        .unique()
        .to_list()
    )
    last = people.filter(
        pl.col("last_session_at").is_not_null(), pl.col("clinic_id").is_in(screens)
    )
    last = last.join(
        sessions, left_on=["patient_id", "last_session_at"], right_on=["patient_id", "started_at"]
    )
    named = of_session.select("session_id").unique()
    near = last.select(*KEY, "last_session_at").join(
        asked.filter(pl.col("session_id").is_null()).select("patient_id", "occurred_at"),
        on="patient_id",
    )
    ago = pl.col("last_session_at") - pl.col("occurred_at")
    near = (
        near.filter(ago >= timedelta(0), ago <= timedelta(hours=SCREENING_HOURS))
        .select(KEY)
        .unique()
    )
    missed = last.join(named, on="session_id", how="anti").join(near, on=list(KEY), how="anti")
    missed = with_local_text(missed.unique(KEY), at="last_session_at", into="on")
    return concern_rows(
        missed, "screening", pl.format("no screening is on record for the last session ({})", "on")
    )


def _screened(frame: pl.DataFrame, screenings: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """The frame with `screened_at`."""
    each = frame.select(*KEY, "day_from", "day_to").join(
        screenings.select("patient_id", "occurred_at"), on="patient_id"
    )
    lowest = pl.min_horizontal(
        "day_from", pl.lit(now, TIMESTAMP) - timedelta(hours=SCREENING_HOURS)
    )
    is_of_day = pl.col("day_from") <= now
    each = each.filter(is_of_day, pl.col("occurred_at") <= now, pl.col("occurred_at") >= lowest)
    newest = each.group_by(KEY).agg(screened_at=pl.col("occurred_at").max())
    return frame.join(newest, on=list(KEY), how="left")


_ENDS = ("completed", "discontinued", "withdrew", "lost", "paused")


def _ended(people: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """The latest status by that day ends or pauses treatment, and no session has followed."""
    ends = statuses.filter(pl.col("status").is_in([*_ENDS, "resumed"])).sort(
        "effective_on", "recorded_at", "status_id"
    )
    each = people.join(
        ends.select("patient_id", "status", "effective_on"),
        on="patient_id",
        maintain_order="left_right",
    )
    latest = each.filter(pl.col("effective_on") <= pl.col("day")).unique(
        KEY, keep="last", maintain_order=True
    )
    followed = (pl.col("last_session_at").dt.date() > pl.col("effective_on")).fill_null(False)
    ended = latest.filter(pl.col("status") != "resumed", ~followed)
    return concern_rows(
        ended,
        "ended",
        pl.format("{} since {}", "status", pl.col("effective_on").dt.strftime("%-d %b %Y")),
    )


def _course(people: pl.DataFrame) -> pl.DataFrame:
    """A course that is over; a day on which the protocol allows no session."""
    of = pl.coalesce(
        pl.format("{} of {} prescribed", "sessions_done", "prescribed_sessions"),
        pl.format("{}", "sessions_done"),
    )
    over = people.filter("is_course_over")
    on = pl.col("course_ended_on").dt.strftime("%-d %b %Y")
    ended = pl.coalesce(pl.format("the course ended on {}", on), pl.lit("the course is complete"))
    late = people.filter(pl.col("not_before") >= pl.col("day_to"))
    late = with_local_text(late, at="not_before", into="from")
    full = people.filter("is_week_full")
    return pl.concat(
        [
            concern_rows(over, "course", pl.format("{}: {} sessions delivered", ended, of)),
            concern_rows(
                late, "spacing", pl.format("the protocol's spacing allows none before {}", "from")
            ),
            concern_rows(
                full, "spacing", pl.lit("the protocol's sessions of the week are used up")
            ),
        ]
    )


def _identity(people: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """Merged into the patient, split or transferred within 30 days before the day."""
    ends = (
        merge_map(statuses).filter(~pl.col("is_cycle")).select("patient_id", became="merged_into")
    )
    merged = (
        statuses.filter(pl.col("status") == "merged")
        .join(ends, on="patient_id")
        .select(
            "effective_on",
            patient_id="became",
            sentence=pl.format("the records of {} are this patient's", "patient_id"),
        )
    )
    others = statuses.filter(pl.col("status").is_in(["split", "transferred"])).select(
        "effective_on",
        "patient_id",
        sentence=pl.when(pl.col("status") == "split")
        .then(pl.lit("records were split from this patient's"))
        .otherwise(pl.format("transferred to {}", "clinic_id")),
    )
    each = people.join(pl.concat([merged, others.select(merged.columns)]), on="patient_id")
    near = (pl.col("day") - pl.col("effective_on")).dt.total_days().is_between(0, MERGED_DAYS)
    on = pl.col("effective_on").dt.strftime("%-d %b %Y")
    return concern_rows(each.filter(near), "identity", pl.format("{} since {}", "sentence", on))


def _device(people: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """What is to be known of the last session's device on the day; where it stands is said for the
    clinic as a whole.
    """
    frame = people.join(devices, on="device_id")
    is_out = (pl.col("out_from") <= pl.col("day")).fill_null(False)
    is_due = (pl.col("calibration_due_on") < pl.col("day")).fill_null(False)
    due = pl.col("calibration_due_on").dt.strftime("%-d %b %Y")
    several = pl.format("{} deficiencies", "deficiencies")
    lacks = pl.when(pl.col("deficiencies") == 1).then(pl.lit("1 deficiency")).otherwise(several)
    out = pl.format(
        "device {} is out of use since {}", "device_id", pl.col("out_from").dt.strftime("%-d %b %Y")
    )
    return pl.concat(
        [
            concern_rows(frame.filter(is_out), "device_out", out),
            concern_rows(
                frame.filter(is_due),
                "device",
                pl.format("calibration of device {} was due on {}", "device_id", due),
            ),
            concern_rows(
                frame.filter(pl.col("deficiencies") > 0),
                "device",
                pl.format("device {}: {} since its last calibration", "device_id", lacks),
            ),
        ]
    )
