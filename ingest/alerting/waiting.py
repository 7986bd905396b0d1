"""What waits in the book to be told: what nobody tried, what failed, what is for a sink that is
gone; and the book itself.

Here: sentences for whoever asks from outside the watcher; the book is only read. Not here:
delivering (sender.py), whether the watcher looks (watching.py).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from transforms.counting import spoken
from transforms.errors import UsageError

from .book_file import book_path, in_words
from .duty import TOPIC, Duty, read_duty

REMEDY = "floe up runs the watcher, floe alerts watch runs it alone"
_LATE = timedelta(seconds=30)
# Of one subject the first alone: what comes later waits for it, and is not tried before.
_WAITING = """
SELECT sink, count(*) FILTER (WHERE attempts > 0), max(error), count(*) FILTER (WHERE is_late), min(due_at) FILTER (WHERE is_late), count(*)
FROM (
    SELECT *, attempts = 0 AND due_at < ? AND number = min(number) OVER (PARTITION BY sink, in_order_of) AS is_late
    FROM deliveries WHERE delivered_at IS NULL)
GROUP BY sink ORDER BY sink"""


@dataclass(frozen=True)
class Waiting:
    """Deliveries that wait for a sink: how many failed and why, how many nobody tried though due,
    since when; all.
    """

    sink: str
    n_failed: int
    error: str | None
    n_late: int
    late_since: datetime | None
    n: int


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The book, to be read; sqlite3.Error where it can't be."""
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    ) as book:
        yield book


def waiting(book: sqlite3.Connection, *, now: datetime) -> list[Waiting]:
    before = (now - _LATE).astimezone(UTC).isoformat(timespec="microseconds")
    return [
        Waiting(sink, n_failed, error, n_late, datetime.fromisoformat(since) if since else None, n)
        for sink, n_failed, error, n_late, since, n in book.execute(_WAITING, [before])
    ]


def undelivered(settings, rows: list[Waiting], *, now: datetime) -> list[str]:
    """A sentence for what failed, what nobody tried, and what is for a sink that the file of duties
    lacks.
    """
    gone = _gone(settings, rows)
    there = [row for row in rows if row not in gone]
    return [
        *(_failed(row) for row in there if row.n_failed),
        *_late(there, now=now),
        *map(_of_gone, gone),
    ]


def undelivered_late(settings, *, now: datetime) -> list[str]:
    """One sentence per sink whose deliveries are due for half a minute and were not tried; also of
    a book that can't be read.
    """
    path = book_path(settings)
    if not path.exists():
        return []
    try:
        with reading(path) as book:
            rows = waiting(book, now=now)
    except sqlite3.Error as error:
        return [f"what is still to be told is unknown: {in_words(error, path)}"]
    gone = _gone(settings, rows)
    return _late([row for row in rows if row not in gone], now=now)


def left_over(settings, *, now: datetime) -> list[str]:
    """One sentence per sink that is not in the file of duties any more, or has another name, and
    for which something waits.
    """
    path = book_path(settings)
    if not path.exists():
        return []
    try:
        with reading(path) as book:
            return [_of_gone(row) for row in _gone(settings, waiting(book, now=now))]
    except sqlite3.Error as error:
        return [in_words(error, path)]


def book_fault(settings) -> str | None:
    """What is wrong with the book, all of which is read, in a sentence; None = nothing, or there is
    none.
    """
    path = book_path(settings)
    if not path.exists():
        return None
    try:
        with reading(path) as book:
            (verdict,) = book.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                damage = sqlite3.DatabaseError(verdict)
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damage
            waiting(book, now=datetime.now(UTC))
            book.execute("SELECT alert_id, state, tier, told_at FROM alerts LIMIT 1").fetchone()
    except sqlite3.Error as error:
        return in_words(error, path)
    return None


def _gone(settings, rows: list[Waiting]) -> list[Waiting]:
    """Of those that no sink takes any more; none where the file can't be read, or there is none."""
    try:
        duty = read_duty(settings.alerts) if settings.alerts else None
    except UsageError:
        return []
    return [row for row in rows if duty is not None and row.sink not in _names(duty)]


def _names(duty: Duty) -> set[str]:
    return {TOPIC, *(sink.name for sink in duty.sinks)}


def _failed(row: Waiting) -> str:
    return f"{row.n_failed} of what is to be told by {row.sink} could not be delivered yet: {row.error}"


def _late(rows: list[Waiting], *, now: datetime) -> list[str]:
    return [
        f"{row.n_late} of what is to be told by {row.sink} waits for up to {spoken((now - row.late_since).total_seconds())} "
        f"and nobody tried to deliver it; the watcher's log says why where it runs ({REMEDY})"
        for row in rows
        if row.n_late
    ]


def _of_gone(row: Waiting) -> str:
    return (
        f"{row.n} of what is to be told waits for {row.sink}, which is no sink of FLOE_ALERTS any more: name one so again "
        "(one of kind file will do) and start the watcher again, and it is handed them"
    )
