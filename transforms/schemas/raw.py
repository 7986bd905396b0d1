"""The topics' data and the tables of `raw`: what arrived, as it arrived.

Here: every field of every topic, once; the raw tables and their bookkeeping follow from it.
Not here: the envelope's rules and decoding (ingest/contract.py, ingest/decode.py).
"""

from dataclasses import dataclass

import polars as pl

from .base import TIMESTAMP, Column, Json, JsonList, Table

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP
SL, FL = pl.List(pl.String), pl.List(pl.Float64)

MODALITIES = ("whole_body", "partial_body", "local")
INDICATIONS = (
    "chronic_low_back_pain",
    "chronic_neck_pain",
    "radicular_pain",
    "spondyloarthritis",
    "post_surgical_back_pain",
    "migraine",
    "other",
)

# metric -> (UCUM unit, lowest and highest value that is physically possible, meaning)
METRICS: dict[str, tuple[str, float, float, str]] = {
    "step_count": ("{steps}", 0, 100_000, "steps in the interval"),
    "heart_rate": ("/min", 0, 400, "heart rate"),
    "heart_rate_variability_sdnn": ("ms", 0, 2_000, "SDNN; never pooled with RMSSD"),
    "heart_rate_variability_rmssd": ("ms", 0, 2_000, "RMSSD; never pooled with SDNN"),
    "lumbar_flexion": ("deg", -180, 180, "lumbar flexion angle"),
    "walking_asymmetry": ("%", 0, 100, "walking asymmetry"),
    "sleep_duration": ("min", 0, 1_440, "sleep"),
    "nightly_skin_temperature_deviation": ("K", -20, 20, "deviation from the wearer's own nights"),
    "worn": ("1", 0, 1, "1 worn, 0 not worn"),
    "daily_step_count": (
        "{steps}",
        0,
        500_000,
        "the vendor's own total of a day; never added to minutes",
    ),
}

# signal -> (lowest, highest)
SIGNALS: dict[str, tuple[float, float]] = {
    "cabin_temp_c": (-273.15, 100),
    "skin_temp_c": (-100, 60),
    "room_oxygen_pct": (0, 100),
}

# instrument -> {item code: (lowest, highest)}
_PAIN_ITEMS = ("average_7d", "back_7d", "leg_7d", "neck_7d", "now")
INSTRUMENTS: dict[str, dict[str, tuple[float, float]]] = {
    "nrs_pain": dict.fromkeys(_PAIN_ITEMS, (0, 10)),
    "vas_pain": dict.fromkeys(_PAIN_ITEMS, (0, 100)),
    "pain_index": {"index": (0, 100)},
    "pain_days_28": {"days": (0, 28)},
    "odi": {f"s{k}": (0, 5) for k in range(1, 11)},
    "rmdq": {f"q{k}": (0, 1) for k in range(1, 25)},
    "ndi": {f"s{k}": (0, 5) for k in range(1, 11)},
    "promis_pi_4a": {f"q{k}": (1, 5) for k in range(1, 5)},
    "promis_pi_6a": {f"q{k}": (1, 5) for k in range(1, 7)},
    "promis_pf_6b": {f"q{k}": (1, 5) for k in range(1, 7)},
    "promis_29": {
        **{
            f"{d}{k}": (1, 5)
            for d in ("pf", "anx", "dep", "fat", "slp", "soc", "pi")
            for k in range(1, 5)
        },
        "pain": (0, 10),
    },
    "pgic": {"pgic": (1, 7)},
    "eq_5d_5l": {**dict.fromkeys(("mo", "sc", "ua", "pd", "ad"), (1, 5)), "vas": (0, 100)},
    "start_back": {f"q{k}": (0, 4) if k == 9 else (0, 1) for k in range(1, 10)},
}

SAFETY_TOPICS = (
    "adverse_events",
    "deficiencies",
    "incidents",
    "consults",
    "screenings",
    "sessions",
)


