"""Landing: rows, rejects, ledger and positions together or not at all; the same position never
twice.
"""

from datetime import UTC, datetime, timedelta

import orjson
import polars as pl
import pytest

from ingest.contract import encode
from ingest.inspection import mark_replayed
from ingest.lake import Lake
from ingest.landing import checksum, joined, land, prepare
from ingest.lost_batches import lost_batch
from ingest.notices import PositionLost
from ingest.positions import stored_positions
from ingest.reject_alerts import Due, closing_alerts, due_alerts, note_told
from ingest.reject_hours import catch_up
from ingest.settings import Settings
from ingest.source import Batch
from transforms.errors import LandingConflict
from transforms.schemas.raw import RAW_TABLES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path, with_lake):
    with Lake.open(Settings(home=with_lake(tmp_path), catalog="", data="")) as lake:
        yield lake


def session(number: int) -> bytes:
    data = {
        "session_id": f"s{number}",
        "patient_id": "p1",
        "clinic_id": "c1",
        "modality": "whole_body",
        "started_at": "2026-02-01T10:00:00+01:00",
    }
    return encode(
        "sessions", data, id=f"e{number}", source="/test", time="2026-02-01T10:00:00+01:00"
    )


def batch(
    first: int,
    values: list[bytes | None],
    *,
    partition: int = 0,
    topic_id: str = "one",
    gap: int = 0,
) -> Batch:
    """A batch of sessions from `first`; `gap` positions without a record follow its records."""
    offsets = list(range(first, first + len(values)))
    end = first + len(values) + gap
    return Batch(
        "floe.sessions.v1", topic_id, partition, first, end, offsets, [b"p1"] * len(values), values
    )


def test_one_landing_writes_rows_rejects_ledger_and_position(lake):
    """2 sessions, 2 broken records and a gap of 3 positions: 2 rows, 2 rejects, a ledger row [0,
    7), position 7.
    """
    values = [session(1), b"junk", session(2), None]
    landed = land(lake, prepare([batch(0, values, gap=3)], now=NOW))
    assert (landed.rows, landed.rejects, landed.positions) == (2, 2, {("floe.sessions.v1", 0): 7})
    assert lake.table("raw.sessions", ["event_id", "kafka_offset", "ingested_at"]).rows() == [
        ("e1", 0, NOW),
        ("e2", 2, NOW),
    ]
    assert lake.table("raw.rejects", ["kafka_offset", "reason", "value"]).rows() == [
        (1, "not_json", b"junk"),
        (3, "tombstone", None),
    ]
    ledger = lake.table(
        "raw.ledger",
        ["first_position", "next_position", "rows", "rejects", "checksum", "landed_at"],
    )
    assert ledger.rows() == [(0, 7, 2, 2, checksum(values), NOW)]
    assert stored_positions(lake) == {("floe.sessions.v1", "one", 0): 7}


def test_batches_of_one_landing_follow_each_other(lake):
    """Two batches of one partition and one of another land together: a ledger row and a position a
    partition.
    """
    first, second = batch(0, [session(1)]), batch(1, [session(2), session(3)])
    landed = land(lake, prepare([first, second, batch(5, [session(4)], partition=1)], now=NOW))
    assert landed.positions == {("floe.sessions.v1", 0): 3, ("floe.sessions.v1", 1): 6}
    assert lake.table("raw.ledger").height == 2
    assert lake.table("raw.stream_offsets").height == 2


@pytest.mark.parametrize("first", [0, 1, 3], ids=["again", "overlapping", "beyond a gap"])
def test_a_batch_that_starts_elsewhere_writes_nothing(lake, first):
    """The lake stands at 2: a batch from 0, 1 or 3 is a conflict, and neither it nor its companions
    leave a trace.
    """
    land(lake, prepare([batch(0, [session(1), session(2)])], now=NOW))
    before = lake.snapshot()
    good = batch(0, [session(7)], partition=1)
    with pytest.raises(LandingConflict, match=f"stands at 2, this batch starts at {first}"):
        land(lake, prepare([good, batch(first, [session(8), b"junk"])], now=NOW))
    assert lake.snapshot() == before
    assert lake.table("raw.sessions").height == 2
    assert lake.table("raw.rejects").is_empty()
    land(lake, prepare([good, batch(2, [session(8)])], now=NOW))
    assert lake.table("raw.sessions").height == 4


