"""A real Kafka for as long as a test, a file or the session needs one. Here: starting and stopping
it. Not here: topics.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.settings import Settings


@contextmanager
def running_kafka(home: Path, downloads: Path) -> Iterator[Settings]:
    """Its settings; it listens on a free port and ends with the process that started it, however
    that ends.
    """
    settings = Settings(
        home=home, cache=str(downloads), broker_port=free_port(), kafka_bootstrap=""
    )
    broker.start(settings, detached=False)
    try:
        yield settings
    finally:
        broker.stop(settings)
