"""A worker's figures hold as long as it reports; afterwards they are null, and why is said."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from ingest.heartbeat import heartbeats, ingest_unknown, write_heartbeat
from ingest.settings import Settings

BEAT = {
    "state": "running",
    "seconds_running": 10.0,
    "seconds_since_landed": 1.0,
    "events_per_s": 500.0,
    "events": 900,
    "rows": 890,
    "rejects": 10,
    "batches": 3,
    "last_batch_s": 0.2,
    "lag": 0,
    "partitions": 4,
}
OF_NOW = ("events_per_s", "lag", "partitions", "last_batch_s", "seconds_since_landed")


def beaten(tmp_path, **changes) -> Settings:
    """A home whose worker reported just now."""
    settings = Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:1")
    write_heartbeat(settings, (1, 1), BEAT)
    path = tmp_path / "ingest-1-of-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return settings


def after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (0, None),
        (29, None),
        (45, "unknown: ingest has not reported for 45 s"),
        (180, "unknown: ingest has not reported for 3 min"),
        (7_200, "unknown: ingest has not reported for 2 h"),
        (
            -3_600,
            "unknown: ingest last reported at a time that is yet to come, so the clock was set back since",
        ),
    ],
)
def test_figures_expire(tmp_path, seconds, reason):
    """30 s after the last report nothing of it is known: it was a lag of 0 for ever, while 4,092
    records waited.
    """
    settings = beaten(tmp_path)
    (beat,) = heartbeats(settings, now=after(seconds))
    assert beat["unknown"] == ingest_unknown(settings, now=after(seconds)) == reason
    assert beat["health"] == ("ok" if reason is None else "stuck")
    figures = {name: beat[name] for name in BEAT if name != "state"}
    assert set(figures.values()) == ({None} if reason else set(BEAT.values()) - {"running"})


@pytest.mark.parametrize(
    ("pid", "created"), [(2**22 + 1, 0.0), (os.getpid(), 0.0)], ids=["gone", "number used again"]
)
def test_a_worker_that_is_gone_is_unknown_at_once(tmp_path, pid, created):
    """Without waiting for its silence; a process that has got its number since is not it."""
    (beat,) = heartbeats(beaten(tmp_path, pid=pid, created=created))
    assert beat["health"] == "failed"
    assert beat["unknown"].endswith("its process has ended")
    assert beat["lag"] is beat["events"] is None


def test_a_worker_that_was_stopped_keeps_what_it_did(tmp_path):
    """Its totals are true for good; its rate and lag are not."""
    settings = beaten(tmp_path, state="stopped")
    (beat,) = heartbeats(settings, now=after(600))
    assert beat["events"] == 900
    assert [beat[name] for name in OF_NOW] == [None] * 5
    assert beat["unknown"] == "unknown: ingest was stopped 10 min ago"


def test_one_that_reports_is_enough(tmp_path):
    """Of two workers the living one tells how ingest does; none at all is said to be none."""
    settings = beaten(tmp_path, pid=2**22 + 1)
    assert "has ended" in ingest_unknown(settings)
    write_heartbeat(settings, (2, 2), BEAT)
    assert ingest_unknown(settings) is None
    assert (
        ingest_unknown(Settings(home=tmp_path / "other"))
        == "unknown: no ingest has run in this home"
    )


def test_a_report_cut_short_is_none(tmp_path):
    """A file that a full disk left half is no sign of life, and no error of whoever looks."""
    settings = beaten(tmp_path)
    (tmp_path / "ingest-1-of-1.json").write_text('{"worker": "1/1", "st')
    assert heartbeats(settings) == []
