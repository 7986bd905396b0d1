"""What wearables send, a local day of all wearers at a time, drawn and formatted as arrays.

Here: `send_day`: steps, heart rate, worn, sleep, variability, nightly skin temperature, vendor's totals, flexion.
Not here: who wears what (wearers.py), walking bouts (gait.py).

A minute-level wearer sends an hour of 60 samples at a time, the others a day of quarters. The day is the local one:
it has 23 or 25 hours where the clocks change.
"""

from datetime import date, timedelta

import numpy as np
import orjson

from .gait import send_bouts
from .outbox import DAY_S, Outbox, stamp
from .plan import Plan
from .state import Clinic
from .wearers import MODELS, Wearer

UNITS = {
    "step_count": "{steps}", "heart_rate": "/min", "heart_rate_variability_rmssd": "ms",
    "heart_rate_variability_sdnn": "ms", "lumbar_flexion": "deg", "walking_asymmetry": "%", "sleep_duration": "min",
    "nightly_skin_temperature_deviation": "K", "worn": "1", "daily_step_count": "{steps}",
}  # fmt: skip
RESTATED_SHARE = 0.002  # hours that are sent again with other steps, in a later event
WALKING_SHARE_CAP = 0.9


def activity_profile() -> np.ndarray:
    """How much of a day's walking falls into each minute: two humps, nothing at night. Sums to 1."""
    minute = np.arange(1440)
    humps = np.exp(-(((minute - 620) / 170) ** 2)) + 0.9 * np.exp(-(((minute - 1050) / 130) ** 2))
    humps[(minute < 330) | (minute > 1400)] = 0.0
    return (humps / humps.sum()).astype(np.float32)


PROFILE = activity_profile()


def send_day(outbox: Outbox, wearers: list[Wearer], *, number: int):
    """One local day of everyone who wears a device then; `number` counts days from the plan's start."""
    plan = outbox.plan
    day = plan.start + timedelta(days=number)
    rng = plan.rng(2, number)
    here = [w for w in wearers if w.first_day <= day <= w.last_day]
    habits = rng.random(len(here))
    here = [w for w, habit in zip(here, habits, strict=True) if habit >= w.off_share]
    hours = {w.clinic.timezone: _hours_of(w.clinic, day=day) for w in here}
    minute = [w for w in here if w.is_minute_level]
    coarse = [w for w in here if not w.is_minute_level]
    if minute:
        _minute_level(outbox, minute, day=day, hours=hours, rng=rng)
    if coarse:
        _by_quarters(outbox, coarse, day=day, hours=hours, rng=rng)
    _nightly(outbox, [w for w in here if w.is_worn_at_night], hours=hours, rng=rng)
    for wearer in here:
        if wearer.has_back_sensor:
            _flexion(outbox, wearer, start=hours[wearer.clinic.timezone][0][0], rng=rng)
        if wearer.has_gait:
            send_bouts(outbox, wearer, day=day, rng=rng)


def _hours_of(clinic: Clinic, *, day: date) -> list[tuple[int, bytes]]:
    """The local day's hours: Unix time and the bytes that write it. 23, 24 or 25 of them."""
    start, end = clinic.at(day), clinic.at(day + timedelta(days=1))
    return [(t, stamp(t, clinic.zone).encode()) for t in range(start, end, 3600)]


def _effect(plan: Plan, wearer: Wearer, *, day: date) -> float:
    if not wearer.patient.is_treated or not wearer.patient.sessions:
        return 1.0
    return 1.0 + plan.effects.steps_improvement_pct / 100 * float(
        plan.effects.course((day - wearer.day_one).days)
    )


def _levels(plan: Plan, wearers: list[Wearer], *, day: date, rng) -> np.ndarray:
    """Steps expected today: the person's own level, the effect, the day's chance."""
    own = np.array([w.steps_a_day * _effect(plan, w, day=day) for w in wearers], dtype=np.float32)
    return own * rng.lognormal(-0.03, 0.25, len(wearers)).astype(np.float32)


