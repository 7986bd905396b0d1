"""Rejects looked at again: what can be read by now, and as what it is sent.

Here: batches that could not be read. Not here: the verb, headers, alerts
(tests/orchestration/test_rejects.py).
"""

from datetime import UTC, datetime

from kafka.record.default_records import DefaultRecordBatchBuilder

from ingest import headers, replaying
from ingest.codecs import DECOMPRESSORS
from ingest.contract import encode
from ingest.decode import decode
from ingest.record_batches import Reader
from ingest.source import Batch

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOPIC = "floe.incidents.v1"
SNAPPY = 2


def incident(number: int) -> bytes:
    data = {
        "incident_id": f"i{number}",
        "clinic_id": "c",
        "occurred_at": NOW,
        "subject_kind": "none",
        "kind": "door",
    }
    return encode(TOPIC, data, id=str(number), source="/test", time=NOW)


def fetched(values: list[bytes]) -> bytes:
    """A producer's batch, compressed with snappy, as the broker gives it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=SNAPPY,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**20,
    )
    for k, value in enumerate(values):
        assert builder.append(
            k, timestamp=1_700_000_000_000, key=b"c", value=value, headers=[("trace", b"%d" % k)]
        )
    return bytes(builder.build())


def rejects_of(raw: bytes, decompressors):
    """What ingest sets aside of these bytes where it has these decompressors."""
    read = Reader(raw, position=0, decompressors=decompressors).take(100)
    columns = (read.offsets, read.keys, read.values, read.headers, read.unread)
    return decode(Batch(TOPIC, "one", 0, 0, read.next_position, *columns), ingested_at=NOW).rejects


def test_a_batch_that_can_be_read_by_now_is_sent_record_by_record():
    """20 events whose codec was not there: 20 rejects. By now it is: 19 are sent as they were
    written, with their headers; the one that is broken stays, for its own reason.
    """
    values = [*(incident(k) for k in range(19)), b"junk"]
    rejects = rejects_of(fetched(values), {})
    assert rejects["reason"].to_list() == ["unreadable_batch"] * 20
    assert "compressed with snappy" in rejects["detail"][0]
    readable, left = replaying.sorted_out(rejects, now=NOW)
    sent = sorted(replaying.records(readable), key=lambda record: record[3])
    assert sorted(sent) == sorted(
        (TOPIC, b"c", incident(k), [("trace", b"%d" % k)]) for k in range(19)
    )
    assert readable["kafka_offset"].to_list() == list(range(19))
    assert left.select("kafka_offset", "reason", "value").rows() == [(19, "not_json", b"junk")]


def test_two_batches_one_of_which_still_cannot_be_read():
    """The damaged one's 2 records stay as they are; the other's 3 are sent."""
    damaged = fetched([incident(0), incident(1)])[:-3] + b"???"
    shifted = (2).to_bytes(8, "big") + fetched([incident(k) for k in (2, 3, 4)])[8:]
    rejects = rejects_of(damaged + shifted, {})
    readable, left = replaying.sorted_out(rejects, now=NOW)
    assert [value for _, _, value, _ in replaying.records(readable)] == [
        incident(k) for k in (2, 3, 4)
    ]
    assert left.select("kafka_offset", "reason").rows() == [
        (0, "unreadable_batch"),
        (1, "unreadable_batch"),
    ]
    assert headers.from_json(readable["headers"][0]) == [(b"trace", b"0")]


def test_what_could_be_read_from_the_start_is_no_reject():
    assert rejects_of(fetched([incident(0)]), DECOMPRESSORS).is_empty()
