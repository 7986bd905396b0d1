"""Other care: pain killers, opioids with their dose falling in the treated, injections, surgery,
physiotherapy.

Here: `care_for`. Not here: cryotherapy itself (sessions.py).
"""

from datetime import date, timedelta

from .outbox import DAY_S, Outbox, chance, pick, stamp
from .state import Care, Patient

YEARLY = {
    "analgesic": 2.0,
    "injection": 0.12,
    "surgery": 0.03,
    "physiotherapy": 1.5,
    "manual": 0.3,
    "visit": 2.0,
    "exercise": 0.8,
    "psychological": 0.1,
    "other_thermal": 0.1,
    "neuromodulation": 0.02,
}
ASKED_EVERY_DAYS = 45


def care_for(outbox: Outbox, patient: Patient, *, rng):
    """Every 45 days or so a patient is asked: what was taken since is written down, or that there
    was none.
    """
    counter, day = 0, patient.enrolled_on
    while day < outbox.plan.end and patient.is_followed_on(day):
        care = _since_last(patient, rng=rng)
        if patient.mme > 0:
            care.append(("opioid", _dose(outbox, patient, day=day)))
        if not care and chance(rng, 0.8):
            care.append(("none_since_last", None))
        for kind, dose in care:
            counter += 1
            _send(outbox, patient, day=day, kind=kind, dose=dose, number=counter, rng=rng)
        day += timedelta(days=int(rng.integers(ASKED_EVERY_DAYS - 10, ASKED_EVERY_DAYS + 20)))


def _since_last(patient: Patient, *, rng) -> list[tuple[str, float | None]]:
    return [
        (kind, None)
        for kind, rate in YEARLY.items()
        if chance(rng, min(rate * ASKED_EVERY_DAYS / 365, 1.0))
    ]


def _dose(outbox: Outbox, patient: Patient, *, day: date) -> float:
    """The daily dose falls in a straight line to its lower level from the first session on; the
    untreated keep theirs.
    """
    effects, first = outbox.plan.effects, patient.first_session
    days = 0 if first is None else max((day - patient.clinic.day(first.started_at)).days, 0)
    reached = min(days / effects.opioid_reduction_days, 1.0)
    return round(patient.mme * (1 - reached * effects.opioid_reduction_pct / 100), 1)


def _send(
    outbox: Outbox, patient: Patient, *, day: date, kind: str, dose: float | None, number: int, rng
):
    """One record, written down when asked; a course of pain killers began before and has ended by
    then.
    """
    clinic = patient.clinic_on(day)
    asked = clinic.at(day, 14.0) + 60 * number
    is_drug = kind in ("analgesic", "opioid")
    time = asked
    if kind == "analgesic":
        time = max(asked - int(rng.uniform(1, 30)) * DAY_S, outbox.plan.starts_at)
    code = {"analgesic": pick(rng, ("M01AE01", "N02BE01")), "opioid": "N02AA05"}.get(kind)
    care_id = f"CA-{patient.patient_id}-{number:03d}"
    outbox.met(patient, at=asked)
    sent = outbox.record(
        "care",
        care_id,
        {
            "care_id": care_id,
            "patient_id": patient.id_at(time),
            "clinic_id": clinic.clinic_id,
            "kind": kind,
            "code_system": "ATC" if is_drug else None,
            "code": code,
            "daily_dose_mme": dose,
            "is_rescue": chance(rng, 0.1) if is_drug or kind == "injection" else None,
            "occurred_at": stamp(time, clinic.zone),
            "ended_at": stamp(asked, clinic.zone) if time < asked else None,
            "reported_through": stamp(asked, clinic.zone),
        },
        rng=rng,
        key=patient.id_at(time),
        time=time,
        zone=clinic.zone,
        recorded=asked,
    )
    if sent is not None:
        patient.care.append(
            Care(kind=sent["kind"], day=clinic.day(time), is_rescue=bool(sent["is_rescue"]))
        )
