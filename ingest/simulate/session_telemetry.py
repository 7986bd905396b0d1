"""What a device measures during a session: cabin and skin, pulse and oxygen, each second.

Here: the series of one session. Not here: the session itself (sessions.py).
"""

import numpy as np
import orjson

from .outbox import Outbox, stamp
from .state import Clinic, Session


def telemetry(outbox: Outbox, *, session: Session, clinic: Clinic, data: dict, rng):
    """Cabin by the second, skin every 5 s from a minute before until the skin has warmed again,
    oxygen every 5 s.
    """
    n = int(data["duration_s"])
    noise = rng.standard_normal((2, n))
    depth = data["cabin_min_temp_c"]
    cabin = np.round(depth + 6.0 * np.exp(-np.arange(n) / 15.0) + 0.4 * np.abs(noise[0]), 1)
    cabin[n // 2] = depth
    start = session.started_at
    _series(
        outbox,
        session,
        clinic=clinic,
        device=data["device_id"],
        signal="cabin_temp_c",
        start=start,
        interval=1,
        values=cabin.tolist(),
        rng=rng,
    )
    if data["skin_temp_min_c"] is not None:
        _series(
            outbox,
            session,
            clinic=clinic,
            device=data["device_id"],
            signal="skin_temp_c",
            start=start - 60,
            interval=5,
            values=_skin(data, n=n, rng=rng),
            site="lower_back",
            rng=rng,
        )
    if data["room_min_oxygen_pct"] is not None:
        oxygen = np.round(data["room_min_oxygen_pct"] + 0.2 * np.abs(noise[1, ::5]), 1)
        oxygen[len(oxygen) // 2] = data["room_min_oxygen_pct"]
        _series(
            outbox,
            session,
            clinic=clinic,
            device=clinic.room_monitor.device_id,
            signal="room_oxygen_pct",
            start=start,
            interval=5,
            values=oxygen.tolist(),
            rng=rng,
        )


def _skin(data: dict, *, n: int, rng) -> list[float | None]:
    """Before, falling through the exposure, warming after it (some probes are taken off too early),
    with gaps.
    """
    before, low = data["skin_temp_pre_c"], data["skin_temp_min_c"]
    seconds = np.arange(-60, n + int(rng.uniform(900, 2700)), 5)
    falling = before - (before - low) * np.clip(seconds / n, 0, 1)
    warming = before - (before - low) * np.exp(
        -np.clip(seconds - n, 0, None) / rng.uniform(300, 800)
    )
    values = np.round(np.where(seconds <= n, falling, warming) + 0.0, 1)
    values[np.abs(seconds - n).argmin()] = low
    gaps = rng.random(len(values)) < 0.004
    return [
        None if gap and value > low else value
        for value, gap in zip(values.tolist(), gaps, strict=True)
    ]


def _series(
    outbox: Outbox,
    session: Session,
    *,
    clinic: Clinic,
    device: str,
    signal: str,
    start: int,
    interval: int,
    values: list,
    rng,
    site: str | None = None,
):
    """One telemetry event; its time is the first sample's."""
    if start + interval * len(values) >= outbox.plan.ends_at:
        return
    when = stamp(start, clinic.zone)
    data = {
        "device_id": device,
        "clinic_id": clinic.clinic_id,
        "session_id": session.session_id,
        "signal": signal,
        "site": site,
        "started_at": when,
        "interval_s": interval,
        "values": values,
    }
    event = {
        "specversion": "1.0",
        "id": f"{session.session_id}-{signal}",
        "source": outbox.plan.source(f"devices-{clinic.position + 1}"),
        "type": "floe.telemetry.v1",
        "time": when,
        "datacontenttype": "application/json",
        "data": data,
    }
    outbox.truth.saw(start)
    arrival, kind = outbox.arrival(start + interval * len(values), rng=rng)
    outbox.put(
        arrival, topic="telemetry", key=device.encode(), value=orjson.dumps(event), kind=kind
    )
