"""Tables of `core` with a row a thing: what of each topic counts.

Here: their columns, which follow from the topic. Not here: which record counts (transforms/records/current.py).
"""

from dataclasses import replace

from ..base import Column, Outside, Table
from ..raw import ENVELOPE, TOPICS, data_columns
from .columns import B, D, T

_LINEAGE = tuple(
    c
    for c in ENVELOPE
    if c.name in ("event_id", "source", "event_time", "utc_offset_min", "ingested_at")
)

_GIVEN = Column(
    "is_recorded_at_given",
    B,
    "recorded_at was sent; where not, it is the event's time",
    required=True,
)

_ASIDE = Column(
    "is_set_aside",
    B,
    "it contradicts the patient's death: its moments are null until one is corrected (core.implausible)",
)

_ALLOCATED = Column(
    "is_allocated",
    B,
    "an arm or a day of allocation is on record; it stands while the study's arms are masked",
)
_ALLOCATING = ("patients", "study_enrolments")

# Records that are of no person, and what of them a reader from outside sees
_OPEN = {
    "clinics": {
        "clinic_id": Outside.KEY,
        "name": Outside.OPEN,
        "country": Outside.OPEN,
        "timezone": Outside.OPEN,
    },
}


def _core_table(topic) -> Table:
    """What can't be true is null in core, so no moment, day or time zone of raw is required
    here.
    """
    data = (*(c for c in data_columns(topic) if not c.name.startswith("record_status")), _GIVEN)
    columns = (
        *data,
        *_LINEAGE,
        *((_ASIDE,) if _is_lived(topic) else ()),
        *((_ALLOCATED,) if topic.name in _ALLOCATING else ()),
    )
    open_columns = _OPEN.get(topic.name, {})
    columns = (replace(c, outside=open_columns.get(c.name, c.outside)) for c in columns)
    return Table(
        "core",
        topic.name,
        f"{topic.comment} One row a {topic.record_id}: the revision that counts; "
        "entries in error are left out, what can't be true is null (core.implausible).",
        tuple(_maybe_null(c) for c in columns),
        (topic.record_id,),
    )


def _is_lived(topic) -> bool:
    return topic.record_id != "patient_id" and any(c.name == "patient_id" for c in topic.fields)


def _maybe_null(column: Column) -> Column:
    is_judged = column.dtype in (D, T) or column.name == "timezone"
    return replace(
        column, required=column.required and (not is_judged or column.name == "ingested_at")
    )


# A protocol has a row a version: a session is judged by the one in force at its start.
CORE_RECORDS: dict[str, Table] = {t.name: _core_table(t) for t in TOPICS if not t.is_series}
CORE_RECORDS["protocols"] = Table(
    "core",
    "protocols",
    "Protocol versions, one row a protocol and moment in force from.",
    tuple(
        replace(c, required=c.required or c.name == "effective_from")
        for c in CORE_RECORDS["protocols"].columns
    ),
    ("protocol_id", "effective_from"),
)

CORE_RECORDS["study_enrolments"] = replace(
    CORE_RECORDS["study_enrolments"],
    comment="Patients in studies, one row an enrolment: explicit ones, and the short form of a patient's record "
    "(study_id, arm; its id is STUDY:PATIENT) where the patient has no explicit one in that study.",
)
