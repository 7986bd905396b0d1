"""Sessions as they are delivered: the check before, the exposure, what the device measured, what
the patient said.

Here: `treat`. Not here: the harm that follows (harm.py), the prescription (patients.py).
"""

from datetime import date, timedelta

import numpy as np

from transforms.facts.limits import LIMITS as PROTOCOL_LIMITS
from transforms.facts.sessions import BEGUN, BOOKED, DELIVERED, SESSION_VALUES

from .clinics import MODALITY
from .harm import side_effects
from .outbox import DAY_S, Outbox, chance, pick, stamp
from .patients import CONTRAINDICATIONS
from .returns import names_no_course
from .session_telemetry import telemetry
from .state import Clinic, Course, Limits, Patient, Session

WRONG_CLOCK_S = 10 * 366 * DAY_S
REGIONS = {"whole_body": ["whole_body"], "partial_body": ["trunk", "legs"], "local": ["lower_back"]}
SIMULATED = (
    "cabin_min_temp_c",
    "cabin_max_temp_c",
    "max_duration_s",
    "skin_min_temp_c",
    "room_min_oxygen_pct",
)


def treat(outbox: Outbox, patient: Patient, *, rng):
    """All sessions of all courses, in order, until treatment ends."""
    end = outbox.plan.end
    last = min(end, patient.stopped_on or end)
    for course in patient.courses:
        for day in _with_extra(course, share=outbox.plan.effects.exceedance_share, rng=rng):
            if day < last:
                _session(outbox, patient, course=course, day=day, rng=rng)


def _with_extra(course: Course, *, share: float, rng) -> list[date]:
    """The course's days; now and then a second session on one day (too soon after the first)."""
    days = []
    for day in course.days:
        days += [day] * (2 if chance(rng, share) else 1)
    return sorted(days)


def _session(outbox: Outbox, patient: Patient, *, course: Course, day: date, rng):
    clinic = patient.clinic_on(day)
    previous = patient.sessions[-1].started_at if patient.sessions else 0
    started = max(
        clinic.at(day, 8.0 + (patient.position % 9) + rng.uniform(0, 0.9)), previous + 4 * 3600
    )
    number = len(patient.sessions) + 1
    plan = outbox.plan
    asked = chance(rng, plan.effects.asked(clinic.position))
    session = Session(
        session_id=f"SE{plan.seed}-{patient.position + 1:05d}-{number:03d}",
        course_id=None if names_no_course(outbox, patient, number=number) else course.course_id,
        clinic_id=clinic.clinic_id,
        modality=patient.modality,
        started_at=started,
        day=clinic.day(started),
        status=pick(rng, BOOKED, (90, 1.5, 5.5, 3)),
        is_asked=None if chance(rng, 0.03) else asked,
    )
    if started >= plan.ends_at:
        return
    session.session_id = outbox.number(clinic, of="sessions", usual=session.session_id)
    session.has_wrong_clock = chance(
        plan.rng(8, 1_000 * patient.position + number), plan.wrong_clock_share
    )
    patient.sessions.append(session)
    data = _describe(session, patient, clinic=clinic, day=day)
    if session.status in BEGUN:
        _screen(outbox, patient, session=session, clinic=clinic, rng=rng)
        _expose(outbox, patient, session=session, clinic=clinic, data=data, rng=rng)
    _send(outbox, patient, session=session, clinic=clinic, data=data, rng=rng)
    if session.is_started:
        side_effects(outbox, patient, session=session, clinic=clinic, rng=rng)


def _describe(session: Session, patient: Patient, *, clinic: Clinic, day: date) -> dict:
    return {
        "session_id": session.session_id,
        "patient_id": patient.id_at(session.started_at),
        "clinic_id": clinic.clinic_id,
        "device_id": clinic.cryo(session.modality, on=day).device_id,
        "protocol_id": clinic.protocols[session.modality].protocol_id,
        "course_id": session.course_id,
        "modality": session.modality,
        "status": session.status,
        "regions": REGIONS[session.modality],
        "started_at": stamp(session.started_at + _ahead_s(session), clinic.zone),
    }


def _ahead_s(session: Session) -> int:
    return WRONG_CLOCK_S if session.has_wrong_clock else 0


def _screen(outbox: Outbox, patient: Patient, *, session: Session, clinic: Clinic, rng):
    if chance(rng, 0.05):
        return  # nobody screened
    items = {code: "absent" if not chance(rng, 0.03) else "not_asked" for code in CONTRAINDICATIONS}
    systolic = round(float(rng.normal(128, 13)))
    if chance(rng, 0.01):
        items[pick(rng, CONTRAINDICATIONS)] = "present"
        session.is_screened_out = True
    time = session.started_at - 600
    # of a clinic that numbers alone: the session's number
    screening_id = session.session_id.replace("SE", "SC", 1)
    outbox.met(patient, at=time)
    outbox.record(
        "screenings",
        screening_id,
        {
            "screening_id": screening_id,
            "patient_id": patient.id_at(time),
            "clinic_id": clinic.clinic_id,
            "session_id": session.session_id,
            "occurred_at": stamp(time, clinic.zone),
            "items": items,
            "systolic_mmhg": systolic,
            "diastolic_mmhg": round(0.62 * systolic),
            "screening_version": "3",
        },
        rng=rng,
        key=patient.id_at(time),
        time=time,
        zone=clinic.zone,
        source=outbox.plan.records_of(clinic.position),
    )


