"""`floe up`: the whole system on this machine, in one terminal, until Ctrl-C.

Here: which parts start, in which order, and how they stop. Not here: the parts.

Order of starting: 1. ports are free; 2. dashboards (they say that they wait); 3. broker and topics; 4. ingest;
5. what there is to publish; 6. the first materialisation; 7. Dagster, which materialises from then on.
Stopping goes backwards, so that the last batch lands while there is still a broker.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from ingest import broker, importers, stream, worker
from ingest.lake import Lake
from ingest.private import close_to_others, make_home
from ingest.simulate import Plan
from transforms.counting import counted
from transforms.errors import BrokerMissing, LogsParted

from .demo import publish
from .processes import Child, alone, require_free_port

Say = Callable[[str], None]
_WATCH_S = 0.5


def run(settings, *, demo: Plan | None, replay: Iterable[Path], say: Say) -> None:
    """Runs until SIGINT or SIGTERM; `demo` also streams those simulated clinics, `replay` publishes files first.

    FloeError where another of this home runs.
    """
    make_home(settings)
    with alone(settings.home):
        if n_open := close_to_others(settings).n_open:
            say(f"closed to other users of this machine: {counted(n_open, 'file')}")
        _run(settings, demo=demo, replay=replay, say=say)


def _run(settings, *, demo: Plan | None, replay: Iterable[Path], say: Say) -> None:
    require_free_port(settings.dashboards_port, of="the dashboards", setting="FLOE_DASHBOARDS_PORT")
    require_free_port(settings.dagster_port, of="Dagster", setting="FLOE_DAGSTER_PORT")
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    children: list[Child] = []
    started_broker = False
    try:
        _start(children, _child(settings, "dashboards", "dashboards"))
        say(f"dashboards   {_url(settings.dashboards_port)}  (they fill as events land)")
        started_broker = _start_broker(settings, say)
        stream.ensure_topics(settings)
        with Lake.open(settings):
            pass  # the catalog exists before the parts that read it
        _start(children, _child(settings, "ingest", "ingest"))
        threading.Thread(target=_watch, args=(children, stop, say), name="watch", daemon=True).start()
        _first_fill(settings, demo, replay, say, stop)
        if not stop.is_set():
            _start(children, _dagster(settings))
            say(f"dagster      {_url(settings.dagster_port)}  (ready in about half a minute)")
            say(f"logs         {settings.home / 'logs'}")
            say(f"floe is up: open {_url(settings.dashboards_port)} - Ctrl-C stops everything")
        stop.wait()
    finally:
        say("stopping")
        stop.set()
        for child in reversed(children):
            child.stop()
        if started_broker:
            broker.stop(settings)
        say("stopped")


def _watch(children: list[Child], stop: threading.Event, say: Say) -> None:
    """From the first fill on: a child that ends is said and started again, lest the others wait for it forever."""
    while not stop.wait(_WATCH_S):
        for child in [*children]:
            if sentence := child.watch():
                say(sentence)


def _has_landed(settings, stop: threading.Event, say: Say) -> bool:
    """Waits for it; where Kafka's log is not the one that landed, that is said, and what had landed is computed."""
    try:
        return worker.wait_landed(settings, stop=stop, say=say)
    except LogsParted as error:
        say(str(error))
        return not stop.is_set()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _start(children: list[Child], child: Child) -> Child:
    child.start()
    children.append(child)
    return child


def _child(settings, name: str, *verb: str) -> Child:
    command = [sys.executable, "-m", "orchestration.cli", *verb]
    return Child(name, command, settings.home / "logs" / f"{name}.log", {"FLOE_HOME": str(settings.home.absolute())})


def _dagster(settings) -> Child:
    return _child(settings, "dagster", "dagster")


def _start_broker(settings, say: Say) -> bool:
    """True where this process owns the broker that it leaves behind."""
    if settings.kafka_bootstrap:
        if not stream.is_reachable(settings):
            raise BrokerMissing(
                f"no Kafka answers at {settings.kafka_bootstrap}: start it, or correct FLOE_KAFKA_BOOTSTRAP "
                "(unset, Floe runs its own broker)"
            )
        say(f"kafka        {settings.kafka_bootstrap}")
        return False
    if broker.status(settings).is_running:
        say(f"kafka        {settings.bootstrap}  (was running)")
        return False
    status = broker.start(settings, detached=False, progress=say)
    say(f"kafka        {settings.bootstrap}  (Apache Kafka {status.version})")
    return True


def _first_fill(settings, demo: Plan | None, replay: Iterable[Path], say: Say, stop: threading.Event) -> None:
    """Publishes what there is, waits until it has landed, and materialises once."""
    began = time.monotonic()
    for path in replay:
        count = stream.publish(settings, importers.replay([path]))
        say(f"replayed {counted(count, 'event')} of {path}")
    if demo is not None:
        publish(settings, demo, now=datetime.now(UTC), stop=stop, say=say)
    if stop.is_set() or not _has_landed(settings, stop, say):
        return
    say(f"landed after {time.monotonic() - began:.0f} s; computing outcomes")
    materialise = _child(settings, "materialize", "materialize")
    materialise.start()
    while materialise.process.poll() is None and not stop.wait(_WATCH_S):
        pass
    if materialise.process.poll() is None:
        materialise.stop()
    elif materialise.process.returncode:
        say(f"the first materialisation failed; Dagster will try again (log: {materialise.log})")
    else:
        say(f"outcomes are on the pages, {time.monotonic() - began:.0f} s after the broker was ready")
