"""The morning's digest: to whom, how often a morning, and what of it was closed since.

Here: what is put in the book. Not here: what it says beyond counts (test_what_leaves.py), sending
(test_sinks.py).
"""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.alerting.book import Book
from ingest.alerting.digest import digests
from ingest.alerting.duty import Duty

MORNING = datetime(2026, 5, 5, 7, tzinfo=UTC)
FILE = {"kind": "file", "path": "unused"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def book(tmp_path):
    with Book(tmp_path / "book") as book:
        yield book


def duty(**given) -> Duty:
    return Duty.model_validate({"sinks": [{"name": "list"} | FILE]} | given)


def enter(book: Book, alert_id: str, *, told_at: datetime = MORNING - HOUR) -> None:
    alert = {
        "alert_id": alert_id,
        "rule": "harm",
        "clinic_id": "C1",
        "tier": "today",
        "state": "open",
        "told_at": told_at,
    }
    book.take(alert, is_told=False)


def told(
    book: Book, site: Duty, now: datetime, *, zone: str = "UTC"
) -> list[tuple[str, dict, dict]]:
    """(sink, open by rule, closed by rule) of each delivery that a moment brings."""
    digests(book, site, {"C1": zone}, now=now)
    found = []
    for sink in site.sinks:
        for delivery in book.due(sink.name, now=now):
            payload = delivery["payload"]
            found.append((sink.name, payload["alerts_by_rule"], payload["closed_by_rule"]))
            book.delivered(delivery["number"], now=now)
    return found


def test_the_digest_goes_to_the_first_of_the_rota_that_takes_it(book):
    """The first takes `now` alone: before, nobody was told and the alert was marked as told."""
    names = ("pager", "mail", "third")
    sinks = [
        {"name": name, "tiers": ["now"] if name == "pager" else ["now", "today"]} | FILE
        for name in names
    ]
    enter(book, "a")
    site = duty(sinks=sinks, rota={"duty_clinician": list(names)})
    assert told(book, site, MORNING) == [("mail", {"harm": 1}, {})]


def test_what_no_sink_takes_waits_for_one_that_does(book):
    """It is not marked as told."""
    enter(book, "a")
    assert told(book, duty(sinks=[{"name": "pager", "tiers": ["now"]} | FILE]), MORNING) == []
    assert told(book, duty(), MORNING + HOUR) == [("list", {"harm": 1}, {})]


@pytest.mark.parametrize("moved", [{"zone": "America/New_York"}, {"morning": "09:00"}])
def test_a_day_with_two_mornings_has_two_digests(book, moved):
    """The zone or the hour is set anew after the first: before, the second had its id, was ignored
    and marked as told.
    """
    enter(book, "a")
    assert told(book, duty(), MORNING) == [("list", {"harm": 1}, {})]
    enter(book, "b", told_at=MORNING + HOUR)
    later = duty(clinics={"C1": {"morning": moved.get("morning", "07:00")}})
    second = told(book, later, MORNING + 5 * HOUR, zone=moved.get("zone", "UTC"))
    assert second == [("list", {"harm": 1}, {})]


def test_a_morning_has_one_digest(book):
    """What comes late to it, told an hour before it by its own word, is in the next."""
    enter(book, "a")
    told(book, duty(), MORNING)
    enter(book, "b")
    assert told(book, duty(), MORNING + HOUR) == []
    assert told(book, duty(), MORNING + DAY) == [("list", {"harm": 1}, {})]


def test_the_next_digest_says_what_was_closed_since(book):
    """Once, in the morning, to whom a digest told it; not what was open again by then, nor to whom
    it is told by itself.
    """
    for name in ("a", "b", "c", "d"):
        enter(book, name)
    told(book, duty(), MORNING)
    for name in ("a", "b", "d"):
        book.update(name, state="closed")
    book.put(
        "list", "d/1/0", {"alerts_by_rule": {}, "closed_by_rule": {}}, in_order_of="d", now=MORNING
    )
    book.delivered(book.due("list", now=MORNING)[0]["number"], now=MORNING)
    assert (
        told(book, duty(), MORNING + 2 * DAY + HOUR) == []
    )  # closed at night, as it were: not told before a morning
    book.update("b", state="open")
    assert told(book, duty(), MORNING + 3 * DAY) == [("list", {}, {"harm": 1})]
    assert told(book, duty(), MORNING + 4 * DAY) == []
