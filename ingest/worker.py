"""The loop around landing: one thread polls, one decodes, one lands, until told to stop or drained.

Here: the threads and their queues, decoding, landing, alerts of unreadable safety records. Not here:
polling (polling.py), what is counted and said (progress.py), what a step does (source.py,
landing.py).

The queues between the threads hold one batch each: when landing is slow, decoding and then polling
stop; when polling is slow, a batch waits at most FLOE_INGEST_LINGER_MS to fill. Where a worker
stands is in the lake alone, so whatever ends it, the next start goes on behind the last batch that
was committed.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from transforms.counting import counted
from transforms.errors import BrokerMissing, FloeError

from . import stream
from .catalog_open import kept_open
from .lake import Lake
from .landing import Prepared, land, prepare
from .log_proofs import require_one_log
from .polling import POLL_S, End, Polling, hand_on
from .positions import current_positions
from .private import make_home
from .progress import Progress, WorkerReport
from .reject_alerts import TOPIC as ALERTS
from .reject_alerts import due_alerts, note_told
from .reject_hours import catch_up
from .source import Batch
from .stream import Source

__all__ = ["WorkerReport", "run", "wait_landed"]

Say = Callable[[str], None]

_BEAT_S = 1.0
_SAY_S = 10.0
_AGAIN_S = 10.0  # before an alert that could not be published is tried again
_HOURS_EVERY_S = 60.0  # how often it is asked whether an hour is over whose alert did not tell all


def run(
    settings,
    *,
    drain: bool = False,
    worker: tuple[int, int] = (1, 1),
    stop: threading.Event | None = None,
    on_progress: Say | None = None,
    after_parting: str | None = None,
) -> WorkerReport:
    """Lands what arrives until `stop` is set; with `drain`, until the end offsets seen at the start
    have landed.

    The batch in hand when `stop` is set is finished. Worker (K, N) reads its share of the
    partitions. Raises BrokerMissing (no Kafka at the start; a later outage is waited for),
    LandingConflict (another worker has the partition), DiskFull and the lake's other errors,
    FloeError where Kafka deleted records unread (see FLOE_INGEST_SKIP_LOST), LogsParted where its
    log is no more the one that landed and `after_parting` (parting.CHOICES) does not say how to go
    on: each leaves the lake whole, and the next start carries on.
    """
    make_home(settings)
    with Lake.open(settings.of_one_thread) as lake, kept_open(settings):
        catch_up(lake)
        stop, say = stop or threading.Event(), on_progress or (lambda _: None)
        lands = _Worker(settings, lake, worker, stop=stop, say=say, after_parting=after_parting)
        return lands.run(drain)


def wait_landed(settings, *, stop: threading.Event, say: Say = lambda _: None) -> bool:
    """Waits until what is in Kafka now has landed; False where `stop` was set before. Raises
    LogsParted: of a log that is not the one that landed nobody knows what is still to land.
    """
    ends, ids = stream.end_offsets(settings), stream.topic_ids(settings)
    said_at = time.monotonic()
    with Lake.open(settings) as lake:  # made here if the worker has not made it yet
        while not stop.is_set():
            stored = current_positions(lake)
            left = sum(max(0, end - stored.get((t, ids[t], p), 0)) for (t, p), end in ends.items())
            if not left:
                _require_one_log(lake, settings)
                return True
            if time.monotonic() - said_at > _SAY_S:
                said_at = time.monotonic()
                _require_one_log(lake, settings)
                say(f"{counted(left, 'event')} still to land")
            stop.wait(0.3)
    return False


def _require_one_log(lake: Lake, settings) -> None:
    with suppress(BrokerMissing):  # an outage is waited for
        require_one_log(lake, settings)


class _Worker:
    """The poll thread owns the source; the thread that called `run` owns the lake's writes and the
    report.

    Decoding stands between the two: polling is Python's own work, decoding and landing are not, so
    that two cores do all three at once. The lake has one thread here: of several the idle ones wake
    for each of a landing's small statements, which more than doubles its CPU time.
    """

    def __init__(
        self,
        settings,
        lake: Lake,
        worker: tuple[int, int],
        *,
        stop: threading.Event,
        say: Say,
        after_parting: str | None,
    ) -> None:
        self._settings = settings
        self._lake = lake
        self._number = worker
        self._stop = stop  # from outside
        self._end = threading.Event()  # of the poll thread and the decode thread
        self._say = say
        self._polled: queue.Queue[list[Batch] | End] = queue.Queue(maxsize=1)
        self._prepared: queue.Queue[Prepared | End] = queue.Queue(maxsize=1)
        self._progress = Progress(settings, worker)
        self._polling = Polling(
            settings,
            lake,
            self._progress,
            batches=self._polled,
            end=self._end,
            say=say,
            after_parting=after_parting,
        )
        self._is_alert_due = True  # a crash may have left some unpublished
        self._alerts_at = self._alerts_wait = 0.0
        self._alerts_sent = 0  # in this run
        self._beat_at = self._said_at = 0.0

    def run(self, drain: bool) -> WorkerReport:
        """A drain that raised alerts goes on until they have landed too: who drains and looks must
        see them.
        """
        state = "failed"
        try:
            self._run(drain)
            if drain and self._alerts_sent and not self._stop.is_set():
                self._run(drain, only=ALERTS)
            state = "stopped"
        finally:
            report = self._progress.end()
            self._progress.beat(state)
        return report

    def _run(self, drain: bool, *, only: str | None = None) -> None:
        """Until stopped; with `drain` until the ends seen at its start have landed (`only` of that
        topic).
        """
        self._end.clear()
        with Source(self._settings, worker=self._number, stored=self._polling.standings) as source:
            ends = source.end_offsets() if drain else None
            if only:
                ends = {key: end for key, end in ends.items() if key[0] == only}
            threads = [
                _thread("floe-poll", self._polling.poll, source, ends),
                _thread("floe-decode", self._decode),
            ]
            for thread in threads:
                thread.start()
            try:
                self._land_all()
            finally:
                self._end.set()
                for thread in threads:
                    thread.join()
            if landed := self._polling.committable:
                source.commit(landed, is_last=True)

    def _decode(self) -> None:
        while not self._end.is_set():
            try:
                batches = self._polled.get(timeout=POLL_S)
            except queue.Empty:
                continue
            try:
                item = _decoded(batches)
            except BaseException as error:
                item = End(error)
            batches = None  # their bytes are not needed while the next batch is waited for
            hand_on(self._prepared, item, until=self._end)
            if isinstance(item, End):
                return
            item = None

    def _land_all(self) -> None:
        while True:
            self._tick()
            if self._stop.is_set():
                return
            try:
                item = self._prepared.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(item, End):
                if item.failure:
                    raise item.failure from None
                self._publish_alerts()
                return
            self._land(item)
            item = None

    def _land(self, prepared: Prepared) -> None:
        began = time.monotonic()
        landed = land(self._lake, prepared, most_whole_bytes=self._settings.rejects_whole_mb * 1e6)
        self._progress.add(landed, seconds=time.monotonic() - began)
        self._polling.committable = {**self._polling.committable, **landed.positions}
        if landed.safety_rejects:
            self._is_alert_due = True
            self._publish_alerts()

    def _publish_alerts(self) -> None:
        """Those that can't be told now are told later, at the latest after the next start."""
        now = time.monotonic()
        is_time = self._is_alert_due or now >= self._alerts_at
        if self._polling.unreachable_s or now < self._alerts_wait or not is_time:
            return
        self._alerts_at, self._alerts_wait = now + _HOURS_EVERY_S, 0.0
        due = due_alerts(self._lake, now=datetime.now(UTC))
        try:
            if due.events:
                stream.publish(self._settings, due.events)
                self._say(
                    f"safety records could not be read: floe rejects lists them; {counted(len(due.events), 'alert')} raised"
                )
        except FloeError as error:
            self._say(f"{len(due.events)} alerts of unreadable safety records wait: {error}")
            self._alerts_wait = time.monotonic() + _AGAIN_S
            return
        note_told(self._lake, due)
        self._alerts_sent += len(due.events)
        self._is_alert_due = False

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < _BEAT_S:
            return
        self._beat_at = now
        self._publish_alerts()
        self._progress.beat("waiting" if self._polling.unreachable_s else "running")
        if now - self._said_at > _SAY_S and (sentence := self._progress.sentence()):
            self._said_at = now
            self._say(sentence)


def _thread(name: str, target: Callable[..., None], *args: object) -> threading.Thread:
    return threading.Thread(target=target, args=args, name=name, daemon=True)


def _decoded(batches: list[Batch] | End) -> Prepared | End:
    if isinstance(batches, End):
        return batches
    return prepare(batches, now=datetime.now(UTC))
