"""Kafka, as Floe uses it: topics, positions, reading, publishing. The only folder that imports kafka.

Here: what goes over the wire; a name of this list is what other modules may use. Not here: what the
bytes mean (decode.py), where a worker stands (landing.py, the lake), running a broker
(broker/node.py).
"""

from ..source import Batch  # what Source.poll gives
from .clients import MAX_EVENT_BYTES
from .publishing import publish
from .reading import Source, log_verdicts
from .records import records_at
from .topics import (
    cluster_id,
    end_offsets,
    ensure_topics,
    is_reachable,
    lag,
    require_reachable,
    retention_sentence,
    topic_faults,
    topic_ids,
)

__all__ = [
    "MAX_EVENT_BYTES",
    "Batch",
    "Source",
    "cluster_id",
    "end_offsets",
    "ensure_topics",
    "is_reachable",
    "lag",
    "log_verdicts",
    "publish",
    "records_at",
    "require_reachable",
    "retention_sentence",
    "topic_faults",
    "topic_ids",
]
