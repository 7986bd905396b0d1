"""The registry of core tables: from which rows each is computed, and by what.

Here: `CORE`, one entry a table of `core`, in an order that the inputs allow, and `rows`, which
computes one with whatever runs SQL. Not here: the rules (current, activity, telemetry, mobility)
and when this runs (orchestration).

A step is a function of a set of keys. Without keys it computes the whole table; with keys (a frame
of the columns `CoreStep.keys`) the rows of those alone, which then replace the rows of those keys.
When merged or clashing patients change, the keys are those of all patients concerned.

Statements name a raw table as `FROM raw.X` or `JOIN raw.X` without an alias, so that whoever runs
them can have it stand still at a snapshot. A frame is read once in a statement: DuckDB 1.5.5
crashes on one that is scanned twice.
"""

from dataclasses import replace
from functools import partial

import polars as pl

from .core_step import CoreStep, Frames, all_of
from .facts.masking import TELLING
from .options import Options
from .records import clashes, conflicts, contested, current, orphans
from .records.likely_doubles import likely_doubles
from .records.references import TOPIC_OF, Register, with_names
from .rules import episodes as treatment
from .rules import life_bounds, masking, plausibility, plausible_series, studies
from .rules.exposure import placed_sessions
from .rules.local_time import clocks
from .schemas import CORE_RECORDS, CORE_TABLES, RAW_TABLES, TOPIC_BY_NAME
from .series import activity, mobility, series_things, telemetry, wearers
from .touching import Touches, by

# These are whole for every patient and site, small, and what the others join: they are always
# computed whole.
REGISTERS = ("clinics", "devices", "protocols", "patient_status", "patients")

_REGISTER_READS = {
    name: all_of(f"core.{name}") for name in ("patients", "clinics", "patient_status")
}
_IDENTITIES = {"identities": all_of("core.identities")}
_SENT_PATIENTS = 'SELECT DISTINCT patient_id, clinic_id FROM raw."patients"'
_STUDIES = TOPIC_BY_NAME["studies"].type
# Which studies are masked is decided before there is core of studies.
_MASKS = {
    "masks": all_of("raw.studies"),
    "unread": f"SELECT kafka_topic FROM raw.rejects WHERE kafka_topic = '{_STUDIES}' AND replayed_at IS NULL",
    "cut": 'SELECT data_cutoff FROM core."data_cut"',
}
_UNREAD_STUDIES = {"raw.rejects": (Touches(part=("kafka_topic", frozenset({_STUDIES}))),)}
# A clinic's id is the clinic; a retraction names patients and devices as the series do.
_AS_SENT = ("clinics", "retractions")


def _record(name: str) -> CoreStep:
    """A table of records: of each the event that counts, under the names and the patient that
    count, without what can't be true.

    Whose an id is, is decided by all the events that have it, so the keys are ids: those of raw and
    the names that core gives them. A register is always whole.
    """
    if name == "patient_status":
        return _statuses()
    inputs = [f"core.{register}" for register in _held_against(name)]
    inputs += [] if name in _AS_SENT else ["core.identities"]
    if name not in (*_AS_SENT, *REGISTERS):
        inputs += (
            ["core.devices"] if "core.patients" in inputs else ["core.devices", "core.patients"]
        )

    def compute(frames: Frames, options: Options) -> pl.DataFrame:
        return _without_arms(name, whole(frames, options), frames)

    def whole(frames: Frames, options: Options) -> pl.DataFrame:
        counting = current.current(name, frames["raw"], frames.get("identities"))
        if name == "patients":
            events = current.named(name, frames["raw"], frames["identities"])
            counting = current.with_enrolment(counting, events, frames["patient_status"])
        if name not in _AS_SENT:
            counting = _with_references(name, counting, frames)
        return CORE_RECORDS[name].conform(_judged(name, counting, frames, options))

    masks = {"raw.studies", "raw.rejects"} - {f"raw.{name}"} if name in TELLING else set()
    step = CoreStep(
        table=CORE_RECORDS[name],
        inputs=(f"raw.{name}", *inputs, *sorted(masks)),
        reads={
            "raw": all_of(f"raw.{name}"),
            **{i.split(".")[1]: all_of(i) for i in inputs},
            **(_MASKS if name in TELLING else {}),
        },
        compute=compute,
        only_with=f"raw.{name}",
        touched_by=_names_touch(name, own=name in REGISTERS),
    )
    return step if name in REGISTERS else _by_ids(name, step)


