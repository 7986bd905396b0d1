"""What reading needs of Kafka, without its client: the questions and their answers.

Here: shapes. Not here: who asks (source.py, log_agreement.py), how it goes over the wire
(stream/).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


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
    """Its answer. `outcome`: data; moved (ask for the topics again); lost (the position is not in
    the log: `end` is the last one up to which the log is what was read, -1 where that is not
    known). `readable_to`: where the records end that can be read by now, -1 where that is not
    told.
    """

    topic_id: str
    partition: int
    outcome: str
    raw: bytes | memoryview = b""
    aborted: tuple[tuple[int, int], ...] = ()
    end: int = -1
    readable_to: int = -1


class Wire(Protocol):
    """What a Source needs of Kafka; each may raise BrokerMissing."""

    decompressors: Mapping[int, Callable[[bytes], bytes]]

    def topics(self) -> list[TopicState]: ...
    def earliest(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]: ...
    def ends(
        self, partitions: Iterable[tuple[str, int]], *, is_all: bool = False
    ) -> dict[tuple[str, int], int]: ...  # of committed records; is_all: of any
    def appended_from(
        self, moments_ms: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]: ...
    def fetch(self, node: int, wants: list[Want], *, may_wait: bool) -> Any: ...
    def ask(
        self, node: int, wants: list[Want], *, is_all: bool
    ) -> list[Got]: ...  # a fetch that is waited for
    def answer(self, handle: Any) -> list[Got] | None: ...
    def wait(self, timeout_s: float) -> None: ...
    def commit(
        self, positions: Mapping[tuple[str, int], int], *, is_last: bool = False
    ) -> None: ...
    def close(self) -> None: ...
