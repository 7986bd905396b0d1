"""The watcher's sign of life: one small file under the home, replaced whole; and that there is one
watcher a home.

Here: writing it, whether it holds, the lock. Not here: what the watcher does (watcher.py), who
starts it again (orchestration/supervisor.py).
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from transforms.counting import spoken
from transforms.errors import FloeError

_SILENT = timedelta(seconds=60)
_BEAT_S = 5.0


class Beat:
    """The watcher's sign of life from within whatever it does: called often, written every few
    seconds.

    By the work itself, not by a thread of its own: one that hangs must fall silent. `fault`: as of
    `write_beat`.
    """

    def __init__(self, settings) -> None:
        self._settings = settings
        self._due_at = 0.0
        self.fault = ""

    def __call__(self) -> None:
        if time.monotonic() >= self._due_at:
            write_beat(self._settings, fault=self.fault)
            self._due_at = time.monotonic() + _BEAT_S


def write_beat(settings, *, fault: str = "", now: datetime | None = None) -> None:
    """That the watcher looks; `fault`: why its last look failed, in a sentence. A full disk is told
    elsewhere.
    """
    path = settings.home / "alerts-watcher.json"
    fresh = path.with_suffix(f".{os.getpid()}")
    beat = {
        "pid": os.getpid(),
        "updated_at": (now or datetime.now(UTC)).isoformat(),
        "fault": fault,
    }
    with suppress(OSError):
        fresh.write_text(json.dumps(beat))
        fresh.replace(path)


def watcher_fault(settings, *, now: datetime | None = None) -> str | None:
    """Why nobody can rely on the watcher; None while it looks."""
    beat = _read(settings)
    if beat is None:
        return "no watcher of alerts has run in this home"
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(beat["updated_at"])
    if abs(age) > _SILENT:
        return f"the watcher of alerts has not reported for {spoken(abs(age).total_seconds())}"
    if beat["fault"]:
        return f"the watcher of alerts can't look: {beat['fault']}"
    return None


def has_watched(settings) -> bool:
    """Whether one ever ran in this home: one that only lands events has none."""
    return (settings.home / "alerts-watcher.json").exists()


def watcher_reports(settings, pid: int | None, *, now: datetime | None = None) -> bool:
    """Whether the watcher of this process has reported of late, be it that it can't look."""
    beat = _read(settings)
    if beat is None or beat["pid"] != pid:
        return False
    return abs((now or datetime.now(UTC)) - datetime.fromisoformat(beat["updated_at"])) <= _SILENT


def _read(settings) -> dict | None:
    try:
        return json.loads((settings.home / "alerts-watcher.json").read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def only_watcher(settings) -> Iterator[None]:
    """Holds the home's lock of watchers; FloeError naming the process that has it. It ends with its
    holder.
    """
    path = settings.home / "alerts.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = path.read_text().strip() or "unknown"
            raise FloeError(
                f"another watcher of alerts runs in {settings.home} (process {pid}): let it watch, or stop it first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
