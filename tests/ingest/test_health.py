"""The door for whoever watches: who may ask, what is said alive, ready and counted; red where every
query fails.
"""

import http.client
import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest import disk_history
from ingest.alerting.beat import write_beat
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.broker.process import free_port
from ingest.contract import REASONS
from ingest.health import Health
from ingest.health_port import served
from ingest.heartbeat import COMMIT_BUCKETS_S, write_heartbeat
from ingest.settings import Settings
from transforms.errors import PortInUse
from transforms.schemas import TOPICS

GIB = 2**30
DAY_S = 86_400
BEAT = {
    "state": "running",
    "seconds_running": 9.0,
    "seconds_since_landed": 1.0,
    "events_per_s": 5.0,
    "events": 90,
    "rows": 80,
    "rejects": 10,
    "batches": 3,
    "last_batch_s": 0.2,
    "lag": 0,
    "bytes": 4_096,
    "partitions": 4,
    "commits": [0, 2, 1, *[0] * (len(COMMIT_BUCKETS_S) - 2)],
    "commit_s": 0.25,
}


@pytest.fixture
def settings(tmp_path, with_lake) -> Settings:
    return Settings(home=with_lake(tmp_path / "home"), kafka_bootstrap="127.0.0.1:1")


@pytest.fixture
def port(settings):
    number = free_port()
    with served(settings, port=number, of="FLOE_HEALTH_PORT"):
        yield number


def ask(port: int, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def samples(text: str) -> dict[tuple, float]:
    return {
        (s.name, *s.labels.values()): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_alive_without_anything(tmp_path):
    """/healthz has no dependencies: no home, no lake, no Kafka; and nothing is made by asking."""
    number = free_port()
    settings = Settings(home=tmp_path / "nowhere", kafka_bootstrap="127.0.0.1:1")
    with served(settings, port=number, of="FLOE_HEALTH_PORT"):
        assert ask(number, "/healthz") == (200, '{"status":"ok"}')
        status, told = ask(number, "/readyz")
        assert status == 503
        assert "the lake does not answer" in json.loads(told)["reasons"][0]
        assert samples(ask(number, "/metrics")[1])[("floe_lake_answers",)] == 0.0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/version", None, 200),
        ("HEAD", "/healthz", None, 200),
        ("GET", "/healthz", "localhost", 200),
        ("GET", "/healthz", "evil.example", 400),
        ("GET", "/metrics", "127.0.0.1.evil.example:80", 400),
        ("POST", "/healthz", None, 405),
        ("DELETE", "/metrics", None, 405),
        ("OPTIONS", "/readyz", None, 405),
        ("GET", "/", None, 404),
        ("GET", "/../etc/passwd", None, 404),
    ],
)
def test_who_may_ask_and_how(port, method, path, host, status):
    """This machine's own names, GET and HEAD, four paths; a HEAD has no body."""
    found, text = ask(port, path, method=method, host=host)
    assert found == status
    assert (text == "") == (method == "HEAD")


def test_a_port_that_is_taken_is_named(settings, port):
    """By the setting that moves it."""
    with (
        pytest.raises(PortInUse, match="FLOE_HEALTH_PORT"),
        served(settings, port=port, of="FLOE_HEALTH_PORT"),
    ):
        pass


def test_not_ready_while_nobody_tries_to_tell(settings):
    """A delivery that is due for more than half a minute and was not tried; the watcher itself
    seems well.
    """
    write_beat(settings)
    with Book(book_path(settings)) as book:
        book.put("pager", "d", {}, in_order_of="a", now=datetime.now(UTC) - timedelta(seconds=40))
    reasons = Health(settings).ready()[1]["reasons"]
    assert any(
        "alerts may be missing: 1 of what is to be told by pager waits" in reason
        for reason in reasons
    ), reasons


