"""What judges the crashes can fail: a planted loss, a planted double and a planted death are
seen.
"""

from datetime import UTC, datetime

import pytest

from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.source import Batch
from ingest.turns import file_turn
from tests.crashes.books import TOPIC, Books
from tests.crashes.victim import RAISE, Crash, Point, Tracer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def books(tmp_path, with_lake) -> Books:
    """40 events written down as acknowledged, of which the first and the 21st are broken."""
    books = Books(
        Settings(home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="nowhere:1")
    )
    books.whole = {str(n) for n in range(40) if n % 20}
    books.broken = {books._key(n) for n in (0, 20)}
    return books


def _land(lake: Lake, books: Books, numbers: range, *, first: int) -> None:
    records = [books._record(n) for n in numbers]
    keys, values = [key for _, key, _ in records], [value for *_, value in records]
    end = first + len(records)
    land(
        lake,
        prepare(
            [Batch(TOPIC, "id", 0, first, end, list(range(first, end)), keys, values)], now=NOW
        ),
    )


def test_the_list_sees_what_is_lost_and_what_is_doubled(books):
    """All 40 landed: right. Three of them never landed: 3 lost. Five landed again: 5 doubled."""
    with Lake.open(books.settings) as lake:
        _land(lake, books, range(37), first=0)
        assert (books.compare(lake).lost, books.compare(lake).doubled) == (3, 0)
        _land(lake, books, range(37, 40), first=37)
        assert books.compare(lake).is_right
        _land(lake, books, range(18, 23), first=40)
        assert (books.compare(lake).lost, books.compare(lake).doubled) == (0, 5)


def test_the_list_hears_what_verify_says(books):
    """A row that is gone behind the ledger's back is lost, and one of floe verify's sentences no
    longer holds.
    """
    with Lake.open(books.settings) as lake:
        _land(lake, books, range(40), first=0)
        lake.write(lambda w: w.execute("DELETE FROM raw.sessions WHERE event_id = '7'"))
        account = books.compare(lake)
    assert account.lost == 1
    assert "as many as the ledger says" in account.doubts[0]


def test_it_ends_at_the_line_that_was_drawn(tmp_path):
    """The lines of a turn are noted; drawn the second time round of the line that takes the lock,
    it ends there.
    """
    file = "ingest/turns.py"

    def two_turns() -> None:
        for _ in range(2):
            with file_turn(tmp_path / "turn", wait_s=1):
                pass

    survey = _traced(file, None, two_turns)
    name, line, count = next(one for one in survey.lines() if one[2] == 2)
    assert (name, count) == (file, 2)
    with pytest.raises(Crash, match=rf"{file}:{line}, time 2"):
        _traced(file, Point(file, line, 2, RAISE), two_turns)
    _traced(file, Point(file, line, 3, RAISE), two_turns)  # there is no third time


def _traced(file: str, point: Point | None, run) -> Tracer:
    import sys
    import threading

    from tests.crashes.victim import ROOT

    before = sys.gettrace()
    tracer = Tracer({str(ROOT / file)}, point)
    tracer.install()
    try:
        run()
    finally:
        sys.settrace(before)
        threading.settrace(before)
    return tracer
