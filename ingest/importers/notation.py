"""Days, clocks and numbers as people and programs write them; what a column does not decide is
asked for, never guessed.

Here: a column of texts -> times or numbers, null where one does not read. Not here: files, time
zones of clocks.
"""

import polars as pl

from transforms.errors import UsageError

ORDERS = ("mdy", "dmy", "ymd")
DECIMALS = {".": ",", ",": "."}  # the decimal mark -> what then parts thousands

_TIME = (
    r"^(?<a>\d{1,4})[/.\-](?<b>\d{1,2})[/.\-](?<c>\d{1,4})"
    r"(?:(?:T|,?\s+)(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<part>\d{1,9}))?)?"
    r"\s*(?<half>[AaPp])?(?:\.?[Mm]\.?)?)?\s*(?<offset>Z|[+-]\d{2}:?\d{2})?$"
)
_GROUPED = r"^[+-]?\d{1,3}(?:[.,]\d{3})+$"


def dates_in(texts: pl.Series) -> pl.DataFrame:
    """The days of the texts, each once: what `order_of` decides by; those of several batches may be
    put together.
    """
    parts = _parts(texts)
    marks = parts.select(texts.str.contains("/").alias("is_slashed"), *"abc").drop_nulls("a")
    return marks.unique(maintain_order=True)


def order_of(days: pl.DataFrame, *, place: str) -> str:
    """The order of day, month and year, one of ORDERS, that these days have.

    Decided by a year of four digits in front, by a day above 12, or, with slashes and no leading
    zero, as the vendor writes it: month/day/year. Raises UsageError where nothing decides.
    """
    if days.is_empty() or days.select((pl.col("a").str.len_chars() == 4).all()).item():
        return "ymd"
    marks = days.filter(pl.col("a").str.len_chars() < 3)
    first, second = (pl.col(name).cast(pl.Int32) > 12 for name in "ab")
    is_day_first, is_month_first = marks.select(first.any(), second.any().alias("b")).row(0)
    if is_day_first != is_month_first:
        return "dmy" if is_day_first else "mdy"
    evidence = "days above 12 in both places" if is_day_first else f"dates such as {_shown(marks)}"
    is_bare = pl.col("a", "b").str.len_chars() == 1
    is_padded = pl.col("a", "b").str.starts_with("0")
    has_bare = marks.select(pl.any_horizontal(is_bare).any()).item()
    has_padded = marks.select(pl.any_horizontal(is_padded).any()).item()
    if not is_day_first and has_bare and not has_padded and marks["is_slashed"].all():
        return "mdy"
    raise UsageError(
        f"{place}: found {evidence}, where nothing decides which is the day and which the month; say it with --dates mdy, "
        "--dates dmy or --dates ymd"
    )


def times(texts: pl.Series, *, order: str) -> pl.DataFrame:
    """Of each text `local` (zone-less; null where it does not read), `offset_min` (null where none
    is written), `has_clock`.

    `order`: of day, month and year, one of ORDERS; a year of two digits is of this century; from 70
    on it does not read, for no wearer had a device then, nor has yet.
    """
    frame = _parts(texts).with_columns(_day_fields(order)).with_columns(hour=_hour())
    clock = pl.format(
        "{}-{}-{} {}:{}:{}.{}",
        pl.col("year"),
        pl.col("month").str.zfill(2),
        pl.col("day").str.zfill(2),
        pl.col("hour").cast(pl.String).str.zfill(2),
        pl.col("minute").fill_null("00"),
        pl.col("second").fill_null("00"),
        pl.col("part").fill_null("0").str.slice(0, 6).str.pad_end(6, "0"),
    )
    offset = pl.col("offset").str.replace("Z", "+00:00").str.replace(":", "")
    minutes = offset.str.slice(1, 2).cast(pl.Int32) * 60 + offset.str.slice(3, 2).cast(pl.Int32)
    return frame.select(
        local=clock.str.to_datetime("%Y-%m-%d %H:%M:%S.%6f", time_unit="us", strict=False),
        has_clock=pl.col("minute").is_not_null(),
        offset_min=pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes),
    )


