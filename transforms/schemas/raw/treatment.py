"""The topics of treatment: consults, screenings, courses, sessions.

Here: their fields. Not here: what a device measured in a session (measurements.py).
"""

from ...facts.sessions import BOOKED, SESSION_VALUES
from ..base import Json
from .fields import (
    CLINIC,
    CLINIC_REQUIRED,
    DEVICE,
    MODALITY,
    PATIENT,
    SESSION,
    SL,
    STARTED,
    B,
    D,
    F,
    I,
    S,
    T,
    Topic,
    field,
)

TREATMENT: tuple[Topic, ...] = (
    Topic(
        "consults",
        "A health professional's clearance before treatment.",
        "consult_id",
        (
            field("consult_id!", S, "consult"),
            PATIENT,
            CLINIC,
            field("occurred_at!", T, "when"),
            field("outcome!", S, "decision", closed=("cleared", "deferred", "contraindicated")),
            field("modalities", SL, "modalities it covers; null = all"),
            field("contraindications", SL, "contraindication codes"),
            field("valid_until", T, "end of validity"),
            field("clearer_role", S, "role of who cleared"),
            field("had_cryotherapy_before", B, "the patient had cryotherapy before"),
        ),
    ),
    Topic(
        "screenings",
        "The check before a session.",
        "screening_id",
        (
            field("screening_id!", S, "screening"),
            PATIENT,
            CLINIC,
            SESSION,
            field("occurred_at!", T, "when"),
            field("items", Json, "code to absent, present or not_asked"),
            field("systolic_mmhg", F, "systolic blood pressure", "mmHg", lo=0, hi=400),
            field("diastolic_mmhg", F, "diastolic blood pressure", "mmHg", lo=0, hi=300),
            field("screening_version", S, "version of the list"),
        ),
    ),
    Topic(
        "courses",
        "The prescription of a course of sessions.",
        "course_id",
        (
            field("course_id!", S, "course"),
            field("continues", S, "the course that it prolongs"),
            PATIENT,
            CLINIC,
            field("protocol_id", S, "protocol"),
            field("prescribed_sessions", I, "sessions prescribed", lo=0),
            field("starts_on!", D, "first day"),
            field("ends_on", D, "last day"),
            field("prescriber_role", S, "role of who prescribed"),
        ),
    ),
    Topic(
        "sessions",
        "Cryotherapy sessions, delivered or not.",
        "session_id",
        (
            field("session_id!", S, "session"),
            PATIENT,
            CLINIC_REQUIRED,
            DEVICE,
            field("protocol_id", S, "protocol"),
            field("course_id", S, "course"),
            MODALITY,
            field(
                "status",
                S,
                "what came of it; delivered where not given",
                closed=BOOKED,
            ),
            field("regions", SL, "body regions"),
            STARTED,
            *(field(v.field, F, v.words, v.unit, lo=v.lower, hi=v.upper) for v in SESSION_VALUES),
            field(
                "stop_reason",
                S,
                "why it ended",
                closed=("completed", "patient", "operator", "interlock"),
            ),
            field("adverse_events_asked", B, "the patient was asked about side effects"),
        ),
    ),
)
