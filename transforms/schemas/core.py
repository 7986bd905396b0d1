"""The tables of `core`: deduplicated, corrected, typed; a row a thing or a day.

Here: their columns. Not here: how they are computed (transforms/records/current.py,
series/activity.py, series/telemetry.py).
"""

from dataclasses import replace

import polars as pl

from .base import TIMESTAMP, Column, Json, Outside, Table
from .raw import ENVELOPE, TOPICS, data_columns

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP

_LINEAGE = tuple(
    c
    for c in ENVELOPE
    if c.name in ("event_id", "source", "event_time", "utc_offset_min", "ingested_at")
)


_GIVEN = Column(
    "is_recorded_at_given",
    B,
    "recorded_at was sent; where not, it is the event's time",
    required=True,
)


_ASIDE = Column(
    "is_set_aside",
    B,
    "it contradicts the patient's death: its moments are null until one is corrected (core.implausible)",
)


# Records that are of no person, and what of them a reader from outside sees
_OPEN = {
    "clinics": {
        "clinic_id": Outside.KEY,
        "name": Outside.OPEN,
        "country": Outside.OPEN,
        "timezone": Outside.OPEN,
    },
}


def _core_table(topic) -> Table:
    """What can't be true is null in core, so no moment, day or time zone of raw is required
    here.
    """
    data = (*(c for c in data_columns(topic) if not c.name.startswith("record_status")), _GIVEN)
    columns = (*data, *_LINEAGE, *((_ASIDE,) if _is_lived(topic) else ()))
    open_columns = _OPEN.get(topic.name, {})
    columns = (replace(c, outside=open_columns.get(c.name, c.outside)) for c in columns)
    return Table(
        "core",
        topic.name,
        f"{topic.comment} One row a {topic.record_id}: the revision that counts; "
        "entries in error are left out, what can't be true is null (core.implausible).",
        tuple(_maybe_null(c) for c in columns),
        (topic.record_id,),
    )


def _is_lived(topic) -> bool:
    return topic.record_id != "patient_id" and any(c.name == "patient_id" for c in topic.fields)


def _maybe_null(column: Column) -> Column:
    is_judged = column.dtype in (D, T) or column.name == "timezone"
    return replace(
        column, required=column.required and (not is_judged or column.name == "ingested_at")
    )


# A protocol has a row a version: a session is judged by the one in force at its start.
CORE_RECORDS: dict[str, Table] = {t.name: _core_table(t) for t in TOPICS if not t.is_series}
CORE_RECORDS["protocols"] = Table(
    "core",
    "protocols",
    "Protocol versions, one row a protocol and moment in force from.",
    tuple(
        replace(c, required=c.required or c.name == "effective_from")
        for c in CORE_RECORDS["protocols"].columns
    ),
    ("protocol_id", "effective_from"),
)

CORE_RECORDS["study_enrolments"] = replace(
    CORE_RECORDS["study_enrolments"],
    comment="Patients in studies, one row an enrolment: explicit ones, and the short form of a patient's record "
    "(study_id, arm; its id is STUDY:PATIENT) where the patient has no explicit one in that study.",
)

# Cadence bands, steps/min (stepmetrics 1.0.3): name -> (lowest, lowest of the next)
CADENCE_BANDS_SPM = {
    "0": (0, 1),
    "1_19": (1, 20),
    "20_39": (20, 40),
    "40_59": (40, 60),
    "60_79": (60, 80),
    "80_99": (80, 100),
    "100_119": (100, 120),
    "120_plus": (120, None),
}

