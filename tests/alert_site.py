"""A site whose alerts are tried: a lake, events that land in it without Kafka, and a watcher of it.

Here: landing, looking, reading the book. Not here: what must come of it (tests/ingest/alerting).
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import polars as pl

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import TOPIC, Duty
from ingest.alerting.names import naming_key
from ingest.alerting.own_events import SOURCE, own_event
from ingest.alerting.watcher import Watcher
from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.source import Batch
from transforms.schemas import MART_TABLES, TOPIC_BY_NAME

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DUTY = Duty.model_validate(
    {
        "link": "https://floe.example",
        "sinks": [
            {"name": "first", "kind": "file", "path": "unused"},
            {"name": "second", "kind": "file", "path": "unused", "detail": "finding"},
            {"name": "all", "kind": "file", "path": "unused", "detail": "subject"},
        ],
        "rota": {"duty_clinician": ["first", "second"]},
        "rules": {"harm": {"acknowledge_min": 10}},
    }
)
HOME = (
    ("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}),
    ("patients", {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-04-01"}),
    ("patients", {"patient_id": "P2", "clinic_id": "C1", "enrolled_on": "2026-04-01"}),
)


class Site:
    """A lake, events that land in it, and a watcher that can be started anew."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self.settings, self.lake, self.now = settings, lake, NOW
        self._positions: dict[tuple[str, str], int] = defaultdict(int)
        self._events = 0
        self.watcher = Watcher(settings, DUTY, lake)

    def land(
        self,
        *records: tuple,
        source: str = "urn:emr",
        time: datetime | None = None,
        topic_id: str = "T",
    ) -> None:
        """Records (topic, data) or (topic, data, event id), landed together; `time`: the events'
        own, else now.
        """
        by_topic = defaultdict(list)
        for name, data, *event_id in records:
            self._events += 1
            topic = TOPIC_BY_NAME[name].type
            value = encode(
                topic,
                data,
                id=event_id[0] if event_id else f"e{self._events}",
                source=source,
                time=time or self.now,
            )
            by_topic[topic].append((record_key(topic, data), value))
        batches = []
        for topic, pairs in by_topic.items():
            first = self._positions[topic, topic_id]
            end = self._positions[topic, topic_id] = first + len(pairs)
            keys, values = zip(*pairs, strict=True)
            batches.append(
                Batch(
                    topic,
                    topic_id,
                    0,
                    first,
                    end,
                    list(range(first, end)),
                    list(keys),
                    list(values),
                )
            )
        assert land(self.lake, prepare(batches, now=self.now)).rejects == 0

    def look(self) -> None:
        while self.watcher.step(now=self.now):
            pass

    def restart(self) -> None:
        self.watcher.__exit__()
        self.watcher = Watcher(self.settings, DUTY, self.lake)

    def checked(self, row: dict) -> None:
        """The only check's newest run."""
        table = MART_TABLES["check_results"]
        self.lake.write(lambda writer: writer.replace(table, table.conform(pl.DataFrame([row]))))

    def alerts(self) -> list[tuple[str, str, str]]:
        """(rule, subject, state) of each alert."""
        with Book(book_path(self.settings)) as book:
            return sorted((a["rule"], a["subject_id"], a["state"]) for a in book.alerts())

    def deliveries(self, sink: str) -> list[dict]:
        """What is still to be delivered to a sink, now or later, in order; each is taken as
        delivered.
        """
        found = []
        with Book(book_path(self.settings)) as book:
            while due := book.due(sink, now=self.now):
                found += due
                for delivery in due:
                    book.delivered(delivery["number"], now=self.now)
        return found

    def echo(self) -> list[dict]:
        """What waits for the alerts' topic lands as Floe's own; the deliveries."""
        key, echoes = naming_key(self.settings), self.deliveries(TOPIC)
        for delivery in echoes:
            event = json.loads(own_event(delivery, key=key)[2])
            self.land(("alerts", event["data"], event["id"]), source=SOURCE)
        return echoes

    def news(self, sink: str) -> list[str]:
        return [delivery["payload"]["news"] for delivery in self.deliveries(sink)]

    def alert_id(self) -> str:
        with Book(book_path(self.settings)) as book:
            return book.alerts()[0]["alert_id"]


@contextmanager
def opened(folder, with_lake) -> Iterator[Site]:
    """A site with a clinic and two patients, in a folder of its own; `with_lake`: the fixture."""
    settings = Settings(home=with_lake(folder), catalog="", data="", kafka_bootstrap="")
    with Lake.open(settings) as lake:
        site = Site(settings, lake)
        site.land(*HOME)
        yield site
        site.watcher.__exit__()


def burn(**given) -> tuple[str, dict]:
    fields = {
        "ae_id": "E1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "term": "burn",
        "injury_kind": "burn",
    }
    return "adverse_events", fields | {"grade": 1, "onset_at": NOW} | given