@dataclass(frozen=True)
class Topic:
    """A topic and its event type: `name` is the middle part (`sessions`), `record_id` the id column
    of `data`.
    """

    name: str
    comment: str
    record_id: str
    fields: tuple[Column, ...]
    is_series: bool = False

    @property
    def type(self) -> str:
        return f"floe.{self.name}.v1"

    @property
    def is_safety(self) -> bool:
        return self.name in SAFETY_TOPICS


def _c(name, dtype, comment, unit=None, *, lo=None, hi=None, closed=None, sent_as=None):
    """A field; a name ending in `!` is required, as in the contract's table."""
    required = name.endswith("!")
    return Column(name.rstrip("!"), dtype, comment, unit, required, closed, lo, hi, sent_as)


def _temp(name, comment):
    return _c(name, F, comment, "°C", lo=-273.15, hi=100)


_CLINIC = _c("clinic_id", S, "clinic where it happened")
_CLINIC_REQUIRED = _c("clinic_id!", S, "clinic where it happened")
_PATIENT = _c("patient_id!", S, "patient (a pseudonym)")
_DEVICE = _c("device_id", S, "device")
_SESSION = _c("session_id", S, "session it belongs to")
_MODALITY = _c("modality!", S, "kind of cryotherapy", closed=MODALITIES)
_STARTED = _c("started_at!", T, "start")
_INTERVAL = _c(
    "interval_s!",
    F,
    "time between two samples; sample k is at started_at + k * interval_s",
    "s",
    lo=0,
)
_VALUES = _c("values!", FL, "samples; null where not measured")
_ALLOCATION = _c(
    "allocation",
    S,
    "how the arm came about",
    closed=("randomised", "concurrent", "historical", "waitlist"),
)

CORRECTION = (
    _c(
        "revision",
        I,
        "revision of the record; of those of one source the highest counts; null = unversioned",
        lo=0,
    ),
    _c("record_status", S, "active, or entered in error", closed=("active", "entered_in_error")),
    _c("recorded_at", T, "when it was written down; ordered as of landing where not given"),
    _c("recorded_by_role", S, "role of who wrote it down"),
)

