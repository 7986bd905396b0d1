"""Patients who come back, and what happens to them in between: a chain of its own, in which every
long-term figure depends on whose outcome counts, of which treatment.

Here: further courses, ratings around each, opioids begun, injections, surgery, rescue, another
study; drawn apart, so that a chain without returns is the same without them. Not here: what counts
of all that (episode_truth.py, response_truth.py).
"""

from datetime import date, timedelta

import numpy as np

from .answers import send_answers
from .courses import days_of, send_course
from .outbox import Outbox, chance, pick, stamp
from .plan import VISIT_DAYS, Returns
from .state import Care, Course, Enrolment, Patient

NEW, PROLONGED, RESUMED = "new", "prolonged", "resumed"


# --- further courses ----------------------------------------------------------------------------


def come_back(outbox: Outbox, patient: Patient):
    """Of a patient with a course: a new one, one that continues it, or the same after a long
    pause; some come a third time.
    """
    returns, rng = outbox.plan.returns, outbox.plan.rng(21, patient.position)
    how = _how(returns, rng=rng)
    last = patient.courses[-1]
    if how == RESUMED:
        pause = timedelta(days=int(rng.integers(95, 200)))
        last.days += days_of(last.days[-1] + pause, rng=rng)
    elif how is not None:
        waits = (20, 140) if how == PROLONGED else (25, 420)
        start = last.days[-1] + timedelta(days=int(rng.integers(*waits)))
        continues = last.course_id if how == PROLONGED else None
        days = days_of(start, rng=rng)
        if send_course(outbox, patient, number=2, days=days, rng=rng, continues=continues):
            _third(outbox, patient, after=days[-1], rng=rng)


def _how(returns: Returns, *, rng) -> str | None:
    draw = rng.random()
    for how, share in (
        (NEW, returns.new_course_share),
        (PROLONGED, returns.prolonged_share),
        (RESUMED, returns.resumed_share),
    ):
        if draw < share:
            return how
        draw -= share
    return None


def _third(outbox: Outbox, patient: Patient, *, after: date, rng):
    if chance(rng, outbox.plan.returns.third_course_share):
        days = days_of(after + timedelta(days=int(rng.integers(25, 200))), rng=rng)
        send_course(outbox, patient, number=3, days=days, rng=rng)


def names_no_course(outbox: Outbox, patient: Patient, *, number: int) -> bool:
    """Now and then a session after the first is written down without its course."""
    plan = outbox.plan
    if plan.returns is None or number == 1:
        return False
    rng = plan.rng(22, 1_000 * patient.position + number)
    return chance(rng, plan.returns.unnamed_course_share)


# --- in between ---------------------------------------------------------------------------------


def live_on(outbox: Outbox, patient: Patient):
    """Ratings around each further course, other care, another study."""
    if outbox.plan.returns is None:
        return
    for number, course in enumerate(patient.courses[1:], 2):
        _rate(outbox, patient, course=course, number=number)
    _seek_care(outbox, patient)
    _join_another_study(outbox, patient)


def _rate(outbox: Outbox, patient: Patient, *, course: Course, number: int):
    """Pain as around the first course, from a level of its own: some hardly hurt when they return."""
    rng, effects = outbox.plan.rng(23, 10 * patient.position + number), outbox.plan.effects
    level = patient.trait - (rng.exponential(3.0) if chance(rng, 0.3) else 0.0)
    gain = rng.normal(0.8, 0.5) * patient.improvement
    for offset in VISIT_DAYS:
        if chance(rng, 0.12):
            continue
        day = course.first_day + timedelta(days=offset + round(rng.normal(0, 0.02 * abs(offset))))
        pain = level - gain * effects.course(offset) + rng.normal(0, 1.0)
        if day < outbox.plan.end and patient.is_followed_on(day):
            _send_rating(outbox, patient, day=day, pain=pain, rng=rng)


def _send_rating(outbox: Outbox, patient: Patient, *, day: date, pain: float, rng):
    clinic = patient.clinic_on(day)
    send_answers(
        outbox,
        patient,
        instrument="nrs_pain",
        items={"average_7d": int(np.clip(round(pain), 0, 10))},
        time=clinic.at(day, rng.uniform(6, 7.4)),
        clinic=clinic,
        rng=rng,
    )


