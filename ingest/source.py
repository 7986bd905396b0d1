"""Where a worker stands in each of its partitions, and the batches that it reads next.

Here: assignment, positions, what is fetched when, what is said when a topic or a position is lost.
Not here: Kafka's protocol (stream.py, which hands in a `Wire`), the records' bytes (record_batches.py), how far a
batch has landed (the lake, which gives the positions).

No consumer group: the offsets live in the lake and move by compare-and-set, so who reads a partition need not be
agreed on, only spread: worker K of N takes the partitions whose number and topic hash to it. Nothing rebalances,
nothing is committed in a callback, and a worker that was thought dead can do no harm. Fetches name the topic by its
id, so the broker itself refuses to go on in a topic that was deleted and made again under the same name.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from zlib import crc32

from transforms.errors import BrokerMissing, UsageError

from .record_batches import Reader

_REFRESH_S = 5.0
_RETRY_S = 0.3


@dataclass(frozen=True)
class Batch:
    """One partition's consecutive records, as columns of bytes.

    Positions, not offsets: [first_position, next_position) are covered by it, of which `offsets` hold records;
    compaction, transactions' markers and aborted transactions leave gaps. One may hold no record at all and still
    move the position. Batches of a partition are contiguous.
    """

    topic: str
    topic_id: str
    partition: int
    first_position: int
    next_position: int
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: Mapping[int, bytes] = field(default_factory=dict)  # by offset, of records that have any (headers.py)
    unread: Mapping[int, str] = field(
        default_factory=dict
    )  # by offset, what was found of one whose bytes can't be got at


@dataclass(frozen=True)
class Assigned:
    """A partition that this worker reads from now on, from `position`."""

    topic: str
    topic_id: str
    partition: int
    position: int

    def __str__(self):
        return f"reading {self.topic}/{self.partition} from position {self.position}"


@dataclass(frozen=True)
class TopicRecreated:
    """Another topic goes by this name now; it is read from its beginning, what was unread of the old one is gone."""

    topic: str
    old_topic_id: str
    topic_id: str

    def __str__(self):
        return (
            f"the topic {self.topic} was deleted and made again (id {self.old_topic_id}, now {self.topic_id}): "
            "the new one is read from its beginning"
        )


@dataclass(frozen=True)
class TopicGone:
    topic: str
    topic_id: str

    def __str__(self):
        return f"the topic {self.topic} (id {self.topic_id}) was deleted: nothing of it is read any more"


@dataclass(frozen=True)
class PositionLost:
    """Kafka no longer has `position`: it starts at `earliest` and ends at `end`. Not read on until `seek`."""

    topic: str
    topic_id: str
    partition: int
    position: int
    earliest: int
    end: int

    def __str__(self):
        if self.position < self.earliest:
            lost = f"{self.earliest - self.position} positions were deleted (retention) before they were read"
        else:
            lost = f"it ends at {self.end}: Kafka has lost what had been read already"
        return f"{self.topic}/{self.partition} stands at {self.position}, and {lost}"


@dataclass(frozen=True)
class BeginningMissing:
    """A partition read for the first time whose records before `earliest` are not there any more."""

    topic: str
    topic_id: str
    partition: int
    earliest: int

    def __str__(self):
        return (
            f"{self.topic}/{self.partition} begins at position {self.earliest}: what came before was deleted before "
            "Floe first looked, and is unknown; the ledger says so"
        )


@dataclass(frozen=True)
class SharedKafka:
    """Another lake lands from this Kafka too."""

    bootstrap: str
    other: str

    def __str__(self):
        return (
            f"another lake lands from the Kafka at {self.bootstrap} too ({self.other}): both hold all of its events; "
            "if that is not meant, set FLOE_BROKER_PORT or FLOE_KAFKA_BOOTSTRAP"
        )


@dataclass(frozen=True)
class BrokerLost:
    reason: str

    def __str__(self):
        return f"{self.reason}; trying again until it does"


@dataclass(frozen=True)
class BrokerBack:
    after_s: float

    def __str__(self):
        return f"Kafka answers again, after {self.after_s:.0f} s"


Notice = Assigned | TopicRecreated | TopicGone | PositionLost | BeginningMissing | SharedKafka | BrokerLost | BrokerBack


@dataclass(frozen=True)
class TopicState:
    name: str
    topic_id: str
    leaders: Mapping[int, int]  # partition -> node, -1 where there is none at the moment


@dataclass(frozen=True)
class Want:
    """One partition's part of a fetch."""

    topic_id: str
    partition: int
    position: int
    last_epoch: int


