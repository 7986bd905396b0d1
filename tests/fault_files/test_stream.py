"""Inputs that show faults of the stream: each as its README says is right, on a real Kafka.

Here: the scripts of `../shared/data/faults` that speak to a broker. Not here: files of events.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from ingest import stream, worker
from ingest.lag import stream_lag
from ingest.lake import Lake
from ingest.proofs import proofs

FAULTS = Path(__file__).parents[3] / "shared" / "data" / "faults"
pytestmark = pytest.mark.skipif(
    not FAULTS.is_dir(), reason="../shared/data is not beside the project"
)


@pytest.fixture
def settings(broker, tmp_path, with_lake):
    """A lake of its own beside the session's Kafka."""
    stream.ensure_topics(broker)
    return broker.model_copy(update={"home": with_lake(tmp_path), "ingest_linger_ms": 50})


def run(settings, script: str) -> None:
    subprocess.run([sys.executable, FAULTS / script, settings.bootstrap], check=True, timeout=60)


def test_old_timestamps(settings):
    """Safety events stamped with their event time of years ago are kept from their arrival on, and
    land.
    """
    topic, began_ms = "floe.incidents.v1", time.time() * 1000
    first = stream.end_offsets(settings)[(topic, 0)]
    run(settings, "old_timestamps.py")
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, first)
    stamped = [r.timestamp for records in consumer.poll(10_000).values() for r in records]
    consumer.close()
    assert len(stamped) == 5
    assert min(stamped) > began_ms - 60_000
    worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        rows = lake.table("raw.incidents", ["incident_id"], "source = '/backfill'")
        assert {is_true for is_true, _ in proofs(lake)} <= {True, None}
    assert sorted(rows["incident_id"]) == [f"old-{k}" for k in range(5)]


def test_quiet_topic(settings):
    """A partition whose records have all expired: lag 0, the gap said once and in the ledger,
    verify can't prove it, and who waits for what is in Kafka does not wait.
    """
    topic = "floe.deficiencies.v1"
    run(settings, "quiet_topic.py")
    said: list[str] = []
    worker.run(settings, drain=True, on_progress=said.append)
    assert sum(f"{topic}/0 begins at position" in text for text in said) == 1
    assert worker.wait_landed(settings, stop=_patience(60))
    with Lake.open(settings, read_only=True) as lake:
        lag = stream_lag(lake, settings).filter(kafka_topic=topic, kafka_partition=0)["lag"].item()
        marks = lake.table(
            "raw.ledger", ["checksum"], "kafka_topic = $1 AND kafka_partition = 0", [topic]
        )
        open_sentences = [sentence for is_true, sentence in proofs(lake) if is_true is None]
    assert lag == 0
    assert marks["checksum"].to_list() == ["unknown"]
    assert any(sentence.startswith(f"{topic}/0: positions 0 to ") for sentence in open_sentences)


def _patience(seconds: float) -> threading.Event:
    """Set when waiting has taken so long."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    return stop


def test_binary_mode(settings):
    """A CloudEvent in binary mode lands like one in one piece."""
    run(settings, "binary_mode.py")
    worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        rows = lake.table(
            "raw.responses", ["patient_id", "instrument", "items"], "source = '/java'"
        ).unique()
        rejects = lake.table("raw.rejects", ["value"], "kafka_topic = 'floe.responses.v1'")
    assert rows.rows() == [("P1", "nrs_pain", '{"now":5}')]
    assert not any(b'"bin"' in value for value in rejects["value"] if value)
