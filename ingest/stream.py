"""Kafka, as Floe uses it: topics, positions, reading, publishing. The only file that imports kafka.

Here: what goes over the wire. Not here: what the bytes mean (decode.py), where a worker stands
(landing.py, the lake), running a broker (broker/node.py).
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from uuid import UUID

import kafka
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.partitioner.default import murmur2
from kafka.protocol.consumer import FetchRequest, IsolationLevel
from kafka.structs import OffsetAndMetadata, TopicPartition

from transforms.errors import BrokerMissing, FloeError, UsageError
from transforms.schemas import TOPICS

from . import cluster, codecs, topic_settings
from .contract import LARGEST_RECORD_BYTES
from .log_agreement import Standing, Verdict, examined
from .log_names import topic_id_of
from .notices import SharedKafka
from .source import Batch as Batch  # what Source.poll gives
from .source import Poller
from .wire import Got, TopicState, Want

MAX_EVENT_BYTES = LARGEST_RECORD_BYTES
_FETCH_BYTES = 16 * 2**20  # of one answer; compressed, so several times that in memory
_FETCH_MIN_BYTES = 64 * 1024
_ASK_BYTES = 256 * 1024  # of a partition, where one record is wanted
_FETCH_BY_TOPIC_ID = 13  # Kafka 3.1 and newer
_BOOTSTRAP_S = 10.0
_REQUEST_TIMEOUT_MS = 5000
_COMMIT_EVERY_S = 5.0
_COMMIT_RETRY_S = 0.5
_SOCKETS = "floe-direct"
_log = logging.getLogger(__name__)

Record = tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]  # key, value, headers
_DAY_MS = 86_400_000
_ALREADY_THERE = errors.TopicAlreadyExistsError.errno

logging.getLogger("kafka").addHandler(
    logging.NullHandler()
)  # errors are raised; its own log is for who asks


def is_reachable(settings, *, timeout_s: float = 3.0) -> bool:
    """Whether a Kafka answers a metadata request within `timeout_s`."""
    try:
        with _admin(settings, timeout_s=timeout_s):
            return True
    except FloeError:
        return False


def require_reachable(settings, *, timeout_s: float = 3.0) -> None:
    """BrokerMissing, in one sentence, where no Kafka answers."""
    with _admin(settings, timeout_s=timeout_s):
        return


def ensure_topics(settings) -> list[str]:
    """Creates the contract's topics that are not there yet and returns their names.

    Partitions: FLOE_KAFKA_PARTITIONS; events stay for FLOE_KAFKA_RETENTION_DAYS, counted from their
    arrival. Of a topic that is there the local broker's is made to count so too; another Kafka's
    stays as it is (`topic_faults` names it). Raises FloeError where this is another Kafka than the
    home's (cluster.py).
    """
    with _admin(settings) as admin:
        cluster.require_own(settings, admin.describe_cluster()["cluster_id"])
        there = set(admin.list_topics())
        if not settings.kafka_bootstrap:
            _mend_topics(admin, [topic.type for topic in TOPICS if topic.type in there])
        wanted = {
            topic.type: _topic_options(settings) for topic in TOPICS if topic.type not in there
        }
        if not wanted:
            return []
        made = admin.create_topics(wanted, raise_errors=False)["topics"]
        for topic in made:
            if topic["error_code"] not in (0, _ALREADY_THERE):
                raise FloeError(
                    f"Kafka at {settings.bootstrap} did not create the topic {topic['name']} "
                    f"({errors.for_code(topic['error_code']).__name__}: {topic['error_message']})"
                )
        admin.wait_for_topics(list(wanted))
        return [topic["name"] for topic in made if topic["error_code"] == 0]


def _mend_topics(admin: KafkaAdminClient, names: list[str]) -> None:
    """Topics that an earlier release made take a record's time from the record."""
    name, value, *_ = topic_settings.ARRIVAL
    other = [topic for topic, config in _configs(admin, names).items() if config.get(name) != value]
    if other:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, {name: value}) for topic in other]
        )


