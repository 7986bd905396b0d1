"""The tables of `raw`: one a topic, its data beside its place in Kafka and its envelope.

Here: how a table follows from a topic. Not here: the topics.
"""

import polars as pl

from ...facts.masking import SEALED, TELLING
from ..base import Column, Json, Table
from .fields import CORRECTION, B, I, S, T, Topic
from .topics import TOPICS

POSITION = (
    Column("kafka_topic", S, "Kafka topic", required=True),
    Column(
        "kafka_topic_id",
        S,
        "the topic's id: another one under the same name is another topic; #2 and so on behind it: a "
        "log of that topic which parted from the one that had landed (a broker put back to an older state)",
        required=True,
    ),
    Column("kafka_partition", pl.Int32, "partition", required=True),
    Column("kafka_offset", I, "offset in the partition", required=True),
)

ENVELOPE = (
    *POSITION,
    Column("event_id", S, "CloudEvents id; with source it identifies the event", required=True),
    Column("source", S, "CloudEvents source", required=True),
    Column("event_time", T, "CloudEvents time: when it happened", required=True),
    Column("utc_offset_min", pl.Int32, "UTC offset that event_time was written with", "min"),
    Column("ingested_at", T, "when it was landed", required=True),
)

EXTRA = Column(
    "extra", Json, "fields that the contract does not know, by name; null where there are none"
)

SEALED_FIELDS = Column(
    SEALED,
    pl.Binary,
    "fields that tell of an arm, encrypted under a key of their own; null in their columns here, and in core while the study is masked",
)

_BY_LOCAL_DAY = Column(
    "is_by_local_day", B, "from and to are days, of the series' own clock: its UTC offset, else UTC"
)

_STARTED_OFFSET = Column(
    "started_utc_offset_min", pl.Int32, "UTC offset that started_at was written with", "min"
)


def data_columns(topic: Topic) -> tuple[Column, ...]:
    """The topic's fields, correction fields (not for a series) and, beside a closed list,
    `NAME_raw`.
    """
    fields = topic.fields + (() if topic.is_series else CORRECTION)
    columns: list[Column] = []
    for c in fields:
        if c.closed:
            columns.append(
                Column(
                    c.name,
                    c.dtype,
                    c.comment,
                    c.unit,
                    c.required,
                    c.closed + (() if "other" in c.closed else ("other",)),
                )
            )
            columns.append(
                Column(f"{c.name}_raw", S, f"{c.name} as sent, where it is not in the closed list")
            )
        else:
            columns.append(c)
        if c.name == "started_at" and topic.is_series:
            columns.append(_STARTED_OFFSET)
        if c.name == "to" and topic.name == "retractions":
            columns.append(_BY_LOCAL_DAY)
    return tuple(columns)


def raw_table(topic: Topic) -> Table:
    sealed = (SEALED_FIELDS,) if topic.name in TELLING else ()
    return Table(
        "raw",
        topic.name,
        f"{topic.comment} Append-only: one row an event of {topic.type}, as it arrived.",
        (*ENVELOPE, *data_columns(topic), EXTRA, *sealed),
        ("kafka_topic_id", "kafka_partition", "kafka_offset"),
    )


RAW_TABLES: dict[str, Table] = {t.name: raw_table(t) for t in TOPICS}
