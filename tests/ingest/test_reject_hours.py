"""Floods of rejects: what stays whole, what is kept of the rest, and that all books say so.

Here: the bound, its hours, ledger and proofs. Not here: alerts (test_landing.py), a real flood
(tests/faults).
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.proofs import proofs
from ingest.reject_hours import bounded, catch_up, checksum
from ingest.settings import Settings
from ingest.source import Batch
from transforms.schemas.raw import LEDGER, REJECT_HOURS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JUNK = b"x" * 98  # with its key 100 bytes


@pytest.fixture
def lake(tmp_path, with_lake):
    with Lake.open(Settings(home=with_lake(tmp_path), catalog="", data="")) as lake:
        yield lake


def batch(
    first: int, values: list[bytes | None], *, topic: str = "floe.readings.v1", partition: int = 0
) -> Batch:
    count = len(values)
    offsets = list(range(first, first + count))
    return Batch(topic, "one", partition, first, first + count, offsets, [b"p1"] * count, values)


def is_proved(lake) -> bool:
    return all(holds is not False for holds, _ in proofs(lake))


def test_up_to_the_bound_a_reject_is_whole_and_beyond_it_a_checksum(lake):
    """Records of 100 bytes, a bound of 1,000: of 25 in three landings the first 10 are whole. Of
    the others position, reason and checksum are there, and every book counts 25, of which 15 are
    reduced.
    """
    for first, count in ((0, 8), (8, 12), (20, 5)):
        land(lake, prepare([batch(first, [JUNK] * count)], now=NOW), most_whole_bytes=1_000)
    rejects = lake.table("raw.rejects").sort("kafka_offset")
    assert rejects["kafka_offset"].to_list() == list(range(25))
    assert rejects["value"].to_list() == [JUNK] * 10 + [None] * 15
    assert rejects["checksum"].to_list() == [None] * 10 + [checksum([JUNK])] * 15
    assert rejects["reason"].to_list() == ["not_json"] * 25
    assert rejects["key"].null_count() == rejects["detail"].null_count() == 15
    ledger = lake.table("raw.ledger", ["first_position", "rejects", "rejects_reduced"]).sort(
        "first_position"
    )
    assert ledger.rows() == [(0, 8, None), (8, 12, 10), (20, 5, 5)]
    hours = lake.table("raw.reject_hours", ["records", "reduced", "whole_bytes", "hour"])
    assert hours.rows() == [(25, 15, 1_000, NOW)]
    assert is_proved(lake)
    assert (
        "25 rejects are as many as the ledger and their hours say, each once, 15 of them as position"
        in str(list(proofs(lake)))
    )


def test_each_topic_reason_and_hour_has_a_bound_of_its_own(lake):
    """The bound is reached: another reason, another topic, the next hour begin anew; a later small
    one is reduced.
    """
    land(lake, prepare([batch(0, [JUNK] * 4)], now=NOW), most_whole_bytes=300)
    others = [batch(4, [b"[1]" + b" " * 95, JUNK]), batch(0, [JUNK], topic="floe.care.v1")]
    land(lake, prepare(others, now=NOW), most_whole_bytes=300)
    land(lake, prepare([batch(6, [JUNK])], now=NOW + timedelta(hours=1)), most_whole_bytes=300)
    rows = lake.table("raw.rejects", ["kafka_topic", "kafka_offset", "checksum"])
    assert rows.filter(rows["checksum"].is_not_null())["kafka_offset"].sort().to_list() == [3, 5]
    assert is_proved(lake)


def test_every_safety_record_stays_whole(lake):
    """Whatever the bound: of sessions, adverse events and their like nothing is left out."""
    land(
        lake,
        prepare([batch(0, [JUNK] * 50, topic="floe.sessions.v1")], now=NOW),
        most_whole_bytes=0,
    )
    assert lake.table("raw.rejects")["value"].to_list() == [JUNK] * 50
    assert lake.table("raw.ledger")["rejects_reduced"].to_list() == [None]


def test_every_thousandth_stays_whole_as_a_sample(lake):
    """3,500 with a bound of 0, in landings of 700: those numbered 0, 1,000, 2,000, 3,000 are
    whole.
    """
    for first in range(0, 3_500, 700):
        land(lake, prepare([batch(first, [JUNK] * 700)], now=NOW), most_whole_bytes=0)
    rejects = lake.table("raw.rejects")
    whole = rejects.filter(rejects["value"].is_not_null())["kafka_offset"].sort().to_list()
    assert whole == [0, 1_000, 2_000, 3_000]
    assert is_proved(lake)


def test_of_a_batch_that_cannot_be_read_the_bytes_stay(lake):
    """They are all its records' that there is, kept once."""
    unread = Batch(
        "floe.readings.v1",
        "one",
        0,
        0,
        3,
        [0, 1, 2],
        [None] * 3,
        [JUNK, None, None],
        {},
        dict.fromkeys(range(3), "found"),
    )
    land(lake, prepare([unread], now=NOW), most_whole_bytes=0)
    assert lake.table("raw.rejects").sort("kafka_offset")["value"].to_list() == [JUNK, None, None]
    assert is_proved(lake)