def _worn(wearers: list[Wearer], *, rng) -> np.ndarray:
    """Wearers x 1440: worn in that minute. Off at night for some, and for a while by day for most."""
    minute = np.arange(1440)
    wakes = np.array([[0 if w.is_worn_at_night else w.wakes] for w in wearers])
    sleeps = np.array([[1440 if w.is_worn_at_night else w.sleeps] for w in wearers])
    gap = rng.integers(300, 1300, (len(wearers), 1))
    length = (rng.exponential(80, (len(wearers), 1)) * (rng.random((len(wearers), 1)) < 0.7)).astype(int)
    return (minute >= wakes) & (minute < sleeps) & ~((minute >= gap) & (minute < gap + length))


def _steps(levels: np.ndarray, wearers: list[Wearer], *, worn: np.ndarray, rng) -> np.ndarray:
    """Wearers x 1440 steps a minute: walking two minutes at a time at one's own cadence, and a few in between."""
    n = len(wearers)
    cadence = np.array([[w.cadence_spm] for w in wearers], dtype=np.float32)
    share = np.minimum(levels[:, None] * 0.92 * PROFILE[None, ::2] / cadence, WALKING_SHARE_CAP)
    walks = np.repeat(rng.random((n, 720), dtype=np.float32) < share, 2, axis=1)
    pace = cadence + 11 * rng.standard_normal((n, 1440), dtype=np.float32)
    shuffle = rng.random((n, 1440), dtype=np.float32)
    between = np.where(shuffle < levels[:, None] * PROFILE * 0.008, 1 + shuffle * 500 % 19, 0.0)
    steps = np.where(walks, np.clip(pace, 30, 170), between)
    return np.where(worn, steps, 0).astype(np.int32)


def _head(plan: Plan, wearer: Wearer, metric: str) -> tuple[bytes, bytes]:
    """The bytes of an event up to the id's own part, and from there up to its first time."""
    if metric not in wearer.heads:
        patient = wearer.patient.patient_id
        wearer.heads[metric] = (
            f'{{"specversion":"1.0","id":"{wearer.device_id}-{metric}-'.encode(),
            f'","source":"{plan.source("wearables")}","type":"floe.readings.v1","subject":"{patient}","time":"'.encode(),
            f'","datacontenttype":"application/json","data":{{"patient_id":"{patient}","device_id":"{wearer.device_id}",'
            f'"metric":"{metric}","unit":"{UNITS[metric]}","started_at":"'.encode(),
        )
    return wearer.heads[metric]


def _put(outbox: Outbox, wearer: Wearer, metric: str, *, start: int, written: bytes, interval: int, values: bytes,
         count: int, rng, lag: float, suffix: bytes = b"", time: bytes | None = None):  # fmt: skip
    """One series. `values` without brackets; `lag` in seconds from its last sample to its arrival, below a day."""
    end = start + interval * count
    if end >= outbox.plan.ends_at or start < outbox.plan.starts_at:
        return
    head, middle, tail = _head(outbox.plan, wearer, metric)
    value = b"%b%d%b%b%b%b%b\",\"interval_s\":%d,\"values\":[%b]}}" % (
        head, start, suffix, middle, time or written, tail, written, interval, values)  # fmt: skip
    outbox.truth.readings += count
    kind = 0
    if rng.random() < outbox.plan.late_share:
        lag, kind = lag + DAY_S * (1.0 + 13.0 * rng.random()), 1
    outbox.put(end + lag, topic="readings", key=wearer.patient.patient_id.encode(), value=value, kind=kind)


def _rows(matrix: np.ndarray) -> list[bytes]:
    """Each row of a matrix as JSON numbers without brackets: formatted at once, then cut."""
    text = orjson.dumps(np.ascontiguousarray(matrix), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].split(b"],[")


