"""A batch of records as the consumer polled them -> rows of the topic's raw table, and rejects.
Pure, but for a log.

Here: the order of the steps and the two frames. Not here: what a record must be (contract.py,
shape.py, record.py, rules.py) and what happens to the frames (landing.py).

    1. bytes -> texts                                   whole column; not UTF-8 is null
    2. texts -> plain shape at a glance, or one by one   shape.py; the few left over: content_modes.py, record.py
    3. plain texts -> typed columns                      one JSON parse with the topic's schema
    4. times, required fields, units, ranges             rules.py, whole columns
    5. rows of the raw table; rejects in order

Where a step fails in a way that no rule foresees, the batch is halved until the records that it
fails on stand alone; those are set aside, so that they stop neither their neighbours nor the
stream.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from transforms.schemas import RAW_TABLES, Topic

from . import content_modes, rules, shape, times
from .contract import LARGEST_RECORD_BYTES, TOPIC_BY_TYPE, data_fields, object_fields, parse_schema
from .may_tell import tells
from .record import Plain
from .reject import Reject
from .reject_frame import MOST_WORDS, reject_frame
from .source import Batch

_log = logging.getLogger(__name__)
_PARSED_AT_ONCE = 4096
_UNFORESEEN = (Exception, pl.exceptions.PanicException)  # a panic of polars is no Exception


@dataclass(frozen=True)
class Decoded:
    """`rows`: RAW_TABLES[topic name], one row per accepted event; `rejects`: REJECTS, one row per
    event set aside.

    Both in the batch's order; together they are all of its records, each of which is one event, or,
    batched, several. For a topic that the contract does not know `rows` has no columns.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class _Shaped:
    """Events by number: lines to parse, what was set apart from them, and rejects.

    A record's event has its index in the batch; the events of batched records come behind, and
    `parts` says of each the index of its record, which of its events it is, and its own bytes.
    """

    lines: pl.Series
    one_by_one: dict[int, Plain]
    rejects: dict[int, Reject]
    parts: list[tuple[int, int, bytes]]


def decode(batch: Batch, *, ingested_at: datetime) -> Decoded:
    """The batch's rows and rejects (`ingested_at`: the moment to stamp, aware).

    Nothing in a record's bytes makes this raise: a record on which decoding fails is a reject,
    `undecodable`. Raises MemoryError, which no record is to blame for.
    """
    try:
        return _at_once(batch, ingested_at=ingested_at)
    except MemoryError:
        raise
    except _UNFORESEEN as error:
        decoded = _in_halves(batch, error, ingested_at=ingested_at)
        aside = decoded.rejects.filter(pl.col("reason") == "undecodable")["kafka_offset"].to_list()
        _log.error(
            "%s/%s: decoding %d records at once failed; in smaller parts all but %d were decoded (set aside: offsets %s)",
            batch.topic,
            batch.partition,
            len(batch.values),
            len(aside),
            aside[:10],
            # a library's message may hold a value
            exc_info=None if tells(batch.topic) else error,
        )
        return decoded


