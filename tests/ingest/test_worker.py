"""The worker against a real Kafka: draining, going on, stopping, two at once, rejects' alerts,
heartbeats.
"""

import threading
import time
from uuid import uuid4

import polars as pl
import pytest
from kafka import KafkaProducer

from ingest import codecs, heartbeat, stream, worker
from ingest.contract import encode
from ingest.lag import stream_lag
from ingest.lake import Lake
from ingest.positions import stored_positions
from ingest.proofs import proofs
from ingest.settings import Settings
from transforms.errors import BrokerMissing, FloeError, LandingConflict

TOPIC = "floe.incidents.v1"


@pytest.fixture
def settings(broker, tmp_path, with_lake) -> Settings:
    """A lake of its own beside the session's Kafka."""
    stream.ensure_topics(broker)
    return broker.model_copy(update={"home": with_lake(tmp_path), "ingest_linger_ms": 50})


@pytest.fixture
def source() -> str:
    """Tells this test's events from others in the shared Kafka."""
    return f"/test/{uuid4().hex}"


def incidents(source: str, numbers: range) -> list[tuple[str, bytes, bytes]]:
    return [(TOPIC, f"c{k % 7}".encode(), _incident(source, k)) for k in numbers]


def _incident(source: str, number: int) -> bytes:
    data = {
        "incident_id": f"i{number}",
        "clinic_id": f"c{number % 7}",
        "occurred_at": "2026-02-01T10:00:00+01:00",
        "subject_kind": "none",
        "kind": "door",
    }
    return encode(TOPIC, data, id=str(number), source=source, time="2026-02-01T10:00:00+01:00")


def landed(settings, source: str) -> list[int]:
    with Lake.open(settings, read_only=True) as lake:
        return sorted(
            map(int, lake.table("raw.incidents", ["event_id"], "source = $1", [source])["event_id"])
        )


def test_drain_lands_what_is_there_and_goes_on(settings, source):
    """A drain lands all that was sent before it; the next lands what came since, nothing twice;
    then nothing.
    """
    stream.publish(settings, incidents(source, range(300)))
    first = worker.run(settings, drain=True)
    assert landed(settings, source) == list(range(300))
    assert first.events == first.rows + first.rejects >= 300
    stream.publish(settings, incidents(source, range(300, 350)))
    assert worker.run(settings, drain=True).rows == 50
    assert worker.run(settings, drain=True).events == 0
    assert landed(settings, source) == list(range(350))


def test_small_batches_keep_the_ledger_whole(settings, source):
    """Batches of at most 40 records: more ledger rows, each partition's without gap or overlap, the
    same events.
    """
    small = settings.model_copy(update={"ingest_batch_records": 40, "ingest_linger_ms": 0})
    for start in range(0, 500, 50):  # a producer's own batches are never split
        stream.publish(settings, incidents(source, range(start, start + 50)))
    report = worker.run(small, drain=True)
    assert report.batches > 5
    assert landed(settings, source) == list(range(500))
    with Lake.open(settings, read_only=True) as lake:
        broken = lake.sql("""
            SELECT * FROM (SELECT first_position, lag(next_position) OVER (
                PARTITION BY kafka_topic_id, kafka_partition ORDER BY first_position) AS before FROM raw.ledger)
            WHERE first_position <> before
        """)
    assert broken.is_empty()


def test_a_batch_of_few_bytes_that_stand_for_very_many_is_set_aside_and_stops_nothing(
    settings, source
):
    """Some kilobytes of zstd that unpack to more than is read at once, between two events that
    land.
    """
    bomb = b" " * (codecs.MOST_UNPACKED_BYTES + 1)
    with KafkaProducer(
        bootstrap_servers=settings.bootstrap,
        compression_type="zstd",
        max_request_size=2 * len(bomb),
    ) as producer:
        for value in (_incident(source, 0), bomb, _incident(source, 1)):
            producer.send(TOPIC, value, partition=0).get(60)
    worker.run(settings, drain=True)
    assert landed(settings, source) == [0, 1]
    with Lake.open(settings, read_only=True) as lake:
        aside = lake.table("raw.rejects", ["detail", "value"], "reason = 'unreadable_batch'")
    assert "compressed with zstd, that can't be read: it unpacks to more than" in aside["detail"][0]
    assert len(aside["value"][0]) < 100_000


