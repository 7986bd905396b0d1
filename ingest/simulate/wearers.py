"""Who wears what, from when to when: devices given to patients, with their habits.

Here: `Wearer`, `equip`. Not here: what the devices measure (wearables.py, gait.py).
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from .outbox import Outbox, chance, pick
from .plan import Plan
from .state import Clinic, Patient

# model -> maker, tells worn, has heart rate, sends vendor totals
MODELS = {
    "Sense 3": ("Fitbit", True, True, True),
    "Loop 2": ("Polar", False, True, True),
    "Clip": ("Omron", False, False, False),
}


@dataclass(kw_only=True)
class Wearer:
    """One device on one patient. Minutes where `is_minute_level`, else quarters of an hour."""

    patient: Patient
    device_id: str
    model: str
    clinic: Clinic
    first_day: date
    last_day: date
    is_minute_level: bool
    steps_a_day: float
    cadence_spm: float
    off_share: float  # days without it
    is_worn_at_night: bool
    is_second: bool = False
    has_back_sensor: bool = False
    has_gait: bool = False
    wakes: int = 420  # minute of the day
    sleeps: int = 1350
    heads: dict = field(default_factory=dict)  # bytes that begin its events, by metric

    @property
    def tells_worn(self) -> bool:
        return MODELS[self.model][1] and not self.is_second

    @property
    def has_heart_rate(self) -> bool:
        return MODELS[self.model][2] and not self.is_second


def equip(outbox: Outbox, patients: list[Patient]) -> list[Wearer]:
    """A share of the patients gets a device, one in seven of those who count minutes a second
    one.
    """
    wearers = []
    for patient in patients:
        rng = outbox.plan.rng(4, patient.position)
        if patient.alias or not chance(rng, outbox.plan.wearables_share):
            continue
        wearer = _wearer(outbox.plan, patient, rng=rng)
        wearers.append(wearer)
        if wearer.is_minute_level and chance(rng, 0.15):
            second = Wearer(
                **{
                    **vars(wearer),
                    "device_id": f"{wearer.device_id}-phone",
                    "model": "Clip",
                    "heads": {},
                    "is_second": True,
                    "is_worn_at_night": False,
                    "has_back_sensor": False,
                    "has_gait": False,
                    "steps_a_day": 0.8 * wearer.steps_a_day,
                }
            )
            wearers.append(second)
    for wearer in wearers:
        _send_device(outbox, wearer)
    return wearers


def _wearer(plan: Plan, patient: Patient, *, rng) -> Wearer:
    """Worn from about a week before Day 1, for two to six months, less and less faithfully."""
    start = max(patient.enrolled_on, patient.day_one - timedelta(days=int(rng.integers(5, 10))))
    last = start + timedelta(days=int(rng.uniform(40, 180)))
    if patient.stopped_on is not None and patient.stop != "pregnant":
        last = min(last, patient.stopped_on - timedelta(days=1))
    return Wearer(
        patient=patient,
        device_id=f"W{plan.seed}-{patient.position + 1:05d}",
        model=pick(rng, tuple(MODELS), (6, 3, 1)),
        clinic=patient.clinic,
        first_day=start,
        last_day=last,
        is_minute_level=chance(rng, plan.minute_level_share),
        steps_a_day=plan.effects.steps_mean * float(rng.lognormal(-0.1, 0.45)),
        cadence_spm=rng.normal(92, 8),
        off_share=float(rng.beta(1.6, 8)),
        is_worn_at_night=chance(rng, 0.6),
        has_back_sensor=chance(rng, 0.12),
        has_gait=chance(rng, 0.18),
        wakes=int(rng.normal(420, 40)),
        sleeps=int(np.clip(rng.normal(1350, 35), 1200, 1435)),
    )


def _send_device(outbox: Outbox, wearer: Wearer):
    """The wearable's record, and its retirement where it is given back."""
    rng = outbox.plan.rng(5, wearer.patient.position + (1_000_000 if wearer.is_second else 0))
    clinic, device_id = wearer.clinic, wearer.device_id
    data = {
        "device_id": device_id,
        "clinic_id": clinic.clinic_id,
        "kind": "wearable",
        "manufacturer": "Any phone" if wearer.is_second else MODELS[wearer.model][0],
        "model": "phone" if wearer.is_second else wearer.model,
        "firmware": pick(rng, ("1.8", "2.0")),
        "body_position": "pocket" if wearer.is_second else pick(rng, ("left_wrist", "right_wrist")),
    }
    send = {"rng": rng, "key": device_id, "zone": clinic.zone}
    outbox.record(
        "devices",
        device_id,
        data,
        time=max(clinic.at(wearer.first_day, 0.0), outbox.plan.starts_at),
        **send,
    )
    returned = wearer.last_day + timedelta(days=10)
    if chance(rng, 0.5):
        outbox.record(
            "devices",
            device_id,
            data | {"retired_on": returned.isoformat()},
            time=clinic.at(returned, 12.0),
            revision=1,
            **send,
        )
