"""What wearables send, a local day of all wearers at a time, drawn and formatted as arrays.

Here: `send_day`: steps, heart rate, worn, sleep, variability, nightly skin temperature, vendor's
totals, flexion. Not here: who wears what (wearers.py), walking bouts (gait.py).

A minute-level wearer sends an hour of 60 samples at a time, the others a day of quarters. The day
is the local one: it has 23 or 25 hours where the clocks change.
"""

from datetime import date, timedelta

import numpy as np
import orjson

from .activity import PROFILE, levels, pulse, steps_by_minute, worn_minutes
from .gait import send_bouts
from .outbox import DAY_S, Outbox, stamp
from .series import Span, put_restated, put_series, rows_of
from .state import Clinic
from .wearers import MODELS, Wearer

RESTATED_SHARE = 0.002  # hours that are sent again with other steps, in a later event


def send_day(outbox: Outbox, wearers: list[Wearer], *, number: int):
    """One local day of everyone who wears a device then; `number` counts days from the plan's
    start.
    """
    plan = outbox.plan
    day = plan.start + timedelta(days=number)
    rng = plan.rng(2, number)
    here = [w for w in wearers if w.first_day <= day <= w.last_day]
    habits = rng.random(len(here))
    here = [w for w, habit in zip(here, habits, strict=True) if habit >= w.off_share]
    clinics = {w.clinic.timezone: w.clinic for w in here}
    hours = {timezone: _hours_of(clinic, day=day) for timezone, clinic in clinics.items()}
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


def _minute_level(outbox: Outbox, wearers: list[Wearer], *, day: date, hours: dict, rng):
    """An event an hour of steps, and one of heart rate, where the device was worn in it at all."""
    worn = worn_minutes(wearers, rng=rng)
    steps = steps_by_minute(
        levels(outbox.plan, wearers, day=day, rng=rng), wearers, worn=worn, rng=rng
    )
    step_rows = rows_of(steps.reshape(-1, 60))
    pulse_rows = rows_of(pulse(steps, rng=rng).reshape(-1, 60))
    minutes = worn.reshape(-1, 24, 60).sum(axis=2)
    lags = _lags(rng, 1800, (len(wearers), 25))
    for k, wearer in enumerate(wearers):
        total = 0
        today = hours[wearer.clinic.timezone]
        for place, (start, written) in enumerate(today):
            h = min(place, 23)  # a 25th hour is like the 24th
            if not minutes[k, h]:
                continue
            span = Span(start, written, 60, 60, lags[k, place])
            part = slice(60 * h, 60 * h + 60)
            total += _steps_of_hour(
                outbox,
                wearer,
                span=span,
                steps=steps[k, part],
                values=step_rows[24 * k + h],
                rng=rng,
            )
            if wearer.has_heart_rate:
                values = pulse_rows[24 * k + h]
                if minutes[k, h] < 60:
                    values = _with_gaps(values, worn[k, part])
                put_series(outbox, wearer, "heart_rate", span=span, values=values, rng=rng)
        _daily(outbox, wearer, hours=today, total=total, worn=worn[k], interval=60, rng=rng)


def _lags(rng, mean_s: float, shape: tuple[int, ...] | None = None):
    return np.minimum(rng.exponential(mean_s, shape), DAY_S - 1.0)


def _with_gaps(values: bytes, worn: np.ndarray) -> bytes:
    minutes = zip(values.split(b","), worn, strict=True)
    return b",".join(value if is_worn else b"null" for value, is_worn in minutes)


def _steps_of_hour(
    outbox: Outbox, wearer: Wearer, *, span: Span, steps: np.ndarray, values: bytes, rng
) -> int:
    """Sends an hour; a few are restated, and then that event counts. Gives the steps that count."""
    if not span.is_within(outbox.plan):
        return 0
    put_series(outbox, wearer, "step_count", span=span, values=values, rng=rng)
    if rng.random() < RESTATED_SHARE:
        steps = np.maximum(steps - 2, 0)
        put_restated(
            outbox, wearer, "step_count", span=span, values=rows_of(steps[None])[0], rng=rng
        )
    total = int(steps.sum())
    outbox.truth.steps[(wearer.patient.patient_id, wearer.device_id)] += total
    return total


