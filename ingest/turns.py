"""Turns: one writer at a time over a catalog that takes one writer at a time; one run at a time; no file
removed while a copy is made.

Here: advisory locks between the processes of a machine, the turn fair among those who wait.
Not here: what is written (lake/) or copied (backup.py). The locks are the kernel's: they end with
their holder, however that ends.
"""

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from transforms.errors import FloeError

TURN_WAIT_S = 120.0


def catalog_turn(catalog: Path):
    """The turn to write to a SQLite catalog."""
    return file_turn(catalog.with_name(catalog.name + ".turn"), wait_s=TURN_WAIT_S)


@contextmanager
def keeping_files(catalog: Path) -> Iterator[None]:
    """While the block runs no file of the lake is removed; waits for a removal that is under
    way.
    """
    path = _kept(catalog)
    with _locked(path, time.monotonic() + TURN_WAIT_S, holder=path, kind=fcntl.LOCK_SH):
        yield


@contextmanager
def removing_files(catalog: Path) -> Iterator[bool]:
    """Whether files may be removed while the block runs: not while somebody copies them."""
    descriptor = os.open(_kept(catalog), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def one_holder(path: Path, *, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Holds the lock while the block runs, however long another has it: `on_wait` is told once who."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_lock(descriptor):
            on_wait(_holder(path))
            while not _try_lock(descriptor):
                time.sleep(0.2)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _kept(catalog: Path) -> Path:
    return catalog.with_name(catalog.name + ".kept")


@contextmanager
def file_turn(path: Path, *, wait_s: float) -> Iterator[None]:
    """Holds the turn while the block runs; FloeError naming the holder if it does not come within
    `wait_s`.

    1. the door: who waits for the turn holds it, so that one who has just written queues behind;
    2. the turn itself; 3. the door is left open for the next.
    """
    deadline = time.monotonic() + wait_s
    with ExitStack() as held:
        with _locked(path.with_name(path.name + ".door"), deadline, holder=path):
            turn = held.enter_context(_locked(path, deadline, holder=path))
        _sign(turn)
        yield


@contextmanager
def _locked(
    path: Path, deadline: float, *, holder: Path, kind: int = fcntl.LOCK_EX
) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        while not _try_lock(descriptor, kind):
            if time.monotonic() > deadline:
                raise FloeError(
                    f"another process ({_holder(holder)}) has kept the lake's turn to write ({holder}) for too long: "
                    "let it finish, or stop it; nothing of this write was done"
                )
            time.sleep(random.uniform(0.001, 0.008))
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _holder(path: Path) -> str:
    return f"process {path.read_text() or 'unknown'}"
