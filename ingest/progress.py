"""What a worker has done, and how that is said: its report, its sign of life, how far it is behind.

Here: counts and their words. Not here: the work (worker.py, polling.py).
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from transforms.counting import counted

from .heartbeat import COMMIT_BUCKETS_S, write_heartbeat
from .landing import Landed

_RATE_WINDOW_S = 10.0


@dataclass
class WorkerReport:
    """What a run did. `events`: records, rejects included."""

    events: int = 0
    rows: int = 0
    rejects: int = 0
    batches: int = 0
    seconds: float = 0.0

    def add(self, landed: Landed) -> None:
        self.events += landed.rows + landed.rejects
        self.rows += landed.rows
        self.rejects += landed.rejects
        self.batches += 1

    def __str__(self) -> str:
        return (
            f"landed {counted(self.events, 'event')} in {self.batches:,} batch{'es' * (self.batches != 1)} within "
            f"{self.seconds:.1f} s: {counted(self.rows, 'row')}, {counted(self.rejects, 'reject')}"
        )


class Progress:
    """Of one worker; the poll thread sets what it reads, the landing thread what has landed."""

    def __init__(self, settings, worker: tuple[int, int]) -> None:
        self._settings = settings
        self._number = worker
        self.report = WorkerReport()
        self.landed: dict[tuple[str, int], int] = {}
        self.ends: Mapping[tuple[str, int], int] = {}
        self.read_bytes = 0
        self.partitions = 0  # assigned
        self._started = self._landed_at = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()
        self._batch_s = 0.0
        self._commits = [0] * (len(COMMIT_BUCKETS_S) + 1)
        self._commit_s = 0.0

    def add(self, landed: Landed, *, seconds: float) -> None:
        """A batch that landed within these seconds."""
        self._landed_at = time.monotonic()
        self._batch_s = seconds
        self._commit_s += seconds
        self._commits[bisect_left(COMMIT_BUCKETS_S, seconds)] += 1
        self.report.add(landed)
        self._recent.append((self._landed_at, landed.rows + landed.rejects))
        self.landed |= landed.positions

    def end(self) -> WorkerReport:
        self.report.seconds = time.monotonic() - self._started
        return self.report

    @property
    def lag(self) -> int | None:
        """Positions up to the ends last seen that have not landed; None before the first look."""
        if not self.ends:
            return None
        return sum(max(0, end - self.landed.get(key, 0)) for key, end in self.ends.items())

    @property
    def events_per_s(self) -> float:
        """Over the last seconds."""
        now = time.monotonic()
        while self._recent and now - self._recent[0][0] > _RATE_WINDOW_S:
            self._recent.popleft()
        events = sum(count for _, count in self._recent)
        return events / min(_RATE_WINDOW_S, max(1.0, now - self._started))

    def sentence(self) -> str | None:
        """How fast, how much, how far behind; None where nothing landed lately."""
        if not self._recent:
            return None
        rate = counted(round(self.events_per_s), "event")
        return f"{rate} a second; {self.report.events:,} so far, lag {self.lag}"

    def beat(self, state: str) -> None:
        """Writes the sign of life."""
        now = time.monotonic()
        write_heartbeat(
            self._settings,
            self._number,
            {
                "state": state,
                "seconds_running": round(now - self._started, 1),
                "seconds_since_landed": round(now - self._landed_at, 1),
                "events_per_s": round(self.events_per_s, 1),
                "events": self.report.events,
                "rows": self.report.rows,
                "rejects": self.report.rejects,
                "batches": self.report.batches,
                "last_batch_s": round(self._batch_s, 3),
                "lag": self.lag,
                "partitions": self.partitions,
                "bytes": self.read_bytes,
                "commits": self._commits,
                "commit_s": round(self._commit_s, 3),
            },
        )
