"""From an event of harm to whoever is on duty: through Kafka, ingest, the watcher and a webhook,
while all else is at work.

Here: seconds from landing, and from publishing, to the alert's entry in the book and to a receiver,
and whether each was told once. Not here: what a week brings (bench_alerts_week), kills
(tests/faults).

The clinics' past lands first. Then wearables' events go out at a steady rate and burns among them,
while pages are read and a materialisation runs. Landed is the ledger's time of the event's batch,
which is before the batch is committed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ingest import stream, worker
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.contract import encode
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from tests.receivers import Receiver

from .results import record, scale

_PER_S, _SECONDS, _BURNS_PER_S = 5_000, 60, 2
_PATIENCE_S = 180
_LOOK_S = 0.02
_PAGES = ("/", "/safety", "/outcomes")
_DUTY = """
[[sinks]]
name = "receiver"
kind = "webhook"
url = "{url}"
detail = "subject"
[rota]
duty_clinician = ["receiver"]
"""


def run() -> None:
    size = min(1.0, scale())
    plan = Plan(clinics=12, patients=max(12, int(300 * size)), days=40, seed=7, with_readings=False)
    per_s, seconds = max(200, int(_PER_S * size)), max(8, int(_SECONDS * size))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        published, seen = _measure(Path(folder), plan=plan, per_s=per_s, seconds=seconds)
    load = os.getloadavg()[0]
    what = f"{len(published)} burns in {seconds} s among {per_s:,} events/s; {plan.patients} patients; load {load:.0f}"
    for name, of in (("event_to_alert", "alert"), ("event_to_receiver", "receiver")):
        for origin in ("landed", "published"):
            suffix = "" if origin == "landed" else "_from_publishing"
            waits = [seen[of][ae] - seen[origin][ae] for ae in published]
            for share in (50, 99):
                value = float(np.percentile(waits, share))
                record(
                    f"{name}{suffix}_p{share}_s", value, "s", f"from {origin} to the {of}; {what}"
                )


def _measure(
    home: Path, *, plan: Plan, per_s: int, seconds: int
) -> tuple[list[str], dict[str, dict[str, float]]]:
    receiver = Receiver()
    receiver.start()
    settings = Settings(
        home=home,
        cache=str(Settings().cache_path),
        broker_port=free_port(),
        dashboards_port=free_port(),
        kafka_bootstrap="",
        catalog="",
        data="",
        kafka_partitions=4,
    )
    duty = home / "duty.toml"
    duty.write_text(_DUTY.format(url=receiver.url))
    broker.start(settings, detached=False)
    try:
        stream.ensure_topics(settings)
        stream.publish(settings, simulate(plan))
        worker.run(settings, drain=True)
        with ExitStack() as stack:
            for verb in ("ingest", "dashboards", "alerts watch"):
                stack.enter_context(_child(settings, verb, duty=duty))
            stop = threading.Event()
            stack.callback(stop.set)
            for work in (_read_pages, _materialize):
                threading.Thread(target=work, args=(settings, stop), daemon=True).start()
            _wait_caught_up(settings)
            return _told(settings, receiver, plan=plan, per_s=per_s, seconds=seconds)
    finally:
        broker.stop(settings)
        receiver.stop()


@contextmanager
def _child(
    settings: Settings, verb: str, *, duty: Path | None = None
) -> Iterator[subprocess.Popen]:
    environment = os.environ | {
        "FLOE_HOME": str(settings.home),
        "FLOE_CACHE": str(settings.cache_path),
        "FLOE_BROKER_PORT": str(settings.broker_port),
        "FLOE_DASHBOARDS_PORT": str(settings.dashboards_port),
        "FLOE_ALERTS": str(duty or ""),
    }
    command = [sys.executable, "-m", "orchestration.cli", *verb.split()]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(30)
            child.kill()


def _read_pages(settings: Settings, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        for page in _PAGES:
            with suppress(OSError):
                urllib.request.urlopen(
                    f"http://127.0.0.1:{settings.dashboards_port}{page}", timeout=20
                ).read()


def _materialize(settings: Settings, stop: threading.Event) -> None:
    while not stop.is_set():
        with _child(settings, "materialize") as child:
            while child.poll() is None and not stop.wait(0.2):
                pass


def _wait_caught_up(settings: Settings) -> None:
    """Until the watcher has judged the past."""
    deadline = time.monotonic() + _PATIENCE_S
    with Lake.open(settings, read_only=True) as lake, Book(book_path(settings)) as book:
        topic = "floe.sessions.v1"
        ends = lake.sql(
            "SELECT sum(next_offset) AS n FROM raw.stream_offsets WHERE kafka_topic = $1", [topic]
        )["n"][0]
        while sum(at for key, at in book.positions().items() if key[0] == topic) < ends:
            if time.monotonic() > deadline:
                raise SystemExit(f"the watcher has not judged the past after {_PATIENCE_S} s")
            time.sleep(0.2)


def _told(settings: Settings, receiver: Receiver, *, plan: Plan, per_s: int, seconds: int):
    """The burns published, and by what (landed, published, alert, receiver) and burn the moment, in
    Unix seconds.
    """
    sent: dict[str, float] = {}
    seen = {"published": sent, "alert": {}, "receiver": {}}
    sender = threading.Thread(
        target=stream.publish, args=(settings, _events(plan, per_s, seconds, sent)), daemon=True
    )
    sender.start()
    deadline = time.monotonic() + seconds + _PATIENCE_S
    with Book(book_path(settings)) as book:
        while sender.is_alive() or len(seen["receiver"]) < len(sent):
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"{len(sent)} burns sent, {len(seen['receiver'])} arrived: the figures would be wrong"
                )
            time.sleep(_LOOK_S)
            now = time.time()
            for alert in book.alerts("rule = 'harm' AND subject_id LIKE 'bench-%'"):
                seen["alert"].setdefault(alert["subject_id"], now)
            for _, body, _ in list(receiver.taken):
                if str(body.get("subject_id")).startswith("bench-"):
                    seen["receiver"].setdefault(body["subject_id"], now)
    told = [
        body["subject_id"]
        for _, body, _ in receiver.taken
        if str(body.get("subject_id")).startswith("bench-")
    ]
    if sorted(told) != sorted(sent):
        raise SystemExit(f"{len(sent)} burns sent, {len(told)} told: the figures would be wrong")
    seen["landed"] = _landed(settings)
    return list(sent), seen


def _landed(settings: Settings) -> dict[str, float]:
    with Lake.open(settings, read_only=True) as lake:
        rows = lake.sql(
            """SELECT ae_id, l.landed_at FROM raw.adverse_events e JOIN raw.ledger l
            ON l.kafka_topic = e.kafka_topic AND l.kafka_topic_id = e.kafka_topic_id
            AND l.kafka_partition = e.kafka_partition AND e.kafka_offset >= l.first_position
            AND e.kafka_offset < l.next_position WHERE ae_id LIKE 'bench-%'"""
        )
    return {ae: at.timestamp() for ae, at in rows.iter_rows()}


def _events(
    plan: Plan, per_s: int, seconds: int, sent: dict[str, float]
) -> Iterator[tuple[str, bytes, bytes]]:
    """Wearables' events at a rate, and burns among them, of which `sent` keeps when each went
    out.
    """
    begun, every = time.monotonic(), per_s // _BURNS_PER_S
    for number in range(per_s * seconds):
        if number % 50 == 0:
            time.sleep(max(0.0, begun + number / per_s - time.monotonic()))
        patient = number % plan.patients
        patient_id = f"P{plan.seed}-{patient + 1:05d}"
        now = datetime.now(UTC)
        if number % every == every // 2:
            topic, ae_id = "floe.adverse_events.v1", f"bench-{number}"
            clinic = f"C{plan.seed}-{patient % plan.clinics + 1:02d}"
            data = {
                "ae_id": ae_id,
                "patient_id": patient_id,
                "clinic_id": clinic,
                "term": "burn",
                "grade": 2,
            }
            data |= {"injury_kind": "burn", "onset_at": now.isoformat()}
            sent[ae_id] = now.timestamp()
        else:
            topic = "floe.readings.v1"
            data = {
                "patient_id": patient_id,
                "device_id": f"w{patient}",
                "metric": "step_count",
                "unit": "{steps}",
            }
            data |= {
                "started_at": now.isoformat(),
                "interval_s": 60,
                "values": [float(number % 90)],
            }
        value = encode(topic, data, id=f"b{number}", source="/bench", time=now, subject=patient_id)
        yield topic, patient_id.encode(), value
