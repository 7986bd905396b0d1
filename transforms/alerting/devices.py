"""A device as those need to know it who use it: out of use by its register or a person's word, its
checks, what it lacks.

Here: frames of devices and deficiencies. Not here: sessions on it as a cause of alerts
(sessions.py), who else was on it (who_else.py), writing a person's word down
(ingest/alerting/out_of_use.py).

What a person here says of a device outlasts a register that says nothing of it: a record that the
register sends later, with its own fields alone, would else put the device back into use without
anybody's having said so.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from ..records.current import ENTERED_IN_ERROR
from ..schemas import TIMESTAMP

BY_PEOPLE = "/floe"  # the source of what people say of a device here

SPELLS = pl.Schema(
    {
        "device_id": pl.String,
        "from_on": pl.Date,
        "until_at": TIMESTAMP,
        "by": pl.String,
        "why": pl.String,
    }
)
# Which devices' series name a session: each pair once.
BY_SERIES = pl.Schema({"session_id": pl.String, "device_id": pl.String})
TO_SEE = pl.Schema(
    {
        "device_id": pl.String,
        "clinic_id": pl.String,
        "kind": pl.String,
        "modality": pl.String,
        "manufacturer": pl.String,
        "model": pl.String,
        "calibrated_on": pl.Date,
        "calibration_due_on": pl.Date,
        "out_from": pl.Date,
        "out_by": pl.String,
        "out_why": pl.String,
        "deficiencies": pl.Int64,
        "could_have_harmed": pl.Int64,
    }
)


def as_sent(devices: pl.DataFrame, identities: pl.DataFrame) -> pl.DataFrame:
    """Rows of raw.devices with `name`, what core calls the device; null where the row fits several.

    `identities`: core.identities.
    """
    clashing = identities.filter(pl.col("topic") == "devices").select(
        "source", "event_id", "name", _clashes=True
    )
    named = devices.join(clashing, on=["source", "event_id"], how="left", maintain_order="left")
    name = pl.when(pl.col("_clashes").is_null()).then("device_id").otherwise("name")
    return named.with_columns(name=name).drop("_clashes")


def spells(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns of SPELLS: from which day to which moment a person took a device out of use; null =
    it still is.

    `rows`: of `as_sent`, all of each device. A later word that it is out corrects the
    day of the one before.
    """
    words = rows.filter(
        pl.col("source") == BY_PEOPLE,
        pl.col("record_status").fill_null("active") != ENTERED_IN_ERROR,
    ).unique("event_id", keep="first", maintain_order=True)
    words = words.with_columns(at=pl.coalesce("recorded_at", "ingested_at")).sort(
        "name", "at", "revision", "event_id"
    )
    of_devices: list[dict] = []
    for row in words.select(
        "name", "at", "retired_on", "recorded_by_role", "retired_reason"
    ).iter_rows(named=True):
        is_open = (
            bool(of_devices)
            and of_devices[-1]["device_id"] == row["name"]
            and of_devices[-1]["until_at"] is None
        )
        if row["retired_on"] is None:
            if is_open:
                of_devices[-1]["until_at"] = row["at"]
            continue
        if is_open:
            of_devices.pop()
        word = {"by": row["recorded_by_role"], "why": row["retired_reason"]}
        of_devices.append(
            {"device_id": row["name"], "from_on": row["retired_on"], "until_at": None} | word
        )
    return pl.DataFrame(of_devices, schema=SPELLS)


def devices_to_see(
    devices: pl.DataFrame, deficiencies: pl.DataFrame, spells: pl.DataFrame
) -> pl.DataFrame:
    """One row per device, columns of TO_SEE. `out_from`: the first day out of use; null = in use.

    `deficiencies`: how many of them since the day of the last calibration, all where none is on
    record; `could_have_harmed`: those of them that could have led to a serious adverse event.
    """
    standing = spells.filter(pl.col("until_at").is_null()).select(
        "device_id", _from="from_on", out_by="by", out_why="why"
    )
    each = deficiencies.join(devices.select("device_id", "calibrated_on"), on="device_id")
    since = pl.col("calibrated_on").is_null() | (
        pl.col("occurred_at").dt.date() >= pl.col("calibrated_on")
    )
    lacks = (
        each.filter(since.fill_null(True))
        .group_by("device_id")
        .agg(
            deficiencies=pl.len().cast(pl.Int64),
            could_have_harmed=pl.col("could_have_led_to_sae").fill_null(False).sum().cast(pl.Int64),
        )
    )
    frame = devices.join(standing, on="device_id", how="left").join(
        lacks, on="device_id", how="left"
    )
    frame = frame.with_columns(
        out_from=pl.min_horizontal("retired_on", "_from"),
        deficiencies=pl.col("deficiencies").fill_null(0),
        could_have_harmed=pl.col("could_have_harmed").fill_null(0),
    )
    return frame.select(TO_SEE.names()).cast(dict(TO_SEE)).sort("device_id")


@dataclass(frozen=True)
class Window:
    """The days on which a device may have been wrong: from that of the last good check (None: none
    is known, so since ever) to that of the next (None: until now), both included, for of a check
    only its day is known.
    """

    since: date | None
    until: date | None


def window(
    rows: pl.DataFrame, *, device_id: str, today: date, wrong_on: date | None = None
) -> Window:
    """Between which checks a device was, on the day `wrong_on` of what is wrong with it, or now.

    A check is a calibration (`calibrated_on`) of one of the device's records. One on the day itself
    may have come after what was wrong, and because of it: the one before counts. A day later than
    the newest record's is no check: it was corrected. Without one in the newest record none is
    known.
    """
    records = rows.filter(
        pl.col("name") == device_id, pl.col("record_status").fill_null("active") != ENTERED_IN_ERROR
    ).sort(pl.coalesce("recorded_at", "ingested_at"), "ingested_at", "revision", nulls_last=False)
    newest = records["calibrated_on"].to_list()[-1:]
    last = newest[0] if newest else None
    days = [
        day
        for day in records["calibrated_on"].drop_nulls().unique()
        if last and day <= min(last, today)
    ]
    if wrong_on is None:
        return Window(max(days, default=None), None)
    earlier = [day for day in days if day < wrong_on]
    later = [day for day in days if day > wrong_on]
    return Window(max(earlier, default=None), min(later, default=None))
