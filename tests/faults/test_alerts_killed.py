"""Every alert reaches a receiver that keeps a list, once, whoever is killed on the way: the
watcher, the receiver, Kafka.

Here: real Kafka, ingest, watcher and receiver, each a process that is killed by kill -9 at random
moments, and a receiver that is down for an hour. Not here: each rule of sending
(tests/ingest/alerting/test_sinks.py), floe up (test_watching.py).
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from ingest import stream
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import Duty
from ingest.alerting.sender import note, to_sink
from ingest.alerting.watcher import Watcher
from ingest.broker import node as local_broker
from ingest.broker import status
from ingest.broker.process import free_port
from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.settings import Settings
from tests.alert_site import NOW, burn, opened
from transforms.errors import FloeError
from transforms.schemas import TOPIC_BY_NAME

pytestmark = pytest.mark.timeout(600)
BURNS, WATCHER_KILLS, RECEIVER_KILLS, BROKER_KILLS = 90, 10, 4, 2
SEED = 12

# Answers 200 once the delivery is on the disk, so that what it took it has, whenever it is killed.
_RECEIVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = json.dumps([self.headers["Floe-Delivery"], body]) + "\\n"
        with open(sys.argv[2], "a") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Process:
    """A process that is killed and started again."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def kill_and_start(self) -> None:
        assert self._process.poll() is None, self._log.read_text()
        self.kill()
        self.start()


class Receiver(Process):
    """Of webhooks, in a process; `taken`: (delivery id, payload) in the order in which it took
    them.
    """

    def __init__(self, folder: Path) -> None:
        self.port, self._list = free_port(), folder / "taken.ndjson"
        self._list.touch()
        command = [sys.executable, "-c", _RECEIVER, str(self.port), str(self._list)]
        super().__init__(command, dict(os.environ), folder / "receiver.log")

    def wait_listening(self) -> None:
        wait(
            lambda: any(
                c.status == "LISTEN" for c in psutil.Process(self._process.pid).net_connections()
            )
        )

    def taken(self) -> list[tuple[str, dict]]:
        lines = self._list.read_text().splitlines()
        found = []
        for line in lines:
            with suppress(
                ValueError
            ):  # one that a kill cut off was not answered, and is sent again
                found.append(tuple(json.loads(line)))
        return found


class Site:
    """A home with its Kafka, ingest, the watcher and a receiver, each in a process of its own."""

    def __init__(self, folder: Path, downloads: Path) -> None:
        self.settings = Settings(
            home=folder / "home",
            cache=str(downloads),
            broker_port=free_port(),
            kafka_bootstrap="",
            catalog="",
            data="",
        )
        self.start_broker()
        stream.ensure_topics(self.settings)
        self.receiver = Receiver(folder)
        duty = folder / "duty.toml"
        url = f"http://127.0.0.1:{self.receiver.port}/"
        duty.write_text(
            f'[[sinks]]\nname = "list"\nkind = "webhook"\ndetail = "subject"\nurl = "{url}"\n'
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLOE_", "DAGSTER_"))
        }
        environment = kept | {
            "FLOE_HOME": str(self.settings.home),
            "FLOE_CACHE": str(downloads),
            "FLOE_BROKER_PORT": str(self.settings.broker_port),
            "FLOE_ALERTS": str(duty),
        }
        floe = [sys.executable, "-m", "orchestration.cli"]
        self.ingest = Process([*floe, "ingest"], environment, folder / "ingest.log")
        self.watcher = Process([*floe, "alerts", "watch"], environment, folder / "watcher.log")

    def start_broker(self) -> None:
        local_broker.start(self.settings, detached=False)

    def kill_broker(self) -> None:
        broker = psutil.Process(status.status(self.settings).pid)
        broker.kill()
        psutil.wait_procs([broker], timeout=30)  # its data stay locked until it is gone
        self.start_broker()

    def stop(self) -> None:
        for process in (self.watcher, self.ingest, self.receiver):
            process.kill()
        local_broker.stop(self.settings)

    def send(self, records: list[tuple[str, dict, str]]) -> None:
        """Until Kafka has them: what was sent before Kafka died may come twice, as it does in
        life.
        """
        now = datetime.now(UTC)
        values = [
            (topic, record_key(topic, data), encode(topic, data, id=id, source="urn:emr", time=now))
            for name, data, id in records
            for topic in (TOPIC_BY_NAME[name].type,)
        ]
        while True:
            with suppress(FloeError):
                stream.publish(self.settings, values)
                return
            time.sleep(0.5)

    def alerts(self) -> dict[str, dict]:
        """By event, as the book has them; none while there is no book."""
        if not book_path(self.settings).exists():
            return {}
        with Book(book_path(self.settings)) as book:
            return {alert["subject_id"]: alert for alert in book.alerts("rule = 'harm'")}

    def waiting(self) -> int:
        with Book(book_path(self.settings)) as book:
            return sum(count for count, _ in book.waiting().values())


