"""Child processes: started with a log, watched, stopped in order, never left behind.

Here: what `floe up` needs of any child. Not here: which children there are (up.py).
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from transforms.errors import FloeError, PortInUse

_RESTART_WAITS_S = (1, 2, 5, 10, 30)
_HEALTHY_AFTER_S = 60


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
            raise FloeError(
                f"floe up runs already in {home} (process {path.read_text().strip() or 'unknown'}): use that one, stop "
                "it first, or set FLOE_HOME to another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _die_with_parent() -> None:
    """In the child: be ended when the parent ends, however it ends (Linux; elsewhere its signals must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@dataclass
class Child:
    """One child process: its own session, output to `log`, restarted with growing waits when it ends by itself."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    restarts: int = 0
    _started: float = 0.0
    _restart_at: float = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | self.environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._started = time.monotonic()

    def watch(self) -> str | None:
        """Restarts a child that ended; a sentence where there is something to say."""
        if self.process is None or self.process.poll() is None:
            return None
        now = time.monotonic()
        if not self._restart_at:
            if now - self._started > _HEALTHY_AFTER_S:
                self.restarts = 0
            wait = _RESTART_WAITS_S[min(self.restarts, len(_RESTART_WAITS_S) - 1)]
            self._restart_at = now + wait
            code = self.process.returncode
            return f"{self.name} ended with code {code}; it starts again in {wait} s (log: {self.log})"
        if now >= self._restart_at:
            self._restart_at, self.restarts = 0.0, self.restarts + 1
            self.start()
        return None

    def stop(self, *, timeout_s: float = 20) -> None:
        """SIGTERM to the child, then SIGKILL to whatever is left of its session."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