def _names_touch(name: str, *, own: bool) -> dict[str, tuple[Touches, ...]]:
    """A table is touched by the identities of the topics that it refers to, and of its `own`."""
    topics = {TOPIC_OF[c] for c in CORE_RECORDS[name].names if c in TOPIC_OF} - {name}
    topics |= {name} if own else set()
    return _UNREAD_STUDIES | {"core.identities": (Touches(part=("topic", frozenset(topics))),)}


def _by_ids(name: str, step: CoreStep) -> CoreStep:
    """The step by record ids: of an event the id that it was sent with, and what core calls it."""
    record_id = TOPIC_BY_NAME[name].record_id
    names = Touches(columns=("record_id", "name"), part=("topic", frozenset({name})))
    renamed = (names, *step.touched_by["core.identities"])
    touched_by = step.touched_by | {f"raw.{name}": by(record_id), "core.identities": renamed}
    if "core.patients" in step.inputs:
        own = Touches(columns=("patient_id",), through=_ids_of_patients(name, record_id))
        touched_by["core.patients"] = (own,) if "patient_id" in step.table.names else ()
    return replace(
        step,
        keys=(record_id,),
        keyed_reads={"raw": all_of(f"raw.{name}") + f' SEMI JOIN keys USING ("{record_id}")'},
        also_keys=_ids_and_names(name, record_id),
        touched_by=touched_by,
    )


def _ids_of_patients(name: str, record_id: str) -> str:
    return f"""WITH people AS MATERIALIZED (SELECT key AS patient_id FROM touching)
        SELECT "{record_id}" AS key FROM raw."{name}" SEMI JOIN people USING (patient_id)
        UNION SELECT "{record_id}" FROM core."{name}" SEMI JOIN people USING (patient_id)"""


def _ids_and_names(name: str, record_id: str) -> str:
    """The ids of `keys`, those that have one of them for a name, and the names of all these."""
    return f"""WITH named AS MATERIALIZED (SELECT record_id, name FROM core.identities WHERE topic = '{name}'),
        touched AS MATERIALIZED (SELECT "{record_id}" AS id FROM keys),
        ids AS MATERIALIZED (
            SELECT id FROM touched UNION SELECT record_id FROM named WHERE name IN (FROM touched)
        )
        SELECT id AS "{record_id}" FROM ids
        UNION SELECT name FROM named WHERE record_id IN (FROM ids) AND name IS NOT NULL"""


def _without_arms(name: str, frame: pl.DataFrame, frames: Frames) -> pl.DataFrame:
    """What tells of an arm is in no table of core while the study is masked at the data cut."""
    if name not in TELLING:
        return frame
    cut = frames["cut"]["data_cutoff"].dt.date()
    counting = current.current("studies", frames["masks"])
    sent = masking.records_that_mask(frames["masks"], counting)
    hidden = masking.masked(sent, on=cut[0] if len(cut) else None)
    among = counting["study_id"] if len(frames["unread"]) else None
    return masking.without_arms(name, frame, masked=hidden, among=among)


def _held_against(name: str) -> tuple[str, ...]:
    """The registers that a table's records are held against: whose they are, when those lived."""
    if "patient_id" not in CORE_RECORDS[name].names or name == "patient_status":
        return ()
    if name == "patients":
        return ("patient_status",)
    return tuple(_REGISTER_READS)


def _judged(name: str, frame: pl.DataFrame, frames: Frames, options: Options) -> pl.DataFrame:
    """A death is judged by itself before anything is held against it, the other statuses too."""
    if name == "patient_status":
        frame = plausibility.judged(name, frame, people=None, options=options)
    people = life_bounds.people_of(name, frames | {name: frame})
    return plausibility.judged(name, frame, people=people, options=options)


