"""How active people are: arrays of wearers by minutes of a day, drawn at once.

Here: `levels`, `worn_minutes`, `steps_by_minute`, `pulse`, `PROFILE`. Not here: events
(wearables.py), devices and habits (wearers.py).
"""

from datetime import date

import numpy as np

from .plan import Plan
from .wearers import Wearer

WALKING_SHARE_CAP = 0.9


def activity_profile() -> np.ndarray:
    """How much of a day's walking falls into each minute: two humps, nothing at night. Sums to
    1.
    """
    minute = np.arange(1440)
    humps = np.exp(-(((minute - 620) / 170) ** 2)) + 0.9 * np.exp(-(((minute - 1050) / 130) ** 2))
    humps[(minute < 330) | (minute > 1400)] = 0.0
    return (humps / humps.sum()).astype(np.float32)


PROFILE = activity_profile()


def levels(plan: Plan, wearers: list[Wearer], *, day: date, rng) -> np.ndarray:
    """Steps expected today: the person's own level, the effect, the day's chance."""
    effects = plan.effects
    gains = [
        1 + effects.steps_improvement_pct / 100 * w.patient.effect_on(day, effects=effects)
        for w in wearers
    ]
    own = np.array([w.steps_a_day for w in wearers]) * gains
    return own.astype(np.float32) * rng.lognormal(-0.03, 0.25, len(wearers)).astype(np.float32)


def worn_minutes(wearers: list[Wearer], *, rng) -> np.ndarray:
    """Wearers x 1440: worn in that minute. Off at night for some, and for a while by day for
    most.
    """
    minute = np.arange(1440)
    wakes = np.array([[0 if w.is_worn_at_night else w.wakes] for w in wearers])
    sleeps = np.array([[1440 if w.is_worn_at_night else w.sleeps] for w in wearers])
    gap = rng.integers(300, 1300, (len(wearers), 1))
    length = (
        rng.exponential(80, (len(wearers), 1)) * (rng.random((len(wearers), 1)) < 0.7)
    ).astype(int)
    return (minute >= wakes) & (minute < sleeps) & ~((minute >= gap) & (minute < gap + length))


def steps_by_minute(
    levels: np.ndarray, wearers: list[Wearer], *, worn: np.ndarray, rng
) -> np.ndarray:
    """Wearers x 1440 steps a minute: walking two minutes at a time at one's own cadence, and a few
    in between.
    """
    n = len(wearers)
    cadence = np.array([[w.cadence_spm] for w in wearers], dtype=np.float32)
    share = np.minimum(levels[:, None] * 0.92 * PROFILE[None, ::2] / cadence, WALKING_SHARE_CAP)
    walks = np.repeat(rng.random((n, 720), dtype=np.float32) < share, 2, axis=1)
    pace = cadence + 11 * rng.standard_normal((n, 1440), dtype=np.float32)
    shuffle = rng.random((n, 1440), dtype=np.float32)
    between = np.where(shuffle < levels[:, None] * PROFILE * 0.008, 1 + shuffle * 500 % 19, 0.0)
    steps = np.where(walks, np.clip(pace, 30, 170), between)
    return np.where(worn, steps, 0).astype(np.int32)


def pulse(steps: np.ndarray, *, rng) -> np.ndarray:
    resting = rng.normal(66, 6, (len(steps), 1)).astype(np.float32)
    noise = 3 * rng.standard_normal(steps.shape, dtype=np.float32)
    return np.clip(resting + 0.33 * steps + noise, 40, 190).astype(np.int32)
