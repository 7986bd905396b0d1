"""A real Apache Kafka on this machine, for the demo, the tests and small sites: start, stop,
status.

Here: one KRaft node on 127.0.0.1 under FLOE_HOME/broker, its life from start to stop, and what a
crash left. Not here: its command lines and files (java.py), processes (process.py), the jars
(jars.py), topics and records (stream/), any other Kafka (FLOE_KAFKA_BOOTSTRAP).

    FLOE_HOME/broker/broker.json        which process this home's broker is, on which port, tied to whom
                     data/              Kafka's own log segments: the events
                     logs/              server.log (rolled, 4 x 10 MB), console.log; those of the start before
                     server.properties, log4j2.xml, written at each start

Java's start-up cache makes a start quicker by two thirds. It is made by a training run in the
background after the first start: a second Kafka on throwaway storage, at the lowest priority, whose
cache is renamed into place once it is whole. So no start and no stop ever waits for it, an
interruption leaves nothing half written, and training ends with the broker that it was started for.
"""

import fcntl
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from transforms.errors import DiskFull, FloeError, Missing, UsageError

from .. import stream
from ..settings import Settings
from . import jars as kafka_jars
from . import java as broker_java
from . import process as broker_process
from .conditions import no_space_is_disk_full, require_port, require_space
from .java import data_folder, folder, log_folder
from .record import one_at_a_time, read_record, record_path, write_record
from .status import BrokerStatus, status

_READY_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 30
_TIED_GRACE_S = 15
_TRAINING_END_S = 600  # the cache takes 20 s to write on an idle machine
_CAUSE = re.compile(
    r"(Caused by: |Exception in thread .* )?([a-z]\w*\.)+[A-Z]\w*(Exception|Error): "
)
Progress = Callable[[str], None]


def start(settings, *, detached: bool = True, progress: Progress | None = None) -> BrokerStatus:
    """Starts this home's broker and returns when it answers; one that runs already is left as it
    is.

    `detached`: it outlives this process; otherwise it ends with it, even when this process is
    killed. `progress` is told of each long step. Raises PortInUse, DiskFull, Missing (no network
    for the first download), UsageError (it runs on another port), FloeError (Kafka itself failed;
    the message has its reason and log).
    """
    say = progress or (lambda _: None)
    with no_space_is_disk_full(settings), one_at_a_time(settings):
        before = status(settings)
        if before.is_running and not before.is_orphan:
            return _already_running(settings, before)
        _clear_away(settings, before, say)
        require_port(settings)
        require_space(settings)
        try:
            _launch(settings, detached=detached, say=say)
        except FloeError as error:
            if isinstance(error, Missing) or not broker_java.aot_cache(settings).exists():
                raise
            say("Kafka did not start with Java's start-up cache: starting it without")
            _launch(settings, detached=detached, say=say, with_cache=False)
            broker_java.aot_cache(settings).unlink(
                missing_ok=True
            )  # it was the cache: the next one is made anew
        if not broker_java.aot_cache(settings).exists() and not broker_java.is_parted(settings):
            _train_in_background(settings, say)
        return status(settings)


def stop(settings) -> BrokerStatus:
    """Ends the broker (SIGTERM, after 30 s SIGKILL) and what belongs to it; none running is fine
    too.
    """
    if not folder(settings).exists():
        return status(settings)
    with one_at_a_time(settings):
        _end_all(settings, status(settings))
        return status(settings)


def _already_running(settings, before: BrokerStatus) -> BrokerStatus:
    if before.port != settings.broker_port:
        raise UsageError(
            f"the broker of {settings.home} runs on port {before.port} (pid {before.pid}), FLOE_BROKER_PORT says "
            f"{settings.broker_port}: set it to {before.port}, or stop the broker first (floe broker stop)"
        )
    _await_ready(settings, psutil.Process(before.pid))
    return before


def _clear_away(settings, before: BrokerStatus, say: Progress) -> None:
    """What a crash left: a broker that belongs to nobody, or the record of one that is gone
    itself.
    """
    if before.is_orphan:
        since = f"{before.since:%Y-%m-%d %H:%M} UTC"
        say(
            f"found a broker that a crash left running (pid {before.pid}, since {since}): stopping it first"
        )
    elif before.is_stale:
        say(
            "found the record of a broker that ended without being stopped: starting it again with its data"
        )
    _end_all(settings, before)


def _end_all(settings, before: BrokerStatus) -> None:
    record = read_record(settings)
    broker_process.end(broker_process.by_identity(record.get("trainer")), timeout_s=5)
    if before.is_running:
        broker_process.end(broker_process.by_pid(before.pid), timeout_s=_STOP_TIMEOUT_S)
    broker_process.end(broker_process.by_identity(record.get("keeper")), timeout_s=5)
    record_path(settings).unlink(missing_ok=True)


