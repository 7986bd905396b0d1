"""Tables of `raw` about the stream: rejects, positions, the ledger.

Here: their columns. Not here: the topics' own tables (tables.py).
"""

import polars as pl

from ..base import Column, Json, Table
from .fields import B, I, S, T
from .tables import POSITION

REJECTS = Table(
    "raw",
    "rejects",
    "One row a record that broke the contract: position and reason, and its bytes up to the bound of a flood.",
    (
        *POSITION,
        Column("reason", S, "reason code (closed list: ingest/contract.py)", required=True),
        Column("field", S, "field that broke the contract"),
        Column("detail", S, "what was found and what was expected"),
        Column("key", pl.Binary, "the record's key"),
        Column("value", pl.Binary, "the record's bytes; of a batched record the event's"),
        Column(
            "headers",
            Json,
            'the record\'s headers: [[name, value], ...], what is not UTF-8 as {"base64": ...}; null without',
        ),
        Column(
            "part", I, "which event of a batched record, from 0; null = the record is one event"
        ),
        Column("is_safety", B, "of a safety topic", required=True),
        Column("ingested_at", T, "when it was set aside", required=True),
        Column("replayed_at", T, "when it was published again"),
        Column(
            "checksum",
            S,
            "of a record beyond the bound of its topic, reason and hour (FLOE_REJECTS_WHOLE_MB), which is kept "
            "as position, reason and this: BLAKE2b-64 over the value's length and bytes; null = the record is whole",
        ),
    ),
    ("kafka_topic_id", "kafka_partition", "kafka_offset", "part"),
)

# By what Kafka's log is known again; all null where no record is remembered (what an earlier
# release landed, lost records)
LAST_RECORD = (
    Column(
        "last_offset",
        I,
        "offset of the last record before the next position, markers and aborted ones included",
    ),
    Column(
        "last_leader_epoch",
        pl.Int32,
        "leader epoch under which Kafka appended it; -1 = Kafka has none",
    ),
    Column(
        "last_checksum",
        S,
        "BLAKE2b-64 over its time, key, value and headers; batch:… over a batch that can't be read",
    ),
    Column(
        "last_appended_at",
        T,
        "when Kafka appended it; null where the topic's times are the producers'",
    ),
)

STREAM_OFFSETS = Table(
    "raw",
    "stream_offsets",
    "Next position of each partition: the truth about what has landed.",
    (
        *POSITION[:3],
        Column("next_offset", I, "position of the next record", required=True),
        Column("updated_at", T, "last moved", required=True),
        *LAST_RECORD,
    ),
    ("kafka_topic", "kafka_topic_id", "kafka_partition"),
)

LEDGER = Table(
    "raw",
    "ledger",
    "One row a landed batch of a partition; positions are contiguous.",
    (
        *POSITION[:3],
        Column("first_position", I, "position of the first record", required=True),
        Column("next_position", I, "position after the last record", required=True),
        Column("rows", I, "rows landed", required=True),
        Column("rejects", I, "records set aside", required=True),
        Column(
            "checksum",
            S,
            "BLAKE2b-64 over the values' lengths and bytes, in order; lost where Kafka deleted the records "
            "unread, unknown for what was gone before Floe first looked; where Kafka's log was no more the one that had "
            "landed, what was chosen: parted (the positions up to where the two part are those of the log before) or "
            "beginning (the log is landed from its beginning)",
            required=True,
        ),
        Column("landed_at", T, "when", required=True),
        *LAST_RECORD,
        Column(
            "landed_again_at",
            T,
            "when its records were landed again from Kafka, because a file that held them was damaged; null = never",
        ),
        Column(
            "rejects_reduced",
            I,
            "of the records set aside, how many are kept as position, reason and checksum alone; null = none",
        ),
    ),
    ("kafka_topic", "kafka_topic_id", "kafka_partition", "first_position", "next_position"),
)

REJECT_HOURS = Table(
    "raw",
    "reject_hours",
    "One row a topic, reason and hour in which records were set aside: how many, how they are kept, "
    "and what their alert has told.",
    (
        Column("kafka_topic", S, "Kafka topic", required=True),
        Column("reason", S, "reason code", required=True),
        Column("hour", T, "the hour's beginning (UTC)", required=True),
        Column("is_safety", B, "of a safety topic", required=True),
        Column("records", I, "records set aside", required=True),
        Column(
            "reduced",
            I,
            "of these, how many are kept as position, reason and checksum alone",
            required=True,
        ),
        Column(
            "whole_bytes",
            I,
            "keys, values and headers of those that are kept whole",
            "B",
            required=True,
        ),
        Column("first_at", T, "when the first was set aside", required=True),
        Column("last_at", T, "when the last was set aside", required=True),
        Column("alert_id", S, "the alert that tells of them; null = not of a safety topic"),
        Column(
            "raised_at", T, "when the alert was raised; null = not, or all of them were read since"
        ),
        Column("told", I, "of how many records the alert's last event told; null = of none"),
    ),
    ("kafka_topic", "reason", "hour"),
)

BOOKKEEPING = (REJECTS, STREAM_OFFSETS, LEDGER, REJECT_HOURS)