TOPICS: tuple[Topic, ...] = (
    Topic(
        "clinics",
        "Clinics.",
        "clinic_id",
        (
            _c("clinic_id!", S, "clinic"),
            _c("name", S, "name"),
            _c("region", S, "region"),
            _c("country", S, "ISO 3166 country code"),
            _c("timezone!", S, "IANA time zone"),
            _c("is_device_user_facility", B, "a device user facility under 21 CFR 803"),
        ),
    ),
    Topic(
        "devices",
        "Cryotherapy devices, wearables and monitors.",
        "device_id",
        (
            _c("device_id!", S, "device"),
            _CLINIC,
            _c("kind!", S, "kind of device", closed=("cryo", "wearable", "room_monitor", "other")),
            _c("modality", S, "kind of cryotherapy; cryo only", closed=MODALITIES),
            _c("manufacturer", S, "manufacturer"),
            _c("model", S, "model"),
            _c("firmware", S, "firmware"),
            _c("body_position", S, "where it is worn"),
            _c("calibrated_on", D, "last calibration"),
            _c("calibration_due_on", D, "next calibration due"),
            _c("retired_on", D, "taken out of use"),
            _c("retired_reason", S, "why it was taken out of use, or put back"),
        ),
    ),
    Topic(
        "protocols",
        "Protocol versions: the limits a session is judged by.",
        "protocol_id",
        (
            _c("protocol_id!", S, "protocol"),
            _c("effective_from!", T, "in force from"),
            _CLINIC,
            _MODALITY,
            _temp("cabin_min_temp_c", "coldest cabin temperature allowed"),
            _temp("cabin_max_temp_c", "warmest cabin temperature allowed"),
            _c("max_duration_s", F, "longest exposure allowed", "s", lo=0),
            _c("min_hours_between_sessions", F, "shortest spacing allowed", "h", lo=0),
            _c("max_sessions_per_week", I, "most sessions in seven days", lo=0),
            _temp("skin_min_temp_c", "coldest skin temperature allowed"),
            _c("room_min_oxygen_pct", F, "lowest room oxygen allowed", "%", lo=0, hi=100),
        ),
    ),
    Topic(
        "studies",
        "Studies: arms, masking, planned visits, stratification.",
        "study_id",
        (
            _c("study_id!", S, "study"),
            _c("title", S, "title"),
            _c("reference_arm", S, "arm that the others are compared with"),
            _c(
                "masked_until",
                D,
                "first day on which comparisons by arm may be shown; null = not masked",
            ),
            _c(
                "planned_visits",
                JsonList,
                "list of objects: visit, target_day, from_day, to_day (study days, no day 0)",
            ),
            _c("stratification", SL, "factors of a stratified allocation"),
            _c("primary", Json, "object: parameter, visit, method"),
        ),
    ),
    Topic(
        "study_enrolments",
        "Patients in studies.",
        "enrolment_id",
        (
            _c("enrolment_id!", S, "enrolment"),
            _c("study_id!", S, "study"),
            _PATIENT,
            _c("subject_id", S, "the patient's number in the study"),
            _c("clinic_id", S, "clinic that enrolled the patient"),
            _c("arm", S, "arm of the study"),
            _ALLOCATION,
            _c("allocated_on", D, "allocation"),
            _c("strata", Json, "object of texts: factor of a stratified allocation to its level"),
            _c(
                "analysis_sets",
                Json,
                "object of texts: analysis set to in, or the reason for leaving out",
            ),
            _c("from!", D, "first day in the study"),
            _c("to", D, "last day in the study; null = open"),
        ),
    ),
    Topic(
        "patients",
        "Patients, by pseudonym.",
        "patient_id",
        (
            _PATIENT,
            _c("clinic_id!", S, "enrolling clinic"),
            _c("sex", S, "sex", closed=("female", "male", "other", "unknown")),
            _c("birth_year", I, "year of birth", lo=1880, hi=2100),
            _c("indication", S, "why treated", closed=INDICATIONS),
            _c("pain_sites", SL, "pain sites"),
            _c("pain_duration_months", F, "how long in pain", "months", lo=0),
            _c("enrolled_on!", D, "enrolment"),
            _c("study_id", S, "study of the arm; null = routine care"),
            _c("arm", S, "arm of a comparison"),
            _ALLOCATION,
            _c("allocated_on", D, "allocation"),
            _c("baseline_covariates", Json, "object of numbers"),
        ),
    ),
    Topic(
        "patient_status",
        "Leaving, pausing, moving, pregnancy, death, merged records.",
        "status_id",
        (
            _c("status_id!", S, "status record"),
            _PATIENT,
            _CLINIC,
            _c(
                "status!",
                S,
                "what changed",
                closed=(
                    "transferred",
                    "paused",
                    "resumed",
                    "completed",
                    "discontinued",
                    "withdrew",
                    "lost",
                    "pregnant",
                    "died",
                    "merged",
                    "split",
                ),
            ),
            _c("merged_into", S, "the patient id that this one became"),
            _c("effective_on!", D, "from this day"),
            _c("reason", S, "reason"),
        ),
    ),
    Topic(
        "consents",
        "Consent given and withdrawn.",
        "consent_id",
        (
            _c("consent_id!", S, "consent record"),
            _PATIENT,
            _c("scope!", S, "what for", closed=("care", "analytics", "research")),
            _c("status!", S, "given or withdrawn", closed=("given", "withdrawn")),
            _c("effective_at!", T, "from this moment"),
            _c("version", S, "version of the consent's text"),
        ),
    ),
    Topic(
        "consults",
        "A health professional's clearance before treatment.",
        "consult_id",
        (
            _c("consult_id!", S, "consult"),
            _PATIENT,
            _CLINIC,
            _c("occurred_at!", T, "when"),
            _c("outcome!", S, "decision", closed=("cleared", "deferred", "contraindicated")),
            _c("modalities", SL, "modalities it covers; null = all"),
            _c("contraindications", SL, "contraindication codes"),
            _c("valid_until", T, "end of validity"),
            _c("clearer_role", S, "role of who cleared"),
        ),
    ),
    Topic(
        "screenings",
        "The check before a session.",
        "screening_id",
        (
            _c("screening_id!", S, "screening"),
            _PATIENT,
            _CLINIC,
            _SESSION,
            _c("occurred_at!", T, "when"),
            _c("items", Json, "code to absent, present or not_asked"),
            _c("systolic_mmhg", F, "systolic blood pressure", "mmHg", lo=0, hi=400),
            _c("diastolic_mmhg", F, "diastolic blood pressure", "mmHg", lo=0, hi=300),
            _c("screening_version", S, "version of the list"),
        ),
    ),
    Topic(
        "courses",
        "The prescription of a course of sessions.",
        "course_id",
        (
            _c("course_id!", S, "course"),
            _c("continues", S, "the course that it prolongs"),
            _PATIENT,
            _CLINIC,
            _c("protocol_id", S, "protocol"),
            _c("prescribed_sessions", I, "sessions prescribed", lo=0),
            _c("starts_on!", D, "first day"),
            _c("ends_on", D, "last day"),
            _c("prescriber_role", S, "role of who prescribed"),
        ),
    ),
    Topic(
        "sessions",
        "Cryotherapy sessions, delivered or not.",
        "session_id",
        (
            _c("session_id!", S, "session"),
            _PATIENT,
            _CLINIC_REQUIRED,
            _DEVICE,
            _c("protocol_id", S, "protocol"),
            _c("course_id", S, "course"),
            _MODALITY,
            _c(
                "status",
                S,
                "what came of it; delivered where not given",
                closed=("delivered", "aborted", "missed", "cancelled"),
            ),
            _c("regions", SL, "body regions"),
            _STARTED,
            _c("duration_s", F, "exposure", "s", lo=0, hi=86_400),
            _temp("setpoint_c", "setpoint"),
            _temp("cabin_min_temp_c", "coldest cabin temperature"),
            _temp("skin_temp_pre_c", "skin temperature before"),
            _temp("skin_temp_min_c", "coldest skin temperature"),
            _temp("skin_temp_post_c", "skin temperature after"),
            _c("room_min_oxygen_pct", F, "lowest room oxygen", "%", lo=0, hi=100),
            _c(
                "stop_reason",
                S,
                "why it ended",
                closed=("completed", "patient", "operator", "interlock"),
            ),
            _c("adverse_events_asked", B, "the patient was asked about side effects"),
        ),
    ),
    Topic(
        "telemetry",
        "Device series: cabin and skin temperature, room oxygen.",
        "device_id",
        (
            _c("device_id!", S, "device"),
            _CLINIC,
            _SESSION,
            _c("signal!", S, "what was measured", closed=tuple(SIGNALS)),
            _c("site", S, "body site of a skin probe"),
            _STARTED,
            _INTERVAL,
            _VALUES,
        ),
        is_series=True,
    ),
    Topic(
        "readings",
        "Wearable series.",
        "patient_id",
        (
            _PATIENT,
            _DEVICE,
            _c("metric!", S, "what was measured", closed=tuple(METRICS)),
            _c("unit!", S, "UCUM unit"),
            _STARTED,
            _INTERVAL,
            _VALUES,
        ),
        is_series=True,
    ),
    Topic(
        "retractions",
        "Series taken back: a wrong patient, time zone or file.",
        "retraction_id",
        (
            _c("retraction_id!", S, "retraction"),
            _c("patient_id", S, "of this patient, as the series names them; null = any"),
            _c("device_id", S, "of this device; null = any"),
            _c(
                "series_source",
                S,
                "of this source of events (the field `source` of the event); null = any",
                sent_as="source",
            ),
            _c("metric", S, "of this metric or signal; null = any"),
            _c("from!", T, "of series that start at this moment or day, or later"),
            _c("to!", T, "of series that start at this moment or day, or earlier"),
            _c("reason!", S, "reason"),
        ),
    ),
    Topic(
        "walking_bouts",
        "Walking bouts.",
        "bout_id",
        (
            _c("bout_id!", S, "walking bout"),
            _PATIENT,
            _DEVICE,
            _STARTED,
            _c("duration_s!", F, "duration", "s", lo=0),
            _c("steps", F, "steps", lo=0),
            _c("turns", F, "turns", lo=0),
            _c("cadence_spm", F, "cadence", "steps/min", lo=0),
            _c("stride_length_m", F, "stride length", "m", lo=0),
            _c("stride_duration_s", F, "stride duration", "s", lo=0),
            _c("walking_speed_mps", F, "walking speed", "m/s", lo=0),
        ),
    ),
    Topic(
        "performance_tests",
        "Performance tests in the clinic.",
        "test_id",
        (
            _c("test_id!", S, "test"),
            _PATIENT,
            _CLINIC,
            _c("performed_at!", T, "when"),
            _c(
                "test!",
                S,
                "which test",
                closed=(
                    "six_minute_walk",
                    "timed_up_and_go",
                    "five_sit_to_stand",
                    "stair_climb_1_min",
                    "fifty_foot_walk",
                    "gait_speed_4_m",
                    "lumbar_flexion_rom",
                ),
            ),
            _c(
                "value",
                F,
                "result, in the test's unit (m, s, s, steps, s, m/s, deg); null = not done",
                lo=0,
            ),
            _c("is_assisted", B, "walking aid or help"),
        ),
    ),
    Topic(
        "responses",
        "Questionnaires.",
        "response_id",
        (
            _c("response_id!", S, "response"),
            _PATIENT,
            _CLINIC,
            _c("instrument!", S, "questionnaire"),
            _c("instrument_version", S, "its version"),
            _c(
                "context",
                S,
                "why asked; scheduled where not given",
                closed=("scheduled", "pre_session", "post_session"),
            ),
            _SESSION,
            _c("answered_at!", T, "when answered"),
            _c("items!", Json, "item code to number or null"),
            _c("language", S, "language"),
            _c("mode", S, "how asked", closed=("app", "paper", "interview", "proxy")),
        ),
    ),
    Topic(
        "adverse_events",
        "Adverse events of patients.",
        "ae_id",
        (
            _c("ae_id!", S, "adverse event"),
            _PATIENT,
            _CLINIC,
            _SESSION,
            _DEVICE,
            _c("term!", S, "as reported"),
            _c("preferred_term", S, "coded term"),
            _c("body_system", S, "body system"),
            _c("body_site", S, "body site"),
            _c("grade", I, "CTCAE v5 grade at its worst", lo=1, hi=5),
            _c("initial_grade", I, "grade at onset", lo=1, hi=5),
            _c("is_serious", B, "serious"),
            _c("serious_criteria", SL, "criteria of seriousness"),
            _c("related", S, "causality", closed=("not_related", "possible", "probable", "causal")),
            _c("is_expected", B, "expected"),
            _c(
                "injury_kind",
                S,
                "kind of injury",
                closed=("frostbite", "burn", "asphyxia", "syncope", "nerve", "other"),
            ),
            _c("ascertainment", S, "how it came to be known", closed=("solicited", "spontaneous")),
            _c("onset_at", T, "onset; null = unknown"),
            _c("resolved_at", T, "resolution"),
            _c(
                "outcome",
                S,
                "outcome",
                closed=(
                    "ongoing",
                    "resolving",
                    "resolved",
                    "resolved_with_sequelae",
                    "fatal",
                    "unknown",
                ),
            ),
            _c("action_taken", S, "action taken"),
            _c("aware_at", T, "when the clinic became aware"),
            _c("reviewed_at", T, "when reviewed"),
            _c("reported_at", T, "when reported"),
            _c("reported_to", S, "to whom reported"),
        ),
    ),
    Topic(
        "deficiencies",
        "Device deficiencies, with or without harm.",
        "deficiency_id",
        (
            _c("deficiency_id!", S, "deficiency"),
            _c("device_id!", S, "device"),
            _CLINIC,
            _SESSION,
            _c("occurred_at!", T, "when"),
            _c("kind!", S, "kind"),
            _c("could_have_led_to_sae", B, "could have led to a serious adverse event"),
        ),
    ),
    Topic(
        "incidents",
        "Harm to anyone but a patient, or none.",
        "incident_id",
        (
            _c("incident_id!", S, "incident"),
            _CLINIC_REQUIRED,
            _DEVICE,
            _c("occurred_at!", T, "when"),
            _c("subject_kind!", S, "who", closed=("staff", "visitor", "none")),
            _c("kind!", S, "kind"),
            _c("is_serious", B, "serious"),
            _c("aware_at", T, "when the clinic became aware"),
        ),
    ),
    Topic(
        "alerts",
        "Alerts written by Floe.",
        "alert_id",
        (
            _c("alert_id!", S, "alert"),
            _c("rule!", S, "rule"),
            _c("severity", S, "severity"),
            _CLINIC,
            _c("subject_kind", S, "what it is about"),
            _c("subject_id", S, "its id"),
            _c("evidence", SL, "ids of events"),
            _c("occurred_at!", T, "when"),
            _c("tier", S, "how soon somebody must know", closed=("now", "today", "noted")),
            _c("state", S, "state", closed=("open", "acknowledged", "investigating", "closed")),
            _c("assigned_role", S, "role that has it in hand"),
            _c("finding", S, "what was found"),
            _c(
                "news",
                S,
                "what changed",
                closed=(
                    "opened",
                    "raised",
                    "moved",
                    "lowered",
                    "changed",
                    "opened_again",
                    "acknowledged",
                    "investigating",
                    "closed",
                ),
            ),
            _c("cause", S, "which of several of one rule and subject; empty where there is one"),
            _DEVICE,
            _c("level", I, "how grave by its own measure: a grade, a count", lo=0),
            _c(
                "gravity",
                I,
                "level and 10 for each tier above noted that its rule gives it; told again where it rises",
                lo=0,
            ),
            _c("landed_at", T, "when its evidence landed"),
            _c("told_at", T, "when it was last told"),
            _c("acknowledged_at", T, "when somebody took it in hand"),
            _c("acknowledged_by", S, "who"),
            _c("action", S, "what is done about it"),
            _c("action_due_on", D, "by when"),
        ),
    ),
    Topic(
        "care",
        "Other care: medication, injections, surgery, visits.",
        "care_id",
        (
            _c("care_id!", S, "care record"),
            _PATIENT,
            _CLINIC,
            _c(
                "kind!",
                S,
                "kind of care",
                closed=(
                    "analgesic",
                    "opioid",
                    "injection",
                    "surgery",
                    "physiotherapy",
                    "exercise",
                    "psychological",
                    "manual",
                    "other_thermal",
                    "neuromodulation",
                    "visit",
                    "none_since_last",
                ),
            ),
            _c("code_system", S, "code system"),
            _c("code", S, "code"),
            _c(
                "daily_dose_mme", F, "daily dose in morphine milligram equivalents", "MME/day", lo=0
            ),
            _c("is_rescue", B, "rescue"),
            _c("occurred_at!", T, "when"),
            _c("ended_at", T, "end"),
            _c("reported_through", T, "care is known up to here"),
        ),
    ),
)

