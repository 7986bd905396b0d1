"""How much was free on the home's disk, by the hour of the last week: what tells when it will be
full.

Here: the file under the home and the estimate. Not here: who asks (health.py).
"""

import json
import os
import time
from contextlib import suppress

_NAME = "disk.json"
_EVERY_S = 3600.0
_KEPT = 7 * 24
_LEAST_S = 2 * _EVERY_S


def days_until_full(settings, *, free: int, now: float | None = None) -> float | None:
    """Days until nothing is free, at the pace since the oldest note; None where it does not fill,
    or too little is known yet (two hours). Notes `free` (bytes) once an hour.
    """
    at = time.time() if now is None else now
    notes = [
        note for note in _notes(settings) if note[0] <= at
    ]  # a clock that was set back forgets
    if not notes or at - notes[-1][0] >= _EVERY_S:
        notes = [*notes, (at, free)][-_KEPT:]
        _write(settings, notes)
    began, was_free = notes[0]
    pace = (was_free - free) / (at - began) if at - began >= _LEAST_S else 0.0
    if pace > 0:
        return free / pace / 86_400
    return None


def _notes(settings) -> list[tuple[float, int]]:
    try:
        return [
            (float(at), int(free)) for at, free in json.loads((settings.home / _NAME).read_text())
        ]
    except (OSError, ValueError, TypeError):
        return []


def _write(settings, notes: list[tuple[float, int]]) -> None:
    path = settings.home / _NAME
    fresh = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        fresh.write_text(json.dumps(notes))
        fresh.replace(path)
