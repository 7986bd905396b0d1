"""Topics: whether a Kafka answers, which topics there are and how they are set, up to where each goes.

Here: what an admin client is asked. Not here: how a topic must be set (topic_settings.py), records.
"""

from collections.abc import Iterable

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.protocol.consumer import IsolationLevel
from kafka.structs import TopicPartition

from transforms.errors import FloeError
from transforms.schemas import TOPICS

from .. import cluster, topic_settings
from ..source import Batch as Batch  # what Source.poll gives
from .clients import MAX_EVENT_BYTES, admin_client

_DAY_MS = 86_400_000
_ALREADY_THERE = errors.TopicAlreadyExistsError.errno


def is_reachable(settings, *, timeout_s: float = 3.0) -> bool:
    """Whether a Kafka answers a metadata request within `timeout_s`."""
    try:
        with admin_client(settings, timeout_s=timeout_s):
            return True
    except FloeError:
        return False


def require_reachable(settings, *, timeout_s: float = 3.0) -> None:
    """BrokerMissing, in one sentence, where no Kafka answers."""
    with admin_client(settings, timeout_s=timeout_s):
        return


def ensure_topics(settings) -> list[str]:
    """Creates the contract's topics that are not there yet and returns their names.

    Partitions: FLOE_KAFKA_PARTITIONS; events stay for FLOE_KAFKA_RETENTION_DAYS, counted from their
    arrival. Of a topic that is there the local broker's is made to count so too; another Kafka's
    stays as it is (`topic_faults` names it). Raises FloeError where this is another Kafka than the
    home's (cluster.py).
    """
    with admin_client(settings) as admin:
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
    [config_of] = admin.describe_configs(resources, config_filter="all").values()
    return {
        topic: {key: of_key["value"] for key, of_key in config.items()}
        for topic, config in config_of.items()
    }


def topic_faults(settings) -> list[topic_settings.TopicFault]:
    """The contract's topics that are set so that records may vanish before they are read, each with
    its remedy.
    """
    with admin_client(settings) as admin:
        configs = _configs(admin, [topic["name"] for topic in contract_topics(admin)])
    return topic_settings.faults(
        configs, bootstrap=settings.bootstrap, retention_days=settings.kafka_retention_days
    )


def cluster_id(settings) -> str:
    """The id that the Kafka at FLOE_KAFKA_BOOTSTRAP has given itself."""
    with admin_client(settings) as admin:
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
    with admin_client(settings) as admin:
        return {topic["name"]: str(topic["topic_id"]) for topic in contract_topics(admin)}


def end_offsets(settings) -> dict[tuple[str, int], int]:
    """(topic, partition) to the position after its last record, for the contract's topics that are
    there.
    """
    with admin_client(settings) as admin:
        partitions = [
            (topic["name"], partition["partition_index"])
            for topic in contract_topics(admin)
            for partition in topic["partitions"]
        ]
        return offsets_of(admin, partitions, OffsetSpec.LATEST)


def lag(settings, positions: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """(topic, partition) to the number of positions between `positions` and the end; at least 0.

    A partition that is not in `positions` is behind from the first record that is still there.
    Positions of compacted records and of transaction markers count, so it is an upper bound of the
    records.
    """
    ends = end_offsets(settings)
    unread = [key for key in ends if key not in positions]
    with admin_client(settings) as admin:
        positions = positions | (offsets_of(admin, unread, OffsetSpec.EARLIEST) if unread else {})
    return {key: max(0, end - positions[key]) for key, end in ends.items()}


def _topic_options(settings) -> dict:
    return {
        "num_partitions": settings.kafka_partitions,
        "configs": {
            topic_settings.ARRIVAL[0]: topic_settings.ARRIVAL[1],
            "retention.ms": str(int(settings.kafka_retention_days * _DAY_MS)),
            "max.message.bytes": str(MAX_EVENT_BYTES),
        },
    }


def contract_topics(admin: KafkaAdminClient) -> list[dict]:
    return [
        topic
        for topic in admin.describe_topics([t.type for t in TOPICS])
        if topic["error_code"] == 0
    ]


def offsets_of(
    admin: KafkaAdminClient,
    partitions: Iterable[tuple[str, int]],
    spec: OffsetSpec,
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict:
    """Of committed records, if not said otherwise: what a reader of committed records can reach."""
    specs = {TopicPartition(*key): spec for key in partitions}
    places = admin.list_partition_offsets(specs, isolation_level=isolation)
    return {(p.topic, p.partition): offset.offset for p, offset in places.items()}
