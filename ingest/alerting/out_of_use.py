"""A device out of use, and back, by a person's word: the event that says it.

Here: the further record of the device. Not here: publishing it (stream/), what follows of it
(transforms/alerting).

It is a record of the same thing (contract, rules of one id): from a source of its own, under the id
as sent and with the device's own clinic, with every field as it stands, and written down now, so
that it counts and nothing is lost. A device whose id clashes and whose clinic does not tell it
apart is not written to: the record would fit several.
"""

from datetime import date, datetime

import polars as pl

from transforms.alerting.devices import BY_PEOPLE
from transforms.errors import UsageError
from transforms.options import Options
from transforms.plain_text import visible
from transforms.schemas import CORE_TABLES, TOPIC_BY_NAME

from ..contract import LONGEST_TERM, LONGEST_TEXT, encode, record_key
from ..lake import Lake
from .at_hand import AtHand, at_hand

Event = tuple[str, bytes, bytes]

_TOPIC = TOPIC_BY_NAME["devices"]
_FIELDS = tuple(
    column.name for column in _TOPIC.fields if column.name in CORE_TABLES["devices"].names
)
_PLANNED_YEARS = 1


def out_of_use(
    lake: Lake, device_id: str, *, from_on: date, by: str, why: str, now: datetime, options: Options
) -> Event:
    """(topic, key, value) of the word that the device is out of use from a day on. Raises
    UsageError.
    """
    if not 1990 <= from_on.year <= now.year + _PLANNED_YEARS:
        raise UsageError(f"found the day {from_on}, expected one from 1990 to next year")
    return _word(lake, device_id, by=by, why=why, retired_on=from_on, now=now, options=options)


def back_in_use(
    lake: Lake, device_id: str, *, by: str, why: str, now: datetime, options: Options
) -> Event:
    """The same of the word that it is in use again. Raises UsageError."""
    return _word(lake, device_id, by=by, why=why, retired_on=None, now=now, options=options)


def _word(
    lake: Lake,
    device_id: str,
    *,
    by: str,
    why: str,
    retired_on: date | None,
    now: datetime,
    options: Options,
) -> Event:
    by = _text(by, "who says so", longest=LONGEST_TERM)
    why = _text(why, "why", longest=LONGEST_TEXT)
    registers = at_hand(lake, (), options=options)
    row = _device(registers, device_id)
    versions = registers.devices_as_sent.filter(
        pl.col("name") == row["device_id"], pl.col("source") == BY_PEOPLE
    )
    revision = (versions["revision"].max() or 0) + 1
    data = {name: row[name] for name in _FIELDS} | _as_sent(row)
    data |= {"device_id": _sent_id(registers, row), "retired_on": retired_on, "retired_reason": why}
    data |= {"revision": revision, "recorded_at": now, "recorded_by_role": by}
    event_id = f"{row['device_id']}-{revision}-{now:%Y%m%dT%H%M%S%fZ}"
    value = encode(_TOPIC.type, data, id=event_id, source=BY_PEOPLE, time=now)
    return _TOPIC.type, record_key(_TOPIC.type, data), value


def _device(registers: AtHand, device_id: str) -> dict:
    devices = registers.core["devices"]
    rows = devices.filter(pl.col("device_id") == device_id)
    if rows.is_empty():
        names = (
            registers.devices_as_sent.filter(pl.col("device_id") == device_id)["name"]
            .drop_nulls()
            .unique()
        )
        more = f"; that id is of {', '.join(sorted(names))}" if len(names) else ""
        raise UsageError(
            f"found no device {device_id!r}, expected one that a record describes{more}"
        )
    return rows.row(0, named=True)


def _sent_id(registers: AtHand, row: dict) -> str:
    """The id as sent. UsageError where another device of the same clinic, or of none, has it
    too.
    """
    names = registers.devices_as_sent.drop_nulls("name")
    sent = names.filter(pl.col("name") == row["device_id"])["device_id"][0]
    others = registers.core["devices"].filter(
        pl.col("device_id").is_in(names.filter(pl.col("device_id") == sent)["name"].to_list()),
        pl.col("device_id") != row["device_id"],
        pl.col("clinic_id").is_null()
        | pl.col("clinic_id").eq_missing(row["clinic_id"])
        | pl.lit(row["clinic_id"] is None),
    )
    if others.height:
        raise UsageError(
            f"found several devices with the id {sent!r} that no clinic tells apart ({', '.join(others['device_id'])}): "
            "correct or mark one of the records in error first"
        )
    return sent


def _as_sent(row: dict) -> dict:
    """Values that the contract does not know, as they were sent."""
    sent = {name: row.get(f"{name}_raw") for name in _FIELDS}
    return {name: value for name, value in sent.items() if value is not None}


def _text(text: str, what: str, *, longest: int) -> str:
    text = text.strip()
    if not text or len(text) > longest or visible(text) != text:
        raise UsageError(
            f"found {visible(text[:40])!r} for {what}, expected one to {longest} characters without control characters"
        )
    return text
