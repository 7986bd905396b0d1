"""Where a worker stands in each of its partitions, and the batches that it reads next.

Here: positions, what is fetched when, what is handed out. Not here: which partitions there are, and
when a log is compared with what was read of it (assignment.py), Kafka's protocol (stream/, which hands in a `Wire`), the records' bytes
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transforms.errors import BrokerMissing, UsageError

from .assignment import Assignment
from .log_agreement import Standing, Verdict, verdicts
from .notices import LogParted, Notice
from .partition import Batch as Batch
from .partition import Partition
from .record_batches import MOST_BYTES, Reader
from .wire import Got, Want, Wire


@dataclass(frozen=True)
class _Fetch:
    handle: Any
    # (topic id, partition) -> the partition, its moves
    asked: dict[tuple[str, int], tuple[Partition, int]]


class Poller(Assignment):
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
        super().__init__(wire, worker=worker, stored=stored or dict)
        self._ready: deque[Partition] = deque()
        self._fetches: dict[int, _Fetch] = {}
        self._answers = 0
        self._refresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._wire.close()

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
        if own := self._partitions.get((topic, partition)):
            own.log_id = log_id
            self._move(own, standing)

    def _move(self, partition: Partition, to: Standing) -> None:
        partition.stand(to)
        partition.reader, partition.is_lost, partition.agrees = None, False, True
        partition.moves += 1

    def _own(self, topic: str, partition: int) -> Partition:
        if own := self._partitions.get((topic, partition)):
            return own
        raise UsageError(
            f"{topic}/{partition} is not read by this worker: seek one of assignment()"
        )

    def earliest(self, topic: str, partition: int) -> int:
        """The first position that the log still has; 0 where the partition is not there any
        more.
        """
        key = topic, partition
        if key not in self._partitions:
            return 0
        return self._wire.earliest([key])[key]

    def verdict(self, topic: str, partition: int, standing: Standing) -> Verdict | None:
        """Whether the log holds what `standing` says; None where that can't be told at the
        moment.
        """
        own = self._own(topic, partition)
        return verdicts(self._wire, [own.asked(standing)]).get(own.key)

    def read_again(self, topic: str, partition: int, *, first: int, end: int) -> Iterator[Batch]:
        """The log's committed records from `first` on, up to `end` or a little beyond, beside what
        `poll` gives.
        """
        own = self._own(topic, partition)
        at, end = first, min(end, self._wire.ends([own.key])[own.key])
        while at < end:
            [answer] = self._wire.ask(
                own.leader, [Want(own.topic_id, own.number, at, -1)], is_all=False
            )
            reader = Reader(
                answer.raw,
                position=at,
                decompressors=self._wire.decompressors,
                aborted=answer.aborted,
            )
            if reader.is_done:
                return
            records = reader.take(end - at)
            yield own.batch(records, first=at)
            at = records.next_position

    def notices(self) -> list[Notice]:
        """What happened since this was last asked, oldest first; each is a sentence by str().

        That a log has parted is told when all that was fetched of logs in doubt has been handed
        out: Kafka may have it no more.
        """
        fetched = [p for p in self._ready if p.reader is not None]
        is_fetched = any(not p.agrees or self._partitions.get(p.key) is not p for p in fetched)
        kept = [notice for notice in self._notices if is_fetched and isinstance(notice, LogParted)]
        due = [notice for notice in self._notices if notice not in kept]
        self._notices = kept
        return due

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

    def _send(self) -> None:
        """At most one fetch a node at a time, of the partitions with nothing left to hand out."""
        self._look_after_silence(asked=self._fetches.keys())
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
                self._refresh_soon()
            if answer is None:
                self._contact_at[node] = time.monotonic()
                continue
            del self._fetches[node]
            for got in answer:
                partition, moves = fetch.asked[(got.topic_id, got.partition)]
                if partition.moves == moves:
                    self._receive(partition, got)

    def _receive(self, partition: Partition, answer: Got) -> None:
        if answer.outcome == "moved":
            partition.doubt()
            self._refresh_soon()
        elif answer.outcome == "lost":
            self._lose(partition, answer.end)
        elif answer.raw:
            reader = Reader(
                answer.raw,
                position=partition.position,
                decompressors=self._wire.decompressors,
                aborted=answer.aborted,
            )
            if not reader.is_done:
                self._answers += 1
                partition.reader, partition.served = reader, self._answers
                partition.last_epoch = reader.last_epoch
                self._ready.append(partition)

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
