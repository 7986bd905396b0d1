"""Before the session: what is to be looked at of each who is expected today and tomorrow.

Here: one function a kind of concern, from frames of core to sentences. Not here: who is expected
(expected.py), the judgement of sessions that were (sessions.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from ..options import Options
from ..records.current import merge_map
from ..rules.clearance import SCREENING_HOURS, latest_consults
from ..rules.local_time import with_local_text
from ..schemas import TIMESTAMP
from .devices import devices_to_see
from .expected import EXPECTED, expected
from .harm import open_events

SOON_DAYS = 7
MERGED_DAYS = 30
PREGNANCY_DAYS = 300


@dataclass(frozen=True, kw_only=True)
class Concern:
    """`is_grave`: no session before somebody has looked at it; else it is to be known."""

    title: str
    when: str
    is_grave: bool


CONCERNS: dict[str, Concern] = {
    "clearance": Concern(
        title="clearance",
        when="no consult clears the session: there is none, the latest does not clear, it has ended or ends that day, or it does "
        "not cover the modality",
        is_grave=True,
    ),
    "clearance_ends": Concern(
        title="clearance ends soon", when="clearance ends within seven days after", is_grave=False
    ),
    "contraindication": Concern(
        title="contraindication",
        when="the latest consult names one, the latest answer of a screening to an item is present, or the patient is pregnant; "
        "new where it was not known at the last session",
        is_grave=True,
    ),
    "adverse_event_grave": Concern(
        title="open adverse event, grave",
        when="an adverse event that is serious, of grade 3 or more, or a cold injury, asphyxia or syncope is not resolved",
        is_grave=True,
    ),
    "adverse_event": Concern(
        title="open adverse event",
        when="another adverse event is not known to be resolved",
        is_grave=False,
    ),
    "screening": Concern(
        title="missed screening",
        when="the last session began without a screening in the 24 hours before, or one that asked nothing, in a clinic that "
        "screens",
        is_grave=False,
    ),
    "ended": Concern(
        title="treatment ended or paused",
        when="the patient's status says that treatment ended or is paused, and no session has followed",
        is_grave=True,
    ),
    "course": Concern(
        title="course over",
        when="the course has ended, or all that it prescribes is delivered",
        is_grave=False,
    ),
    "spacing": Concern(
        title="too soon",
        when="the protocol allows none that day: by its spacing or its weekly count",
        is_grave=True,
    ),
    "identity": Concern(
        title="merged, split or moved",
        when="the patient's records were merged, split or moved within 30 days",
        is_grave=False,
    ),
    "device_out": Concern(
        title="device out of use",
        when="the device of the last session is out of use that day",
        is_grave=True,
    ),
    "device": Concern(
        title="device to look at",
        when="the calibration of the last session's device is overdue, or it has a deficiency since its last calibration",
        is_grave=False,
    ),
}

LISTED = pl.Schema(
    {
        **{
            name: dtype
            for name, dtype in EXPECTED.items()
            if not name.startswith(("is_", "course_ended"))
        },
        "screened_at": TIMESTAMP,
        "codes": pl.List(pl.String),
        "concerns": pl.List(pl.String),
        "is_grave": pl.Boolean,
    }
)
_KEY = ("day", "patient_id")  # a patient is at one clinic a day, which may not be known


def before(
    core: Mapping[str, pl.DataFrame], spells: pl.DataFrame, *, now: datetime, options: Options
) -> pl.DataFrame:
    """A row a patient expected today or tomorrow, columns of LISTED; the grave first within a day
    and clinic.

    `core`: as of `expected.expected`, and consults, screenings, adverse_events, devices,
    deficiencies; `spells`: of `devices.spells`. `concerns` are sentences, `codes` their keys in
    CONCERNS, empty where nothing is known that is to be looked at. `screened_at`: the latest
    screening of the day up to now, or of the 24 hours before it.
    """
    people = expected(core, now=now, options=options)
    parts = [
        _clearance(people, core["consults"], now=now),
        _contraindication(people, core, now=now),
        _adverse_events(people, core["adverse_events"], now=now),
        _screening(people, core),
        _ended(people, core["patient_status"]),
        _course(people),
        _identity(people, core["patient_status"]),
        _device(people, devices_to_see(core["devices"], core["deficiencies"], spells)),
    ]
    said = pl.concat(part.select(*_KEY, "code", "sentence") for part in parts).drop_nulls(
        "sentence"
    )
    order = list(CONCERNS)
    said = said.sort(
        pl.col("code").replace_strict(
            {code: k for k, code in enumerate(order)}, return_dtype=pl.Int64
        ),
        "sentence",
    )
    each = said.group_by(_KEY, maintain_order=True).agg(
        codes=pl.col("code"), concerns=pl.col("sentence")
    )
    frame = people.join(each, on=list(_KEY), how="left").with_columns(
        pl.col("codes", "concerns").fill_null([]).cast(pl.List(pl.String))
    )
    grave = [code for code, concern in CONCERNS.items() if concern.is_grave]
    frame = _screened(frame, core["screenings"], now=now).with_columns(
        is_grave=pl.col("codes").list.eval(pl.element().is_in(grave)).list.any()
    )
    ranked = frame.sort("day", "clinic_id", ~pl.col("is_grave"), "expected", "patient_id")
    return ranked.select(LISTED.names()).cast(dict(LISTED))


def _said(frame: pl.DataFrame, code: pl.Expr | str, sentence: pl.Expr) -> pl.DataFrame:
    code = pl.lit(code) if isinstance(code, str) else code
    return frame.select(*_KEY, code=code, sentence=sentence)


# --- clearance ----------------------------------------------------------------------------------


def _clearance(people: pl.DataFrame, consults: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Of the latest consult until now: what it says of a session on the day, at whatever hour."""
    latest = latest_consults(consults.filter(pl.col("occurred_at") <= now), by="patient_id")
    columns = ("patient_id", "outcome", "modalities", "occurred_at", "valid_until")
    frame = people.join(latest.select(columns), on="patient_id", how="left")
    for name in ("occurred_at", "valid_until"):
        frame = with_local_text(frame, at=name, into=f"{name}_text")
    on, until = pl.col("occurred_at_text"), pl.col("valid_until_text")
    covers = (
        pl.col("modalities").is_null()
        | pl.col("modality").is_null()
        | pl.col("modalities").list.contains(pl.col("modality"))
    )
    ends = pl.col("valid_until")
    cases = [
        (
            pl.col("outcome").is_null(),
            "clearance",
            pl.lit("no consult is on record: nothing clears the session"),
        ),
        (
            pl.col("outcome") != "cleared",
            "clearance",
            pl.format("the latest consult ({}) does not clear it: {}", on, "outcome"),
        ),
        (
            ~covers,
            "clearance",
            pl.format(
                "the latest consult ({}) does not cover {}",
                on,
                pl.col("modality").str.replace("_", " "),
            ),
        ),
        (ends < now, "clearance", pl.format("clearance ended: {}", until)),
        (
            ends < pl.col("day_from"),
            "clearance",
            pl.format("clearance ends before that day: {}", until),
        ),
        (ends < pl.col("day_to"), "clearance", pl.format("clearance ends that day: {}", until)),
        (
            ends < pl.col("day_to") + timedelta(days=SOON_DAYS),
            "clearance_ends",
            pl.format("clearance ends soon: {}", until),
        ),
    ]
    code, sentence = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for condition, name, words in reversed(cases):
        code = pl.when(condition.fill_null(False)).then(pl.lit(name)).otherwise(code)
        sentence = pl.when(condition.fill_null(False)).then(words).otherwise(sentence)
    return _said(frame, code, sentence)


