"""The rules by which a record of a topic can't be true, each with its condition and its sentence.

Here: from what each field is a moment of (plausible_fields.py) to the rules, in the order in which
they are held against a record. Not here: what becomes of a record that breaks one (plausibility.py),
series (plausible_series.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from ..facts.sessions import NOT_HELD
from ..options import Options
from ..schemas.core import CORE_RECORDS
from .local_time import is_zone
from .plausible_fields import KNOWN_ONLY_AFTERWARDS, ORDER, PAPERWORK, Kind, fields_of

# The calendar is at most this far ahead of UTC anywhere.
_EARLIEST_ZONE = timedelta(hours=14)
# A clock that lost its time starts here again, give or take a time zone.
_CLOCK_ZERO = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`condition` is true where `field` of the topic can't be true; `against` names the column that
    it is held against; `sets_aside`: a contradiction, the whole record waits; `is_nulled`: the
    field is made null.
    """

    name: str
    topic: str
    field: str
    sentence: str
    condition: pl.Expr
    against: str | None = None
    sets_aside: bool = False
    is_nulled: bool = True


def nullable_fields(topic: str) -> list[str]:
    """The fields that a rule may make null."""
    return list(
        dict.fromkeys(rule.field for rule in rules(topic, options=Options()) if rule.is_nulled)
    )


def rules(topic: str, *, options: Options) -> list[Rule]:
    """The rules of a topic's records, in the order in which they are held against a record."""
    if topic not in CORE_RECORDS:
        return []
    return [
        *_of_clinics(topic),
        *(
            rule
            for field, kind in fields_of(topic).items()
            for rule in _by_itself(topic, field, kind, options=options)
        ),
        *_of_births(topic, options=options),
        *(
            rule
            for field, kind in fields_of(topic).items()
            for rule in _in_a_life(topic, field, kind, options=options)
        ),
        *_in_order(topic),
        *(
            rule
            for field, kind in fields_of(topic).items()
            if kind.is_lived
            for rule in _after_death(topic, field)
        ),
    ]


def _is_day(topic: str, field: str) -> bool:
    table = CORE_RECORDS[topic]
    column = table.column(field)
    return column.dtype == pl.Date


def _of_clinics(topic: str) -> Iterator[Rule]:
    if topic == "clinics":
        zone = pl.col("timezone")
        unknown = zone.is_not_null() & ~zone.map_elements(
            is_zone, return_dtype=pl.Boolean, skip_nulls=True
        )
        sentence = "The time zone is no IANA name, so the clinic's days are not known."
        yield Rule(
            name="unknown_timezone",
            topic=topic,
            field="timezone",
            sentence=sentence,
            condition=unknown,
        )


def _by_itself(topic: str, field: str, kind: Kind, *, options: Options) -> Iterator[Rule]:
    """What a moment or day must be whatever else the record says."""
    value, is_day = pl.col(field), _is_day(topic, field)
    latest = pl.col("ingested_at") + pl.duration(minutes=options.clock_tolerance_min)
    ahead = _day_of(latest) if is_day else latest
    in_the_future = value > ahead
    if kind.ahead:
        yield Rule(
            name="too_far_ahead",
            topic=topic,
            field=field,
            condition=value > ahead.dt.offset_by(f"{options.plan_horizon_years}y"),
            against="ingested_at",
            sentence="It lies further ahead than plans reach.",
        )
        in_the_future &= pl.col("status").is_in(KNOWN_ONLY_AFTERWARDS)
    if not kind.ahead or topic == "patient_status":
        yield Rule(
            name="in_the_future",
            topic=topic,
            field=field,
            condition=in_the_future,
            against="ingested_at",
            sentence="It had not come yet when the record was landed.",
        )
    if kind.is_history:
        yield _clock_at_zero(topic, field)
    else:
        yield _long_ago(topic, field, options=options)


