"""`floe up`: the whole system on this machine, in one terminal, until Ctrl-C.

Here: which parts start, in which order, and how they stop. Not here: the parts, watching them
(supervisor.py).

Order of starting: 1. what an earlier run of this home left is ended, ports are free; 2. dashboards (they say that they wait); 3. broker and topics; 4. ingest;
5. what there is to publish; 6. the first materialisation; 7. Dagster, which materialises from then on.
Stopping ends the broker last, so that the last batch lands while there still is one.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from ingest import importers, stream, worker
from ingest.alerting.beat import watcher_reports
from ingest.broker import status
from ingest.health_port import served
from ingest.lake import Lake
from ingest.private import close_to_others, make_home
from ingest.simulate import Plan
from transforms.counting import counted
from transforms.errors import BrokerMissing, LogsParted

from .demo import publish
from .local_broker import LocalBroker
from .probes import answers_http, reports
from .processes import Child, alone, end_leftovers, require_free_port, wait_stopped
from .supervisor import Supervisor

Say = Callable[[str], None]
_WATCH_S = 0.5
_DAGSTER_ROLES = {
    "orchestration.cli dagster": "web server",
    "dagster._daemon": "daemon",
    "code-server": "code server",
    "api grpc": "code of the assets",
}


def run(settings, *, demo: Plan | None, replay: Iterable[Path], say: Say) -> None:
    """Runs until SIGINT or SIGTERM; `demo` also streams those simulated clinics, `replay` publishes
    files first.

    FloeError where another of this home runs.
    """
    make_home(settings)
    with alone(settings.home):
        if n_open := close_to_others(settings).n_open:
            say(f"closed to other users of this machine: {counted(n_open, 'file')}")
        _run(settings, demo=demo, replay=replay, say=say)


def _run(settings, *, demo: Plan | None, replay: Iterable[Path], say: Say) -> None:
    if count := end_leftovers(settings):
        say(f"an earlier floe up of this home left {counted(count, 'process', 'processes')}: ended")
    require_free_port(settings.dashboards_port, of="the dashboards", setting="FLOE_DASHBOARDS_PORT")
    require_free_port(settings.dagster_port, of="Dagster", setting="FLOE_DAGSTER_PORT")
    with served(settings, port=settings.health_port, of="FLOE_HEALTH_PORT"):
        _run_watched(settings, demo=demo, replay=replay, say=say)


def _run_watched(settings, *, demo: Plan | None, replay: Iterable[Path], say: Say) -> None:
    stop = threading.Event()
    _listen(stop)
    supervisor = Supervisor(settings, say)
    children: list[Child] = []
    kafka = LocalBroker(settings, say)

    def start(child: Child) -> None:
        children.append(child)
        supervisor.add(child)

    try:
        start(_dashboards(settings))
        say(f"dashboards   {_url(settings.dashboards_port)}  (they fill as events land)")
        _start_broker(settings, kafka, supervisor, say)
        stream.ensure_topics(settings)
        with Lake.open(settings):
            pass  # the catalog exists before the parts that read it
        start(_ingest(settings))
        start(_alerts(settings))
        _first_fill(settings, demo, replay, say, stop)
        if not stop.is_set():
            start(_follow(settings))
            start(_dagster(settings))
            say(f"dagster      {_url(settings.dagster_port)}  (ready in about half a minute)")
            if settings.health_port:
                say(
                    f"health       {_url(settings.health_port)}/readyz  (/healthz, /metrics, /version)"
                )
            say(f"logs         {settings.home / 'logs'}")
            say(f"floe is up: open {_url(settings.dashboards_port)} - Ctrl-C stops everything")
        stop.wait()
    finally:
        say("stopping")
        stop.set()
        supervisor.close()
        wait_stopped(children)
        kafka.stop()
        end_leftovers(settings)
        supervisor.closed()
        say("stopped")


def _listen(stop: threading.Event) -> None:
    """Ctrl-C, SIGTERM and a terminal that goes away all stop in order; under nohup the terminal may
    go.
    """
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: stop.set())


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _child(settings, name: str, command: list[str], **more) -> Child:
    environment = {"FLOE_HOME": str(settings.home.absolute())} | more.pop("environment", {})
    return Child(
        name, command, settings.home / "logs" / f"{name}.log", settings, environment, **more
    )


def _verb(*words: str) -> list[str]:
    return [sys.executable, "-m", "orchestration.cli", *words]


def _dashboards(settings) -> Child:
    port = settings.dashboards_port
    return _child(
        settings,
        "dashboards",
        _verb("dashboards"),
        ports=(port,),
        answers=lambda _: answers_http(port, "/healthz"),
    )


def _ingest(settings) -> Child:
    """One that waits for its turn to write does not report meanwhile."""
    return _child(
        settings,
        "ingest",
        _verb("ingest"),
        answers=lambda child: reports(settings, child.pid),
        patience_s=180,
        ports=(settings.ingest_health_port,) if settings.ingest_health_port else (),
    )


def _alerts(settings) -> Child:
    """It reports from within its start and its looks; one part of either may take some time on a
    machine that is busy.
    """
    return _child(
        settings,
        "alerts",
        _verb("alerts", "watch"),
        answers=lambda child: watcher_reports(settings, child.pid),
        patience_s=120,
    )


def _dagster(settings) -> Child:
    port = settings.dagster_port
    return _child(
        settings,
        "dagster",
        _verb("dagster"),
        ports=(port,),
        answers=lambda _: answers_http(port, "/server_info"),
        roles=_DAGSTER_ROLES,
    )


def _follow(settings) -> Child:
    """A run may take long. Half of the cores stay with landing and pages."""
    half = str(max(1, (os.cpu_count() or 1) // 2))
    threads = {"POLARS_MAX_THREADS": half, "FLOE_LAKE_THREADS": str(settings.lake_threads or half)}
    return _child(settings, "follow", _verb("follow"), environment=threads)


def _start_broker(settings, kafka: LocalBroker, supervisor: Supervisor, say: Say) -> None:
    """Starts the home's own Kafka, or finds it running; another one must be there."""
    if settings.kafka_bootstrap:
        if not stream.is_reachable(settings):
            raise BrokerMissing(
                f"no Kafka answers at {settings.kafka_bootstrap}: start it, or correct FLOE_KAFKA_BOOTSTRAP "
                "(unset, Floe runs its own broker)"
            )
        say(f"kafka        {settings.kafka_bootstrap}")
        return
    if status.status(settings).is_running:
        say(f"kafka        {settings.bootstrap}  (was running)")
    else:
        version = kafka.start_now()
        say(f"kafka        {settings.bootstrap}  (Apache Kafka {version})")
    supervisor.adopt(kafka)


