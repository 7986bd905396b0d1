"""What is known of a home's broker: whether it runs, on which port, since when, tied to whom.

Here: looking. Not here: starting and stopping (node.py), what is on record (record.py).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from . import jars as kafka_jars
from . import java as broker_java
from . import process as broker_process
from .java import data_folder, folder, log_folder
from .record import read_record


@dataclass(frozen=True)
class BrokerStatus:
    """What is known of a home's broker; `since` is UTC.

    `is_stale`: one is on record that ended without being stopped. `is_orphan`: it runs, but the
    process that it was tied to is gone, or no record names it. `is_detached`: it will outlive the
    process that started it.
    """

    is_running: bool
    port: int
    version: str
    data: Path
    logs: Path
    pid: int | None = None
    since: datetime | None = None
    is_detached: bool = False
    is_stale: bool = False
    is_orphan: bool = False


def status(settings) -> BrokerStatus:
    """Looks at the processes of this machine, not at the port: a broker that is still starting is
    running.
    """
    record = read_record(settings)
    status = BrokerStatus(
        is_running=False,
        port=record.get("port", settings.broker_port),
        version=kafka_jars.version(),
        data=data_folder(settings),
        logs=log_folder(settings),
    )
    owner = record.get("owner")
    is_orphan = owner is not None and broker_process.by_identity(owner) is None
    process = broker_process.by_identity(record.get("broker"))
    if process is None:
        process = broker_process.by_argument(f"{broker_java.MARKER}{folder(settings)}")
        is_orphan = True
    if process is None:
        return replace(status, is_stale=bool(record))
    return replace(
        status,
        is_running=True,
        pid=process.pid,
        since=datetime.fromtimestamp(process.create_time(), UTC),
        is_detached=bool(record) and owner is None,
        is_orphan=is_orphan,
    )


def missing_parts(settings) -> list[str]:
    """Coordinates of the jars that the next start would download."""
    return [jar.coordinate for jar in kafka_jars.missing(settings.cache_path)]
