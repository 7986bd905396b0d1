"""What `floe up` runs in a home, on record: which processes on which ports, in what state, and what
was said of them.

Here: the record under the home, and what of it still holds. Not here: starting and ending processes
(orchestration/supervisor.py).

    FLOE_HOME/up.json   {"home", "pid", "created", "started_at", "updated_at", "state", "parts": [...], "told": [...]}

A process is named by its number and the moment at which it began: a number is used again some day.
"""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from transforms.counting import spoken

_SILENT = timedelta(seconds=30)
_NAME = "up.json"


def write_running(settings, record: dict) -> None:
    """Replaces the record; a full disk is told elsewhere."""
    path = settings.home / _NAME
    fresh = path.with_suffix(f".{os.getpid()}")
    own = {
        "home": home_of(settings),
        **identity(os.getpid()),
        "updated_at": datetime.now(UTC).isoformat(),
    }
    with suppress(OSError):
        fresh.write_text(json.dumps(own | record))
        fresh.replace(path)


def home_of(settings) -> str:
    """How the home's processes are marked: its one path, whatever way leads to it."""
    return str(Path(settings.home).resolve())


def identity(pid: int) -> dict:
    """What names one process for good; `created` is 0 where it has ended."""
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.Error:
        return {"pid": pid, "created": 0.0}


def is_alive(record: dict) -> bool:
    """Whether that process is there still; neither a zombie is, nor another that has got its
    number.
    """
    try:
        process = psutil.Process(record["pid"])
        return (
            abs(process.create_time() - record["created"]) < 1
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def running(settings, *, now: datetime | None = None) -> dict | None:
    """The record with what holds of it: `state` of the whole and of each part; None where `floe up`
    never ran.

    The whole: running, stopped, ended (without being stopped), silent (it runs, and has not looked
    for a while). A part: starting, running, silent, down (it is started again), given up, stopped;
    left over or ended with the whole; unknown.
    """
    try:
        record = json.loads((settings.home / _NAME).read_text())
    except (OSError, ValueError):
        return None
    if record["home"] != home_of(settings):
        return None  # of the home that this one is a copy of
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(record["updated_at"])
    if record["state"] == "stopped":
        return record
    if not is_alive(record):
        sentence = "floe up ended without being stopped; the next start ends what it left"
        return record | {
            "state": "ended",
            "said": sentence,
            "parts": [_left(part) for part in record["parts"]],
        }
    if abs(age) > _SILENT:
        sentence = f"floe up has not looked for {spoken(abs(age).total_seconds())}: what its parts do is unknown"
        unknown = [part | {"state": "unknown"} for part in record["parts"]]
        return record | {"state": "silent", "said": sentence, "parts": unknown}
    return record


def parts_down(settings) -> list[str]:
    """A sentence for each thing of `floe up` that does not run as it should."""
    record = running(settings)
    if record is None or record["state"] == "stopped":
        return []
    whole = [record["said"]] if record["state"] != "running" else []
    return whole + [
        f"{part['name']}: {part['state']}" + (f" ({part['said']})" if part["said"] else "")
        for part in record["parts"]
        if part["state"] not in ("running", "stopped")
    ]


def _left(part: dict) -> dict:
    is_there = any(is_alive(process) for process in part["processes"])
    return part | {"state": "left over" if is_there else "ended"}
