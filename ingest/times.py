"""Times and days of whole columns of texts, read as the contract has them.

Here: parsing, and which of them are no times. Not here: the checks that follow (rules.py).
"""

from datetime import UTC, datetime

import polars as pl

from transforms.schemas import TIMESTAMP, Topic

from .contract import EARLIEST_YEAR, LATEST_YEAR, data_fields

EARLIEST = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC)
END = datetime(LATEST_YEAR + 1, 1, 1, tzinfo=UTC)
TEXT_SUFFIX, OFFSET_SUFFIX = (
    ":text",
    ":offset_min",
)  # beside a parsed time: as written, and its UTC offset

_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_UNKNOWN_OFFSET = "-00:00"  # RFC 3339, section 4.3: the instant is known, the local offset is not


def _offset_minutes(written: str) -> int | None:
    """`Z` or `+hh:mm` in minutes; None where there is no such offset."""
    if written == "Z":
        return 0
    hours, minutes = int(written[1:3]), int(written[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if written[0] == "-" else 1)


def parse_times(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """RFC 3339 texts as UTC instants (microseconds, further digits cut) and the offsets written, in
    minutes.

    An instant is null where the text is null, not RFC 3339, without an offset, or outside the
    contract's years; `t`, `z` and a space for the `T` are read. An offset of `-00:00` (unknown) is
    null. A leap second is not read.
    """
    texts = texts.set(~texts.str.contains(_TIME), None)
    if texts.str.contains("[tz ]").any():
        texts = texts.str.to_uppercase().str.replace(" ", "T", literal=True)
    naive = texts.str.slice(0, 19).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False
    )
    if texts.str.contains(".", literal=True).any():
        digits = (
            texts.str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
        )
        naive = naive + digits.cast(pl.Duration("us"))
    written = texts.str.extract(r"(Z|[+-][0-9]{2}:[0-9]{2})$")
    minutes_of = {w: _offset_minutes(w) for w in written.unique().drop_nulls()}
    minutes = written.replace_strict(
        list(minutes_of), list(minutes_of.values()), default=None, return_dtype=pl.Int32
    )
    instants = (
        naive - (minutes.cast(pl.Int64) * 60_000_000).cast(pl.Duration("us"))
    ).dt.replace_time_zone("UTC")
    instants = instants.set(~((instants >= EARLIEST) & (instants < END)), None)
    return instants, minutes.set((written == _UNKNOWN_OFFSET) | instants.is_null(), None)


def parse_days(texts: pl.Series) -> pl.Series:
    """YYYY-MM-DD as days; null where the text is null, anything else, or outside the contract's
    years.
    """
    days = texts.set(~texts.str.contains(_DAY), None).str.to_date("%Y-%m-%d", strict=False)
    return days.set(~((days >= EARLIEST.date()) & (days < END.date())), None)


# Fields that may be a day, and the moment of it that is meant: in no one's zone, so with an unknown
# offset.
_OR_A_DAY = {
    ("retractions", "from"): "T00:00:00-00:00",
    ("retractions", "to"): "T23:59:59.999999-00:00",
}


def _with_time(texts: pl.Series, time: str | None) -> pl.Series:
    return (
        texts
        if time is None
        else (texts + time).zip_with(texts.str.contains(_DAY).fill_null(False), texts)
    )


def with_times(frame: pl.DataFrame, *, topic: Topic) -> pl.DataFrame:
    """Empty texts become null (not given); times and days are parsed, each text kept beside as
    `NAME:text`.
    """
    frame = frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)).name.keep())
    columns = []
    for name in ("event_time", *fields_named(topic, TIMESTAMP)):
        instants, offsets = parse_times(_with_time(frame[name], _OR_A_DAY.get((topic.name, name))))
        columns += [
            frame[name].alias(name + TEXT_SUFFIX),
            instants.alias(name),
            offsets.alias(name + OFFSET_SUFFIX),
        ]
    for name in fields_named(topic, pl.Date):
        columns += [frame[name].alias(name + TEXT_SUFFIX), parse_days(frame[name]).alias(name)]
    return frame.with_columns(columns)


def fields_named(topic: Topic, dtype) -> list[str]:
    return [c.name for c in data_fields(topic) if c.dtype == dtype]
