"""The morning's digest: one delivery a clinic, sink and morning, with how many alerts of `today` it
has to look at.

Here: what is in one, and when. Not here: what is told by itself (telling.py), sending (sender.py).

What a digest told a sink is in the book, so that the next one says what of it was closed since:
nothing else would.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from transforms.counting import counted

from .book import Book
from .duty import MORNING, Duty, Sink


def digests(book: Book, duty: Duty, clocks: Mapping[str, str], *, now: datetime) -> None:
    """Puts what is due: of the clinics' alerts that are open and no digest has told, and of those
    told and closed since.

    An alert that no sink takes is in no digest, and in the next one that a sink takes. `clocks`:
    clinic -> time zone.
    """
    opened, closed = defaultdict(list), defaultdict(list)
    for alert in book.alerts("tier = 'today' AND state = 'open' AND digested_at IS NULL"):
        opened[alert["clinic_id"] or ""].append(alert)
    for row in book.closed_since_digest(now=now):
        closed[row["clinic_id"] or ""].append(row)
    for clinic in sorted({*opened, *closed}):
        _digests_of(book, duty, clinic, opened[clinic], closed[clinic], clocks, now=now)


def _digests_of(
    book: Book,
    duty: Duty,
    clinic: str,
    opened: list[dict],
    closed: list[dict],
    clocks: Mapping[str, str],
    *,
    now: datetime,
) -> None:
    morning = _morning(duty, clocks, clinic, now=now)
    names = {sink.name: f"digest/{clinic}/{_minute(morning)}/{sink.name}" for sink in duty.sinks}
    if any(
        book.has(sink, name) for sink, name in names.items()
    ):  # what came late to it waits for the next
        return
    new = [alert for alert in opened if alert["told_at"] is None or alert["told_at"] < morning]
    gone = [row for row in closed if row["closed_at"] < morning]
    for sink in duty.sinks:
        of_sink = [alert for alert in new if sink in duty.told(alert["rule"], "today", step=0)]
        closed_of_sink = [row for row in gone if row["sink"] == sink.name]
        if of_sink or closed_of_sink:
            payload = _digest(duty, clinic, of_sink, closed_of_sink, morning=morning, now=now)
            book.put(sink.name, names[sink.name], payload, in_order_of=f"digest/{clinic}", now=now)
        _write_down(book, sink, of_sink, closed_of_sink, now=now)


def _write_down(
    book: Book, sink: Sink, opened: list[dict], closed: list[dict], *, now: datetime
) -> None:
    for alert in opened:
        book.update(alert["alert_id"], digested_at=now)
        book.set_digested(alert["alert_id"], sink.name)
    for row in closed:
        book.unset_digested(row["alert_id"], sink.name)


def _morning(duty: Duty, clocks: Mapping[str, str], clinic: str, *, now: datetime) -> datetime:
    """The clinic's latest morning that has begun; of no clinic, or one of unknown zone, by UTC."""
    zone = _zone(clocks.get(clinic))
    at = duty.clinics[clinic].morning if clinic in duty.clinics else MORNING
    local = now.astimezone(zone)
    morning = datetime.combine(local.date(), at, tzinfo=zone)
    return (
        morning
        if morning <= local
        else datetime.combine(local.date() - timedelta(days=1), at, tzinfo=zone)
    )


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError):  # no such zone on this machine, or no name at all
        return ZoneInfo("UTC")


def _minute(moment: datetime) -> str:
    """The moment, not the day: where the zone or the hour is set anew, a day has two mornings."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%MZ")


def _digest(
    duty: Duty,
    clinic: str,
    opened: list[dict],
    closed: list[dict],
    *,
    morning: datetime,
    now: datetime,
) -> dict:
    total = counted(len(opened), "alert")
    gone = f"{counted(len(closed), 'alert')} of earlier digests closed"
    titles = [f"{total} to look at today"] * bool(opened) + [gone] * bool(closed)
    return {
        "version": 1,
        "news": "digest",
        "alert_id": f"digest/{clinic}/{_minute(morning)}",
        "rule": "digest",
        "title": ", ".join(titles),
        "tier": "today",
        "clinic_id": clinic or None,
        "alerts_by_rule": _by_rule(opened),
        "closed_by_rule": _by_rule(closed),
        "told_at": now.astimezone(UTC).isoformat(timespec="milliseconds"),
        "link": f"{duty.link.rstrip('/')}/safety" if duty.link else None,
    }


def _by_rule(alerts: Iterable[dict]) -> dict[str, int]:
    return dict(Counter(alert["rule"] for alert in alerts))
