"""What the fields' values must be, checked on whole columns: times, required fields, patient, unit,
ranges.

Here: the checks of a topic as a list of expressions, the first that fails being the reason, and the
parsing of times. Not here: the shape of a record (ingest/shape.py, ingest/record.py).
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from transforms.facts.measurements import METRICS, SIGNALS
from transforms.schemas import CORE_RECORDS, TIMESTAMP, TOPIC_BY_NAME, Column, Topic
from transforms.schemas.raw import ENVELOPE

from .contract import EARLIEST_YEAR, LATEST_YEAR, data_fields
from .lengths import limits
from .time_zones import expected_instead_of, zone_names
from .times import END, TEXT_SUFFIX, fields_named

# what identifies and places an event, by the names of the raw tables
_IDENTITY = tuple(c for c in ENVELOPE if c.name in ("event_id", "source", "event_time"))
_ENVELOPE_NAMES = {
    "event_id": "id",
    "event_time": "time",
}  # a reject names the field as the event does
_YEARS = f"between {EARLIEST_YEAR} and {LATEST_YEAR}"


@dataclass(frozen=True)
class Check:
    """One rule: `fails` is true where a row breaks it, `detail` says what was found and what was
    expected.
    """

    reason: str
    field: str
    fails: pl.Expr
    detail: pl.Expr


def _found(value: pl.Expr, expected: str | pl.Expr) -> pl.Expr:
    end = pl.lit(expected) if isinstance(expected, str) else expected
    shown = value.cast(pl.String).str.slice(0, 200)
    return pl.format("found {}, expected {}", shown.fill_null("none"), end)


def _missing(column: Column) -> Check:
    is_parsed_text = column.dtype in (TIMESTAMP, pl.Date)
    value = pl.col(column.name + (TEXT_SUFFIX if is_parsed_text else ""))
    is_list = isinstance(column.dtype, pl.List)
    fails = value.is_null() | (value.list.len() == 0) if is_list else value.is_null()
    return Check(
        "missing_field",
        column.name,
        fails,
        pl.lit(f"found none or empty, expected {column.comment}"),
    )


def _missing_unless_in_error(column: Column, *, topic: Topic) -> Check:
    """Of a record entered in error only its id is required."""
    check = _missing(column)
    if topic.is_series or column.name in CORE_RECORDS[topic.name].key:
        return check
    return replace(check, fails=check.fails & ~_IS_IN_ERROR)


_IS_IN_ERROR = (pl.col("record_status") == "entered_in_error").fill_null(False)
_SERIES_OF_NOTHING = Check(
    "missing_field",
    "patient_id",
    pl.all_horizontal(pl.col("patient_id", "device_id", "series_source").is_null()) & ~_IS_IN_ERROR,
    pl.lit(
        "found none of patient_id, device_id and source, expected at least one: whose series are taken back"
    ),
)


def _bad_time(name: str, *, expected: str) -> Check:
    text = pl.col(name + TEXT_SUFFIX)
    return Check(
        "bad_time", name, text.is_not_null() & pl.col(name).is_null(), _found(text, expected)
    )


def _bad_times(topic: Topic) -> list[Check]:
    time = f"RFC 3339 with a UTC offset, as 2026-03-01T08:30:00+01:00, {_YEARS}"
    day = f"YYYY-MM-DD, {_YEARS}"
    return [
        _bad_time(name, expected=time) for name in ("event_time", *fields_named(topic, TIMESTAMP))
    ] + [_bad_time(name, expected=day) for name in fields_named(topic, pl.Date)]


def _out_of_range(column: Column) -> Check:
    value, lower, upper = pl.col(column.name), column.lower, column.upper
    sides = [] if lower is None else [value < lower]
    sides += [] if upper is None else [value > upper]
    expected = (
        f"{'any' if lower is None else f'{lower:g}'} to {'any' if upper is None else f'{upper:g}'}"
    )
    return Check("out_of_range", column.name, pl.any_horizontal(sides), _found(value, expected))


def _by_kind(kind: str, table: dict[str, str | float], dtype: type[pl.DataType]) -> pl.Expr:
    """For each row what the table says of its metric or signal; null for one that it does not
    know.
    """
    return pl.col(kind).replace_strict(
        list(table), list(table.values()), default=None, return_dtype=dtype
    )


def _series_checks(kind: str, ranges: dict[str, tuple[float, float]]) -> list[Check]:
    values, interval = pl.col("values"), pl.col("interval_s")
    lower, upper = (
        _by_kind(kind, {k: r[side] for k, r in ranges.items()}, pl.Float64) for side in (0, 1)
    )
    below, above = values.list.min() < lower, values.list.max() > upper
    extreme = pl.when(below).then(values.list.min()).otherwise(values.list.max())
    many = values.list.len() > 1
    left_s = (pl.lit(END) - pl.col("started_at")).dt.total_seconds()
    return [
        Check(
            "out_of_range",
            "values",
            below | above,
            _found(extreme, pl.format("{} to {}", lower, upper)),
        ),
        Check(
            "out_of_range",
            "interval_s",
            many & (interval <= 0),
            _found(interval, "more than 0 between two samples"),
        ),
        Check(
            "out_of_range",
            "interval_s",
            values.list.len() * interval > left_s,
            _found(interval, f"samples that end by {LATEST_YEAR}"),
        ),
    ]


@lru_cache(maxsize=64)
def checks(topic_name: str) -> tuple[Check, ...]:
    """The rules of a topic's records, in the order in which the first broken one is the reason."""
    topic = TOPIC_BY_NAME[topic_name]
    fields = data_fields(topic)
    result = [_missing(c) for c in _IDENTITY] + [
        _missing_unless_in_error(c, topic=topic) for c in fields if c.required
    ]
    result += [_SERIES_OF_NOTHING] if topic_name == "retractions" else []
    result += _bad_times(topic)
    if "patient_id" in {c.name for c in fields}:
        subject, patient = pl.col("subject"), pl.col("patient_id")
        expected = pl.format("data.patient_id {}", patient)
        result.append(
            Check("wrong_subject", "subject", subject != patient, _found(subject, expected))
        )
    if topic_name == "clinics":
        zone = pl.col("timezone")
        expected = zone.map_elements(expected_instead_of, return_dtype=pl.String)
        fails = ~zone.is_in(list(zone_names()))
        result.append(Check("bad_timezone", "timezone", fails, _found(zone, expected)))
    if topic_name == "readings":
        unit = _by_kind("metric", {k: m[0] for k, m in METRICS.items()}, pl.String)
        result.append(
            Check("wrong_unit", "unit", pl.col("unit") != unit, _found(pl.col("unit"), unit))
        )
    result += [Check(*limit) for limit in limits(fields)]
    result += [_out_of_range(c) for c in fields if c.lower is not None or c.upper is not None]
    if topic_name == "readings":
        result += _series_checks("metric", {k: v[1:3] for k, v in METRICS.items()})
    if topic_name == "telemetry":
        result += _series_checks("signal", SIGNALS)
    return tuple(result)


def broken(frame: pl.DataFrame, *, topic: Topic) -> pl.DataFrame:
    """The rows (by `index`) that break a rule, with the first one's reason, field and detail.

    `frame`: parsed records with `index` and the columns of `with_times`.
    """
    rules = checks(topic.name)
    first = frame.select(
        pl.coalesce([pl.when(rule.fails).then(k) for k, rule in enumerate(rules)]).alias("rule")
    )["rule"]
    parts = [
        pl.DataFrame(
            schema={"index": pl.UInt32} | dict.fromkeys(("reason", "field", "detail"), pl.String)
        )
    ]
    for k in first.drop_nulls().unique().sort():
        rule, rows = rules[k], frame.filter(first == k)
        parts.append(
            rows.select(
                "index",
                reason=pl.lit(rule.reason),
                field=pl.lit(_ENVELOPE_NAMES.get(rule.field, rule.field)),
                detail=rule.detail,
            )
        )
    return pl.concat(parts)
