"""From Kafka into the lake, beside the same consumer polling and discarding; one reading an event,
and sixty.

Here: events a second, readings a second, ratios, peak memory. Not here: decoding alone
(bench_decode). A turn polls all, then with kafka-python's own consumer (ours reads record batches
itself, several times as fast, so that the ratio to it says little of landing), then ingests all,
each in a process of its own; figures are medians.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest import stream
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.contract import encode
from ingest.settings import Settings

from .results import median, record, scale

_TOPIC = "floe.readings.v1"
_EVENTS = 400_000
_TURNS = 4
_START = datetime(2026, 1, 1, tzinfo=UTC)

# Run in a child: prints seconds, events, peak resident MiB (the interpreter's start is not
# counted).
_POLL = """
import json, resource, sys, time
from ingest.settings import Settings
from ingest.stream import Source
settings = Settings(**json.loads(sys.argv[1]))
with Source(settings, stored=dict) as source:
    ends, begun, count = source.end_offsets(), time.monotonic(), 0
    while count < sum(ends.values()):
        count += sum(len(b.values) for b in source.poll(settings.ingest_batch_records, timeout_s=1.0))
    print(json.dumps([time.monotonic() - begun, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
_POLL_LIBRARY = """
import json, sys, time
from kafka import KafkaConsumer, TopicPartition
from ingest.settings import Settings
settings = Settings(**json.loads(sys.argv[1]))
consumer = KafkaConsumer(
    bootstrap_servers=settings.bootstrap, group_id=None, enable_auto_commit=False, isolation_level="read_committed",
    max_poll_records=settings.ingest_batch_records, fetch_min_bytes=2**16, fetch_max_bytes=2**26,
    max_partition_fetch_bytes=2**24)
partitions = [TopicPartition("floe.readings.v1", p) for p in consumer.partitions_for_topic("floe.readings.v1")]
consumer.assign(partitions)
consumer.seek_to_beginning(*partitions)
ends, begun, count = consumer.end_offsets(partitions), time.monotonic(), 0
while count < sum(ends.values()):
    count += sum(len(records) for records in consumer.poll(1000).values())
print(json.dumps([time.monotonic() - begun, count, 0]))
"""
_INGEST = """
import json, resource, sys
from ingest.settings import Settings
from ingest.worker import run
report = run(Settings(**json.loads(sys.argv[1])), drain=True)
print(json.dumps([report.seconds, report.events, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def run() -> None:
    for readings, events in ((1, int(_EVENTS * scale())), (60, int(_EVENTS / 4 * scale()))):
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), readings=readings, events=max(events, 2_000))


def _measure(folder: Path, *, readings: int, events: int) -> None:
    settings = _settings(folder / "kafka")
    broker.start(settings, detached=False)
    try:
        stream.ensure_topics(settings)
        begun = time.monotonic()
        stream.publish(settings, _events(events, readings))
        published_per_s = events / (time.monotonic() - begun)
        polled, by_library, ingested, ratios, library_ratios, memory = [], [], [], [], [], []
        for turn in range(_TURNS):
            lake = settings.model_copy(update={"home": folder / f"lake-{turn}"})
            poll_s, count, _ = _child(_POLL, lake)
            library_s, counted, _ = _child(_POLL_LIBRARY, lake)
            ingest_s, landed, peak_mib = _child(_INGEST, lake)
            if not count == counted == landed == events:
                raise SystemExit(
                    f"{events} events sent, {count} polled, {landed} landed: the figures would be wrong"
                )
            polled.append(events / poll_s)
            by_library.append(events / library_s)
            ingested.append(events / ingest_s)
            ratios.append(poll_s / ingest_s)
            library_ratios.append(library_s / ingest_s)
            memory.append(peak_mib)
    finally:
        broker.stop(settings)
    what = f"{events:,} events of {readings} reading{'s' * (readings > 1)}, {_TURNS} turns, encryption on"
    suffix = "" if readings == 1 else f"_{readings}"
    record(f"poll_events_per_s{suffix}", median(polled), "events/s", what)
    record(
        f"poll_library_events_per_s{suffix}",
        median(by_library),
        "events/s",
        f"kafka-python's consumer; {what}",
    )
    record(f"publish_events_per_s{suffix}", published_per_s, "events/s", what)
    record(f"ingest_events_per_s{suffix}", median(ingested), "events/s", what)
    record(f"ingest_vs_poll_ratio{suffix}", median(ratios), "1", what)
    record(f"ingest_vs_library_poll_ratio{suffix}", median(library_ratios), "1", what)
    record(f"ingest_peak_rss_mib{suffix}", max(memory), "MiB", what)
    if readings > 1:
        record("ingest_readings_per_s", median(ingested) * readings, "readings/s", what)


def _child(program: str, settings: Settings) -> list[float]:
    arguments = json.dumps(settings.model_dump(mode="json"))
    done = subprocess.run(
        [sys.executable, "-c", program, arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _events(count: int, readings: int):
    values = [float(n % 97) for n in range(readings)]
    for number in range(count):
        patient = f"p{number % 1000:04d}"
        data = {
            "patient_id": patient,
            "device_id": f"w{number % 1000:04d}",
            "metric": "step_count",
            "unit": "{steps}",
            "started_at": (
                at := _START + timedelta(minutes=readings * (number // 1000))
            ).isoformat(),
            "interval_s": 60,
            "values": values,
        }
        yield (
            _TOPIC,
            patient.encode(),
            encode(_TOPIC, data, id=f"r{number}", source="/bench", time=at, subject=patient),
        )


def _settings(home: Path) -> Settings:
    cache = str(Path.home() / ".cache" / "floe")
    return Settings(
        home=home, cache=cache, broker_port=free_port(), kafka_bootstrap="", kafka_partitions=4
    )
