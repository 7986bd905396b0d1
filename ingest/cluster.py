"""Which Kafka a home belongs to: the id that its cluster gave itself, kept under the home.

Here: remembering and comparing it. Not here: asking for it (stream/).

Two homes may well read one Kafka; but not because both were left at the same port. So a home keeps
to the first Kafka that it met (its own broker, where it has one), and each tells the other's name.
"""

import json
import socket
from contextlib import suppress
from pathlib import Path

from transforms.errors import FloeError

from .broker.java import data_folder
from .lake_attach import catalog_file
from .private import make_home
from .secrecy import hidden

_FILE = "kafka-cluster.json"


def require_own(settings, cluster_id: str | None) -> None:
    """FloeError where the home knows another Kafka and FLOE_KAFKA_CLUSTER does not say that it is
    this one.

    A home that knows none belongs to this one from now on. `cluster_id` None (a Kafka that tells
    none): nothing.
    """
    if cluster_id is None:
        return
    own = _of_own_broker(settings)
    before = _remembered(settings) or own
    if before in (None, cluster_id) or cluster_id in (own, settings.kafka_cluster):
        if _remembered(settings) != cluster_id:
            _remember(settings, cluster_id)
        return
    raise FloeError(
        f"the Kafka at {settings.bootstrap} is the cluster {cluster_id}, this home ({settings.home}) belongs to {before}: "
        "it may be another home's broker. Correct FLOE_BROKER_PORT or FLOE_KAFKA_BOOTSTRAP, or, to go on with this one, "
        f"set FLOE_KAFKA_CLUSTER={cluster_id}"
    )


def lake_name(settings) -> str:
    """How this lake is told from others: its catalog, with the machine where that is a file."""
    machine = f"{socket.gethostname()}:" if catalog_file(settings) else ""
    return machine + hidden(settings.catalog_uri, settings)


def identity_files(settings) -> dict[str, bytes]:
    """What another home needs to go on as this one: a file's name below the home -> what it
    holds.
    """
    cluster_id = _remembered(settings) or _of_own_broker(settings)
    if not cluster_id:
        return {}
    return {_FILE: _as_written(settings, cluster_id)}


def _file(settings) -> Path:
    return settings.home / _FILE


def _remembered(settings) -> str | None:
    try:
        return json.loads(_file(settings).read_text())["cluster_id"]
    except (OSError, ValueError, KeyError):
        return None


def _remember(settings, cluster_id: str) -> None:
    with suppress(OSError):  # a home that can't be written is told elsewhere
        make_home(settings)
        _file(settings).write_bytes(_as_written(settings, cluster_id))


def _as_written(settings, cluster_id: str) -> bytes:
    note = {"cluster_id": cluster_id, "bootstrap": settings.bootstrap}
    text = json.dumps(note) + "\n"
    return text.encode()


def _of_own_broker(settings) -> str | None:
    """The id in the storage of the home's own broker; None where it has none, or another Kafka is
    used.
    """
    if settings.kafka_bootstrap:
        return None
    for file in data_folder(settings).rglob("meta.properties"):
        for line in file.read_text().splitlines():
            if line.startswith("cluster.id="):
                return line.partition("=")[2].strip()
    return None