def _clock_at_zero(topic: str, field: str) -> Rule:
    value = pl.col(field)
    day = value if _is_day(topic, field) else value.dt.date()
    days_from_zero = (day - pl.lit(_CLOCK_ZERO)).dt.total_days()
    return Rule(
        name="clock_at_zero",
        topic=topic,
        field=field,
        condition=days_from_zero.abs() <= 1,
        sentence="It is where a clock without a time begins.",
    )


def _long_ago(topic: str, field: str, *, options: Options) -> Rule:
    first = date(options.earliest_year, 1, 1)
    floor = pl.lit(first)
    if not _is_day(topic, field):
        floor = floor.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return Rule(
        name="long_ago",
        topic=topic,
        field=field,
        condition=pl.col(field) < floor,
        sentence="It lies before anything that Floe knows of could be measured or written.",
    )


def _day_of(moment: pl.Expr) -> pl.Expr:
    """The latest day that it was anywhere at that moment."""
    there = moment + pl.duration(seconds=_EARLIEST_ZONE.seconds)
    return there.dt.date()


def _of_births(topic: str, *, options: Options) -> Iterator[Rule]:
    if topic != "patients":
        return
    born, enrolled = pl.col("birth_year"), pl.col("enrolled_on").dt.year()
    for name, condition, against, sentence in (
        (
            "in_the_future",
            born > _day_of(pl.col("ingested_at")).dt.year(),
            "ingested_at",
            "Nobody was born then yet when the record was landed.",
        ),
        (
            "birth_after_enrolment",
            born > enrolled,
            "enrolled_on",
            "Nobody is enrolled before the birth.",
        ),
        ("too_old", enrolled - born > options.oldest_age, "enrolled_on", "Nobody grows that old."),
    ):
        yield Rule(
            name=name,
            topic=topic,
            field="birth_year",
            condition=condition,
            against=against,
            sentence=sentence,
        )


def _in_a_life(topic: str, field: str, kind: Kind, *, options: Options) -> Iterator[Rule]:
    """What a moment or day of a patient must be, by the birth and the enrolment."""
    value, is_day = pl.col(field), _is_day(topic, field)
    if kind.is_born:
        born = "birth_year" if topic == "patients" else "_birth_year"
        year = (value if is_day else _day_of(value)).dt.year()
        yield Rule(
            name="before_birth",
            topic=topic,
            field=field,
            condition=year < pl.col(born),
            against=born,
            sentence="It lies before the patient's birth.",
        )
    if kind.is_enrolled:
        first = pl.col("_enrolled_on").dt.offset_by(f"-{options.years_before_enrolment}y")
        day = value if is_day else value.dt.date()
        yield Rule(
            name="long_before_enrolment",
            topic=topic,
            field=field,
            condition=day < first,
            against="_enrolled_on",
            sentence="It lies years before the patient's enrolment.",
        )


def _in_order(topic: str) -> Iterator[Rule]:
    for name, first, then in ORDER:
        if name == topic:
            yield Rule(
                name="end_before_start",
                topic=topic,
                field=then,
                condition=_is_before(topic, then, first),
                against=first,
                sentence=f"It lies before {first}.",
            )


def _is_before(topic: str, then: str, first: str) -> pl.Expr:
    """An end that is the midnight of its start's local day is a day whose time of day nobody wrote
    down.
    """
    start, end = pl.col(first), pl.col(then)
    if _is_day(topic, then):
        return end < start
    offset = pl.duration(minutes=pl.col("utc_offset_min").fill_null(0))
    midnight = (start + offset).dt.truncate("1d") - offset
    return (end < start) & (end != midnight)


def _after_death(topic: str, field: str) -> Iterator[Rule]:
    value = pl.col(field)
    after = value > pl.col("_died_on") if _is_day(topic, field) else value >= pl.col("_dead_from")
    if topic == "sessions":
        after &= ~pl.col("status").is_in(NOT_HELD)
    if topic == "patient_status":
        after &= ~pl.col("status").is_in(PAPERWORK)
    yield Rule(
        name="after_death",
        topic=topic,
        field=field,
        condition=after,
        against="_died_on",
        sets_aside=True,
        is_nulled=topic != "adverse_events",
        sentence="It lies after the patient's death.",
    )
