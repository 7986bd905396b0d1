"""The events of raw that may clash: those of ids on which source, patient or clinic differ.

Here: the SQL text of each topic. Not here: which of them are one thing (clashes.py).
"""

from ..schemas import RAW_TABLES, TOPIC_BY_NAME
from .current import IDENTITY, LANDED

# When a thing happened; what has none (a prescription, a device) is the same on whatever day two
# sources say.
MOMENT = {
    "patient_status": "effective_on",
    "consents": "effective_at",
    "consults": "occurred_at",
    "screenings": "occurred_at",
    "sessions": "started_at",
    "walking_bouts": "started_at",
    "performance_tests": "performed_at",
    "responses": "answered_at",
    "adverse_events": "onset_at",
    "deficiencies": "occurred_at",
    "incidents": "occurred_at",
    "care": "occurred_at",
}
_COMPARED = ("source", "patient_id", "clinic_id")
_WHOLE = ("patient_status", "patients", "devices")


def contested(name: str) -> str:
    """SQL for the events of `raw.NAME` whose record id differs in source, patient or clinic; of
    registers all.

    Columns: `record_id`, `effective_from` (protocols, else null), `patient_id`, `clinic_id`,
    `device_id`, `moment`, `revision`, `recorded_at`, `record_status`, the identity and position of
    the event.
    """
    record_id, columns = TOPIC_BY_NAME[name].record_id, RAW_TABLES[name].names
    optional = {
        c: c for c in ("patient_id", "clinic_id", "device_id") if c in columns and c != record_id
    }
    optional |= {"moment": MOMENT[name]} if name in MOMENT else {}
    optional |= {"effective_from": "effective_from"} if name == "protocols" else {}
    fields = [
        f'CAST("{column}" AS {_TYPES.get(c, "VARCHAR")}) AS {c}' for c, column in optional.items()
    ]
    fields += [
        f"CAST(NULL AS {_TYPES.get(c, 'VARCHAR')}) AS {c}" for c in _OPTIONAL if c not in optional
    ]
    fields += [
        "utc_offset_min",
        "revision",
        "recorded_at",
        "record_status",
        *(f'"{c}"' for c in (*IDENTITY, *LANDED)),
    ]
    select = f'SELECT "{record_id}" AS record_id, {", ".join(fields)} FROM raw."{name}"'
    if name in _WHOLE:
        return select
    differ = [f'min("{c}") <> max("{c}")' for c in _COMPARED if c in ("source", *optional)]
    ids = f'SELECT "{record_id}" FROM raw."{name}" GROUP BY "{record_id}" HAVING {" OR ".join(differ)}'
    events = f'SELECT "source", event_id FROM raw."{name}" SEMI JOIN ({ids}) USING ("{record_id}")'
    return f'{select} SEMI JOIN ({events}) USING ("source", event_id)'


_OPTIONAL = ("patient_id", "clinic_id", "device_id", "moment", "effective_from")
_TYPES = {"moment": "TIMESTAMPTZ", "effective_from": "TIMESTAMPTZ"}
