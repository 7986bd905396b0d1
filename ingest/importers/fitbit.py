"""Fitbit exports (steps by the minute or hour, heart rate, days), Fitabase's and Google Takeout's
forms -> devices, readings.

Here: what their columns mean and how their samples become series. Not here: reading files
(tables.py), what a line says (samples.py), notations (notation.py), what a reading must be (the
contract).

The files have zone-less local times and the vendor's number for a person, or none where a file is
of one person. Each person has one device, `fitbit-NUMBER`, or `fitbit-PATIENT` without a number. An
event's source names file, patient and zone, so that an import can be taken back; its id is made of
what is in it, so that importing a file again gives the same events; its time is the export's last
moment of that person, so that of two exports of a day the longer counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import polars as pl

from ingest.contract import encode, record_key
from transforms.errors import UsageError
from transforms.facts.measurements import METRICS
from transforms.schemas import TOPIC_BY_NAME

from .lines import Unread
from .localtime import zone
from .people import people_of
from .samples import DEVICE, Export, surveyed, whole_days
from .tables import read_table

SOURCE = "/imports/fitbit"
LONGEST_SERIES = 60
LONGEST_GAP_S = 60  # samples at irregular times that lie further apart are not of one series
_PERSON = "id"


@dataclass(frozen=True)
class Kind:
    """One of the vendor's files: the names that its columns have, in small letters, and what it
    measures.

    `interval_s`: the time that a sample stands for, which is also the spacing of a series; None =
    irregular.
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
        if time and value:
            return (time, value)
        return None

    @property
    def shown(self) -> str:
        return f"Id, {self.times[0]}, {self.values[0]}"


KINDS = (
    Kind(
        "minute-steps",
        ("ts", "activityminute", "datetime", "timestamp"),
        ("steps",),
        "step_count",
        60,
    ),
    Kind("hour-steps", ("activityhour",), ("steptotal",), "step_count", 3_600),
    Kind(
        "heart-rate",
        ("time", "datetime", "timestamp"),
        ("value", "bpm", "beats per minute"),
        "heart_rate",
        None,
    ),
    Kind(
        "daily-activity",
        ("activitydate", "activityday", "date"),
        ("totalsteps", "steptotal", "steps"),
        "daily_step_count",
        86_400,
    ),
)
_SINGLE_S = (
    1.0  # interval of a series of one at an irregular time: the resolution of the export's times
)


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
    """The events (topic, key, value) of the files: of each person the device, then the readings,
    day by day.

    `timezone`: the IANA zone that the wearers' clocks showed (see localtime.instants for the hours
    of change); `patient`: of all files, or `patients`: export's id -> patient, or the file of that
    map; `clinic`: the devices'. `dates`, `decimal`: order of day and month and the decimal mark,
    where a file doesn't decide them (notation.py); `server`: is FHIR's alone. Of two samples of a
    person at one instant the first in the file counts; `refused` is told, as they come, how many
    others there were, and `unread`, by the call, which lines could not be read. Every file is
    looked through at once, so that nothing is sent of a set of which one is no export; then read
    again, a batch of lines at a time. Raises UnreadableFile, UsageError.
    """
    if server:
        raise UsageError(
            "found --server, expected it with fhir alone: a Fitbit export's source is its file"
        )
    where, people = zone(timezone), people_of(patient=patient, patients=patients)
    refused = Counter() if refused is None else refused
    unread = Unread() if unread is None else unread
    exports = [
        surveyed(
            Path(path),
            table=read_table(Path(path), kinds=KINDS, person=_PERSON, unread=unread),
            where=where,
            alone=patient,
            dates=dates,
            decimal=decimal,
            unread=unread,
        )
        for path in paths
    ]
    of_person = [people.of(export.people["person"], place=str(export.path)) for export in exports]
    return chain.from_iterable(
        _events(export, patients, where=where, clinic=clinic, refused=refused)
        for export, patients in zip(exports, of_person, strict=True)
    )


