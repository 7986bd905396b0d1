"""The demo's clinics: the same ones at every start of a home, their past at once, their present as
it happens.

Here: which plan, from when on, and sending it. Not here: making the events (ingest/simulate).
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from ingest import stream
from ingest.simulate import Plan, simulate_live
from transforms.counting import counted
from transforms.errors import FloeError

Say = Callable[[str], None]
_FURTHER_DAYS = 30
_CATCH_UP_DAYS = 5.0
_SAY_S = 5.0


def publish(settings, plan: Plan, *, now: datetime, stop: threading.Event, say: Say) -> None:
    """Sends the plan's past at full speed, then its present from a thread of its own until `stop`.

    The first start in a home sets the plan's first day, so that its past ends today; a later one
    goes on with the same clinics where the last left off (demo.json). Another size or seed is
    another plan.
    """
    memory = settings.home / "demo.json"
    size = f"{plan.clinics} clinics, {plan.patients} patients, {plan.days} days, seed {plan.seed}"
    memory_of = json.loads(memory.read_text()) if memory.exists() else {}
    is_known = memory_of.get("size") == size
    start = (
        date.fromisoformat(memory_of["start"])
        if is_known
        else (now - timedelta(days=plan.days)).date()
    )
    since = datetime.fromisoformat(memory_of["sent_until"]) if is_known else None
    if now.date() > start + timedelta(days=plan.days + _FURTHER_DAYS):
        say(f"demo: these clinics' time is over; remove {settings.home} to begin with new ones")
        return
    live = simulate_live(
        replace(plan, start=start),
        now,
        since=since,
        catch_up_days=_CATCH_UP_DAYS,
        further_days=_FURTHER_DAYS,
    )
    say(
        f"demo: {size}, from {start} on"
        + (f"; what came after {since:%Y-%m-%d %H:%M}" if since else "")
    )
    pending: list = []
    count = stream.publish(
        settings, _past(live, pending, now=now, stop=stop), progress=_now_and_then(say)
    )
    if stop.is_set():
        return
    sent_until = now - timedelta(days=_CATCH_UP_DAYS)
    memory.write_text(
        json.dumps({"size": size, "start": str(start), "sent_until": sent_until.isoformat()})
    )
    say(f"demo: {counted(count, 'event')} of the past sent; the present follows as it happens")
    threading.Thread(
        target=_present, args=(settings, live, pending, stop, say), name="demo", daemon=True
    ).start()


def _past(live, pending: list, *, now: datetime, stop: threading.Event):
    for due, *record in live:
        if stop.is_set():
            return
        if due > now:
            pending.append((due, record))
            return
        yield tuple(record)


def _present(settings, live, pending: list, stop: threading.Event, say: Say) -> None:
    def records():
        for due, record in [*pending]:
            if _is_due(due, stop):
                yield tuple(record)
        for due, *record in live:
            if not _is_due(due, stop):
                return
            yield tuple(record)

    try:
        stream.publish(settings, records(), linger_ms=200)
    except FloeError as error:
        if not stop.is_set():
            say(f"demo: the present ended: {error}")


def _is_due(due: datetime, stop: threading.Event) -> bool:
    """Waits; False where it was told to stop first."""
    left_s = (due - datetime.now(UTC)).total_seconds()
    return not stop.wait(max(0.0, left_s))


def _now_and_then(say: Say) -> Callable[[int], None]:
    said_at = time.monotonic()

    def progress(count: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _SAY_S:
            said_at = time.monotonic()
            say(f"demo: {counted(count, 'event')} sent")

    return progress
