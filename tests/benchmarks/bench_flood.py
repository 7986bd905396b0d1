"""A flood of records of a safety topic that can't be read, beside as many good ones of which one
raises an alert too.

Here: events a second into the lake, and their ratio, each drain in a lake of its own. Not here:
that none is lost (tests/faults/test_flood.py).
"""

import tempfile
from pathlib import Path

from ingest import stream, worker
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.contract import encode
from ingest.settings import Settings

from .results import median, record, scale

_TOPIC = "floe.sessions.v1"
_TIME = "2026-02-01T10:00:00+01:00"
_EVENTS = 150_000
_TURNS = 3


def run() -> None:
    events = max(2_000, int(_EVENTS * scale()))
    kinds = {
        "good": [*_good(events - 1), (_TOPIC, b"one", None)],
        "flood": [_broken(k) for k in range(events)],
    }
    speeds = {name: [] for name in kinds}
    for _ in range(_TURNS):
        for name, records in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                speeds[name].append(_landed_per_s(Path(folder), records))
    what = f"{events:,} records of a safety topic, {_TURNS} turns"
    record("flood_events_per_s", median(speeds["flood"]), "events/s", what)
    ratios = [flood / good for flood, good in zip(speeds["flood"], speeds["good"], strict=True)]
    record("flood_vs_good_ratio", median(ratios), "1", what)


def _landed_per_s(folder: Path, records: list) -> float:
    cache = str(Path.home() / ".cache" / "floe")
    settings = Settings(
        home=folder, cache=cache, broker_port=free_port(), kafka_bootstrap="", kafka_partitions=4
    )
    broker.start(settings, detached=False)
    try:
        stream.publish(settings, records)
        report = worker.run(settings, drain=True)
    finally:
        broker.stop(settings)
    if report.events < len(records):
        raise SystemExit(
            f"{len(records)} records sent, {report.events} landed: the figures would be wrong"
        )
    return report.events / report.seconds


def _good(count: int):
    for k in range(count):
        data = {
            "session_id": f"s{k}",
            "patient_id": f"p{k % 97}",
            "clinic_id": "c",
            "modality": "local",
        }
        value = encode(_TOPIC, data | {"started_at": _TIME}, id=str(k), source="/bench", time=_TIME)
        yield _TOPIC, b"p%d" % (k % 97), value


def _broken(k: int) -> tuple[str, bytes, bytes]:
    return _TOPIC, b"k", b"{broken %d" % k + b"x" * 200
