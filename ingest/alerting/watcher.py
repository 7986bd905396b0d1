"""The watcher: what has landed, whom it touches, what is news of it, and who is told; beside
ingest, in its own process.

Here: the loop. Not here: each of its steps (the modules beside this one), sending (sender.py).

    1. take in what landed since the last time (kept.py); harm among it is judged by itself at once, entered and told
       (steps 2 to 4 with what harm is judged by, look.py); whom all of it touches waits
       (touched.py)
    2. all rows of those who wait through core to causes (look.py; apart.py where that fails); meanwhile, every now and
       then, step 1: new harm overtakes a look that takes long
    3. what is news of the causes, held against the book (transforms/alerting/news.py)
    4. in one transaction of the book: alerts, deliveries, positions

A crash between any two steps looks at the same rows again and finds no more news than the book
lacks.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from transforms.alerting.causes import SUBJECTS
from transforms.alerting.records import of_unjudged
from transforms.alerting.system import KINDS
from transforms.errors import DiskFull, FloeError

from ..lake import Lake
from ..lake_in_memory import MemoryLake
from . import measured, sender
from .apart import Interrupted, Looked, judgements, looks, to_judge_again, unjudged
from .beat import Beat
from .book import Book
from .book_file import book_path
from .digest import digests
from .duty import Duty
from .entering import enter
from .hearing import hear
from .kept import TABLES, Kept, Positions, rows_from
from .look import look, look_for_harm
from .names import naming_key
from .parts import parts_of
from .telling import escalations
from .touched import HARM_FIRST, NOBODY, Touched, harmed, touched, touched_by_time

_LOOK_S = 0.2
_TICK_S = 5.0
_MEASURE_S = 60.0
_REPORTS_S = 1800.0  # days of clinics begin at half hours
_NO_SUBJECTS = pl.DataFrame(schema=SUBJECTS)

Say = sender.Say


def is_disk_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "is full" in str(error)
    return isinstance(error, DiskFull) or (
        isinstance(error, OSError) and error.errno == errno.ENOSPC
    )


class Watcher:
    """Steps 1 to 4, once a call of `step`. The lake is only read."""

    def __init__(self, settings, duty: Duty, lake: Lake, *, say: Say = lambda _: None) -> None:
        self._settings = settings
        self._duty = duty
        self._lake = lake
        self._say = say
        self._book = Book(book_path(settings), key=naming_key(settings))
        self._alive = Beat(settings)
        self._kept = Kept(alive=self._alive)
        self._memory = MemoryLake()
        # its own, for it keeps what does not change from look to look
        self._harm_memory = MemoryLake()
        self._is_caught_up = False
        self._ends: Positions = {}  # of the lake, when all of it had been taken in
        # whom rows touch that were taken in and not looked at; None = no such rows
        self._waiting: Touched | None = None
        self._overtaken = _NO_SUBJECTS  # whose harm was told during the look that is under way
        self._took_in_at = 0.0

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_) -> None:
        self._book.__exit__()
        self._kept.close()
        self._memory.close()
        self._harm_memory.close()

    def run(self, stop: threading.Event) -> None:
        tick_at = measure_at = reports_at = datetime.now(UTC)
        day = tick_at.date()
        while not stop.is_set():
            now = datetime.now(UTC)
            self._alive()
            if not self._book.is_current:
                raise FloeError(
                    f"the book of alerts ({book_path(self._settings)}) was moved away or replaced"
                )
            if not self.step(now=now):
                stop.wait(_LOOK_S)
            if now >= tick_at:
                tick_at = now + timedelta(seconds=_TICK_S)
                self.tick(now=now)
            if now >= measure_at:
                measure_at = now + timedelta(seconds=_MEASURE_S)
                self._measured(now=now)
            if self._is_caught_up and now >= reports_at:
                reports_at = now + timedelta(seconds=_REPORTS_S)
                self.look_at_reports(now=now)
            if now.date() != day:
                day = now.date()
                self._kept.reduce(now=now)

    def step(self, *, now: datetime) -> bool:
        """Takes in what has landed and looks at all whom it touches; whether there was anything
        new.
        """
        self._take_in(now=now)
        whom, self._waiting = self._waiting, None
        if whom is None:
            return False
        positions = dict(self._kept.positions)
        for part in parts_of(whom):
            self._judge(part, now=now)
        with self._book.change():
            self._book.set_positions(positions)
        return True

    def _take_in(self, *, now: datetime) -> None:
        """Takes in what has landed and tells of the harm in it; whom the rest touches waits."""
        self._took_in_at = time.monotonic()
        if self._is_caught_up:
            new = [self._hear_and_judge_harm(self._kept.follow(self._lake, now=now), now=now)]
        else:
            new = self._catch_up(now=now)
        for rows in filter(None, new):
            self._waiting = (self._waiting or NOBODY) | touched(self._kept, rows)

    def _catch_up(self, *, now: datetime) -> list[dict[str, pl.DataFrame]]:
        """All there is, for a session is not to be held against consults that are still to come.
        What harm is judged by comes first, and harm is told before the rest is read: series alone
        may take minutes.
        """
        new = []
        for tables in ((*HARM_FIRST, "alerts"), TABLES):
            taken: dict[str, pl.DataFrame] = {}
            while more := self._kept.follow(self._lake, now=now, tables=tables):
                taken = {
                    name: pl.concat([f for f in (taken.get(name), more.get(name)) if f is not None])
                    for name in taken | more
                }
            self._ends = self._kept.positions | self._ends
            new.append(self._hear_and_judge_harm(taken, now=now))
        self._is_caught_up = True
        return new

    def _hear_and_judge_harm(
        self, landed: Mapping[str, pl.DataFrame], *, now: datetime
    ) -> dict[str, pl.DataFrame]:
        """The rows that are new, of which what others wrote of alerts, and harm, is in the book
        then.
        """
        new = self._unjudged(landed)
        if "alerts" in new:
            with self._book.change():
                is_new = not self._book.positions()
                hear(self._book, self._duty, new["alerts"], now=now, is_new_book=is_new)
        self._judge_harm(new, now=now)
        return new

    def _between(self, *, now: datetime) -> None:
        """Between the steps of a look: the sign of life, and harm that landed meanwhile. `now`:
        when the look began.
        """
        self._alive()
        if time.monotonic() - self._took_in_at < _LOOK_S:
            return
        try:
            self._take_in(now=now)
        except Exception as error:
            raise Interrupted from error

    def look_at_reports(self, *, now: datetime) -> None:
        """What time alone makes due: of the events whose report is not on record. And who could not
        be judged, again.
        """
        for part in parts_of(touched_by_time(self._kept)):
            self._judge(part, now=now)
        again = to_judge_again(self._book.alerts("rule = 'not_judged' AND is_closed_by_rule = 0"))
        for part in parts_of(again) if again.patients or again.single else ():
            self._judge(part, now=now)

    def tick(self, *, now: datetime) -> None:
        """What time alone brings: the next on the list, the morning's digest."""
        with self._book.change():
            escalations(self._book, self._duty, now=now)
            digests(self._book, self._duty, self._clocks(), now=now)

    def measure(self, *, now: datetime) -> None:
        """What the system itself shows: silence, disk, clocks, checks, figures that are old."""
        causes = measured.causes(self._kept, self._lake, self._settings, now=now)
        looked_at = self._book.subjects(KINDS)
        enter(self._book, self._duty, causes, looked_at, now=now)

    def _measured(self, *, now: datetime) -> None:
        """What can't be measured (a damaged table of checks, say) is said, and keeps nobody from
        looking at what lands.
        """
        try:
            self.measure(now=now)
            self._alive.fault = ""
        except Exception as error:
            if is_disk_full(error):
                raise
            fault = f"the system could not be measured: {error}"
            if fault != self._alive.fault:
                self._say(f"alerts: {fault}")
            self._alive.fault = fault

    def _unjudged(self, landed: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """The rows beyond the book's positions: after a start all is taken in, and most was judged
        before.
        """
        positions = self._book.positions()
        if not positions or not landed:
            return dict(landed)
        # A lake that was restored ends before the book: what lands from there on is looked at,
        # though the book was further.
        judged_to = {key: min(at, self._ends.get(key, 0)) for key, at in positions.items()}
        return rows_from(landed, judged_to)

    def _judge_harm(self, new: Mapping[str, pl.DataFrame], *, now: datetime) -> None:
        """Enters what harm the new rows tell, ahead of all else that they touch; a cause that is
        gone waits for that.
        """
        whom = harmed(self._kept, new)
        if whom is None:
            return
        options = self._settings.options
        # who can't be judged is told of by the look at all that follows
        looked, _ = looks(
            lambda some: look_for_harm(self._kept, some, memory=self._harm_memory, options=options),
            whom,
        )
        for causes, subjects in looked:
            enter(self._book, self._duty, causes, subjects, now=now, is_whole=False)
            self._overtaken = pl.concat([self._overtaken, subjects])

    def _judge(self, whom: Touched, *, now: datetime) -> None:
        """Looks at them and enters what is news, but of those whose harm was told meanwhile: of
        them newer rows wait.
        """
        began = time.monotonic()

        def between() -> None:
            self._between(now=now + timedelta(seconds=time.monotonic() - began))

        def judged(some: Touched) -> Looked:
            options = self._settings.options
            return look(
                self._kept, some, memory=self._memory, options=options, now=now, between=between
            )

        self._overtaken = _NO_SUBJECTS
        try:
            looked, failed = looks(judged, whom)
        except Interrupted as interrupted:
            raise interrupted.__cause__ from None
        causes = pl.concat([*(causes for causes, _ in looked), self._unjudgeable(failed, now=now)])
        looked_at = pl.concat([*(looked_at for _, looked_at in looked), judgements(whom)])
        is_newest = {"other": self._overtaken, "on": SUBJECTS.names(), "how": "anti"}
        enter(
            self._book, self._duty, causes.join(**is_newest), looked_at.join(**is_newest), now=now
        )

    def _unjudgeable(self, failed: list[tuple[Touched, str]], *, now: datetime) -> pl.DataFrame:
        """The causes of those whose judgement fails."""
        for whom, reason in failed:
            patients = ", ".join(
                [*whom.patients, *(id for ids in whom.single.values() for id in ids)]
            )
            self._say(f"alerts: {patients} can't be judged and is told of as not_judged: {reason}")
        return of_unjudged(unjudged(self._kept, failed), now=now)

    def _clocks(self) -> dict[str, str]:
        """The time zone of each clinic, by its latest record."""
        rows = self._kept.query(
            "SELECT clinic_id, arg_max(timezone, (coalesce(revision, 0), ingested_at)) FROM raw.clinics GROUP BY 1"
        )
        return dict(rows.iter_rows())
