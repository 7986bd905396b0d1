"""A simulation from its first day to its last: as an iterator, as a file, or as it would come in
live.

Here: `simulate`, `write_ndjson`, `simulate_live`. Not here: sending anything to Kafka
(ingest/stream/).
"""

import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from transforms.errors import UsageError

from .answers import answer
from .care import care_for
from .clinics import open_clinics, send_clinics, send_study
from .enrolment import enrol
from .harm import background
from .outbox import Arrival, Outbox
from .patients import send_patient
from .plan import Plan
from .returns import live_on, send_other_study
from .sessions import treat
from .truth import Truth
from .wearables import send_day
from .wearers import equip


class Simulation:
    """Iterates (topic, key, value) by time of arrival; `value` None is a tombstone. `truth` is
    whole at the end.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.truth = Truth(plan)
        self._arrivals = _arrivals(plan, truth=self.truth)

    def __iter__(self) -> Iterator[tuple[str, bytes, bytes | None]]:
        return self

    def __next__(self) -> tuple[str, bytes, bytes | None]:
        return next(self._arrivals)[1:4]

    def with_arrivals(self) -> Iterator[Arrival]:
        """The same records, with their moments of arrival; they are handed out once, here or
        there.
        """
        return self._arrivals


def simulate(plan: Plan) -> Simulation:
    """The plan's records in a realistic order of arrival. The same plan gives the same bytes."""
    return Simulation(plan)


def _arrivals(plan: Plan, *, truth: Truth) -> Iterator[Arrival]:
    """Records are made patient by patient and wait for their day; the wearables' mass is made day
    by day.
    """
    outbox = Outbox(plan, truth=truth)
    clinics = open_clinics(plan)
    send_clinics(outbox, clinics)
    send_study(outbox, clinics)
    send_other_study(outbox, clinic=clinics[0])
    for position in range(plan.patients):
        rng = plan.rng(1, position)
        patient = enrol(plan, position=position, clinics=clinics, rng=rng)
        truth.patients.append(patient)
        send_patient(outbox, patient, rng=rng)
        treat(outbox, patient, rng=rng)
        background(outbox, patient, rng=rng)
        answer(outbox, patient, rng=rng)
        care_for(outbox, patient, rng=rng)
        live_on(outbox, patient)
    wearers = equip(outbox, truth.patients) if plan.with_readings else []
    for number in range(plan.days + 1):
        send_day(outbox, wearers, number=number)
        # Local days begin up to 14 hours before the UTC day of their date: the day before is now
        # complete.
        yield from outbox.emit(number)
    yield from outbox.emit()


def write_ndjson(
    plan: Plan, path: Path | str, *, progress: Callable[[int], None] | None = None
) -> Truth:
    """Writes a file for `floe replay`, one record a line, and gives the truth about it.

    A line is {"topic", "key", "value": the event}; a record that breaks the contract is {"topic",
    "key", "value_base64"}, its bytes as they are; a tombstone has "value": null. The file gets its
    name only when it is whole. `progress` is given the number of records written, now and then.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    simulation = simulate(plan)
    with part.open("wb", buffering=1 << 20) as file:
        for number, record in enumerate(simulation.with_arrivals(), 1):
            file.write(_line(record))
            if progress is not None and number % 10_000 == 0:
                progress(number)
    os.replace(part, path)
    return simulation.truth


def _line(record: Arrival) -> bytes:
    head = b'{"topic":"%b","key":"%b",' % (record.topic.encode(), record.key)
    if record.value is None:
        return head + b'"value":null}\n'
    if record.is_broken:
        return head + b'"value_base64":"%b"}\n' % b64encode(record.value)
    return b'%b"value":%b}\n' % (head, record.value)


def simulate_live(
    plan: Plan,
    now: datetime,
    *,
    since: datetime | None = None,
    acceleration: float = 720.0,
    catch_up_days: float = 5.0,
    further_days: int = 30,
) -> Iterator[tuple[datetime, str, bytes, bytes | None]]:
    """(due, topic, key, value), `due` never falling: history at once, then as it comes in.

    The simulation starts at `plan.start` and goes on for `further_days` after `plan.days`: the same
    events whenever it is asked. What arrived up to `catch_up_days` before `now` is history, due at
    `now`; what arrived up to `since` is left out. From there simulated time runs `acceleration`
    times as fast as the clock until it has caught up with it, then with the clock. So nothing is
    due before it happened: no event has a time in the future. Raises UsageError.
    """
    if now.tzinfo is None:
        raise UsageError(
            f"now is {now} without a zone; expected an aware datetime. Give it its time zone."
        )
    if acceleration < 1 or catch_up_days < 0:
        raise UsageError(
            f"acceleration is {acceleration:g} and catch_up_days {catch_up_days:g}; "
            "expected at least 1 and at least 0. Give such numbers."
        )
    begins, clock = now.timestamp() - 86_400 * catch_up_days, now.timestamp()
    longer = replace(plan, days=plan.days + further_days)
    for record in simulate(longer).with_arrivals():
        if since is not None and record.at <= since.timestamp():
            continue
        due = max(clock, record.at, clock + (record.at - begins) / acceleration)
        yield datetime.fromtimestamp(due, UTC), *record[1:4]
