"""A worker that is killed at any moment loses nothing and doubles nothing."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest

from ingest import stream, worker
from ingest.contract import encode
from ingest.lake import Lake

TOPICS = ("floe.readings.v1", "floe.sessions.v1")
KILLS = 22
_RUN = "from ingest.settings import Settings; from ingest.worker import run; run(Settings())"

# The steps of ingest/landing.py: what stands between two of them, and the worker dies there.
_DIE_AT = """
import os
from ingest import landing, worker
from ingest.lake import Lake, Writer
from ingest.settings import Settings

def die(*_, **__):
    os._exit(9)

def after(owner, name):
    whole = getattr(owner, name)
    def then_die(*args, **options):
        whole(*args, **options)
        die()
    setattr(owner, name, then_die)

{patch}
worker.run(Settings())
"""
_MOMENTS = {
    "after poll, before decode": "worker.prepare = die",
    "after decode, before the transaction": "worker.land = die",
    "after the first insert": "after(Writer, 'append')",
    "after the positions, before the commit": "after(landing, '_write')",
    "after the commit, before Kafka is told": "after(Lake, 'write')",
}


@pytest.fixture
def settings(broker, tmp_path):
    stream.ensure_topics(broker)
    return broker.model_copy(
        update={"home": tmp_path, "ingest_linger_ms": 10, "ingest_batch_records": 400}
    )


def _environment(settings) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLOE_")}
    return kept | {
        "FLOE_HOME": str(settings.home),
        "FLOE_BROKER_PORT": str(settings.broker_port),
        "FLOE_INGEST_LINGER_MS": str(settings.ingest_linger_ms),
        "FLOE_INGEST_BATCH_RECORDS": str(settings.ingest_batch_records),
    }


def _start(settings, code: str) -> subprocess.Popen:
    # dying by SIGKILL is the point: what it prints on the way is not
    return subprocess.Popen(
        [sys.executable, "-c", code], env=_environment(settings), stderr=subprocess.DEVNULL
    )


def _records(source: str, numbers) -> list[tuple[str, bytes, bytes]]:
    return [_record(source, k) for k in numbers]


def _record(source: str, number: int) -> tuple[str, bytes, bytes]:
    """Readings and sessions in turn; every 50th is broken, and its key says which."""
    key = f"{source}/{number}".encode()
    topic = TOPICS[number % 2]
    if number % 50 == 49:
        return topic, key, b"{broken"
    time_text = "2026-02-01T10:00:00+01:00"
    data = {"patient_id": f"p{number % 40}", "started_at": time_text}
    if topic == TOPICS[0]:
        data |= {
            "metric": "step_count",
            "unit": "{steps}",
            "interval_s": 60,
            "values": [number % 1000, None],
        }
    else:
        data |= {"session_id": f"s{number}", "clinic_id": "c", "modality": "local"}
    return topic, key, encode(topic, data, id=str(number), source=source, time=time_text)


def _drain(settings) -> None:
    worker.run(settings.model_copy(update={"ingest_batch_records": 50_000}), drain=True)


def _batches(lake: Lake) -> int:
    return lake.sql("SELECT count(*) FROM raw.ledger").item()


def assert_exactly_once(settings, source: str, sent: int) -> None:
    """Event by event: each whole one is one row, each broken one is one reject, and the ledger has
    no gap.
    """
    with Lake.open(settings, read_only=True) as lake:
        rows = lake.sql(
            "SELECT event_id::BIGINT AS n FROM raw.readings WHERE source = $1 UNION ALL "
            "SELECT event_id::BIGINT FROM raw.sessions WHERE source = $1",
            [source],
        )["n"]
        rejects = lake.sql(
            "SELECT key, value FROM raw.rejects WHERE starts_with(decode(key), $1)", [source]
        )
        values = lake.sql(
            "SELECT event_id::BIGINT AS n, values FROM raw.readings WHERE source = $1", [source]
        )
        ledger = lake.table("raw.ledger").sort(
            "kafka_topic_id", "kafka_partition", "first_position"
        )
        offsets = lake.table("raw.stream_offsets")
        landed = {
            name: lake.sql(f"SELECT count(*) FROM raw.{name}").item()
            for name in ("readings", "sessions", "rejects")
        }
    assert sorted(rows.to_list()) == [n for n in range(sent) if n % 50 != 49]
    assert sorted(rejects["key"].to_list()) == sorted(
        f"{source}/{n}".encode() for n in range(49, sent, 50)
    )
    assert set(rejects["value"].to_list()) == {b"{broken"}
    assert all(v == [n % 1000, None] for n, v in values.iter_rows())
    of_topics = ledger.filter(ledger["kafka_topic"].is_in(TOPICS))
    assert of_topics["rows"].sum() == landed["readings"] + landed["sessions"]
    assert ledger["rejects"].sum() == landed["rejects"]
    stands = {}
    for row in ledger.iter_rows(named=True):
        partition = row["kafka_topic_id"], row["kafka_partition"]
        assert row["first_position"] == stands.get(partition, row["first_position"])
        stands[partition] = row["next_position"]
    columns = ("kafka_topic_id", "kafka_partition", "next_offset")
    assert stands == {(topic_id, p): at for topic_id, p, at in offsets.select(columns).iter_rows()}


@pytest.mark.timeout(600)
def test_killed_at_random_nothing_is_lost_or_doubled(settings):
    """22 workers in a row are killed (-9) at seeded moments of their landing while events keep
    coming; a last drain later every event sent is there once, every broken record is set aside
    once, and the ledger has no gap.
    """
    source, seed = f"/kill/{uuid4().hex}", random.Random(20)
    enough, sent = threading.Event(), []

    def produce() -> None:
        while not enough.is_set():
            start = len(sent) * 200
            stream.publish(settings, _records(source, range(start, start + 200)), rate=300)
            sent.append(start)

    producer = threading.Thread(target=produce)
    producer.start()
    kills_in_landing = 0
    try:
        with Lake.open(settings) as lake:
            for _ in range(KILLS):
                before = _batches(lake)
                process = _start(settings, _RUN)
                deadline = time.monotonic() + 60
                while (
                    _batches(lake) == before
                    and time.monotonic() < deadline
                    and process.poll() is None
                ):
                    time.sleep(0.02)
                time.sleep(seed.uniform(0, 0.3))
                kills_in_landing += process.poll() is None and _batches(lake) > before
                process.kill()
                assert process.wait(10) == -signal.SIGKILL
    finally:
        enough.set()
        producer.join()
    assert kills_in_landing >= 20
    _drain(settings)
    assert_exactly_once(settings, source, len(sent) * 200)


def test_killed_between_two_steps_nothing_is_lost_or_doubled(settings):
    """Death after poll, after decode, after an insert, before and after the commit: the next start
    makes it whole.
    """
    source, sent = f"/kill/{uuid4().hex}", 0
    for moment, patch in _MOMENTS.items():
        stream.publish(settings, _records(source, range(sent, sent + 150)))
        sent += 150
        process = _start(settings, _DIE_AT.format(patch=patch))
        assert process.wait(120) == 9, moment
    _drain(settings)
    assert_exactly_once(settings, source, sent)


def test_told_to_stop_the_batch_in_hand_is_finished(settings):
    """SIGTERM in the midst of landing: the verb ends with 0, and what it had begun is whole."""
    source = f"/kill/{uuid4().hex}"
    stream.publish(settings, _records(source, range(3000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "ingest"],
        env=_environment(settings),
        stdout=subprocess.PIPE,
    )
    with Lake.open(settings) as lake:
        deadline = time.monotonic() + 30
        while not _batches(lake) and time.monotonic() < deadline:
            time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"landed" in out
    _drain(settings)
    assert_exactly_once(settings, source, 3000)