def _daily(
    outbox: Outbox, wearer: Wearer, *, hours: list, total: int, worn: np.ndarray, interval: int, rng
):
    """Once a day: where it was worn, and the vendor's own total, which seldom is the sum of the
    parts.
    """
    start, written = hours[0]
    lag = _lags(rng, 3600.0)
    if wearer.tells_worn:
        samples = _stretched(worn.astype(np.int8)[:: interval // 60], hours=len(hours))
        span = Span(start, written, interval, len(samples), lag)
        put_series(outbox, wearer, "worn", span=span, values=rows_of(samples[None])[0], rng=rng)
    if MODELS[wearer.model][3] and not wearer.is_second and rng.random() < 0.8:
        vendor = max(round(total * rng.normal(1.01, 0.02)), 0)
        span = Span(start, written, 3600 * len(hours), 1, lag)
        put_series(outbox, wearer, "daily_step_count", span=span, values=b"%d" % vendor, rng=rng)


def _by_quarters(outbox: Outbox, wearers: list[Wearer], *, day: date, hours: dict, rng):
    """A day in one event of 96 quarters of an hour (92 or 100 where the clocks change)."""
    worn = worn_minutes(wearers, rng=rng)
    quarters = worn.reshape(-1, 96, 15).mean(axis=2) >= 0.5
    expected = levels(outbox.plan, wearers, day=day, rng=rng)[:, None] * PROFILE.reshape(
        96, 15
    ).sum(axis=1)
    counts = rng.poisson(expected * rng.gamma(2.0, 0.5, expected.shape))
    steps = np.where(quarters, counts, 0).astype(np.int32)
    beats = pulse(steps // 15, rng=rng)
    for k, wearer in enumerate(wearers):
        today = hours[wearer.clinic.timezone]
        start, written = today[0]
        stepped, beaten, on = (_stretched(a[k], hours=len(today)) for a in (steps, beats, quarters))
        span = Span(start, written, 900, len(stepped), _lags(rng, 7200.0))
        if not span.is_within(outbox.plan):
            continue
        total = int(stepped.sum())
        outbox.truth.steps[(wearer.patient.patient_id, wearer.device_id)] += total
        put_series(
            outbox, wearer, "step_count", span=span, values=rows_of(stepped[None])[0], rng=rng
        )
        if wearer.has_heart_rate:
            values = _with_gaps(rows_of(beaten[None])[0], on)
            put_series(outbox, wearer, "heart_rate", span=span, values=values, rng=rng)
        minutes = np.repeat(quarters[k], 15)
        _daily(outbox, wearer, hours=today, total=total, worn=minutes, interval=900, rng=rng)


def _stretched(row: np.ndarray, *, hours: int) -> np.ndarray:
    """A 24-hour row for a day of `hours`: cut, or its last hour repeated."""
    per_hour = len(row) // 24
    return np.concatenate([row, row[-per_hour:]])[: per_hour * hours]


def _nightly(outbox: Outbox, wearers: list[Wearer], *, hours: dict, rng):
    """Sleep, variability and skin temperature of the night that ended this morning; one sample
    each.
    """
    draws = rng.standard_normal((len(wearers), 4))
    for wearer, (sleep, variability, warmth, limp) in zip(wearers, draws, strict=True):
        if not wearer.has_heart_rate:
            continue
        span = Span(*hours[wearer.clinic.timezone][6], 1, 1, _lags(rng, 3600.0))
        samples = {"sleep_duration": b"%d" % np.clip(400 + 55 * sleep, 60, 720)}
        spread = _number(np.clip(36 * np.exp(0.3 * variability), 5, 200), digits=1)
        if wearer.model == "Sense 3":
            samples["heart_rate_variability_sdnn"] = spread
            samples["nightly_skin_temperature_deviation"] = _number(0.35 * warmth, digits=2)
        else:
            samples["heart_rate_variability_rmssd"] = spread
        if wearer.has_gait:
            samples["walking_asymmetry"] = _number(np.clip(4 + 2 * limp, 0, 40), digits=1)
        for metric, value in samples.items():
            put_series(outbox, wearer, metric, span=span, values=value, rng=rng)


def _number(value: float, *, digits: int) -> bytes:
    return orjson.dumps(round(float(value), digits))


def _flexion(outbox: Outbox, wearer: Wearer, *, start: int, rng):
    """Runs of a sensor on the back, one sample a second, at odd moments of some days."""
    for _ in range(rng.poisson(1.2)):
        at = start + int(rng.uniform(8, 20) * 3600)
        n = int(rng.integers(30, 120))
        wave = rng.normal(42, 9) * np.sin(np.linspace(0, 3 * np.pi, n)) ** 2 + rng.normal(0, 1.5, n)
        bend = np.round(np.clip(wave, -20, 110), 1)
        span = Span(at, stamp(at, wearer.clinic.zone).encode(), 1, n, _lags(rng, 1800.0))
        put_series(
            outbox, wearer, "lumbar_flexion", span=span, values=rows_of(bend[None])[0], rng=rng
        )
