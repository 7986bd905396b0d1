"""What a real Kafka says of a log whose last landed record is a marker, was aborted, has expired or
was compacted away.

Here: its answers, judged. Not here: the rule alone (tests/ingest/test_log_agreement.py), a disk
that was put back (test_restored_broker.py).
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import kafka
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import TopicPartition

from ingest import stream
from ingest.log_agreement import Outcome, Standing, Verdict
from ingest.notices import LogParted, Unproved
from tests.running_kafka import running_kafka

AGREES, UNPROVED, PARTED = Outcome.AGREES, Outcome.UNPROVED, Outcome.PARTED


@pytest.fixture(scope="module")
def settings(tmp_path_factory, downloads):
    """A Kafka in which nobody else publishes: these tests know each topic's offsets."""
    with running_kafka(tmp_path_factory.mktemp("kafka") / "home", downloads) as settings:
        stream.ensure_topics(settings)
        yield settings


@pytest.fixture
def admin(settings):
    with closing(KafkaAdminClient(bootstrap_servers=settings.bootstrap)) as client:
        yield client


def send(settings, topic: str, *pairs: tuple[bytes, bytes]) -> None:
    with closing(kafka.KafkaProducer(bootstrap_servers=settings.bootstrap)) as producer:
        for key, value in pairs:
            producer.send(topic, key=key, value=value, partition=0).get(10)


def read_to_end(settings, topic: str) -> Standing:
    """Where a worker stands that has read all of partition 0."""
    end = stream.end_offsets(settings)[(topic, 0)]
    standing = Standing(0)
    with stream.Source(settings) as source:
        deadline = time.monotonic() + 30
        while standing.position < end:
            assert time.monotonic() < deadline
            for batch in source.poll():
                if (batch.topic, batch.partition) == (topic, 0):
                    standing = Standing(batch.next_position, batch.last)
    return standing


def verdict(settings, topic: str, standing: Standing) -> Verdict:
    place = (topic, stream.topic_ids(settings)[topic], 0)
    return stream.log_verdicts(settings, {place: standing})[place]


def wait(is_so: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.parametrize(("topic", "is_kept"), [("floe.care.v1", True), ("floe.courses.v1", False)])
def test_a_marker_or_an_aborted_record_is_known_again(settings, topic, is_kept):
    """The last record of a transaction's end is its marker; behind an aborted one's record too.
    Another one is another.
    """
    with closing(
        kafka.KafkaProducer(bootstrap_servers=settings.bootstrap, transactional_id=topic)
    ) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"value", partition=0).get(10)
        producer.commit_transaction() if is_kept else producer.abort_transaction()
    wait(lambda: stream.end_offsets(settings)[(topic, 0)] == 2)
    standing = read_to_end(settings, topic)
    assert (standing.position, standing.last.offset) == (2, 1)
    assert verdict(settings, topic, standing).outcome is AGREES
    other = replace(standing.last, checksum="0" * 16)
    assert verdict(settings, topic, Standing(2, other)).outcome is PARTED


def test_an_expired_record_is_no_proof_and_a_later_epoch_a_contradiction(settings, admin):
    """Retention took all that landed: it is said, and reading goes on; a leader epoch of which the
    log knows nothing, or an end before the position, stops it.
    """
    topic = "floe.consents.v1"
    send(settings, topic, *[(b"k", b"%d" % k) for k in range(10)])
    standing = read_to_end(settings, topic)
    assert verdict(settings, topic, standing).outcome is AGREES
    admin.delete_records({TopicPartition(topic, 0): 10})
    found = verdict(settings, topic, standing)
    assert found.outcome is UNPROVED
    assert "has expired" in found.why
    newer = replace(standing.last, leader_epoch=standing.last.leader_epoch + 5)
    assert "knows no leader epoch" in verdict(settings, topic, Standing(10, newer)).why
    assert verdict(settings, topic, Standing(12, standing.last)).outcome is PARTED
    send(settings, topic, (b"k", b"next"))
    place = (topic, stream.topic_ids(settings)[topic], 0)
    with stream.Source(settings, stored=lambda: {place: standing}) as source:
        values, notices, deadline = [], [], time.monotonic() + 30
        while not values:
            assert time.monotonic() < deadline
            values += [v for b in source.poll() if b.topic == topic for v in b.values]
            notices += source.notices()
    assert values == [b"next"]
    assert [n.partitions for n in notices if isinstance(n, Unproved)] == [((topic, 0),)]
    assert not [n for n in notices if isinstance(n, LogParted)]


def test_a_compacted_record_is_no_proof_and_a_later_one_before_it_a_contradiction(settings, admin):
    """Of one key the last is kept: the record that landed last is gone, one before it is there, and
    its time decides.
    """
    topic = "floe.protocols.v1"
    compacted = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.ms": "200",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "1000",
    }
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, compacted)])
    send(settings, topic, (b"other", b"stays"), *[(b"k", b"%d" % k) for k in range(9)])
    standing = read_to_end(settings, topic)
    assert (standing.position, standing.last.offset) == (10, 9)

    def is_cleaned() -> bool:
        send(
            settings, topic, (b"k", b"next")
        )  # a new segment, so that the one before can be cleaned
        return verdict(settings, topic, standing).outcome is not AGREES

    wait(is_cleaned, within_s=120)
    found = verdict(settings, topic, standing)
    assert found.outcome is UNPROVED
    assert "compacted" in found.why
    earlier = replace(standing.last, appended_at=standing.last.appended_at - timedelta(hours=1))
    assert (
        "the record at 0 was appended later" in verdict(settings, topic, Standing(10, earlier)).why
    )
    assert (
        "knows no leader epoch"
        in verdict(settings, topic, Standing(10, replace(standing.last, leader_epoch=9))).why
    )
