"""Single records, looked up by their offsets.

Here: `records_at`. Not here: reading on and on (kafka_wire.py).
"""

from collections.abc import Collection, Iterator, Mapping

import kafka
from kafka.structs import TopicPartition

from ..log_names import topic_id_of
from ..source import Batch as Batch  # what Source.poll gives
from .clients import consumer_client
from .topics import topic_ids

Record = tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]  # key, value, headers


def records_at(
    settings, wanted: Mapping[tuple[str, str, int], Collection[int]]
) -> dict[tuple[str, str, int, int], Record]:
    """(topic, topic id, partition, offset) -> (key, value, headers), of those of these offsets that
    Kafka still holds.

    `wanted`: (topic, topic id, partition) -> offsets. What lies between them is read too, and
    passed over.
    """
    ids = topic_ids(settings)
    held = {
        key: offsets
        for key, offsets in wanted.items()
        if offsets and ids.get(key[0]) == topic_id_of(key[1])
    }
    if not held:
        return {}
    with consumer_client(settings) as consumer:
        return {
            (*key, o): record
            for key, offsets in held.items()
            for o, record in _read(consumer, key, offsets)
        }


def _read(
    consumer: kafka.KafkaConsumer, key: tuple[str, str, int], offsets: Collection[int]
) -> Iterator:
    partition = TopicPartition(key[0], key[2])
    consumer.assign([partition])
    first, end = (
        ask([partition])[partition] for ask in (consumer.beginning_offsets, consumer.end_offsets)
    )
    held = {offset for offset in offsets if first <= offset < end}
    if not held:
        return
    consumer.seek(partition, min(held))
    last = max(held)
    while consumer.position(partition) <= last:
        for record in consumer.poll(timeout_ms=1000).get(partition, ()):
            if record.offset in held:
                headers = [(name.encode(), value) for name, value in record.headers]
                yield record.offset, (record.key, record.value, headers)