def test_until_told_to_stop(settings, source):
    """A running worker lands what arrives within moments, is idle in between and healthy, and stops
    when told.
    """
    stop = threading.Event()
    reports = []
    thread = threading.Thread(target=lambda: reports.append(worker.run(settings, stop=stop)))
    thread.start()
    try:
        for start in (0, 10):
            stream.publish(settings, incidents(source, range(start, start + 10)))
            assert worker.wait_landed(settings, stop=threading.Event())
            assert landed(settings, source) == list(range(start + 10))
        deadline = time.monotonic() + 15
        while (
            not (beats := heartbeat.heartbeats(settings))
            or beats[0]["events"] < 20
            or beats[0]["lag"]
        ):
            assert time.monotonic() < deadline, beats
            time.sleep(0.2)
        (beat,) = beats
        assert (beat["worker"], beat["state"], beat["health"]) == ("1/1", "running", "ok")
    finally:
        stop.set()
        thread.join(30)
    assert reports[0].events >= 20
    (beat,) = heartbeat.heartbeats(settings)
    assert (beat["state"], beat["health"]) == ("stopped", "stopped")


def test_two_workers_share_the_partitions(settings, source):
    """Workers 1/2 and 2/2 together land everything once, and each has its own heartbeat."""
    stream.publish(settings, incidents(source, range(200)))
    reports = [worker.run(settings, drain=True, worker=(k, 2)) for k in (1, 2)]
    assert landed(settings, source) == list(range(200))
    with Lake.open(settings, read_only=True) as lake:
        landed_in_all = lake.sql("SELECT sum(rows + rejects)::BIGINT FROM raw.ledger").item()
    assert sum(r.events for r in reports) == landed_in_all
    assert [b["worker"] for b in heartbeat.heartbeats(settings)] == ["1/2", "2/2"]


def test_a_second_worker_of_the_same_share_is_stopped(settings, source):
    """Two workers of one share: whatever each reads, an event lands once, and the one that lost the
    race says so.
    """
    stream.publish(settings, incidents(source, range(400)))
    small = settings.model_copy(update={"ingest_batch_records": 50, "ingest_linger_ms": 0})
    errors: list[Exception] = []

    def work():
        try:
            worker.run(small, drain=True)
        except LandingConflict as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another worker" in str(e) for e in errors)
    worker.run(settings, drain=True)
    assert landed(settings, source) == list(range(400))


def test_a_broken_safety_record_raises_an_alert_within_the_same_drain(settings, source):
    """Set aside, and its alert has landed when the drain is over, also where it was the last
    record; never again.
    """
    key = source.encode()
    stream.publish(settings, [*incidents(source, range(3)), (TOPIC, key, b"junk")])
    worker.run(settings, drain=True)
    place = _place_of_reject(settings, key)
    (first,) = _alerts_about(settings, place)
    assert (first["rule"], first["state"]) == ("unreadable_safety_record", "open")
    assert "could not be read" in first["finding"]
    worker.run(settings, drain=True)
    worker.run(settings, drain=True)
    assert _alerts_about(settings, place) == [first]
    assert landed(settings, source) == [0, 1, 2]


def _place_of_reject(settings, key: bytes) -> str:
    with Lake.open(settings, read_only=True) as lake:
        (row,) = lake.table("raw.rejects", where="key = $1", params=[key]).iter_rows(named=True)
    return f"{row['kafka_topic']}/{row['kafka_partition']}/{row['kafka_offset']}"


def _alerts_about(settings, place: str) -> list[dict]:
    with Lake.open(settings, read_only=True) as lake:
        return lake.table(
            "raw.alerts", where="list_contains(evidence, $1)", params=[place]
        ).to_dicts()


