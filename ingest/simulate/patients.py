"""Records of patients: enrolment, consent, consults, what is prescribed, status.

Here: `send_patient`. Not here: the draw (enrolment.py), courses, sessions, answers, harm, wearables.
"""

from datetime import date, timedelta

from .courses import prescribe
from .outbox import DAY_S, Outbox, chance, pick, stamp
from .returns import come_back
from .state import Consult, Enrolment, Patient

CONTRAINDICATIONS = (
    "uncontrolled_hypertension",
    "raynaud_severe",
    "cold_urticaria",
    "open_wound",
    "pacemaker",
)


def send_patient(outbox: Outbox, patient: Patient, *, rng):
    """Enrolment, allocation, consent, consults and status records; sets the courses."""
    clinic = patient.clinic
    enrolled = clinic.at(patient.enrolled_on, rng.uniform(9, 17))
    allocated = patient.allocated_on
    data = {
        "patient_id": patient.id_at(enrolled),
        "clinic_id": clinic.clinic_id,
        "sex": patient.sex,
        "birth_year": patient.birth_year if not chance(rng, 0.02) else None,
        "indication": patient.indication,
        "pain_sites": ["neck"] if patient.indication == "chronic_neck_pain" else ["lower_back"],
        "pain_duration_months": round(float(rng.lognormal(3.4, 0.8))),
        "enrolled_on": patient.enrolled_on.isoformat(),
        "baseline_covariates": {"bmi": round(float(rng.normal(27.5, 4.5)), 1)},
    }
    outbox.record(
        "patients",
        data["patient_id"],
        data,
        rng=rng,
        key=data["patient_id"],
        time=enrolled,
        zone=clinic.zone,
    )
    if patient.alias:
        data = data | {"patient_id": patient.patient_id}
        outbox.record(
            "patients",
            patient.patient_id,
            data,
            rng=rng,
            key=patient.patient_id,
            time=patient.merged_at - 3600,
            zone=clinic.zone,
        )
    if patient.arm:
        _send_enrolment(outbox, patient, enrolled=enrolled)
    _send_consents(outbox, patient, enrolled=enrolled, rng=rng)
    cleared = _send_consults(outbox, patient, rng=rng)
    if cleared is not None and patient.is_treated:
        prescribe(outbox, patient, first=max(cleared, allocated or cleared), rng=rng)
        if outbox.plan.returns and patient.courses:
            come_back(outbox, patient)
    _send_statuses(outbox, patient, rng=rng)


def _send_enrolment(outbox: Outbox, patient: Patient, *, enrolled: int):
    """The patient's place in the study, stratified by clinic."""
    plan, clinic = outbox.plan, patient.clinic
    patient.enrolments.append(
        Enrolment(
            study_id=plan.study_id,
            arm=patient.arm,
            clinic=clinic,
            from_on=patient.enrolled_on,
        )
    )
    enrolment_id = f"EN{plan.seed}-{patient.position + 1:05d}"
    data = {
        "enrolment_id": enrolment_id,
        "study_id": plan.study_id,
        "patient_id": patient.id_at(enrolled),
        "subject_id": f"{plan.study_id}-{patient.position + 1:04d}",
        "clinic_id": clinic.clinic_id,
        "arm": patient.arm,
        "allocation": "randomised",
        "allocated_on": patient.allocated_on.isoformat(),
        "strata": {"clinic": clinic.clinic_id},
        "from": patient.enrolled_on.isoformat(),
    }
    rng = plan.rng(9, patient.position)
    key = data["patient_id"]
    outbox.record(
        "study_enrolments", enrolment_id, data, rng=rng, key=key, time=enrolled, zone=clinic.zone
    )


def _send_consents(outbox: Outbox, patient: Patient, *, enrolled: int, rng):
    plan, clinic = outbox.plan, patient.clinic
    for scope, share in (("care", 1.0), ("analytics", 0.95), ("research", 0.7)):
        if not chance(rng, share):
            continue
        times = [(enrolled, "given")]
        if chance(rng, 0.02):
            times.append((enrolled + int(rng.uniform(30, 120)) * DAY_S, "withdrawn"))
        for k, (time, status) in enumerate(times):
            consent_id = f"CN{plan.seed}-{patient.position + 1:05d}-{scope}-{k}"
            outbox.record(
                "consents",
                consent_id,
                {
                    "consent_id": consent_id,
                    "patient_id": patient.id_at(time),
                    "scope": scope,
                    "status": status,
                    "effective_at": stamp(time, clinic.zone),
                    "version": "2026-01",
                },
                rng=rng,
                key=patient.id_at(time),
                time=time,
                zone=clinic.zone,
            )