TOPIC_BY_NAME = {t.name: t for t in TOPICS}

POSITION = (
    Column("kafka_topic", S, "Kafka topic", required=True),
    Column(
        "kafka_topic_id",
        S,
        "the topic's id: another one under the same name is another topic; #2 and so on behind it: a "
        "log of that topic which parted from the one that had landed (a broker put back to an older state)",
        required=True,
    ),
    Column("kafka_partition", pl.Int32, "partition", required=True),
    Column("kafka_offset", I, "offset in the partition", required=True),
)
ENVELOPE = (
    *POSITION,
    Column("event_id", S, "CloudEvents id; with source it identifies the event", required=True),
    Column("source", S, "CloudEvents source", required=True),
    Column("event_time", T, "CloudEvents time: when it happened", required=True),
    Column("utc_offset_min", pl.Int32, "UTC offset that event_time was written with", "min"),
    Column("ingested_at", T, "when it was landed", required=True),
)
EXTRA = Column(
    "extra", Json, "fields that the contract does not know, by name; null where there are none"
)

_BY_LOCAL_DAY = Column(
    "is_by_local_day", B, "from and to are days, of the series' own clock: its UTC offset, else UTC"
)
_STARTED_OFFSET = Column(
    "started_utc_offset_min", pl.Int32, "UTC offset that started_at was written with", "min"
)


