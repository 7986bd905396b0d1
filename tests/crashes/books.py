"""The independent list: what Kafka acknowledged, kept by whoever sent it, and what the lake says of
it.

Here: sending, the list, the comparison. Not here: who dies when.
"""

from dataclasses import dataclass, field
from uuid import uuid4

from ingest import stream
from ingest.contract import encode
from ingest.lake import Lake
from ingest.proofs import proofs

TOPIC = "floe.sessions.v1"
_BROKEN_EVERY = 20


@dataclass
class Account:
    """What a comparison found. `doubts`: proofs of floe verify that failed."""

    lost: int = 0
    doubled: int = 0
    doubts: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.doubled or self.doubts)


class Books:
    """Events sent to one Kafka. Every 20th is broken, and must be a reject, once."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.source = f"/crashes/{uuid4().hex[:12]}"
        self.sent = 0
        self.whole: set[str] = set()
        self.broken: set[bytes] = set()

    def send(self, count: int) -> None:
        """Publishes and, once Kafka has acknowledged all of them, writes them down: else none of
        them is on the list.
        """
        numbers = range(self.sent, self.sent + count)
        self.sent += count
        stream.publish(self.settings, [self._record(n) for n in numbers])
        self.whole |= {str(n) for n in numbers if n % _BROKEN_EVERY}
        self.broken |= {self._key(n) for n in numbers if not n % _BROKEN_EVERY}

    def _key(self, number: int) -> bytes:
        return f"{self.source}/{number}".encode()

    def _record(self, number: int) -> tuple[str, bytes, bytes]:
        if not number % _BROKEN_EVERY:
            return TOPIC, self._key(number), b"{broken"
        time = "2026-02-01T10:00:00+01:00"
        data = {
            "session_id": f"{self.source}/{number}",
            "patient_id": f"p{number % 7}",
            "clinic_id": "c",
            "modality": "local",
        }
        return (
            TOPIC,
            self._key(number),
            encode(
                TOPIC, data | {"started_at": time}, id=str(number), source=self.source, time=time
            ),
        )

    def compare(self, lake: Lake) -> Account:
        rows = lake.sql("SELECT event_id FROM raw.sessions WHERE source = $1", [self.source])[
            "event_id"
        ].to_list()
        rejects = lake.sql(
            "SELECT key FROM raw.rejects WHERE starts_with(decode(key), $1)", [self.source]
        )["key"].to_list()
        lost = len(self.whole - set(rows)) + len(self.broken - set(rejects))
        doubled = len(rows) - len(set(rows)) + len(rejects) - len(set(rejects))
        return Account(
            lost, doubled, [sentence for is_true, sentence in proofs(lake) if is_true is False]
        )

    def compare_core(self, lake: Lake) -> Account:
        """What was materialised: each session that had landed once, by its id."""
        names = lake.sql(
            "SELECT session_id FROM core.sessions WHERE starts_with(session_id, $1)",
            [f"{self.source}/"],
        )
        ids = [name.rpartition("/")[2] for name in names["session_id"]]
        account = self.compare(lake)
        account.lost += len(self.whole - set(ids))
        account.doubled += len(ids) - len(set(ids))
        return account