def _seek_care(outbox: Outbox, patient: Patient):
    """What decides a response: each kind at most once, on any day of the patient's part."""
    rng, returns = outbox.plan.rng(24, patient.position), outbox.plan.returns
    for number, (kind, share, is_rescue) in enumerate(
        (
            ("opioid", returns.opioid_share, False),
            ("injection", returns.injection_share, False),
            ("surgery", returns.surgery_share, False),
            ("analgesic", returns.rescue_share, True),
        )
    ):
        is_so, days = chance(rng, share), int(rng.integers(10, 500))
        day = patient.enrolled_on + timedelta(days=days)
        is_new = kind != "opioid" or patient.mme == 0  # who takes them already begins none
        if is_so and is_new and day < outbox.plan.end and patient.is_followed_on(day):
            _send_care(
                outbox, patient, day=day, kind=kind, is_rescue=is_rescue, number=number, rng=rng
            )


def _send_care(
    outbox: Outbox, patient: Patient, *, day: date, kind: str, is_rescue: bool, number: int, rng
):
    """One record; an opioid is taken for some weeks."""
    clinic = patient.clinic_on(day)
    time = clinic.at(day, 11.0) + 60 * number
    through = day + timedelta(days=int(rng.integers(7, 60))) if kind == "opioid" else None
    data = {
        "care_id": f"CB-{patient.patient_id}-{number}",
        "patient_id": patient.id_at(time),
        "clinic_id": clinic.clinic_id,
        "kind": kind,
        "daily_dose_mme": 20.0 if kind == "opioid" else None,
        "is_rescue": is_rescue,
        "occurred_at": stamp(time, clinic.zone),
        "ended_at": None if through is None else stamp(clinic.at(through, 11.0), clinic.zone),
        "reported_through": stamp(time, clinic.zone),
    }
    outbox.met(patient, at=time)
    sent = outbox.record(
        "care",
        data["care_id"],
        data,
        rng=rng,
        key=data["patient_id"],
        time=time,
        zone=clinic.zone,
    )
    if sent is not None:
        patient.care.append(
            Care(kind=sent["kind"], day=day, is_rescue=bool(sent["is_rescue"]), through=through)
        )


# --- another study ------------------------------------------------------------------------------


def _join_another_study(outbox: Outbox, patient: Patient):
    """Some are enrolled in another study months later, half of them until a day."""
    plan, rng = outbox.plan, outbox.plan.rng(25, patient.position)
    day = patient.enrolled_on + timedelta(days=int(rng.integers(40, 400)))
    is_so = chance(rng, plan.returns.other_study_share)
    if not is_so or day >= plan.end or not patient.is_followed_on(day):
        return
    enrolment = Enrolment(
        study_id=plan.other_study_id,
        arm=pick(rng, Returns.ARMS),
        clinic=patient.clinic_on(day),
        from_on=day,
        to_on=day + timedelta(days=150) if chance(rng, 0.5) else None,
    )
    clinic = enrolment.clinic
    time = clinic.at(day, 6.0)
    data = {
        "enrolment_id": f"EO{plan.seed}-{patient.position + 1:05d}",
        "study_id": enrolment.study_id,
        "patient_id": patient.id_at(time),
        "clinic_id": clinic.clinic_id,
        "arm": enrolment.arm,
        "allocation": "concurrent",
        "from": day.isoformat(),
        "to": None if enrolment.to_on is None else enrolment.to_on.isoformat(),
    }
    sent = outbox.record(
        "study_enrolments",
        data["enrolment_id"],
        data,
        rng=rng,
        key=data["patient_id"],
        time=time,
        zone=clinic.zone,
    )
    if sent is not None:
        patient.enrolments.append(enrolment)


def send_other_study(outbox: Outbox, *, clinic):
    """Its visits are other than those of routine care, its reference arm not the first by name."""
    plan = outbox.plan
    if plan.returns is None:
        return
    data = {
        "study_id": plan.other_study_id,
        "title": "Those who are followed further",
        "reference_arm": Returns.ARMS[1],
        "planned_visits": [visit._asdict() for visit in Returns.VISITS],
        "primary": {"parameter": "NRS7D", "visit": Returns.VISITS[0].visit, "method": "ancova"},
    }
    outbox.record(
        "studies",
        plan.other_study_id,
        data,
        rng=plan.rng(26, 0),
        key=plan.other_study_id,
        time=clinic.at(plan.start),
        zone=clinic.zone,
    )