def data_columns(topic: Topic) -> tuple[Column, ...]:
    """The topic's fields, correction fields (not for a series) and, beside a closed list,
    `NAME_raw`.
    """
    fields = topic.fields + (() if topic.is_series else CORRECTION)
    columns: list[Column] = []
    for c in fields:
        if c.closed:
            columns.append(
                Column(
                    c.name,
                    c.dtype,
                    c.comment,
                    c.unit,
                    c.required,
                    c.closed + (() if "other" in c.closed else ("other",)),
                )
            )
            columns.append(
                Column(f"{c.name}_raw", S, f"{c.name} as sent, where it is not in the closed list")
            )
        else:
            columns.append(c)
        if c.name == "started_at" and topic.is_series:
            columns.append(_STARTED_OFFSET)
        if c.name == "to" and topic.name == "retractions":
            columns.append(_BY_LOCAL_DAY)
    return tuple(columns)


def raw_table(topic: Topic) -> Table:
    return Table(
        "raw",
        topic.name,
        f"{topic.comment} Append-only: one row an event of {topic.type}, as it arrived.",
        (*ENVELOPE, *data_columns(topic), EXTRA),
        ("kafka_topic_id", "kafka_partition", "kafka_offset"),
    )


RAW_TABLES: dict[str, Table] = {t.name: raw_table(t) for t in TOPICS}

