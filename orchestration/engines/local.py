"""The engine `local`: processes of this machine, as many as have room.

Here: how many, a pool that outlives a worker that is killed. Not here: what they compute.
"""

import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from transforms.errors import FloeError

from .room import cores, memory_bytes

_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
_LEFT = 0.5  # of what DuckDB may take, for the frames beside it
_TRIES = 3  # in a row, without one batch that was computed
_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}


class Room(NamedTuple):
    """How many workers there are, and threads of each."""

    workers: int
    threads: int


def room_here(settings) -> Room:
    return room(settings.lake_memory, cores=cores(), memory_bytes=memory_bytes())


def room(lake_memory: str, *, cores: int, memory_bytes: int) -> Room:
    """One worker a core, where each has the memory for lake queries that the settings give a process."""
    each = (1 + _LEFT) * _bytes(lake_memory, all_of=memory_bytes)
    workers = max(1, min(cores, int(memory_bytes / each)))
    return Room(workers, cores // workers)


def _bytes(text: str, *, all_of: int) -> float:
    """Of a number with a unit, as DuckDB takes it (4GB, 512 MiB); what else it takes is no limit."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT])(IB)?[A-Z]*\s*", text.upper())
    if not found:
        return all_of
    number, unit, is_binary = found.groups()
    return float(number) * (1024 if is_binary else 1000) ** _UNITS[unit]


@contextmanager
def pool(of: Room) -> Iterator[Callable]:
    """The seam's `map` by so many processes, which end with it, whatever they do then."""
    processes = _Pool(of)
    try:
        yield processes.map
    finally:
        processes.end()


@dataclass
class _Pool:
    room: Room
    _executor: ProcessPoolExecutor | None = None

    def map(self, function: Callable, batches: Sequence) -> Iterator:
        """A batch whose worker is killed is computed by another; FloeError where that goes on so. No more
        frames are kept than there are workers, and one.
        """
        todo, running, tries = deque(batches), deque(), 0
        while todo or running:
            try:
                while todo and len(running) <= self.room.workers:
                    running.append((todo[0], self._submitted(function, todo[0])))
                    todo.popleft()
                frame = running[0][1].result()
            except BrokenProcessPool as error:
                tries += 1
                if tries == _TRIES:
                    raise FloeError(_ENDED) from error
                self.end()
                todo.extendleft(batch for batch, _ in reversed(running))
                running.clear()
            else:
                running.popleft()
                tries = 0
                yield frame

    def _submitted(self, function: Callable, batch: object) -> Future:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.room.workers, _SPAWN, initializer=_begin, initargs=(self.room.threads,)
            )
        return self._executor.submit(function, batch)

    def end(self) -> None:
        """At once: nobody waits for what its workers compute."""
        if self._executor is not None:
            workers = list((self._executor._processes or {}).values())
            self._executor.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
                worker.join()
            self._executor = None


_ENDED = (
    f"the processes of a full computation were ended from outside {_TRIES} times in a row, most likely for want of memory "
    "(the system's log says so): lower FLOE_BATCH_PATIENTS, or FLOE_LAKE_MEMORY, and start again; what was computed stands"
)


def _begin(threads: int) -> None:
    """In a worker, before its first batch: its share of the cores; it ends with whoever asked for it,
    and a Ctrl-C is for that one.
    """
    os.environ |= {"POLARS_MAX_THREADS": str(threads), "FLOE_LAKE_THREADS": str(threads)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
