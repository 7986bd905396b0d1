"""The alerts as they stand by what has landed, without waiting for marts, and what people do with
them.

Here: reading raw.alerts, the event of a person's act and what is wrong with one. Not here:
publishing it (whoever acts), the watcher's own book, what the rows say
(transforms/alerting/history.py).
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from transforms.alerting.history import as_they_stand, revisions, times_to_acknowledge, waits
from transforms.errors import UsageError
from transforms.plain_text import visible
from transforms.schemas import TOPIC_BY_NAME

from ..contract import LONGEST_ID, LONGEST_TEXT, encode
from ..lake import Lake
from .own_events import MOST_REVISION

TABLE = "raw.alerts"
PEOPLE = "/floe"  # the source of what people do by Floe's own doors
_TOPIC = TOPIC_BY_NAME["alerts"]
_FIELDS = tuple(column.name for column in _TOPIC.fields)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What must be said with an act, at least one of these.
_MUST_SAY = {"investigating": ("finding", "action", "action_due_on"), "closed": ("finding",)}
IN_WORDS = {
    "acknowledged": "acknowledged",
    "investigating": "being looked into",
    "closed": "closed",
    "open": "open",
}


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a person does with an alert: the state that it then has, and what is said with it; None
    = not said.

    `by`: a name or role. `action_due_on`: YYYY-MM-DD.
    """

    state: str
    by: str | None = None
    finding: str | None = None
    action: str | None = None
    action_due_on: str | None = None


class ActedMeanwhile(UsageError):
    """Somebody, or a correction, changed the alert after the revision that was looked at."""


def alerts(lake: Lake) -> pl.DataFrame:
    """Of `as_they_stand`: one row an alert, its latest state; the newest first."""
    return newest_first(as_they_stand(lake.table(TABLE)))


def times(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """How long alerts waited for somebody, by tier (of `times_to_acknowledge`)."""
    history = revisions(lake.table(TABLE))
    waited = waits(history)
    return times_to_acknowledge(waited, as_of=now)


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(
        pl.coalesce("told_at", "occurred_at"), "alert_id", descending=[True, False], nulls_last=True
    )


def act(
    raw: pl.DataFrame, alert_id: str, act: Act, *, now: datetime, seen_revision: int | None = None
) -> tuple[str, bytes, bytes]:
    """(topic, key, value) of what a person does with an alert; `raw`: the rows of raw.alerts, at
    least the alert's.

    What is not said stays as it stands. Raises UsageError where there is no such alert, it is
    closed, or what the act must say is missing or no text, and ActedMeanwhile where `seen_revision`
    is given and is not the revision that the alert has.
    """
    raw = raw.filter(pl.col("alert_id") == alert_id)
    standing = as_they_stand(raw)
    if standing.is_empty():
        raise UsageError(
            f"found no alert {alert_id!r}; `floe alerts --state all` lists those there are"
        )
    row = standing.row(0, named=True)
    _require_seen(row, seen_revision)
    if row["state"] == "closed" and act.state != "open":
        raise UsageError(
            f"nothing was sent: alert {alert_id} is closed; what comes of its cause again opens it by itself"
        )
    act = complete(act)
    words = _words_of(act)
    data = {name: row[name] for name in _FIELDS} | words
    revision = max(raw["revision"].fill_null(0)) + 1
    data |= {"state": act.state, "news": act.state, "recorded_at": now}
    data |= {"revision": revision if revision <= MOST_REVISION else None}
    data |= {"recorded_by_role": act.by}
    if act.state == "acknowledged" or row["acknowledged_at"] is None:
        data |= {"acknowledged_at": now, "acknowledged_by": act.by}
    # The moment is part of the name: two people's acts on one revision are two events, and both
    # stay in raw.
    event_id = f"{alert_id}-{revision}-{act.state}-{now:%Y%m%dT%H%M%S%f}"
    value = encode(_TOPIC.type, data, id=event_id, source=PEOPLE, time=now)
    return _TOPIC.type, alert_id.encode(), value


def complete(given: Act) -> Act:
    """The act with its texts trimmed, empty ones as not said. Raises UsageError where what its
    state needs is missing.
    """
    names = ("by", "finding", "action", "action_due_on")
    fields = {
        name: (getattr(given, name) or "").replace("\r\n", "\n").strip() or None for name in names
    }
    given = replace(given, **fields)
    if given.by is None:
        raise UsageError("nothing was sent: found no name or role, expected who acts")
    needed = _MUST_SAY.get(given.state, ())
    if needed and not any(fields[name] for name in needed):
        what = (
            "what was found"
            if given.state == "closed"
            else "the cause, what is done about it, or by when"
        )
        raise UsageError(f"nothing was sent: expected {what}")
    return given


def revision_of(row: dict) -> int:
    """The revision of a row of `as_they_stand`; of an event that has none 0."""
    return row["revision"] or 0


def _require_seen(row: dict, seen_revision: int | None) -> None:
    if seen_revision is None or seen_revision == revision_of(row):
        return
    who = row["by"] or (
        "Floe, by what landed," if row["state"] in ("open", "closed") else "somebody"
    )
    raise ActedMeanwhile(
        f"nothing was sent: {visible(who)} changed it meanwhile, at {row['since']:%H:%M:%S} UTC, and it is "
        f"{IN_WORDS[row['state']]} now; look at it as it stands and act again if that is still right"
    )


def _words_of(act: Act) -> dict:
    """What of the act goes into the event; raises UsageError for a text that is none."""
    _require_text("who it is", act.by, most=LONGEST_ID, is_one_line=True)
    _require_text("the finding", act.finding, most=LONGEST_TEXT)
    _require_text("the action", act.action, most=LONGEST_TEXT)
    given = {"finding": act.finding, "action": act.action, "action_due_on": _day(act.action_due_on)}
    return {name: value for name, value in given.items() if value is not None}


def _require_text(what: str, text: str | None, *, most: int, is_one_line: bool = False) -> None:
    if text is None:
        return
    if len(text) > most:
        raise UsageError(
            f"found {len(text)} characters for {what}, expected at most {most}: shorten it"
        )
    if visible(text) != text or (is_one_line and "\n" in text):
        raise UsageError(
            f"found a character that can't be seen in {what}, expected plain text: type it anew"
        )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"found the day {visible(text)!r}, expected YYYY-MM-DD, as 2026-05-31"
        ) from None