def _launch(
    settings,
    *,
    detached: bool,
    say: Progress,
    options: tuple[str, ...] = (),
    grace_s=_TIED_GRACE_S,
    with_cache=True,
):
    """1. jars; 2. storage; 3. the process, recorded at once; 4. its first answer. Undone if any of
    it fails.
    """
    java = broker_java.java(settings, progress=say, with_cache=with_cache)
    if not data_folder(settings).exists():
        say("preparing Kafka's storage")
        if failure := broker_java.format_storage(settings, java):
            _raise_for(settings, failure)
    say(f"starting Kafka {kafka_jars.version()} on 127.0.0.1:{settings.broker_port}")
    command = broker_java.server(settings, java, options=options)
    _set_logs_aside(settings)
    try:
        log = log_folder(settings) / "console.log"
        around = broker_java.surroundings(settings)
        pids = broker_process.keep(command, log=log, tied=not detached, grace_s=grace_s, **around)
        record = {
            "port": settings.broker_port,
            "broker": broker_process.identity(pids["pid"]),
            "keeper": broker_process.identity(pids["keeper_pid"]),
            "owner": None if detached else broker_process.identity(os.getpid()),
        }
        write_record(settings, record)
        _await_ready(settings, broker_process.by_identity(record["broker"]))
    except BaseException:
        _end_all(settings, status(settings))
        raise


def _set_logs_aside(settings) -> None:
    """So that what is read back after a failure is this start's own."""
    for name in ("console", "server"):
        log = log_folder(settings) / f"{name}.log"
        if log.exists():
            log.replace(log.with_name(f"{name}.previous.log"))


def _await_ready(settings, process: psutil.Process | None) -> None:
    """Returns once Kafka answers a metadata request; raises where it ended, or does not answer in
    time.
    """
    local = settings.model_copy(update={"kafka_bootstrap": "", "kafka_security": "PLAINTEXT"})
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process is None or not broker_process.is_alive(process):
            _raise_for(settings, _last_lines(settings))
        if broker_process.is_listening(settings.broker_port) and stream.is_reachable(
            local, timeout_s=5
        ):
            return
        time.sleep(0.05)
    raise FloeError(
        f"Kafka was started on port {settings.broker_port} and has not answered within {_READY_TIMEOUT_S} s: "
        f"look into {log_folder(settings) / 'server.log'}"
    )


def _raise_for(settings, lines: list[str]) -> None:
    """Kafka's own last words as one of our errors."""
    if any("No space left on device" in line for line in lines):
        raise DiskFull(
            f"Kafka ended because no space is left for {folder(settings)}: free some, or set FLOE_HOME"
        )
    if any("Address already in use" in line for line in lines):
        require_port(settings)
    causes = [line for line in lines if _CAUSE.match(line)]
    errors = [line for line in lines if " ERROR " in line or " FATAL " in line]
    reason = (causes or errors or lines or ["it said nothing"])[0].strip()[:300]
    raise FloeError(f"Kafka ended while it started ({reason}): look into {log_folder(settings)}")


def _last_lines(settings) -> list[str]:
    logs = [log_folder(settings) / name for name in ("server.log", "console.log")]
    return [
        line
        for log in logs
        if log.exists()
        for line in log.read_text(errors="replace").splitlines()
    ]


def _train_in_background(settings, say: Progress) -> None:
    say("training Java's start-up cache in the background, for quicker starts (about a minute)")
    record = read_record(settings)
    code = "import sys; from ingest.broker import node; node.train(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(settings.cache_path), str(record["broker"]["pid"])]
    log = log_folder(settings) / "training.log"
    pids = broker_process.keep(command, log=log, tied=False, grace_s=0)
    write_record(settings, record | {"trainer": broker_process.identity(pids["pid"])})


def train(cache: str, broker_pid: str) -> None:
    """The training run, in a process of its own; it ends early, and its Kafka with it, when
    `broker_pid` ends.
    """
    _end_with(int(broker_pid))
    os.nice(19)
    scratch = kafka_jars.folder(Path(cache)).parent / "training"
    with scratch.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another home's broker is at it
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        settings = Settings(
            home=scratch, cache=cache, broker_port=broker_process.free_port(), kafka_bootstrap=""
        )
        _record_start_and_work(settings)
        shutil.rmtree(scratch)


def _record_start_and_work(settings) -> None:
    made = settings.home / "kafka.aot"
    folder(settings).mkdir()
    _launch(settings, detached=False, say=print, options=(f"-XX:AOTCacheOutput={made}",), grace_s=0)
    stream.ensure_topics(settings)
    stream.publish(settings, (("floe.clinics.v1", b"key", b"value") for _ in range(1000)))
    process = psutil.Process(status(settings).pid)
    process.terminate()  # it writes the cache while it ends
    broker_process.wait_gone(process, timeout_s=_TRAINING_END_S)
    if made.exists():
        made.replace(broker_java.aot_cache(settings))
        broker_java.share_cache(settings)


def _end_with(pid: int) -> None:
    """A thread that ends this process with the process `pid`; the pipe to our Kafka's keeper
    breaks, so it too.
    """

    def watch():
        while (process := broker_process.by_pid(pid)) and broker_process.is_alive(process):
            time.sleep(0.2)
        os._exit(0)

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=watch, daemon=True).start()
