"""What the verbs of the day's work print and publish: before the session, who else was on a device,
out of use.

Here: opening the lake, asking ingest/alerting, rows for printing. Not here: the lists themselves.
"""

from datetime import UTC, date, datetime

import polars as pl

from ingest import stream
from ingest.alerting.lists import before_sessions, on_device
from ingest.alerting.out_of_use import back_in_use, out_of_use
from ingest.lake import Lake
from transforms.errors import UsageError

from .telling import tell

_BEFORE = (
    "day",
    "clinic_id",
    "patient_id",
    "expected",
    "why",
    "modality",
    "device_id",
    "sessions_done",
    "prescribed_sessions",
    "last_session_at",
    "not_before",
    "screened_at",
    "is_grave",
    "concerns",
)
_IN_TABLE = ("day", "clinic_id", "patient_id", "expected", "why", "device_id", "is_grave")


def list_before(settings, *, clinic: str | None, is_all: bool, format: str) -> pl.DataFrame:
    """One row per patient and day, for a table fewer columns; without `is_all` only the likely
    ones and those with something to be looked at.
    """
    with Lake.open(settings, read_only=True) as lake:
        listed = before_sessions(lake, now=datetime.now(UTC), options=settings.options)
    if clinic is not None and clinic not in listed.clinics["clinic_id"]:
        raise UsageError(
            f"found no clinic {clinic!r}, expected one of {', '.join(listed.clinics['clinic_id'].sort())}"
        )
    rows = listed.people if clinic is None else listed.people.filter(pl.col("clinic_id") == clinic)
    if not is_all:
        rows = rows.filter((pl.col("expected") == "likely") | (pl.col("concerns").list.len() > 0))
    if format != "table":
        return rows.select(_BEFORE)
    return rows.select(*_IN_TABLE, pl.col("concerns").list.join("; "))


def list_who_else(
    settings, *, alert_id: str | None, device_id: str | None
) -> tuple[str, pl.DataFrame]:
    """What the list is of, in a sentence, and one row per session."""
    if (alert_id is None) == (device_id is None):
        raise UsageError(
            "found an alert and a device, or neither, expected one: ALERT_ID or --device DEVICE_ID"
        )
    with Lake.open(settings, read_only=True) as lake:
        on_it = on_device(
            lake,
            device_id=device_id,
            alert_id=alert_id,
            now=datetime.now(UTC),
            options=settings.options,
        )
    return on_it.in_words(), on_it.sessions


def say_of_device(settings, device_id: str, *, from_on: date | None, by: str, why: str) -> None:
    """Publishes that the device is out of use from a day on; with no day, that it is in use
    again.
    """
    now = datetime.now(UTC)
    statement = {"by": by, "why": why, "now": now, "options": settings.options}
    with Lake.open(settings, read_only=True) as lake:
        event = (
            out_of_use(lake, device_id, from_on=from_on, **statement)
            if from_on
            else back_in_use(lake, device_id, **statement)
        )
    stream.publish(settings, [event])
    state = f"out of use from {from_on} on" if from_on else "in use again"
    tell(f"device {device_id} is {state} once the change has landed")
