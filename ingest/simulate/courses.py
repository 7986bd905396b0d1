"""Prescriptions: a course's days and its record.

Here: `prescribe`, `send_course`, `days_of`. Not here: who comes back in a chain of returns
(returns.py), sessions as they are delivered (sessions.py).
"""

from datetime import date, timedelta

from .outbox import Outbox, chance
from .state import Course, Patient

_A_WEEK = {1: (2,), 2: (1, 3), 3: (0, 2, 4), 4: (0, 1, 3, 4)}


def prescribe(outbox: Outbox, patient: Patient, *, first: date, rng):
    """A course of 10 to 20 sessions over 2 to 5 weeks, for a third of the patients a second one; in
    a chain of returns the first alone.
    """
    start = first + timedelta(days=int(rng.integers(1, 7)))
    many = 2 if chance(rng, 0.35) else 1
    for number in range(1, 2 if outbox.plan.returns else many + 1):
        days = days_of(start, rng=rng)
        if not send_course(outbox, patient, number=number, days=days, rng=rng):
            return
        start = days[-1] + timedelta(days=int(rng.integers(25, 100)))


def days_of(start: date, *, rng) -> list[date]:
    """Working days from a day on, as many as are prescribed."""
    sessions, weeks = int(rng.integers(10, 21)), int(rng.integers(2, 6))
    weekdays = _A_WEEK.get(min(5, -(-sessions // weeks)), (0, 1, 2, 3, 4))
    days = [start + timedelta(days=d) for d in range(60)]
    return [d for d in days if d.weekday() < 5 and d.weekday() in weekdays][:sessions]


def send_course(
    outbox: Outbox,
    patient: Patient,
    *,
    number: int,
    days: list[date],
    rng,
    continues: str | None = None,
) -> bool:
    """The record of a course; False where it would begin after follow-up, or the simulation, ended."""
    course = Course(
        course_id=f"CR{outbox.plan.seed}-{patient.position + 1:05d}-{number}",
        first_day=days[0],
        days=days,
        continues=continues,
    )
    if not patient.is_followed_on(course.first_day) or course.first_day >= outbox.plan.end:
        return False
    patient.courses.append(course)
    clinic = patient.clinic_on(course.first_day)
    time = clinic.at(course.first_day, 7.5)
    data = {
        "course_id": course.course_id,
        "patient_id": patient.id_at(time),
        "clinic_id": clinic.clinic_id,
        "protocol_id": clinic.protocols[patient.modality].protocol_id,
        "prescribed_sessions": len(days),
        "starts_on": days[0].isoformat(),
        "ends_on": days[-1].isoformat(),
        "prescriber_role": "physician",
    }
    if continues is not None:
        data["continues"] = continues
    outbox.record(
        "courses",
        course.course_id,
        data,
        rng=rng,
        key=patient.id_at(time),
        time=time,
        zone=clinic.zone,
    )
    return True
