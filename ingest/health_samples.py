"""Figures of a home as Prometheus reads them: gauges, counters, the parts of `floe up`, its workers.

Here: from what is known to samples. Not here: asking the lake and Kafka (health.py).
"""

from collections.abc import Iterator
from datetime import datetime

import psutil
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from transforms.schemas import TOPICS

from . import heartbeat, running
from .contract import REASONS
from .heartbeat import COMMIT_BUCKETS_S
from .lake import Lake
from .lake_files import small_files

_PARTS = ("alerts", "broker", "dagster", "dashboards", "ingest")
_OTHER = "other"


def of_parts(settings) -> Iterator[Metric]:
    record = running.running(settings)
    if record is None:
        return
    parts = {part["name"]: part for part in record["parts"] if part["name"] in _PARTS}
    up = {(name,): float(part["state"] == "running") for name, part in parts.items()}
    yield gauge("floe_part_up", "1 where a part of floe up runs and answers.", up, labels=("part",))
    restarts = {(name,): part["restarts"] for name, part in parts.items()}
    yield counter(
        "floe_part_restarts", "How often floe up started it again.", restarts, labels=("part",)
    )
    memory = {(name,): sum(map(_memory, part["processes"])) for name, part in parts.items()}
    yield gauge(
        "floe_part_resident_memory_bytes",
        "Memory of all processes of a part.",
        memory,
        labels=("part",),
    )


def _memory(process: dict) -> int:
    if not running.is_alive(process):
        return 0
    try:
        return psutil.Process(process["pid"]).memory_info().rss
    except psutil.Error:
        return 0


def of_workers(settings) -> Iterator[Metric]:
    """Of those that report: of the others nothing is known."""
    beats = [beat for beat in heartbeat.heartbeats(settings) if beat["unknown"] is None]
    yield GaugeMetricFamily(
        "floe_ingest_workers", "Ingest processes that report.", value=len(beats)
    )
    if not beats:
        return
    yield CounterMetricFamily(
        "floe_ingest_read_bytes",
        "Bytes of records read since ingest began.",
        value=sum(b.get("bytes", 0) for b in beats),
    )
    rate = sum(b["events_per_s"] or 0.0 for b in beats)
    yield GaugeMetricFamily("floe_ingest_events_per_second", "Landed, over 10 seconds.", value=rate)
    columns = zip(
        *(b.get("commits", [0] * (len(COMMIT_BUCKETS_S) + 1)) for b in beats), strict=True
    )
    total, buckets = 0, []
    for limit, column in zip((*map(str, COMMIT_BUCKETS_S), "+Inf"), columns, strict=True):
        total += sum(column)
        buckets.append((limit, total))
    yield HistogramMetricFamily(
        "floe_commit_duration_seconds",
        "From a prepared batch to its commit.",
        buckets=buckets,
        sum_value=sum(b.get("commit_s", 0.0) for b in beats),
    )


def samples_of_run(lake: Lake) -> Iterator[Metric]:
    """The last materialisation: from its start to its last check."""
    rows = lake.sql(
        """SELECT max(c.checked_at) AS ended, any_value(d.started_at) AS started
           FROM mart.check_results c, core.data_cut d WHERE c.checked_at >= d.started_at"""
    )
    ended, started = rows.row(0)
    yield from moment_of(
        "floe_materialization_timestamp_seconds", "When core and mart were computed last.", ended
    )
    if ended and started:
        took = (ended - started).total_seconds()
        yield GaugeMetricFamily(
            "floe_materialization_duration_seconds", "How long that took.", value=took
        )


def samples_of_files(lake: Lake) -> Iterator[Metric]:
    """Whether upkeep keeps up: files of the newest snapshot."""
    tables = small_files(lake.rows)
    yield GaugeMetricFamily(
        "floe_data_files", "Files of the lake.", value=sum(one.files for one in tables)
    )
    yield GaugeMetricFamily(
        "floe_small_files",
        "Files below 1 MiB of the table that has most of them.",
        value=max((one.small for one in tables), default=0),
    )


def batches_of(lake: Lake) -> int:
    return lake.sql("SELECT count(*) AS n FROM raw.ledger")["n"][0]


def samples_by_topic(values: dict, number) -> dict[tuple[str], float]:
    """Topics of the contract; any other together."""
    listed = {topic.type for topic in TOPICS}
    samples: dict[tuple[str], float] = {}
    for topic, value in values.items():
        key = (topic if topic in listed else _OTHER,)
        samples[key] = samples.get(key, 0) + number(value)
    return samples


def samples_by_reason(rejects) -> dict[tuple[str], float]:
    values = {(reason,): 0 for reason in REASONS}
    for reason, count in rejects.select("reason", "records").iter_rows():
        key = (reason if reason in REASONS else _OTHER,)
        values[key] = values.get(key, 0) + count
    return values


def moment_of(name: str, text: str, at: datetime | None) -> Iterator[Metric]:
    if at is not None:
        yield GaugeMetricFamily(name, text, value=at.timestamp())


def gauge(name: str, text: str, values: dict, labels: tuple[str, ...] = ("topic",)) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def counter(name: str, text: str, values: dict, labels: tuple[str, ...] = ("topic",)) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def info(name: str, text: str, labels: dict[str, str]) -> Metric:
    return _filled(
        GaugeMetricFamily(f"{name}_info", text, labels=tuple(labels)), {tuple(labels.values()): 1}
    )


def _filled(family, values: dict):
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
