"""A source whose Kafka does what no real one does at the moment that a test would need."""

import pytest
from kafka import codec
from kafka.record.default_records import DefaultRecordBatchBuilder

from ingest import assignment, source
from ingest.notices import LogParted
from ingest.source import Poller
from ingest.wire import Got, TopicState
from transforms.errors import BrokerMissing

TOPIC = "floe.clinics.v1"


def records(base: int, *values: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**20,
    )
    for delta, value in enumerate(values):
        builder.append(delta, timestamp=1_700_000_000_000, key=b"k", value=value, headers=[])
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")
    return bytes(raw)


class Kafka:
    """One node, two partitions; `logs` is what it holds by now, and `is_away` that it does not
    answer.
    """

    decompressors = {1: codec.gzip_decode}  # noqa: RUF012

    def __init__(self, logs: dict[int, list[bytes]]):
        self.logs, self.is_away = logs, False

    def topics(self):
        if self.is_away:
            raise BrokerMissing("away")
        return [TopicState(TOPIC, "u", dict.fromkeys(self.logs, 1))]

    def earliest(self, partitions):
        return dict.fromkeys(partitions, 0)

    def ends(self, partitions, *, is_all=False):
        return {key: len(self.logs[key[1]]) for key in partitions}

    def fetch(self, node, wants, *, may_wait):
        return wants

    def answer(self, wants):
        if self.is_away:
            raise BrokerMissing("away")
        return [Got("u", want.partition, "data", self._from(want)) for want in wants]

    def ask(self, node, wants, *, is_all):
        return [
            Got("u", want.partition, "data", self._from(want), readable_to=10**9) for want in wants
        ]

    def _from(self, want) -> bytes:
        """Every record in a batch of its own."""
        log = self.logs[want.partition]
        return b"".join(records(offset, log[offset]) for offset in range(want.position, len(log)))

    def wait(self, timeout_s):
        pass


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(assignment, "_REFRESH_S", 0.0)
    monkeypatch.setattr(assignment, "_RETRY_S", 0.0)


def test_what_was_fetched_is_handed_out_before_a_parting_is_told(impatient):
    """Three records of each partition have been fetched when Kafka goes and comes back empty: all
    six are handed out, and only then it is said that both have parted, since nobody else has them
    any more.
    """
    kafka = Kafka({0: [b"a", b"b", b"c"], 1: [b"d", b"e", b"f"]})
    poller = Poller(kafka)
    values, notices = [], []
    for step in range(12):
        if step == 2:
            kafka.is_away = True
        if step == 3:
            kafka.is_away, kafka.logs = False, {0: [], 1: []}
        values += [value for batch in poller.poll(1, 0.0) for value in batch.values]
        parted = [notice for notice in poller.notices() if isinstance(notice, LogParted)]
        assert not parted or len(values) == 6
        notices += parted
    assert sorted(values) == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert sorted((notice.partition, notice.position) for notice in notices) == [(0, 3), (1, 3)]
    assert not poller.is_agreed


@pytest.mark.parametrize(
    ("now", "is_parted"), [([b"a", b"b", b"c", b"x"], False), ([b"a", b"b", b"x", b"y"], True)]
)
def test_a_silent_broker_is_asked_again(impatient, monkeypatch, now, is_parted):
    """Nothing was under way at a node for longer than a restart takes: the log is compared before
    more is read of it.
    """
    clock = [100.0]
    monkeypatch.setattr(source.time, "monotonic", lambda: clock[0])
    kafka = Kafka({0: [b"a", b"b", b"c"]})
    poller = Poller(kafka)
    values = []
    for _ in range(3):
        values += [value for batch in poller.poll(50, 0.0) for value in batch.values]
    assert values == [b"a", b"b", b"c"]
    poller._fetches.clear()  # answered, and nothing asked since
    kafka.logs = {0: now}
    clock[0] += 10.0
    for _ in range(3):
        values += [value for batch in poller.poll(50, 0.0) for value in batch.values]
    assert values[3:] == ([] if is_parted else [b"x"])
    assert [n.partition for n in poller.notices() if isinstance(n, LogParted)] == [0] * is_parted