def _in_halves(batch: Batch, error: BaseException, *, ingested_at: datetime) -> Decoded:
    """The same frames, of a batch that fails as a whole; a record that fails alone is set aside
    with its failure.
    """
    count = len(batch.values)
    if count == 0:
        raise error
    if count == 1:
        rejects = {0: Reject("undecodable", None, f"{type(error).__name__}: {error}"[:MOST_WORDS])}
        rows = RAW_TABLES[TOPIC_BY_TYPE[batch.topic].name].empty()
        return Decoded(rows, reject_frame(batch, rejects, [], ingested_at=ingested_at))
    parts = []
    for part in (slice(count // 2), slice(count // 2, None)):
        half = replace(
            batch, **{name: getattr(batch, name)[part] for name in ("offsets", "keys", "values")}
        )
        try:
            parts.append(_at_once(half, ingested_at=ingested_at))
        except MemoryError:
            raise
        except _UNFORESEEN as of_half:
            parts.append(_in_halves(half, of_half, ingested_at=ingested_at))
    return Decoded(pl.concat([p.rows for p in parts]), pl.concat([p.rejects for p in parts]))


def _at_once(batch: Batch, *, ingested_at: datetime) -> Decoded:
    topic = TOPIC_BY_TYPE.get(batch.topic)
    if topic is None:
        unknown = Reject(
            "unknown_topic", None, f"found {batch.topic}, expected a topic of the contract"
        )
        rejects = dict.fromkeys(range(len(batch.values)), unknown)
        return Decoded(pl.DataFrame(), reject_frame(batch, rejects, [], ingested_at=ingested_at))
    shaped = _shape(batch, topic=topic)
    frame = times.with_times(_parse(shaped, topic=topic), topic=topic)
    broken = rules.broken(frame, topic=topic)
    rejects = shaped.rejects | {index: Reject(*rest) for index, *rest in broken.iter_rows()}
    good = (
        frame.filter(~pl.col("index").is_in(broken["index"].implode())) if broken.height else frame
    )
    places = [record for record, *_ in shaped.parts]
    rows = _rows(
        _in_order(good, places, len(batch.values)),
        batch=batch,
        topic=topic,
        ingested_at=ingested_at,
    )
    return Decoded(rows, reject_frame(batch, rejects, shaped.parts, ingested_at=ingested_at))


def _shape(batch: Batch, *, topic: Topic) -> _Shaped:
    """A topic with an object field (questionnaires, screenings, patients: few) goes record by
    record.
    """
    values = batch.values
    texts = _texts(values)
    one_by_one_only = bool(object_fields(topic))
    plain = (
        pl.repeat(False, len(values), eager=True)
        if one_by_one_only
        else shape.plain(texts, topic=topic)
    )
    looked_at: dict[int, Plain | Reject] = {}
    parts: list[tuple[int, int, bytes]] = []
    for index in (~plain).arg_true():
        event = _events(batch, index, topic=topic)
        if isinstance(event, list):
            looked_at |= {
                len(values) + len(parts) + k: part.is_what for k, part in enumerate(event)
            }
            parts += [(index, k, part.value) for k, part in enumerate(event)]
        else:
            looked_at[index] = event
    one_by_one = {i: what for i, what in looked_at.items() if isinstance(what, Plain)}
    rejects = {i: what for i, what in looked_at.items() if isinstance(what, Reject)}
    lines = texts.set(~plain, None)
    if parts:
        lines = pl.concat(
            [lines, pl.Series("line", [None] * len(parts), dtype=pl.String)], rechunk=True
        )
    if one_by_one:
        lines = lines.scatter(list(one_by_one), [what.line for what in one_by_one.values()])
    return _Shaped(lines, one_by_one, rejects, parts)


def _events(batch: Batch, index: int, *, topic: Topic) -> Plain | Reject | list[content_modes.Part]:
    offset, value = batch.offsets[index], batch.values[index]
    if offset in batch.unread:
        return Reject("unreadable_batch", None, batch.unread[offset])
    if value is None:
        return Reject("tombstone")
    return content_modes.events(value, batch.headers.get(offset), topic=topic)


def _in_order(frame: pl.DataFrame, places: list[int], records: int) -> pl.DataFrame:
    """The frame with `index` the record's, in the order of the records; parts of one in their
    own.
    """
    if not places:
        return frame
    place = pl.Series("index", [*range(records), *places], dtype=pl.UInt32).gather(frame["index"])
    return frame.with_columns(place).sort("index", maintain_order=True)


def _texts(values: list[bytes | None]) -> pl.Series:
    """The values as texts; null where there is none, where it is not UTF-8, and where it is too
    large to look at.
    """
    raw = pl.Series("line", values, dtype=pl.Binary)
    try:
        texts = raw.cast(pl.String)
    except pl.exceptions.ComputeError:  # polars says only that some value is not UTF-8
        texts = pl.Series("line", [_text(value) for value in values], dtype=pl.String)
    return texts.set(raw.bin.size() > LARGEST_RECORD_BYTES, None)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _parse(shaped: _Shaped, *, topic: Topic) -> pl.DataFrame:
    """One row a record of the right shape, `index` its place in the batch; times are still
    texts.
    """
    apart = {
        c.name: {i: p.objects.get(c.name) for i, p in shaped.one_by_one.items()}
        for c in object_fields(topic)
    }
    apart["extra"] = {i: p.extra for i, p in shaped.one_by_one.items() if p.extra}
    lines = shaped.lines
    columns = [_scattered(name, texts, length=lines.len()) for name, texts in apart.items()]
    frame = pl.DataFrame([lines, *columns]).with_row_index("index").drop_nulls("line")
    event = _json(frame["line"], topic=topic).struct.unnest()
    columns = [c.name for c in data_fields(topic) if c not in object_fields(topic)]
    event = event.with_columns(pl.col("data").struct.rename_fields(columns))
    event = event.rename({"id": "event_id", "time": "event_time"}).unnest("data")
    integers = [c.name for c in data_fields(topic) if c.dtype == pl.Int64]
    return pl.concat([frame.drop("line"), event], how="horizontal").with_columns(
        pl.col(integers).cast(pl.Int64)
    )


def _json(lines: pl.Series, *, topic: Topic) -> pl.Series:
    """The lines as structs, some thousands at a time: what stands for a parsed line takes ten times
    its bytes.

    In one chunk: polars 2.1 panics where a filtered frame of several is formatted to text.
    """
    schema = parse_schema(topic)
    starts = range(0, max(lines.len(), 1), _PARSED_AT_ONCE)
    return pl.concat(
        [lines.slice(start, _PARSED_AT_ONCE).str.json_decode(schema) for start in starts],
        rechunk=True,
    )


def _scattered(name: str, texts: dict[int, str | None], *, length: int) -> pl.Series:
    series = pl.repeat(None, length, dtype=pl.String, eager=True).alias(name)
    if not texts:
        return series
    return series.scatter(list(texts), list(texts.values()))


def _rows(
    frame: pl.DataFrame, *, batch: Batch, topic: Topic, ingested_at: datetime
) -> pl.DataFrame:
    offsets = pl.Series("kafka_offset", batch.offsets, dtype=pl.Int64)
    frame = frame.with_columns(
        kafka_topic=pl.lit(batch.topic),
        kafka_topic_id=pl.lit(str(batch.topic_id)),
        kafka_partition=pl.lit(batch.partition),
        kafka_offset=offsets.gather(frame["index"]),
        utc_offset_min=pl.col("event_time" + times.OFFSET_SUFFIX),
        ingested_at=pl.lit(ingested_at),
        sealed=pl.lit(None),  # until the row is written (sealing.py)
        **_closed(topic),
    )
    if topic.name == "retractions":
        frame = frame.with_columns(is_by_local_day=pl.col("from" + times.OFFSET_SUFFIX).is_null())
    if topic.is_series:
        frame = frame.with_columns(
            started_utc_offset_min=pl.col("started_at" + times.OFFSET_SUFFIX)
        )
    return RAW_TABLES[topic.name].conform(frame)


def _closed(topic: Topic) -> dict[str, pl.Expr]:
    """A closed list's value, `other` for one that is not in it, and that one beside it."""
    columns = {}
    for column in data_fields(topic):
        if column.closed:
            value = pl.col(column.name)
            is_listed = value.is_in(column.closed)
            columns[column.name] = (
                pl.when(is_listed | value.is_null()).then(value).otherwise(pl.lit("other"))
            )
            columns[f"{column.name}_raw"] = pl.when(~is_listed).then(value)
    return columns