def test_ready_says_every_reason(settings, port, monkeypatch):
    """An empty lake without a worker has two; with a worker that reads and a young watermark it is
    ready.
    """
    status, told = ask(port, "/readyz")
    assert status == 503
    assert json.loads(told)["reasons"] == [
        "the watermark is unknown: no event has landed yet",
        "no worker is assigned: unknown: no ingest has run in this home",
    ]
    write_heartbeat(settings, (1, 1), BEAT)
    health = Health(settings)
    ages = {"old": datetime.now(UTC) - timedelta(days=3), "young": datetime.now(UTC)}
    for name, is_ready in (("old", False), ("young", True)):
        monkeypatch.setattr(
            "ingest.inspection.newest_event_time", lambda *_, _at=ages[name], **__: _at
        )
        health._kept.clear()
        assert health.ready()[0] == is_ready, health.ready()
    health.close()


def test_red_where_every_query_fails(settings):
    """The catalog goes away under a process that had it open: not ready, and floe_lake_answers is
    0.
    """
    health = Health(settings)
    assert samples(health.metrics().decode())[("floe_lake_answers",)] == 1.0
    shutil.rmtree(settings.home / "lake")
    health._kept.clear()
    health._drop()
    assert samples(health.metrics().decode())[("floe_lake_answers",)] == 0.0
    assert "the lake does not answer" in health.ready()[1]["reasons"][0]
    health.close()


def test_figures(settings, port):
    """Base units and Prometheus' names; a worker's own figures; no sample for what is unknown (lag,
    watermark).
    """
    write_heartbeat(settings, (1, 1), BEAT)
    text = ask(port, "/metrics")[1]
    found = samples(text)
    assert found[("floe_ingest_read_bytes_total",)] == 4_096
    assert found[("floe_commit_duration_seconds_bucket", "0.05")] == 2
    assert found[("floe_commit_duration_seconds_count",)] == 3
    assert found[("floe_commit_duration_seconds_sum",)] == 0.25
    assert found[("floe_batches_total",)] == 0
    assert found[("floe_disk_free_bytes",)] > 0
    assert abs(found[("floe_clock_skew_seconds",)]) < 5
    names = {name for name, *_ in found}
    assert not names & {"floe_lag_records", "floe_lag_seconds", "floe_watermark_timestamp_seconds"}
    assert all(re.fullmatch(r"floe_[a-z_]+", name) for name in names)


def test_labels_are_of_closed_lists(settings, port):
    """However many topics and reasons the lake holds, the series are at most those of the contract
    and one more.
    """
    found = samples(ask(port, "/metrics")[1])
    reasons = [labels for name, *labels in found if name == "floe_rejects_total"]
    assert sorted(reasons) == sorted([reason] for reason in REASONS)
    allowed = {
        *REASONS,
        *(t.type for t in TOPICS),
        "other",
        "broker",
        "dagster",
        "dashboards",
        "ingest",
        "+Inf",
    }
    free = {name for name, *labels in found for label in labels if label not in allowed}
    assert free <= {"floe_commit_duration_seconds_bucket", "floe_build_info"}


@pytest.mark.parametrize(
    ("notes", "free", "days"),
    [
        ([], 100 * GIB, None),  # nothing known yet
        ([(DAY_S - 3_600, 101 * GIB)], 100 * GIB, None),  # an hour is too little
        ([(0, 110 * GIB)], 100 * GIB, 10.0),  # 10 GiB in a day, 100 are left
        ([(0, 90 * GIB)], 100 * GIB, None),  # it empties
        ([(2 * DAY_S, 110 * GIB)], 100 * GIB, None),  # of a clock that was ahead
    ],
)
def test_days_until_the_disk_is_full(tmp_path, notes, free, days):
    """Bytes left, over bytes a day since the oldest note."""
    settings = Settings(home=tmp_path)
    (tmp_path / "disk.json").write_text(json.dumps(notes))
    assert disk_history.days_until_full(settings, free=free, now=float(DAY_S)) == days
