"""kafka-python's clients, as Floe wants them, and its errors as Floe's.

Here: connections, admin client, producer, consumer. Not here: what is asked of them (topics.py,
publishing.py, kafka_wire.py, records.py).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import kafka
from kafka import errors
from kafka.admin import KafkaAdminClient
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.partitioner.default import murmur2

from transforms.errors import BrokerMissing, FloeError

from ..contract import LARGEST_RECORD_BYTES
from ..source import Batch as Batch  # what Source.poll gives

# errors are raised; the library's own log is for who asks
logging.getLogger("kafka").addHandler(logging.NullHandler())

MAX_EVENT_BYTES = LARGEST_RECORD_BYTES
_BOOTSTRAP_S = 10.0
_SOCKETS = "floe-direct"


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
def producer_client(settings, linger_ms: int) -> Iterator[kafka.KafkaProducer]:
    with broker_errors(settings):
        producer, _ = connected(
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
def consumer_client(settings) -> Iterator[kafka.KafkaConsumer]:
    """For a look at single records: in no group, and it commits nothing."""
    with broker_errors(settings):
        consumer, _ = connected(
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
def admin_client(settings, *, timeout_s: float = 10.0) -> Iterator[KafkaAdminClient]:
    with broker_errors(settings):
        admin, _ = connected(KafkaAdminClient, settings, timeout_s=timeout_s)
        try:
            yield admin
        finally:
            admin.close()


def connected(kind: type, settings, *, timeout_s: float = _BOOTSTRAP_S, **options) -> tuple:
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
def broker_errors(settings) -> Iterator[None]:
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