def test_a_topic_made_again_has_positions_of_its_own(lake):
    """Under another topic id the same name starts at 0 again, and its rows are not taken for old
    ones.
    """
    land(lake, prepare([batch(0, [session(1), session(2)])], now=NOW))
    land(lake, prepare([batch(0, [session(3)], topic_id="two")], now=NOW))
    assert lake.table("raw.sessions").height == 3
    assert stored_positions(lake) == {
        ("floe.sessions.v1", "one", 0): 2,
        ("floe.sessions.v1", "two", 0): 1,
    }


def test_two_writers_of_one_partition_land_it_once(lake, tmp_path):
    """Of two connections that land the same first batch of a partition one lands, the other meets a
    conflict.
    """
    with Lake.open(Settings(home=tmp_path, catalog="", data="")) as other:
        land(other, prepare([batch(0, [session(1)])], now=NOW))
        with pytest.raises(LandingConflict):
            land(lake, prepare([batch(0, [session(1)])], now=NOW))
        assert lake.table("raw.sessions").height == 1


def test_batches_that_follow_each_other_are_one():
    """Of each partition what follows on is joined, gaps included; a jump, another topic's id and a
    loss are not.
    """
    lost = lost_batch(PositionLost("floe.sessions.v1", "one", 0, position=9, earliest=12, end=20))
    polled = [
        batch(0, [b"a"], gap=2),
        batch(0, [b"x"], partition=1),
        batch(3, [b"b", None]),
        batch(5, []),
        batch(1, [b"y"], partition=1),
        batch(0, [b"o"], topic_id="two"),
        batch(7, [b"c"]),
        lost,
        batch(12, [b"d"]),
    ]
    found = [
        (b.topic_id, b.partition, b.first_position, b.next_position, b.offsets, b.values)
        for b in joined(polled)
    ]
    assert found == [
        ("one", 0, 0, 5, [0, 3, 4], [b"a", b"b", None]),
        ("one", 0, 7, 8, [7], [b"c"]),
        ("one", 0, 9, 12, [], []),
        ("one", 0, 12, 13, [12], [b"d"]),
        ("one", 1, 0, 2, [0, 1], [b"x", b"y"]),
        ("two", 0, 0, 1, [0], [b"o"]),
    ]


def test_what_kafka_lost_is_in_the_ledger(lake):
    """Going on at 9 where 2 to 8 were deleted unread leaves a ledger row [2, 9) that says lost, and
    a whole ledger.
    """
    land(lake, prepare([batch(0, [session(1), session(2)])], now=NOW))
    lost = PositionLost("floe.sessions.v1", "one", 0, position=2, earliest=9, end=12)
    land(lake, prepare([lost_batch(lost), batch(9, [session(3)])], now=NOW))
    ledger = lake.table("raw.ledger", ["first_position", "next_position", "checksum"]).sort(
        "first_position"
    )
    assert ledger.rows()[1] == (2, 9, "lost")
    assert ledger["next_position"].to_list() == [2, 9, 10]


def test_the_checksum_tells_order_bounds_and_absence():
    """Other order, other bounds between values, or an absent value for an empty one: another
    checksum.
    """
    lists = (
        [b"ab", b"c"],
        [b"c", b"ab"],
        [b"a", b"bc"],
        [b"abc"],
        [b"ab", b"c", b""],
        [b"ab", b"c", None],
        [],
    )
    assert len({checksum(values) for values in lists}) == len(lists)
    assert checksum(iter(lists[0])) == checksum(lists[0])


def land_alerts(lake, due, *, first: int) -> None:
    """The alerts as they land, from a partition of their own, noted as told."""
    values = [value for _, _, value in due.events]
    keys = [key for _, key, _ in due.events]
    offsets = list(range(first, first + len(values)))
    end = first + len(values)
    land(
        lake,
        prepare([Batch("floe.alerts.v1", "alerts", 0, first, end, offsets, keys, values)], now=NOW),
    )
    note_told(lake, due)


def told(lake) -> list[tuple]:
    """Of each landed alert of unreadable records: id, revision, state, finding's beginning,
    evidence.
    """
    rows = lake.table("raw.alerts").sort("alert_id", "revision")
    return [
        (
            r["alert_id"],
            r["revision"],
            r["state"],
            r["finding"].partition(" record")[0],
            r["evidence"],
        )
        for r in rows.iter_rows(named=True)
    ]


