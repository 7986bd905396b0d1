"""Child processes: started with a log, ended with all that they started, never left behind, found
again if they were.

Here: what `floe up` needs of any child. Not here: which children there are (up.py), when they are
started again (supervisor.py).
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ingest import keeper
from ingest.running import home_of
from transforms.errors import FloeError, Missing, PortInUse

_OF, _PART = (
    "FLOE_UP_OF",
    "FLOE_UP_PART",
)  # in the environment of every child and of whatever it starts
_GRACE_S = 15
_KILLED = 128
# How nice a process is to the others: landing events and telling of harm go first, then pages, then
# computing figures.
PAGES_NICE, FIGURES_NICE = 5, 10


def give_way(nice: int) -> None:
    """From here on this process and its children give way to others, at least so much."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, own))


def require_free_port(port: int, *, of: str, setting: str) -> None:
    """PortInUse where something listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortInUse(
                f"port {port} of 127.0.0.1 is in use, and {of} needs it free: "
                f"stop what listens there or set {setting} to another port"
            ) from None


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Holds the home's lock while the block runs; FloeError naming the process that has it.

    The lock is the kernel's: it ends with its holder, however that ends.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / "up.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = path.read_text().strip() or "unknown"
            raise FloeError(
                f"floe up runs already in {home} (process {pid}{_frozen(pid)}): use that one, stop it first, or set "
                "FLOE_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _frozen(pid: str) -> str:
    with suppress(psutil.Error, ValueError):
        if psutil.Process(int(pid)).status() == psutil.STATUS_STOPPED:
            return f", which is frozen: kill -CONT {pid} lets it go on"
    return ""


def marked(settings, *, part: str | None = None) -> list[psutil.Process]:
    """Living processes that `floe up` of this home started, or what it started did; `part`: those
    of one child.

    They carry the home in their environment, which no foreign process has got by chance; this
    process and those above it are not meant.
    """
    wanted = {_OF: home_of(settings)} | ({_PART: part} if part else {})
    own = {os.getpid(), *(above.pid for above in psutil.Process().parents())}
    return [p for p in psutil.process_iter() if p.pid not in own and _carries(p, wanted)]


def _carries(process: psutil.Process, wanted: Mapping[str, str]) -> bool:
    try:
        environment = process.environ()
        is_there = process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False  # another user's, or gone
    return is_there and all(environment.get(name) == value for name, value in wanted.items())


def end(processes: list[psutil.Process], *, grace_s: float) -> None:
    """SIGTERM (a frozen one is let go on to hear it), after `grace_s` (0: at once) SIGKILL."""
    if grace_s:
        for process in processes:
            with suppress(psutil.Error):
                process.terminate()
                process.resume()
        _, processes = psutil.wait_procs(processes, timeout=grace_s)
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def end_leftovers(settings) -> int:
    """Ends what an earlier `floe up` of this home left, and only that; how many processes that
    was.
    """
    left = marked(settings)
    end(left, grace_s=_GRACE_S)
    end(marked(settings), grace_s=0)  # what they started meanwhile
    return len(left)


@dataclass
class Child:
    """One child process under a keeper (ingest/keeper.py), in a session of its own; its output goes
    to `log`.

    `answers`: whether it does its work, asked from time to time. `roles`: a word of a command line
    -> which part of the child that process is, and without which it is not whole. `patience_s`: how
    long it may well not answer.
    """

    name: str
    command: list[str]
    log: Path
    settings: object
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    answers: Callable[["Child"], bool] = lambda _: True
    roles: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 0.0
    keeper: subprocess.Popen | None = None
    pid: int | None = None
    _tie: int | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        end(marked(self.settings, part=self.name), grace_s=0)  # of one whose keeper was killed
        order = {
            "command": self.command,
            "log": str(self.log),
            "is_tied": True,
            "grace_s": _GRACE_S,
            "is_in_front": True,
        }
        marks = {_OF: home_of(self.settings), _PART: self.name}
        read_end, write_end = os.pipe()
        try:
            with self.log.open("ab") as log:
                self.keeper = subprocess.Popen(
                    [sys.executable, "-I", "-S", keeper.__file__, json.dumps(order)],
                    stdin=read_end,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=os.environ | self.environment | marks,
                    start_new_session=True,
                )
        finally:
            os.close(read_end)
            self._untie()
            self._tie = write_end  # open as long as this process lives: that is the tie
        with self.keeper.stdout as answer:
            self.pid = json.loads(answer.readline() or b'{"pid": null}')["pid"]

    def ending(self) -> tuple[str, bool] | None:
        """None while it runs; else why it does not, and whether it was for something that it
        needs.
        """
        code = self.code()
        if code is None:
            return None
        return (f"ended with code {code}", code == Missing.exit_code)

    def code(self) -> int | None:
        """None while it runs; of one that a signal N ended it is -N."""
        code = self.keeper.poll() if self.keeper else 0
        if code is not None and code > _KILLED:
            return _KILLED - code
        return code

    def processes(self) -> list[psutil.Process]:
        """All of it, the keeper first."""
        if self.keeper is None or self.keeper.poll() is not None:
            return []
        with suppress(psutil.Error):
            root = psutil.Process(self.keeper.pid)
            return [root, *root.children(recursive=True)]
        return []

    def kill(self) -> None:
        """At once, all of it, frozen or not."""
        end(self.processes(), grace_s=0)
        self._finish()

    def ask_to_stop(self) -> None:
        """SIGTERM, which the keeper passes on; a frozen one is let go on to hear it."""
        if self.keeper and self.keeper.poll() is None:
            self.keeper.terminate()
            self.keeper.send_signal(signal.SIGCONT)

    def stop(self, *, timeout_s: float = _GRACE_S + 5) -> None:
        """Asks it to stop, and ends whatever is left of it after `timeout_s`."""
        self.ask_to_stop()
        if self.keeper:
            with suppress(subprocess.TimeoutExpired):
                self.keeper.wait(timeout_s)
        self.kill()

    def _finish(self) -> None:
        if self.keeper:
            with suppress(subprocess.TimeoutExpired):
                self.keeper.wait(5)
        end(marked(self.settings, part=self.name), grace_s=0)
        self._untie()

    def _untie(self) -> None:
        if self._tie is not None:
            os.close(self._tie)
            self._tie = None


def wait_stopped(children: list[Child], *, timeout_s: float = _GRACE_S + 5) -> None:
    """All are asked at once, so that the slowest decides how long it takes."""
    until = time.monotonic() + timeout_s
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop(timeout_s=max(0.0, until - time.monotonic()))