def _expose(outbox: Outbox, patient: Patient, *, session: Session, clinic: Clinic, data: dict, rng):
    """Fills the measured values, each protocol limit exceeded with the plan's small share, and
    sends telemetry.
    """
    limits = clinic.protocols[session.modality].at(session.started_at)
    setpoint = MODALITY[session.modality][2]
    over = {name for name in SIMULATED if chance(rng, outbox.plan.effects.exceedance_share)}
    duration = float(round(limits.max_duration_s - rng.uniform(5, 45)))
    if "max_duration_s" in over:
        duration = limits.max_duration_s + float(rng.integers(5, 40))
    if session.status == "aborted":
        duration = float(round(duration * rng.uniform(0.2, 0.7)))
    coldest = setpoint - rng.uniform(0.5, 4.0)
    if "cabin_min_temp_c" in over:
        coldest = limits.cabin_min_temp_c - rng.uniform(0.5, 5)
    elif "cabin_max_temp_c" in over:
        coldest = limits.cabin_max_temp_c + rng.uniform(1, 12)
    skin = limits.skin_min_temp_c + rng.uniform(1.5, 11.0)
    if "skin_min_temp_c" in over:
        skin = limits.skin_min_temp_c - rng.uniform(0.3, 4.0)
    oxygen = float(np.clip(rng.normal(20.6, 0.15), 20.0, 20.9))
    if "room_min_oxygen_pct" in over:
        oxygen = limits.room_min_oxygen_pct - rng.uniform(0.1, 1.0)
    before = round(float(rng.normal(32.5, 0.7)), 1)
    has_skin = chance(rng, 0.7)
    data |= {
        "duration_s": duration,
        "setpoint_c": setpoint,
        "cabin_min_temp_c": round(coldest, 1),
        "skin_temp_pre_c": before if has_skin else None,
        "skin_temp_min_c": round(skin, 1) if has_skin else None,
        "skin_temp_post_c": round(skin + rng.uniform(0.3, 1.5), 1) if has_skin else None,
        "room_min_oxygen_pct": round(oxygen, 1) if chance(rng, 0.95) else None,
        "stop_reason": "completed"
        if session.status == DELIVERED
        else pick(rng, ("patient", "operator", "interlock")),
        "adverse_events_asked": session.is_asked,
    }
    session.excess = _exceeded(data, limits=limits, session=session, patient=patient)
    session.exceeds = tuple(session.excess)
    if outbox.plan.with_telemetry and chance(rng, 0.85):
        telemetry(outbox, session=session, clinic=clinic, data=data, rng=rng)


def _exceeded(
    data: dict, *, limits: Limits, session: Session, patient: Patient
) -> dict[str, float]:
    """By how much each limit is exceeded that the values as sent exceed, in its unit (spacing in
    hours).

    Spacing goes by the start of the last session begun, the weekly count by those delivered in the
    seven local days that end with this one's.
    """
    earlier = [s.started_at for s in patient.sessions[:-1] if s.is_placed]
    begins = session.day - timedelta(days=6)
    week = [
        s
        for s in patient.sessions[:-1]
        if s.is_placed and s.status == DELIVERED and s.day >= begins
    ]
    measured = {value.column: data.get(value.field) for value in SESSION_VALUES} | {
        "cabin_max_c": data["cabin_min_temp_c"],
        "sessions_in_week": len(week) + 1,
        "hours_since_previous": (session.started_at - earlier[-1]) / 3600 if earlier else None,
    }
    beyond = {
        limit.id: (-1 if limit.is_lowest else 1) * (measured[limit.measured] - allowed)
        for limit in PROTOCOL_LIMITS.values()
        if measured[limit.measured] is not None
        and (allowed := getattr(limits, limit.field, None)) is not None
    }
    return {name: excess for name, excess in beyond.items() if excess > 0}


def _send(outbox: Outbox, patient: Patient, *, session: Session, clinic: Clinic, data: dict, rng):
    """The session's record; some are corrected a day later, a few were entered in error."""
    start = session.started_at
    send = {
        "rng": rng,
        "key": patient.id_at(start),
        "time": start,
        "zone": clinic.zone,
        "role": "operator",
        "source": outbox.plan.records_of(clinic.position),
        "ahead_s": _ahead_s(session),
    }
    outbox.record("sessions", session.session_id, data, recorded=start + 900, **send)
    if chance(rng, 0.01) and data.get("duration_s") is not None:
        corrected = data | {"setpoint_c": data["setpoint_c"] - 1.0}
        outbox.record(
            "sessions", session.session_id, corrected, recorded=start + DAY_S, revision=1, **send
        )
    elif chance(rng, 0.004):
        session.entered_in_error = True
        wrong = data | {"record_status": "entered_in_error"}
        outbox.record(
            "sessions", session.session_id, wrong, recorded=start + 2 * DAY_S, revision=1, **send
        )