REJECTS = Table(
    "raw",
    "rejects",
    "One row a record that broke the contract: position and reason, and its bytes up to the bound of a flood.",
    (
        *POSITION,
        Column("reason", S, "reason code (closed list: ingest/contract.py)", required=True),
        Column("field", S, "field that broke the contract"),
        Column("detail", S, "what was found and what was expected"),
        Column("key", pl.Binary, "the record's key"),
        Column("value", pl.Binary, "the record's bytes; of a batched record the event's"),
        Column(
            "headers",
            Json,
            'the record\'s headers: [[name, value], ...], what is not UTF-8 as {"base64": ...}; null without',
        ),
        Column(
            "part", I, "which event of a batched record, from 0; null = the record is one event"
        ),
        Column("is_safety", B, "of a safety topic", required=True),
        Column("ingested_at", T, "when it was set aside", required=True),
        Column("replayed_at", T, "when it was published again"),
        Column(
            "checksum",
            S,
            "of a record beyond the bound of its topic, reason and hour (FLOE_REJECTS_WHOLE_MB), which is kept "
            "as position, reason and this: BLAKE2b-64 over the value's length and bytes; null = the record is whole",
        ),
    ),
    ("kafka_topic_id", "kafka_partition", "kafka_offset", "part"),
)
# By what Kafka's log is known again; all null where no record is remembered (what an earlier
# release landed, lost records)
LAST_RECORD = (
    Column(
        "last_offset",
        I,
        "offset of the last record before the next position, markers and aborted ones included",
    ),
    Column(
        "last_leader_epoch",
        pl.Int32,
        "leader epoch under which Kafka appended it; -1 = Kafka has none",
    ),
    Column(
        "last_checksum",
        S,
        "BLAKE2b-64 over its time, key, value and headers; batch:… over a batch that can't be read",
    ),
    Column(
        "last_appended_at",
        T,
        "when Kafka appended it; null where the topic's times are the producers'",
    ),
)
STREAM_OFFSETS = Table(
    "raw",
    "stream_offsets",
    "Next position of each partition: the truth about what has landed.",
    (
        *POSITION[:3],
        Column("next_offset", I, "position of the next record", required=True),
        Column("updated_at", T, "last moved", required=True),
        *LAST_RECORD,
    ),
    ("kafka_topic", "kafka_topic_id", "kafka_partition"),
)
LEDGER = Table(
    "raw",
    "ledger",
    "One row a landed batch of a partition; positions are contiguous.",
    (
        *POSITION[:3],
        Column("first_position", I, "position of the first record", required=True),
        Column("next_position", I, "position after the last record", required=True),
        Column("rows", I, "rows landed", required=True),
        Column("rejects", I, "records set aside", required=True),
        Column(
            "checksum",
            S,
            "BLAKE2b-64 over the values' lengths and bytes, in order; lost where Kafka deleted the records "
            "unread, unknown for what was gone before Floe first looked; where Kafka's log was no more the one that had "
            "landed, what was chosen: parted (the positions up to where the two part are those of the log before) or "
            "beginning (the log is landed from its beginning)",
            required=True,
        ),
        Column("landed_at", T, "when", required=True),
        *LAST_RECORD,
        Column(
            "landed_again_at",
            T,
            "when its records were landed again from Kafka, because a file that held them was damaged; null = never",
        ),
        Column(
            "rejects_reduced",
            I,
            "of the records set aside, how many are kept as position, reason and checksum alone; null = none",
        ),
    ),
    ("kafka_topic", "kafka_topic_id", "kafka_partition", "first_position", "next_position"),
)
REJECT_HOURS = Table(
    "raw",
    "reject_hours",
    "One row a topic, reason and hour in which records were set aside: how many, how they are kept, "
    "and what their alert has told.",
    (
        Column("kafka_topic", S, "Kafka topic", required=True),
        Column("reason", S, "reason code", required=True),
        Column("hour", T, "the hour's beginning (UTC)", required=True),
        Column("is_safety", B, "of a safety topic", required=True),
        Column("records", I, "records set aside", required=True),
        Column(
            "reduced",
            I,
            "of these, how many are kept as position, reason and checksum alone",
            required=True,
        ),
        Column(
            "whole_bytes",
            I,
            "keys, values and headers of those that are kept whole",
            "B",
            required=True,
        ),
        Column("first_at", T, "when the first was set aside", required=True),
        Column("last_at", T, "when the last was set aside", required=True),
        Column("alert_id", S, "the alert that tells of them; null = not of a safety topic"),
        Column(
            "raised_at", T, "when the alert was raised; null = not, or all of them were read since"
        ),
        Column("told", I, "of how many records the alert's last event told; null = of none"),
    ),
    ("kafka_topic", "reason", "hour"),
)
BOOKKEEPING = (REJECTS, STREAM_OFFSETS, LEDGER, REJECT_HOURS)