def _events(
    export: Export,
    patients: dict[str, str],
    *,
    where: ZoneInfo,
    clinic: str | None,
    refused: Counter[str],
):
    kind = export.table.kind
    bounds = {
        person: (first.astimezone(where), last.astimezone(where))
        for person, first, last in export.people.iter_rows()
    }
    met = set()
    for samples in whole_days(export, refused=refused):
        for series in _series(samples, kind=kind, timezone=where.key).iter_rows(named=True):
            person = series["person"]
            first, last = bounds[person]
            source = _source(export.path, patient=patients[person], where=where)
            if person not in met:
                met.add(person)
                yield _device(person, clinic=clinic, time=first, source=source)
            start = series["started_at"].astimezone(where)
            yield _reading(
                series,
                metric=kind.metric,
                patient=patients[person],
                start=start,
                time=last,
                source=source,
            )


def _source(path: Path, *, patient: str, where: ZoneInfo) -> str:
    parts = (path.name, patient, where.key)
    return "/".join((SOURCE, *(quote(part, safe="") for part in parts)))


def _series(samples: pl.DataFrame, *, kind: Kind, timezone: str) -> pl.DataFrame:
    """Samples gathered in series of equal spacing: `person`, `started_at`, `interval_s`, `values`.

    A series stays within a local hour (regular samples) or is a run of at most LONGEST_SERIES
    samples of a local day no more than LONGEST_GAP_S apart (irregular ones), else a series of one.
    No series goes across a change of the clock.
    """
    local, spacing = pl.col("at").dt.convert_time_zone(timezone), ("person", "day")
    marks = samples.with_columns(
        gap_s=(pl.col("at").diff().dt.total_microseconds() / 1_000_000).over(spacing),
        offset=local.dt.base_utc_offset() + local.dt.dst_offset(),
        hour=local.dt.replace_time_zone(None).dt.truncate("1h"),
    )
    if kind.interval_s is None:
        # the first sample of a day belongs to the run that it opens
        marks = marks.with_columns(pl.col("gap_s").fill_null(strategy="backward").over(spacing))
        starts = _changes(*spacing, "offset", "gap_s") | (pl.col("gap_s") > LONGEST_GAP_S)
        interval_s = pl.when(pl.len() > 1).then(pl.col("gap_s").first()).otherwise(_SINGLE_S)
    else:
        starts = _changes(*spacing, "offset", "hour") | (pl.col("gap_s") != kind.interval_s)
        interval_s = pl.lit(float(kind.interval_s))
    runs = marks.with_columns(run=starts.fill_null(True).cum_sum())
    runs = runs.with_columns(part=pl.int_range(pl.len()).over("run") // LONGEST_SERIES)
    return (
        runs.group_by("run", "part", maintain_order=True)
        .agg(pl.col("person", "at").first(), interval_s=interval_s, values="value")
        .rename({"at": "started_at"})
    )


def _changes(*names: str) -> pl.Expr:
    columns = [pl.col(name) for name in names]
    return pl.any_horizontal([column.ne_missing(column.shift()) for column in columns])


def _device(
    person: str, *, clinic: str | None, time: datetime, source: str
) -> tuple[str, bytes, bytes]:
    data = {
        "device_id": DEVICE.format(person),
        "clinic_id": clinic,
        "kind": "wearable",
        "manufacturer": "Fitbit",
    }
    return _event("devices", data, id=f"fitbit-device-{person}", time=time, source=source)


def _reading(
    series: dict, *, metric: str, patient: str, start: datetime, time: datetime, source: str
) -> tuple[str, bytes, bytes]:
    data = {
        "patient_id": patient,
        "device_id": DEVICE.format(series["person"]),
        "metric": metric,
        "unit": METRICS[metric][0],
        "started_at": start,
        "interval_s": series["interval_s"],
        "values": series["values"],
    }
    return _event("readings", data, id=f"fitbit-{metric}-{_stamp(start)}", time=time, source=source)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _event(
    name: str, data: dict, *, id: str, time: datetime, source: str
) -> tuple[str, bytes, bytes]:
    """The event; its id ends with a digest of source and content: of file, patient, zone and all
    that is said.
    """
    content = encode(name, data, id="", source=source, time=time)
    id = f"{id}-{sha256(content).hexdigest()[:20]}"
    return (
        TOPIC_BY_NAME[name].type,
        record_key(name, data),
        encode(name, data, id=id, source=source, time=time),
    )
