"""A file of an export -> its samples, whole days of a person at a time: who, when, how much, and
the lines that are none.

Here: what is decided by the whole file (notation, days, people), and the days, put together
whatever the order of the lines. Not here: files (tables.py), notations (notation.py), series and
events (fitbit.py).

A file is read three times, a batch of lines at a time: for what decides its notation; for its
people and the count of lines of each of their days; and for the samples, of which only days that
are not complete yet are kept. So the samples of a day are the same, and in the same order, however
large a batch is.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ingest.contract import EARLIEST_YEAR, LATEST_YEAR
from ingest.lengths import is_no_id
from transforms.errors import UnreadableFile, UsageError
from transforms.facts.measurements import METRICS

from . import notation
from .lines import Unread
from .localtime import instants
from .tables import Table

_SECOND = "found a second sample of a person at one instant: the first in the file counts"
_DAY = ("person", "day")
DEVICE = "fitbit-{}"  # the id of a person's device, of the vendor's number for the person
_AT = pl.Datetime("us", "UTC")
_NO_DAYS = pl.DataFrame(
    schema={"person": pl.String, "day": pl.Date, "lines": pl.Int64, "first_at": _AT, "last_at": _AT}
)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a file's texts are meant: the clock's zone, the one person where no line names any,
    notations.
    """

    where: ZoneInfo
    alone: str | None
    order: str
    decimal: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file that can be read. Of the lines that read: `people`: person, first_at, last_at; `days`:
    person, day, lines.
    """

    path: Path
    table: Table
    manner: Manner
    people: pl.DataFrame
    days: pl.DataFrame


def surveyed(
    path: Path,
    *,
    table: Table,
    where: ZoneInfo,
    alone: str | None,
    dates: str | None,
    decimal: str | None,
    unread: Unread,
) -> Export:
    """The file, looked through; `unread` is told of the lines that do not read. Raises
    UnreadableFile where none does.
    """
    if not table.has_person and alone is None:
        raise UsageError(
            f"{path}: found no column Id, so the file is of one person: name the patient by --patient"
        )
    order, decimal = _notation(table, path=path, dates=dates, decimal=decimal)
    manner = Manner(where=where, alone=alone, order=order, decimal=decimal)
    days = _days(table, manner=manner, path=path, unread=unread)
    people = (
        days.group_by("person")
        .agg(pl.col("first_at").min(), pl.col("last_at").max())
        .sort("person")
    )
    return Export(
        path=path, table=table, manner=manner, people=people, days=days.select(*_DAY, "lines")
    )


def whole_days(export: Export, *, refused: Counter[str]) -> Iterator[pl.DataFrame]:
    """`person`, `day` (local), `at` (UTC), `value`, in order: some days, each whole, each in one
    frame only.

    Of two samples of a person at one instant the first in the file counts; `refused` is told how
    many others there were.
    """
    kept, fresh = None, []
    for samples in _samples(export.table, manner=export.manner):
        fresh.append(samples.filter(pl.col("why").is_null()).select("line", *_DAY, "at", "value"))
        if kept is not None and sum(frame.height for frame in fresh) < kept.height:
            continue  # looked at again once it has doubled: lines in no order cost no more than they must
        kept, whole = _parted(
            pl.concat([*([] if kept is None else [kept]), *fresh]), days=export.days
        )
        fresh = []
        yield from _first_ones(whole, refused=refused)
    rest = [*([] if kept is None else [kept]), *fresh]
    if rest:
        yield from _first_ones(pl.concat(rest), refused=refused)


def _parted(samples: pl.DataFrame, *, days: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The samples of days of which lines are still to come, and those of whole days."""
    here = samples.group_by(_DAY).agg(here=pl.len())
    whole = here.join(days, on=_DAY).filter(pl.col("here") >= pl.col("lines")).select(_DAY)
    return samples.join(whole, on=_DAY, how="anti"), samples.join(whole, on=_DAY, how="semi")


def _first_ones(samples: pl.DataFrame, *, refused: Counter[str]) -> Iterator[pl.DataFrame]:
    if samples.is_empty():
        return
    samples = samples.sort("person", "day", "at", "line")
    first = samples.unique(("person", "at"), keep="first", maintain_order=True)
    if first.height < samples.height:
        refused[_SECOND] += samples.height - first.height
    yield first.drop("line")


def _notation(
    table: Table, *, path: Path, dates: str | None, decimal: str | None
) -> tuple[str, str]:
    """The order of dates and the decimal mark: as said, as the vendor's, or as the whole file
    decides.
    """
    days, marked = [], []
    order = dates or ("mdy" if table.is_vendors else None)
    for rows in () if order and decimal else table.batches(Unread()):
        if order is None and rows["time"].dtype == pl.String:
            days = [pl.concat([*days, notation.dates_in(rows["time"])]).unique(maintain_order=True)]
        if decimal is None and rows["value"].dtype == pl.String:
            marked = [
                pl.concat([*marked, notation.marked_in(rows["value"])]).unique(maintain_order=True)
            ]
    if order is None:
        order = notation.order_of(days[0], place=str(path)) if days else "ymd"
    if decimal is None:
        thousands = "," if table.delimiter == "," else None
        decimal = (
            notation.decimal_of(marked[0], thousands=thousands, place=str(path)) if marked else "."
        )
    return order, decimal


