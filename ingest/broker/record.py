"""What is on record of a home's broker, and the turn of those who start or stop it.

Here: broker.json and the lock beside it. Not here: what is done with it (node.py).
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..private import make_home
from .java import folder


def record_path(settings) -> Path:
    return folder(settings) / "broker.json"


def read_record(settings) -> dict:
    try:
        return json.loads(record_path(settings).read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"broker": None}  # damaged: there was one


def write_record(settings, record: dict) -> None:
    scratch = record_path(settings).with_suffix(".new")
    scratch.write_text(json.dumps(record))
    scratch.replace(record_path(settings))


@contextmanager
def one_at_a_time(settings) -> Iterator[None]:
    """Two starts of one home take turns; the second finds the first one's broker."""
    make_home(settings)
    folder(settings).mkdir(parents=True, exist_ok=True)
    with (folder(settings) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
