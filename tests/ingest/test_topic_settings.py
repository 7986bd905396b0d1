"""Topics that are set so that records may vanish are named, with the remedy.

Here: the rules, and the same asked of a real broker. Not here: who prints it (doctor, status).
"""

import time

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from ingest import stream
from ingest.topic_settings import faults

GOOD = {
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.bytes": "-1",
    "retention.ms": str(30 * 86_400_000),
}


def named(**other) -> list[tuple[str, str]]:
    config = GOOD | {name.replace("_", "."): value for name, value in other.items()}
    found = faults({"floe.incidents.v1": config}, bootstrap="kafka:9092", retention_days=30)
    return [(fault.setting, fault.value) for fault in found]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, []),
        ({"message_timestamp_type": "CreateTime"}, [("message.timestamp.type", "CreateTime")]),
        ({"cleanup_policy": "compact"}, [("cleanup.policy", "compact")]),
        ({"cleanup_policy": "compact,delete"}, [("cleanup.policy", "compact,delete")]),
        ({"retention_bytes": "1048576"}, [("retention.bytes", "1048576")]),
        ({"retention_ms": "60000"}, [("retention.ms", "60000")]),
        ({"retention_ms": "-1"}, []),  # for ever
        ({"retention_ms": str(31 * 86_400_000)}, []),
    ],
)
def test_each_way_in_which_records_vanish_is_named(other, expected):
    """By event time, by key, by size, by an age below the one promised; a longer life is no
    fault.
    """
    assert named(**other) == expected


def test_what_kafka_does_not_tell_is_no_fault():
    """A Kafka that tells nothing of its topics is not accused."""
    assert faults({"floe.incidents.v1": {}}, bootstrap="kafka:9092", retention_days=30) == []


def test_the_sentence_has_topic_value_and_remedy():
    """Who runs that Kafka can copy the command."""
    (fault,) = faults(
        {"floe.incidents.v1": GOOD | {"cleanup.policy": "compact"}},
        bootstrap="kafka:9092",
        retention_days=30,
    )
    assert str(fault).startswith(
        "floe.incidents.v1 has cleanup.policy=compact: of the records of a key only the last"
    )
    assert (
        "kafka-configs.sh --bootstrap-server kafka:9092 --alter --topic floe.incidents.v1"
        in fault.remedy
    )
    assert "--add-config cleanup.policy=delete" in fault.remedy


def test_topics_count_retention_from_arrival(broker):
    """Those that Floe makes; on its own broker also those that were made without; on another Kafka
    they are named.
    """
    stream.ensure_topics(broker)
    assert stream.topic_faults(broker) == []
    topic = "floe.consents.v1"
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        by_event_time = {"message.timestamp.type": "CreateTime"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, by_event_time)])
    elsewhere = broker.model_copy(update={"kafka_bootstrap": broker.bootstrap})
    stream.ensure_topics(elsewhere)
    _wait_faults(elsewhere, [(topic, "CreateTime")])
    stream.ensure_topics(broker)
    _wait_faults(broker, [])


def _wait_faults(settings, expected: list[tuple[str, str]]) -> None:
    """A broker acknowledges a setting before it tells it."""
    deadline = time.monotonic() + 10
    while [(fault.topic, fault.value) for fault in stream.topic_faults(settings)] != expected:
        assert time.monotonic() < deadline, stream.topic_faults(settings)
        time.sleep(0.1)
