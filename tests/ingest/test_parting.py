"""Where a log and the lake part, record by record, and what of it the ledger keeps; no Kafka."""

from datetime import UTC, datetime

import pytest

from ingest.contract import encode
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.last_record import LastRecord
from ingest.log_agreement import Standing
from ingest.lost_batches import PartedBatch
from ingest.parting import first_difference, lineage_of, standings_of
from ingest.positions import stored_standings
from ingest.proofs import missing_positions, proofs
from ingest.settings import Settings
from ingest.source import Batch

TOPIC, NOW = "floe.incidents.v1", datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG = (TOPIC, "one", 0)


@pytest.fixture
def lake(tmp_path, with_lake):
    settings = Settings(
        home=with_lake(tmp_path), kafka_bootstrap="", catalog="", data="", encrypt=True
    )
    with Lake.open(settings) as lake:
        yield lake


def incident(number: int) -> bytes:
    at = "2026-02-01T10:00:00Z"
    data = {
        "incident_id": f"i{number}",
        "clinic_id": "c",
        "occurred_at": at,
        "subject_kind": "none",
        "kind": "door",
    }
    return encode(TOPIC, data, id=str(number), source="/test", time=at)


def batch(
    records: dict[int, bytes],
    *,
    first: int,
    log_id: str = "one",
    kind: type = Batch,
    end: int | None = None,
):
    """Of (offset, value); it remembers its last record."""
    end = max(records, default=first - 1) + 1 if end is None else end
    last = LastRecord(end - 1, 0, f"of {end - 1}", NOW) if end else None
    return kind(
        TOPIC,
        log_id,
        0,
        first,
        end,
        list(records),
        [b"k"] * len(records),
        list(records.values()),
        last=last,
    )


def landed(lake: Lake, *batches: Batch) -> None:
    for one in batches:
        land(lake, prepare([one], now=NOW))


HELD = {k: incident(k) for k in range(4)} | {4: b"{broken", 5: incident(5)}


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (HELD, None),
        ({k: HELD[k] for k in range(3)}, None),  # the log ends earlier: what it has agrees
        ({k: v for k, v in HELD.items() if k >= 2}, None),  # what was not read is not compared
        (HELD | {3: incident(93)}, 3),
        (HELD | {0: incident(90), 3: incident(93)}, 0),
        (HELD | {4: b"{broken too"}, 4),  # other bytes that can't be read
        (HELD | {4: incident(94)}, 4),
        (HELD | {5: b"{broken"}, 5),
        (
            {k: v for k, v in HELD.items() if k != 2},
            2,
        ),  # gone from the log: it is landed again from there
        (HELD | {6: incident(6)}, 6),  # more than landed
    ],
)
def test_the_first_offset_where_another_event_landed(lake, log, expected):
    """Events by id, source and time, what was set aside by its bytes; the first offset at which the
    two differ.
    """
    landed(lake, batch(HELD, first=0))
    assert first_difference(lake, lineage_of(lake, LOG), batch(log, first=min(log))) == expected


def test_a_log_that_parted_holds_its_beginning_from_the_one_before(lake):
    """Parted at 3 and then, as #2, at 4: positions below 3 are the first log's, below 4 those of
    the second.
    """
    landed(lake, batch(HELD, first=0))
    second = {k: incident(100 + k) for k in range(3, 6)}
    landed(
        lake,
        batch({}, first=0, end=3, log_id="one#2", kind=PartedBatch),
        batch(second, first=3, log_id="one#2"),
    )
    third = {k: incident(200 + k) for k in range(4, 6)}
    landed(
        lake,
        batch({}, first=0, end=4, log_id="one#3", kind=PartedBatch),
        batch(third, first=4, log_id="one#3"),
    )
    lineage = lineage_of(lake, (TOPIC, "one#3", 0))
    assert [(log_id, end) for (_, log_id, _), end in lineage][1:] == [("one#2", 4), ("one", 3)]
    whole = {k: HELD[k] for k in range(3)} | {3: second[3]} | third
    assert first_difference(lake, lineage, batch(whole, first=0)) is None
    assert first_difference(lake, lineage, batch(whole | {3: HELD[3]}, first=0)) == 3
    assert [standing.position for standing in standings_of(lake, lineage)] == [3, 4, 6]
    assert all(is_true is not False for is_true, _ in proofs(lake))
    sentences = missing_positions(lake)
    assert ["it landed on from 3, where they part; 3 positions of" in s for s in sentences] == [
        True,
        False,
    ]
    assert ["it landed on from 4, where they part; 2 positions of" in s for s in sentences] == [
        False,
        True,
    ]


def test_the_position_keeps_the_last_record_of_its_last_batch(lake):
    """Of joined batches the last one's; a batch that remembers none, behind lost records, clears
    it.
    """
    first = batch({0: incident(0)}, first=0)
    second = batch({1: incident(1)}, first=1)
    land(lake, prepare([first, second], now=NOW))
    assert stored_standings(lake) == {LOG: Standing(2, second.last)}
    landed(lake, Batch(TOPIC, "one", 0, 2, 5, [], [], []))
    assert stored_standings(lake) == {LOG: Standing(5)}