def test_records_that_kafka_deleted_are_never_skipped_in_silence(settings, source):
    """Standing before the first record that Kafka still has is an error that says what is lost;
    told to go on, the worker lands the rest and the ledger says lost.
    """
    stream.publish(settings, incidents(source, range(100)))
    worker.run(settings, drain=True)
    with Lake.open(settings) as lake:
        before = stored_positions(lake)
    stream.publish(settings, incidents(source, range(100, 160)))
    ends = {key: end for key, end in stream.end_offsets(settings).items() if key[0] == TOPIC}
    _delete_records(settings, {key: end - 1 for key, end in ends.items()})
    stream.publish(settings, incidents(source, range(160, 200)))
    with pytest.raises(FloeError, match=r"nothing was skipped.*FLOE_INGEST_SKIP_LOST=1"):
        worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        after = stored_positions(lake)
    incident_positions = {key: at for key, at in before.items() if key[0] == TOPIC}
    assert incident_positions.items() <= after.items()
    said: list[str] = []
    worker.run(
        settings.model_copy(update={"ingest_skip_lost": True}), drain=True, on_progress=said.append
    )
    assert any("were deleted (retention) before they were read" in text for text in said)
    with Lake.open(settings, read_only=True) as lake:
        lost = lake.sql(
            "SELECT sum(next_position - first_position)::BIGINT FROM raw.ledger WHERE checksum = 'lost'"
        )
    found = landed(settings, source)
    assert found[:100] == list(range(100))
    assert found[-40:] == list(range(160, 200))
    assert lost.item() == 200 - len(found) > 0


def test_a_partition_whose_records_expired_before_the_first_look(settings, source):
    """Nothing to read, and nothing behind: lag 0; the gap is said once, is in the ledger, and
    verify can't prove it.
    """
    stream.publish(settings, incidents(source, range(20)))
    ends = {key: end for key, end in stream.end_offsets(settings).items() if key[0] == TOPIC}
    _delete_records(settings, ends)
    stands = {key: end for key, end in ends.items() if end}
    with Lake.open(settings, read_only=True) as lake:
        before = stream_lag(lake, settings).filter(pl.col("kafka_topic") == TOPIC)["lag"].sum()
    said: list[str] = []
    worker.run(settings, drain=True, on_progress=said.append)
    assert worker.wait_landed(settings, stop=threading.Event())
    with Lake.open(settings, read_only=True) as lake:
        after = stream_lag(lake, settings).filter(pl.col("kafka_topic") == TOPIC)["lag"].sum()
        ledger = lake.table("raw.ledger", where="kafka_topic = $1", params=[TOPIC])
        proved = list(proofs(lake))
    assert (before, after) == (0, 0)
    assert sum(
        "was deleted before Floe first looked" in text and TOPIC in text for text in said
    ) == len(stands)
    rows = ledger.select("kafka_partition", "first_position", "next_position", "checksum").sort(
        "kafka_partition"
    )
    assert rows.rows() == [
        (number, 0, end, "unknown") for (_, number), end in sorted(stands.items())
    ]
    assert all(is_true is not False for is_true, _ in proved)
    open_sentences = [
        sentence for is_true, sentence in proved if is_true is None and TOPIC in sentence
    ]
    assert len(open_sentences) == len(stands)
    assert "nobody can say what they held" in open_sentences[0]
    said.clear()
    worker.run(settings, drain=True, on_progress=said.append)
    assert not any("first looked" in text for text in said)


def test_what_comes_behind_a_missing_beginning_lands(settings, source):
    """The gap first, then the records behind it, one ledger without a hole from position 0 on."""
    stream.publish(settings, incidents(source, range(20)))
    ends = {key: end for key, end in stream.end_offsets(settings).items() if key[0] == TOPIC}
    _delete_records(settings, ends)
    stream.publish(settings, incidents(source, range(20, 60)))
    worker.run(settings, drain=True)
    assert landed(settings, source) == list(range(20, 60))
    with Lake.open(settings, read_only=True) as lake:
        firsts = lake.sql(
            "SELECT min(first_position) FROM raw.ledger GROUP BY kafka_topic_id, kafka_partition"
        )
        is_proved = [is_true for is_true, _ in proofs(lake)]
    assert firsts.to_series().unique().to_list() == [0]
    assert False not in is_proved


def _delete_records(settings, before: dict[tuple[str, int], int]) -> None:
    from kafka.admin import KafkaAdminClient
    from kafka.structs import TopicPartition

    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    admin.delete_records({TopicPartition(*key): offset for key, offset in before.items()})
    admin.close()


def test_no_kafka_at_the_start_is_said(tmp_path):
    """Where no Kafka answers at the start the worker ends with one sentence, and its heartbeat says
    failed.
    """
    settings = Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:9", catalog="", data="")
    with pytest.raises(BrokerMissing, match=r"127\.0\.0\.1:9"):
        worker.run(settings)
    (beat,) = heartbeat.heartbeats(settings)
    assert beat["health"] == "failed"