def _with_references(name: str, counting: pl.DataFrame, frames: Frames) -> pl.DataFrame:
    """The records with core's names in what they refer to: patients first, for they tell the others
    apart.
    """
    among = _register(frames)
    own = TOPIC_BY_NAME[name].record_id
    if own != "patient_id":
        counting = with_names(counting, ("patient_id",), among=among)
    if "patient_status" in frames:
        counting = current.merge_patients(counting, frames["patient_status"])
    return with_names(counting, [c for c in TOPIC_OF if c not in ("patient_id", own)], among=among)


def _register(frames: Frames) -> Register:
    return clashes.register(
        frames["identities"], devices=frames.get("devices"), patients=frames.get("patients")
    )


def _statuses() -> CoreStep:
    def compute(frames: Frames, options: Options) -> pl.DataFrame:
        named = clashes.statuses(frames["raw"], _register(frames))
        merged = current.merge_patients(named, named).sort("status_id")
        return _judged("patient_status", merged, frames, options)

    return CoreStep(
        table=CORE_RECORDS["patient_status"],
        inputs=("raw.patient_status", "raw.patients", "core.identities"),
        reads={"raw": all_of("raw.patient_status"), "patients": _SENT_PATIENTS, **_IDENTITIES},
        compute=compute,
        only_with="raw.patient_status",
        touched_by=_names_touch("patient_status", own=True),
    )


# What others refer to decides what they are called; of the rest each topic is by itself.
_NOT_REFERRED_TO = {name: name for name in clashes.ORDER if name not in clashes.REFERRED_TO}
IDENTITIES = CoreStep(
    table=CORE_TABLES["identities"],
    inputs=(*(f"raw.{name}" for name in clashes.ORDER), "core.clinics"),
    reads={name: contested.contested(name) for name in clashes.ORDER}
    | {"statuses": all_of("raw.patient_status"), "clinics": all_of("core.clinics")},
    compute=lambda frames, options: clashes.identities(frames),
    keys=("topic",),
    read_for=_NOT_REFERRED_TO,
    touched_by={f"raw.{name}": (Touches(key=name),) for name in _NOT_REFERRED_TO},
)

_PEOPLE = _REGISTER_READS | {"devices": all_of("core.devices")} | _IDENTITIES
_PEOPLE_INPUTS = tuple(f"core.{name}" for name in _PEOPLE)


def _people(frames: Frames) -> pl.DataFrame:
    exact = None
    if "wearers" in frames:
        exact = series_things.wearers(
            frames["wearers"], frames["patient_status"], among=_register(frames)
        )
    return wearers.people(frames["patients"], frames["clinics"], frames["patient_status"], exact)


def _wearers(frames: Frames, options: Options) -> pl.DataFrame:
    lives = life_bounds.people(frames["patients"], frames["patient_status"], frames["clinics"])
    return life_bounds.with_bounds(_people(frames), lives, options=options)


def _walking_days(frames: Frames, options: Options) -> pl.DataFrame:
    return mobility.walking_days(
        walking_bouts=frames["bouts"], people=_people(frames), options=options
    )


def _exposures(frames: Frames) -> pl.DataFrame:
    return series_things.exposures(frames["exposures"], frames["exposed"], among=_register(frames))


def _enrolments() -> CoreStep:
    """Explicit enrolments, and the short form of patients: always whole, for a patient's record may
    take one away.
    """
    records = _record("study_enrolments")

    def compute(frames: Frames, options: Options) -> pl.DataFrame:
        explicit = records.compute(frames, options)
        return studies.enrolments(explicit, frames["patients"])

    return replace(
        records,
        inputs=(*records.inputs, "core.patients"),
        reads={**records.reads, "patients": all_of("core.patients")},
        compute=compute,
        only_with=None,  # a patient's record may hold one in its short form
        keys=(),
        keyed_reads={},
        touched_by=_names_touch("study_enrolments", own=True),
    )


