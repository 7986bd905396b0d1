"""What the alerts' topic says that this book did not: alerts of others, what people did, what a
lost or older book held.

Here: rows of raw.alerts -> the book. Not here: the watcher's own causes (look.py), who is told how
(telling.py).

Anybody who may write to the topic can write anything there, so that nothing of a row is taken for
granted: an unknown state is open, an unknown tier `today`, an alert of another program is never
closed because Floe sees no cause, and what says that Floe wrote it and was not written by it
(own_events.py) is not believed, undone on the topic, and told.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from transforms.alerting.news import alert_id
from transforms.alerting.rule import TIERS
from transforms.facts.values import TAKEN_UP
from transforms.records.current import written_at

from .book import Book
from .duty import Duty
from .own_events import MOST_REVISION, is_in_floes_name, is_own
from .telling import publish, tell_sinks, tell_the_told

# What people do to an alert, as the state that it then has; each is told to whom the alert was
# told.
BY_PEOPLE = (*TAKEN_UP, "open")
# Who wrote alerts of clashes and implausible records under other names, before the watcher did.
FORMERLY = "/floe/core"
_NEWS_FOR = timedelta(
    hours=1
)  # that a new book takes for news: whether a lost one told of it nobody knows
_FORGED = "somebody wrote to the alerts' topic in Floe's name that it was otherwise: that is not so"
_FOREIGN = "written in Floe's name, and not by it"
_TAKEN = (
    "alert_id",
    "rule",
    "subject_kind",
    "subject_id",
    "clinic_id",
    "evidence",
    "occurred_at",
    "finding",
    "cause",
    "device_id",
    "level",
    "landed_at",
    "told_at",
    "acknowledged_at",
    "acknowledged_by",
    "assigned_role",
)


def hear(
    book: Book, duty: Duty, landed: pl.DataFrame, *, now: datetime, is_new_book: bool = False
) -> None:
    """Takes the rows of raw.alerts into the book; the same rows once more change nothing.

    An alert that the watcher wrote and the book lacks, or has an earlier state of, was told before
    the book was lost or copied. One of others is told, but that a new book (`is_new_book`) takes
    for told what landed more than an hour ago.
    """
    for rows in _by_alert(landed):
        own = [row for row in rows if is_own(row, key=book.key)]
        forged = [row for row in rows if is_in_floes_name(row) and row not in own]
        if forged and (own or book.alert(forged[-1]["alert_id"])):
            rows = [row for row in rows if row not in forged]
        else:
            rows = [
                row | {"finding": _and(row["finding"], _FOREIGN)} if row in forged else row
                for row in rows
            ]
            forged = []
        _hear_of_one(book, duty, rows, own, now=now, is_new_book=is_new_book)
        if forged:
            _undo(book, duty, forged, now=now)


def _hear_of_one(
    book: Book, duty: Duty, rows: list[dict], own: list[dict], *, now: datetime, is_new_book: bool
) -> None:
    """Takes in the rows of one alert, as they were written; `own`: those of them that the watcher
    wrote.
    """
    if not rows:
        return
    latest, stood = rows[-1], book.alert(rows[-1]["alert_id"])
    newest = max(own, key=_revision, default=None)
    former = next((row for row in rows if row["source"] == FORMERLY), None)
    if stood is None and former:
        _succeed(book, duty, former, latest, now=now)
    elif newest and (stood is None or _revision(newest) > stood["revision"]):
        book.take(_from_row(newest), is_told=True)
        if latest not in own:
            _take_change(book, latest)
    elif stood is None:
        is_old = is_new_book and now - latest["ingested_at"] > _NEWS_FOR
        book.take(_from_row(latest) | {"gravity": 0}, is_told=is_old)
        if not is_old:
            tell_sinks(book, duty, latest["alert_id"], news="opened", now=now)
    elif latest not in own:
        _hear_change(book, duty, stood, latest, now=now)


def _undo(book: Book, duty: Duty, forged: list[dict], *, now: datetime) -> None:
    """Of an alert of the book rows in Floe's name that it did not write: as it stands it goes to
    the topic once more, above them, so that pages and lists show it so, and whoever has it in hand,
    or is on duty, hears of it.
    """
    stood = book.alert(forged[-1]["alert_id"])
    if all(row["revision"] is not None and _revision(row) < stood["revision"] for row in forged):
        return  # of one source the highest revision counts
    revision = max(stood["revision"], *map(_revision, forged)) + 1
    book.update(stood["alert_id"], finding=_and(stood["finding"], _FORGED), revision=revision)
    alert = book.alert(stood["alert_id"])
    if alert["state"] == "open":
        publish(book, duty, alert["alert_id"], news="opened_again", now=now)
        tell_sinks(book, duty, alert["alert_id"], news="opened_again", now=now)
    else:
        publish(
            book,
            duty,
            alert["alert_id"],
            news="closed" if alert["is_closed_by_rule"] else "changed",
            now=now,
        )
        tell_the_told(book, duty, alert, news=alert["state"], now=now)


def _and(finding: str | None, more: str) -> str:
    sentence = finding or ""
    if sentence.endswith(more):
        return sentence
    return "; ".join(filter(None, [sentence, more]))


def _by_alert(landed: pl.DataFrame) -> Iterator[list[dict]]:
    """The rows of each alert, in the order in which they were written."""
    ordered = landed.sort(written_at(), "ingested_at", "kafka_offset")
    parts = ordered.partition_by("alert_id", maintain_order=True)
    for part in parts:
        yield part.to_dicts()


def _hear_change(book: Book, duty: Duty, stood: dict, row: dict, *, now: datetime) -> None:
    """What somebody did with an alert, or found of it. The same state with another finding calls
    nobody again.

    What was done before the alert was told, or told again as graver, has not seen that: the alert
    stays open, and whoever is on duty hears of it once more.
    """
    if row["state"] in TAKEN_UP and _is_blind(stood, row):
        _stay_open(book, duty, stood, row, now=now)
        return
    is_changed = row["state"] in BY_PEOPLE and row["state"] != stood["state"]
    if not is_changed and (row["finding"] is None or row["finding"] == stood["finding"]):
        return
    _take_change(book, row if is_changed else row | {"state": stood["state"]})
    if is_changed and row["state"] == "open":
        tell_sinks(book, duty, row["alert_id"], news="opened_again", now=now)
    elif is_changed:
        tell_the_told(book, duty, book.alert(row["alert_id"]), news=row["state"], now=now)


def _is_blind(stood: dict, row: dict) -> bool:
    """Whether an act was written before the alert came to be as it stands, by revision or, without
    one, by time.
    """
    if stood["state"] != "open" or not stood["gravity"]:
        return False
    if row["revision"] is not None:
        return _revision(row) <= stood["revision"]
    return (
        row["recorded_at"] is not None
        and stood["told_at"] is not None
        and row["recorded_at"] < stood["told_at"]
    )


def _stay_open(book: Book, duty: Duty, stood: dict, row: dict, *, now: datetime) -> None:
    who = row["recorded_by_role"] or row["acknowledged_by"] or "somebody"
    finding = (
        f"{stood['finding']}; {who} took it for {row['state']} before it was so: it stays open"
    )
    book.update(
        row["alert_id"], finding=finding, revision=max(_revision(row), stood["revision"]) + 1
    )
    publish(book, duty, row["alert_id"], news="opened_again", now=now)
    tell_sinks(book, duty, row["alert_id"], news="opened_again", now=now)


def _take_change(book: Book, row: dict) -> None:
    stood = book.alert(row["alert_id"])
    state = row["state"] if row["state"] in BY_PEOPLE else stood["state"]
    is_news = state != stood["state"]
    fields = {"state": state, "assigned_role": row["assigned_role"] or stood["assigned_role"]}
    fields["revision"] = max(
        _revision(row), stood["revision"] + is_news
    )  # by it deliveries are told apart
    if is_news:
        fields["is_closed_by_rule"] = 0
    if row["finding"]:
        fields["finding"] = row["finding"]
    if is_news and state == "acknowledged":
        fields |= {"acknowledged_at": row["recorded_at"] or row["ingested_at"]}
        fields |= {"acknowledged_by": row["acknowledged_by"] or row["recorded_by_role"]}
    book.update(row["alert_id"], **fields)


def _succeed(book: Book, duty: Duty, former: dict, latest: dict, *, now: datetime) -> None:
    """An alert under a former name goes on under the watcher's, as it stands, and nobody is told;
    the former is closed.
    """
    subject = f"{former['subject_kind']}/{former['subject_id']}"
    cause = former["finding"] or ""
    successor = alert_id(
        former["rule"], "record", subject, cause, former["clinic_id"], key=book.key
    )
    old = _from_row(latest) | {"revision": _revision(latest) + 1, "gravity": 0}
    new = _from_row(latest) | {
        "alert_id": successor,
        "subject_kind": "record",
        "subject_id": subject,
        "cause": cause,
    }
    if book.alert(successor) is None:
        book.take(
            new | {"level": 1, "gravity": 10 * TIERS.index("today") + 1, "revision": 0},
            is_told=True,
        )
        publish(book, duty, successor, news="opened", now=now)
    closed = {"state": "closed", "is_closed_by_rule": 1, "finding": f"goes on as {successor}"}
    book.take(old | closed, is_told=True)
    publish(book, duty, former["alert_id"], news="closed", now=now)


def _from_row(row: dict) -> dict:
    alert = {name: row[name] for name in _TAKEN}
    return alert | {
        "tier": row["tier"] if row["tier"] in TIERS else "today",
        "state": row["state"] if row["state"] in BY_PEOPLE else "open",
        "told_at": row["told_at"] or row["ingested_at"],
        "revision": _revision(row),
        "gravity": row["gravity"] or 0,
        "is_closed_by_rule": int(row["state"] == "closed" and row["news"] == "closed"),
    }


def _revision(row: dict) -> int:
    return min(max(row["revision"] or 0, 0), MOST_REVISION)
