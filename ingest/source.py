"""Where a worker stands in each of its partitions, and the batches that it reads next.

Here: assignment, positions, what is fetched when, when a log is compared with what was read of it.
Not here: Kafka's protocol (stream/, which hands in a `Wire`), the records' bytes
(record_batches.py), how far a batch has landed (the lake, which gives the positions), the
comparison itself (log_agreement.py), the sentences of what happens (notices.py).

No consumer group: the offsets live in the lake and move by compare-and-set, so who reads a
partition need not be agreed on, only spread: worker K of N takes the partitions whose number and
topic hash to it. Nothing rebalances, nothing is committed in a callback, and a worker that was
thought dead can do no harm. Fetches name the topic by its id, so the broker itself refuses to go on
in a topic that was deleted and made again under the same name. Before its first fetch, and again
whenever the broker may have been away, a partition's log must still hold what was read of it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from transforms.errors import BrokerMissing, UsageError

from .log_agreement import NO_PARTITION, Evidence, Outcome, Standing, Verdict, judged, verdicts
from .log_names import current_logs, topic_id_of
from .notices import (
    Assigned,
    BeginningMissing,
    BrokerBack,
    BrokerLost,
    LogParted,
    Notice,
    PositionLost,
    TopicGone,
    TopicRecreated,
    Unproved,
)
from .partition import Batch as Batch
from .partition import Partition
from .record_batches import MOST_BYTES, Reader
from .wire import Got, TopicState, Want, Wire

_REFRESH_S = 5.0
_RETRY_S = 0.3
_RESTART_S = 1.5  # no broker stops and starts again within it


@dataclass(frozen=True)
class _Fetch:
    handle: Any
    asked: dict[
        tuple[str, int], tuple[Partition, int]
    ]  # (topic id, partition) -> the partition, its moves


class Poller:
    """Reads the partitions of one worker; see `stream.Source` for how to open one.

    `stored`: gives what has landed, {(topic, topic id, partition): Standing}; asked for when a
    partition is assigned. A partition that is not in it is read from its earliest record.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        worker: tuple[int, int] = (1, 1),
        stored: Callable[[], Mapping[tuple[str, str, int], Standing]] | None = None,
    ):
        self._wire = wire
        self._worker = worker
        self._stored = stored or dict
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._topic_ids: dict[
            str, list[str]
        ] = {}  # every id that a name has been seen under, the last one last
        self._gone: set[str] = set()
        self._ready: deque[Partition] = deque()
        self._fetches: dict[int, _Fetch] = {}
        self._notices: list[Notice] = []
        self._lost_since: float | None = None
        self._refresh_at = self._ask_at = 0.0
        self._contact_at: dict[
            int, float
        ] = {}  # node -> when a fetch was last known to be under way there
        self._is_whole = False  # whether every partition that landed has been looked for since the broker was away
        self._vanished: set[tuple[str, str, int]] = set()
        self._unproved: set[tuple[str, int]] = set()  # of which that has been said
        self._answers = 0
        for topic, log_id, _ in self._stored():
            self._topic_ids.setdefault(topic, []).append(topic_id_of(log_id))
        self._refresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._wire.close()

    def assignment(self) -> set[tuple[str, str, int]]:
        """(topic, topic id, partition) of each partition that is read."""
        return {p.place for p in self._partitions.values()}

    @property
    def is_agreed(self) -> bool:
        """Whether every partition's log has been found to be the one that was read, or nothing
        speaks against it.
        """
        return (
            all(p.agrees and not p.is_lost for p in self._partitions.values())
            and not self._lost_since
        )

    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) to the position after the last batch handed out."""
        return {key: p.position for key, p in self._partitions.items()}

    def end_offsets(self) -> dict[tuple[str, int], int]:
        """(topic, partition) of the assignment to the position after the last record that can be
        read by now.
        """
        return self._wire.ends(self._partitions)

    def seek(self, topic: str, partition: int, position: int) -> None:
        """The partition's next batch starts at `position`; also the way on after PositionLost."""
        self._move(self._own(topic, partition), Standing(position))

    def go_on(self, topic: str, partition: int, *, log_id: str, standing: Standing) -> None:
        """The way on after LogParted: the partition's log is named `log_id` from here, and is read
        from there. Nothing where the partition is not there any more.
        """
        if found := self._partitions.get((topic, partition)):
            found.log_id = log_id
            self._move(found, standing)

    def _move(self, partition: Partition, to: Standing) -> None:
        partition.stand(to)
        partition.reader, partition.is_lost, partition.agrees = None, False, True
        partition.moves += 1

    def _own(self, topic: str, partition: int) -> Partition:
        if found := self._partitions.get((topic, partition)):
            return found
        raise UsageError(
            f"{topic}/{partition} is not read by this worker: seek one of assignment()"
        )

    def earliest(self, topic: str, partition: int) -> int:
        """The first position that the log still has; 0 where the partition is not there any
        more.
        """
        key = topic, partition
        return self._wire.earliest([key])[key] if key in self._partitions else 0

    def verdict(self, topic: str, partition: int, standing: Standing) -> Verdict | None:
        """Whether the log holds what `standing` says; None where that can't be told at the
        moment.
        """
        found = self._own(topic, partition)
        return verdicts(self._wire, [found.asked(standing)]).get(found.key)

    def read_again(self, topic: str, partition: int, *, first: int, end: int) -> Iterator[Batch]:
        """The log's committed records from `first` on, up to `end` or a little beyond, beside what
        `poll` gives.
        """
        found = self._own(topic, partition)
        at, end = first, min(end, self._wire.ends([found.key])[found.key])
        while at < end:
            [got] = self._wire.ask(
                found.leader, [Want(found.topic_id, found.number, at, -1)], is_all=False
            )
            reader = Reader(
                got.raw, position=at, decompressors=self._wire.decompressors, aborted=got.aborted
            )
            if reader.is_done:
                return
            records = reader.take(end - at)
            yield found.batch(records, first=at)
            at = records.next_position

    def notices(self) -> list[Notice]:
        """What happened since this was last asked, oldest first; each is a sentence by str().

        That a log has parted is told when all that was fetched of logs in doubt has been handed
        out: Kafka may have it no more.
        """
        fetched = [p for p in self._ready if p.reader is not None]
        is_fetched = any(not p.agrees or self._partitions.get(p.key) is not p for p in fetched)
        kept = [notice for notice in self._notices if is_fetched and isinstance(notice, LogParted)]
        told = [notice for notice in self._notices if notice not in kept]
        self._notices = kept
        return told

    @property
    def unreachable_s(self) -> float:
        """For how long Kafka has not answered; 0 when all is well."""
        return 0.0 if self._lost_since is None else time.monotonic() - self._lost_since

    def poll(self, max_records: int = 50_000, timeout_s: float = 1.0) -> list[Batch]:
        """The next records, at most one batch a partition; an empty list where none come within
        `timeout_s`.

        `max_records`, and a bound of what they take unpacked, are passed by less than one
        producer's batch. What comes next is fetched meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            if time.monotonic() >= self._refresh_at:
                self._refresh()
            self._collect()
            batches = self._hand_out(max_records)
            self._send()
            left = deadline - time.monotonic()
            if batches or left <= 0:
                return batches
            self._wire.wait(min(left, max(0.01, self._refresh_at - time.monotonic())))

    def commit(self, positions: Mapping[tuple[str, int], int], *, is_last: bool = False) -> None:
        """Tells the broker how far we are, for lag tools alone, at most every few seconds
        (`is_last`: in any case); that it can't be told is no error.
        """
        with suppress(BrokerMissing):
            self._wire.commit(positions, is_last=is_last)

    # --- which partitions ------------------------------------------------------------------------

    def _refresh(self) -> None:
        try:
            topics = self._wire.topics()
            self._tell_identities(topics)
            self._drop_and_lead(topics)
            self._add_new(topics)
            self._tell_vanished(topics)
        except BrokerMissing as error:
            if self._lost_since is None:
                self._lost_since = time.monotonic()
                self._notices.append(BrokerLost(str(error)))
                self._doubt(self._partitions.values())
                self._is_whole = False
            self._refresh_at = time.monotonic() + _RETRY_S
            return
        if self._lost_since is not None:
            self._notices.append(BrokerBack(self.unreachable_s))
            self._lost_since = None
        self._refresh_at = time.monotonic() + _REFRESH_S

    def _tell_identities(self, topics: list[TopicState]) -> None:
        for topic in topics:
            ids = self._topic_ids.setdefault(topic.name, [])
            if topic.topic_id not in ids:
                if ids:
                    self._notices.append(TopicRecreated(topic.name, ids[-1], topic.topic_id))
                ids.append(topic.topic_id)
        gone = self._topic_ids.keys() - {topic.name for topic in topics}
        self._notices += [
            TopicGone(name, self._topic_ids[name][-1]) for name in sorted(gone - self._gone)
        ]
        self._gone = gone

    def _drop_and_lead(self, topics: list[TopicState]) -> None:
        now = {(t.topic_id, number): leader for t in topics for number, leader in t.leaders.items()}
        for key, partition in list(self._partitions.items()):
            leader = now.get((partition.topic_id, partition.number))
            if leader is None:
                del self._partitions[key]  # what of it is fetched already is still handed out
                self._is_whole = False
            elif partition.leader != leader:
                partition.leader = leader
                partition.doubt()

    def _add_new(self, topics: list[TopicState]) -> None:
        new = [
            Partition(topic.name, topic.topic_id, number, leader, topic.topic_id)
            for topic in topics
            for number, leader in topic.leaders.items()
            if leader >= 0
            and self._is_ours(topic.name, number)
            and (topic.name, number) not in self._partitions
        ]
        if not new:
            return
        stored = self._stored()
        logs = current_logs(stored)
        unknown = [p.key for p in new if p.place not in logs]
        earliest = self._wire.earliest(unknown) if unknown else {}
        for partition in new:
            is_known = partition.place in logs
            if is_known:
                partition.log_id = logs[partition.place]
                partition.stand(stored[partition.place])
                partition.doubt()
            else:
                partition.stand(Standing(earliest[partition.key]))
            self._partitions[partition.key] = partition
            self._notices.append(Assigned(*partition.place, partition.position))
            if not is_known and partition.position > 0:
                self._notices.append(BeginningMissing(*partition.place, partition.position))

    def _tell_vanished(self, topics: list[TopicState]) -> None:
        """Kafka never takes a partition from a topic: where one is missing, the topic is an older
        state of itself.
        """
        if self._is_whole:
            return
        self._is_whole = True
        ids = {topic.topic_id: topic.leaders for topic in topics}
        stored = self._stored()
        for (topic, topic_id, number), log_id in current_logs(stored).items():
            place, standing = (topic, log_id, number), stored[(topic, log_id, number)]
            is_missing = (
                topic_id in ids and number not in ids[topic_id] and self._is_ours(topic, number)
            )
            if is_missing and standing.position > 0 and place not in self._vanished:
                self._vanished.add(place)
                self._notices.append(LogParted(*place, standing.position, NO_PARTITION))

    def _is_ours(self, topic: str, partition: int) -> bool:
        """The topic's hash spreads the first partitions of all topics over the workers, not over
        the first few.
        """
        number, of = self._worker
        return (crc32(topic.encode()) + partition) % of == number - 1

    # --- fetching --------------------------------------------------------------------------------

    def _send(self) -> None:
        """At most one fetch a node at a time, of the partitions with nothing left to hand out."""
        self._look_after_silence()
        self._agree()
        nodes: dict[int, list[Partition]] = {}
        waiting = set()
        for partition in self._partitions.values():
            if partition.reader is not None:
                waiting.add(partition.leader)
            elif partition.agrees and not partition.is_lost and partition.leader >= 0:
                nodes.setdefault(partition.leader, []).append(partition)
        for node, partitions in nodes.items():
            if node not in self._fetches and self._lost_since is None:
                partitions.sort(
                    key=lambda p: p.served
                )  # the broker fills an answer in the order asked
                wants = [Want(p.topic_id, p.number, p.position, p.last_epoch) for p in partitions]
                handle = self._wire.fetch(node, wants, may_wait=node not in waiting)
                asked = {(p.topic_id, p.number): (p, p.moves) for p in partitions}
                self._fetches[node] = _Fetch(handle, asked)
                self._contact_at[node] = time.monotonic()

    def _collect(self) -> None:
        for node, fetch in list(self._fetches.items()):
            try:
                answer = self._wire.answer(fetch.handle)
            except BrokerMissing:
                answer = []
                self._doubt(partition for partition, _ in fetch.asked.values())
                self._refresh_at = min(self._refresh_at, time.monotonic() + _RETRY_S)
            if answer is None:
                self._contact_at[node] = time.monotonic()
                continue
            del self._fetches[node]
            for got in answer:
                partition, moves = fetch.asked[(got.topic_id, got.partition)]
                if partition.moves == moves:
                    self._receive(partition, got)

    def _receive(self, partition: Partition, got: Got) -> None:
        if got.outcome == "moved":
            partition.doubt()
            self._refresh_at = min(self._refresh_at, time.monotonic() + _RETRY_S)
        elif got.outcome == "lost":
            self._lose(partition, got.end)
        elif got.raw:
            reader = Reader(
                got.raw,
                position=partition.position,
                decompressors=self._wire.decompressors,
                aborted=got.aborted,
            )
            if not reader.is_done:
                self._answers += 1
                partition.reader, partition.served = reader, self._answers
                partition.last_epoch = reader.last_epoch
                self._ready.append(partition)

    def _lose(self, partition: Partition, end: int) -> None:
        try:
            earliest = self._wire.earliest([partition.key])
            log_end = self._wire.ends([partition.key], is_all=True)
        except BrokerMissing:
            return  # it is asked for again, and lost again
        first, last = earliest[partition.key], log_end[partition.key]
        if partition.position < first:
            partition.is_lost = True
            self._notices.append(PositionLost(*partition.place, partition.position, first, last))
        elif end >= 0:
            self._part(
                partition,
                f"what was read of the log and what it holds agree up to {end:,} at most (leader epoch)",
            )
        elif partition.position > last:
            self._part(partition, judged(Standing(partition.position), Evidence(first, last)).why)
        else:
            self._part(
                partition, "the log does not know under which leader epoch it was read up to there"
            )

    # --- whether the log is the one that was read ------------------------------------------------

    @staticmethod
    def _doubt(partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            partition.doubt()

    def _look_after_silence(self) -> None:
        """A broker of which nothing was heard for so long may have been another one meanwhile."""
        now = time.monotonic()
        silent = {
            node
            for node, at in self._contact_at.items()
            if now - at > _RESTART_S and node not in self._fetches
        }
        self._doubt(p for p in self._partitions.values() if p.leader in silent)
        for node in silent:
            del self._contact_at[node]

    def _agree(self) -> None:
        """Asks about partitions in doubt of which all that was fetched has been handed out."""
        doubtful = [
            p
            for p in self._partitions.values()
            if not p.agrees and p.reader is None and not p.is_lost and p.leader >= 0
        ]
        if not doubtful or self._lost_since is not None or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + _RETRY_S
        try:
            found = verdicts(self._wire, [p.asked() for p in doubtful])
        except BrokerMissing:
            self._refresh_at = min(self._refresh_at, self._ask_at)
            return
        for partition in doubtful:
            if verdict := found.get(partition.key):
                partition.agrees = True
                partition.is_lost = verdict.outcome is Outcome.PARTED
                if partition.is_lost:
                    self._notices.append(
                        LogParted(*partition.place, partition.position, verdict.why)
                    )
        self._tell_unproved(found)

    def _tell_unproved(self, found: Mapping[tuple[str, int], Verdict]) -> None:
        """Once a partition; a sentence for all of one reason."""
        new = {
            k: v.why
            for k, v in found.items()
            if v.outcome is Outcome.UNPROVED and k not in self._unproved
        }
        self._unproved |= new.keys()
        for why in dict.fromkeys(new.values()):
            self._notices.append(
                Unproved(tuple(sorted(key for key, of in new.items() if of == why)), why)
            )

    def _part(self, partition: Partition, why: str) -> None:
        """One log has parted: those of its neighbours may have too."""
        partition.is_lost = True
        self._doubt(
            p for p in self._partitions.values() if p.leader == partition.leader and not p.is_lost
        )
        self._notices.append(LogParted(*partition.place, partition.position, why))

    def _hand_out(self, max_records: int) -> list[Batch]:
        batches: list[Batch] = []
        left, left_bytes = max_records, MOST_BYTES
        while self._ready and left > 0 and left_bytes > 0:
            partition = self._ready[0]
            if partition.reader is None:  # sought elsewhere meanwhile
                self._ready.popleft()
                continue
            records = partition.reader.take(left, max_bytes=left_bytes)
            batch = partition.batch(records)
            batches.append(batch)
            partition.position, partition.last = batch.next_position, batch.last
            left -= len(records.values)
            left_bytes -= records.size_bytes
            if partition.reader.is_done:
                partition.reader = None
                self._ready.popleft()
        return batches