@pytest.fixture
def site(tmp_path, downloads) -> Iterator[Site]:
    site = Site(tmp_path, downloads)
    yield site
    site.stop()


def planned(
    chance: random.Random,
) -> tuple[list[tuple[str, dict, str]], dict[str, tuple[str, int]]]:
    """Burns with what corrects them, mixed, each burn's own in order; and of each burn the state
    and level at the end.
    """
    moments, end = [], {}
    onset = datetime.now(UTC)
    for k in range(BURNS):
        at, id = chance.random(), f"E{k}"
        moments.append((at, burn(ae_id=id, patient_id=f"P{k % 30}", onset_at=onset)))
        end[id] = ("open", 1)
        if k % 2:
            at += chance.random() * 0.3
            moments.append(
                (at, burn(ae_id=id, patient_id=f"P{k % 30}", onset_at=onset, grade=3, revision=1))
            )
            end[id] = ("open", 3)
        if k % 3 == 0:
            wrong = {"record_status": "entered_in_error", "revision": 2, "onset_at": onset}
            moments.append(
                (at + chance.random() * 0.3, burn(ae_id=id, patient_id=f"P{k % 30}", **wrong))
            )
            end[id] = ("closed", end[id][1])
    moments.sort(key=lambda moment: moment[0])
    return [(name, data, f"e{n}") for n, (_, (name, data)) in enumerate(moments)], end


def wait(until, *, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.2)


def by_alert(taken: list[tuple[str, dict]]) -> dict[str, list[tuple[str, str]]]:
    """(delivery id, news) of each subject, in the order in which they were first taken."""
    found = defaultdict(list)
    for id, payload in taken:
        if (id, payload["news"]) not in found[payload["subject_id"]]:
            found[payload["subject_id"]].append((id, payload["news"]))
    return found


