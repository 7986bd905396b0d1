"""A home keeps to its Kafka, and homes that share one are told.

Here: ingest/cluster.py by itself and on the session's broker. Not here: reading (test_stream.py).
"""

import pytest

from ingest import cluster, stream, worker
from ingest.settings import Settings
from transforms.errors import FloeError


@pytest.fixture
def home(tmp_path) -> Settings:
    return Settings(home=tmp_path, kafka_bootstrap="kafka:9092", kafka_cluster="")


def test_a_home_belongs_to_the_first_kafka_it_meets(home):
    """Another one is refused in a sentence that names both ids and the setting; the first goes on
    to be right.
    """
    cluster.require_own(home, "A")
    cluster.require_own(home, "A")
    with pytest.raises(
        FloeError, match=r"is the cluster B, this home .* belongs to A.*FLOE_KAFKA_CLUSTER=B"
    ):
        cluster.require_own(home, "B")
    cluster.require_own(home, "A")


def test_told_so_it_goes_on_with_another(home):
    """FLOE_KAFKA_CLUSTER names the one; from then on that is the home's, and the first is
    another's.
    """
    cluster.require_own(home, "A")
    cluster.require_own(home.model_copy(update={"kafka_cluster": "B"}), "B")
    cluster.require_own(home, "B")
    with pytest.raises(FloeError, match="belongs to B"):
        cluster.require_own(home, "A")
    with pytest.raises(FloeError, match="belongs to B"):
        cluster.require_own(home.model_copy(update={"kafka_cluster": "C"}), "A")


def test_a_kafka_that_tells_no_id_is_taken(home):
    """Nothing to compare is no reason to stop."""
    cluster.require_own(home, "A")
    cluster.require_own(home, None)


@pytest.mark.parametrize("storage", ["A", "B"])
def test_a_home_with_a_broker_of_its_own_belongs_to_that(tmp_path, storage):
    """At the port another home's broker answers (B): refused. Its own, with storage made anew, is
    its own.
    """
    settings = Settings(home=tmp_path, kafka_bootstrap="", kafka_cluster="")
    cluster.require_own(settings, "A")
    folder = tmp_path / "broker" / "data"
    folder.mkdir(parents=True)
    (folder / "meta.properties").write_text(f"version=1\ncluster.id={storage}\nnode.id=1\n")
    if storage == "B":
        cluster.require_own(settings, "B")
    else:
        with pytest.raises(FloeError, match="belongs to A"):
            cluster.require_own(settings, "B")


def test_neither_reading_nor_publishing_goes_to_another_kafka(broker, tmp_path):
    """Each door asks first; doctor and status say it instead."""
    settings = broker.model_copy(update={"home": tmp_path})
    cluster.require_own(settings, "the home's own")
    for door in (stream.ensure_topics, stream.Source, lambda s: stream.publish(s, [])):
        with pytest.raises(FloeError, match="belongs to the home's own"):
            door(settings)


def test_two_lakes_of_one_kafka_are_told(broker, tmp_path, with_lake):
    """The second is told the name of the first, and goes on: both hold all events."""
    stream.ensure_topics(broker)
    names = [tmp_path / "one", tmp_path / "two"]
    said: list[str] = []
    for name in names:
        home = broker.model_copy(update={"home": with_lake(name), "ingest_linger_ms": 50})
        stream.publish(home, [("floe.deficiencies.v1", b"d", b"junk")])
        said.clear()
        worker.run(home, drain=True, on_progress=said.append)
        _wait_committed(broker, cluster.lake_name(home))
    assert any(
        "another lake lands from the Kafka" in text and str(names[0]) in text for text in said
    )


def _wait_committed(settings, lake: str) -> None:
    """Until the group's offsets carry the lake's name (the commit is advisory, and made at the
    latest at the end).
    """
    import time

    from kafka.admin import KafkaAdminClient

    deadline = time.monotonic() + 15
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as admin:
        while lake not in {at.metadata for at in admin.list_group_offsets("floe")["floe"].values()}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
