"""Core of some patients and devices from raw as it stands, for lists that can't wait until figures
are computed.

Here: which rows of the lake, and core of them in memory. Not here: the watcher's own memory
(kept.py), the lists (transforms/alerting), who may see them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from transforms.alerting.devices import as_sent
from transforms.options import Options
from transforms.schemas import RAW_TABLES, TOPIC_BY_NAME

from ..lake import Lake
from ..lake_in_memory import MemoryLake
from .touched import of_patients

REGISTERS = ("clinics", "devices", "protocols")
OF_PATIENTS = (
    "patients",
    "patient_status",
    "courses",
    "consults",
    "screenings",
    "sessions",
    "adverse_events",
)
OF_DEVICES = ("deficiencies",)
TABLES = (*REGISTERS, *OF_PATIENTS, *OF_DEVICES)


@dataclass(frozen=True)
class AtHand:
    """`core`: frames of TABLES, and of `telemetry_sessions` where series were asked for;
    `devices_as_sent`: all rows of raw.devices, with `name`, what core calls the device.
    """

    core: dict[str, pl.DataFrame]
    devices_as_sent: pl.DataFrame


def at_hand(
    lake: Lake, patients: Iterable[str], *, options: Options, series: pl.DataFrame | None = None
) -> AtHand:
    """Core of the patients of these ids as sent, of those whose records they share or are merged
    with, of all registers.

    `series`: rows of raw.telemetry for the sessions among them.
    """
    ids = _frame(_with_relatives(lake, set(patients)))
    rows = {name: _rows(lake, name, "true") for name in (*REGISTERS, *OF_DEVICES)}
    rows |= {name: _rows(lake, name, of_patients(name), patients=ids) for name in OF_PATIENTS}
    names = TABLES
    if series is not None:
        rows |= {"telemetry": series, "retractions": _rows(lake, "retractions", "true")}
        names = (*TABLES, "telemetry_sessions")
    with MemoryLake() as memory:
        memory.land(rows)
        core = memory.compute((*names, "identities"), options=options)
    return AtHand(core, as_sent(rows["devices"], core["identities"]))


def _rows(lake: Lake, name: str, condition: str, **frames: pl.DataFrame) -> pl.DataFrame:
    return RAW_TABLES[name].conform(
        lake.sql(f'SELECT * FROM raw."{name}" WHERE {condition}', None, **frames)
    )


def _with_relatives(lake: Lake, patients: set[str]) -> set[str]:
    """The patients, those that are or became one of them, and those whose records have an id of
    theirs.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for group, patient in lake.sql(_RELATIVES).drop_nulls().iter_rows():
        groups[group].add(patient)
    while True:
        near = {patient for group in groups.values() if group & patients for patient in group}
        if near <= patients:
            return patients
        patients = patients | near


def _sharing(name: str) -> str:
    record_id = TOPIC_BY_NAME[name].record_id
    shared = (
        f'SELECT {record_id} FROM raw."{name}" GROUP BY 1 HAVING min(patient_id) <> max(patient_id)'
    )
    return f"""SELECT DISTINCT '{name}/' || {record_id} AS of, patient_id FROM raw."{name}" WHERE {record_id} IN ({shared})"""


# What makes patients relatives, and each of whom it does: a merge, an id of several patients'
# records.
_RELATIVES = " UNION ALL ".join(
    (
        "SELECT 'merge/' || status_id AS of, patient_id FROM raw.patient_status WHERE merged_into IS NOT NULL",
        "SELECT 'merge/' || status_id AS of, merged_into FROM raw.patient_status WHERE merged_into IS NOT NULL",
        *(_sharing(name) for name in OF_PATIENTS if name != "patients"),
    )
)


def _frame(ids: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": sorted(ids)}, schema={"id": pl.String})