ACTIVITY_DAYS = Table(
    "core",
    "activity_days",
    "One row a patient, device and local day of wearable readings; samples resolved (of two of one instant, "
    "that in the later event counts).",
    (
        Column("patient_id", S, "patient", required=True),
        Column("device_id", S, "device; empty text where the reading names none", required=True),
        Column("day", D, "local calendar day", required=True),
        Column(
            "is_timezone_assumed",
            B,
            "some reading had no UTC offset: the clinic's time zone was used",
            required=True,
        ),
        Column("day_length_h", F, "length of the local day", "h"),
        Column(
            "recorded_minutes",
            F,
            "minutes with a step count of a minute or less; the cadence bands add up to it",
            "min",
        ),
        Column("wear_minutes", F, "minutes worn; null where nothing tells", "min"),
        Column("wear_source", S, "what tells it", closed=("worn", "heart_rate")),
        Column("steps", F, "steps of the day, from samples shorter than a day", "steps"),
        Column("vendor_steps", F, "the vendor's own total; never added to steps", "steps"),
        *(
            Column(
                f"minutes_{band}_spm",
                F,
                f"minutes at cadence {low} to {'more' if high is None else f'below {high}'}",
                "min",
            )
            for band, (low, high) in CADENCE_BANDS_SPM.items()
        ),
        Column("mvpa_minutes", F, "minutes at 100 steps/min or more", "min"),
        Column("vigorous_minutes", F, "minutes at 130 steps/min or more", "min"),
        Column("peak_1_spm", F, "highest minute's cadence", "steps/min"),
        Column(
            "peak_30_spm",
            F,
            "mean of the 30 highest minutes, not necessarily consecutive",
            "steps/min",
        ),
        Column(
            "peak_60_spm",
            F,
            "mean of the 60 highest minutes, not necessarily consecutive",
            "steps/min",
        ),
        Column("heart_rate_mean", F, "mean of the heart-rate samples", "/min"),
        Column("heart_rate_variability_sdnn_mean", F, "mean SDNN", "ms"),
        Column("heart_rate_variability_rmssd_mean", F, "mean RMSSD", "ms"),
        Column("lumbar_flexion_max", F, "largest lumbar flexion", "deg"),
        Column("walking_asymmetry_mean", F, "mean walking asymmetry", "%"),
        Column("sleep_duration_min", F, "sleep", "min"),
        Column(
            "nightly_skin_temperature_deviation_k",
            F,
            "mean nightly skin temperature deviation",
            "K",
        ),
        Column("samples", I, "non-null samples", required=True),
        Column("last_event_id", S, "the latest event that contributed"),
    ),
    ("patient_id", "device_id", "day"),
)

# The aggregation of Mobilise-D (mobgap): a column a statistic and group of bouts, with the unit in
# the name.
_GROUPS = {
    "all": "all bouts",
    "10_30": "10 s < duration <= 30 s",
    "10": "duration > 10 s",
    "30": "duration > 30 s",
    "60": "duration > 60 s",
}


def _walking_columns() -> tuple[Column, ...]:
    columns = [Column(f"bouts_{g}", I, f"walking bouts, {text}") for g, text in _GROUPS.items()]
    columns += [
        Column("walking_duration_h", F, "total walking duration, all bouts", "h"),
        Column("walking_steps", F, "steps in walking bouts, all bouts", "steps"),
        Column("turns", F, "turns in walking bouts, all bouts"),
        Column("bout_duration_median_s", F, "median bout duration, all bouts", "s"),
        Column("bout_duration_p90_s", F, "90th percentile of bout duration, all bouts", "s"),
        Column("bout_duration_cv", F, "coefficient of variation of bout duration, a ratio"),
    ]
    spec = {
        "cadence_spm": ("cadence", "steps/min", {"all": ("mean", "cv"), "30": ("mean", "p90")}),
        "stride_duration_s": ("stride duration", "s", {"all": ("mean", "cv"), "30": ("mean",)}),
        "stride_length_cm": ("stride length", "cm", {"10_30": ("mean",), "30": ("mean", "cv")}),
        "walking_speed_mps": (
            "walking speed",
            "m/s",
            {"10_30": ("mean",), "10": ("p90",), "30": ("mean", "p90", "cv")},
        ),
    }
    for name, (text, unit, groups) in spec.items():
        for group, stats in groups.items():
            columns += [
                Column(
                    f"{name}_{group}_{stat}",
                    F,
                    f"{stat} {text}, {_GROUPS[group]}",
                    None if stat == "cv" else unit,
                )
                for stat in stats
            ]
    return tuple(columns)


