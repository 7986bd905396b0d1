"""Fitbit exports (steps by the minute or hour, heart rate, days), Fitabase's and Google Takeout's forms -> devices, readings.

Here: what their columns mean and how their samples become series. Not here: reading files (tables.py), notations
(notation.py), what a reading must be (the contract).

The files have zone-less local times and the vendor's number for a person, or none where a file is of one person. Each
person has one device, `fitbit-NUMBER`, or `fitbit-PATIENT` without a number. An event's source names file, patient and
zone, so that an import can be taken back; its id is made of what is in it, so that importing a file again gives the
same events; its time is the export's last moment of that person, so that of two exports of a day the longer counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import polars as pl

from ingest.contract import EARLIEST_YEAR, LATEST_YEAR, encode, record_key
from transforms.errors import UnreadableFile, UsageError
from transforms.schemas import TOPIC_BY_NAME
from transforms.schemas.raw import METRICS

from . import notation
from .lines import Unread
from .localtime import instants, zone
from .people import people_of
from .tables import Table, read_table

SOURCE = "/imports/fitbit"
LONGEST_SERIES = 60
LONGEST_GAP_S = 60  # samples at irregular times that lie further apart are not of one series
_PERSON = "id"


@dataclass(frozen=True)
class Kind:
    """One of the vendor's files: the names that its columns have, in small letters, and what it measures.

    `interval_s`: the time that a sample stands for, which is also the spacing of a series; None = irregular.
    """

    name: str
    times: tuple[str, ...]
    values: tuple[str, ...]
    metric: str
    interval_s: int | None

    def columns_in(self, columns: list[str]) -> tuple[str, str] | None:
        """Its time and its value among these columns, or None where it has not both."""
        time = next((name for name in self.times if name in columns), None)
        value = next((name for name in self.values if name in columns), None)
        return (time, value) if time and value else None

    @property
    def shown(self) -> str:
        return f"Id, {self.times[0]}, {self.values[0]}"


KINDS = (
    Kind("minute-steps", ("ts", "activityminute", "datetime", "timestamp"), ("steps",), "step_count", 60),
    Kind("hour-steps", ("activityhour",), ("steptotal",), "step_count", 3_600),
    Kind("heart-rate", ("time", "datetime", "timestamp"), ("value", "bpm", "beats per minute"), "heart_rate", None),
    Kind(
        "daily-activity",
        ("activitydate", "activityday", "date"),
        ("totalsteps", "steptotal", "steps"),
        "daily_step_count",
        86_400,
    ),
)
_SECOND = "found a second sample of a person at one instant: the first in the file counts"
_SINGLE_S = 1.0  # interval of a series of one at an irregular time: the resolution of the export's times


def events(
    paths: Iterable[Path | str],
    *,
    timezone: str | None,
    patient: str | None = None,
    patients: Mapping[str, str] | Path | str | None = None,
    clinic: str | None = None,
    server: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    refused: Counter[str] | None = None,
    unread: Unread | None = None,
) -> Iterator[tuple[str, bytes, bytes]]:
    """The events (topic, key, value) of the files: of each person the device, then the readings in order of time.

    `timezone`: the IANA zone that the wearers' clocks showed (see localtime.instants for the hours of change);
    `patient`: of all files, or `patients`: export's id -> patient, or the file of that map; `clinic`: the devices'.
    `dates`, `decimal`: order of day and month and the decimal mark, where a file doesn't decide them (notation.py);
    `server`: is FHIR's alone. Of two samples of a person at one instant the first in the file counts; `refused` is
    told how many others there were, `unread` which lines could not be read. Every file is read at once, so that
    nothing is sent of a set of which one is no export. Raises UnreadableFile, UsageError.
    """
    if server:
        raise UsageError("found --server, expected it with fhir alone: a Fitbit export's source is its file")
    where, people = zone(timezone), people_of(patient=patient, patients=patients)
    refused, unread = Counter() if refused is None else refused, Unread() if unread is None else unread
    files = [
        _read(Path(path), where=where, alone=patient, dates=dates, decimal=decimal, refused=refused, unread=unread)
        for path in paths
    ]
    of_person = [people.of(samples["person"], place=str(path)) for path, _, samples in files]
    return _events(files, of_person, where=where, clinic=clinic)


def _events(files: list, of_person: list[dict[str, str]], *, where: ZoneInfo, clinic: str | None):
    for (path, kind, samples), patients in zip(files, of_person, strict=True):
        last = dict(samples.group_by("person").agg(pl.col("at").max()).iter_rows())
        for series in _series(samples, kind=kind, timezone=where.key).iter_rows(named=True):
            person, start = series["person"], series["started_at"].astimezone(where)
            source = _source(path, patient=patients[person], where=where)
            if series["is_first"]:
                yield _device(person, clinic=clinic, time=start, source=source)
            seen_at = last[person].astimezone(where)
            yield _reading(
                series, metric=kind.metric, patient=patients[person], start=start, time=seen_at, source=source
            )


def _source(path: Path, *, patient: str, where: ZoneInfo) -> str:
    return "/".join((SOURCE, *(quote(part, safe="") for part in (path.name, patient, where.key))))


def _read(
    path: Path,
    *,
    where: ZoneInfo,
    alone: str | None,
    dates: str | None,
    decimal: str | None,
    refused: Counter[str],
    unread: Unread,
) -> tuple[Path, Kind, pl.DataFrame]:
    """The file, its kind and its samples: `person`, `at` (UTC), `value`, in order of person and time."""
    table = read_table(path, kinds=KINDS, person=_PERSON, unread=unread)
    samples = _samples(table, path=path, alone=alone, dates=dates, decimal=decimal)
    samples = samples.with_columns(at=_instants(samples, where=where))
    good = _without_unread(samples, table=table, path=path, unread=unread)
    first = good.unique(("person", "at"), keep="first", maintain_order=True)
    if first.height < good.height:
        refused[_SECOND] += good.height - first.height
    return path, table.kind, first.select("person", "at", "value").sort("person", "at")


def _samples(table: Table, *, path: Path, alone: str | None, dates: str | None, decimal: str | None) -> pl.DataFrame:
    """`line`, `person`, `local`, `offset_min`, `value`, `is_value_lost`, and the texts that they were read from."""
    rows = table.rows
    if not table.has_person:
        if alone is None:
            raise UsageError(f"{path}: found no column Id, so the file is of one person: name the patient by --patient")
        rows = rows.with_columns(person=pl.lit(alone))
    if rows["time"].dtype == pl.String:
        times = notation.times(rows["time"], order=dates, is_vendors=table.is_vendors, place=str(path))
    else:
        local = pl.col("time").cast(pl.Datetime("us"), strict=False)
        times = rows.select(local=local, offset_min=pl.lit(None, pl.Int32), has_clock=pl.lit(True))
    value = rows["value"]
    if value.dtype == pl.String:
        thousands = "," if table.delimiter == "," else None
        value = notation.numbers(value, decimal=decimal, thousands=thousands, place=str(path))
    return rows.with_columns(times).with_columns(
        person=pl.col("person").cast(pl.String).str.strip_chars().replace("", None),
        text=pl.col("value").cast(pl.String),
        value=value.cast(pl.Float64, strict=False),
        is_value_lost=pl.col("value").is_not_null() & value.is_null(),
    )


def _instants(samples: pl.DataFrame, *, where: ZoneInfo) -> pl.Series:
    """By the wearer's clock, but where the file gives an offset of its own."""
    at = instants(samples["local"], timezone=where.key)
    if samples["offset_min"].null_count() == samples.height:
        return at
    given = samples.select(
        (pl.col("local") - pl.duration(minutes=pl.col("offset_min"))).dt.replace_time_zone("UTC").alias("at")
    )["at"]
    return at.zip_with(given.is_null(), given)