def test_every_alert_reaches_the_list_once_whoever_is_killed(site):
    """90 burns, half of them raised, a third taken back, while 10 watchers, 4 receivers and 2
    Kafkas are killed.

    Each burn that stands is on the list: opened once, all of its news in their order, none twice by
    its id. A burn that was corrected before anybody looked is told as it then stood, so that no
    news of it is missing either.
    """
    chance = random.Random(SEED)
    records, end = planned(chance)
    home = [("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}, "c")]
    home += [
        (
            "patients",
            {"patient_id": f"P{k}", "clinic_id": "C1", "enrolled_on": "2026-04-01"},
            f"p{k}",
        )
        for k in range(30)
    ]
    site.send(home)
    planting = threading.Thread(
        target=lambda: [site.send(records[k : k + 3]) for k in range(0, len(records), 3)]
    )
    planting.start()
    kills = [site.watcher.kill_and_start] * WATCHER_KILLS + [
        site.receiver.kill_and_start
    ] * RECEIVER_KILLS
    chance.shuffle(kills)
    for kill in kills:
        time.sleep(chance.uniform(0.2, 6.0))
        kill()
    for _ in range(BROKER_KILLS):
        time.sleep(chance.uniform(0.2, 2.0))
        site.kill_broker()
    planting.join()

    def as_planned() -> bool:
        told = site.alerts()
        # of a burn that was taken back before it was ever looked at nobody was told
        return all(is_as(told.get(id), expected) for id, expected in end.items())

    wait(as_planned)
    site.watcher.kill_and_start()
    wait(lambda: site.waiting() == 0)
    taken = site.receiver.taken()
    assert_once_and_in_order(taken, site.alerts())
    print(
        f"{len(taken)} taken of {len({id for id, _ in taken})} ids: {len(taken) - len({id for id, _ in taken})} again"
    )
    missing = [
        id for id, (state, _) in end.items() if state == "open" and id not in by_alert(taken)
    ]
    assert missing == []
    assert on_the_topic(site) == {
        (alert["alert_id"], alert["revision"]) for alert in site.alerts().values()
    }


def is_as(alert: dict | None, expected: tuple[str, int]) -> bool:
    state, level = expected
    if alert is None:
        return state == "closed"
    return alert["state"] == state and (state == "closed" or alert["level"] == level)


def assert_once_and_in_order(taken: list[tuple[str, dict]], alerts: dict[str, dict]) -> None:
    """One opening an alert, revisions that only rise, the last of them the book's."""
    subjects = by_alert(taken)
    assert sorted(subjects) == sorted(alerts)
    for subject, deliveries in subjects.items():
        ids = [id for id, _ in deliveries]
        assert len(set(ids)) == len(ids), deliveries
        assert [news for _, news in deliveries].count("opened") == 1, deliveries
        assert deliveries[0][1] == "opened", deliveries
        revisions = [int(id.split("/")[1]) for id in ids]
        assert revisions == [*range(alerts[subject]["revision"] + 1)], deliveries


def on_the_topic(site: Site) -> set[tuple[str, int]]:
    """The newest revision of each alert that landed from the alerts' topic, once all of them
    have.
    """
    newest: set[tuple[str, int]] = set()
    told = {(alert["alert_id"], alert["revision"]) for alert in site.alerts().values()}

    def has_landed() -> bool:
        with Lake.open(site.settings, read_only=True) as lake:
            rows = lake.sql(
                "SELECT alert_id, max(revision) FROM raw.alerts WHERE rule = 'harm' GROUP BY 1"
            ).rows()
        newest.clear()
        newest.update((alert_id, revision) for alert_id, revision in rows)
        return newest == told

    with suppress(AssertionError):
        wait(has_landed, seconds=60)
    return newest


@pytest.fixture
def receiver(tmp_path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.kill()


def test_a_receiver_that_is_down_for_an_hour_gets_all_once_and_in_order(
    tmp_path, with_lake, receiver
):
    """20 burns within the hour, each raised twelve minutes later: 40 deliveries, by a clock that
    the test moves.

    While it is down nothing is given up and few attempts are made; within five minutes of its
    return it has all.
    """
    url = f"http://127.0.0.1:{receiver.port}/"
    sink = {"name": "list", "kind": "webhook", "url": url, "detail": "subject"}
    duty = Duty.model_validate({"sinks": [sink]})
    with opened(tmp_path, with_lake) as site:
        site.watcher.__exit__()
        site.watcher = Watcher(site.settings, duty, site.lake)
        receiver.kill()
        for minute in range(0, 75, 3):
            site.now = NOW + timedelta(minutes=minute)
            if minute < 60:
                site.land(burn(ae_id=f"E{minute}"))
            if 12 <= minute < 72:
                site.land(burn(ae_id=f"E{minute - 12}", grade=3, revision=1))
            site.look()
            if minute == 60:
                assert receiver.taken() == []
                receiver.start()
                receiver.wait_listening()
            attempt_for_three_minutes(site, duty)
        with Book(book_path(site.settings)) as book:
            assert "list" not in book.waiting()
            [most] = book._db.execute("SELECT max(attempts) FROM deliveries").fetchone()
    taken = receiver.taken()
    assert len(taken) == 40
    assert 0 < most < 60
    assert {tuple(news for _, news in of_one) for of_one in by_alert(taken).values()} == {
        ("opened", "raised")
    }
    assert len(by_alert(taken)) == 20


def attempt_for_three_minutes(site, duty: Duty) -> None:
    with Book(book_path(site.settings)) as book:
        send = to_sink(duty.sinks[0])
        for second in range(0, 180, 2):
            now = site.now + timedelta(seconds=second)
            for delivery, error in send(book.due("list", now=now)):
                note(book, delivery, error, now=now)