def _minute_level(outbox: Outbox, wearers: list[Wearer], *, day: date, hours: dict, rng):
    worn = _worn(wearers, rng=rng)
    steps = _steps(_levels(outbox.plan, wearers, day=day, rng=rng), wearers, worn=worn, rng=rng)
    pulse = _pulse(steps, rng=rng)
    step_rows, pulse_rows = _rows(steps.reshape(-1, 60)), _rows(pulse.reshape(-1, 60))
    minutes = worn.reshape(-1, 24, 60).sum(axis=2)
    lags = rng.exponential(1800, (len(wearers), 25)).clip(max=DAY_S - 1)
    for k, wearer in enumerate(wearers):
        total = 0
        zone_hours = hours[wearer.clinic.timezone]
        for h, (start, written) in enumerate(zone_hours):
            row = 24 * k + min(h, 23)
            if not minutes[k, min(h, 23)]:
                continue
            common = {
                "start": start,
                "written": written,
                "interval": 60,
                "count": 60,
                "rng": rng,
                "lag": lags[k, h],
            }
            total += _hour_of_steps(
                outbox, wearer, steps=steps[k, 60 * min(h, 23) :][:60], row=step_rows[row], **common
            )
            if wearer.has_heart_rate:
                values = pulse_rows[row]
                if minutes[k, min(h, 23)] < 60:
                    mask = worn[k, 60 * min(h, 23) :][:60]
                    values = b",".join(
                        v if w else b"null" for v, w in zip(values.split(b","), mask, strict=True)
                    )
                _put(outbox, wearer, "heart_rate", values=values, **common)
        _daily(outbox, wearer, hours=zone_hours, total=total, worn=worn[k], interval=60, rng=rng)


def _hour_of_steps(outbox: Outbox, wearer: Wearer, *, steps: np.ndarray, row: bytes, start: int, written: bytes,
                   interval: int, count: int, rng, lag: float) -> int:  # fmt: skip
    """Sends an hour; a few are restated by a later event, and then that one counts. Gives the steps that count."""
    if start + interval * count >= outbox.plan.ends_at or start < outbox.plan.starts_at:
        return 0
    _put(outbox, wearer, "step_count", start=start, written=written, interval=interval, values=row, count=count, rng=rng,
         lag=lag)  # fmt: skip
    total = int(steps.sum())
    if rng.random() < RESTATED_SHARE and start + 7200 < outbox.plan.ends_at:
        again = np.maximum(steps - 2, 0)
        later = stamp(start + 3600, wearer.clinic.zone).encode()
        _put(outbox, wearer, "step_count", start=start, written=written, interval=interval, values=_rows(again[None])[0],
             count=count, rng=rng, lag=lag + 3600, suffix=b"-restated", time=later)  # fmt: skip
        total = int(again.sum())
    outbox.truth.steps[(wearer.patient.patient_id, wearer.device_id)] += total
    return total


def _pulse(steps: np.ndarray, *, rng) -> np.ndarray:
    resting = rng.normal(66, 6, (len(steps), 1)).astype(np.float32)
    noise = 3 * rng.standard_normal(steps.shape, dtype=np.float32)
    return np.clip(resting + 0.33 * steps + noise, 40, 190).astype(np.int32)


