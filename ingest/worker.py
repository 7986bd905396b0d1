"""The loop around landing: one thread polls, one decodes, one lands, until told to stop or drained.

Here: pipelining, backpressure, stopping, what is said meanwhile. Not here: what a step does
(source.py, landing.py).

The queues between the threads hold one batch each: when landing is slow, decoding and then polling
stop; when polling is slow, a batch waits at most FLOE_INGEST_LINGER_MS to fill. Where a worker
stands is in the lake alone, so whatever ends it, the next start goes on behind the last batch that
was committed.
"""

import queue
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from transforms.counting import counted
from transforms.errors import BrokerMissing, FloeError, LogsParted

from . import stream
from .catalog_open import kept_open
from .heartbeat import COMMIT_BUCKETS_S, heartbeats, write_heartbeat
from .lake import Lake
from .landing import Landed, Partition, Prepared, current_positions, land, prepare, stored_standings
from .log_agreement import Standing
from .log_proofs import require_one_log
from .lost_batches import lost_batch, unknown_batch
from .notices import Assigned, BeginningMissing, LogParted, PositionLost, TopicRecreated
from .parting import PARTED, gone_on
from .private import make_home
from .reject_alerts import TOPIC as ALERTS
from .reject_alerts import due_alerts, note_told
from .reject_hours import catch_up
from .source import Batch
from .stream import Source

__all__ = ["WorkerReport", "heartbeats", "run", "wait_landed"]

Say = Callable[[str], None]

_MOST_BYTES = 128 * 2**20
_POLL_S = 0.1
_BEAT_S = 1.0
_SAY_S = 10.0
_ENDS_S = 5.0
_RATE_WINDOW_S = 10.0
_DRAIN_PATIENCE_S = 60.0
_AGAIN_S = 10.0  # before an alert that could not be published is tried again
_HOURS_EVERY_S = 60.0  # how often it is asked whether an hour is over whose alert did not tell all


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
    with Lake.open(settings.model_copy(update={"lake_threads": 1})) as lake, kept_open(settings):
        catch_up(lake)
        stop, say = stop or threading.Event(), on_progress or (lambda _: None)
        return _Worker(settings, lake, worker, stop, say, after_parting).run(drain)


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


@dataclass
class _Filling:
    """The batch that is being filled."""

    batches: list[Batch] = field(default_factory=list)
    records: int = 0
    size_bytes: int = 0
    since: float = 0.0

    def add(self, polled: list[Batch]) -> None:
        self.since = self.since or time.monotonic()
        self.batches += polled
        self.records += sum(len(b.values) for b in polled)
        self.size_bytes += sum(
            len(part) for b in polled for part in (*b.keys, *b.values, *b.headers.values()) if part
        )


