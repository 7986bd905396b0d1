"""The lists that people work by, from what has landed until now: before the session, and who else
was on a device.

Here: which patients and series each wants, and what each was made of. Not here: the rules
(transforms/alerting), reading their rows (at_hand.py), showing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from transforms.alerting.before import before
from transforms.alerting.devices import Window, devices_to_see, spells, window
from transforms.alerting.who_else import who_else
from transforms.counting import counted
from transforms.errors import UsageError
from transforms.options import Options
from transforms.schemas import RAW_TABLES

from ..lake import Lake
from .at_hand import AtHand, at_hand
from .standing import alerts

_UNDER_WAY = """
SELECT patient_id FROM raw.sessions WHERE started_at >= $1
UNION SELECT patient_id FROM raw.courses WHERE starts_on >= CAST($1 AS DATE)"""
_ON_DEVICE = """
SELECT patient_id FROM raw.sessions WHERE device_id IN (FROM sent) OR session_id IN (FROM of_series)
UNION SELECT patient_id FROM raw.adverse_events WHERE device_id IN (FROM sent)"""
_MARGIN = timedelta(days=2)  # between a clinic's days and moments


@dataclass(frozen=True)
class Before:
    """`people`: of `transforms.alerting.before.before`; `devices`: of `devices_to_see`; as of
    `at`.
    """

    people: pl.DataFrame
    devices: pl.DataFrame
    clinics: pl.DataFrame
    at: datetime


def before_sessions(lake: Lake, *, now: datetime, options: Options) -> Before:
    """The list of today and tomorrow of every clinic."""
    since = now - timedelta(days=options.course_gap_days) - _MARGIN
    patients = lake.sql(_UNDER_WAY, [since])["patient_id"].to_list()
    core = at_hand(lake, patients, options=options)
    out = spells(core.devices_as_sent)
    return Before(
        people=before(core.core, out, now=now, options=options),
        devices=devices_to_see(core.core["devices"], core.core["deficiencies"], out),
        clinics=core.core["clinics"].select("clinic_id", "name", "timezone"),
        at=now,
    )


@dataclass(frozen=True)
class OnDevice:
    """`sessions`: of `transforms.alerting.who_else.who_else`; `device`: its row of
    `devices_to_see`, None where no record describes it; `wrong_at`: when what the alert tells of
    happened.
    """

    device_id: str
    device: dict | None
    spells: pl.DataFrame
    within: Window
    wrong_at: datetime | None
    sessions: pl.DataFrame
    at: datetime

    def in_words(self) -> str:
        """Of what the list is: which days, by which checks, how many, and what is not known."""
        since = (
            f"since its last good check known, {self.within.since:%-d %b %Y}"
            if self.within.since
            else ("of all time, for no good check of it is known")
        )
        if self.wrong_at:
            since += f", before what the alert tells of ({self.wrong_at:%-d %b %Y})"
        until = f" to the next, {self.within.until:%-d %b %Y}" if self.within.until else ""
        held = self.sessions.drop_nulls("session_id")
        patients = self.sessions["patient_id"].n_unique()
        return (
            f"Device {self.device_id}: {counted(held.height, 'session')} of {counted(patients, 'patient')} {since}{until}. "
            "Of a check only its day is known: sessions of that day are among them."
        )


def devices(lake: Lake, *, options: Options) -> pl.DataFrame:
    """Every device that a record describes, columns of `devices_to_see`."""
    core = at_hand(lake, (), options=options)
    return devices_to_see(
        core.core["devices"], core.core["deficiencies"], spells(core.devices_as_sent)
    )


def on_device(
    lake: Lake,
    *,
    device_id: str | None = None,
    alert_id: str | None = None,
    now: datetime,
    options: Options,
) -> OnDevice:
    """Every session on the device since its last good check, of an alert: its device's, since the
    check before it.

    Raises UsageError for a device that nothing names, an id that is of several, an alert without a
    device.
    """
    wrong_at = None
    if alert_id is not None:
        device_id, wrong_at = _of_alert(lake, alert_id)
    registers = at_hand(lake, (), options=options)
    device_id, sent = _named(lake, registers, device_id)
    within = window(
        registers.devices_as_sent,
        device_id=device_id,
        today=now.date(),
        wrong_on=wrong_at.date() if wrong_at else None,
    )
    series = _series(lake, sent, within)
    of_series = series["session_id"].unique()
    frames = {"sent": pl.DataFrame({"id": [sent]}), "of_series": pl.DataFrame({"id": of_series})}
    patients = lake.sql(_ON_DEVICE, None, **frames)["patient_id"].to_list()
    core = at_hand(lake, patients, options=options, series=series)
    out = spells(core.devices_as_sent)
    rows = devices_to_see(core.core["devices"], core.core["deficiencies"], out)
    mine = rows.filter(pl.col("device_id") == device_id)
    return OnDevice(
        device_id=device_id,
        device=mine.row(0, named=True) if mine.height else None,
        spells=out.filter(pl.col("device_id") == device_id),
        within=within,
        wrong_at=wrong_at,
        sessions=who_else(core.core, device_id=device_id, within=within, by_series=of_series),
        at=now,
    )


def _of_alert(lake: Lake, alert_id: str) -> tuple[str, datetime]:
    row = alerts(lake).filter(pl.col("alert_id") == alert_id)
    if row.is_empty():
        raise UsageError(
            f"found no alert {alert_id!r}; `floe alerts list --state all` lists those there are"
        )
    alert = row.row(0, named=True)
    device = alert["device_id"] or (
        alert["subject_id"] if alert["subject_kind"] in ("device", "silent_device") else None
    )
    if device is None:
        raise UsageError(f"found no device in the alert {alert_id!r}; ask by --device")
    return device, alert["occurred_at"]


def _named(lake: Lake, registers: AtHand, device_id: str) -> tuple[str, str]:
    """What core calls the device, and its id as sent. A device that only sessions name is called as
    they do.
    """
    names = registers.devices_as_sent.select("name", "device_id").drop_nulls().unique()
    mine = names.filter(pl.col("name") == device_id)
    mine = mine if mine.height else names.filter(pl.col("device_id") == device_id)
    if mine.height > 1:
        raise UsageError(
            f"found several devices with the id {device_id!r}, expected one of {', '.join(sorted(mine['name']))}"
        )
    if mine.height == 1:
        return mine.row(0)
    records = lake.sql(
        "SELECT 1 FROM raw.sessions WHERE device_id = $1 UNION ALL "
        "SELECT 1 FROM raw.telemetry WHERE device_id = $1 LIMIT 1",
        [device_id],
    )
    if records.is_empty():
        raise UsageError(
            f"found no device {device_id!r}: no record of a device, session or series names it"
        )
    return device_id, device_id


def _series(lake: Lake, sent: str, within: Window) -> pl.DataFrame:
    """The device's series in sessions, of the window and the days beside it."""
    conditions, params = ["device_id = $1", "session_id IS NOT NULL"], [sent]
    if within.since:
        conditions.append(f"started_at >= ${len(params) + 1}")
        params.append(within.since - _MARGIN)
    if within.until:
        conditions.append(f"started_at < ${len(params) + 1}")
        params.append(within.until + _MARGIN)
    rows = lake.sql(f"SELECT * FROM raw.telemetry WHERE {' AND '.join(conditions)}", params)
    return RAW_TABLES["telemetry"].conform(rows)