def _without_unread(samples: pl.DataFrame, *, table: Table, path: Path, unread: Unread) -> pl.DataFrame:
    """The lines that read; the others are noted. Raises UnreadableFile where none does."""
    _, low, high, _ = METRICS[table.kind.metric]
    is_step = "step" in table.kind.metric
    year = pl.col("local").dt.year()
    samples = samples.with_columns(
        why=pl.when(pl.col("person").is_null())
        .then(pl.lit("found no Id"))
        .when(pl.col("at").is_null())
        .then(pl.format("found the time {}", pl.col("time").cast(pl.String).str.slice(0, 40).fill_null("(none)")))
        .when(~pl.col("has_clock") & pl.lit(table.kind.metric != "daily_step_count"))
        .then(pl.format("found the day {} without a time", pl.col("time").cast(pl.String).str.slice(0, 40)))
        .when(~year.is_between(EARLIEST_YEAR, LATEST_YEAR))
        .then(pl.format("found the year {}", year))
        .when(pl.col("is_value_lost"))
        .then(pl.format("found the value {}", pl.col("text").str.slice(0, 40)))
        .when(~pl.col("value").is_between(low, high))
        .then(pl.format(f"found the value {{}}, possible are {low:g} to {high:g}", pl.col("text").str.slice(0, 40)))
        .when(pl.lit(is_step) & (pl.col("value") % 1 != 0))
        .then(pl.format("found {} steps, which are whole", pl.col("text").str.slice(0, 40)))
    )
    broken = samples.filter(pl.col("why").is_not_null())
    if broken.height == samples.height and broken.height:
        line, why = broken.select("line", "why").row(0)
        raise UnreadableFile(
            f"{path}, line {line}: {why}, expected {table.kind.shown} as a {table.kind.name} export has them"
        )
    for line, why in broken.select("line", "why").iter_rows():
        unread.add(path, line, why)
    return samples.filter(pl.col("why").is_null())


