"""By what the last record before a position is known again in a log.

Here: what of it is remembered (`raw.stream_offsets`, `raw.ledger`). Not here: finding it in bytes
(record_batches.py), what follows where the log holds another one (log_agreement.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from struct import pack

_OF_BATCH = "batch:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LastRecord:
    """`leader_epoch`: of its batch, -1 where the topic has none. `checksum`: 16 hex digits,
    BLAKE2b-64 over its time and over the lengths and bytes of key, value and headers; of a batch
    that can't be read `batch:` and those of the whole. `appended_at`: when Kafka appended it; None
    where the topic's times are the producers'.
    """

    offset: int
    leader_epoch: int
    checksum: str
    appended_at: datetime | None

    @property
    def is_of_batch(self) -> bool:
        return self.checksum.startswith(_OF_BATCH)

    def is_same(self, other: "LastRecord") -> bool:
        """The same bytes, appended under the same leader where both know it."""
        epochs = {self.leader_epoch, other.leader_epoch} - {-1}
        return self.offset == other.offset and self.checksum == other.checksum and len(epochs) <= 1


def of_record(
    offset: int,
    epoch: int,
    appended_ms: int | None,
    parts: tuple[bytes | None, bytes | None, bytes],
    *,
    made_ms: int,
) -> LastRecord:
    """`parts`: key, value, headers; `made_ms` is its time where Kafka did not stamp it on
    arrival.
    """
    digest = blake2b(pack("<q", made_ms if appended_ms is None else appended_ms), digest_size=8)
    for part in parts:
        digest.update(pack("<q", -1 if part is None else len(part)))
        digest.update(part or b"")
    return LastRecord(offset, epoch, digest.hexdigest(), _moment(appended_ms))


def of_batch(
    offset: int, epoch: int, appended_ms: int | None, raw: bytes | memoryview
) -> LastRecord:
    return LastRecord(
        offset, epoch, _OF_BATCH + blake2b(raw, digest_size=8).hexdigest(), _moment(appended_ms)
    )


def _moment(ms: int | None) -> datetime | None:
    if ms is None or ms < 0:
        return None
    return _EPOCH + timedelta(milliseconds=ms)


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
