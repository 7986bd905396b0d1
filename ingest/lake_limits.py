"""How long a reader's statement may run and how much memory this process may take for it.

Here: the clock, the ceiling of memory, and their sentences. Not here: DuckDB's own limits
(lake_answers.py).

DuckDB's `memory_limit` counts what it may spill, not the texts and lists that one function makes:
without a ceiling `repeat('x', 3000000000)` takes 6 GB under a limit of 0.5. And it looks at an
interrupt only between functions.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from transforms.errors import UsageError

T = TypeVar("T")

_GRACE_S = 5.0  # from the interrupt until the process ends, for functions that never look at it
_SHARE_BEYOND = 0.25  # of the memory for statements: what the rest of the process may add to it
_GB = 10**9


class TooLong(UsageError):
    """A statement used up its time."""


class Clock:
    """Runs the parts of one statement in a thread of its own, so that a signal and the time's end
    reach the caller.

    Only the time inside counts, not what the caller does with the rows in between. A part that runs
    on in spite of the interrupt can't be ended alone: `abandon` is told why and may end the
    process.
    """

    def __init__(
        self,
        seconds: float,
        *,
        interrupt: Callable[[], None],
        abandon: Callable[[BaseException], object] | None,
    ):
        self._seconds = self._left_s = seconds
        self._interrupt, self._abandon = interrupt, abandon
        self._threads = ThreadPoolExecutor(1, "floe-statement")

    def run(self, work: Callable[[], T]) -> T:
        """What `work` gives. Raises TooLong, and KeyboardInterrupt once the work has ended."""
        began = time.monotonic()
        part = self._threads.submit(work)
        try:
            if not wait([part], self._left_s).done:
                raise TooLong(
                    f"found a statement that runs for more than {self._seconds:g} s, expected a shorter one: narrow it "
                    "(WHERE, fewer columns, LIMIT), or set FLOE_SQL_TIME_S"
                )
        except BaseException as error:
            self._interrupt()
            if not wait([part], _GRACE_S).done and self._abandon:
                self._abandon(error)
            raise
        self._left_s = max(0.0, self._left_s - (time.monotonic() - began))
        return part.result()

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def too_large(settings) -> UsageError:
    return UsageError(
        f"found a statement that needs more than {settings.sql_memory_gb:g} GB of memory or {settings.sql_spill_gb:g} GB "
        "on disk, expected a smaller one: narrow it (WHERE, fewer columns, LIMIT), or set FLOE_SQL_MEMORY_GB, "
        "FLOE_SQL_SPILL_GB"
    )


@contextmanager
def memory_ceiling(memory_gb: float) -> Iterator[None]:
    """This process takes at most so much more than now; where the system knows no such ceiling
    there is none.
    """
    taken = _taken_bytes()
    if taken is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = taken + int(memory_gb * _GB * (1 + _SHARE_BEYOND))
    is_lower = soft == resource.RLIM_INFINITY or ceiling < soft
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling if is_lower else soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _taken_bytes() -> int | None:
    """What the kernel counts of this process; None where it is not Linux."""
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/self/statm") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
