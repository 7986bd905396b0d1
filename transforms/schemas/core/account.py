"""Tables of `core` about the records themselves: what is an orphan, clashes, conflicts or can't be true, and what the cut is.

Here: their columns. Not here: how they are found (transforms/records, transforms/rules/plausibility.py).
"""

import polars as pl

from ..base import Column, Json, Table
from .columns import B, I, S, T

ORPHANS = Table(
    "core",
    "orphans",
    "Landed records whose clinic, device, protocol or patient is not known yet, or that fit several of a clashing id.",
    (
        Column("table", S, "core table of the record", required=True),
        Column("record_id", S, "its id", required=True),
        Column(
            "missing_kind",
            S,
            "what is not known; record: which of several of its own id it is",
            required=True,
            closed=(
                "clinic",
                "device",
                "protocol",
                "patient",
                "session",
                "course",
                "merge_target",
                "record",
            ),
        ),
        Column("missing_id", S, "its id", required=True),
        Column("event_id", S, "event", required=True),
        Column("source", S, "its source", required=True),
    ),
    ("table", "record_id", "missing_kind", "event_id", "source"),
)

IDENTITIES = Table(
    "core",
    "identities",
    "One row an event of a record id that stands for more than one thing (two clinics that number alike), and what core "
    "calls it. Of a patient who was split or transferred also the clinic, without an event.",
    (
        Column("topic", S, "topic's middle part", required=True),
        Column("record_id", S, "the record's id as it was sent", required=True),
        Column("name", S, "what core and mart call the thing; null where the event fits several"),
        Column("is_active", B, "the thing counts: it was not entered in error", required=True),
        Column("clinic_id", S, "the event's clinic"),
        Column("patient_id", S, "the event's patient, as core names them"),
        Column("device_id", S, "the event's device, as core names it"),
        Column("source", S, "source of the event"),
        Column("event_id", S, "id of the event"),
    ),
    ("topic", "record_id", "source", "event_id", "clinic_id"),
)

CONFLICT_KINDS = {
    "copy_differs": "another event with the same source and id and other content: the first landed counts",
    "clash": "two things with one id: both count, under the names given here",
    "re_entry": "a record that was entered in error and entered again: it counts",
    "superseded": "a record that lost to a later one which is no plain revision of it, and differs",
}

CONFLICTS = Table(
    "core",
    "conflicts",
    "Events that contradict others of the same id, and what was made of it.",
    (
        Column(
            "kind",
            S,
            "; ".join(f"{k}: {text}" for k, text in CONFLICT_KINDS.items()),
            required=True,
            closed=tuple(CONFLICT_KINDS),
        ),
        Column("topic", S, "topic's middle part", required=True),
        Column("record_id", S, "the record's id as it was sent"),
        Column("name", S, "what core and mart call it; null where the event does not count"),
        Column("clinic_id", S, "the event's clinic"),
        Column("patient_id", S, "the event's patient, as it was sent"),
        Column("event_id", S, "id of the event", required=True),
        Column("source", S, "source of the event", required=True),
        Column("kafka_topic_id", S, "id of the event's topic", required=True),
        Column("kafka_partition", pl.Int32, "partition of the event", required=True),
        Column("kafka_offset", I, "its offset", required=True),
        Column("ingested_at", T, "when it was landed", required=True),
        Column("differs", Json, "fields that differ: name to [what counts, what this event says]"),
    ),
    ("kind", "topic", "event_id", "source", "kafka_topic_id", "kafka_partition", "kafka_offset"),
)

LIKELY_DOUBLES = Table(
    "core",
    "likely_doubles",
    "One row a session that is likely another record of an earlier one: of the same patient or on the same device, at "
    "equal or overlapping times. Both stay counted.",
    (
        Column("session_id", S, "session", required=True),
        Column("double_of", S, "the earlier session", required=True),
        Column("same", S, "what both have in common", required=True, closed=("patient", "device")),
        Column("patient_id", S, "patient of the session", required=True),
        Column("clinic_id", S, "clinic of the session", required=True),
        Column("device_id", S, "device of the session"),
        Column("started_at", T, "its start", required=True),
    ),
    ("session_id",),
)

IMPLAUSIBLE = Table(
    "core",
    "implausible",
    "What is well formed and can't be true, one row a record, field and rule; the field is null in core.",
    (
        Column("table", S, "table of the record", required=True),
        Column("record_id", S, "its id; of a series the event's", required=True),
        Column("field", S, "field that can't be true", required=True),
        Column("rule", S, "rule that it breaks", required=True),
        Column("sentence", S, "the rule in words", required=True),
        Column("found", S, "what was sent"),
        Column("against", S, "the field that it is held against, and that one's value"),
        Column("clinic_id", S, "the record's clinic"),
        Column("patient_id", S, "the record's patient"),
        Column("is_safety", B, "of a safety topic, or a death", required=True),
        Column(
            "is_contradiction",
            B,
            "another record says otherwise; which of the two is wrong is not known",
            required=True,
        ),
        Column(
            "is_set_aside",
            B,
            "the whole record counts nowhere until one of the two is corrected",
            required=True,
        ),
        Column("event_id", S, "event", required=True),
        Column("source", S, "its source", required=True),
        Column("ingested_at", T, "when it was landed", required=True),
    ),
    ("table", "record_id", "field", "rule", "source", "event_id"),
)

DATA_CUT = Table(
    "core",
    "data_cut",
    "One row: what core and mart were last computed from.",
    (
        Column("lake_snapshot", I, "snapshot of the lake", required=True),
        Column(
            "data_cutoff",
            T,
            "newest plausible event time, capped at the time it was ingested",
            required=True,
        ),
        Column("records", I, "records landed or set aside up to it", required=True),
        Column("started_at", T, "when the computation began", required=True),
    ),
    ("lake_snapshot",),
)
