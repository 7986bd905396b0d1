"""Who is told of what, as deliveries in the book: at once, while nobody acknowledges, and what
people did.

Here: from a changed alert to deliveries. Not here: what changed it (transforms/alerting/news.py;
hearing.py), the morning's digest (digest.py), sending (sender.py).

What leaves by a sink is the rule, its title, the tier, the clinic and a link, and nothing of a
person; `detail` of the sink adds the subject's ids, or what was found too. The alerts' topic stays
on the site and has all.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from transforms.alerting.news import SEEN_AGAIN, SILENT, TOLD

from ..contract import LONGEST_ID
from .book import Book
from .duty import TOPIC, Duty, Sink
from .names import outward


def tell(book: Book, duty: Duty, alert_id: str, *, news: str, now: datetime) -> None:
    """Puts the deliveries of a change of an alert: to the topic always, to sinks if it is `now` or
    they were told.
    """
    if news == SEEN_AGAIN:
        return
    publish(book, duty, alert_id, news=news, now=now)
    alert = book.alert(alert_id)
    if news in TOLD and alert["tier"] == "now":
        for sink in duty.told(alert["rule"], "now", step=0):
            put_to(book, duty, sink, alert, news=news, step=0, now=now)
    elif news not in (*TOLD, *SILENT):
        tell_the_told(book, duty, alert, news=news, now=now)


def tell_the_told(book: Book, duty: Duty, alert: dict, *, news: str, now: datetime) -> None:
    """Of what became of an alert, to each sink that was told of it."""
    was_told = book.told_of(alert["alert_id"])
    for sink in duty.sinks:
        if sink.name in was_told:
            put_to(book, duty, sink, alert, news=news, step=0, now=now)


def tell_sinks(book: Book, duty: Duty, alert_id: str, *, news: str, now: datetime) -> None:
    """Of an alert that is on the topic already, if it is open and `now`."""
    book.update(alert_id, told_at=now, step=0, digested_at=None)
    alert = book.alert(alert_id)
    if alert["state"] == "open" and alert["tier"] == "now":
        for sink in duty.told(alert["rule"], "now", step=0):
            put_to(book, duty, sink, alert, news=news, step=0, now=now)


def publish(book: Book, duty: Duty, alert_id: str, *, news: str, now: datetime) -> None:
    """To the topic alone."""
    alert = book.alert(alert_id)
    event = _event(alert, duty, news=news, now=now)
    book.put(TOPIC, f"{alert_id}/{alert['revision']}", event, in_order_of=alert_id, now=now)


def put_to(
    book: Book, duty: Duty, sink: Sink, alert: dict, *, news: str, step: int, now: datetime
) -> None:
    delivery_id = f"{outward(alert['alert_id'], key=book.key)}/{alert['revision']}/{step}"
    payload = _payload(book, alert, duty, sink, news=news, step=step, now=now)
    book.put(sink.name, delivery_id, payload, in_order_of=alert["alert_id"], now=now)


def _payload(
    book: Book, alert: dict, duty: Duty, sink: Sink, *, news: str, step: int, now: datetime
) -> dict:
    rule, name = duty.rule(alert["rule"]), outward(alert["alert_id"], key=book.key)
    payload = {
        "version": 1,
        "news": news,
        "alert_id": name,
        "rule": rule.id,
        "title": rule.title,
        "tier": alert["tier"],
        "clinic_id": alert["clinic_id"],
        "told": rule.told,
        "step": step,
        "told_at": _text(now),
        "link": _link(duty, name),
    }
    if sink.detail != "least":
        payload |= {
            name: alert[name] for name in ("subject_kind", "subject_id", "device_id", "evidence")
        }
        payload["occurred_at"] = _text(alert["occurred_at"])
    if sink.detail == "finding":
        payload["finding"] = alert["finding"]
    return payload


def _link(duty: Duty, alert_id: str) -> str | None:
    if not duty.link:
        return None
    return f"{duty.link.rstrip('/')}/safety?alert={alert_id}"


def _text(moment: datetime | None) -> str | None:
    if not moment:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _event(alert: dict, duty: Duty, *, news: str, now: datetime) -> dict:
    """The alert as `data` of floe.alerts.v1."""
    names = (
        "alert_id",
        "rule",
        "clinic_id",
        "subject_kind",
        "subject_id",
        "evidence",
        "tier",
        "state",
        "finding",
        "cause",
        "device_id",
        "level",
        "gravity",
        "revision",
        "acknowledged_by",
    )
    times = {name: _text(alert[name]) for name in ("landed_at", "told_at", "acknowledged_at")}
    occurred_at = _text(alert["occurred_at"] or alert["landed_at"] or now)
    rule = duty.rule(alert["rule"])
    severity = {"now": "red", "today": "amber", "noted": "green"}[alert["tier"]]
    return (
        {name: alert[name] for name in names}
        | {"subject_id": _landing(alert["subject_id"])}
        | times
        | {
            "occurred_at": occurred_at,
            "severity": severity,
            "news": news,
            "assigned_role": alert["assigned_role"] or rule.told,
            "recorded_at": _text(now),
        }
    )


def _landing(subject_id: str | None) -> str | None:
    """The id as the topic takes it: with its clinic or table before it, a long one is longer than
    an id may be.
    """
    if subject_id is None or len(subject_id) <= LONGEST_ID:
        return subject_id
    return (
        subject_id[: LONGEST_ID - 17]
        + "~"
        + hashlib.blake2b(subject_id.encode(), digest_size=8).hexdigest()
    )


def escalations(book: Book, duty: Duty, *, now: datetime) -> None:
    """Tells the next on the list of each open alert of tier `now` that nobody acknowledged in its
    rule's time.
    """
    for alert in book.alerts("tier = 'now' AND state = 'open' AND told_at IS NOT NULL"):
        step = alert["step"] + 1
        due_at = alert["told_at"] + timedelta(
            minutes=duty.rule(alert["rule"]).acknowledge_min * step
        )
        if step < duty.steps(alert["rule"]) and now >= due_at:
            for sink in duty.told(alert["rule"], "now", step=step):
                put_to(book, duty, sink, alert, news="unacknowledged", step=step, now=now)
            book.update(alert["alert_id"], step=step)
