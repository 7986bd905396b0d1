"""What the doctor says of the book of alerts: whether it is whole, and whether anybody tells what
it holds.

Here: that one finding. Not here: the verb (test_cli.py).
"""

from datetime import UTC, datetime, timedelta

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.settings import Settings
from orchestration.doctor import Finding, examine


def of_the_book(settings) -> Finding:
    return next(finding for finding in examine(settings) if finding.name == "book of alerts")


def test_the_book_is_opened_and_what_is_wrong_is_said(tmp_path):
    """None yet, whole, one that nobody tells from, a damaged one: the last two with a remedy."""
    settings = Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:1")
    assert "none yet" in of_the_book(settings).found
    with Book(book_path(settings)) as book:
        assert (of_the_book(settings).remedy, "is whole" in of_the_book(settings).found) == (
            None,
            True,
        )
        book.put("pager", "d", {}, in_order_of="a", now=datetime.now(UTC) - timedelta(minutes=1))
    assert "nobody tried to deliver" in of_the_book(settings).found
    assert of_the_book(settings).remedy
    book_path(settings).write_bytes(b"no database" * 100)
    assert "move it away" in of_the_book(settings).found
    assert of_the_book(settings).is_needed
