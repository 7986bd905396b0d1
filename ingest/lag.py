"""What Kafka holds that has not landed.

Here: the ends of its topics less the lake's positions. Not here: what is in the lake
(inspection.py), reading Kafka (stream/).
"""

import polars as pl

from . import stream
from .lake import Lake
from .log_proofs import require_one_log
from .positions import current_positions


def stream_lag(lake: Lake, settings) -> pl.DataFrame | None:
    """Records not landed yet, one row per partition: kafka_topic, kafka_partition, lag; None where
    no broker answers.

    Raises LogsParted where Kafka's log is not the one that landed: what of it is new is not known.
    """
    if not stream.is_reachable(settings):
        return None
    require_one_log(lake, settings)
    ids = stream.topic_ids(settings)
    positions = {
        (topic, partition): position
        for (topic, topic_id, partition), position in current_positions(lake).items()
        if ids.get(topic) == topic_id
    }
    behind = stream.lag(settings, positions)
    return pl.DataFrame(
        [(t, p, n) for (t, p), n in behind.items()],
        schema={"kafka_topic": pl.String, "kafka_partition": pl.Int32, "lag": pl.Int64},
        orient="row",
    )