# --- contraindications --------------------------------------------------------------------------


def _contraindication(
    people: pl.DataFrame, core: Mapping[str, pl.DataFrame], *, now: datetime
) -> pl.DataFrame:
    """By the latest consult, by the latest answer to each item of a screening, by status; new where
    written down, or where it happened, after the last session began.
    """
    found = pl.concat(
        [
            _by_consult(core["consults"]),
            _by_screening(core["screenings"]),
            _by_status(core["patient_status"], now=now),
        ]
    )
    frame = people.join(found.filter((pl.col("at") <= now).fill_null(True)), on="patient_id")
    frame = with_local_text(frame, at="at", into="at_text").with_columns(
        pl.col("at_text").fill_null("time not known")
    )
    is_new = (pl.max_horizontal("at", "written_at") > pl.col("last_session_at")).fill_null(True)
    kind = (
        pl.when(is_new)
        .then(pl.lit("new contraindication"))
        .otherwise(pl.lit("contraindication, known before"))
    )
    return _said(frame, "contraindication", pl.format("{}: {} ({})", kind, "what", "at_text"))


_FOUND = pl.Schema(
    {"patient_id": pl.String, "what": pl.String, "at": TIMESTAMP, "written_at": TIMESTAMP}
)


def _written() -> pl.Expr:
    return pl.when("is_recorded_at_given").then("recorded_at")


def _by_consult(consults: pl.DataFrame) -> pl.DataFrame:
    latest = latest_consults(consults, by="patient_id")
    named = pl.col("contraindications").list.drop_nulls().list.join(", ")
    says = (
        pl.when(named.str.len_chars() > 0)
        .then(named)
        .otherwise(
            pl.when(pl.col("outcome") == "contraindicated").then(
                pl.lit("the latest consult says contraindicated")
            )
        )
    )
    frame = latest.with_columns(what=says, at="occurred_at", written_at=_written()).drop_nulls(
        "what"
    )
    return frame.select(_FOUND.names()).cast(dict(_FOUND))


_ITEM = r'"((?:[^"\\]|\\.)*)"\s*:\s*"(present|absent)"'