@dataclass(frozen=True)
class Got:
    """Its answer. `outcome`: data; moved (ask for the topics again); lost (the position is not in the log: `end` is
    the last one up to which the log is what was read, -1 where that is not known)."""

    topic_id: str
    partition: int
    outcome: str
    raw: bytes | memoryview = b""
    aborted: tuple[tuple[int, int], ...] = ()
    end: int = -1


class Wire(Protocol):
    """What a Source needs of Kafka; each may raise BrokerMissing."""

    decompressors: Mapping[int, Callable[[bytes], bytes]]

    def topics(self) -> list[TopicState]: ...
    def earliest(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]: ...
    def ends(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]: ...
    def fetch(self, node: int, wants: list[Want], *, may_wait: bool) -> Any: ...
    def answer(self, handle: Any) -> list[Got] | None: ...
    def wait(self, timeout_s: float) -> None: ...
    def commit(self, positions: Mapping[tuple[str, int], int], *, is_last: bool = False) -> None: ...
    def close(self) -> None: ...


@dataclass
class _Partition:
    topic: str
    topic_id: str
    number: int
    leader: int
    position: int = 0  # of the next record to hand out
    last_epoch: int = -1
    reader: Reader | None = None  # fetched, not all handed out yet
    is_lost: bool = False
    moves: int = 0  # counts seeks: the answer to an earlier fetch is dropped
    served: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.number


@dataclass(frozen=True)
class _Fetch:
    handle: Any
    asked: dict[tuple[str, int], tuple[_Partition, int]]  # (topic id, partition) -> the partition, its moves