def _series(samples: pl.DataFrame, *, kind: Kind, timezone: str) -> pl.DataFrame:
    """Samples gathered in series of equal spacing: `person`, `started_at`, `interval_s`, `values`, `is_first`.

    A series stays within a local hour (regular samples) or is a run of at most LONGEST_SERIES samples no more than
    LONGEST_GAP_S apart (irregular ones), else a series of one. No series goes across a change of the clock.
    """
    local = pl.col("at").dt.convert_time_zone(timezone)
    marks = samples.with_columns(
        gap_s=(pl.col("at").diff().dt.total_microseconds() / 1_000_000).over("person"),
        offset=local.dt.base_utc_offset() + local.dt.dst_offset(),
        hour=local.dt.replace_time_zone(None).dt.truncate("1h"),
    )
    if kind.interval_s is None:
        # the first sample of a person belongs to the run that it opens
        marks = marks.with_columns(pl.col("gap_s").fill_null(strategy="backward").over("person"))
        starts = _changes("person", "offset", "gap_s") | (pl.col("gap_s") > LONGEST_GAP_S)
        interval_s = pl.when(pl.len() > 1).then(pl.col("gap_s").first()).otherwise(_SINGLE_S)
    else:
        starts = _changes("person", "offset", "hour") | (pl.col("gap_s") != kind.interval_s)
        interval_s = pl.lit(float(kind.interval_s))
    runs = marks.with_columns(run=starts.fill_null(True).cum_sum())
    runs = runs.with_columns(part=pl.int_range(pl.len()).over("run") // LONGEST_SERIES)
    return (
        runs.group_by("run", "part", maintain_order=True)
        .agg(pl.col("person", "at").first(), interval_s=interval_s, values="value")
        .rename({"at": "started_at"})
        .with_columns(is_first=pl.col("person").is_first_distinct())
    )


def _changes(*names: str) -> pl.Expr:
    return pl.any_horizontal([pl.col(name).ne_missing(pl.col(name).shift()) for name in names])


def _device(person: str, *, clinic: str | None, time: datetime, source: str) -> tuple[str, bytes, bytes]:
    data = {"device_id": f"fitbit-{person}", "clinic_id": clinic, "kind": "wearable", "manufacturer": "Fitbit"}
    return _event("devices", data, id=f"fitbit-device-{person}", time=time, source=source)


def _reading(
    series: dict, *, metric: str, patient: str, start: datetime, time: datetime, source: str
) -> tuple[str, bytes, bytes]:
    data = {
        "patient_id": patient,
        "device_id": f"fitbit-{series['person']}",
        "metric": metric,
        "unit": METRICS[metric][0],
        "started_at": start,
        "interval_s": series["interval_s"],
        "values": series["values"],
    }
    return _event("readings", data, id=f"fitbit-{metric}-{_stamp(start)}", time=time, source=source)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _event(name: str, data: dict, *, id: str, time: datetime, source: str) -> tuple[str, bytes, bytes]:
    """The event; its id ends with a digest of source and content: of file, patient, zone and all that is said."""
    content = encode(name, data, id="", source=source, time=time)
    id = f"{id}-{sha256(content).hexdigest()[:20]}"
    return TOPIC_BY_NAME[name].type, record_key(name, data), encode(name, data, id=id, source=source, time=time)
