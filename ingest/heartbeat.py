"""A worker's sign of life: one small file under the home, replaced whole, so that nobody writes the lake to say so.

Here: writing it, reading all of them, telling well from stuck. Not here: what a worker does (worker.py).
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

_SILENT = timedelta(seconds=30)
_STUCK_S = 60.0


def write_heartbeat(settings, worker: tuple[int, int], beat: Mapping[str, object]) -> None:
    """Replaces the worker's file; a reader sees the old one or the new one. That the disk is full is told elsewhere."""
    path = _path(settings, worker)
    fresh = path.with_suffix(f".{os.getpid()}")
    stamp = {"worker": f"{worker[0]}/{worker[1]}", "pid": os.getpid(), "updated_at": datetime.now(UTC).isoformat()}
    with suppress(OSError):
        fresh.write_text(json.dumps(stamp | dict(beat)))
        fresh.replace(path)


def heartbeats(settings) -> list[dict]:
    """The last sign of life of each worker of this home, with its `health`:

    ok (idle too), waiting (Kafka does not answer), stuck (silent, or records wait and none lands), stopped, failed.
    """
    found = [json.loads(path.read_text()) for path in sorted(settings.home.glob("ingest-*-of-*.json"))]
    return [beat | {"health": _health(beat)} for beat in found]


def _path(settings, worker: tuple[int, int]) -> Path:
    return settings.home / f"ingest-{worker[0]}-of-{worker[1]}.json"


def _health(beat: dict) -> str:
    if beat["state"] in ("stopped", "failed"):
        return beat["state"]
    if not psutil.pid_exists(beat["pid"]):
        return "failed"
    is_silent = datetime.now(UTC) - datetime.fromisoformat(beat["updated_at"]) > _SILENT
    has_waited = beat["lag"] and beat["seconds_since_landed"] > _STUCK_S
    if is_silent or (has_waited and beat["state"] != "waiting"):
        return "stuck"
    return "waiting" if beat["state"] == "waiting" else "ok"