def test_a_book_that_says_otherwise_is_no_proof(lake):
    """One more in the hours, one reduced record less in the ledger: each is seen."""
    land(lake, prepare([batch(0, [JUNK] * 5)], now=NOW), most_whole_bytes=200)
    for change in ("raw.reject_hours SET records = 6", "raw.ledger SET rejects_reduced = 2"):
        assert is_proved(lake)
        table, _, column = change.partition(" SET ")
        before = lake.table(table)
        lake.write(lambda writer, change=change: writer.execute(f"UPDATE {change}"))
        assert not is_proved(lake), column
        described = next(t for t in (REJECT_HOURS, LEDGER) if t.full_name == table)
        lake.write(
            lambda writer, described=described, before=before: writer.replace(described, before)
        )


def test_hours_that_another_release_did_not_count_are_counted_at_the_next_start(lake):
    """The lake of a release without hours: counted from its rejects; what an alert told stays
    noted; twice is once.
    """
    land(lake, prepare([batch(0, [JUNK] * 5)], now=NOW), most_whole_bytes=200)
    land(lake, prepare([batch(0, [b"\xc3\xa4", None], topic="floe.sessions.v1")], now=NOW))
    before = lake.table("raw.reject_hours").sort("kafka_topic", "reason")
    lake.write(lambda writer: writer.execute("DELETE FROM raw.reject_hours"))
    assert is_proved(lake)
    assert catch_up(lake) == 3
    assert lake.table("raw.reject_hours").sort("kafka_topic", "reason").equals(before)
    assert catch_up(lake) == 0


def test_what_was_landed_again_whole_is_counted_so(lake):
    """A flood's file was damaged and its records were landed again from Kafka: none is reduced any
    more.
    """
    land(lake, prepare([batch(0, [JUNK] * 5)], now=NOW), most_whole_bytes=200)
    for change in ("raw.rejects SET checksum = NULL", "raw.ledger SET rejects_reduced = NULL"):
        lake.write(lambda writer, change=change: writer.execute(f"UPDATE {change}"))
    assert not is_proved(lake)
    assert catch_up(lake) == 1
    assert is_proved(lake)


@hypothesis_settings(max_examples=40)
@given(
    st.lists(st.sampled_from([b"[", b"junk" * 40, b"1", b"\xff" * 300]), min_size=1, max_size=40),
    st.integers(0, 3_000),
    st.integers(1, 40),
)
def test_however_a_flood_is_split_its_books_are_the_same(values, bound, size):
    """What is kept of records and what is counted of them does not depend on the landings in which
    they came.
    """
    rejects = decode(batch(0, values), ingested_at=NOW).rejects
    at_once = bounded(rejects, REJECT_HOURS.empty(), most_bytes=bound)
    kept, hours = [], REJECT_HOURS.empty()
    for start in range(0, rejects.height, size):
        part = bounded(rejects.slice(start, size), hours, most_bytes=bound)
        kept.append(part.rejects)
        hours = part.hours.vstack(hours.join(part.hours, on=REJECT_HOURS.key, how="anti"))
    assert at_once.hours["records"].sum() == hours["records"].sum() == len(values)
    assert sum(part["checksum"].count() for part in kept) == hours["reduced"].sum()
    whole = [part.filter(part["checksum"].is_null()) for part in kept]
    assert sum(part.height for part in whole) + hours["reduced"].sum() == len(values)