WALKING_DAYS = Table(
    "core",
    "walking_days",
    "One row a patient, device and local day of walking bouts (Mobilise-D aggregation).",
    (
        Column("patient_id", S, "patient", required=True),
        Column("device_id", S, "device; empty text where the bout names none", required=True),
        Column("day", D, "local calendar day of the bout's start", required=True),
        Column("is_timezone_assumed", B, "the clinic's time zone was used", required=True),
        *_walking_columns(),
    ),
    ("patient_id", "device_id", "day"),
)

TELEMETRY_SESSIONS = Table(
    "core",
    "telemetry_sessions",
    "One row a session with telemetry: what the device itself measured.",
    (
        Column("session_id", S, "session", required=True),
        Column("cabin_min_temp_c", F, "coldest cabin sample", "°C"),
        Column("cabin_max_temp_c", F, "warmest cabin sample during exposure", "°C"),
        Column("skin_min_temp_c", F, "coldest skin sample, any site", "°C"),
        Column("skin_last_temp_c", F, "last skin sample", "°C"),
        Column("room_min_oxygen_pct", F, "lowest room oxygen sample", "%"),
        Column(
            "skin_rewarming_min",
            F,
            "minutes from the session's end until the skin is back within 1 K of its value before it; null where it was not seen to be",
            "min",
        ),
        Column(
            "dose_k_s",
            F,
            "sum over exposure of max(0, 0 °C - cabin temperature) x seconds: a proposal, not validated",
            "K s",
        ),
        Column("samples", I, "non-null samples", required=True),
    ),
    ("session_id",),
)

ORPHANS = Table(
    "core",
    "orphans",
    "Landed records whose clinic, device, protocol or patient is not known yet, or that fit several of a clashing id.",
    (
        Column("table", S, "core table of the record", required=True),
        Column("record_id", S, "its id", required=True),
        Column(
            "missing_kind",
            S,
            "what is not known; record: which of several of its own id it is",
            required=True,
            closed=(
                "clinic",
                "device",
                "protocol",
                "patient",
                "session",
                "course",
                "merge_target",
                "record",
            ),
        ),
        Column("missing_id", S, "its id", required=True),
        Column("event_id", S, "event", required=True),
        Column("source", S, "its source", required=True),
    ),
    ("table", "record_id", "missing_kind", "event_id", "source"),
)

IDENTITIES = Table(
    "core",
    "identities",
    "One row an event of a record id that stands for more than one thing (two clinics that number alike), and what core "
    "calls it. Of a patient who was split or transferred also the clinic, without an event.",
    (
        Column("topic", S, "topic's middle part", required=True),
        Column("record_id", S, "the record's id as it was sent", required=True),
        Column("name", S, "what core and mart call the thing; null where the event fits several"),
        Column("is_active", B, "the thing counts: it was not entered in error", required=True),
        Column("clinic_id", S, "the event's clinic"),
        Column("patient_id", S, "the event's patient, as core names them"),
        Column("device_id", S, "the event's device, as core names it"),
        Column("source", S, "source of the event"),
        Column("event_id", S, "id of the event"),
    ),
    ("topic", "record_id", "source", "event_id", "clinic_id"),
)

