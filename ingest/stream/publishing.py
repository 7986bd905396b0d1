"""Publishing: records to topics of the contract, each acknowledged.

Here: `publish`. Not here: what is in a record (the rooms that publish).
"""

import time
from collections.abc import Callable, Iterable, Iterator

from kafka import errors

from transforms.errors import FloeError, UsageError
from transforms.schemas import TOPICS

from .. import cluster
from ..source import Batch as Batch  # what Source.poll gives
from .clients import MAX_EVENT_BYTES, admin_client, producer_client
from .topics import contract_topics, ensure_topics


def publish(
    settings,
    records: Iterable[tuple],
    *,
    rate: float | None = None,
    progress: Callable[[int], None] | None = None,
    linger_ms: int = 20,
) -> int:
    """Sends (topic, key, value) or (topic, key, value, headers) and returns how many, all of them
    acknowledged by every replica in sync. `headers`: pairs of a name and bytes.

    `rate`: events a second at most. `progress` is told the number sent so far, about once a second.
    In order within a key and never doubled by a retry (idempotent producer). Topics of the contract
    are made where they are missing. Raises UsageError (a topic that is not the contract's, an event
    over MAX_EVENT_BYTES), BrokerMissing, and FloeError if any event could not be delivered.
    """
    with admin_client(settings) as admin:
        cluster.require_own(settings, admin.describe_cluster()["cluster_id"])
        topics = {topic["name"] for topic in contract_topics(admin)}
    failures: list[Exception] = []
    count = 0
    with producer_client(settings, linger_ms) as producer:
        for topic, key, value, *headers in _paced(records, rate, progress):
            if topic not in topics:
                topics |= _made_topics(settings, topic)
            try:
                sent = producer.send(
                    topic, key=key, value=value, headers=headers[0] if headers else None
                )
                sent.add_errback(failures.append)
            except errors.MessageSizeTooLargeError as error:
                raise UsageError(
                    f"event {count + 1} ({topic}) has {len(value)} bytes, at most {MAX_EVENT_BYTES} can be sent: "
                    f"split it; the {count} before it were sent"
                ) from error
            count += 1
            if failures:
                break
        producer.flush()
    if failures:
        raise FloeError(
            f"{len(failures)} of {count} events could not be delivered to Kafka at {settings.bootstrap}, first "
            f"because of {failures[0]!r}: mend that and publish again (what arrived twice counts once)"
        )
    return count


def _paced(
    records: Iterable, rate: float | None, progress: Callable[[int], None] | None
) -> Iterator:
    started = said_at = time.monotonic()
    for count, record in enumerate(records):
        if rate and (early := count / rate - (time.monotonic() - started)) > 0:
            time.sleep(early)
        if progress and time.monotonic() - said_at > 1:
            said_at = time.monotonic()
            progress(count)
        yield record


def _made_topics(settings, wanted: str) -> set[str]:
    if wanted not in {topic.type for topic in TOPICS}:
        raise UsageError(
            f"there is no topic {wanted!r} in the contract: its topics are floe.<name>.v1"
        )
    ensure_topics(settings)
    return {topic.type for topic in TOPICS}
