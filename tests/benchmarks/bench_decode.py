"""Decoding alone, in events a second and a processor's second.

Here: batches made in memory, decoded several times, the best time recorded. Not here: Kafka and the
lake.
"""

import time
from datetime import UTC, datetime

import orjson

from ingest.contract import encode
from ingest.decode import decode
from ingest.source import Batch

from .results import record, scale

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TURNS = 5


def reading(number: int, *, samples: int) -> bytes:
    at = f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}+01:00"
    data = {
        "patient_id": f"p{number % 997}",
        "metric": "heart_rate",
        "unit": "/min",
        "started_at": at,
    }
    data |= {"interval_s": 1, "values": [60 + (number + k) % 40 for k in range(samples)]}
    return encode("readings", data, id=f"r{number}", source="/w", time=at)


def session(number: int) -> bytes:
    at = "2026-03-01T08:30:00+01:00"
    data = {
        "session_id": f"s{number}",
        "patient_id": f"p{number % 997}",
        "clinic_id": "c1",
        "modality": "whole_body",
    }
    data |= {
        "started_at": at,
        "duration_s": 180,
        "cabin_min_temp_c": -110.5,
        "adverse_events_asked": True,
    }
    return encode("sessions", data, id=f"e{number}", source="/c", time=at)


def response(number: int) -> bytes:
    at = "2026-03-01T08:30:00+01:00"
    data = {
        "response_id": f"r{number}",
        "patient_id": f"p{number % 997}",
        "instrument": "rmdq",
        "answered_at": at,
    }
    data |= {"items": {f"q{k}": (number + k) % 2 for k in range(1, 25)}}
    return encode("responses", data, id=f"e{number}", source="/c", time=at)


def batch(topic: str, values: list[bytes]) -> Batch:
    count = len(values)
    return Batch(topic, "id", 0, 0, count, list(range(count)), [b"key"] * count, values)


def cases() -> dict[str, Batch]:
    """Batches by the names of their figures."""
    ones = [reading(k, samples=1) for k in range(_sized(50_000))]
    sixties = [reading(k, samples=60) for k in range(_sized(20_000))]
    cut = [v[:-9] if k % 100 == 0 else v for k, v in enumerate(ones)]
    other_order = [orjson.dumps(orjson.loads(v), option=orjson.OPT_SORT_KEYS) for v in ones]
    with_attribute = [v[:-1] + b',"traceparent":"00"}' for v in ones]
    readings = {
        "readings_1": ones,
        "readings_60": sixties,
        "readings_1_broken_1_pct": cut,
        "readings_1_other_order": other_order,
        "readings_1_unknown_attribute": with_attribute,
        "readings_1_batch_of_50": ones[:50],
    }
    return {name: batch("floe.readings.v1", values) for name, values in readings.items()} | {
        "session": batch("floe.sessions.v1", [session(k) for k in range(_sized(20_000))]),
        "questionnaire_24_items": batch(
            "floe.responses.v1", [response(k) for k in range(_sized(10_000))]
        ),
    }


def _sized(full: int) -> int:
    return max(100, round(full * scale()))


def seconds(records: Batch) -> tuple[float, float]:
    """The best of several turns: by the clock, and of the processor."""
    turns = []
    for _ in range(TURNS):
        start, start_cpu = time.perf_counter(), time.process_time()
        decoded = decode(records, ingested_at=NOW)
        turns.append((time.perf_counter() - start, time.process_time() - start_cpu))
        assert decoded.rows.height + decoded.rejects.height == len(records.values)
    clock, processor = zip(*turns, strict=True)
    return min(clock), min(processor)


def run() -> None:
    for name, records in cases().items():
        (clock, processor), size, count = (
            seconds(records),
            len(records.values[1]),
            len(records.values),
        )
        what = f"{count:,} events of {size} bytes, the best of {TURNS} turns"
        record(f"decode_{name}_events_per_s", count / clock, "events/s", what)
        record(f"decode_{name}_events_per_cpu_s", count / processor, "events/s", what)
