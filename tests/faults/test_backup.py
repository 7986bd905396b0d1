"""The drill: a backup of a system at work, a new home from it, what came since landed again, every
event counted.

Here: real Kafka, real processes, a kill in the middle. Not here: each rule of a copy
(tests/ingest/test_backup.py).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from ingest import stream
from ingest.contract import encode
from ingest.copies import MANIFEST
from ingest.lake import Lake
from ingest.proofs import proofs
from transforms.errors import CatalogMissing

TOPIC = "floe.sessions.v1"
AT_ONCE = 100


@pytest.fixture
def settings(broker, tmp_path):
    stream.ensure_topics(broker)
    return broker.model_copy(
        update={"home": tmp_path / "home", "ingest_linger_ms": 30, "ingest_batch_records": 150}
    )


class Producer(threading.Thread):
    """Sends events until told to stop; `acknowledged` are the ids of those that Kafka said it
    has.
    """

    def __init__(self, settings) -> None:
        super().__init__()
        self.settings, self.source = settings, f"/drill/{uuid4().hex}"
        self.acknowledged: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            ids = [str(n) for n in range(len(self.acknowledged), len(self.acknowledged) + AT_ONCE)]
            stream.publish(self.settings, [(TOPIC, b"p", self._event(id)) for id in ids], rate=600)
            self.acknowledged += ids

    def _event(self, id: str) -> bytes:
        data = {
            "session_id": f"{self.source}/{id}",
            "patient_id": f"p{int(id) % 40}",
            "clinic_id": "c",
        }
        data |= {"modality": "local", "started_at": "2026-02-01T10:00:00+01:00"}
        return encode(TOPIC, data, id=id, source=self.source, time="2026-02-01T10:00:00+01:00")


def _floe(settings, *words: str, **options) -> subprocess.Popen:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLOE_", "DAGSTER_"))
    }
    own = {
        "FLOE_HOME": settings.home,
        "FLOE_BROKER_PORT": settings.broker_port,
        "FLOE_INGEST_LINGER_MS": settings.ingest_linger_ms,
        "FLOE_INGEST_BATCH_RECORDS": settings.ingest_batch_records,
    }
    environment = kept | {name: str(value) for name, value in own.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *words], env=environment, **options
    )


def _done(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0, out
    return out


def _captured(settings, *words: str) -> subprocess.Popen:
    return _floe(settings, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _wait(until, *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def _landed(settings, source: str) -> list[str]:
    with Lake.open(settings, read_only=True) as lake:
        assert all(is_true is not False for is_true, _ in proofs(lake))
        return lake.sql("SELECT event_id FROM raw.sessions WHERE source = $1", [source])[
            "event_id"
        ].to_list()


def _has_ledger(settings, batches: int) -> bool:
    """Not while ingest is still making the lake: then there is none, or one without its tables."""
    with suppress(CatalogMissing), Lake.open(settings, read_only=True) as lake:
        return lake.sql(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'ledger'"
        ).item() > 0 and (lake.sql("SELECT count(*) FROM raw.ledger").item() >= batches)
    return False


@pytest.mark.timeout(900)
def test_backup_restore_replay_verify(settings, tmp_path):
    """Events stream, ingest lands, upkeep and a materialisation run; a backup is killed (-9) in its
    files, the next goes on with it; then the home is lost. Restored, drained and verified, the new
    one has each acknowledged event once.
    """
    folder, new = tmp_path / "copy", settings.model_copy(update={"home": tmp_path / "new"})
    producer = Producer(settings)
    producer.start()
    computing = None
    ingest = _floe(settings, "ingest", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _has_ledger(settings, 40))
        computing = _floe(
            settings, "materialize", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        upkeep = _captured(settings, "upkeep")
        first = _floe(
            settings, "backup", str(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait(lambda: any((folder / "data").rglob("*.parquet")) or first.poll() is not None)
        first.kill()
        assert first.wait(10) == -signal.SIGKILL
        assert not (folder / MANIFEST).exists()
        refused = _captured(new, "restore", str(folder))
        assert "no whole backup" in refused.communicate(timeout=60)[0]
        assert refused.returncode == 2
        assert not new.home.exists()
        at_backup = len(producer.acknowledged)
        said = _done(_captured(settings, "backup", str(folder)))
        assert "was not finished: going on" in said
        _done(upkeep)
        _wait(lambda: len(producer.acknowledged) > at_backup + 500)
        assert computing.poll() is None or computing.returncode == 0
    finally:
        producer.enough.set()
        producer.join()
        for process in filter(None, (ingest, computing)):
            process.kill()
            process.wait()
    shutil.rmtree(settings.home)

    _done(_captured(new, "restore", str(folder)))
    restored = _landed(new, producer.source)
    assert 0 < len(restored) < len(producer.acknowledged)
    _done(_captured(new, "ingest", "--drain"))
    landed = _landed(new, producer.source)
    lost = set(producer.acknowledged) - set(landed)
    doubled = len(landed) - len(set(landed))
    print(
        f"{len(producer.acknowledged):,} acknowledged, {len(restored):,} in the backup, {len(lost)} lost, {doubled} doubled"
    )
    assert (len(lost), doubled, len(landed)) == (0, 0, len(producer.acknowledged))
    assert "FAILED" not in _done(_captured(new, "verify"))


def test_the_folder_of_a_backup_is_found_by_nothing_else(settings, tmp_path):
    """A backup is no home: a verb that is pointed at it finds no lake there, and changes
    nothing.
    """
    with Lake.open(settings):
        pass
    _done(_captured(settings, "backup", str(tmp_path / "copy")))
    before = {p: p.stat().st_mtime_ns for p in Path(tmp_path / "copy").rglob("*")}
    mistaken = _captured(settings.model_copy(update={"home": tmp_path / "copy"}), "sql", "SELECT 1")
    assert "no lake yet" in mistaken.communicate(timeout=60)[0]
    assert {p: p.stat().st_mtime_ns for p in Path(tmp_path / "copy").rglob("*")} == before
