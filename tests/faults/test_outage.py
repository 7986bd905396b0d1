"""A running worker outlasts its broker's death, says so, and goes on where it stood."""

import threading
import time

import pytest

from ingest import heartbeat, stream, worker
from ingest.broker import node as local_broker
from ingest.broker.process import free_port
from ingest.contract import encode
from ingest.lake import Lake
from ingest.settings import Settings

TOPIC = "floe.incidents.v1"


@pytest.fixture
def settings(tmp_path, downloads):
    """A Kafka of this test alone, because it is stopped."""
    settings = Settings(
        home=tmp_path / "home",
        cache=str(downloads),
        broker_port=free_port(),
        kafka_bootstrap="",
        catalog="",
        data="",
    )
    yield settings
    local_broker.stop(settings)


def _send(settings, numbers: range) -> None:
    data = {
        "clinic_id": "c",
        "occurred_at": "2026-02-01T10:00:00Z",
        "subject_kind": "none",
        "kind": "door",
    }
    time_text = "2026-02-01T10:00:00Z"
    stream.publish(
        settings,
        [
            (
                TOPIC,
                b"c",
                encode(
                    TOPIC, data | {"incident_id": str(k)}, id=str(k), source="/test", time=time_text
                ),
            )
            for k in numbers
        ],
    )


def _wait(is_so, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_broker_stops_and_comes_back(settings):
    """Before, during and after an outage: it is said, the heartbeat says waiting, and every event
    lands once.
    """
    local_broker.start(settings, detached=False)
    stream.ensure_topics(settings)
    _send(settings, range(50))
    stop, said, reports = threading.Event(), [], []
    thread = threading.Thread(
        target=lambda: reports.append(worker.run(settings, stop=stop, on_progress=said.append))
    )
    thread.start()
    try:
        assert worker.wait_landed(settings, stop=threading.Event())
        local_broker.stop(settings)
        _wait(lambda: heartbeat.heartbeats(settings)[0]["health"] == "waiting", within_s=30)
        local_broker.start(settings, detached=False)
        _send(settings, range(50, 80))
        assert worker.wait_landed(settings, stop=threading.Event())
        _wait(lambda: heartbeat.heartbeats(settings)[0]["health"] == "ok", within_s=30)
    finally:
        stop.set()
        thread.join(60)
    assert any("trying again until it does" in text for text in said)
    assert any("answers again" in text for text in said)
    assert reports[0].rows == 80
    with Lake.open(settings, read_only=True) as lake:
        found = lake.table("raw.incidents", ["event_id"])["event_id"].cast(int).sort().to_list()
    assert found == list(range(80))