# By what series are told apart: whose the device was, in which session.
_SERIES_NAMES = (Touches(part=("topic", frozenset({"patients", "devices", "sessions"}))),)

ACTIVITY_DAYS = CoreStep(
    table=CORE_TABLES["activity_days"],
    inputs=("raw.readings", "core.retractions", *_PEOPLE_INPUTS),
    keys=("patient_id",),
    reads={**_PEOPLE, "wearers": series_things.WEARERS_SQL},
    sql=activity.ACTIVITY_DAYS_SQL,
    relations=lambda frames, options: {"people": _wearers(frames, options)},
    only_with="raw.readings",
    touched_by={
        "raw.readings": by("patient_id"),
        "core.patients": by("patient_id"),
        "core.identities": _SERIES_NAMES,
    },
)

WALKING_DAYS = CoreStep(
    table=CORE_TABLES["walking_days"],
    inputs=("core.walking_bouts", *_PEOPLE_INPUTS),
    keys=("patient_id",),
    reads={**_PEOPLE, "bouts": all_of("core.walking_bouts")},
    keyed_reads={"bouts": all_of("core.walking_bouts") + " SEMI JOIN keys USING (patient_id)"},
    compute=_walking_days,
    only_with="core.walking_bouts",
    touched_by={
        "core.walking_bouts": by("patient_id"),
        "core.patients": by("patient_id"),
        "core.identities": _SERIES_NAMES,
    },
)

TELEMETRY_SESSIONS = CoreStep(
    table=CORE_TABLES["telemetry_sessions"],
    inputs=(
        "raw.telemetry",
        "core.retractions",
        "core.sessions",
        "core.devices",
        "core.identities",
    ),
    keys=("session_id",),
    reads={
        "exposures": telemetry.EXPOSURES_SQL,
        "exposed": series_things.EXPOSED_SQL,
        "devices": all_of("core.devices"),
    }
    | _IDENTITIES,
    keyed_reads={"exposures": telemetry.EXPOSURES_SQL + " SEMI JOIN keys USING (session_id)"},
    sql=telemetry.TELEMETRY_SESSIONS_SQL,
    relations=lambda frames, options: {
        "exposures": life_bounds.with_clock(_exposures(frames), options=options)
    },
    only_with="raw.telemetry",
    touched_by={
        "raw.telemetry": by("session_id"),
        "core.sessions": by("session_id"),
        "core.identities": _SERIES_NAMES,
    },
)

_SERIES = ("readings", "telemetry")
_REFERRING = (*(name for name in CORE_RECORDS if name not in REGISTERS), *_SERIES)

ORPHANS = CoreStep(
    table=CORE_TABLES["orphans"],
    inputs=(
        *(f"core.{name}" for name in CORE_RECORDS),
        "core.identities",
        "raw.readings",
        "raw.telemetry",
    ),
    reads={name: all_of(f"core.{name}") for name in (*CORE_RECORDS, "identities")}
    | {name: orphans.series_references(name) for name in _SERIES},
    compute=lambda frames, options: orphans.orphans(frames),
    keys=("table",),
    read_for={name: name for name in _REFERRING},
    touched_by={f"core.{name}": (Touches(key=name),) for name in _REFERRING if name in CORE_RECORDS}
    | {f"raw.{name}": (Touches(key=name),) for name in _SERIES}
    | {
        "core.identities": (
            *by("topic"),
            Touches(part=("topic", frozenset(TOPIC_OF.values()))),
        )
    },
)

CONFLICTS = CoreStep(
    table=CORE_TABLES["conflicts"],
    inputs=(*(f"raw.{name}" for name in RAW_TABLES), "core.identities"),
    reads={name: conflicts.contradicting(name) for name in RAW_TABLES} | _IDENTITIES,
    compute=lambda frames, options: pl.concat(
        [
            CORE_TABLES["conflicts"].empty(),
            *(
                conflicts.conflicts(name, frames[name], frames["identities"])
                for name in RAW_TABLES
                if name in frames and not frames[name].is_empty()
            ),
        ]
    ),
    keys=("topic",),
    read_for={name: name for name in RAW_TABLES},
    touched_by={f"raw.{name}": (Touches(key=name),) for name in RAW_TABLES}
    | {"core.identities": by("topic")},
)


