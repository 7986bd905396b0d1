"""Whether a process keeps the tables of a home up to date.

Here: its lock. Not here: what it does (resident.py).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.errors import FloeError


@contextmanager
def alone_in(settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with _held(settings) as is_held:
        if not is_held:
            raise FloeError(
                f"found another floe follow of {settings.home}, expected none: it brings all tables up to date; stop it, or leave it"
            )
        yield


def is_followed(settings) -> bool:
    """Whether a process of this machine follows the lake of this home."""
    if not _lock(settings).exists():
        return False
    with _held(settings) as is_held:
        return not is_held


@contextmanager
def _held(settings) -> Iterator[bool]:
    """The kernel's lock: it ends with its holder, however that ends."""
    descriptor = os.open(_lock(settings), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _lock(settings) -> Path:
    return settings.home / "follow.lock"
