"""What goes wrong in a clinic without a patient: deficiencies of devices, incidents.

Here: drawing and sending them. Not here: clinics and devices themselves (clinics.py), harm to
patients (harm.py).
"""

from datetime import timedelta

from .outbox import Outbox, chance, pick, stamp
from .state import Clinic, Trouble

DEFICIENCIES = (
    "door seal leaks",
    "setpoint drifts",
    "oxygen sensor fails self-test",
    "nozzle iced",
    "timer stuck",
)
INCIDENTS = (
    "cold burn of a hand while refilling",
    "nitrogen leak, room cleared",
    "visitor slipped",
    "near miss",
)


def send_trouble(outbox: Outbox, clinic: Clinic, *, rng):
    """Device deficiencies (about three a year and clinic) and incidents with staff, visitors or
    nobody (two).
    """
    plan = outbox.plan
    for k in range(rng.poisson(3.0 * plan.days / 365)):
        _send_deficiency(outbox, clinic, number=k, rng=rng)
    for k in range(rng.poisson(2.0 * plan.days / 365)):
        _send_incident(outbox, clinic, number=k, rng=rng)


def _send_deficiency(outbox: Outbox, clinic: Clinic, *, number: int, rng):
    plan = outbox.plan
    day = plan.start + timedelta(days=int(rng.integers(plan.days)))
    device = clinic.cryo(pick(rng, clinic.modalities), on=day)
    time = clinic.at(day, rng.uniform(8, 18))
    data = {
        "deficiency_id": f"DF{plan.seed}-{clinic.position + 1:02d}-{number:03d}",
        "device_id": device.device_id,
        "clinic_id": clinic.clinic_id,
        "session_id": None,
        "occurred_at": stamp(time, clinic.zone),
        "kind": pick(rng, DEFICIENCIES),
        "could_have_led_to_sae": pick(rng, (False, False, True, None)),
    }
    if time < plan.ends_at:
        trouble = Trouble(
            data["deficiency_id"], clinic.clinic_id, is_grave=bool(data["could_have_led_to_sae"])
        )
        outbox.truth.deficiencies.append(trouble)
    outbox.record(
        "deficiencies",
        data["deficiency_id"],
        data,
        rng=rng,
        key=device.device_id,
        time=time,
        zone=clinic.zone,
        recorded=time + 3600,
    )


def _send_incident(outbox: Outbox, clinic: Clinic, *, number: int, rng):
    plan = outbox.plan
    time = clinic.at(plan.start + timedelta(days=int(rng.integers(plan.days))), rng.uniform(8, 18))
    aware = time + int(rng.exponential(7200))
    data = {
        "incident_id": f"IN{plan.seed}-{clinic.position + 1:02d}-{number:03d}",
        "clinic_id": clinic.clinic_id,
        "occurred_at": stamp(time, clinic.zone),
        "subject_kind": pick(rng, ("staff", "visitor", "none"), (6, 1, 3)),
        "kind": pick(rng, INCIDENTS),
        "is_serious": chance(rng, 0.1),
        "aware_at": stamp(aware, clinic.zone),
    }
    if time < plan.ends_at:
        trouble = Trouble(data["incident_id"], clinic.clinic_id, is_grave=bool(data["is_serious"]))
        outbox.truth.incidents.append(trouble)
    outbox.record(
        "incidents",
        data["incident_id"],
        data,
        rng=rng,
        key=data["incident_id"],
        time=time,
        zone=clinic.zone,
        recorded=aware,
    )
