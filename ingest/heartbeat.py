"""A worker's sign of life: one small file under the home, replaced whole, so that nobody writes the
lake to say so.

Here: writing it, reading all of them, telling well from stuck, and until when a figure holds.
Not here: what a worker does (worker.py).

A figure holds as long as its worker reports. Afterwards nobody knows it: it is null, and `unknown`
says why. What a worker that stopped of itself had done stays, its rate and its lag do not.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from transforms.counting import spoken

_SILENT = timedelta(seconds=30)
_STUCK_S = 60.0
COMMIT_BUCKETS_S = (
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)  # limits of `commits`, the rest beyond
_OF_NOW = (
    "events_per_s",
    "lag",
    "partitions",
    "last_batch_s",
    "seconds_since_landed",
)  # true only while the worker reports
_OF_THE_RUN = ("events", "rows", "rejects", "batches", "seconds_running")  # true at its end, too


def write_heartbeat(settings, worker: tuple[int, int], beat: Mapping[str, object]) -> None:
    """Replaces the worker's file; a reader sees the old one or the new one. That the disk is full
    is told elsewhere.
    """
    path = _path(settings, worker)
    fresh = path.with_suffix(f".{os.getpid()}")
    stamp = {
        "worker": f"{worker[0]}/{worker[1]}",
        "pid": os.getpid(),
        "created": psutil.Process().create_time(),
        "updated_at": datetime.now(UTC).isoformat(),
    }
    with suppress(OSError):
        fresh.write_text(json.dumps(stamp | dict(beat)))
        fresh.replace(path)


def heartbeats(settings, *, now: datetime | None = None) -> list[dict]:
    """The last sign of life of each worker of this home, with `health`, `age_s` and `unknown` (a
    sentence, or null):

    ok (idle too), waiting (Kafka does not answer), stuck (silent, or records wait and none lands),
    stopped, failed. Figures that are unknown are null.
    """
    at = now or datetime.now(UTC)
    beats = filter(None, (_read(path) for path in sorted(settings.home.glob("ingest-*-of-*.json"))))
    return [_judged(beat, at) for beat in beats]


def ingest_unknown(settings, *, now: datetime | None = None) -> str | None:
    """Why nobody knows how ingest does; None while a worker of this home reports."""
    beats = heartbeats(settings, now=now)
    if not beats:
        return "unknown: no ingest has run in this home"
    if any(beat["unknown"] is None for beat in beats):
        return None
    return min(beats, key=lambda beat: beat["age_s"])["unknown"]


def _read(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None  # it went meanwhile, or a full disk cut it short: no sign of life


def _judged(beat: dict, now: datetime) -> dict:
    age = now - datetime.fromisoformat(beat["updated_at"])
    health = _health(beat, age)
    reason = _reason(beat, health, age)
    lost = () if reason is None else _OF_NOW if health == "stopped" else (*_OF_NOW, *_OF_THE_RUN)
    return (
        beat
        | dict.fromkeys(lost)
        | {"health": health, "age_s": round(age.total_seconds(), 1), "unknown": reason}
    )


def _path(settings, worker: tuple[int, int]) -> Path:
    number, of = worker
    return settings.home / f"ingest-{number}-of-{of}.json"


def _health(beat: dict, age: timedelta) -> str:
    if beat["state"] in ("stopped", "failed"):
        return beat["state"]
    if not _lives(beat):
        return "failed"
    has_waited = beat["lag"] and beat["seconds_since_landed"] > _STUCK_S
    if abs(age) > _SILENT or (has_waited and beat["state"] != "waiting"):
        return "stuck"
    return "waiting" if beat["state"] == "waiting" else "ok"


def _lives(beat: dict) -> bool:
    """Whether the process that wrote it is there; another that has got its number is not."""
    try:
        process = psutil.Process(beat["pid"])
        is_same = abs(process.create_time() - beat.get("created", process.create_time())) < 1
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _reason(beat: dict, health: str, age: timedelta) -> str | None:
    age_words = spoken(max(0.0, age.total_seconds()))
    if health == "stopped":
        return f"unknown: ingest was stopped {age_words} ago"
    if health == "failed":
        return f"unknown: ingest has not reported for {age_words}, its process has ended"
    if age < -_SILENT:
        return "unknown: ingest last reported at a time that is yet to come, so the clock was set back since"
    return f"unknown: ingest has not reported for {age_words}" if age > _SILENT else None
