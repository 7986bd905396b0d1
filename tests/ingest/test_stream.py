"""Reading and publishing, on a real broker: nothing is skipped, nothing is read twice, what is lost
is said.
"""

import socket
import time
from itertools import pairwise

import kafka
import pytest
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import TopicPartition

from ingest import stream
from ingest.broker import node as local_broker
from ingest.broker import process as broker_process
from ingest.log_agreement import Standing
from ingest.notices import Assigned, BrokerBack, BrokerLost, LogParted, PositionLost, TopicRecreated
from ingest.settings import Settings
from transforms.errors import BrokerMissing, UsageError
from transforms.schemas import TOPICS

NAMES = [topic.type for topic in TOPICS]


@pytest.fixture(scope="module")
def kafka_here(tmp_path_factory, downloads):
    """A broker of this file's own: its tests delete topics. Each test has a topic to itself."""
    settings = Settings(
        home=tmp_path_factory.mktemp("stream"),
        cache=str(downloads),
        broker_port=broker_process.free_port(),
        kafka_bootstrap="",
        ingest_linger_ms=100,
    )
    local_broker.start(settings, detached=False)
    stream.ensure_topics(settings)
    yield settings
    local_broker.stop(settings)


@pytest.fixture
def admin(kafka_here):
    with KafkaAdminClient(bootstrap_servers=kafka_here.bootstrap) as client:
        yield client


