"""The catalog while events land: its log stays, and who has it to himself for a moment holds others
up, no more.

Here: the connection that stays, and a busy catalog. Not here: turns (test_lake.py), what the lake
holds (test_lake.py).
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ingest.catalog_open import kept_open
from ingest.lake import Lake
from ingest.lake_attach import catalog_file
from ingest.settings import Settings

_PATIENCE_S = 30
_ALONE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("alone", flush=True)
sys.stdin.read(1)
"""
_KEEPING = """
import sys, time
from pathlib import Path
from ingest.catalog_open import kept_open
from ingest.settings import Settings
with kept_open(Settings(home=Path(sys.argv[1]))):
    print("kept", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path) -> Settings:
    settings = Settings(home=tmp_path / "home", kafka_bootstrap="127.0.0.1:1")
    Lake.open(settings).close()
    return settings


def log_of(settings) -> Path:
    catalog = catalog_file(settings)
    return catalog.with_name(catalog.name + "-wal")


def until(is_so) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)


def write(settings) -> None:
    with Lake.open(settings) as lake:
        lake.write(
            lambda writer: writer.execute(
                "INSERT INTO raw.stream_offsets (kafka_topic) VALUES ('t')"
            )
        )


def test_the_log_stays_while_the_catalog_is_kept_open(settings):
    """Nobody who closes is the last, so nobody takes the catalog to himself; at the end it is one
    file again.
    """
    assert not log_of(settings).exists()
    with kept_open(settings):
        until(log_of(settings).exists)
        write(settings)
        assert log_of(settings).stat().st_size
    assert not log_of(settings).exists()
    with Lake.open(settings, read_only=True) as lake:
        assert lake.rows("SELECT kafka_topic FROM raw.stream_offsets") == [("t",)]


def test_what_keeps_it_open_ends_with_its_process(settings):
    """Killed (-9), too: nothing is left behind, and nothing that was written is lost."""
    command = [sys.executable, "-c", _KEEPING, str(settings.home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ) as process:
        assert process.stdout.readline() == b"kept\n"
        [child] = psutil.Process(process.pid).children()
        until(log_of(settings).exists)
        write(settings)
        process.send_signal(signal.SIGKILL)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    until(lambda: not log_of(settings).exists())
    with Lake.open(settings, read_only=True) as lake:
        assert lake.rows("SELECT kafka_topic FROM raw.stream_offsets") == [("t",)]


def test_a_catalog_on_a_server_is_not_kept_open(tmp_path):
    """It has no file, so nothing is started."""
    before = set(psutil.Process().children())
    with kept_open(Settings(home=tmp_path, catalog="postgres:host=nowhere")):
        assert set(psutil.Process().children()) == before


@contextmanager
def somebody_alone(settings, *, for_s: float):
    """Another process has the catalog to itself, from now and for so long after the block began."""
    command = [sys.executable, "-c", _ALONE, str(catalog_file(settings))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"alone\n"
        ending = subprocess.Popen(["sh", "-c", f"sleep {for_s}; kill {process.pid}"])
        yield process
        ending.wait()


def answered(lake: Lake) -> list[tuple]:
    with lake.answer("SELECT count(*) FROM raw.stream_offsets") as (_, rows):
        return list(rows)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda lake: lake.rows("SELECT count(*) FROM raw.stream_offsets"), [(0,)]),
        (answered, [(0,)]),
        (
            lambda lake: lake.write(
                lambda writer: writer.execute("SELECT count(*) AS n FROM raw.stream_offsets")
            ).rows(),
            [(0,)],
        ),
    ],
    ids=["a query", "an analyst's statement", "a write"],
)
def test_a_busy_catalog_holds_up_and_fails_nothing(settings, what, expected):
    """Whoever asks meanwhile asks again until it is free."""
    with Lake.open(settings) as lake, somebody_alone(settings, for_s=0.7) as other:
        assert other.poll() is None
        assert what(lake) == expected
