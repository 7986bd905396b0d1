"""A broker put back to an older state: what landed beyond the log's end stays, and nothing new is
taken for seen.

Here: a real Kafka whose disk is put back, with an independent list of every acknowledged event.
Not here: the rule of when a log agrees (tests/ingest/test_log_agreement.py).
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from ingest import stream, worker
from ingest.broker import node as local_broker
from ingest.broker.java import data_folder
from ingest.broker.process import free_port
from ingest.contract import encode
from ingest.lag import stream_lag
from ingest.lake import Lake
from ingest.log_proofs import log_proofs
from ingest.proofs import proofs
from ingest.settings import Settings
from transforms.errors import LogsParted

TOPICS = ("floe.incidents.v1", "floe.devices.v1")
_TIME = "2026-02-01T10:00:00Z"


class Site:
    """A home with its broker, which can be copied and put back, and the numbers of all events that
    were acknowledged.
    """

    def __init__(self, home: Path, downloads: Path):
        self.settings = Settings(
            home=home,
            cache=str(downloads),
            broker_port=free_port(),
            kafka_bootstrap="",
            catalog="",
            data="",
            ingest_linger_ms=50,
        )
        self.copy = home.parent / "copy-of-the-disk"
        self.acknowledged: list[int] = []
        self.start()
        stream.ensure_topics(self.settings)

    def start(self) -> None:
        local_broker.start(self.settings, detached=False)

    def stop(self) -> None:
        local_broker.stop(self.settings)

    def send(self, numbers: range) -> None:
        stream.publish(self.settings, [_event(k) for k in numbers])
        self.acknowledged += numbers

    def drain(self, **options) -> worker.WorkerReport:
        return worker.run(self.settings, drain=True, **options)

    def keep_a_copy(self) -> None:
        self.stop()
        shutil.copytree(data_folder(self.settings), self.copy)
        self.start()

    def put_back(self, *, folders: str = "*") -> None:
        """The copy's folders for those of now: all of them is the disk as it was, else those that
        `folders` names.
        """
        self.stop()
        now = data_folder(self.settings)
        if folders == "*":
            shutil.rmtree(now)
            shutil.copytree(self.copy, now)
        for folder in self.copy.glob(folders) if folders != "*" else ():
            shutil.rmtree(now / folder.name)
            shutil.copytree(folder, now / folder.name)
        self.start()

    def landed(self) -> list[int]:
        """The number of every event in raw, as often as it is there."""
        with Lake.open(self.settings, read_only=True) as lake:
            return sorted(
                int(n)
                for t in ("incidents", "devices")
                for n in lake.table(f"raw.{t}", ["event_id"])["event_id"]
            )

    def marks(self) -> list[str]:
        with Lake.open(self.settings, read_only=True) as lake:
            return lake.table("raw.ledger", ["checksum"], "kafka_topic_id LIKE '%#%'")[
                "checksum"
            ].to_list()

    def failures(self) -> list[str]:
        with Lake.open(self.settings, read_only=True) as lake:
            proved = [*proofs(lake), *log_proofs(lake, self.settings)]
        return [sentence for is_true, sentence in proved if is_true is False]

    def lag(self) -> int | None:
        with Lake.open(self.settings, read_only=True) as lake, suppress(LogsParted):
            return stream_lag(lake, self.settings)["lag"].sum()
        return None


def _event(number: int) -> tuple[str, bytes, bytes]:
    topic = TOPICS[number % 2]
    data = (
        {
            "incident_id": f"i{number}",
            "clinic_id": "c",
            "occurred_at": _TIME,
            "subject_kind": "none",
            "kind": "door",
        }
        if topic == TOPICS[0]
        else {"device_id": f"d{number}", "clinic_id": "c", "kind": "cryo"}
    )
    return (
        topic,
        b"k%d" % (number % 14),
        encode(topic, data, id=str(number), source="/test", time=_TIME),
    )


@pytest.fixture
def site(tmp_path, downloads) -> Iterator[Site]:
    site = Site(tmp_path / "home", downloads)
    yield site
    site.stop()


def land_a_thousand(site: Site) -> None:
    """400, a copy of the disk, 600 more; all of them landed."""
    site.send(range(400))
    site.drain()
    site.keep_a_copy()
    site.send(range(400, 1000))
    site.drain()
    assert site.landed() == list(range(1000))


@pytest.mark.parametrize("is_grown", [False, True])
@pytest.mark.parametrize("folders", ["*", "floe.*"])
def test_stops_and_says_so_until_it_is_chosen(site, folders, is_grown):
    """The whole disk as it was (topics and leader epochs too), or logs alone (as after an election
    of a replica that was not in sync: a higher epoch, a shorter log); before and after new events
    have grown past the lake's position.

    Before this was looked at, a drain said "landed 0 events", and 400 to 600 of the new ones were
    taken for seen.
    """
    land_a_thousand(site)
    site.put_back(folders=folders)
    if is_grown:
        site.send(range(1000, 2000))
    for skips_lost in (False, True):  # which would not help, and is not told
        site.settings = site.settings.model_copy(update={"ingest_skip_lost": skips_lost})
        with pytest.raises(
            LogsParted, match=r"nothing was read or skipped.*--from parted.*--from beginning"
        ) as raised:
            site.drain()
        assert "SKIP_LOST" not in str(raised.value)
    assert site.landed() == list(range(1000))
    assert any("the lake stands at" in sentence for sentence in site.failures())
    assert site.lag() is None
    with pytest.raises(LogsParted):
        worker.wait_landed(site.settings, stop=threading.Event())


@pytest.mark.parametrize(("choice", "doubled"), [("parted", []), ("beginning", list(range(400)))])
def test_either_choice_loses_nothing(site, choice, doubled):
    """1,000 landed, put back to 400, 1,000 new: each of the 2,000 acknowledged is there, once where
    landing goes on from where they part, and the 400 that Kafka still had twice, under two logs'
    names, where all is landed again.

    The choice is in the ledger, the next drain needs none, verify proves all, and a second parting
    is one of its own.
    """
    land_a_thousand(site)
    site.put_back()
    site.send(range(1000, 2000))
    said: list[str] = []
    site.drain(after_parting=choice, on_progress=said.append)
    assert site.landed() == sorted(site.acknowledged + doubled)
    assert {choice} <= set(site.marks())
    assert site.failures() == []
    assert site.lag() == 0
    assert any("goes on at" in sentence for sentence in said)
    assert site.drain().events == 0
    site.send(range(2000, 2100))
    assert site.drain().rows == 100
    site.put_back()
    with pytest.raises(LogsParted):
        site.drain()
    site.send(range(2100, 4000))
    site.drain(after_parting="parted")
    assert site.landed() == sorted(site.acknowledged + doubled)
    assert site.failures() == []


def test_a_partition_that_is_not_there_any_more(site):
    """The disk is of before a topic grew: the partition is missed, the choice is noted, and once
    the topic has grown again all that is written there lands.
    """
    topic, grown = TOPICS[1], {TOPICS[1]: 3}
    site.send(range(400))
    site.drain()
    site.keep_a_copy()
    with closing(KafkaAdminClient(bootstrap_servers=site.settings.bootstrap)) as admin:
        admin.create_partitions(grown)
    site.send(range(400, 1000))
    site.drain()
    site.put_back()
    with pytest.raises(LogsParted, match=r"no such partition|more"):
        site.drain()
    site.drain(after_parting="parted")
    assert site.drain().events == 0
    with closing(KafkaAdminClient(bootstrap_servers=site.settings.bootstrap)) as admin:
        admin.create_partitions(grown)
    site.send(range(1000, 1600))
    assert stream.end_offsets(site.settings)[(topic, 2)] > 0
    site.drain()
    assert site.landed() == site.acknowledged
    assert site.failures() == []


def test_the_verbs_say_it(site):
    """floe ingest --drain: exit code 1 and one sentence; floe verify fails; floe status has no lag;
    --from lands on.
    """
    land_a_thousand(site)
    site.put_back()
    for words, code, out, err in (
        ("ingest --drain", 1, "", "nothing was read or skipped"),
        ("verify", 1, "the lake stands at", "what failed above does not hold"),
        ("status --json", 0, '"lag": null', ""),
        ("ingest --drain --from end", 2, "", "expected parted or beginning"),
        ("ingest --drain --from parted", 0, "landed 0 events", "goes on at"),
        ("verify", 0, "are in the lake alone", ""),
        ("ingest --drain --from parted", 0, "landed 0 events", "changes nothing"),
    ):
        done = _floe(site.settings, *words.split())
        assert (done.returncode, out in done.stdout, err in done.stderr) == (code, True, True), (
            words,
            done,
        )
        assert out or not done.stdout, words


def _floe(settings, *words: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    ours = {
        "FLOE_HOME": str(settings.home),
        "FLOE_BROKER_PORT": str(settings.broker_port),
        "FLOE_LAKE_THREADS": "1",
    }
    command = [sys.executable, "-m", "orchestration.cli", *words]
    return subprocess.run(
        command, env=kept | ours, capture_output=True, text=True, check=False, timeout=120
    )


def test_put_back_while_ingest_runs(site):
    """Ingest is idle, Kafka dies, comes back as it was and at once gets new events: ingest stops,
    nothing is skipped.
    """
    failures: list[BaseException] = []

    def ingest() -> None:
        try:
            worker.run(site.settings)
        except LogsParted as error:
            failures.append(error)

    site.send(range(400))
    thread = threading.Thread(target=ingest)
    thread.start()
    assert worker.wait_landed(site.settings, stop=threading.Event())
    site.keep_a_copy()
    site.send(range(400, 1000))
    assert worker.wait_landed(site.settings, stop=threading.Event())
    site.put_back()
    site.send(range(1000, 2000))
    thread.join(60)
    assert [str(error)[:40] for error in failures] == ["Kafka's log is not the one that landed: "]
    assert site.landed() == list(range(1000))
    site.drain(after_parting="parted")
    assert site.landed() == list(range(2000))


def test_a_lake_older_than_the_broker_goes_on(site):
    """The lake was put back, not Kafka: it lands again what it lacks, without a question."""
    site.send(range(400))
    site.drain()
    lake = site.settings.home / "lake"
    shutil.copytree(lake, site.copy)
    site.send(range(400, 1000))
    site.drain()
    shutil.rmtree(lake)
    shutil.copytree(site.copy, lake)
    assert site.drain().rows == 600
    assert site.landed() == list(range(1000))
    assert site.failures() == []


def test_a_broker_that_only_started_again_is_the_same_one(site):
    """A new leader epoch, the same log: nothing is said, nothing stops."""
    site.send(range(400))
    site.drain()
    site.stop()
    site.start()
    site.send(range(400, 500))
    said: list[str] = []
    assert site.drain(on_progress=said.append).rows == 100
    assert not any("can't be proved" in sentence for sentence in said)


def test_a_lake_of_an_earlier_release_remembers_from_its_next_landing(site):
    """It has no record to compare: it goes on, that is said once a partition, and the next landing
    fills it in.
    """
    site.send(range(400))
    site.drain()
    with Lake.open(site.settings) as lake:
        lake.write(
            lambda w: w.execute(
                "UPDATE raw.stream_offsets SET last_offset = NULL, last_checksum = NULL"
            )
        )
    site.send(range(400, 500))
    said: list[str] = []
    site.drain(on_progress=said.append)
    assert sum("no record is remembered of it yet" in sentence for sentence in said) == 1
    assert site.landed() == list(range(500))
    said.clear()
    site.drain(on_progress=said.append)
    assert said == []
