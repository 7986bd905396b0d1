"""Fitbit exports (minutes of steps, heart rate, daily activity) -> devices and readings.

Here: what their columns mean and how their samples become series. Not here: what a reading must be (the contract).

The files have zone-less local times and the vendor's number for a person. Each person has one device,
`fitbit-NUMBER`. An event's id is made of the file's kind, the number, the series' start and its length, so that
importing a file again gives the same events, and a longer export adds to a shorter one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ingest.contract import encode, record_key
from transforms.errors import UnreadableFile
from transforms.schemas import TOPIC_BY_NAME
from transforms.schemas.raw import METRICS

from .localtime import instants, zone
from .people import people_of

SOURCE = "/imports/fitbit"
LONGEST_SERIES = 60
LONGEST_GAP_S = 60  # samples at irregular times that lie further apart are not of one series


@dataclass(frozen=True)
class Kind:
    """One of the vendor's files: its columns, the time's notation (None = a timestamp), and what it measures.

    `interval_s`: the time that a sample stands for, which is also the spacing of a series; None = irregular.
    """

    name: str
    person: str
    time: str
    value: str
    time_format: str | None
    metric: str
    interval_s: int | None

    @property
    def columns(self) -> tuple[str, str, str]:
        return self.person, self.time, self.value


KINDS = (
    Kind("minute-steps", "Id", "ts", "steps", None, "step_count", 60),
    Kind("heart-rate", "Id", "Time", "Value", "%m/%d/%Y %I:%M:%S %p", "heart_rate", None),
    Kind("daily-activity", "Id", "ActivityDate", "TotalSteps", "%m/%d/%Y", "daily_step_count", 86_400),
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
    refused: Counter[str] | None = None,
) -> Iterator[tuple[str, bytes, bytes]]:
    """The events (topic, key, value) of the files: of each person the device, then the readings in order of time.

    `timezone`: the IANA zone that the wearers' clocks showed (see localtime.instants for the hours of change);
    `patient`: of all files, or `patients`: export's id -> patient, or the file of that map; `clinic`: the devices'.
    Of two samples of a person at one instant the first in the file counts; `refused` is told how many others there
    were. Every file is read at once, so that
    nothing is sent of a set of which one can't be read. Raises UnreadableFile, UsageError.
    """
    where, people = zone(timezone), people_of(patient=patient, patients=patients)
    refused = Counter() if refused is None else refused
    files = [_read(Path(path), timezone=where.key, refused=refused) for path in paths]
    of_person = [people.of(samples["person"], place=place) for place, _, samples in files]
    return _events(files, of_person, where=where, clinic=clinic)


def _events(files: list, of_person: list[dict[str, str]], *, where: ZoneInfo, clinic: str | None):
    for (_, kind, samples), patients in zip(files, of_person, strict=True):
        for series in _series(samples, kind=kind, timezone=where.key).iter_rows(named=True):
            person, start = series["person"], series["started_at"].astimezone(where)
            if series["is_first"]:
                yield _device(person, kind=kind, clinic=clinic, time=start)
            yield _reading(series, kind=kind, patient=patients[person], start=start)


def _read(path: Path, *, timezone: str, refused: Counter[str]) -> tuple[str, Kind, pl.DataFrame]:
    """The file's name, its kind and its samples: `person`, `at` (UTC), `value`, in order of person and time."""
    try:
        found = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path}: found {message}, expected a Fitbit export (CSV or Parquet)") from error
    kind = next((k for k in KINDS if set(k.columns) <= set(found.columns)), None)
    if kind is None:
        expected = " or ".join(", ".join(k.columns) for k in KINDS)
        raise UnreadableFile(f"{path}: found columns {', '.join(found.columns)}, expected {expected}")
    if getattr(found[kind.time].dtype, "time_zone", None):
        raise UnreadableFile(f"{path}: found {kind.time} with a zone, expected the vendor's zone-less local times")
    samples = _samples(found.select(kind.columns), kind=kind, path=path)
    at = instants(samples["local"], timezone=timezone)
    samples = samples.select("person", at.alias("at"), "value")
    first = samples.unique(("person", "at"), keep="first", maintain_order=True)
    if first.height < samples.height:
        refused[_SECOND] += samples.height - first.height
    return str(path), kind, first.sort("person", "at")


def _samples(found: pl.DataFrame, *, kind: Kind, path: Path) -> pl.DataFrame:
    """`person`, `local`, `value` of each line that is not blank. Raises UnreadableFile for one that does not read."""
    found = found.with_row_index("line", offset=1 if path.suffix == ".parquet" else 2)
    found = found.filter(~pl.all_horizontal(pl.col(kind.columns).is_null()))
    local = pl.col(kind.time)
    if kind.time_format:
        local = local.str.to_datetime(kind.time_format, time_unit="us", strict=False)
    samples = found.select(
        "line",
        person=pl.col(kind.person).cast(pl.String),
        local=local.cast(pl.Datetime("us"), strict=False),
        value=pl.col(kind.value).cast(pl.Float64, strict=False),
        is_value_lost=pl.col(kind.value).is_not_null() & pl.col(kind.value).cast(pl.Float64, strict=False).is_null(),
    )
    broken = samples.filter(pl.col("person").is_null() | pl.col("local").is_null() | pl.col("is_value_lost"))
    if broken.height:
        line = broken["line"][0]
        shown = ", ".join(map(str, found.filter(pl.col("line") == line).select(kind.columns).row(0)))
        expected = f"{', '.join(kind.columns)} as a {kind.name} export has them"
        raise UnreadableFile(f"{path}, line {line}: found {shown}, expected {expected}; mend or drop the line")
    return samples.select("person", "local", "value")


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


def _device(person: str, *, kind: Kind, clinic: str | None, time: datetime) -> tuple[str, bytes, bytes]:
    data = {"device_id": f"fitbit-{person}", "clinic_id": clinic, "kind": "wearable", "manufacturer": "Fitbit"}
    id = f"fitbit-device-{kind.name}-{person}-{_stamp(time)}-{clinic or 'no-clinic'}"
    return _event("devices", data, id=id, time=time)


def _reading(series: dict, *, kind: Kind, patient: str, start: datetime) -> tuple[str, bytes, bytes]:
    data = {
        "patient_id": patient,
        "device_id": f"fitbit-{series['person']}",
        "metric": kind.metric,
        "unit": METRICS[kind.metric][0],
        "started_at": start,
        "interval_s": series["interval_s"],
        "values": series["values"],
    }
    id = f"fitbit-{kind.name}-{series['person']}-{_stamp(start)}-{len(series['values'])}"
    return _event("readings", data, id=id, time=start)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _event(name: str, data: dict, *, id: str, time: datetime) -> tuple[str, bytes, bytes]:
    return TOPIC_BY_NAME[name].type, record_key(name, data), encode(name, data, id=id, source=SOURCE, time=time)