class Poller:
    """Reads the partitions of one worker; see `stream.Source` for how to open one.

    `stored`: gives the positions that have landed, {(topic, topic id, partition): next position}; asked for when a
    partition is assigned. A partition that is not in it is read from its earliest record.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        worker: tuple[int, int] = (1, 1),
        stored: Callable[[], Mapping[tuple[str, str, int], int]] | None = None,
    ):
        self._wire = wire
        self._worker = worker
        self._stored = stored or dict
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._topic_ids: dict[str, list[str]] = {}  # every id that a name has been seen under, the last one last
        self._gone: set[str] = set()
        self._ready: deque[_Partition] = deque()
        self._fetches: dict[int, _Fetch] = {}
        self._notices: list[Notice] = []
        self._lost_since: float | None = None
        self._refresh_at = 0.0
        self._answers = 0
        for topic, topic_id, _ in self._stored():
            self._topic_ids.setdefault(topic, []).append(topic_id)
        self._refresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._wire.close()

    def assignment(self) -> set[tuple[str, str, int]]:
        """(topic, topic id, partition) of each partition that is read."""
        return {(p.topic, p.topic_id, p.number) for p in self._partitions.values()}

    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) to the position after the last batch handed out."""
        return {key: p.position for key, p in self._partitions.items()}

    def end_offsets(self) -> dict[tuple[str, int], int]:
        """(topic, partition) of the assignment to the position after the last record that can be read by now."""
        return self._wire.ends(self._partitions)

    def seek(self, topic: str, partition: int, position: int) -> None:
        """The partition's next batch starts at `position`; also the way on after PositionLost."""
        found = self._partitions.get((topic, partition))
        if found is None:
            raise UsageError(f"{topic}/{partition} is not read by this worker: seek one of assignment()")
        found.position, found.reader, found.is_lost, found.last_epoch = position, None, False, -1
        found.moves += 1

    def notices(self) -> list[Notice]:
        """What happened since this was last asked, oldest first; each is a sentence by str()."""
        told, self._notices = self._notices, []
        return told

    @property
    def unreachable_s(self) -> float:
        """For how long Kafka has not answered; 0 when all is well."""
        return 0.0 if self._lost_since is None else time.monotonic() - self._lost_since

    def poll(self, max_records: int = 50_000, timeout_s: float = 1.0) -> list[Batch]:
        """The next records, at most one batch a partition; an empty list where none come within `timeout_s`.

        `max_records` is passed by less than one producer's batch. What comes next is fetched meanwhile.
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
        """Tells the broker how far we are, for lag tools alone, at most every few seconds (`is_last`: in any case);
        that it can't be told is no error."""
        with suppress(BrokerMissing):
            self._wire.commit(positions, is_last=is_last)

    # --- which partitions ---

    def _refresh(self) -> None:
        try:
            topics = self._wire.topics()
            self._tell_identities(topics)
            self._drop_and_lead(topics)
            self._add_new(topics)
        except BrokerMissing as error:
            if self._lost_since is None:
                self._lost_since = time.monotonic()
                self._notices.append(BrokerLost(str(error)))
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
        self._notices += [TopicGone(name, self._topic_ids[name][-1]) for name in sorted(gone - self._gone)]
        self._gone = gone

    def _drop_and_lead(self, topics: list[TopicState]) -> None:
        now = {(t.topic_id, number): leader for t in topics for number, leader in t.leaders.items()}
        for key, partition in list(self._partitions.items()):
            leader = now.get((partition.topic_id, partition.number))
            if leader is None:
                del self._partitions[key]  # what of it is fetched already is still handed out
            else:
                partition.leader = leader

    def _add_new(self, topics: list[TopicState]) -> None:
        new = [
            _Partition(topic.name, topic.topic_id, number, leader)
            for topic in topics
            for number, leader in topic.leaders.items()
            if leader >= 0 and self._is_ours(topic.name, number) and (topic.name, number) not in self._partitions
        ]
        if not new:
            return
        stored = self._stored()
        unknown = [p.key for p in new if (p.topic, p.topic_id, p.number) not in stored]
        earliest = self._wire.earliest(unknown) if unknown else {}
        for partition in new:
            known = stored.get((partition.topic, partition.topic_id, partition.number))
            partition.position = earliest[partition.key] if known is None else known
            self._partitions[partition.key] = partition
            place = (partition.topic, partition.topic_id, partition.number)
            self._notices.append(Assigned(*place, partition.position))
            if known is None and partition.position > 0:
                self._notices.append(BeginningMissing(*place, partition.position))

    def _is_ours(self, topic: str, partition: int) -> bool:
        """The topic's hash spreads the first partitions of all topics over the workers, not over the first few."""
        number, of = self._worker
        return (crc32(topic.encode()) + partition) % of == number - 1

    # --- fetching ---

    def _send(self) -> None:
        """At most one fetch a node at a time, of the partitions with nothing left to hand out."""
        nodes: dict[int, list[_Partition]] = {}
        waiting = set()
        for partition in self._partitions.values():
            if partition.reader is not None:
                waiting.add(partition.leader)
            elif not partition.is_lost and partition.leader >= 0:
                nodes.setdefault(partition.leader, []).append(partition)
        for node, partitions in nodes.items():
            if node not in self._fetches and self._lost_since is None:
                partitions.sort(key=lambda p: p.served)  # the broker fills an answer in the order asked
                wants = [Want(p.topic_id, p.number, p.position, p.last_epoch) for p in partitions]
                handle = self._wire.fetch(node, wants, may_wait=node not in waiting)
                asked = {(p.topic_id, p.number): (p, p.moves) for p in partitions}
                self._fetches[node] = _Fetch(handle, asked)

    def _collect(self) -> None:
        for node, fetch in list(self._fetches.items()):
            try:
                answer = self._wire.answer(fetch.handle)
            except BrokerMissing:
                answer = []
                self._refresh_at = min(self._refresh_at, time.monotonic() + _RETRY_S)
            if answer is None:
                continue
            del self._fetches[node]
            for got in answer:
                partition, moves = fetch.asked[(got.topic_id, got.partition)]
                if partition.moves == moves:
                    self._receive(partition, got)

    def _receive(self, partition: _Partition, got: Got) -> None:
        if got.outcome == "moved":
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

    def _lose(self, partition: _Partition, end: int) -> None:
        try:
            earliest = self._wire.earliest([partition.key])[partition.key]
            end = self._wire.ends([partition.key])[partition.key] if end < 0 else end
        except BrokerMissing:
            return  # it is asked for again, and lost again
        partition.is_lost = True
        self._notices.append(
            PositionLost(partition.topic, partition.topic_id, partition.number, partition.position, earliest, end)
        )

    def _hand_out(self, max_records: int) -> list[Batch]:
        batches: list[Batch] = []
        left = max_records
        while self._ready and left > 0:
            partition = self._ready[0]
            if partition.reader is None:  # sought elsewhere meanwhile
                self._ready.popleft()
                continue
            records = partition.reader.take(left)
            batches.append(
                Batch(
                    partition.topic,
                    partition.topic_id,
                    partition.number,
                    partition.position,
                    records.next_position,
                    records.offsets,
                    records.keys,
                    records.values,
                    records.headers,
                    records.unread,
                )
            )
            partition.position = records.next_position
            left -= len(records.values)
            if partition.reader.is_done:
                partition.reader = None
                self._ready.popleft()
        return batches
