"""The poll thread of a worker: batches from Kafka, what is missing of a partition, how landing goes on
after a log has parted.

Here: filling batches and handing them on. Not here: what is read when (source.py), decoding and
landing (worker.py).
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from transforms.counting import counted
from transforms.errors import BrokerMissing, FloeError, LogsParted

from .lake import Lake
from .log_agreement import Standing
from .lost_batches import lost_batch, unknown_batch
from .notices import Assigned, BeginningMissing, LogParted, PositionLost, TopicRecreated
from .parting import PARTED, gone_on
from .positions import Partition, stored_standings
from .progress import Progress
from .source import Batch
from .stream import Source

POLL_S = 0.1
_MOST_BYTES = 128 * 2**20
_ENDS_S = 5.0
_DRAIN_PATIENCE_S = 60.0


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
class End:
    """What stands behind the last batch: drained, or the failure of a thread."""

    failure: BaseException | None = None


def hand_on(to: queue.Queue, item: object, *, until: threading.Event) -> None:
    """Waits until there is room, or until all is over."""
    while not until.is_set():
        with suppress(queue.Full):
            to.put(item, timeout=POLL_S)
            return


class Polling:
    """Owns the source. `batches`: where what was polled goes; `end`: set when all is over."""

    def __init__(
        self,
        settings,
        lake: Lake,
        progress: Progress,
        *,
        batches: queue.Queue[list[Batch] | End],
        end: threading.Event,
        say: Callable[[str], None],
        after_parting: str | None,
    ) -> None:
        self._settings = settings
        self._lake = lake
        self._progress = progress
        self._polled = batches
        self._end = end
        self._say = say
        self._after_parting = after_parting
        self._has_chosen = False
        self._handed_out: dict[Partition, Standing] = {}
        self.committable: Mapping[tuple[str, int], int] = {}  # landed, and not told to the broker
        self.unreachable_s = 0.0

    def standings(self) -> dict[Partition, Standing]:
        """Where to go on: what has landed, or is on its way to it."""
        return stored_standings(self._lake) | self._handed_out

    def poll(self, source: Source, ends: Mapping[tuple[str, int], int] | None) -> None:
        """Until all is over; with `ends` until all up to them has been handed on."""
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
                    hand_on(self._polled, End(), until=self._end)
                    return
        except BaseException as error:
            if isinstance(error, LogsParted) and filling.batches:
                # of the log before: Kafka may have it no more
                hand_on(self._polled, filling.batches, until=self._end)
            hand_on(self._polled, End(error), until=self._end)

    def _fill(self, source: Source, filling: _Filling) -> _Filling:
        """Polls into the batch; where it is full or has waited long enough and landing is free,
        hands it over.
        """
        room = self._settings.ingest_batch_records - filling.records
        is_full = room <= 0 or filling.size_bytes >= _MOST_BYTES
        polled = [] if is_full else source.poll(room, timeout_s=self._patience(filling))
        # what is missing of a partition comes before what is there
        parted = self._hear(source, filling)
        if polled:
            self._hand_out(filling, polled)
        if parted:
            self._hand_out(filling, self._gone_on(source, parted))
        if filling.batches and (is_full or self._patience(filling) == 0):
            try:
                self._polled.put(filling.batches, timeout=POLL_S if is_full else 0.005)
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
        self._progress.read_bytes += filling.size_bytes - before

    def _patience(self, filling: _Filling) -> float:
        if not filling.batches:
            return POLL_S
        left = filling.since + self._settings.ingest_linger_ms / 1000 - time.monotonic()
        return min(POLL_S, max(0.0, left))

    def _hear(self, source: Source, filling: _Filling) -> list[LogParted]:
        """Gives what has parted, which is decided about when all that was polled is in the
        batch.
        """
        notices = source.notices()
        parted = [notice for notice in notices if isinstance(notice, LogParted)]
        for notice in notices:
            if isinstance(notice, Assigned):
                self._progress.landed.setdefault((notice.topic, notice.partition), notice.position)
                continue
            if notice not in parted:
                self._say(str(notice))
            if isinstance(notice, TopicRecreated):
                self._progress.landed = {
                    key: at for key, at in self._progress.landed.items() if key[0] != notice.topic
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
            self._progress.landed[(batch.topic, batch.partition)] = batch.next_position
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
        if self.committable:
            positions, self.committable = self.committable, {}
            source.commit(positions)
        self.unreachable_s = source.unreachable_s
        if is_draining and self.unreachable_s > _DRAIN_PATIENCE_S:
            raise BrokerMissing(
                f"Kafka at {self._settings.bootstrap} has not answered for {self.unreachable_s:.0f} s: what was read "
                "has landed; drain again once it is back"
            )

    def _look_at_ends(self, source: Source) -> None:
        if not self.unreachable_s:
            self._progress.partitions = len(source.positions())
            with suppress(BrokerMissing):
                self._progress.ends = source.end_offsets()


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
