"""Whom a landed record touches: the patients whose alerts may change, and all their rows.

Here: from new rows to patients, devices and single records, and to the rows by which they are
judged whole. Not here: following the lake (kept.py), the judgement (transforms/alerting).

A patient is touched by own records, by a merge, by whoever shares the id of one of the records, and
by a register that says how the patient's sessions are judged: a device, a protocol, a clinic's
clock. A mark of error needs no more than the record's id: it is of every patient who has a record
under it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from transforms.rules.reportable import reportable_events
from transforms.schemas import RAW_TABLES, TOPIC_BY_NAME

from .kept import TABLES, Kept

_OF_PATIENTS = tuple(
    name for name in TABLES if "patient_id" in RAW_TABLES[name].names and name != "retractions"
)
_REGISTERS = ("clinics", "devices", "protocols")
_SINGLE = ("deficiencies", "incidents")
HARM = ("adverse_events", *_SINGLE)
HARM_FIRST = (
    "clinics",
    "devices",
    "patients",
    "patient_status",
    "sessions",
    *HARM,
)  # by which harm is judged
_ROUNDS = 5  # of following shared ids and merges
# The patients whose sessions a register's new row may judge otherwise.
_BY_REGISTER = {
    "devices": """
        WITH uses AS (
            SELECT patient_id, device_id, greatest(started_at, ingested_at) AS latest_at FROM raw.sessions
            UNION ALL SELECT s.patient_id, t.device_id, greatest(s.started_at, s.ingested_at)
            FROM raw.telemetry t JOIN raw.sessions s ON s.session_id = t.session_id
            WHERE t.device_id IN (SELECT device_id FROM new) AND s.device_id IS DISTINCT FROM t.device_id)
        SELECT DISTINCT s.patient_id FROM uses s JOIN new ON s.device_id = new.device_id
        WHERE s.latest_at >= least(new.retired_on, new.calibration_due_on) OR new.record_status = 'entered_in_error'
            OR EXISTS (FROM raw.devices d WHERE d.device_id = new.device_id
                AND s.latest_at >= least(d.retired_on, d.calibration_due_on))""",
    "protocols": """
        SELECT DISTINCT s.patient_id FROM raw.sessions s LEFT JOIN raw.courses c ON s.course_id = c.course_id
        JOIN new ON coalesce(s.protocol_id, c.protocol_id) = new.protocol_id""",
    "clinics": """
        SELECT DISTINCT s.patient_id FROM raw.sessions s JOIN new ON s.clinic_id = new.clinic_id
        WHERE (SELECT count(*) FROM raw.clinics c WHERE c.clinic_id = new.clinic_id) > 1""",
    "telemetry": "SELECT DISTINCT s.patient_id FROM raw.sessions s JOIN new ON s.session_id = new.session_id",
    "retractions": """
        SELECT DISTINCT s.patient_id FROM raw.sessions s JOIN raw.telemetry t ON s.session_id = t.session_id
        JOIN new ON t.started_at >= new."from" AND t.started_at <= new."to" + INTERVAL 1 DAY""",
}


def _sharing(name: str) -> str:
    """Who has a record under an id under which one of the patients has one."""
    record_id = TOPIC_BY_NAME[name].record_id
    return f"""SELECT patient_id FROM raw."{name}" WHERE {record_id} IN
        (SELECT {record_id} FROM raw."{name}" WHERE patient_id IN (FROM theirs))"""


# One statement, for a look is made of many: whom a merge joins to the patients of `known`, and with
# whom they share ids.
_OF_OWN_ID = ("patient_id", "device_id")
_RELATIVES = "WITH theirs AS MATERIALIZED (FROM known) " + " UNION ".join(
    [
        "SELECT patient_id FROM raw.patient_status WHERE merged_into IN (FROM theirs)",
        "SELECT merged_into FROM raw.patient_status WHERE patient_id IN (FROM theirs)",
        *(
            _sharing(name)
            for name in _OF_PATIENTS
            if TOPIC_BY_NAME[name].record_id not in _OF_OWN_ID
        ),
    ]
)


# Events of which no report is on record: though nothing lands, it may be due.
_UNREPORTED = """
SELECT * FROM raw.adverse_events e WHERE reported_at IS NULL
    AND NOT EXISTS (FROM raw.adverse_events l WHERE l.ae_id = e.ae_id AND l.patient_id = e.patient_id
        AND l.reported_at IS NOT NULL AND l.ingested_at >= e.ingested_at)"""


@dataclass(frozen=True)
class Touched:
    """`patients`, `devices`: their ids; `single`: ids of deficiencies and incidents, by table."""

    patients: frozenset[str]
    devices: frozenset[str]
    single: Mapping[str, frozenset[str]]

    def __or__(self, other: "Touched") -> "Touched":
        names = self.single.keys() | other.single.keys()
        return Touched(
            self.patients | other.patients,
            self.devices | other.devices,
            {
                name: self.single.get(name, frozenset()) | other.single.get(name, frozenset())
                for name in names
            },
        )


NOBODY = Touched(frozenset(), frozenset(), {})


def touched(kept: Kept, new: Mapping[str, pl.DataFrame]) -> Touched:
    """Whom the new rows touch; `kept` has taken them in."""
    patients: set[str] = set()
    for name, frame in new.items():
        if name in _OF_PATIENTS:
            patients |= _ids(frame, "patient_id") | _of_no_patient(kept, name, frame)
        if name in _BY_REGISTER:
            patients |= _ids(kept.query(_BY_REGISTER[name], new=frame), "patient_id")
    single = {
        name: frozenset(_ids(new[name], TOPIC_BY_NAME[name].record_id))
        for name in _SINGLE
        if name in new
    }
    devices = frozenset(_ids(new["devices"], "device_id")) if "devices" in new else frozenset()
    return Touched(frozenset(_with_relatives(kept, patients)), devices, single)


def _of_no_patient(kept: Kept, name: str, new: pl.DataFrame) -> set[str]:
    """Whose records the new ones mean that name no patient."""
    record_id = TOPIC_BY_NAME[name].record_id
    ids = _ids(new.filter(pl.col("patient_id").is_null()), record_id)
    if not ids:
        return set()
    of_id = f'SELECT DISTINCT patient_id FROM raw."{name}" WHERE {record_id} IN (FROM ids)'
    return _ids(kept.query(of_id, ids=_frame(ids)), "patient_id")


def harmed(kept: Kept, new: Mapping[str, pl.DataFrame]) -> Touched | None:
    """Of whom the new rows tell harm, or correct what was told of it; None = of nobody."""
    of_harm = {name: new[name] for name in HARM if name in new}
    if not of_harm:
        return None
    return touched(kept, of_harm)


def touched_by_time(kept: Kept) -> Touched:
    """Whose reports may have come to be due since the last look."""
    single = {
        name: frozenset(
            _ids(kept.query(f"SELECT * FROM raw.{name}"), TOPIC_BY_NAME[name].record_id)
        )
        for name in _SINGLE
    }
    patients = _ids(reportable_events(kept.query(_UNREPORTED)), "patient_id")
    return Touched(frozenset(_with_relatives(kept, patients)), frozenset(), single)


def _with_relatives(kept: Kept, patients: set[str]) -> set[str]:
    """The patients, those that are or became one of them, and those whose records have an id of
    theirs.
    """
    for _ in range(_ROUNDS):
        before = len(patients)
        ids = pl.DataFrame({"patient_id": sorted(patients)}, schema={"patient_id": pl.String})
        patients = patients | _ids(kept.query(_RELATIVES, known=ids), "patient_id")
        if len(patients) == before:
            break
    return patients


def _ids(frame: pl.DataFrame, column: str) -> set[str]:
    return set(frame[column].drop_nulls().unique())


def rows_of(kept: Kept, whom: Touched) -> dict[str, pl.DataFrame]:
    """All rows of raw by which they are judged: the registers, the patients' own and their
    relatives', single records.
    """
    wanted = dict.fromkeys(_REGISTERS, "true")
    wanted |= {name: of_patients(name) for name in _OF_PATIENTS}
    wanted["telemetry"] = (
        "session_id IN (SELECT session_id FROM raw.sessions WHERE patient_id IN (FROM patients))"
    )
    wanted["retractions"] = "true"
    relatives = _with_relatives(kept, set(whom.patients))
    return kept.rows_of(wanted | _singles(), patients=_frame(relatives), **_single_ids(whom))


def harm_rows_of(kept: Kept, whom: Touched) -> dict[str, pl.DataFrame]:
    """Of `rows_of` those by which harm is judged; `whom`: with all their relatives, as `harmed`
    gives them.
    """
    wanted = {"clinics": "true", "devices": "true"}
    wanted |= {name: of_patients(name) for name in ("patients", "patient_status", "adverse_events")}
    wanted["sessions"] = (
        f"({of_patients('sessions')}) AND session_id IN "
        "(SELECT session_id FROM raw.adverse_events WHERE clinic_id IS NULL OR device_id IS NULL)"
    )
    return kept.rows_of(wanted | _singles(), patients=_frame(whom.patients), **_single_ids(whom))


def of_patients(name: str) -> str:
    """The patients' rows, and those that name no patient and mean one of theirs."""
    record_id, theirs = TOPIC_BY_NAME[name].record_id, "patient_id IN (FROM patients)"
    if record_id in _OF_OWN_ID:
        return theirs
    return f'{theirs} OR (patient_id IS NULL AND {record_id} IN (SELECT {record_id} FROM raw."{name}" WHERE {theirs}))'


def _singles() -> dict[str, str]:
    return {name: f"{TOPIC_BY_NAME[name].record_id} IN (FROM {name}_ids)" for name in _SINGLE}


def _single_ids(whom: Touched) -> dict[str, pl.DataFrame]:
    return {f"{name}_ids": _frame(whom.single.get(name, frozenset())) for name in _SINGLE}


def _frame(ids: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": sorted(ids)}, schema={"id": pl.String})