def _samples(
    table: Table, *, manner: Manner, unread: Unread | None = None
) -> Iterator[pl.DataFrame]:
    """`line`, `person`, `day`, `at`, `value`, and `why` a line is none (else null)."""
    for rows in table.batches(Unread() if unread is None else unread):
        yield _read(rows, table=table, manner=manner)


def _read(rows: pl.DataFrame, *, table: Table, manner: Manner) -> pl.DataFrame:
    if not table.has_person:
        rows = rows.with_columns(person=pl.lit(manner.alone))
    value = rows["value"]
    if value.dtype == pl.String:
        value = notation.numbers(value, decimal=manner.decimal)
    samples = rows.with_columns(_times(rows["time"], manner=manner)).with_columns(
        person=pl.col("person").cast(pl.String).str.strip_chars().replace("", None),
        text=pl.col("value").cast(pl.String),
        value=value.cast(pl.Float64, strict=False),
        is_value_lost=pl.col("value").is_not_null() & value.is_null(),
    )
    samples = samples.with_columns(at=_instants(samples, where=manner.where))
    day = pl.col("at").dt.convert_time_zone(manner.where.key).dt.date()
    return samples.select("line", "person", "at", "value", day=day, why=_why(table.kind.metric))


def _times(times: pl.Series, *, manner: Manner) -> pl.DataFrame:
    if times.dtype == pl.String:
        return notation.times(times, order=manner.order)
    local = pl.col("time").cast(pl.Datetime("us"), strict=False)
    return times.to_frame("time").select(
        local=local, offset_min=pl.lit(None, pl.Int32), has_clock=pl.lit(True)
    )


def _instants(samples: pl.DataFrame, *, where: ZoneInfo) -> pl.Series:
    """By the wearer's clock, but where the file gives an offset of its own."""
    at = instants(samples["local"], timezone=where.key)
    if samples["offset_min"].null_count() == samples.height:
        return at
    given = samples.select(
        (pl.col("local") - pl.duration(minutes=pl.col("offset_min")))
        .dt.replace_time_zone("UTC")
        .alias("at")
    )["at"]
    return at.zip_with(given.is_null(), given)


def _why(metric: str) -> pl.Expr:
    """Why a line is no sample; null for one that is."""
    _, low, high, _ = METRICS[metric]
    year = pl.col("local").dt.year()
    return (
        pl.when(pl.col("person").is_null())
        .then(pl.lit("found no Id"))
        .when(is_no_id(pl.format(DEVICE, "person")))
        .then(
            pl.lit(
                "found an Id that is too long to name a device, or has a control or direction character in it"
            )
        )
        .when(pl.col("at").is_null())
        .then(
            pl.format(
                "found the time {}",
                pl.col("time").cast(pl.String).str.slice(0, 40).fill_null("(none)"),
            )
        )
        .when(~pl.col("has_clock") & pl.lit(metric != "daily_step_count"))
        .then(
            pl.format(
                "found the day {} without a time", pl.col("time").cast(pl.String).str.slice(0, 40)
            )
        )
        .when(~year.is_between(EARLIEST_YEAR, LATEST_YEAR))
        .then(pl.format("found the year {}", year))
        .when(pl.col("is_value_lost"))
        .then(pl.format("found the value {}", pl.col("text").str.slice(0, 40)))
        .when(~pl.col("value").is_between(low, high))
        .then(
            pl.format(
                f"found the value {{}}, possible are {low:g} to {high:g}",
                pl.col("text").str.slice(0, 40),
            )
        )
        .when(pl.lit("step" in metric) & (pl.col("value") % 1 != 0))
        .then(pl.format("found {} steps, which are whole", pl.col("text").str.slice(0, 40)))
    )


def _days(table: Table, *, manner: Manner, path: Path, unread: Unread) -> pl.DataFrame:
    """Of each person's day: person, day, lines, first_at, last_at. Notes the lines that do not
    read.
    """
    days, first_broken = [_NO_DAYS], None
    for samples in _samples(table, manner=manner, unread=unread):
        for line, why in (
            samples.filter(pl.col("why").is_not_null()).select("line", "why").iter_rows()
        ):
            first_broken = first_broken or (line, why)
            unread.add(path, line, why)
        good = samples.filter(pl.col("why").is_null())
        days.append(
            _added_up(good.select(*_DAY, lines=pl.lit(1, pl.Int64), first_at="at", last_at="at"))
        )
    days = _added_up(pl.concat(days))
    if days.is_empty() and first_broken:
        line, why = first_broken
        raise UnreadableFile(
            f"{path}, line {line}: {why}, expected {table.kind.shown} as a {table.kind.name} export has them"
        )
    return days


def _added_up(days: pl.DataFrame) -> pl.DataFrame:
    return days.group_by(_DAY).agg(
        pl.col("lines").sum(), pl.col("first_at").min(), pl.col("last_at").max()
    )
