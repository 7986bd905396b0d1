"""Kafka, as Floe uses it: topics, positions, polling batches of bytes, publishing. The only file that imports kafka.

Here: what goes over the wire. Not here: what the bytes mean (decode.py), where a worker stands (landing.py, the
lake), running a broker (broker.py).
"""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import kafka
from kafka import errors
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.net.compat import KafkaNetClient
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition

from transforms.errors import BrokerMissing, FloeError
from transforms.schemas import TOPICS

MAX_EVENT_BYTES = 16 * 2**20
_DAY_MS = 86_400_000
_ALREADY_THERE = errors.TopicAlreadyExistsError.errno

logging.getLogger("kafka").addHandler(logging.NullHandler())  # errors are raised; its own log is for who asks


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
    """Creates the contract's topics that are not there yet and returns their names; the others stay as they are.

    Partitions: FLOE_KAFKA_PARTITIONS; events stay for FLOE_KAFKA_RETENTION_DAYS.
    """
    with _admin(settings) as admin:
        there = set(admin.list_topics())
        wanted = {topic.type: _topic_options(settings) for topic in TOPICS if topic.type not in there}
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


def retention_sentence(settings) -> str:
    """What is said when topics are made, because it decides how long an outage of ingest may last."""
    return (
        f"events stay in Kafka for {settings.kafka_retention_days:g} days (FLOE_KAFKA_RETENTION_DAYS, for topics yet "
        "to be made); what is not landed by then is lost to Floe"
    )


def topic_ids(settings) -> dict[str, str]:
    """Topic name to topic id, for the contract's topics that are there."""
    with _admin(settings) as admin:
        return {topic["name"]: str(topic["topic_id"]) for topic in _described(admin)}


def end_offsets(settings) -> dict[tuple[str, int], int]:
    """(topic, partition) to the position after its last record, for the contract's topics that are there."""
    with _admin(settings) as admin:
        partitions = {
            TopicPartition(topic["name"], partition["partition_index"]): OffsetSpec.LATEST
            for topic in _described(admin)
            for partition in topic["partitions"]
        }
        found = admin.list_partition_offsets(partitions)
        return {(p.topic, p.partition): offset.offset for p, offset in found.items()}


def lag(settings, positions: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """(topic, partition) to the number of positions between `positions` (absent: 0) and the end; at least 0.

    Positions of compacted records and of transaction markers count, so it is an upper bound of the records.
    """
    return {key: max(0, end - positions.get(key, 0)) for key, end in end_offsets(settings).items()}


def publish(
    settings,
    records: Iterable[tuple[str, bytes | None, bytes]],
    *,
    rate: float | None = None,
    progress: Callable[[int], None] | None = None,
    linger_ms: int = 20,
) -> int:
    """Sends (topic, key, value) and returns how many, all of them acknowledged by every replica in sync.

    `rate`: events a second at most. `progress` is told the number sent so far, about once a second. In order within
    a key and never doubled by a retry (idempotent producer). Raises FloeError if any could not be delivered.
    """
    with _producer(settings, linger_ms) as producer:
        failures: list[Exception] = []
        started = told = time.monotonic()
        count = 0
        for topic, key, value in records:
            producer.send(topic, key=key, value=value).add_errback(failures.append)
            count += 1
            if failures:
                break
            if rate and (early := count / rate - (time.monotonic() - started)) > 0:
                time.sleep(early)
            if progress and not count % 256 and time.monotonic() - told > 1:
                told = time.monotonic()
                progress(count)
        producer.flush()
        if failures:
            raise FloeError(
                f"{len(failures)} of {count} events could not be delivered to Kafka at {settings.bootstrap}, first "
                f"because of {failures[0]!r}: mend that and publish again (what arrived twice counts once)"
            )
    if progress:
        progress(count)
    return count


# --- clients -----------------------------------------------------------------------------------------------------


class _KeyPartitioner(kafka.partitioner.DefaultPartitioner):
    """The default's choice (murmur2, as Java's), remembered: the same patients come again and again."""

    def partition(self, topic, key, serialized_key, value, serialized_value, cluster):
        if serialized_key is None:
            return super().partition(topic, key, serialized_key, value, serialized_value, cluster)
        partitions = cluster.partitions_for_topic(topic)
        return sorted(partitions)[_hash(serialized_key) % len(partitions)]


@lru_cache(maxsize=2**17)
def _hash(key: bytes) -> int:
    return murmur2(key) & 0x7FFFFFFF


@contextmanager
def _producer(settings, linger_ms: int) -> Iterator[kafka.KafkaProducer]:
    with _broker_errors(settings):
        producer = _made(
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
def _admin(settings, *, timeout_s: float = 10.0) -> Iterator[KafkaAdminClient]:
    with _broker_errors(settings):
        _require_listening(settings, timeout_s)
        admin = _made(KafkaAdminClient, settings, bootstrap_timeout_ms=int(timeout_s * 1000))
        try:
            yield admin
        finally:
            admin.close()


def _made(kind: type, settings, **options):
    """A client of kafka-python; where its constructor raises, the thread that it started is ended."""
    clients = []

    def client(**configs):
        clients.append(KafkaNetClient(**configs))
        return clients[-1]

    try:
        return kind(**_connection(settings), kafka_client=client, **options)
    except BaseException:
        for left in clients:
            left.close()
        raise


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
    }


def _require_listening(settings, timeout_s: float) -> None:
    """A look before a client is made: where nothing listens at all, that is known at once."""
    for address in settings.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
            return
        except (OSError, ValueError):
            continue
    raise _broker_missing(settings)


@contextmanager
def _broker_errors(settings) -> Iterator[None]:
    """kafka-python's errors as Floe's."""
    try:
        yield
    except (errors.AuthenticationFailedError, errors.AuthorizationError) as error:
        raise BrokerMissing(
            f"Kafka at {settings.bootstrap} refuses this client ({error}): check FLOE_KAFKA_SECURITY, "
            "FLOE_KAFKA_SASL_MECHANISM, FLOE_KAFKA_USERNAME, FLOE_KAFKA_PASSWORD and the rights of that user"
        ) from error
    except (errors.RetriableError, errors.UnrecognizedBrokerVersion) as error:
        raise _broker_missing(settings) from error
    except errors.KafkaError as error:
        raise FloeError(f"Kafka at {settings.bootstrap} answered {error!r}") from error


def _broker_missing(settings) -> BrokerMissing:
    if settings.kafka_bootstrap:
        remedy = "start it, or correct FLOE_KAFKA_BOOTSTRAP and the FLOE_KAFKA_* settings of its security"
    else:
        remedy = "start the local broker (floe broker start), or set FLOE_KAFKA_BOOTSTRAP to another Kafka"
    return BrokerMissing(f"no Kafka answers at {settings.bootstrap}: {remedy}")


def _topic_options(settings) -> dict:
    return {
        "num_partitions": settings.kafka_partitions,
        "configs": {
            "retention.ms": str(int(settings.kafka_retention_days * _DAY_MS)),
            "max.message.bytes": str(MAX_EVENT_BYTES),
        },
    }


def _described(admin: KafkaAdminClient) -> list[dict]:
    return [topic for topic in admin.describe_topics([t.type for t in TOPICS]) if topic["error_code"] == 0]
