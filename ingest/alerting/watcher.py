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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import polars as pl

from transforms.alerting.causes import SUBJECTS
from transforms.alerting.news import OF_MANY, alert_ids, news, of_many
from transforms.alerting.records import of_unjudged
from transforms.alerting.system import KINDS
from transforms.errors import CatalogMissing, DiskFull, FloeError

from ..lake import Lake
from ..lake_in_memory import MemoryLake
from ..private import make_home
from . import measured, sender
from .apart import Interrupted, Looked, judgements, looks, to_judge_again, unjudged
from .beat import Beat, only_watcher, write_beat
from .book import Book, book_path, in_words
from .digest import digests
from .duty import TOPIC, Duty, read_duty
from .hearing import hear
from .kept import TABLES, Kept, Positions
from .look import look, look_for_harm
from .names import naming_key
from .telling import escalations, tell
from .touched import HARM_FIRST, NOBODY, Touched, harmed, touched, touched_by_time

_LOOK_S = 0.2
_TICK_S = 5.0
_MEASURE_S = 60.0
_REPORTS_S = 1800.0  # days of clinics begin at half hours
_HEALTHY_S = 60.0
_LONGEST_WAIT_S = 60.0
_MOST_PATIENTS = 200  # of one look
_NO_SUBJECTS = pl.DataFrame(schema=SUBJECTS)

Say = sender.Say


def run(settings, *, stop: threading.Event, say: Say = lambda _: None) -> None:
    """Watches until `stop` is set; waits for a lake. Whatever a look's error, it is said and the
    look is taken again.

    Raises UsageError for a file of duties that can't be read, FloeError where another watches this
    home, DiskFull.
    """
    duty = read_duty(settings.alerts)
    make_home(settings)
    with _no_space_is_disk_full(settings), only_watcher(settings):
        start_senders(settings, duty, stop=stop, say=say)
        failures = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                _watch(settings, duty, stop, say)
            except Exception as error:
                if _is_disk_full(error):
                    raise
                failures = 0 if time.monotonic() - began > _HEALTHY_S else failures + 1
                wait_s = min(_LONGEST_WAIT_S, 2.0**failures)
                fault = in_words(error, book_path(settings))
                say(
                    f"alerts: a look failed ({fault}); all since the last whole one is looked at again in {wait_s:.0f} s"
                )
                write_beat(settings, fault=fault)
                stop.wait(wait_s)


def _watch(settings, duty: Duty, stop: threading.Event, say: Say) -> None:
    """From the book's positions on, until `stop` is set or a look fails."""
    with ExitStack() as stack:
        lake = _opened(settings, stop, stack)
        if lake is not None:
            stack.enter_context(Watcher(settings, duty, lake, say=say)).run(stop)


def _opened(settings, stop: threading.Event, stack: ExitStack) -> Lake | None:
    """The lake, once ingest has made it; None where `stop` was set before."""
    while not stop.is_set():
        try:
            of_one_thread = settings.model_copy(update={"lake_threads": 1})
            return stack.enter_context(Lake.open(of_one_thread, read_only=True))
        except CatalogMissing as error:
            write_beat(settings, fault=str(error))
            stop.wait(1.0)
    return None


@contextmanager
def _no_space_is_disk_full(settings) -> Iterator[None]:
    """DiskFull that names the book, whatever met the full disk."""
    try:
        yield
    except Exception as error:
        if not _is_disk_full(error):
            raise
        raise DiskFull(
            f"no space is left for the book of alerts ({book_path(settings)}): free some; what landed meanwhile is looked "
            "at then"
        ) from error


def _is_disk_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "is full" in str(error)
    return isinstance(error, DiskFull) or (
        isinstance(error, OSError) and error.errno == errno.ENOSPC
    )


def start_senders(settings, duty: Duty, *, stop: threading.Event, say: Say) -> None:
    """A thread a sink, and one for the alerts' topic."""
    path = book_path(settings)
    sender.start(path, TOPIC, sender.to_topic(settings), stop=stop, say=say)
    for sink in duty.sinks:
        sender.start(path, sink.name, sender.to_sink(sink), stop=stop, say=say)


