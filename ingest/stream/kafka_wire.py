"""source.Wire over kafka-python: topics, offsets and fetches, as the protocol has them.

Here: requests and answers. Not here: what is asked when (source.py).
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from kafka import errors
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.future import Future
from kafka.protocol.consumer import FetchRequest, IsolationLevel
from kafka.structs import OffsetAndMetadata, TopicPartition

from .. import cluster, codecs
from ..source import Batch as Batch  # what Source.poll gives
from ..wire import Got, TopicState, Want
from .clients import MAX_EVENT_BYTES, broker_errors, connected
from .topics import contract_topics, offsets_of

_FETCH_BYTES = 16 * 2**20  # of one answer; compressed, so several times that in memory
_FETCH_MIN_BYTES = 64 * 1024
_ASK_BYTES = 256 * 1024  # of a partition, where one record is wanted
_FETCH_BY_TOPIC_ID = 13  # Kafka 3.1 and newer
_REQUEST_TIMEOUT_MS = 5000
_COMMIT_EVERY_S = 5.0
_COMMIT_RETRY_S = 0.5
_log = logging.getLogger(__name__)


class KafkaWire:
    """source.Wire over kafka-python's connections and protocol classes.

    Fetches are made here and not by KafkaConsumer because its own go by topic name, so that a topic
    made again under the same name is read on at the old position, and because it makes an object of
    every record.
    """

    decompressors = codecs.DECOMPRESSORS

    def __init__(self, settings, group: str):
        self._settings = settings
        self._group = group
        self._lake = cluster.lake_name(settings)
        self._wake = threading.Event()
        self._commit_at = 0.0
        with broker_errors(settings):
            self._admin, self._manager = connected(
                KafkaAdminClient,
                settings,
                request_timeout_ms=_REQUEST_TIMEOUT_MS + settings.ingest_linger_ms,
                receive_message_max_bytes=2 * _FETCH_BYTES + MAX_EVENT_BYTES,
            )

    def close(self) -> None:
        self._admin.close()

    def cluster_id(self) -> str:
        with self._asking():
            return self._admin.describe_cluster()["cluster_id"]

    def others(self) -> list[str]:
        """Other lakes that have told this Kafka under the same group how far they are; none where
        it can't be asked.
        """
        try:
            committed = self._admin.list_group_offsets(self._group)[self._group]
        except errors.KafkaError as error:  # nobody has ever committed, or this user may not ask
            _log.info("the group %s's offsets could not be read: %r", self._group, error)
            return []
        return sorted({at.metadata for at in committed.values()} - {"", None, self._lake})

    def topics(self) -> list[TopicState]:
        with self._asking():
            return [
                TopicState(
                    topic["name"],
                    str(topic["topic_id"]),
                    {p["partition_index"]: p["leader_id"] for p in topic["partitions"]},
                )
                for topic in contract_topics(self._admin)
            ]

    def earliest(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def ends(
        self, partitions: Iterable[tuple[str, int]], *, is_all: bool = False
    ) -> dict[tuple[str, int], int]:
        return self._offsets(partitions, OffsetSpec.LATEST, isolation=_isolation(is_all))

    def appended_from(
        self, moments_ms: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """The first offset appended at that moment or later; -1 where there is none."""
        specs = {TopicPartition(*key): at for key, at in moments_ms.items()}
        with self._asking():
            answer = self._admin.list_partition_offsets(specs)
        return {(p.topic, p.partition): place.offset for p, place in answer.items()}

    def _offsets(self, partitions, spec: OffsetSpec, **options) -> dict[tuple[str, int], int]:
        with self._asking():
            return offsets_of(self._admin, partitions, spec, **options)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Where the client does not know a node yet (it has just joined, or come back) it is told
        to look.
        """
        with broker_errors(self._settings):
            try:
                yield
            except errors.UnknownBrokerIdError:
                self._manager.cluster.request_update()
                raise

    def fetch(self, node: int, wants: list[Want], *, may_wait: bool) -> Future:
        """`may_wait`: the broker may gather records for FLOE_INGEST_LINGER_MS before it answers."""
        linger_ms = self._settings.ingest_linger_ms if may_wait else 0
        request = _fetch(
            wants, partition_bytes=_FETCH_BYTES // 4, wait_ms=linger_ms, isolation=_isolation(False)
        )
        return self._manager.run(self._sent, request, node)[0]

    def ask(self, node: int, wants: list[Want], *, is_all: bool) -> list[Got]:
        """`is_all`: also what is not committed, what was aborted, and transactions' markers."""
        request = _fetch(wants, partition_bytes=_ASK_BYTES, wait_ms=0, isolation=_isolation(is_all))
        with self._asking():
            return self._answers(self._manager.run(self._answered, request, node))

    async def _answered(self, request: FetchRequest, node: int):
        return await self._manager.send(request, node_id=node)

    async def _sent(self, request: FetchRequest, node: int) -> list[Future]:
        """On the client's own thread; in a list, because a future that is returned is awaited."""
        try:
            future = self._manager.send(request, node_id=node)
        except errors.UnknownBrokerIdError as error:
            future = Future().failure(error)
        future.add_both(lambda _: self._wake.set())
        return [future]

    def wait(self, timeout_s: float) -> None:
        self._wake.wait(timeout_s)
        self._wake.clear()

    def answer(self, handle: Future) -> list[Got] | None:
        if not handle.is_done:
            return None
        if handle.failed():
            with self._asking():
                raise handle.exception
        return self._answers(handle.value)

    def _answers(self, response) -> list[Got]:
        return [
            self._got(str(topic.topic_id), part)
            for topic in response.responses
            for part in topic.partitions
        ]

    def _got(self, topic_id: str, part) -> Got:
        error = errors.for_code(part.error_code)
        number = part.partition_index
        if error is errors.OffsetOutOfRangeError:
            return Got(topic_id, number, "lost")
        if issubclass(
            error, errors.RetriableError
        ):  # no leader here, topic deleted, another topic id
            return Got(topic_id, number, "moved")
        if error is not errors.NoError:
            with broker_errors(self._settings):
                raise error(f"fetching partition {number} of topic id {topic_id}")
        if part.diverging_epoch is not None and part.diverging_epoch.end_offset >= 0:
            return Got(topic_id, number, "lost", end=part.diverging_epoch.end_offset)
        aborted = tuple((a.producer_id, a.first_offset) for a in part.aborted_transactions or ())
        return Got(
            topic_id, number, "data", part.records or b"", aborted, readable_to=part.high_watermark
        )

    def commit(self, positions: Mapping[tuple[str, int], int], *, is_last: bool = False) -> None:
        if time.monotonic() < self._commit_at and not is_last:
            return
        offsets = {
            TopicPartition(*key): OffsetAndMetadata(at, self._lake, -1)
            for key, at in positions.items()
        }
        try:
            self._admin.alter_group_offsets(self._group, offsets)
            self._commit_at = time.monotonic() + _COMMIT_EVERY_S
        except errors.KafkaError as error:
            self._commit_at = time.monotonic() + _COMMIT_RETRY_S
            _log.info("the group %s's offsets could not be committed: %r", self._group, error)


def _fetch(
    wants: list[Want], *, partition_bytes: int, wait_ms: int, isolation: IsolationLevel
) -> FetchRequest:
    topics: dict[str, list] = {}
    for want in wants:
        part = FetchRequest.FetchTopic.FetchPartition(
            partition=want.partition,
            current_leader_epoch=-1,
            fetch_offset=want.position,
            last_fetched_epoch=want.last_epoch,
            partition_max_bytes=partition_bytes,
        )
        topics.setdefault(want.topic_id, []).append(part)
    return FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=_FETCH_MIN_BYTES,
        max_bytes=_FETCH_BYTES,
        isolation_level=isolation,
        session_id=0,
        session_epoch=-1,
        topics=[
            FetchRequest.FetchTopic(topic_id=UUID(i), partitions=parts)
            for i, parts in topics.items()
        ],
        forgotten_topics_data=[],
        rack_id="",
        min_version=_FETCH_BY_TOPIC_ID,
        max_version=_FETCH_BY_TOPIC_ID,
    )


def _isolation(is_all: bool) -> IsolationLevel:
    if is_all:
        return IsolationLevel.READ_UNCOMMITTED
    return IsolationLevel.READ_COMMITTED