def _daily(outbox: Outbox, wearer: Wearer, *, hours: list, total: int, worn: np.ndarray, interval: int, rng):
    """Once a day: where it was worn, and the vendor's own total, which seldom is the sum of the parts."""
    start, written = hours[0]
    common = {"start": start, "written": written, "rng": rng, "lag": rng.exponential(3600.0) % DAY_S}
    if wearer.tells_worn:
        per_hour = 3600 // interval
        samples = worn.astype(np.int8)[:: interval // 60]
        samples = np.concatenate([samples, samples[-per_hour:]])[: per_hour * len(hours)]
        _put(
            outbox,
            wearer,
            "worn",
            interval=interval,
            values=_rows(samples[None])[0],
            count=len(samples),
            **common,
        )
    if MODELS[wearer.model][3] and not wearer.is_second and rng.random() < 0.8:
        vendor = max(round(total * rng.normal(1.01, 0.02)), 0)
        _put(
            outbox,
            wearer,
            "daily_step_count",
            interval=3600 * len(hours),
            values=b"%d" % vendor,
            count=1,
            **common,
        )


def _by_quarters(outbox: Outbox, wearers: list[Wearer], *, day: date, hours: dict, rng):
    """A day in one event of 96 quarters of an hour (92 or 100 where the clocks change)."""
    worn = _worn(wearers, rng=rng)
    quarters = worn.reshape(-1, 96, 15).mean(axis=2) >= 0.5
    expected = _levels(outbox.plan, wearers, day=day, rng=rng)[:, None] * PROFILE.reshape(96, 15).sum(axis=1)
    steps = np.where(quarters, rng.poisson(expected * rng.gamma(2.0, 0.5, expected.shape)), 0).astype(
        np.int32
    )
    pulse = _pulse(steps // 15, rng=rng)
    for k, wearer in enumerate(wearers):
        zone_hours = hours[wearer.clinic.timezone]
        n = 4 * len(zone_hours)
        start, written = zone_hours[0]
        common = {"start": start, "written": written, "interval": 900, "count": n, "rng": rng,
                  "lag": rng.exponential(7200.0) % DAY_S}  # fmt: skip
        today = _stretched(steps[k], n=n)
        if start + 900 * n >= outbox.plan.ends_at or start < outbox.plan.starts_at:
            continue
        _put(outbox, wearer, "step_count", values=_rows(today[None])[0], **common)
        outbox.truth.steps[(wearer.patient.patient_id, wearer.device_id)] += int(today.sum())
        if wearer.has_heart_rate:
            beats = [int(v) if w else None
                     for v, w in zip(_stretched(pulse[k], n=n), _stretched(quarters[k], n=n), strict=True)]  # fmt: skip
            _put(outbox, wearer, "heart_rate", values=orjson.dumps(beats)[1:-1], **common)
        _daily(outbox, wearer, hours=zone_hours, total=int(today.sum()), worn=np.repeat(quarters[k], 15), interval=900,
               rng=rng)  # fmt: skip


def _stretched(row: np.ndarray, *, n: int) -> np.ndarray:
    """A day of another length: cut, or its last hour repeated."""
    return np.concatenate([row, row[-4:]])[:n]


def _nightly(outbox: Outbox, wearers: list[Wearer], *, hours: dict, rng):
    """Sleep, variability and skin temperature of the night that ended this morning; one sample each."""
    draws = rng.standard_normal((len(wearers), 4))
    for wearer, (sleep, variability, warmth, limp) in zip(wearers, draws, strict=True):
        if not wearer.has_heart_rate:
            continue
        start, written = hours[wearer.clinic.timezone][6]
        common = {"start": start, "written": written, "interval": 1, "count": 1, "rng": rng,
                  "lag": rng.exponential(3600.0) % DAY_S}  # fmt: skip
        kind = "sdnn" if wearer.model == "Sense 3" else "rmssd"
        _put(outbox, wearer, "sleep_duration", values=b"%d" % np.clip(400 + 55 * sleep, 60, 720), **common)
        _put(outbox, wearer, f"heart_rate_variability_{kind}",
             values=b"%.1f" % np.clip(36 * np.exp(0.3 * variability), 5, 200), **common)  # fmt: skip
        if wearer.model == "Sense 3":
            _put(
                outbox,
                wearer,
                "nightly_skin_temperature_deviation",
                values=b"%.2f" % (0.35 * warmth),
                **common,
            )
        if wearer.has_gait:
            _put(outbox, wearer, "walking_asymmetry", values=b"%.1f" % np.clip(4 + 2 * limp, 0, 40), **common)


def _flexion(outbox: Outbox, wearer: Wearer, *, start: int, rng):
    """Runs of a sensor on the back, one sample a second, at odd moments of some days."""
    for _ in range(rng.poisson(1.2)):
        at = start + int(rng.uniform(8, 20) * 3600)
        n = int(rng.integers(30, 120))
        peak = rng.normal(42, 9)
        bend = np.clip(peak * np.sin(np.linspace(0, 3 * np.pi, n)) ** 2 + rng.normal(0, 1.5, n), -20, 110)
        _put(outbox, wearer, "lumbar_flexion", start=at, written=stamp(at, wearer.clinic.zone).encode(), interval=1,
             values=_rows(np.round(bend, 1)[None])[0], count=n, rng=rng, lag=rng.exponential(1800.0) % DAY_S)  # fmt: skip
