"""`floe up` as a newcomer and a bad day meet it: one command, pages that fill, nothing left behind.

Here: the whole system in a process of its own, with nothing on its PATH. Not here: its parts (tests
of each room).
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Self

import psutil
import pytest

from ingest import heartbeat
from ingest.broker.process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import FloeError

ROOT = Path(__file__).parents[2]
READY_S = 400  # of a machine that does much else
pytestmark = pytest.mark.timeout(1200)


class Up:
    """A `floe up`, what it says, and the processes of its home."""

    environment: dict[str, str] = {}  # noqa: RUF012  # a test sets it for its own

    def __init__(self, folder: Path, cache: Path, *words: str, umask: int = 0o022) -> None:
        self.home = folder / "home"
        nothing = folder / "nothing"
        nothing.mkdir()
        self.ports = {name: free_port() for name in ("broker", "dashboards", "dagster", "health")}
        self.log = folder / "up.log"
        self.others: list[Up] = []
        own = self.environment | {
            "PATH": str(nothing),
            "FLOE_HOME": str(self.home),
            "FLOE_CACHE": str(cache),
        }
        own |= {f"FLOE_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLOE_", "DAGSTER_"))
        }
        self._begin = {
            "env": kept | own,
            "umask": umask,
            "args": [sys.executable, "-m", "orchestration.cli", "up", *words],
        }
        self._start()
        self.settings = Settings(
            home=self.home,
            cache=str(cache),
            kafka_bootstrap="",
            **{f"{name}_port": port for name, port in self.ports.items()},
        )

    def _start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                **self._begin,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def again(self) -> Self:
        """Another `floe up` of the same home, with a log of its own; ended with this one."""
        other = copy(self)
        other.log = self.log.with_name(f"{self.log.name}.{time.monotonic_ns()}")
        other._start()
        self.others.append(other)
        return other

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait(self, what: str, until: Callable[[], object], *, seconds: float = READY_S):
        end = time.monotonic() + seconds
        while not (found := until()):
            assert self.process.poll() is None or what.startswith("nothing"), self.said
            assert time.monotonic() < end, f"waited {seconds} s for {what}:\n{self.said}"
            time.sleep(0.3)
        return found

    def answers(self, which: str, path: str) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports[which]}{path}", timeout=10
            ) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def processes(self) -> list[psutil.Process]:
        """Every living process that was started for this home."""
        return [
            p for p in psutil.process_iter() if p.pid != os.getpid() and _is_of(p, str(self.home))
        ]

    def child(self, *words: str) -> psutil.Process | None:
        """The one child whose command ends with these words."""
        found = [p for p in self.processes() if tuple(p.cmdline()[-len(words) :]) == words]
        return found[0] if found else None

    def end(self) -> None:
        every = [self.process, *(other.process for other in self.others)]
        for process in [*every, *self.processes()]:
            with suppress(psutil.Error):
                process.kill()
        for process in every:
            process.wait()


def _is_of(process: psutil.Process, home: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and (
            process.environ().get("FLOE_HOME") == home or home in " ".join(process.cmdline())
        )
    except psutil.Error:
        return False


@pytest.fixture
def up(tmp_path, downloads) -> Iterator[Callable[..., Up]]:
    """Starts `floe up WORDS`; whatever is left of it at the end is killed."""
    started: list[Up] = []

    def start(*words: str, umask: int = 0o022) -> Up:
        started.append(Up(tmp_path, downloads, *words, umask=umask))
        return started[-1]

    yield start
    for one in started:
        one.end()


def rows(settings, table: str) -> int:
    try:
        with Lake.open(settings, read_only=True) as lake:
            return lake.table(table).height
    except FloeError:
        return 0


def test_demo_from_the_command_to_ctrl_c(up):
    """Pages answer at once and fill by themselves, Dagster shows, Ctrl-C ends all with code 0 and
    no process left.

    With no java, mvn or psql to be found: everything comes from the environment's own wheels.
    """
    one = up("--demo", "--clinics", "2", "--patients", "12", "--days", "40")
    one.wait("the dashboards", lambda: one.answers("dashboards", "/healthz"))
    one.wait("filled marts", lambda: rows(one.settings, "mart.patient_outcomes"))
    assert 0 < rows(one.settings, "mart.adsl") <= 12  # those enrolled by now
    one.wait("the end of the start", lambda: "floe is up" in one.said)
    for path in ("/", "/safety", "/patient", "/operations", "/readyz"):
        assert one.answers("dashboards", path), path
    one.wait("Dagster", lambda: one.answers("dagster", "/server_info"))
    beats = heartbeat.heartbeats(one.settings)
    assert [beat["health"] for beat in beats] == ["ok"]
    assert str(one.ports["dashboards"]) in one.said
    assert "Traceback" not in one.said

    assert len(one.processes()) >= 5
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(120) == 0, one.said
    assert one.said.splitlines()[-1] == "stopped"
    assert [p.cmdline() for p in one.processes()] == []
    assert heartbeat.heartbeats(one.settings)[0]["state"] == "stopped"


@pytest.mark.parametrize("umask", [0, 0o022])
def test_nothing_in_the_home_is_open_to_others(up, umask):
    """Of all that the whole system makes (Kafka's, Dagster's and DuckDB's files too) 0 are for
    group or others.

    Before there was a rule, 306 of 309 were.
    """
    one = up("--demo", "--clinics", "1", "--patients", "6", "--days", "20", umask=umask)
    one.wait("the end of the start", lambda: "floe is up" in one.said)
    one.wait("Dagster", lambda: one.answers("dagster", "/server_info"))
    every = [path for path in (one.home, *one.home.rglob("*")) if not path.is_symlink()]
    assert len(every) > 100
    assert [str(path) for path in every if path.exists() and path.stat().st_mode & 0o077] == []


def test_ctrl_c_while_it_starts(up):
    """Ctrl-C before the broker answers ends the start, with code 0 and no process left."""
    one = up()
    one.wait("the first line", lambda: "dashboards" in one.said)
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(120) == 0, one.said
    assert "floe is up" not in one.said
    assert [p.cmdline() for p in one.processes()] == []


def test_killed_parts_and_a_killed_parent(up):
    """A part that dies is started again and said; the parent's death by kill -9 ends every other
    process too.
    """
    one = up()
    one.wait("the end of the start", lambda: "floe is up" in one.said)
    one.wait("Dagster", lambda: one.answers("dagster", "/server_info"))
    ingest = one.wait("ingest", lambda: one.child("orchestration.cli", "ingest"))
    ingest.kill()
    one.wait("the sentence", lambda: "ingest ended with code -9" in one.said)
    again = one.wait("ingest anew", lambda: one.child("orchestration.cli", "ingest"))
    assert again.pid != ingest.pid

    one.process.kill()
    one.process.wait()
    one.wait("nothing left", lambda: not one.processes(), seconds=90)