def _send_consults(outbox: Outbox, patient: Patient, *, rng) -> date | None:
    """Clears most; gives the day from which sessions may start, None where treatment must not. One
    in ten is treated all the same: that is what the clearance metric is there to find.
    """
    day = patient.enrolled_on + timedelta(days=int(rng.integers(0, 8)))
    outcome = pick(rng, ("cleared", "deferred", "contraindicated"), (92, 5, 3))
    _consult(outbox, patient, day=day, outcome=outcome, number=1, rng=rng)
    if outcome == "deferred":
        day += timedelta(days=int(rng.integers(7, 21)))
        outcome = pick(rng, ("cleared", "contraindicated"), (9, 1))
        _consult(outbox, patient, day=day, outcome=outcome, number=2, rng=rng)
    if chance(rng, 0.6):
        _consult(
            outbox,
            patient,
            day=day + timedelta(days=int(rng.integers(85, 130))),
            outcome="cleared",
            number=3,
            rng=rng,
        )
    return day if outcome == "cleared" or chance(rng, 0.1) else None


def _consult(outbox: Outbox, patient: Patient, *, day: date, outcome: str, number: int, rng):
    if not patient.is_followed_on(day):
        return
    clinic = patient.clinic_on(day)
    time = clinic.at(day, rng.uniform(8, 12))
    outbox.met(patient, at=time)
    consult_id = f"CO{outbox.plan.seed}-{patient.position + 1:05d}-{number}"
    covers = pick(rng, (None, [patient.modality], ["local"]), (60, 37, 3))
    recorded = time + (
        int(rng.uniform(5, 20)) * DAY_S if chance(rng, 0.04) else int(rng.uniform(300, 3600))
    )
    contraindications = [] if outcome == "cleared" else [pick(rng, CONTRAINDICATIONS)]
    valid_until = time + pick(rng, (90, 180)) * DAY_S if chance(rng, 0.9) else None
    patient.consults.append(
        Consult(
            occurred_at=time,
            recorded_at=recorded,
            outcome=outcome,
            covers=covers,
            valid_until=valid_until,
        )
    )
    outbox.record(
        "consults",
        consult_id,
        {
            "consult_id": consult_id,
            "patient_id": patient.id_at(time),
            "clinic_id": clinic.clinic_id,
            "occurred_at": stamp(time, clinic.zone),
            "outcome": outcome,
            "modalities": covers,
            "contraindications": contraindications,
            "valid_until": None if valid_until is None else stamp(valid_until, clinic.zone),
            "clearer_role": pick(rng, ("physician", "physiotherapist", "nurse"), (7, 2, 1)),
        },
        rng=rng,
        key=patient.id_at(time),
        time=time,
        zone=clinic.zone,
        recorded=recorded,
        role="physician",
    )


def _send_statuses(outbox: Outbox, patient: Patient, *, rng):
    changes: list[tuple[str, date, dict]] = []
    if patient.transferred_on is not None and patient.is_followed_on(patient.transferred_on):
        changes.append(
            ("transferred", patient.transferred_on, {"clinic_id": patient.next_clinic.clinic_id})
        )
    if patient.merged_at is not None:
        merged = {"patient_id": patient.alias, "merged_into": patient.patient_id}
        changes.append(("merged", patient.clinic.day(patient.merged_at), merged))
    if patient.courses and chance(rng, 0.05):
        paused = patient.courses[0].days[-1] + timedelta(days=int(rng.integers(3, 20)))
        changes += [
            ("paused", paused, {"reason": "holiday"}),
            ("resumed", paused + timedelta(days=14), {}),
        ]
    if patient.stop == "lost" and chance(
        outbox.plan.rng(10, patient.position), outbox.plan.unfiled_loss_share
    ):
        pass  # nobody files it: the patient is not heard of again
    elif patient.stop is not None:
        changes.append((patient.stop, patient.stopped_on, {}))
    elif chance(rng, 0.5):
        changes.append(("completed", patient.enrolled_on + timedelta(days=380), {}))
    for k, (status, day, more) in enumerate(changes):
        if patient.is_followed_on(day) or status == patient.stop:
            _status(outbox, patient, number=k, status=status, day=day, more=more, rng=rng)


def _status(
    outbox: Outbox, patient: Patient, *, number: int, status: str, day: date, more: dict, rng
):
    clinic = patient.clinic_on(day)
    time = clinic.at(day, 12.0)
    status_id = f"ST{outbox.plan.seed}-{patient.position + 1:05d}-{number}"
    data = {
        "status_id": status_id,
        "patient_id": patient.id_at(time),
        "clinic_id": clinic.clinic_id,
        "status": status,
        "effective_on": day.isoformat(),
        **more,
    }
    outbox.record(
        "patient_status",
        status_id,
        data,
        rng=rng,
        key=data["patient_id"],
        time=time,
        zone=clinic.zone,
        recorded=time + int(rng.exponential(6 * 3600)),
    )
