"""A Kafka of two nodes: partitions are read from where they are led, while a node dies and comes
back.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient, errors

from ingest import stream
from ingest.broker import java as broker_java
from ingest.broker import process as broker_process
from ingest.settings import Settings

TOPIC, PARTITIONS, EACH = "floe.clinics.v1", 6, 600
SECOND = """node.id=2
process.roles=broker
listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters={voters}
log.dirs={data}
"""


class Cluster:
    """The local broker as controller and first node, and a second node that can die."""

    def __init__(self, folder: Path, downloads: Path):
        self.settings = Settings(
            home=folder,
            cache=str(downloads),
            broker_port=broker_process.free_port(),
            kafka_bootstrap="",
        )
        self._java = broker_java.java(self.settings, progress=print)
        self._log = broker_java.log_folder(self.settings) / "console.log"
        assert broker_java.format_storage(self.settings, self._java) == []
        command = broker_java.server(self.settings, self._java)
        with (broker_java.folder(self.settings) / "server.properties").open("a") as properties:
            properties.write(
                "leader.imbalance.check.interval.seconds=2\n"
            )  # a node that is back leads again soon
        self.first = self._start(command)
        self._second = self._formatted_second(folder / "second")
        self.start_second()

    def _start(self, command: list[str]) -> psutil.Process:
        where = broker_java.surroundings(self.settings)
        kept = broker_process.keep(command, log=self._log, tied=True, grace_s=10, **where)
        return broker_process.by_pid(kept["pid"])

    def _formatted_second(self, folder: Path) -> list[str]:
        """The command of the second node, its storage made for the first one's cluster."""
        folder.mkdir()
        first = _properties(broker_java.folder(self.settings) / "server.properties")
        cluster = _properties(broker_java.data_folder(self.settings) / "meta.properties")[
            "cluster.id"
        ]
        properties = folder / "server.properties"
        port, voters = broker_process.free_port(), first["controller.quorum.voters"]
        properties.write_text(SECOND.format(port=port, voters=voters, data=folder / "data"))
        tool = [
            *self._java,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            str(properties),
        ]
        subprocess.run(
            tool, check=True, capture_output=True, **broker_java.surroundings(self.settings)
        )
        return [*self._java, "kafka.Kafka", str(properties)]

    def start_second(self) -> None:
        self.second = self._start(self._second)
        self.wait_for_nodes(2)

    def wait_for_nodes(self, count: int) -> None:
        _wait(lambda: len(self._nodes()) == count, f"{count} nodes")

    def _nodes(self) -> list[dict]:
        with self._admin() as admin:
            return [node for node in admin.describe_cluster()["brokers"] if not node["is_fenced"]]
        return []

    def leaders(self) -> set[int]:
        with self._admin() as admin:
            return {
                p["leader_id"]
                for topic in admin.describe_topics([TOPIC])
                for p in topic["partitions"]
            }
        return set()

    @contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        """A client; what a node that is starting or dying does not answer is asked again by
        `_wait`.
        """
        with (
            suppress(errors.KafkaError),
            closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap)) as admin,
        ):
            yield admin

    def make_topic(self) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap)) as admin:
            admin.create_topics({TOPIC: {"num_partitions": PARTITIONS, "replication_factor": 2}})

    def stop(self) -> None:
        for process in (self.second, self.first):
            broker_process.end(process, timeout_s=20)


def _properties(path: Path) -> dict[str, str]:
    lines = (
        line.partition("=") for line in path.read_text().splitlines() if not line.startswith("#")
    )
    return {name: value for name, _, value in lines}


def _wait(is_so, what: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"no {what} after {timeout_s} s"
        time.sleep(0.2)


@pytest.fixture
def cluster(tmp_path, downloads):
    cluster = Cluster(tmp_path, downloads)
    yield cluster
    cluster.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_partitions_are_read_from_their_leaders_while_a_node_dies_and_returns(cluster):
    """Every event once, in each partition's order: with both nodes, with one of them killed, and
    with it back.
    """
    cluster.make_topic()
    _wait(lambda: cluster.leaders() == {1, 2}, "leaders on both nodes")
    with stream.Source(cluster.settings) as source:
        read: dict[int, list[int]] = {}
        _publish(cluster.settings, 0)
        _read_up_to(source, read, EACH)
        cluster.second.kill()
        _wait(lambda: cluster.leaders() == {1}, "leader but the first node")
        _publish(cluster.settings, EACH)
        _read_up_to(source, read, 2 * EACH)
        cluster.start_second()
        _wait(lambda: cluster.leaders() == {1, 2}, "leaders on both nodes again")
        _publish(cluster.settings, 2 * EACH)
        _read_up_to(source, read, 3 * EACH)
    assert sorted(number for part in read.values() for number in part) == list(range(3 * EACH))
    assert all(part == sorted(part) for part in read.values())
    assert len(read) == PARTITIONS


def _publish(settings, first: int) -> None:
    numbers = range(first, first + EACH)
    stream.publish(settings, [(TOPIC, b"%d" % (number % 50), b"%d" % number) for number in numbers])


def _read_up_to(source: stream.Source, read: dict[int, list[int]], count: int) -> None:
    deadline = time.monotonic() + 90
    while sum(map(len, read.values())) < count:
        assert time.monotonic() < deadline, (
            f"{sum(map(len, read.values()))} of {count} events, {source.notices()}"
        )
        for batch in source.poll():
            read.setdefault(batch.partition, []).extend(int(value) for value in batch.values)
