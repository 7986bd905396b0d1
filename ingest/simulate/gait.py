"""Walking bouts of the wearers whose device sees gait.

Here: `send_bouts`, one day of one wearer. Not here: minute steps (wearables.py), clinic tests
(answers.py).
"""

from datetime import date

import numpy as np

from .outbox import Outbox, stamp
from .wearers import Wearer

IMPLAUSIBLE_SHARE = 0.01


def send_bouts(outbox: Outbox, wearer: Wearer, *, day: date, rng):
    """Some six bouts: short ones are many, long ones faster; one in a hundred is no human gait."""
    patient, clinic, plan = wearer.patient, wearer.clinic, outbox.plan
    effects = plan.effects
    gain = effects.walking_speed_improvement_mps * patient.effect_on(day, effects=effects)
    typical = effects.walking_speed_mps - 0.12 + 0.01 * (wearer.cadence_spm - 92) + gain
    midnight = clinic.at(day)
    for second in np.unique(rng.integers(7 * 3600, 21 * 3600, rng.poisson(6))):
        start = midnight + int(second)
        duration = round(min(5 + rng.lognormal(2.9, 0.9), 900.0), 1)
        if start + duration >= plan.ends_at or start < plan.starts_at:
            continue
        speed = float(
            np.clip(typical + 0.1 * np.log10(duration / 10) + rng.normal(0, 0.09), 0.3, 1.9)
        )
        stride = float(np.clip(0.55 + 0.65 * speed + rng.normal(0, 0.05), 0.3, 1.9))
        cadence = 120 * speed / stride
        if rng.random() < IMPLAUSIBLE_SHARE:
            cadence, stride = 310.0, 3.4
        bout_id = f"WB-{wearer.device_id}-{start}"
        outbox.record(
            "walking_bouts",
            bout_id,
            {
                "bout_id": bout_id,
                "patient_id": patient.patient_id,
                "device_id": wearer.device_id,
                "started_at": stamp(start, clinic.zone),
                "duration_s": duration,
                "steps": float(round(duration * cadence / 60)),
                "turns": float(rng.poisson(duration / 25)),
                "cadence_spm": round(cadence, 1),
                "stride_length_m": round(stride, 3),
                "stride_duration_s": round(120 / cadence, 3),
                "walking_speed_mps": round(speed, 3),
            },
            rng=rng,
            key=patient.patient_id,
            time=start,
            zone=clinic.zone,
            source="wearables",
            recorded=start + int(duration),
        )