CONFLICT_KINDS = {
    "copy_differs": "another event with the same source and id and other content: the first landed counts",
    "clash": "two things with one id: both count, under the names given here",
    "re_entry": "a record that was entered in error and entered again: it counts",
    "superseded": "a record that lost to a later one which is no plain revision of it, and differs",
}
CONFLICTS = Table(
    "core",
    "conflicts",
    "Events that contradict others of the same id, and what was made of it.",
    (
        Column(
            "kind",
            S,
            "; ".join(f"{k}: {text}" for k, text in CONFLICT_KINDS.items()),
            required=True,
            closed=tuple(CONFLICT_KINDS),
        ),
        Column("topic", S, "topic's middle part", required=True),
        Column("record_id", S, "the record's id as it was sent"),
        Column("name", S, "what core and mart call it; null where the event does not count"),
        Column("clinic_id", S, "the event's clinic"),
        Column("patient_id", S, "the event's patient, as it was sent"),
        Column("event_id", S, "id of the event", required=True),
        Column("source", S, "source of the event", required=True),
        Column("kafka_topic_id", S, "id of the event's topic", required=True),
        Column("kafka_partition", pl.Int32, "partition of the event", required=True),
        Column("kafka_offset", I, "its offset", required=True),
        Column("ingested_at", T, "when it was landed", required=True),
        Column("differs", Json, "fields that differ: name to [what counts, what this event says]"),
    ),
    ("kind", "topic", "event_id", "source", "kafka_topic_id", "kafka_partition", "kafka_offset"),
)

LIKELY_DOUBLES = Table(
    "core",
    "likely_doubles",
    "One row a session that is likely another record of an earlier one: of the same patient or on the same device, at "
    "equal or overlapping times. Both stay counted.",
    (
        Column("session_id", S, "session", required=True),
        Column("double_of", S, "the earlier session", required=True),
        Column("same", S, "what both have in common", required=True, closed=("patient", "device")),
        Column("patient_id", S, "patient of the session", required=True),
        Column("clinic_id", S, "clinic of the session", required=True),
        Column("device_id", S, "device of the session"),
        Column("started_at", T, "its start", required=True),
    ),
    ("session_id",),
)

IMPLAUSIBLE = Table(
    "core",
    "implausible",
    "What is well formed and can't be true, one row a record, field and rule; the field is null in core.",
    (
        Column("table", S, "table of the record", required=True),
        Column("record_id", S, "its id; of a series the event's", required=True),
        Column("field", S, "field that can't be true", required=True),
        Column("rule", S, "rule that it breaks", required=True),
        Column("sentence", S, "the rule in words", required=True),
        Column("found", S, "what was sent"),
        Column("against", S, "the field that it is held against, and that one's value"),
        Column("clinic_id", S, "the record's clinic"),
        Column("patient_id", S, "the record's patient"),
        Column("is_safety", B, "of a safety topic, or a death", required=True),
        Column(
            "is_contradiction",
            B,
            "another record says otherwise; which of the two is wrong is not known",
            required=True,
        ),
        Column(
            "is_set_aside",
            B,
            "the whole record counts nowhere until one of the two is corrected",
            required=True,
        ),
        Column("event_id", S, "event", required=True),
        Column("source", S, "its source", required=True),
        Column("ingested_at", T, "when it was landed", required=True),
    ),
    ("table", "record_id", "field", "rule", "source", "event_id"),
)

DATA_CUT = Table(
    "core",
    "data_cut",
    "One row: what core and mart were last computed from.",
    (
        Column("lake_snapshot", I, "snapshot of the lake", required=True),
        Column(
            "data_cutoff",
            T,
            "newest plausible event time, capped at the time it was ingested",
            required=True,
        ),
        Column("records", I, "records landed or set aside up to it", required=True),
        Column("started_at", T, "when the computation began", required=True),
    ),
    ("lake_snapshot",),
)

CORE_TABLES: dict[str, Table] = {
    **CORE_RECORDS,
    **{
        t.name: t
        for t in (
            ACTIVITY_DAYS,
            WALKING_DAYS,
            TELEMETRY_SESSIONS,
            IDENTITIES,
            ORPHANS,
            CONFLICTS,
            LIKELY_DOUBLES,
            IMPLAUSIBLE,
            DATA_CUT,
        )
    },
}
