"""deploy/compose.yaml, as far as it can be judged without a Docker engine."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ingest.broker import jars as kafka_jars
from ingest.broker import java as broker_java

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
# what the local broker sets for having few cores of its own, or for its place on this machine
OWN = {"num.network.threads", "num.io.threads", "background.threads", "log.dirs"}


@pytest.fixture(scope="module")
def kafka():
    return yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]


def test_image_is_the_release_that_floe_runs_itself(kafka):
    """One release of Kafka, named in one place and equal in the other."""
    assert kafka["image"] == f"apache/kafka:{kafka_jars.version()}"


def test_kafka_is_published_on_loopback_alone(kafka):
    """Patients' events are not offered to the network by default."""
    assert kafka["ports"] == ["127.0.0.1:${FLOE_BROKER_PORT:-9092}:9092"]
    assert (
        "HOST://127.0.0.1:${FLOE_BROKER_PORT:-9092}"
        in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_settings_are_the_local_brokers(kafka):
    """Every property of the local broker but its listeners and threads has the same value here."""
    lines = (line.split("=", 1) for line in broker_java.SERVER.splitlines())
    ours = {
        key: value
        for key, value in lines
        if key not in OWN and "listener" not in key and key != "controller.quorum.voters"
    }
    assert len(ours) >= 12
    theirs = {
        key: kafka["environment"].get("KAFKA_" + key.upper().replace(".", "_")) for key in ours
    }
    assert theirs == ours


def test_docker_compose_accepts_it():
    """The client's own check, where docker compose is installed; it needs no engine."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE), "config", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_catalogs_server_is_for_this_machine_and_begun_on_demand():
    """PostgreSQL has its release pinned, listens on 127.0.0.1 alone, has no password of its own in the file,
    ends no session that is idle (the lock of a run is one), and starts with its profile only.
    """
    service = yaml.safe_load(COMPOSE.read_text())["services"]["postgres"]
    assert service["image"].partition(":")[2][:1].isdigit()
    assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]
    assert service["environment"]["POSTGRES_PASSWORD"] == "${FLOE_POSTGRES_PASSWORD:-}"
    assert "idle_session_timeout=0" in service["command"]
    assert service["profiles"] == ["shared"]
