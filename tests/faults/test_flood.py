"""A flood of records that can't be read: each is counted, few alerts tell of them, and ingest goes
on.

Here: real floods through a real Kafka, with kills and restarts. Not here: the rules
(tests/ingest/test_landing.py for alerts, test_reject_hours.py for what is kept), how fast that is
(tests/benchmarks/bench_flood.py).
"""

import os
import signal
import subprocess
import sys
import time
from uuid import uuid4

import polars as pl
import pytest
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition

from ingest import stream, worker
from ingest.lake import Lake
from ingest.proofs import proofs
from orchestration.rejects import replay_rejects
from tests.running_kafka import running_kafka

FLOOD = 150_000
RESTARTS = 15
KILLS = 8
SAFETY, OTHER = "floe.sessions.v1", "floe.care.v1"
TIME = "2026-02-01T10:00:00+01:00"
_RUN = "from ingest.settings import Settings; from ingest.worker import run; run(Settings())"
# Dies where the alerts were published and what was told is not noted yet, and where rejects landed
# and no alert is sent.
_DIE_AT = """
import os
from ingest import worker
from ingest.settings import Settings
def die(*_, **__):
    os._exit(9)
worker.{step} = die
worker.run(Settings())
"""


@pytest.fixture
def settings(tmp_path, downloads, with_lake):
    """A lake and a Kafka of its own: a home tells once of a topic, reason and hour, whoever's
    records they were.
    """
    with running_kafka(tmp_path / "kafka", downloads) as kafka:
        stream.ensure_topics(kafka)
        yield kafka.model_copy(
            update={"home": with_lake(tmp_path / "lake"), "ingest_linger_ms": 200}
        )


def junk(topic: str, key: str, count: int, *, size: int = 200) -> list[tuple[str, bytes, bytes]]:
    return [(topic, key.encode(), b"{broken %d" % k + b"x" * size) for k in range(count)]


def alerts(settings) -> pl.DataFrame:
    """The events of alerts of unreadable records that landed."""
    with Lake.open(settings, read_only=True) as lake:
        return lake.sql(
            "SELECT alert_id, event_id, revision FROM raw.alerts WHERE alert_id IN (SELECT alert_id FROM raw.reject_hours)"
        )


def hours(settings) -> int:
    """In how many hours of a topic and reason records were set aside."""
    with Lake.open(settings, read_only=True) as lake:
        rejects = lake.table("raw.rejects", ["kafka_topic", "reason", "ingested_at"])
    return rejects.with_columns(pl.col("ingested_at").dt.truncate("1h")).n_unique()


def failures(settings) -> list[str]:
    with Lake.open(settings, read_only=True) as lake:
        return [sentence for holds, sentence in proofs(lake) if holds is False]


def environment(settings) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLOE_")}
    return kept | {
        "FLOE_HOME": str(settings.home),
        "FLOE_BROKER_PORT": str(settings.broker_port),
        "FLOE_INGEST_LINGER_MS": "10",
        "FLOE_INGEST_BATCH_RECORDS": "1000",
    }


@pytest.mark.timeout(480)
def test_a_flood_is_told_once_an_hour(settings):
    """150 thousand records that can't be read are each kept whole; one alert a topic, reason and
    hour; 15 starts send nothing again.
    """
    key = f"flood-{uuid4().hex}"
    stream.publish(settings, junk(SAFETY, key, FLOOD))
    assert worker.run(settings, drain=True).rejects == FLOOD
    assert alerts(settings)["alert_id"].n_unique() == hours(settings)
    before, ends = alerts(settings), stream.end_offsets(settings)
    for _ in range(RESTARTS):
        worker.run(settings, drain=True)
    if hours(settings) == 1 and before.height == alerts(settings).height:
        assert stream.end_offsets(settings) == ends
    assert alerts(settings).height <= 2 * hours(
        settings
    )  # the second is the count of an hour that ended
    with Lake.open(settings, read_only=True) as lake:
        kept = lake.table("raw.rejects", ["value", "checksum"], "key = $1", [key.encode()])
    assert (kept.height, kept["value"].null_count(), kept["checksum"].null_count()) == (
        FLOOD,
        0,
        FLOOD,
    )
    assert failures(settings) == []


@pytest.mark.timeout(480)
def test_killed_in_a_flood_no_alert_is_lost_and_no_reject_doubled(settings):
    """Ingest is killed (-9) eight times while it lands a flood, and dies between reject and alert
    and between alert and note: a last drain later each reject is there once and each hour has its
    alert, told no more often than it died.
    """
    key = f"kill-{uuid4().hex}"
    count = 30_000
    stream.publish(settings, junk(SAFETY, key, count))
    for step in ("due_alerts", "note_told"):
        process = subprocess.Popen(
            [sys.executable, "-c", _DIE_AT.format(step=step)], env=environment(settings)
        )
        assert process.wait(120) == 9, step
    for k in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN], env=environment(settings), stderr=subprocess.DEVNULL
        )
        time.sleep(1.5 + 0.37 * k)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        rejects = lake.table(
            "raw.rejects", ["kafka_partition", "kafka_offset", "value"], "key = $1", [key.encode()]
        )
    assert rejects["value"].n_unique() == rejects.height == count
    found = alerts(settings)
    assert found["alert_id"].n_unique() == hours(settings)
    assert found.height <= (2 + KILLS) * hours(settings)
    assert failures(settings) == []
    worker.run(settings, drain=True)
    assert alerts(settings).height == found.height


@pytest.mark.timeout(480)
def test_beyond_the_bound_a_flood_keeps_position_reason_and_checksum(settings):
    """20,000 records of 1 kB, a bound of 5 MB: some 5,000 are whole, all are counted and proved.
    Sent again, what is still in Kafka is read from there; of what is gone positions are said and
    nothing is sent.
    """
    key, count = f"bound-{uuid4().hex}", 20_000
    bounded = settings.model_copy(update={"rejects_whole_mb": 5})
    stream.publish(settings, junk(OTHER, key, count, size=1_000))
    assert worker.run(bounded, drain=True).rejects == count
    assert failures(settings) == []
    with Lake.open(settings, read_only=True) as lake:
        (kept,) = (
            lake.table("raw.reject_hours", where="kafka_topic = $1", params=[OTHER])
            .tail(1)
            .iter_rows(named=True)
        )
        rejects = lake.table(
            "raw.rejects", where="kafka_topic = $1 AND reason = 'not_json'", params=[OTHER]
        )
    assert kept["reduced"] == rejects["checksum"].count()
    assert 14_000 < kept["reduced"] < 16_000
    assert kept["whole_bytes"] <= 5_000_000 + 16 * 1_100  # the sample
    sent, left = replay_rejects(settings, reason="not_json", topic=OTHER)
    assert sent == 0
    assert f"{rejects.height:,} records of {OTHER} still can't be read (not_json)" in left[0]
    _delete_records(settings, OTHER)
    sent, left = replay_rejects(settings, reason="not_json", topic=OTHER)
    assert sent == 0
    assert any("Kafka no longer holds them" in sentence for sentence in left)


def _delete_records(settings, topic: str) -> None:
    ends = {
        TopicPartition(t, p): end
        for (t, p), end in stream.end_offsets(settings).items()
        if t == topic
    }
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    try:
        admin.delete_records(ends)
    finally:
        admin.close()