def read(source, topic, *, until, seconds=20.0):
    """Batches of `topic` until `until(batches)`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    batches = []
    while not until(batches):
        assert time.monotonic() < deadline, (
            f"read {batches}, notices {[str(n) for n in source.notices()]}"
        )
        batches += [b for b in source.poll(timeout_s=0.2) if b.topic == topic]
    return batches


def wait_for(condition, *, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def values(batches):
    return sorted(value for batch in batches for value in batch.values)


def notices_until(source, kind, *, seconds=20.0):
    """The notices up to the first one of `kind`."""
    deadline = time.monotonic() + seconds
    found = []
    while not any(isinstance(notice, kind) for notice in found):
        assert time.monotonic() < deadline, f"only {[str(notice) for notice in found]}"
        source.poll(timeout_s=0.2)
        found += source.notices()
    return found


def recreate(admin, topic, *, records, settings):
    admin.delete_topics([topic])
    wait_for(lambda: topic not in admin.list_topics())
    stream.ensure_topics(settings)
    stream.publish(settings, records)


def test_what_is_published_is_read_as_bytes_in_order_and_once(kafka_here):
    """Any bytes, any key, no value: each comes back once, a key's in order, positions contiguous in
    a partition.
    """
    topic = "floe.readings.v1"
    sent = [(topic, b"key%d" % (i % 7), b"\xff\x00%d" % i) for i in range(5_000)]
    sent += [(topic, None, b"no key"), (topic, b"tombstone", None)]
    told = []
    assert stream.publish(kafka_here, sent, progress=told.append) == 5_002
    assert all(0 < count < 5_002 for count in told)  # the whole is what it gives
    with stream.Source(kafka_here) as source:
        batches = read(
            source, topic, until=lambda found: sum(len(b.values) for b in found) >= 5_002
        )
        assert source.poll(timeout_s=0.3) == []
    got = [(key, value) for b in batches for key, value in zip(b.keys, b.values, strict=True)]
    assert sorted(got, key=repr) == sorted(((key, value) for _, key, value in sent), key=repr)
    by_key = [value for key, value in got if key == b"key3"]
    assert by_key == [b"\xff\x00%d" % i for i in range(3, 5_000, 7)]
    for number in range(kafka_here.kafka_partitions):
        own = [b for b in batches if b.partition == number]
        assert own[0].first_position == 0
        assert all(a.next_position == b.first_position for a, b in pairwise(own))
        assert [offset for b in own for offset in b.offsets] == list(range(own[-1].next_position))


def test_poll_gives_no_more_than_asked_by_one_producers_batch(kafka_here):
    """max_records bounds the memory of a poll; the rest comes with the next one."""
    topic = "floe.telemetry.v1"
    for _ in range(4):
        stream.publish(kafka_here, [(topic, b"one key", b"x" * 100)] * 250)
    with stream.Source(kafka_here) as source:
        sizes = []
        while sum(sizes) < 1_000:
            sizes += [len(b.values) for b in source.poll(300, 1.0) if b.topic == topic]
    assert sum(sizes) == 1_000
    assert max(sizes) <= 300 + 250


def test_reading_starts_where_the_caller_says_and_seek_moves_it(kafka_here):
    """Stored positions are the caller's; a partition that has none starts at its first record, not
    at its end.
    """
    topic = "floe.devices.v1"
    stream.publish(kafka_here, [(topic, b"k", b"%d" % i) for i in range(10)])
    topic_id = stream.topic_ids(kafka_here)[topic]
    ends = stream.end_offsets(kafka_here)
    number = next(p for p in range(2) if ends[(topic, p)] == 10)
    with stream.Source(
        kafka_here, stored=lambda: {(topic, topic_id, number): Standing(7)}
    ) as source:
        assigned = {
            (n.topic, n.partition): n.position for n in source.notices() if isinstance(n, Assigned)
        }
        assert assigned[(topic, number)] == 7
        assert assigned[(topic, 1 - number)] == 0
        assert values(read(source, topic, until=bool)) == [b"7", b"8", b"9"]
        source.seek(topic, number, 4)
        batch = read(source, topic, until=bool)[0]
        assert (batch.first_position, batch.next_position, batch.topic_id) == (4, 10, topic_id)
        assert batch.values == [b"%d" % i for i in range(4, 10)]
        assert source.positions()[(topic, number)] == 10
        assert source.end_offsets()[(topic, number)] == 10
        with pytest.raises(UsageError, match="not read by this worker"):
            source.seek(topic, 99, 0)


def test_workers_share_all_partitions_without_overlap(kafka_here):
    """Worker K of N: together they read every partition, each one once, and nobody is left
    without.
    """
    shares = []
    for k in (1, 2, 3):
        with stream.Source(kafka_here, worker=(k, 3)) as source:
            shares.append(source.assignment())
    assert set.union(*shares) == {
        (name, topic_id, number)
        for name, topic_id in stream.topic_ids(kafka_here).items()
        for number in range(2)
    }
    assert sum(len(share) for share in shares) == len(NAMES) * 2
    assert min(len(share) for share in shares) >= 5


def test_added_partitions_are_noticed_and_read_from_their_beginning(kafka_here, admin):
    """A topic that grows while it is read: what was written before anyone noticed is read too."""
    topic = "floe.protocols.v1"
    with stream.Source(kafka_here) as source:
        source.notices()
        admin.create_partitions({topic: 5})
        wait_for(lambda: (topic, 4) in stream.end_offsets(kafka_here))
        with kafka.KafkaProducer(bootstrap_servers=kafka_here.bootstrap) as producer:
            producer.send(topic, b"early", partition=4).get(10)
        assert values(read(source, topic, until=bool)) == [b"early"]
        assert {n.partition for n in source.notices() if isinstance(n, Assigned)} == {2, 3, 4}


def test_topic_made_again_is_said_and_read_from_its_beginning(kafka_here, admin):
    """Standing at 10 of the old topic, all of the new one is read, under its own id: not one record
    is skipped.
    """
    topic = "floe.consents.v1"
    stream.publish(kafka_here, [(topic, b"k", b"old %d" % i) for i in range(10)])
    with stream.Source(kafka_here) as source:
        old = read(source, topic, until=lambda found: len(values(found)) == 10)
        source.notices()
        new = [b"new %02d" % i for i in range(20)]
        recreate(admin, topic, records=[(topic, b"k", value) for value in new], settings=kafka_here)
        batches = read(source, topic, until=lambda found: len(values(found)) >= 20)
        assert values(batches) == new
        assert (
            {b.topic_id for b in batches}
            == {stream.topic_ids(kafka_here)[topic]}
            != {old[0].topic_id}
        )
        told = [notice for notice in source.notices() if isinstance(notice, TopicRecreated)]
        assert [(n.topic, n.old_topic_id) for n in told] == [(topic, old[0].topic_id)]
        assert "deleted and made again" in str(told[0])


def test_topic_made_again_while_nobody_looked_is_said_at_the_start(kafka_here, admin):
    """Positions stored under another id are not those of the topic that has the name now."""
    topic = "floe.courses.v1"
    old_id = stream.topic_ids(kafka_here)[topic]
    recreate(admin, topic, records=[(topic, b"k", b"new")], settings=kafka_here)
    stored = {(topic, old_id, number): Standing(10) for number in range(2)}
    with stream.Source(kafka_here, stored=lambda: stored) as source:
        recreated = [notice for notice in source.notices() if isinstance(notice, TopicRecreated)]
        assert [(n.topic, n.old_topic_id) for n in recreated] == [(topic, old_id)]
        assert values(read(source, topic, until=bool)) == [b"new"]
    both = stored | {(topic, stream.topic_ids(kafka_here)[topic], 0): Standing(0)}
    with stream.Source(kafka_here, stored=lambda: both) as source:
        assert not [notice for notice in source.notices() if isinstance(notice, TopicRecreated)]


@pytest.mark.parametrize(
    ("topic", "stored", "kind", "sentence"),
    [
        (
            "floe.screenings.v1",
            2,
            PositionLost,
            "stands at 2, and 4 positions were deleted",
        ),  # retention was quicker
        (
            "floe.patients.v1",
            50,
            LogParted,
            "stands at 50, and the log ends at 10",
        ),  # the log was cut off
    ],
)
def test_position_that_kafka_no_longer_has_is_said_and_not_passed_over(
    kafka_here, admin, topic, stored, kind, sentence
):
    """Neither the deleted records nor a shortened log are skipped silently: the partition waits for
    `seek` or `go_on`.
    """
    stream.publish(kafka_here, [(topic, b"k", b"%d" % i) for i in range(10)])
    topic_id = stream.topic_ids(kafka_here)[topic]
    number = next(p for p in range(2) if stream.end_offsets(kafka_here)[(topic, p)] == 10)
    admin.delete_records({TopicPartition(topic, number): 6})
    standing = Standing(stored)
    with stream.Source(kafka_here, stored=lambda: {(topic, topic_id, number): standing}) as source:
        [lost] = [n for n in notices_until(source, kind) if isinstance(n, kind)]
        assert (lost.topic, lost.partition, lost.position) == (topic, number, stored)
        assert sentence in str(lost)
        assert not source.is_agreed
        other = (topic, b"other", b"goes on")
        while stream.end_offsets(kafka_here)[(topic, 1 - number)] == 0:
            stream.publish(kafka_here, [other])
            other = (topic, other[1] + b"+", b"goes on")
        assert {b.partition for b in read(source, topic, until=bool)} == {1 - number}
        if kind is PositionLost:
            source.seek(topic, number, lost.earliest)
        else:
            source.go_on(topic, number, log_id=topic_id + "#2", standing=Standing(6))
        again = [b for b in read(source, topic, until=bool) if b.partition == number]
        assert values(again)[:4] == [b"6", b"7", b"8", b"9"]
        assert {b.topic_id for b in again} == {topic_id + "#2" * (kind is LogParted)}


@pytest.mark.parametrize(
    ("codec", "topic"),
    [
        (None, "floe.sessions.v1"),
        ("gzip", "floe.responses.v1"),
        ("snappy", "floe.clinics.v1"),
        ("lz4", "floe.consults.v1"),
        ("zstd", "floe.alerts.v1"),
    ],
)
def test_every_compression_is_read(kafka_here, codec, topic):
    """Producers choose their compression; two megabytes of it in one batch come back whole."""
    sent = [b"%06d" % i * 50 for i in range(7_000)]
    with kafka.KafkaProducer(
        bootstrap_servers=kafka_here.bootstrap,
        compression_type=codec,
        linger_ms=500,
        batch_size=2**22,
        max_request_size=2**23,
    ) as producer:
        for value in sent:
            producer.send(topic, value, partition=0)
    with stream.Source(kafka_here) as source:
        assert values(read(source, topic, until=lambda found: len(values(found)) >= 7_000)) == sent


def test_only_committed_transactions_are_read_and_positions_pass_over_the_rest(kafka_here):
    """What kafka-python's own consumer reads at read_committed, in the same places; the markers
    move the position.
    """
    topic = "floe.incidents.v1"
    with kafka.KafkaProducer(
        bootstrap_servers=kafka_here.bootstrap, transactional_id="t"
    ) as producer:
        producer.init_transactions()
        for kept in (True, False, True, False):
            producer.begin_transaction()
            for i in range(3):
                producer.send(topic, b"%d %d" % (kept, i), partition=0)
            producer.flush()  # else what is aborted is never sent
            producer.commit_transaction() if kept else producer.abort_transaction()
    end = 16  # 12 records and 4 markers, which the broker writes after it has answered
    wait_for(lambda: stream.end_offsets(kafka_here)[(topic, 0)] == end)
    with stream.Source(kafka_here) as source:
        batches = read(source, topic, until=lambda found: found and found[-1].next_position == end)
    ours = [(o, v) for b in batches for o, v in zip(b.offsets, b.values, strict=True)]
    assert [offset for offset, _ in ours] == [0, 1, 2, 8, 9, 10]
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=kafka_here.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    )
    consumer.assign([TopicPartition(topic, 0)])
    theirs = []
    while len(theirs) < 6:
        theirs += [(r.offset, r.value) for rs in consumer.poll(1000).values() for r in rs]
    consumer.close()
    assert ours == theirs


def test_large_event_passes_and_an_oversized_one_is_refused_before_it_is_sent(kafka_here):
    """A series of 10 MB is one event; beyond the limit the message has both sizes."""
    topic = "floe.walking_bouts.v1"
    assert stream.publish(kafka_here, [(topic, b"k", b"1" * 10 * 2**20)]) == 1
    with pytest.raises(UsageError, match=f"has 20000000 bytes, at most {stream.MAX_EVENT_BYTES}"):
        stream.publish(kafka_here, [(topic, b"k", b"1" * 20_000_000)])
    with pytest.raises(UsageError, match=r"no topic 'floe\.nothing\.v1'"):
        stream.publish(kafka_here, [("floe.nothing.v1", b"k", b"v")])
    with stream.Source(kafka_here) as source:
        assert [len(value) for value in values(read(source, topic, until=bool))] == [10 * 2**20]


def test_rate_paces_what_is_published(kafka_here):
    """100 events at 200 a second take half a second, not less."""
    began = time.monotonic()
    stream.publish(kafka_here, [("floe.care.v1", b"k", b"v")] * 100, rate=200)
    assert 0.49 <= time.monotonic() - began < 10


def test_topics_get_the_settings_retention_and_partitions(kafka_here, admin):
    """30 days and two partitions by default; making them again makes none."""
    assert set(stream.topic_ids(kafka_here)) == set(NAMES)
    assert stream.ensure_topics(kafka_here) == []
    found = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, "floe.deficiencies.v1")]
    )
    assert str(30 * 86_400_000) in repr(found)
    assert {p for t, p in stream.end_offsets(kafka_here) if t == "floe.deficiencies.v1"} == {0, 1}
    assert "30 days" in stream.retention_sentence(kafka_here)


def test_lag_counts_from_the_stored_positions(kafka_here):
    """End minus position, an unread partition from 0, never below 0."""
    topic = "floe.adverse_events.v1"
    stream.publish(kafka_here, [(topic, b"k", b"v")] * 9)
    ends = stream.end_offsets(kafka_here)
    number = next(p for p in range(2) if ends[(topic, p)] == 9)
    assert stream.lag(kafka_here, {})[(topic, number)] == 9
    assert stream.lag(kafka_here, {(topic, number): 4})[(topic, number)] == 5
    assert stream.lag(kafka_here, {(topic, number): 99})[(topic, number)] == 0


def test_committed_offsets_tell_lag_tools_how_far_we_are(kafka_here, admin):
    """The advisory commit arrives under the group's name; a group's offsets never decide where
    reading starts.
    """
    topic = "floe.performance_tests.v1"
    stream.publish(kafka_here, [(topic, b"k", b"v")])
    with stream.Source(kafka_here, group="told") as source:

        def is_told():
            source.commit({(topic, 0): 1})
            try:
                return (
                    admin.list_group_offsets("told")["told"][TopicPartition(topic, 0)].offset == 1
                )
            except (errors.RetriableError, KeyError):
                return False

        wait_for(is_told)
    with stream.Source(kafka_here, group="told") as source:
        assert values(read(source, topic, until=bool)) == [b"v"]


def test_reading_outlasts_a_restart_of_the_broker(kafka_here):
    """While Kafka is away poll gives nothing and says so; then it goes on where it stood."""
    topic = "floe.patient_status.v1"
    stream.publish(kafka_here, [(topic, b"k", b"before")])
    with stream.Source(kafka_here) as source:
        assert values(read(source, topic, until=bool)) == [b"before"]
        source.notices()
        local_broker.stop(kafka_here)
        assert any(isinstance(notice, BrokerLost) for notice in notices_until(source, BrokerLost))
        assert source.unreachable_s > 0
        began = time.monotonic()
        assert source.poll(timeout_s=0.5) == []
        assert time.monotonic() - began < 5
        local_broker.start(kafka_here, detached=False)
        stream.publish(kafka_here, [(topic, b"k", b"after")])
        assert values(read(source, topic, until=bool)) == [b"after"]
        assert any(isinstance(notice, BrokerBack) for notice in source.notices())
        assert source.unreachable_s == 0


@pytest.mark.parametrize("listens", [False, True])
def test_unreachable_broker_is_one_sentence_within_seconds(tmp_path, listens):
    """Nothing there, or something that takes the connection and never answers: exit code 3 and the
    remedy.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listens:
            silent.close()
        settings = Settings(home=tmp_path, kafka_bootstrap=f"127.0.0.1:{port}")
        began = time.monotonic()
        assert not stream.is_reachable(settings, timeout_s=1)
        with pytest.raises(BrokerMissing) as raised:
            stream.require_reachable(settings, timeout_s=1)
        assert time.monotonic() - began < 6
        if not listens:
            for call in (stream.ensure_topics, stream.Source, lambda s: stream.publish(s, [])):
                with pytest.raises(BrokerMissing):
                    call(settings)
            assert time.monotonic() - began < 8
    assert raised.value.exit_code == 3
    assert f"no Kafka answers at 127.0.0.1:{port} (" in str(raised.value)
    assert "start it, or correct FLOE_KAFKA_BOOTSTRAP" in str(raised.value)