def _implausible(frames: Frames, options: Options) -> pl.DataFrame:
    parts = [CORE_TABLES["implausible"].empty()]
    for name in CORE_RECORDS:
        sent = frames.get(f"{name}_as_sent")
        if sent is not None and not sent.is_empty():
            people = life_bounds.people_of(name, frames)
            parts.append(plausibility.listed(name, sent, people=people, options=options))
    for name in _SERIES:
        if name in frames and not frames[name].is_empty():
            wearers = _wearers(frames, options) if name == "readings" else None
            parts.append(
                plausible_series.untimely_series(
                    name, frames[name], wearers=wearers, options=options
                )
            )
    return pl.concat(parts).sort(CORE_TABLES["implausible"].key)


IMPLAUSIBLE = CoreStep(
    table=CORE_TABLES["implausible"],
    inputs=(*(f"core.{name}" for name in CORE_RECORDS), *(f"raw.{name}" for name in RAW_TABLES)),
    reads=_REGISTER_READS
    | {f"{name}_as_sent": plausibility.as_sent(name) for name in CORE_RECORDS}
    | {name: partial(plausible_series.doubtful_series, name) for name in _SERIES},
    compute=_implausible,
    keys=("table",),
    read_for={f"{name}_as_sent": name for name in CORE_RECORDS} | {name: name for name in _SERIES},
    touched_by={f"raw.{name}": (Touches(key=name),) for name in RAW_TABLES}
    | {
        f"core.{name}": (Touches(key=name),) for name in CORE_RECORDS if name not in _REGISTER_READS
    },
)

LIKELY_DOUBLES = CoreStep(
    table=CORE_TABLES["likely_doubles"],
    inputs=("core.sessions",),
    reads={"sessions": all_of("core.sessions")},
    compute=lambda frames, options: likely_doubles(frames["sessions"]),
    only_with="core.sessions",
)

_EPISODES_OF = ("sessions", "courses", "consults")


def _episodes(frames: Frames, options: Options) -> pl.DataFrame:
    whose = clocks(**{name: frames[name] for name in _REGISTER_READS})
    sessions = placed_sessions(frames["sessions"], whose).filter("is_delivered")
    return EPISODES.table.conform(
        treatment.episodes(
            sessions, frames["courses"], frames["consults"], gap_days=options.episode_gap_days
        )
    )


EPISODES = CoreStep(
    table=CORE_TABLES["episodes"],
    inputs=tuple(f"core.{name}" for name in (*_EPISODES_OF, *_REGISTER_READS)),
    keys=("patient_id",),
    reads={**_REGISTER_READS, **{name: all_of(f"core.{name}") for name in _EPISODES_OF}},
    compute=_episodes,
    only_with="core.sessions",
    keyed_reads={
        name: all_of(f"core.{name}") + " SEMI JOIN keys USING (patient_id)" for name in _EPISODES_OF
    },
    touched_by={f"core.{name}": by("patient_id") for name in (*_EPISODES_OF, "patients")},
)

_RECORDS_IN_ORDER = (*REGISTERS, *(name for name in CORE_RECORDS if name not in REGISTERS))

CORE: dict[str, CoreStep] = {
    step.table.name: step
    for step in (
        _record("clinics"),
        IDENTITIES,
        *(
            _enrolments() if name == "study_enrolments" else _record(name)
            for name in _RECORDS_IN_ORDER
            if name != "clinics"
        ),
        ACTIVITY_DAYS,
        WALKING_DAYS,
        TELEMETRY_SESSIONS,
        ORPHANS,
        CONFLICTS,
        LIKELY_DOUBLES,
        EPISODES,
        IMPLAUSIBLE,
    )
}
