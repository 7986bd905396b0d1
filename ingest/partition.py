"""One partition as a worker reads it: where it stands, and the batches that it gives.

Here: the state and its batches. Not here: when it is fetched (source.py), whether its log agrees
(log_agreement.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .last_record import LastRecord
from .log_agreement import Asked, Standing
from .record_batches import Reader, Records


@dataclass(frozen=True)
class Batch:
    """One partition's consecutive records, as columns of bytes.

    Positions, not offsets: [first_position, next_position) are covered by it, of which `offsets`
    hold records; compaction, transactions' markers and aborted transactions leave gaps. One may
    hold no record at all and still move the position. Batches of a partition are contiguous.
    `topic_id`: Kafka's own, or the name of a later log of that topic (log_agreement.py). `last`:
    the last record before `next_position`; None where none is remembered.
    """

    topic: str
    topic_id: str
    partition: int
    first_position: int
    next_position: int
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: Mapping[int, bytes] = field(
        default_factory=dict
    )  # by offset, of records that have any (headers.py)
    unread: Mapping[int, str] = field(
        default_factory=dict
    )  # by offset, what was found of one whose bytes can't be had
    last: LastRecord | None = None


@dataclass
class Partition:
    topic: str
    topic_id: str  # Kafka's
    number: int
    leader: int
    log_id: str
    position: int = 0  # of the next record to hand out
    last: LastRecord | None = None  # the last one handed out
    agrees: bool = (
        True  # the log with what was read of it, as far as is known; False: it is to be asked
    )
    last_epoch: int = -1
    reader: Reader | None = None  # fetched, not all handed out yet
    is_lost: bool = False
    moves: int = 0  # counts seeks: the answer to an earlier fetch is dropped
    served: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.number

    @property
    def place(self) -> tuple[str, str, int]:
        return self.topic, self.log_id, self.number

    def stand(self, standing: Standing) -> None:
        self.position, self.last = standing.position, standing.last
        is_next = self.last is not None and self.last.offset == self.position - 1
        self.last_epoch = self.last.leader_epoch if is_next else -1

    def doubt(self) -> None:
        """Asked about again before the next fetch, where anything was read."""
        self.agrees &= self.position == 0 and self.reader is None

    def batch(self, records: Records, *, first: int | None = None) -> Batch:
        """`first`: where it begins, if not at the position."""
        first = self.position if first is None else first
        columns = records.offsets, records.keys, records.values, records.headers, records.unread
        return Batch(*self.place, first, records.next_position, *columns, records.last or self.last)

    def asked(self, standing: Standing | None = None) -> Asked:
        """What is asked of its log: whether it holds what was handed out, or what `standing`
        says.
        """
        standing = standing or Standing(self.position, self.last)
        return Asked(self.topic, self.topic_id, self.number, self.leader, standing)
