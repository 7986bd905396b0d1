"""Which partitions a worker has, what happens to them, and whether their logs are the ones that were
read.

Here: assignment, and doubt: when a log is compared with what was read of it. Not here: fetching and
handing out (source.py), the comparison itself (log_agreement.py), the sentences of what happens
(notices.py).
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from zlib import crc32

from transforms.errors import BrokerMissing

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
from .wire import TopicState, Wire

_REFRESH_S = 5.0
_RETRY_S = 0.3
_RESTART_S = 1.5  # no broker stops and starts again within it


class Assignment:
    """The partitions of one worker. `stored`: gives what has landed, {(topic, topic id, partition):
    Standing}; asked for when a partition is assigned.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        worker: tuple[int, int],
        stored: Callable[[], Mapping[tuple[str, str, int], Standing]],
    ):
        self._wire = wire
        self._worker = worker
        self._stored = stored
        self._partitions: dict[tuple[str, int], Partition] = {}
        # every id that a name has been seen under, the last one last
        self._topic_ids: dict[str, list[str]] = {}
        self._gone: set[str] = set()
        self._notices: list[Notice] = []
        self._lost_since: float | None = None
        self._refresh_at = self._ask_at = 0.0
        # node -> when a fetch was last known to be under way there
        self._contact_at: dict[int, float] = {}
        # whether every partition that landed has been looked for since the broker was away
        self._is_whole = False
        self._vanished: set[tuple[str, str, int]] = set()
        self._unproved: set[tuple[str, int]] = set()  # of which that has been said
        for topic, log_id, _ in self._stored():
            self._topic_ids.setdefault(topic, []).append(topic_id_of(log_id))

    def _refresh_soon(self) -> None:
        self._refresh_at = min(self._refresh_at, time.monotonic() + _RETRY_S)

    def assignment(self) -> set[tuple[str, str, int]]:
        """(topic, topic id, partition) of each partition that is read."""
        return {p.place for p in self._partitions.values()}

    @property
    def is_agreed(self) -> bool:
        """Whether every partition's log has been found to be the one that was read, or nothing
        speaks against it.
        """
        if self._lost_since:
            return False
        return all(p.agrees and not p.is_lost for p in self._partitions.values())

    @property
    def unreachable_s(self) -> float:
        """For how long Kafka has not answered; 0 when all is well."""
        if self._lost_since is None:
            return 0.0
        return time.monotonic() - self._lost_since

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

    @staticmethod
    def _doubt(partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            partition.doubt()

    def _look_after_silence(self, *, asked: Collection[int]) -> None:
        """A broker of which nothing was heard for so long may have been another one meanwhile.
        `asked`: nodes at which a fetch is under way.
        """
        now = time.monotonic()
        silent = {
            node
            for node, at in self._contact_at.items()
            if now - at > _RESTART_S and node not in asked
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
            by_partition = verdicts(self._wire, [p.asked() for p in doubtful])
        except BrokerMissing:
            self._refresh_at = min(self._refresh_at, self._ask_at)
            return
        for partition in doubtful:
            if verdict := by_partition.get(partition.key):
                partition.agrees = True
                partition.is_lost = verdict.outcome is Outcome.PARTED
                if partition.is_lost:
                    self._notices.append(
                        LogParted(*partition.place, partition.position, verdict.why)
                    )
        self._tell_unproved(by_partition)

    def _tell_unproved(self, by_partition: Mapping[tuple[str, int], Verdict]) -> None:
        """Once a partition; a sentence for all of one reason."""
        new = {
            k: v.why
            for k, v in by_partition.items()
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
