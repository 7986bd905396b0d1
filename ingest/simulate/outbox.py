"""Events on their way: envelope, arrival, order, and the copies and broken records that real
streams carry.

Here: `Outbox`, `stamp`, `chance`, `pick`. Not here: what an event says (the modules of things), how
a record is broken (faults.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from .faults import BREAKS, change, spoil
from .plan import Plan
from .state import Clinic, Patient
from .truth import BROKEN, CONFLICT, DUPLICATE, LATE, ORIGINAL, Truth

DAY_S = 86_400
EXTRA_FIELD = {"vendor_note": "exported by the site's own system"}
# topic -> (closed-list field, values that the contract does not know)
UNKNOWN_VALUES = {
    "sessions": ("stop_reason", ("power_failure", "fire_drill")),
    "adverse_events": ("outcome", ("improving slowly",)),
    "responses": ("mode", ("telephone",)),
    "care": ("kind", ("acupuncture", "homeopathy")),
    "patients": ("sex", ("not_stated",)),
    "incidents": ("subject_kind", ("contractor",)),
}


class Arrival(NamedTuple):
    """A record with the moment it arrives, in Unix seconds; `value` None is a tombstone."""

    at: float
    topic: str
    key: bytes
    value: bytes | None
    is_broken: bool


def stamp(at: int, zone: ZoneInfo) -> str:
    """RFC 3339 of a Unix time, with the zone's own offset."""
    return datetime.fromtimestamp(at, zone).isoformat()


def chance(rng: np.random.Generator, share: float) -> bool:
    return rng.random() < share


def pick(rng: np.random.Generator, items: Sequence, weights: Sequence[float] | None = None):
    """One of `items`, with these weights (any sum), else evenly."""
    if weights is None:
        return items[int(rng.random() * len(items))]
    level = rng.random() * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        level -= weight
        if level < 0:
            return item
    return items[-1]


class Outbox:
    """Collects events and hands them out by time of arrival, with duplicates, conflicts and broken
    records.
    """

    def __init__(self, plan: Plan, *, truth: Truth):
        self.plan = plan
        self.truth = truth
        self._days: dict[int, list[tuple]] = {}
        self._numbers: Counter = Counter()
        self._order = count()

    def put(
        self, arrival: float, *, topic: str, key: bytes, value: bytes | None, kind: int = ORIGINAL
    ):
        day = int(arrival - self.plan.starts_at) // DAY_S
        self._days.setdefault(day, []).append((arrival, next(self._order), topic, key, value, kind))

    def number(self, clinic: Clinic, *, of: str, usual: str) -> str:
        """The id of a clinic's next record of a kind: its own count from 1 where it numbers alone,
        else the usual one.
        """
        if not self.plan.has_own_numbers(clinic.position):
            return usual
        self._numbers[of, clinic.clinic_id] += 1
        return str(self._numbers[of, clinic.clinic_id])

    def record(
        self,
        topic: str,
        record_id: str,
        data: dict,
        *,
        rng,
        key: str,
        time: int,
        zone: ZoneInfo,
        recorded: int | None = None,
        revision: int = 0,
        source: str = "records",
        role: str | None = None,
        variant: str = "",
        ahead_s: int = 0,
    ) -> dict | None:
        """One event that is not a series; gives its data as sent. Times in Unix seconds.

        What happens after the end is not sent (None); what would be written down after it is written down
        just before. `variant` tells apart events of one record and revision (versions of a
        protocol). `ahead_s`: by how much the clock that stamps the event is wrong.
        """
        if time >= self.plan.ends_at:
            return None
        written = min(time if recorded is None else recorded, self.plan.ends_at - 1)
        body = dict(data)
        body["revision"] = revision  # versioned from the first on: a late first revision is no news
        if recorded is not None:
            body["recorded_at"] = stamp(written, zone)
        if role:
            body["recorded_by_role"] = role
        self._add_unknown(topic, body, rng=rng)
        event = {
            "specversion": "1.0",
            "id": f"{record_id}{variant}.{revision}",
            "source": self.plan.source(source),
            "type": f"floe.{topic}.v1",
            "subject": data.get("patient_id"),
            "time": stamp(time + ahead_s, zone),
            "datacontenttype": "application/json",
            "data": body,
        }
        if event["subject"] is None:
            del event["subject"]
        if not ahead_s:
            self.truth.saw(time)
        arrival, kind = self.arrival(written, rng=rng)
        self.put(arrival, topic=topic, key=key.encode(), value=orjson.dumps(event), kind=kind)
        return body

    def met(self, patient: Patient, *, at: int):
        """Somebody met the patient, or asked how things are; what would be after the end does not
        happen.
        """
        if at < self.plan.ends_at:
            patient.contacts.append(at)

    def arrival(self, written: float, *, rng) -> tuple[float, int]:
        """When an event written down then arrives, and whether that is late (more than a day)."""
        lag = rng.exponential(600.0)
        if rng.random() < self.plan.late_share:
            return written + lag + DAY_S * (1.0 + 13.0 * rng.random()), LATE
        return written + min(lag, DAY_S - 1.0), ORIGINAL

    def _add_unknown(self, topic: str, body: dict, *, rng):
        draw = rng.random()
        if draw >= self.plan.unknown_share:
            return
        if topic in UNKNOWN_VALUES and draw < 0.5 * self.plan.unknown_share:
            name, values = UNKNOWN_VALUES[topic]
            body[name] = pick(rng, values)
            self.truth.unknown_values[topic] += 1
        else:
            body.update(EXTRA_FIELD)
            self.truth.extras[topic] += 1

    def emit(self, before_day: int | None = None) -> Iterator[Arrival]:
        """All that arrives on a day before this one (None = everything), in order of arrival."""
        while self._days and (before_day is None or min(self._days) < before_day):
            day = min(self._days)
            entries = self._days.pop(day)
            self._add_faults(day, entries)
            entries.sort()
            for arrival, _, topic, key, value, kind in entries:
                self.truth.count(topic, kind)
                yield Arrival(arrival, f"floe.{topic}.v1", key, value, kind == BROKEN)

    def _add_faults(self, day: int, entries: list[tuple]):
        """Copies and broken records of a day's originals; those that arrive later go into later
        days.
        """
        plan = self.plan
        rng = plan.rng(3, day + 10)
        originals = [e for e in entries if e[5] in (ORIGINAL, LATE)]
        shares = (plan.duplicates_share, plan.conflicts_share, plan.broken_share)
        for column, kind in enumerate((DUPLICATE, CONFLICT, BROKEN)):
            for k in np.flatnonzero(rng.random(len(originals)) < shares[column]):
                arrival, _, topic, key, value, _ = originals[k]
                if kind == CONFLICT:
                    value = change(value)
                elif kind == BROKEN:
                    value = self._broken(topic, key, value, rng=rng)
                again = (
                    arrival + 1.0 + (30 * DAY_S if chance(rng, 0.1) else rng.exponential(20_000.0))
                )
                self._put_among(day, entries, (again, next(self._order), topic, key, value, kind))

    def _put_among(self, day: int, entries: list[tuple], entry: tuple):
        due = int(entry[0] - self.plan.starts_at) // DAY_S
        (entries if due <= day else self._days.setdefault(due, [])).append(entry)

    def _broken(self, topic: str, key: bytes, value: bytes, *, rng) -> bytes | None:
        how = pick(rng, [b for b in BREAKS if b.fits(topic)])
        broken, field = spoil(how, topic=topic, value=value)
        self.truth.add_broken(topic, key=key, value=broken, reason=how.reason, field=field)
        return broken
