"""Whether somebody watches: no watcher, one that is silent or behind, sinks that do not answer are
each said; else nothing is.
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingest.alerting.beat import write_beat
from ingest.alerting.book import Book
from ingest.alerting.waiting import book_fault, left_over, undelivered_late
from ingest.alerting.watching import why_unwatched
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.schemas import BOOKKEEPING

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOOKS = {table.name: table for table in BOOKKEEPING}
SESSIONS = ("floe.sessions.v1", "T", 0)


@pytest.fixture
def site(tmp_path, with_lake):
    """(settings, lake): five sessions landed ten minutes ago, five more a minute ago."""
    settings = Settings(home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="")
    with Lake.open(settings) as lake:
        land(lake, SESSIONS, 0, 5, at=NOW - timedelta(minutes=10))
        land(lake, SESSIONS, 5, 10, at=NOW - timedelta(minutes=1))
        yield settings, lake


def land(lake: Lake, key: tuple[str, str, int], first: int, end: int, *, at: datetime) -> None:
    place = dict(zip(("kafka_topic", "kafka_topic_id", "kafka_partition"), key, strict=True))
    batch = {
        "first_position": first,
        "next_position": end,
        "rows": end - first,
        "rejects": 0,
        "checksum": "0",
    }
    stored = place | {"next_offset": end, "updated_at": at}
    for name, row in (("ledger", place | batch | {"landed_at": at}), ("stream_offsets", stored)):
        table = BOOKS[name]
        full = dict.fromkeys(table.names) | row
        frame = table.conform(pl.DataFrame([full], schema=table.polars_schema, orient="row"))
        lake.write(
            lambda w, name=name, table=table, frame=frame: (
                w.replace if name == "stream_offsets" else w.append
            )(table, frame)
        )


def judged(settings, position: int) -> None:
    """The watcher's book, which has judged the sessions up to a position; it has just given a sign
    of life.
    """
    write_beat(settings, now=NOW)
    with Book(settings.home / "alerts.sqlite") as book:
        book.set_positions({SESSIONS: position})


def said(site, now: datetime = NOW) -> list[str]:
    settings, lake = site
    return why_unwatched(settings, lake, now=now)


def test_no_watcher_has_run(site):
    """Without a book nothing was ever looked at; nothing is made by asking."""
    [sentence] = said(site)
    assert sentence.startswith("No watcher has run in this home")
    assert not (site[0].home / "alerts.sqlite").exists()


@pytest.mark.parametrize(
    ("position", "age"), [(10, None), (5, "60 s"), (4, "10 min"), (0, "10 min")]
)  # up to 10: all; 5: the last batch lacks; 4: a part of the first does
def test_a_watcher_that_is_behind(site, position, age):
    """The age of the oldest batch that is not judged whole."""
    judged(site[0], position)
    expected = [] if age is None else [f"what landed up to {age} ago was not looked at"]
    assert [part in sentence for part, sentence in zip(expected, said(site), strict=True)] == [
        True
    ] * len(expected)


@pytest.mark.parametrize(
    ("seconds", "is_said"), [(60, False), (61, True), (3600, True), (-61, True)]
)
def test_a_watcher_that_died_while_nothing_lands(site, seconds, is_said):
    """All that landed is judged, yet it has not reported for a minute (or its clock is not this
    one): said.
    """
    judged(site[0], 10)
    sentences = said(site, NOW + timedelta(seconds=seconds))
    assert ["The watcher of alerts has not reported for" in sentence for sentence in sentences] == [
        True
    ] * is_said


def test_a_watcher_that_can_not_look(site):
    """It lives, and says itself why it looks at nothing."""
    judged(site[0], 10)
    write_beat(site[0], fault="the lake is damaged", now=NOW)
    [sentence] = said(site)
    assert sentence.startswith("The watcher of alerts can't look: the lake is damaged")


@pytest.mark.parametrize(("seconds", "is_said"), [(29, False), (30, True)])
def test_what_has_just_landed_is_not_late(site, seconds, is_said):
    """The watcher looks several times a second: half a minute is behind."""
    judged(site[0], 5)
    at = NOW - timedelta(minutes=1) + timedelta(seconds=seconds)
    write_beat(site[0], now=at)
    assert bool(said(site, at)) == is_said


def test_what_no_alert_is_judged_by_makes_nobody_late(site):
    """Series of wearables are not looked at."""
    settings, lake = site
    judged(settings, 10)
    place = {"kafka_topic": "floe.readings.v1", "kafka_topic_id": "T", "kafka_partition": 0}
    land(lake, tuple(place.values()), 0, 9, at=NOW - timedelta(hours=1))
    assert said(site) == []


def test_a_sink_that_does_not_answer(site):
    """What could not be delivered is said with its reason; what was not tried yet is not late."""
    settings, _ = site
    judged(settings, 10)
    with Book(settings.home / "alerts.sqlite") as book:
        for k in (1, 2):
            book.put("pager", f"d{k}", {}, in_order_of=f"a{k}", now=NOW)
        number = book.due("pager", now=NOW)[0]["number"]
        assert said(site) == []
        book.failed(number, error="connection refused", due_at=NOW + timedelta(minutes=1))
    assert said(site) == [
        "1 of what is to be told by pager could not be delivered yet: connection refused"
    ]


@pytest.mark.parametrize(
    ("due_at", "seconds", "expected"),
    [
        (NOW, 30, []),
        (
            NOW,
            31,
            [
                "1 of what is to be told by pager waits for up to 31 s and nobody tried to deliver it"
            ],
        ),
        (NOW + timedelta(minutes=5), 60, []),  # it is not due yet
    ],
)
def test_what_nobody_tries_to_deliver(site, due_at, seconds, expected):
    """Due for more than half a minute without an attempt: no sender runs, on the page, for machines
    and in the doctor's words. Of one alert the first alone, for the second waits for it.
    """
    settings, _ = site
    with Book(settings.home / "alerts.sqlite") as book:
        for k in (1, 2):
            book.put("pager", f"d{k}", {}, in_order_of="a", now=due_at)
    now = NOW + timedelta(seconds=seconds)
    judged(settings, 10)
    write_beat(settings, now=now)
    assert undelivered_late(settings, now=now) == [*said(site, now)]
    assert [sentence.split(";")[0] for sentence in said(site, now)] == expected


def test_what_waits_for_a_sink_that_was_renamed(site, tmp_path):
    """How much, for whom, and how it is told all the same; that is no reason not to be ready.
    Without a file nothing is.
    """
    settings, lake = site
    judged(settings, 10)
    path = tmp_path / "duty.toml"
    path.write_text("[[sinks]]\nname = 'new'\nkind = 'file'\npath = 'x'")
    with Book(settings.home / "alerts.sqlite") as book:
        for sink in ("old", "new", "floe.alerts.v1"):
            book.put(sink, "d", {}, in_order_of="a", now=NOW)
    named = settings.model_copy(update={"alerts": str(path)})
    [sentence] = left_over(named, now=NOW)
    assert sentence.startswith(
        "1 of what is to be told waits for old, which is no sink of FLOE_ALERTS any more"
    )
    assert why_unwatched(named, lake, now=NOW) == [sentence]
    assert left_over(settings, now=NOW) == []
    later = NOW + timedelta(minutes=1)
    assert [" old " in late for late in undelivered_late(named, now=later)] == [False, False]


def damaged(path) -> None:
    path.write_bytes(b"no database" * 100)


def overwritten(path) -> None:
    """Whole at its beginning; a page of it is not."""
    with Book(path) as book, book.change():
        for k in range(500):
            book.put("pager", f"d{k}", {"x": "y" * 200}, in_order_of=f"a{k}", now=NOW)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


@pytest.mark.parametrize("broken", [damaged, overwritten])
def test_a_damaged_book_is_said_with_its_remedy(site, broken):
    """On the page that nothing is known, not that all is well; everywhere what to do: move it
    away.
    """
    settings, _ = site
    path = settings.home / "alerts.sqlite"
    broken(path)
    write_beat(settings, now=NOW)
    [sentence] = said(site)
    assert "unknown" in sentence
    for words in (sentence, book_fault(settings), *undelivered_late(settings, now=NOW)):
        assert f"({path}) is damaged" in words
        assert "move it away" in words


def test_a_whole_book_has_no_fault(site):
    """Nor one that is not there yet, or was just made."""
    assert book_fault(site[0]) is None
    judged(site[0], 10)
    assert book_fault(site[0]) is None