def _first_fill(
    settings, demo: Plan | None, replay: Iterable[Path], say: Say, stop: threading.Event
) -> None:
    """Publishes what there is, waits until it has landed, and materialises once."""
    began = time.monotonic()
    for path in replay:
        count = stream.publish(settings, importers.replay([path]))
        say(f"replayed {counted(count, 'event')} of {path}")
    if demo is not None:
        publish(settings, demo, now=datetime.now(UTC), stop=stop, say=say)
    if not _wait_landed(settings, stop, say, began=began):
        return
    materialise = _child(settings, "materialize", _verb("materialize"))
    materialise.start()
    try:
        while materialise.code() is None and not stop.wait(_WATCH_S):
            pass
        code = materialise.code()
    finally:
        materialise.stop()
    if code:
        say(f"the first materialisation failed; Dagster will try again (log: {materialise.log})")
    elif code == 0:
        say(
            f"outcomes are on the pages, {time.monotonic() - began:.0f} s after the broker was ready"
        )


def _wait_landed(settings, stop: threading.Event, say: Say, *, began: float) -> bool:
    """False where it was stopped before; a broker that is away meanwhile is waited for. Where
    Kafka's log is not the one that landed, that is said, and what had landed is computed.
    """
    while not stop.is_set():
        try:
            has_landed = worker.wait_landed(settings, stop=stop, say=say)
            if has_landed:
                say(f"landed after {time.monotonic() - began:.0f} s; computing outcomes")
            return has_landed
        except LogsParted as error:
            say(f"{error}; computing outcomes of what had landed")
            return True
        except BrokerMissing:
            stop.wait(_WATCH_S)
    return False
