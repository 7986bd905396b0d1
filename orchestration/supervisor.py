"""Watches what `floe up` started: what ends, freezes or is not whole is said, and started again
with growing waits.

Here: when a part is down, when it is started again, when it is given up, and the record of it all.
Not here: how a process is started and ended (processes.py), which there are (up.py).

A part is down when it has ended, when it has not answered for FLOE_UP_SILENT_S, when a process of
it has been frozen for as long, or when one without which it is not whole (a code server) is gone.
It is given up when it went down `_MOST_IN_A_ROW` times without a healthy minute in between; not
while something that it needs is missing (exit code 3: a broker, a port, disk space), for which it
is tried again every minute.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ingest import running
from orchestration.watched import Part, Watched, described
from transforms.counting import counted, spoken

Say = Callable[[str], None]
_LOOK_S, _SCAN_S, _PROBE_S = 0.5, 5.0, 5.0
_FIRST_ANSWER_S = 180.0
_WAITS_S = (1, 2, 5, 10, 30, 60)
_HEALTHY_AFTER_S = 60
_MOST_IN_A_ROW = 10
_NOT_WHOLE_S = 10.0
_QUIET_S = 15.0
_MOST_TOLD = 50


class Supervisor:
    """The parts in the order in which they were added; one thread looks at them, one asks them."""

    def __init__(self, settings, say: Say) -> None:
        self._settings = settings
        self._say = say
        self._watched: list[Watched] = []
        self._told: list[dict] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._began = datetime.now(UTC)
        self._looked = self._scanned = self._wrote = time.monotonic()
        self._threads = [
            threading.Thread(
                target=self._loop, args=(work, every), name=f"floe-{work.__name__}", daemon=True
            )
            for work, every in ((self.look, _LOOK_S), (self._probe, _PROBE_S))
        ]
        self._write()
        for thread in self._threads:
            thread.start()

    def add(self, part: Part) -> None:
        """Starts the part and watches it from now on."""
        with self._lock:
            watched = Watched(part)
            part.start()
            self._watched.append(watched)
            self._write()

    def adopt(self, part: Part) -> None:
        """Watches a part that runs already."""
        with self._lock:
            self._watched.append(Watched(part, state="running"))
            self._write()

    def tell(self, sentence: str) -> None:
        """On the terminal, in the record."""
        self._told = [*self._told, {"at": datetime.now(UTC).isoformat(), "text": sentence}][
            -_MOST_TOLD:
        ]
        self._say(sentence)

    def close(self) -> None:
        """Watches no more; what runs is the caller's to stop."""
        self._over.set()
        self._threads[0].join(10)  # the other may wait for an answer, and starts nothing
        with self._lock:
            for watched in self._watched:
                watched.become("stopping")
            self._write(state="stopping")

    def closed(self) -> None:
        """Writes down that all was stopped."""
        with self._lock:
            for watched in self._watched:
                watched.become("stopped")
                watched.processes = []
            self._write(state="stopped")

    def _loop(self, work: Callable[[], None], every_s: float) -> None:
        """Whatever goes wrong with one look is said, and the next is taken."""
        last = ""
        while not self._over.wait(every_s):
            try:
                work()
                last = ""
            except Exception as error:
                if str(error) != last:
                    last = str(error)
                    self.tell(f"floe up could not look at its parts: {error}")

    def look(self) -> None:
        with self._lock:
            now = time.monotonic()
            if (
                now - self._looked > 10
            ):  # this process was frozen itself, and nobody asked the parts meanwhile
                self._forgive(now)
            self._looked = now
            if now - self._scanned >= _SCAN_S:
                self._scanned = now
                for watched in self._watched:
                    self._scan(watched, now)
            for watched in self._watched:
                self._look_at(watched, now)
            if now - self._wrote >= _SCAN_S:
                self._write()

    def _forgive(self, now: float) -> None:
        for watched in self._watched:
            watched.answered = watched.started = now
            watched.frozen_since = watched.incomplete_since = 0.0

    def _look_at(self, watched: Watched, now: float) -> None:
        if watched.state == "given up":
            return
        if watched.state == "down":
            if now >= watched.start_at:
                self._start_again(watched, now)
            return
        if why := self._trouble(watched, now):
            self._take_down(watched, now, *why)
        elif watched.state == "running" and (
            watched.frozen_since or now - watched.answered > _QUIET_S
        ):
            watched.become("silent", "is frozen" if watched.frozen_since else "does not answer")

    def _trouble(self, watched: Watched, now: float) -> tuple[str, bool] | None:
        """Why the part must be started again, and whether something that it needs is missing."""
        if ending := watched.part.ending():
            return ending
        silent_s = self._settings.up_silent_s
        patience_s = max(silent_s, watched.part.patience_s)
        if watched.frozen_since and now - watched.frozen_since >= silent_s:
            return f"has been frozen for {spoken(now - watched.frozen_since)}", False
        if watched.incomplete_since and now - watched.incomplete_since >= _NOT_WHOLE_S:
            here = {process["role"] for process in watched.processes}
            return f"has lost its {' and '.join(sorted(watched.roles - here))}", False
        allowed_s = patience_s if watched.has_answered else max(patience_s, _FIRST_ANSWER_S)
        quiet_s = now - max(watched.answered, watched.started)
        if quiet_s >= allowed_s:
            return f"has not answered for {spoken(quiet_s)}", False
        return None

    def _take_down(self, watched: Watched, now: float, why: str, is_need_missing: bool) -> None:
        name = watched.part.name
        watched.part.kill()
        if now - watched.started > _HEALTHY_AFTER_S:
            watched.in_a_row = 0
        if watched.in_a_row >= _MOST_IN_A_ROW and not is_need_missing:
            sentence = f"{why}, the {watched.in_a_row + 1}th time without a healthy minute: it is not started again"
            watched.become("given up", sentence)
            self.tell(f"{name} {sentence}. Look into {watched.part.log}, then start floe up anew")
        else:
            wait = _WAITS_S[min(watched.in_a_row, len(_WAITS_S) - 1)]
            watched.start_at = time.monotonic() + wait
            watched.become("down", why)
            if watched.in_a_row < _MOST_IN_A_ROW or watched.in_a_row % _MOST_IN_A_ROW == 0:
                self.tell(f"{name} {why}; it starts again in {wait} s (log: {watched.part.log})")
        watched.in_a_row += 1
        watched.processes = []
        self._write()

    def _start_again(self, watched: Watched, now: float) -> None:
        why = watched.said
        watched.restarts += 1
        watched.started, watched.has_answered = now, False
        watched.frozen_since = watched.incomplete_since = 0.0
        watched.roles = set()
        watched.become("starting", f"{why}; started again {counted(watched.restarts, 'time')}")
        try:
            watched.part.start()
        except Exception as error:
            self._take_down(watched, now, f"could not be started: {error}", False)
        self._write()

    def _scan(self, watched: Watched, now: float) -> None:
        """Which processes the part has, and whether one is frozen or lacks."""
        if watched.state not in ("starting", "running"):
            return
        processes = [
            p for p in (described(p, watched.part.roles) for p in watched.part.processes()) if p
        ]
        here = {p["role"] for p in processes if p["role"] in watched.part.roles.values()}
        frozen = [p["pid"] for p in processes if p.pop("is_frozen")]
        watched.frozen_since = (watched.frozen_since or now) if frozen else 0.0
        watched.incomplete_since = (
            (watched.incomplete_since or now) if watched.roles - here else 0.0
        )
        watched.roles |= here
        watched.processes = processes

    def _probe(self) -> None:
        """Asks each part whether it answers; without the lock, since one that does not takes its
        time.
        """
        for watched in [*self._watched]:
            if watched.state not in ("starting", "running", "silent"):
                continue
            is_first = not watched.has_answered
            if watched.part.answers(watched.part):
                with self._lock:
                    self._hear(watched, is_first=is_first)

    def _hear(self, watched: Watched, *, is_first: bool) -> None:
        watched.answered, watched.has_answered = time.monotonic(), True
        if watched.state == "silent" and not watched.frozen_since:
            watched.become("running")
        if watched.state == "starting" and watched.part.ending() is None:
            watched.become("running", watched.said)
            self._write()
            if is_first and watched.restarts:
                self.tell(f"{watched.part.name} runs again")

    def _write(self, state: str = "running") -> None:
        self._wrote = time.monotonic()
        parts = [
            {
                "name": watched.part.name,
                "state": watched.state,
                "since": watched.since.isoformat(),
                "restarts": watched.restarts,
                "said": watched.said,
                "ports": [*watched.part.ports],
                "processes": watched.processes,
            }
            for watched in self._watched
        ]
        record = {
            "started_at": self._began.isoformat(),
            "state": state,
            "said": "",
            "parts": parts,
            "told": self._told,
        }
        running.write_running(self._settings, record)
