"""The home's own Kafka as a part of `floe up`: started again when it dies or freezes, stopped at
the end if it is ours.

Here: what the supervisor asks of it. Not here: starting, stopping and finding it
(ingest/broker/node.py).
"""

import threading
from collections.abc import Callable
from contextlib import suppress

import psutil

from ingest import stream
from ingest.broker import node as broker
from ingest.broker import status
from ingest.broker.java import log_folder
from transforms.errors import Missing


class LocalBroker:
    """One that ran before is watched too, but left running; once it was started again it is
    ours.
    """

    name = "broker"
    patience_s = 0.0

    def __init__(self, settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._is_ours = False
        self._starting: threading.Thread | None = None
        self._failure: Exception | None = None
        self.ports = (settings.broker_port,)
        self.log = log_folder(settings) / "server.log"
        self.roles = {"kafka.Kafka": "kafka"}

    def start_now(self) -> str:
        """Returns when it answers: which release of Kafka it is."""
        status = broker.start(self._settings, detached=False, progress=self._say)
        self._is_ours = True
        return status.version

    def start(self) -> None:
        """Lets the start go on by itself: it takes seconds, and other parts are to be looked at."""
        self._failure = None
        self._starting = threading.Thread(target=self._start, name="floe-broker", daemon=True)
        self._starting.start()

    def _start(self) -> None:
        try:
            self.start_now()
        except Exception as error:
            self._failure = error

    def ending(self) -> tuple[str, bool] | None:
        if self._starting and self._starting.is_alive():
            return None
        if self._failure:
            return f"could not be started: {self._failure}", isinstance(self._failure, Missing)
        if status.status(self._settings).is_running:
            return None
        return ("ended", False)

    def answers(self, _part: object) -> bool:
        return stream.is_reachable(self._settings, timeout_s=5)

    def processes(self) -> list[psutil.Process]:
        pid = status.status(self._settings).pid
        with suppress(psutil.Error):
            return [psutil.Process(pid)] if pid else []
        return []

    def kill(self) -> None:
        """Frozen or not: a broker that does not answer does not write its log out in order
        either.
        """
        if self._starting and self._starting.is_alive():
            return
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        self._is_ours = True

    def stop(self) -> None:
        """Stops it where it is ours."""
        if self._starting:
            self._starting.join()
        if self._is_ours:
            broker.stop(self._settings)
