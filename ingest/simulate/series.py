"""One wearable series as an event, written as bytes.

Here: `Span`, `put_series`, `put_restated`, `rows_of`. Not here: the samples (activity.py,
wearables.py), events of other topics (outbox.py).
"""

from dataclasses import dataclass

import numpy as np
import orjson

from transforms.facts.measurements import METRICS

from .outbox import DAY_S, Outbox, stamp
from .plan import Plan
from .truth import LATE, ORIGINAL
from .wearers import Wearer


def _head(plan: Plan, wearer: Wearer, metric: str) -> tuple[bytes, bytes, bytes]:
    """The bytes of an event up to the id's own part, and from there up to its first time."""
    if metric not in wearer.heads:
        patient = wearer.patient.patient_id
        wearer.heads[metric] = (
            f'{{"specversion":"1.0","id":"{wearer.device_id}-{metric}-'.encode(),
            f'","source":"{plan.source("wearables")}","type":"floe.readings.v1","subject":"{patient}","time":"'.encode(),
            f'","datacontenttype":"application/json","data":{{"patient_id":"{patient}","device_id":"{wearer.device_id}",'
            f'"metric":"{metric}","unit":"{METRICS[metric][0]}","started_at":"'.encode(),
        )
    return wearer.heads[metric]


@dataclass(frozen=True)
class Span:
    """When a series was measured: `written` is its start in bytes, `lag_s` from its last sample to
    its arrival (below a day).
    """

    start: int
    written: bytes
    interval_s: int
    count: int
    lag_s: float

    @property
    def end(self) -> int:
        return self.start + self.interval_s * self.count

    def is_within(self, plan: Plan) -> bool:
        return plan.starts_at <= self.start and self.end < plan.ends_at


def put_series(outbox: Outbox, wearer: Wearer, metric: str, *, span: Span, values: bytes, rng):
    """One series, where the span lies in the simulation. `values`: JSON numbers without
    brackets.
    """
    _put(outbox, wearer, metric, span=span, values=values, time=span.start, mark=b"", rng=rng)


def put_restated(outbox: Outbox, wearer: Wearer, metric: str, *, span: Span, values: bytes, rng):
    """Other samples of the same instants in a later event: they are the ones that count."""
    _put(
        outbox, wearer, metric, span=span, values=values, time=span.end, mark=b"-restated", rng=rng
    )


def _put(
    outbox: Outbox,
    wearer: Wearer,
    metric: str,
    *,
    span: Span,
    values: bytes,
    time: int,
    mark: bytes,
    rng,
):
    if not span.is_within(outbox.plan):
        return
    head, middle, tail = _head(outbox.plan, wearer, metric)
    happened = span.written if time == span.start else stamp(time, wearer.clinic.zone).encode()
    value = b'%b%d%b%b%b%b%b","interval_s":%d,"values":[%b]}}' % (
        head,
        span.start,
        mark,
        middle,
        happened,
        tail,
        span.written,
        span.interval_s,
        values,
    )
    outbox.truth.saw(time)
    outbox.truth.readings += span.count
    arrival, kind = span.end + span.lag_s, ORIGINAL
    if rng.random() < outbox.plan.late_share:
        arrival, kind = arrival + DAY_S * (1.0 + 13.0 * rng.random()), LATE
    outbox.put(
        arrival, topic="readings", key=wearer.patient.patient_id.encode(), value=value, kind=kind
    )


def rows_of(matrix: np.ndarray) -> list[bytes]:
    """Each row of a matrix as JSON numbers without brackets: formatted at once, then cut."""
    text = orjson.dumps(np.ascontiguousarray(matrix), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].split(b"],[")