def _configs(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    wanted = dict.fromkeys(topic_settings.ASKED)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    if not resources:
        return {}
    [found] = admin.describe_configs(resources, config_filter="all").values()
    return {
        topic: {key: of_key["value"] for key, of_key in config.items()}
        for topic, config in found.items()
    }


def topic_faults(settings) -> list[topic_settings.TopicFault]:
    """The contract's topics that are set so that records may vanish before they are read, each with
    its remedy.
    """
    with _admin(settings) as admin:
        configs = _configs(admin, [topic["name"] for topic in _described(admin)])
    return topic_settings.faults(
        configs, bootstrap=settings.bootstrap, retention_days=settings.kafka_retention_days
    )


def cluster_id(settings) -> str:
    """The id that the Kafka at FLOE_KAFKA_BOOTSTRAP has given itself."""
    with _admin(settings) as admin:
        return admin.describe_cluster()["cluster_id"]


def retention_sentence(settings) -> str:
    """What is said when topics are made, because it decides how long an outage of ingest may
    last.
    """
    return (
        f"events stay in Kafka for {settings.kafka_retention_days:g} days from their arrival "
        "(FLOE_KAFKA_RETENTION_DAYS, for topics yet to be made); what is not landed by then is lost to Floe"
    )


def topic_ids(settings) -> dict[str, str]:
    """Topic name to topic id, for the contract's topics that are there."""
    with _admin(settings) as admin:
        return {topic["name"]: str(topic["topic_id"]) for topic in _described(admin)}


def end_offsets(settings) -> dict[tuple[str, int], int]:
    """(topic, partition) to the position after its last record, for the contract's topics that are
    there.
    """
    with _admin(settings) as admin:
        partitions = [
            (topic["name"], partition["partition_index"])
            for topic in _described(admin)
            for partition in topic["partitions"]
        ]
        return _offsets(admin, partitions, OffsetSpec.LATEST)


def lag(settings, positions: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """(topic, partition) to the number of positions between `positions` and the end; at least 0.

    A partition that is not in `positions` is behind from the first record that is still there.
    Positions of compacted records and of transaction markers count, so it is an upper bound of the
    records.
    """
    ends = end_offsets(settings)
    unread = [key for key in ends if key not in positions]
    with _admin(settings) as admin:
        positions = positions | (_offsets(admin, unread, OffsetSpec.EARLIEST) if unread else {})
    return {key: max(0, end - positions[key]) for key, end in ends.items()}


def log_verdicts(
    settings, stored: Mapping[tuple[str, str, int], Standing]
) -> dict[tuple[str, str, int], Verdict]:
    """(topic, topic id, partition) of `stored` -> whether Kafka's log is the one that landed;
    without those of which that can't be told at the moment, and those of topics that are gone.
    Raises BrokerMissing.
    """
    with closing(_KafkaWire(settings, "floe")) as wire:
        return examined(wire, wire.topics(), stored)


def publish(
    settings,
    records: Iterable[tuple],
    *,
    rate: float | None = None,
    progress: Callable[[int], None] | None = None,
    linger_ms: int = 20,
) -> int:
    """Sends (topic, key, value) or (topic, key, value, headers) and returns how many, all of them
    acknowledged by every replica in sync. `headers`: pairs of a name and bytes.

    `rate`: events a second at most. `progress` is told the number sent so far, about once a second.
    In order within a key and never doubled by a retry (idempotent producer). Topics of the contract
    are made where they are missing. Raises UsageError (a topic that is not the contract's, an event
    over MAX_EVENT_BYTES), BrokerMissing, and FloeError if any event could not be delivered.
    """
    with _admin(settings) as admin:
        cluster.require_own(settings, admin.describe_cluster()["cluster_id"])
        topics = {topic["name"] for topic in _described(admin)}
    failures: list[Exception] = []
    count = 0
    with _producer(settings, linger_ms) as producer:
        for topic, key, value, *headers in _paced(records, rate, progress):
            if topic not in topics:
                topics |= _made_topics(settings, topic)
            try:
                sent = producer.send(
                    topic, key=key, value=value, headers=headers[0] if headers else None
                )
                sent.add_errback(failures.append)
            except errors.MessageSizeTooLargeError as error:
                raise UsageError(
                    f"event {count + 1} ({topic}) has {len(value)} bytes, at most {MAX_EVENT_BYTES} can be sent: "
                    f"split it; the {count} before it were sent"
                ) from error
            count += 1
            if failures:
                break
        producer.flush()
    if failures:
        raise FloeError(
            f"{len(failures)} of {count} events could not be delivered to Kafka at {settings.bootstrap}, first "
            f"because of {failures[0]!r}: mend that and publish again (what arrived twice counts once)"
        )
    return count


def _paced(
    records: Iterable, rate: float | None, progress: Callable[[int], None] | None
) -> Iterator:
    started = told = time.monotonic()
    for count, record in enumerate(records):
        if rate and (early := count / rate - (time.monotonic() - started)) > 0:
            time.sleep(early)
        if progress and time.monotonic() - told > 1:
            told = time.monotonic()
            progress(count)
        yield record


def _made_topics(settings, wanted: str) -> set[str]:
    if wanted not in {topic.type for topic in TOPICS}:
        raise UsageError(
            f"there is no topic {wanted!r} in the contract: its topics are floe.<name>.v1"
        )
    ensure_topics(settings)
    return {topic.type for topic in TOPICS}


# --- reading ------------------------------------------------------------------------------------


def records_at(
    settings, wanted: Mapping[tuple[str, str, int], Collection[int]]
) -> dict[tuple[str, str, int, int], Record]:
    """(topic, topic id, partition, offset) -> (key, value, headers), of those of these offsets that
    Kafka still holds.

    `wanted`: (topic, topic id, partition) -> offsets. What lies between them is read too, and
    passed over.
    """
    ids = topic_ids(settings)
    held = {
        key: offsets
        for key, offsets in wanted.items()
        if offsets and ids.get(key[0]) == topic_id_of(key[1])
    }
    if not held:
        return {}
    with _consumer(settings) as consumer:
        return {
            (*key, o): record
            for key, offsets in held.items()
            for o, record in _read(consumer, key, offsets)
        }


def _read(
    consumer: kafka.KafkaConsumer, key: tuple[str, str, int], offsets: Collection[int]
) -> Iterator:
    partition = TopicPartition(key[0], key[2])
    consumer.assign([partition])
    first, end = (
        ask([partition])[partition] for ask in (consumer.beginning_offsets, consumer.end_offsets)
    )
    held = {offset for offset in offsets if first <= offset < end}
    if not held:
        return
    consumer.seek(partition, min(held))
    last = max(held)
    while consumer.position(partition) <= last:
        for record in consumer.poll(timeout_ms=1000).get(partition, ()):
            if record.offset in held:
                headers = [(name.encode(), value) for name, value in record.headers]
                yield record.offset, (record.key, record.value, headers)


class Source(Poller):
    """One worker's part of every topic of the contract, read from where the lake stands; see
    source.Poller.

    `stored`: gives {(topic, topic id, partition): Standing} of what has landed, asked for when
    partitions are assigned; None reads all from the beginning. `group` is the name under which
    `commit` tells the broker how far we are. Topics and partitions that are made later are noticed
    within seconds. Raises BrokerMissing where no Kafka answers; once open it outlasts any outage
    (`unreachable_s`, `notices`).
    """

    def __init__(
        self,
        settings,
        *,
        group: str = "floe",
        worker: tuple[int, int] = (1, 1),
        stored: Callable[[], Mapping[tuple[str, str, int], Standing]] | None = None,
    ):
        wire = _KafkaWire(settings, group)
        try:
            cluster.require_own(settings, wire.cluster_id())
            super().__init__(wire, worker=worker, stored=stored)
            self._notices[:0] = [SharedKafka(settings.bootstrap, other) for other in wire.others()]
        except BaseException:
            wire.close()
            raise


class _KafkaWire:
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
        with _broker_errors(settings):
            self._admin, self._manager = _made(
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
                for topic in _described(self._admin)
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
        return {(p.topic, p.partition): found.offset for p, found in answer.items()}

    def _offsets(self, partitions, spec: OffsetSpec, **options) -> dict[tuple[str, int], int]:
        with self._asking():
            return _offsets(self._admin, partitions, spec, **options)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Where the client does not know a node yet (it has just joined, or come back) it is told
        to look.
        """
        with _broker_errors(self._settings):
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
            with _broker_errors(self._settings):
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
    return IsolationLevel.READ_UNCOMMITTED if is_all else IsolationLevel.READ_COMMITTED


# --- clients ------------------------------------------------------------------------------------


class _KeyPartitioner(kafka.partitioner.DefaultPartitioner):
    """The default's choice (murmur2, as Java's), remembered: the same patients come again and
    again.
    """

    def partition(self, topic, key, serialized_key, value, serialized_value, cluster):
        if serialized_key is None:
            return super().partition(topic, key, serialized_key, value, serialized_value, cluster)
        partitions = cluster.partitions_for_topic(topic)
        return sorted(partitions)[_hash(serialized_key) % len(partitions)]


@lru_cache(maxsize=2**17)
def _hash(key: bytes) -> int:
    return murmur2(key) & 0x7FFFFFFF


class _ClosingSockets(KafkaNetSocket):
    """Direct connections whose socket is closed where connecting fails: the library's own leaves
    that to chance.
    """

    SCHEMES = (_SOCKETS,)

    async def sock_connect(self, net, sock, sockaddr, timeout_at=None):
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


@contextmanager
def _producer(settings, linger_ms: int) -> Iterator[kafka.KafkaProducer]:
    with _broker_errors(settings):
        producer, _ = _made(
            kafka.KafkaProducer,
            settings,
            linger_ms=linger_ms,
            batch_size=512 * 1024,
            compression_type="lz4",
            max_request_size=MAX_EVENT_BYTES,
            metrics_enabled=False,
            partitioner=_KeyPartitioner(),
            allow_auto_create_topics=False,
        )
        try:
            yield producer
        finally:
            producer.close(timeout=10)


@contextmanager
def _consumer(settings) -> Iterator[kafka.KafkaConsumer]:
    """For a look at single records: in no group, and it commits nothing."""
    with _broker_errors(settings):
        consumer, _ = _made(
            kafka.KafkaConsumer,
            settings,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention deletes what is looked for, it is not found
            isolation_level="read_committed",
            metrics_enabled=False,
        )
        try:
            yield consumer
        finally:
            consumer.close()


@contextmanager
def _admin(settings, *, timeout_s: float = 10.0) -> Iterator[KafkaAdminClient]:
    with _broker_errors(settings):
        admin, _ = _made(KafkaAdminClient, settings, timeout_s=timeout_s)
        try:
            yield admin
        finally:
            admin.close()


def _made(kind: type, settings, *, timeout_s: float = _BOOTSTRAP_S, **options) -> tuple:
    """A client of kafka-python and its connections; an error leaves neither a thread nor a socket
    behind.

    One connection is tried first: the client's own start would repeat it until the time is over,
    and then not say why it failed (a wrong password, an unknown certificate).
    """
    options |= _connection(settings)
    net = NetworkSelector(**options)
    manager = KafkaConnectionManager(net, **options)
    client = KafkaNetClient(net=net, manager=manager)
    try:
        manager.run(_first_connection, manager, timeout_s * 1000)
        made = kind(
            kafka_client=lambda **_: client, bootstrap_timeout_ms=int(timeout_s * 1000), **options
        )
    except BaseException:
        client.close()
        raise
    return made, manager


async def _first_connection(manager: KafkaConnectionManager, timeout_ms: float) -> None:
    """To any of the bootstrap addresses; raises the last one's error."""
    failure: errors.KafkaError = errors.KafkaConnectionError("no address")
    for address in manager.cluster.bootstrap_brokers():
        connection = manager.get_connection(
            address.node_id, timeout_ms=timeout_ms, refresh_metadata_on_err=False
        )
        try:
            await manager.wait_for(connection.init_future, timeout_ms)
            return
        except errors.RetriableError as error:
            failure = error
            if connection.sasl_enabled and connection.broker_version_data is not None:
                # over TLS the library sees that the broker hangs up, not its refusal before that
                failure = errors.SaslAuthenticationFailedError(
                    "it hung up when told user and password"
                )
    raise failure


def _connection(settings) -> dict:
    return {
        "bootstrap_servers": settings.bootstrap.split(","),
        "client_id": "floe",
        "security_protocol": settings.kafka_security,
        "ssl_cafile": settings.kafka_ca_file or None,
        "ssl_certfile": settings.kafka_cert_file or None,
        "ssl_keyfile": settings.kafka_key_file or None,
        "sasl_mechanism": settings.kafka_sasl_mechanism or None,
        "sasl_plain_username": settings.kafka_username or None,
        "sasl_plain_password": settings.kafka_password or None,
        "reconnect_backoff_max_ms": 1000,
        "proxy_url": f"{_SOCKETS}://",
    }


# The last: what answers does not speak Kafka, as a TLS port does not to whom asks in plain text
_NO_KAFKA = (
    errors.RetriableError,
    errors.UnrecognizedBrokerVersion,
    errors.UnknownBrokerIdError,
    errors.InvalidReceiveError,
)


@contextmanager
def _broker_errors(settings) -> Iterator[None]:
    """kafka-python's errors as Floe's."""
    try:
        yield
    except (errors.SaslAuthenticationFailedError, errors.AuthorizationError) as error:
        raise BrokerMissing(
            f"Kafka at {settings.bootstrap} refuses this client ({error}): check FLOE_KAFKA_SECURITY, "
            "FLOE_KAFKA_SASL_MECHANISM, FLOE_KAFKA_USERNAME, FLOE_KAFKA_PASSWORD and the rights of that user"
        ) from error
    except _NO_KAFKA as error:
        raise _broker_missing(settings, error) from error
    except errors.KafkaError as error:
        raise FloeError(f"Kafka at {settings.bootstrap} answered {error!r}") from error


def _broker_missing(settings, error: errors.KafkaError) -> BrokerMissing:
    if settings.kafka_bootstrap:
        remedy = "start it, or correct FLOE_KAFKA_BOOTSTRAP and the FLOE_KAFKA_* settings of its security"
    else:
        remedy = "start the local broker (floe broker start), or set FLOE_KAFKA_BOOTSTRAP to another Kafka"
    reason = str(error).removeprefix(f"{type(error).__name__}: ")
    return BrokerMissing(f"no Kafka answers at {settings.bootstrap} ({reason}): {remedy}")


def _topic_options(settings) -> dict:
    return {
        "num_partitions": settings.kafka_partitions,
        "configs": {
            topic_settings.ARRIVAL[0]: topic_settings.ARRIVAL[1],
            "retention.ms": str(int(settings.kafka_retention_days * _DAY_MS)),
            "max.message.bytes": str(MAX_EVENT_BYTES),
        },
    }


def _described(admin: KafkaAdminClient) -> list[dict]:
    return [
        topic
        for topic in admin.describe_topics([t.type for t in TOPICS])
        if topic["error_code"] == 0
    ]


def _offsets(
    admin: KafkaAdminClient,
    partitions: Iterable[tuple[str, int]],
    spec: OffsetSpec,
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict:
    """Of committed records, if not said otherwise: what a reader of committed records can reach."""
    specs = {TopicPartition(*key): spec for key in partitions}
    found = admin.list_partition_offsets(specs, isolation_level=isolation)
    return {(p.topic, p.partition): offset.offset for p, offset in found.items()}