class Watcher:
    """Steps 1 to 4, once a call of `step`. The lake is only read."""

    def __init__(self, settings, duty: Duty, lake: Lake, *, say: Say = lambda _: None) -> None:
        self._settings = settings
        self._duty = duty
        self._lake = lake
        self._say = say
        self._key = naming_key(settings)
        self._book = Book(book_path(settings), key=self._key)
        self._alive = Beat(settings)
        self._kept = Kept(alive=self._alive)
        self._memory = MemoryLake()
        self._harm_memory = (
            MemoryLake()
        )  # its own, for it keeps what does not change from look to look
        self._is_caught_up = False
        self._ends: Positions = {}  # of the lake, when all of it had been taken in
        self._waiting: Touched | None = (
            None  # whom rows touch that were taken in and not looked at; None = no such rows
        )
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
        for part in _parts(whom):
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
        for part in _parts(touched_by_time(self._kept)):
            self._judge(part, now=now)
        again = to_judge_again(self._book.alerts("rule = 'not_judged' AND is_closed_by_rule = 0"))
        for part in _parts(again) if again.patients or again.single else ():
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
        self._enter(causes, looked_at, now=now)

    def _measured(self, *, now: datetime) -> None:
        """What can't be measured (a damaged table of checks, say) is said, and keeps nobody from
        looking at what lands.
        """
        try:
            self.measure(now=now)
            self._alive.fault = ""
        except Exception as error:
            if _is_disk_full(error):
                raise
            fault = f"the system could not be measured: {error}"
            if fault != self._alive.fault:
                self._say(f"alerts: {fault}")
            self._alive.fault = fault

    def _unjudged(self, taken: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """The rows beyond the book's positions: after a start all is taken in, and most was judged
        before.
        """
        at = self._book.positions()
        if not at or not taken:
            return dict(taken)
        # A lake that was restored ends before the book: what lands from there on is looked at,
        # though the book was further.
        at = {key: min(position, self._ends.get(key, 0)) for key, position in at.items()}
        keys = ("kafka_topic", "kafka_topic_id", "kafka_partition")
        known = pl.DataFrame(
            [(*k, v) for k, v in at.items()], schema=[*keys, "_judged"], orient="row"
        )
        known = known.cast({"kafka_partition": pl.Int32})
        new = {}
        for name, frame in taken.items():
            held = frame.join(known, on=keys, how="left", maintain_order="left")
            rows = held.filter(pl.col("kafka_offset") >= pl.col("_judged").fill_null(0)).drop(
                "_judged"
            )
            if not rows.is_empty():
                new[name] = rows
        return new

    def _judge_harm(self, new: Mapping[str, pl.DataFrame], *, now: datetime) -> None:
        """Enters what harm the new rows tell, ahead of all else that they touch; a cause that is
        gone waits for that.
        """
        whom = harmed(self._kept, new)
        if whom is None:
            return
        options = self._settings.options
        # who can't be judged is told of by the look at all that follows
        done, _ = looks(
            lambda some: look_for_harm(self._kept, some, memory=self._harm_memory, options=options),
            whom,
        )
        for causes, subjects in done:
            self._enter(causes, subjects, now=now, is_whole=False)
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
            done, failed = looks(judged, whom)
        except Interrupted as interrupted:
            raise interrupted.__cause__ from None
        causes = pl.concat([*(causes for causes, _ in done), self._unjudgeable(failed, now=now)])
        looked_at = pl.concat([*(looked_at for _, looked_at in done), judgements(whom)])
        is_newest = {"other": self._overtaken, "on": SUBJECTS.names(), "how": "anti"}
        self._enter(causes.join(**is_newest), looked_at.join(**is_newest), now=now)

    def _unjudgeable(self, failed: list[tuple[Touched, str]], *, now: datetime) -> pl.DataFrame:
        """The causes of those whose judgement fails."""
        for whom, reason in failed:
            patients = ", ".join(
                [*whom.patients, *(id for ids in whom.single.values() for id in ids)]
            )
            self._say(f"alerts: {patients} can't be judged and is told of as not_judged: {reason}")
        return of_unjudged(unjudged(self._kept, failed), now=now)

    def _enter(
        self,
        causes: pl.DataFrame,
        looked_at: pl.DataFrame,
        *,
        now: datetime,
        is_whole: bool = True,
    ) -> None:
        """`is_whole`: whether these are all causes of the subjects; others then are gone."""
        standing = self._book.standing(alert_ids(causes, key=self._key), looked_at)
        judged = looked_at if is_whole else looked_at.clear()
        changes = news(causes, standing, judged=judged, key=self._key)
        if changes["rule"].is_in(OF_MANY).any():
            changes = of_many(changes, self._book.standing_open(OF_MANY))
        with self._book.change():
            self._book.enter(changes, now=now)
            for row in changes.iter_rows(named=True):
                tell(self._book, self._duty, row["alert_id"], news=row["news"], now=now)
            if not changes.is_empty():
                self._promote(now=now)

    def _promote(self, *, now: datetime) -> None:
        """Of what has many alerts of one cause, the oldest is told once the one that was told is
        closed.
        """
        for alert in self._book.untold_causes(OF_MANY):
            revision = alert["revision"] + 1
            self._book.update(
                alert["alert_id"], tier="today", told_at=now, digested_at=None, revision=revision
            )
            tell(self._book, self._duty, alert["alert_id"], news="raised", now=now)

    def _clocks(self) -> dict[str, str]:
        """The time zone of each clinic, by its latest record."""
        rows = self._kept.query(
            "SELECT clinic_id, arg_max(timezone, (coalesce(revision, 0), ingested_at)) FROM raw.clinics GROUP BY 1"
        )
        return dict(rows.iter_rows())


def _parts(whom: Touched) -> Iterator[Touched]:
    """The patients some hundred at a time, in an order; devices and single records with the first
    of them.
    """
    patients = sorted(whom.patients)
    for k in range(
        0, len(patients) or min(1, len(whom.devices) + len(whom.single)), _MOST_PATIENTS
    ):
        some = frozenset(patients[k : k + _MOST_PATIENTS])
        yield Touched(some, whom.devices if k == 0 else frozenset(), whom.single if k == 0 else {})