def test_the_first_reject_of_a_topic_and_reason_in_an_hour_raises_an_alert(lake):
    """Two texts that are no JSON and a missing value: two alerts, one counts two. The same news is
    the same event however often it is made, and due until it is noted as told.
    """
    assert (
        land(
            lake, prepare([batch(0, [session(1), b"junk", b"more", None])], now=NOW)
        ).safety_rejects
        == 3
    )
    alerts = due_alerts(lake, now=NOW)
    assert due_alerts(lake, now=NOW + timedelta(hours=2)).events == alerts.events
    land_alerts(lake, alerts, first=0)
    hour = "floe.sessions.v1-{}-20260301T12Z"
    places = [f"floe.sessions.v1/0/{k}" for k in (1, 2, 3)]
    assert told(lake) == [
        ("unreadable-" + hour.format("not_json"), 2, "open", "2", places[:2]),
        ("unreadable-" + hour.format("tombstone"), 1, "open", "1", places[2:]),
    ]
    assert due_alerts(lake, now=NOW).events == []


def test_later_rejects_of_the_hour_are_counted_in_its_alert(lake):
    """One, then two more within the hour: nothing is sent, and they are counted. When the hour is
    over the alert says that it stands for 3; a reject of the next hour raises another.
    """
    land(lake, prepare([batch(0, [b"junk"])], now=NOW))
    land_alerts(lake, due_alerts(lake, now=NOW), first=0)
    later = NOW + timedelta(minutes=59)
    land(lake, prepare([batch(1, [b"junk"] * 2)], now=later))
    assert due_alerts(lake, now=later).events == []
    assert lake.table("raw.reject_hours", ["records", "told"]).rows() == [(3, 1)]
    over = NOW + timedelta(minutes=61)
    land(lake, prepare([batch(3, [b"junk"])], now=over))
    land_alerts(lake, due_alerts(lake, now=over), first=1)
    assert [(revision, count) for _, revision, _, count, _ in told(lake)] == [
        (1, "1"),
        (3, "3"),
        (1, "1"),
    ]
    assert len({alert_id for alert_id, *_ in told(lake)}) == 2
    assert due_alerts(lake, now=over + timedelta(days=1)).events == []


def test_a_flood_of_rejects_is_one_alert_and_no_reject_is_left_out(lake):
    """1,000 in an hour, in ten landings, each looked at: one alert that names 20; all 1,000 are
    kept and counted.
    """
    for k in range(10):
        land(lake, prepare([batch(100 * k, [b"junk"] * 100)], now=NOW))
        if events := due_alerts(lake, now=NOW):
            land_alerts(lake, events, first=len(told(lake)))
    ((_, _, _, count, evidence),) = told(lake)
    assert (count, len(evidence)) == ("100", 20)
    assert lake.table("raw.rejects").height == 1_000
    assert lake.table("raw.reject_hours", ["records", "reduced"]).rows() == [(1_000, 0)]
    land_alerts(lake, due_alerts(lake, now=NOW + timedelta(hours=2)), first=1)
    assert told(lake)[-1][3] == "1,000"


def test_what_was_told_is_remembered_and_what_was_not_is_found(tmp_path, with_lake):
    """Opened 15 times after it was told: nothing. Killed between the landing and the note: found,
    as the same event.
    """
    settings = Settings(home=with_lake(tmp_path), catalog="", data="")
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, [b"junk"] * 5)], now=NOW))
        first = due_alerts(lake, now=NOW)
    with Lake.open(settings) as lake:
        assert due_alerts(lake, now=NOW + timedelta(days=1)).events == first.events
        note_told(lake, first)
    for _ in range(15):
        with Lake.open(settings) as lake:
            assert due_alerts(lake, now=NOW + timedelta(days=1)).events == []


