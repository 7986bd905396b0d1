"""Whether a home is healthy, for machines that watch: alive, ready, figures as Prometheus reads
them, which version.

Here: the answers, and what they are made of. Not here: the port (health_port.py), pages for people
(dashboards).

Labels come from closed lists alone (the contract's topics and reasons, the parts of floe up): never
an id, and never more series than there are pairs of them. What is unknown has no sample, which is
Prometheus' word for null.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from transforms.counting import spoken
from transforms.errors import FloeError

from . import disk_history, heartbeat, inspection, running
from .alerting.beat import has_watched, watcher_fault
from .alerting.waiting import undelivered_late
from .health_samples import (
    batches_of,
    counter,
    gauge,
    info,
    moment_of,
    of_parts,
    of_workers,
    samples_by_reason,
    samples_by_topic,
    samples_of_files,
    samples_of_run,
)
from .lag import stream_lag
from .lake import Lake

_FRESH_S = 5.0  # a storm of askers is one question


class Health:
    """Answers for one home; safe to share between threads. It opens the lake when it is first asked
    about it.
    """

    def __init__(self, settings) -> None:
        self._settings = settings.of_one_thread
        self._lake: Lake | None = None
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, object]] = {}
        self._clock = time.time() - time.monotonic()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def close(self) -> None:
        if self._lake:
            self._lake.close()

    def version(self) -> dict:
        return {
            "version": version_of("floe"),
            "duckdb": version_of("duckdb"),
            "kafka-python": version_of("kafka-python"),
        }

    def ready(self) -> tuple[bool, dict]:
        """Whether the lake answers, a worker is assigned and the watermark is young; every reason
        why not.
        """
        return self._once("ready", self._ready)

    def metrics(self) -> bytes:
        """The figures in Prometheus' text format."""
        return self._once("metrics", lambda: generate_latest(self._registry))

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks of a collector; a lake or Kafka that is away leaves its
        figures out.
        """
        yield info("floe_build", "Release of Floe.", {"version": version_of("floe")})
        yield from self._of_machine()
        yield from of_parts(self._settings)
        yield from of_workers(self._settings)
        try:
            yield from self._of_lake(self._open())
            is_there = 1.0
        except FloeError:
            self._drop()
            is_there = 0.0
        yield GaugeMetricFamily(
            "floe_lake_answers", "1 where a query of the lake succeeds, else 0.", value=is_there
        )

    def describe(self) -> list[Metric]:
        return []  # asked at registration; nothing is to be asked of a lake for it

    def _once(self, name: str, ask):
        with self._lock:
            at, answer = self._kept.get(name, (-_FRESH_S, None))
            if time.monotonic() - at >= _FRESH_S:
                answer = ask()
                self._kept[name] = (time.monotonic(), answer)
            return answer

    def _open(self) -> Lake:
        if self._lake is None:
            self._lake = Lake.open(self._settings, read_only=True)
        return self._lake

    def _drop(self) -> None:
        """So that the next asker opens it anew."""
        if self._lake:
            self._lake.close()
        self._lake = None

    def _ready(self) -> tuple[bool, dict]:
        reasons = []
        try:
            lake = self._open()
            lake.sql("SELECT max(landed_at) AS t FROM raw.ledger")
            reasons += self._watermark_reasons(lake)
        except FloeError as error:
            self._drop()
            reasons.append(f"the lake does not answer: {error}")
        if why := heartbeat.ingest_unknown(self._settings):
            reasons.append(f"no worker is assigned: {why}")
        elif not any(beat.get("partitions") for beat in heartbeat.heartbeats(self._settings)):
            reasons.append("no worker is assigned: ingest reports, and reads no partition yet")
        reasons += [f"alerts may be missing: {why}" for why in self._untold()]
        reasons += [
            f"a part is down: {sentence}" for sentence in running.parts_down(self._settings)
        ]
        return not reasons, {"status": "waiting" if reasons else "ready", "reasons": reasons}

    def _untold(self) -> list[str]:
        """Why whoever is on duty may not hear of an alert, of a home that was ever watched."""
        if not has_watched(self._settings):
            return []
        fault = watcher_fault(self._settings)
        return [
            *([fault] if fault else []),
            *undelivered_late(self._settings, now=datetime.now(UTC)),
        ]

    def _watermark_reasons(self, lake: Lake) -> list[str]:
        newest = inspection.newest_event_time(
            lake, clock_tolerance_min=self._settings.clock_tolerance_min
        )
        limit_h = self._settings.ready_watermark_h
        if newest is None:
            return ["the watermark is unknown: no event has landed yet"]
        age_s = (datetime.now(UTC) - newest).total_seconds()
        if age_s <= limit_h * 3600:
            return []
        return [
            f"the newest event is {spoken(age_s)} old, expected at most {limit_h:g} h (FLOE_READY_WATERMARK_H)"
        ]

    def _of_machine(self) -> Iterator[Metric]:
        home = self._settings.home.absolute()
        usage = shutil.disk_usage(home if home.exists() else Path("/"))
        yield GaugeMetricFamily(
            "floe_disk_free_bytes", "Free on the disk of the home.", value=usage.free
        )
        yield GaugeMetricFamily(
            "floe_disk_size_bytes", "Size of the disk of the home.", value=usage.total
        )
        if (days := disk_history.days_until_full(self._settings, free=usage.free)) is not None:
            yield GaugeMetricFamily(
                "floe_disk_full_days", "Days until it is full, at the pace so far.", value=days
            )
        moved = time.time() - time.monotonic() - self._clock
        yield GaugeMetricFamily(
            "floe_clock_skew_seconds",
            "How far the clock was set since this process began.",
            value=moved,
        )
        yield GaugeMetricFamily(
            "floe_process_resident_memory_bytes",
            "Memory of the process that answers.",
            value=psutil.Process().memory_info().rss,
        )

    def _of_lake(self, lake: Lake) -> Iterator[Metric]:
        counts = {r["kafka_topic"]: r for r in inspection.row_counts(lake).iter_rows(named=True)}
        yield counter(
            "floe_events",
            "Records landed or set aside.",
            samples_by_topic(counts, lambda r: r["rows"] + r["rejects"]),
        )
        yield counter(
            "floe_batches",
            "Batches of a partition in the ledger.",
            {(): batches_of(lake)},
            labels=(),
        )
        rejects = inspection.reject_counts(lake)
        yield counter(
            "floe_rejects",
            "Records set aside, by reason.",
            samples_by_reason(rejects),
            labels=("reason",),
        )
        newest = inspection.newest_event_time(
            lake, clock_tolerance_min=self._settings.clock_tolerance_min
        )
        landed = max((r["landed_at"] for r in counts.values()), default=None)
        yield from moment_of(
            "floe_watermark_timestamp_seconds", "The newest plausible event time.", newest
        )
        yield from moment_of("floe_landed_timestamp_seconds", "When a batch landed last.", landed)
        yield from samples_of_run(lake)
        yield from samples_of_files(lake)
        yield from self._lag(lake, landed)

    def _lag(self, lake: Lake, landed: datetime | None) -> Iterator[Metric]:
        try:
            waiting = stream_lag(lake, self._settings)
        except FloeError:
            waiting = None
        if waiting is None:
            return
        rows = waiting.group_by("kafka_topic").sum().select("kafka_topic", "lag").iter_rows()
        by_topic = dict(rows)
        yield gauge(
            "floe_lag_records",
            "Kafka's ends less the lake's positions.",
            samples_by_topic(by_topic, int),
        )
        total = sum(by_topic.values())
        since = (datetime.now(UTC) - landed).total_seconds() if landed else None
        if total == 0 or since is not None:
            yield GaugeMetricFamily(
                "floe_lag_seconds",
                "0 where nothing waits, else since a batch landed last.",
                value=since if total else 0.0,
            )