@dataclass(frozen=True)
class _End:
    """What stands behind the last batch: drained, or the failure of a thread."""

    failure: BaseException | None = None


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
        self._after_parting = after_parting
        self._has_chosen = False
        self._polled: queue.Queue[list[Batch] | _End] = queue.Queue(maxsize=1)
        self._prepared: queue.Queue[Prepared | _End] = queue.Queue(maxsize=1)
        self._handed_out: dict[Partition, Standing] = {}
        self._committable: Mapping[tuple[str, int], int] = {}
        self._landed: dict[tuple[str, int], int] = {}
        self._ends: Mapping[tuple[str, int], int] = {}
        self._unreachable_s = 0.0
        self._is_alert_due = True  # a crash may have left some unpublished
        self._alerts_at = self._alerts_wait = 0.0
        self._alerts_sent = 0  # in this run
        self._report = WorkerReport()
        self._started = self._landed_at = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()
        self._batch_s = 0.0
        self._commits = [0] * (len(COMMIT_BUCKETS_S) + 1)
        self._commit_s = 0.0
        self._read_bytes = 0
        self._partitions = 0  # assigned
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
            self._report.seconds = time.monotonic() - self._started
            self._beat(state)
        return self._report

    def _run(self, drain: bool, *, only: str | None = None) -> None:
        """Until stopped; with `drain` until the ends seen at its start have landed (`only` of that
        topic).
        """
        self._end.clear()
        with Source(self._settings, worker=self._number, stored=self._standings) as source:
            ends = source.end_offsets() if drain else None
            if only:
                ends = {key: end for key, end in ends.items() if key[0] == only}
            threads = [
                threading.Thread(
                    target=self._poll, args=(source, ends), name="floe-poll", daemon=True
                ),
                threading.Thread(target=self._decode, name="floe-decode", daemon=True),
            ]
            for thread in threads:
                thread.start()
            try:
                self._land_all()
            finally:
                self._end.set()
                for thread in threads:
                    thread.join()
            if self._committable:
                source.commit(self._committable, is_last=True)

    # --- the poll thread -------------------------------------------------------------------------

    def _standings(self) -> dict[Partition, Standing]:
        """Where to go on: what has landed, or is on its way to it."""
        return stored_standings(self._lake) | self._handed_out

    def _poll(self, source: Source, ends: Mapping[tuple[str, int], int] | None) -> None:
        filling, ends_at = _Filling(), 0.0
        try:
            while not self._end.is_set():
                filling = self._fill(source, filling)
                self._settle(source)
                self._watch(source, is_draining=ends is not None)
                if time.monotonic() >= ends_at:
                    ends_at = time.monotonic() + _ENDS_S
                    self._look_at_ends(source)
                if ends is not None and not filling.batches and _has_reached(source, ends):
                    self._hand_on(self._polled, _End())
                    return
        except BaseException as error:
            if isinstance(error, LogsParted) and filling.batches:
                self._hand_on(
                    self._polled, filling.batches
                )  # of the log before: Kafka may have it no more
            self._hand_on(self._polled, _End(error))

    def _fill(self, source: Source, filling: _Filling) -> _Filling:
        """Polls into the batch; where it is full or has waited long enough and landing is free,
        hands it over.
        """
        room = self._settings.ingest_batch_records - filling.records
        is_full = room <= 0 or filling.size_bytes >= _MOST_BYTES
        polled = [] if is_full else source.poll(room, timeout_s=self._patience(filling))
        parted = self._hear(
            source, filling
        )  # what is missing of a partition comes before what is there
        if polled:
            self._hand_out(filling, polled)
        if parted:
            self._hand_out(filling, self._gone_on(source, parted))
        if filling.batches and (is_full or self._patience(filling) == 0):
            try:
                self._polled.put(filling.batches, timeout=_POLL_S if is_full else 0.005)
                return _Filling()
            except queue.Full:
                pass  # decoding is behind: the batch goes on filling, then polling waits
        return filling

    def _hand_out(self, filling: _Filling, batches: list[Batch]) -> None:
        for batch in batches:
            place = (batch.topic, batch.topic_id, batch.partition)
            self._handed_out[place] = Standing(batch.next_position, batch.last)
        before = filling.size_bytes
        filling.add(batches)
        self._read_bytes += filling.size_bytes - before

    def _patience(self, filling: _Filling) -> float:
        if not filling.batches:
            return _POLL_S
        left = filling.since + self._settings.ingest_linger_ms / 1000 - time.monotonic()
        return min(_POLL_S, max(0.0, left))

    def _hear(self, source: Source, filling: _Filling) -> list[LogParted]:
        """Gives what has parted, which is decided about when all that was polled is in the
        batch.
        """
        notices = source.notices()
        parted = [notice for notice in notices if isinstance(notice, LogParted)]
        for notice in notices:
            if isinstance(notice, Assigned):
                self._landed.setdefault((notice.topic, notice.partition), notice.position)
                continue
            if notice not in parted:
                self._say(str(notice))
            if isinstance(notice, TopicRecreated):
                self._landed = {
                    key: at for key, at in self._landed.items() if key[0] != notice.topic
                }
            elif isinstance(notice, BeginningMissing):
                self._hand_out(filling, [unknown_batch(notice)])
            elif isinstance(notice, PositionLost):
                self._hand_out(filling, [self._skipped(notice)])
                source.seek(notice.topic, notice.partition, notice.earliest)
        return parted

    def _skipped(self, lost: PositionLost) -> Batch:
        """The loss as a batch that the ledger shows; FloeError unless it is to be skipped."""
        if not self._settings.ingest_skip_lost:
            raise FloeError(
                f"{lost}: nothing was skipped. Restore the topic, or set FLOE_INGEST_SKIP_LOST=1 to go on at "
                f"{lost.earliest}; the ledger will show the loss"
            )
        return lost_batch(lost)

    def _gone_on(self, source: Source, parted: list[LogParted]) -> list[Batch]:
        """How landing goes on, as batches that the ledger shows; LogsParted unless that was
        chosen.
        """
        if self._after_parting is None:
            raise LogsParted(_choices_sentence(parted))
        self._has_chosen, batches = True, []
        for notice in parted:
            batch = gone_on(self._lake, source, notice, self._after_parting)
            self._landed[(batch.topic, batch.partition)] = batch.next_position
            what = (
                "where log and lake part"
                if self._after_parting == PARTED
                else "the log's beginning"
            )
            self._say(
                f"{notice}; it goes on at {batch.next_position:,}, {what}, as the ledger says"
            )
            batches.append(batch)
        return batches

    def _settle(self, source: Source) -> None:
        """A choice is of what had parted at the start: what parts later is another choice."""
        if self._after_parting is None or not source.is_agreed:
            return
        if not self._has_chosen:
            self._say(
                f"--from {self._after_parting} changes nothing: Kafka's log agrees with what landed"
            )
        self._after_parting = None

    def _watch(self, source: Source, *, is_draining: bool) -> None:
        if self._committable:
            positions, self._committable = self._committable, {}
            source.commit(positions)
        self._unreachable_s = source.unreachable_s
        if is_draining and self._unreachable_s > _DRAIN_PATIENCE_S:
            raise BrokerMissing(
                f"Kafka at {self._settings.bootstrap} has not answered for {self._unreachable_s:.0f} s: what was read "
                "has landed; drain again once it is back"
            )

    def _look_at_ends(self, source: Source) -> None:
        if not self._unreachable_s:
            self._partitions = len(source.positions())
            with suppress(BrokerMissing):
                self._ends = source.end_offsets()

    # --- the decode thread -----------------------------------------------------------------------

    def _decode(self) -> None:
        while not self._end.is_set():
            try:
                found = self._polled.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            try:
                item = found if isinstance(found, _End) else prepare(found, now=datetime.now(UTC))
            except BaseException as error:
                item = _End(error)
            found = None  # its bytes are not needed while the next batch is waited for
            self._hand_on(self._prepared, item)
            if isinstance(item, _End):
                return
            item = None

    def _hand_on(self, to: queue.Queue, item: object) -> None:
        """Waits until there is room, or until all is over."""
        while not self._end.is_set():
            with suppress(queue.Full):
                to.put(item, timeout=_POLL_S)
                return

    # --- the landing thread ----------------------------------------------------------------------

    def _land_all(self) -> None:
        while True:
            self._tick()
            if self._stop.is_set():
                return
            try:
                item = self._prepared.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.failure:
                    raise item.failure from None
                self._publish_alerts()
                return
            self._land(item)
            item = None

    def _land(self, prepared: Prepared) -> None:
        began = time.monotonic()
        landed = land(self._lake, prepared, most_whole_bytes=self._settings.rejects_whole_mb * 1e6)
        self._landed_at = time.monotonic()
        self._batch_s = self._landed_at - began
        self._commit_s += self._batch_s
        self._commits[bisect_left(COMMIT_BUCKETS_S, self._batch_s)] += 1
        self._report.add(landed)
        self._recent.append((self._landed_at, landed.rows + landed.rejects))
        self._landed |= landed.positions
        self._committable = {**self._committable, **landed.positions}
        if landed.safety_rejects:
            self._is_alert_due = True
            self._publish_alerts()

    def _publish_alerts(self) -> None:
        """Those that can't be told now are told later, at the latest after the next start."""
        now = time.monotonic()
        if (
            self._unreachable_s
            or now < self._alerts_wait
            or not (self._is_alert_due or now >= self._alerts_at)
        ):
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

    # --- what is said ----------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < _BEAT_S:
            return
        self._beat_at = now
        self._publish_alerts()
        self._beat("waiting" if self._unreachable_s else "running")
        if now - self._said_at > _SAY_S and self._recent:
            self._said_at = now
            self._say(
                f"{counted(round(self._rate()), 'event')} a second; {self._report.events:,} so far, lag {self._lag()}"
            )

    def _lag(self) -> int | None:
        """Positions up to the ends last seen that have not landed; None before the first look."""
        ends = self._ends
        return (
            sum(max(0, end - self._landed.get(key, 0)) for key, end in ends.items())
            if ends
            else None
        )

    def _rate(self) -> float:
        now = time.monotonic()
        while self._recent and now - self._recent[0][0] > _RATE_WINDOW_S:
            self._recent.popleft()
        return sum(count for _, count in self._recent) / min(
            _RATE_WINDOW_S, max(1.0, now - self._started)
        )

    def _beat(self, state: str) -> None:
        write_heartbeat(
            self._settings,
            self._number,
            {
                "state": state,
                "seconds_running": round(time.monotonic() - self._started, 1),
                "seconds_since_landed": round(time.monotonic() - self._landed_at, 1),
                "events_per_s": round(self._rate(), 1),
                "events": self._report.events,
                "rows": self._report.rows,
                "rejects": self._report.rejects,
                "batches": self._report.batches,
                "last_batch_s": round(self._batch_s, 3),
                "lag": self._lag(),
                "partitions": self._partitions,
                "bytes": self._read_bytes,
                "commits": self._commits,
                "commit_s": round(self._commit_s, 3),
            },
        )


def _has_reached(source: Source, ends: Mapping[tuple[str, int], int]) -> bool:
    positions = source.positions()
    return source.is_agreed and all(positions.get(key, end) >= end for key, end in ends.items())


def _choices_sentence(parted: list[LogParted]) -> str:
    more = (
        f"; of {counted(len(parted) - 1, 'more partition')} the like was found"
        if len(parted) > 1
        else ""
    )
    return (
        f"Kafka's log is not the one that landed: {parted[0]}{more}. It was put back to an older state, or has lost "
        "its end; nothing was read or skipped. Bring the newer log back, or choose: floe ingest "
        "--from parted lands what comes behind the place where log and lake part, floe ingest --from beginning lands all "
        "that the log has (what landed before stays, and counts once); the ledger will show the choice"
    )