def _by_screening(screenings: pl.DataFrame) -> pl.DataFrame:
    """Items whose latest answer is present; one that was not asked leaves the answer before."""
    each = screenings.drop_nulls("occurred_at").with_columns(
        written_at=_written(), pair=pl.col("items").str.extract_all(_ITEM)
    )
    each = (
        each.explode("pair")
        .drop_nulls("pair")
        .with_columns(
            what=pl.col("pair").str.extract(_ITEM, 1), answer=pl.col("pair").str.extract(_ITEM, 2)
        )
    )
    latest = each.sort("occurred_at", "recorded_at", "screening_id").unique(
        ["patient_id", "what"], keep="last", maintain_order=True
    )
    present = latest.filter(pl.col("answer") == "present").with_columns(
        what=pl.format("{} at a screening", pl.col("what").str.replace_all("_", " ")),
        at="occurred_at",
    )
    return present.select(_FOUND.names()).cast(dict(_FOUND))


def _by_status(statuses: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Pregnant since not longer than a pregnancy lasts: no status says that it has ended."""
    since = pl.lit(now.date()) - pl.col("effective_on")
    pregnant = statuses.filter(
        pl.col("status") == "pregnant", (since <= timedelta(days=PREGNANCY_DAYS)).fill_null(True)
    )
    frame = (
        pregnant.sort("effective_on")
        .unique("patient_id", keep="first", maintain_order=True)
        .with_columns(
            what=pl.lit("pregnant"),
            at=pl.col("effective_on").cast(TIMESTAMP),
            written_at=_written(),
        )
    )
    return frame.select(_FOUND.names()).cast(dict(_FOUND))


# --- adverse events -----------------------------------------------------------------------------


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
    return _said(
        frame,
        code,
        pl.format("open adverse event: {}, {}{}, {} ({})", "term", grade, serious, since, state),
    )


# --- screening ----------------------------------------------------------------------------------


def _screening(people: pl.DataFrame, core: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The last session without a screening that asked something; of clinics that have sent one of
    the patients listed.
    """
    asked = core["screenings"].filter(pl.col("items").str.contains(_ITEM))
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
    near = last.select(*_KEY, "last_session_at").join(
        asked.filter(pl.col("session_id").is_null()).select("patient_id", "occurred_at"),
        on="patient_id",
    )
    ago = pl.col("last_session_at") - pl.col("occurred_at")
    near = (
        near.filter(ago >= timedelta(0), ago <= timedelta(hours=SCREENING_HOURS))
        .select(_KEY)
        .unique()
    )
    missed = last.join(named, on="session_id", how="anti").join(near, on=list(_KEY), how="anti")
    missed = with_local_text(missed.unique(_KEY), at="last_session_at", into="on")
    return _said(
        missed, "screening", pl.format("no screening is on record for the last session ({})", "on")
    )


def _screened(frame: pl.DataFrame, screenings: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """The frame with `screened_at`."""
    each = frame.select(*_KEY, "day_from", "day_to").join(
        screenings.select("patient_id", "occurred_at"), on="patient_id"
    )
    lowest = pl.min_horizontal(
        "day_from", pl.lit(now, TIMESTAMP) - timedelta(hours=SCREENING_HOURS)
    )
    is_of_day = pl.col("day_from") <= now
    each = each.filter(is_of_day, pl.col("occurred_at") <= now, pl.col("occurred_at") >= lowest)
    newest = each.group_by(_KEY).agg(screened_at=pl.col("occurred_at").max())
    return frame.join(newest, on=list(_KEY), how="left")


# --- status, course, device ---------------------------------------------------------------------

_ENDS = ("completed", "discontinued", "withdrew", "lost", "paused")


def _ended(people: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """The latest status by that day ends or pauses treatment, and no session has followed."""
    told = statuses.filter(pl.col("status").is_in([*_ENDS, "resumed"])).sort(
        "effective_on", "recorded_at", "status_id"
    )
    each = people.join(
        told.select("patient_id", "status", "effective_on"),
        on="patient_id",
        maintain_order="left_right",
    )
    latest = each.filter(pl.col("effective_on") <= pl.col("day")).unique(
        _KEY, keep="last", maintain_order=True
    )
    followed = (pl.col("last_session_at").dt.date() > pl.col("effective_on")).fill_null(False)
    ended = latest.filter(pl.col("status") != "resumed", ~followed)
    return _said(
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
            _said(over, "course", pl.format("{}: {} sessions delivered", ended, of)),
            _said(
                late, "spacing", pl.format("the protocol's spacing allows none before {}", "from")
            ),
            _said(full, "spacing", pl.lit("the protocol's sessions of the week are used up")),
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
    return _said(each.filter(near), "identity", pl.format("{} since {}", "sentence", on))


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
            _said(frame.filter(is_out), "device_out", out),
            _said(
                frame.filter(is_due),
                "device",
                pl.format("calibration of device {} was due on {}", "device_id", due),
            ),
            _said(
                frame.filter(pl.col("deficiencies") > 0),
                "device",
                pl.format("device {}: {} since its last calibration", "device_id", lacks),
            ),
        ]
    )