def test_what_was_told_before_hours_were_counted_is_not_told_again(lake):
    """A release that noted nothing: its alert of 5 has landed. Counted anew, 5 are told; the sixth
    is news.
    """
    land(lake, prepare([batch(0, [b"junk"] * 5)], now=NOW))
    land_alerts(lake, due_alerts(lake, now=NOW), first=0)
    lake.write(lambda writer: writer.execute("DELETE FROM raw.reject_hours"))
    assert catch_up(lake) == 1
    assert due_alerts(lake, now=NOW + timedelta(days=1)).events == []
    land(lake, prepare([batch(5, [b"junk"])], now=NOW))
    assert due_alerts(lake, now=NOW).events == []
    assert len(due_alerts(lake, now=NOW + timedelta(days=1)).events) == 1


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("acknowledged", "acknowledged"),
        ("investigating", "investigating"),
        ("closed", "open"),
    ],
)
def test_the_hour_s_count_leaves_an_alert_with_whoever_has_it(lake, state, expected):
    """It is acknowledged when the hour ends: its count is told and it stays so. It is closed: there
    is news, so open.
    """
    land(lake, prepare([batch(0, [b"junk"])], now=NOW))
    due = due_alerts(lake, now=NOW)
    land_alerts(lake, due, first=0)
    raised = orjson.loads(due.events[0][2])
    raised["data"] |= {"state": state, "revision": 7}
    changed = Due([(*due.events[0][:2], orjson.dumps(raised | {"id": "by hand"}))], due.hours)
    land_alerts(lake, changed, first=1)
    land(lake, prepare([batch(1, [b"junk"])], now=NOW))
    land_alerts(lake, due_alerts(lake, now=NOW + timedelta(hours=2)), first=2)
    assert [(revision, state) for _, revision, state, *_ in told(lake)] == [
        (1, "open"),
        (7, state),
        (8, expected),
    ]


def test_an_alert_is_closed_when_all_of_its_records_were_read(lake):
    """One of two sent again: it stays open. Both: its next revision is closed. Another one in that
    hour: open again.
    """
    land(lake, prepare([batch(0, [b"junk"] * 2)], now=NOW))
    land_alerts(lake, due_alerts(lake, now=NOW), first=0)
    rejects = lake.table("raw.rejects").sort("kafka_offset")
    mark_replayed(lake, rejects.head(1), now=NOW)
    assert closing_alerts(lake, now=NOW).events == []
    mark_replayed(lake, rejects, now=NOW)
    land_alerts(lake, closing_alerts(lake, now=NOW), first=1)
    assert [(revision, state) for _, revision, state, *_ in told(lake)] == [
        (2, "open"),
        (3, "closed"),
    ]
    assert closing_alerts(lake, now=NOW).events == []
    assert due_alerts(lake, now=NOW + timedelta(hours=2)).events == []
    land(lake, prepare([batch(2, [b"junk"])], now=NOW))
    land_alerts(lake, due_alerts(lake, now=NOW), first=2)
    assert [(revision, state) for _, revision, state, *_ in told(lake)][-1] == (4, "open")


def test_a_reject_of_another_topic_raises_none(lake):
    """A broken reading is set aside and raises no alert."""
    readings = Batch("floe.readings.v1", "r", 0, 0, 1, [0], [None], [b"junk"])
    landed = land(lake, prepare([readings], now=NOW))
    assert (landed.rejects, landed.safety_rejects) == (1, 0)
    assert due_alerts(lake, now=NOW + timedelta(hours=2)).events == []


def test_alerts_that_cannot_be_read_raise_none(lake):
    """What Floe itself sends goes round through Kafka: an alert that fails to parse is set aside
    and no news.
    """
    land(
        lake,
        prepare(
            [Batch("floe.alerts.v1", "a", 0, 0, 2, [0, 1], [None] * 2, [b"junk", None])], now=NOW
        ),
    )
    assert lake.table("raw.reject_hours", ["records", "alert_id"]).rows() == [(1, None)] * 2
    assert due_alerts(lake, now=NOW + timedelta(hours=2)).events == []


def test_a_landing_without_records_moves_the_position(lake):
    """Positions 0 to 3 hold transaction markers alone: no row, and the ledger covers them."""
    landed = land(lake, prepare([batch(0, [], gap=4)], now=NOW))
    assert (landed.rows, landed.rejects) == (0, 0)
    assert lake.table("raw.ledger", ["first_position", "next_position", "rows"]).rows() == [
        (0, 4, 0)
    ]
    assert lake.table("raw.sessions").equals(
        pl.DataFrame(schema=RAW_TABLES["sessions"].polars_schema)
    )