def _parts(texts: pl.Series) -> pl.DataFrame:
    return texts.str.strip_chars().str.extract_groups(_TIME).struct.unnest()


def _shown(marks: pl.DataFrame) -> str:
    return " and ".join(
        "/".join(row)
        for row in marks.select(*"abc").unique(maintain_order=True).head(2).iter_rows()
    )


def _day_fields(order: str) -> list[pl.Expr]:
    """`year`, `month`, `day`; a year of four digits in front is in front, whatever the order."""
    is_iso = pl.col("a").str.len_chars() == 4
    fields = dict(zip(order, "abc", strict=True))
    iso = dict(zip("ymd", "abc", strict=True))
    year, month, day = (
        pl.when(is_iso).then(pl.col(iso[part])).otherwise(pl.col(fields[part])) for part in "ymd"
    )
    size = year.str.len_chars()
    whole = (
        pl.when((size == 2) & (year < "70")).then(pl.lit("20") + year).when(size == 4).then(year)
    )
    return [whole.alias("year"), month.alias("month"), day.alias("day")]


def _hour() -> pl.Expr:
    """0 to 23; on a clock of twelve hours 12 AM is 0. Null where a clock of twelve shows 0 or
    13.
    """
    hour, half = pl.col("hour").cast(pl.Int32), pl.col("half").str.to_lowercase()
    twelve = pl.when(hour.is_between(1, 12)).then(
        hour % 12 + pl.when(half == "p").then(12).otherwise(0)
    )
    return pl.when(half.is_not_null()).then(twelve).otherwise(hour.fill_null(0))


def marked_in(texts: pl.Series) -> pl.Series:
    """The numbers that have a mark in them, each once: what `decimal_of` decides by."""
    texts = _closed_up(texts)
    marked = texts.filter(texts.str.contains(r"[.,]"))
    return marked.unique(maintain_order=True)


def decimal_of(marked: pl.Series, *, thousands: str | None, place: str) -> str:
    """The decimal mark of these numbers. `thousands`: the mark that the vendor puts between
    thousands, where the file is as the vendor writes it. Raises UsageError where a mark may be
    either (5.123: five thousand, or five and a bit).
    """
    if marked.is_empty():
        return "."
    uses = {mark: marked.str.contains(mark, literal=True) for mark in DECIMALS}
    both = marked.filter(uses["."] & uses[","])
    if not both.is_empty():
        return "." if both[0].rfind(".") > both[0].rfind(",") else ","
    for mark, other in DECIMALS.items():
        mine = marked.filter(uses[mark])
        if not mine.filter(~mine.str.contains(_GROUPED)).is_empty():
            return mark
        if not mine.filter(mine.str.count_matches(mark, literal=True) > 1).is_empty() or (
            mark == thousands and len(mine)
        ):
            return other
    raise UsageError(
        f"{place}: found {marked.sort()[0]}, which may be thousands or a fraction; say what the decimal mark is with "
        "--decimal . or --decimal ,"
    )


def numbers(texts: pl.Series, *, decimal: str) -> pl.Series:
    """The numbers, null where a text is none. `decimal`: the decimal mark; the other one may part
    thousands.
    """
    texts, part = _closed_up(texts), DECIMALS[decimal]
    is_number = texts.str.contains(
        rf"^[+-]?(?:\d+|\d{{1,3}}(?:[{part}]\d{{3}})+)(?:[{decimal}]\d+)?(?:[eE][+-]?\d+)?$"
    )
    plain = texts.str.replace_all(part, "", literal=True).str.replace(decimal, ".", literal=True)
    return plain.set(~is_number, None).cast(pl.Float64, strict=False)


def _closed_up(texts: pl.Series) -> pl.Series:
    return texts.str.strip_chars().str.replace_all(r"[\s\u{a0}\u{202f}'\u{2019}]", "")
