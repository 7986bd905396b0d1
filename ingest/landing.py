"""From batches to recorded offsets, exactly once: the one home of "when is a record done".

Here: the numbered steps. Not here: polling (source.py, stream/), decoding (decode.py), the loop
(worker.py).

    1. outside the transaction: join what is of one partition, decode
    2. in one transaction of the lake
       a. compare: each batch starts where its partition's stored position stands, else
       LandingConflict b. rows to their raw tables, rejects to raw.rejects and counted in their
       hours (reject_hours.py) c. one ledger row a batch d. set the positions then commit: all of it
       or nothing
    3. what only informs, and may be repeated or lost: the commit to Kafka, alerts (worker.py)

A batch that was landed before starts behind its stored position, so step 2a stops it. The same
event sent twice has two positions and is landed twice; (`source`, `id`) makes it one event in
`core`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from transforms.errors import LandingConflict
from transforms.schemas import RAW_TABLES
from transforms.schemas.raw import LAST_RECORD, LEDGER, REJECT_HOURS, REJECTS, STREAM_OFFSETS

from . import reject_hours
from .contract import TOPIC_BY_TYPE
from .decode import Decoded, decode
from .lake import Lake, Writer
from .lost_batches import LostBatch
from .positions import Partition, positions_of
from .reject_hours import checksum
from .source import Batch

# (topic, topic id, partition): another topic of the same name, or another log of one, has positions
# of its own


@dataclass(frozen=True)
class Landed:
    """What one landing did. `positions`: (topic, partition) to the next position, for the advisory
    commit.

    `safety_rejects`: how many of the rejects are of safety topics, of which alerts tell.
    """

    rows: int
    rejects: int
    positions: Mapping[tuple[str, int], int]
    safety_rejects: int


@dataclass(frozen=True)
class Prepared:
    """Batches decoded and added up by table: step 2 does nothing but write them.

    `batches` are without their records, whose bytes need not be kept until they have landed.
    """

    batches: tuple[Batch, ...]
    rows: Mapping[str, pl.DataFrame]
    rejects: pl.DataFrame
    ledger: pl.DataFrame
    offsets: pl.DataFrame


def prepare(batches: Sequence[Batch], *, now: datetime) -> Prepared:
    """Step 1, of batches that land together, those of one partition in order; `now` (aware) stamps
    their rows.
    """
    batches = joined(batches)
    decoded = [decode(batch, ingested_at=now) for batch in batches]
    return Prepared(
        tuple(
            replace(batch, offsets=[], keys=[], values=[], headers={}, unread={})
            for batch in batches
        ),
        _rows_by_table(batches, decoded),
        pl.concat([REJECTS.empty(), *(d.rejects for d in decoded)]),
        pl.DataFrame(
            [_ledger_row(b, d, now) for b, d in zip(batches, decoded, strict=True)],
            schema=_LEDGER_SCHEMA,
        ),
        pl.DataFrame(
            [_offset_row(b, now) for b in _last_of_each(batches)],
            schema=STREAM_OFFSETS.polars_schema,
        ),
    )


def joined(batches: Iterable[Batch]) -> list[Batch]:
    """Batches that follow each other in a partition as one: a producer's are often of few records,
    and decoding 50 of them costs as much as 50 times the records in one. What was lost, and what
    does not follow, stays by itself.
    """
    runs: dict[Partition, list[list[Batch]]] = {}
    for batch in batches:
        of_partition = runs.setdefault((batch.topic, batch.topic_id, batch.partition), [])
        if of_partition and _follows(of_partition[-1][-1], batch):
            of_partition[-1].append(batch)
        else:
            of_partition.append([batch])
    return [_as_one(run) for of_partition in runs.values() for run in of_partition]


def _follows(before: Batch, batch: Batch) -> bool:
    is_lost = isinstance(before, LostBatch) or isinstance(batch, LostBatch)
    return not is_lost and before.next_position == batch.first_position


def _as_one(run: list[Batch]) -> Batch:
    if len(run) == 1:
        return run[0]
    columns = {
        name: [v for b in run for v in getattr(b, name)] for name in ("offsets", "keys", "values")
    }
    by_offset = {
        name: {o: v for b in run for o, v in getattr(b, name).items()}
        for name in ("headers", "unread")
    }
    last = next((batch.last for batch in reversed(run) if batch.last), None)
    return replace(run[0], next_position=run[-1].next_position, last=last, **columns, **by_offset)


def land(lake: Lake, prepared: Prepared, *, most_whole_bytes: float = math.inf) -> Landed:
    """Step 2: all or none. `most_whole_bytes`: of one topic's rejects of one reason and hour, see
    reject_hours.py.

    Raises LandingConflict (nothing is written: read `stored_positions` and go on from there) and
    the lake's errors.
    """
    lake.write(lambda writer: _write(writer, prepared, most_whole_bytes))
    return Landed(
        rows=sum(frame.height for frame in prepared.rows.values()),
        rejects=prepared.rejects.height,
        positions={
            (b.topic, b.partition): b.next_position for b in _last_of_each(prepared.batches)
        },
        safety_rejects=int(prepared.rejects["is_safety"].sum()),
    )


_LEDGER_SCHEMA = LEDGER.polars_schema


def _write(writer: Writer, prepared: Prepared, most_whole_bytes: float) -> None:
    _compare(writer, prepared.batches)
    for name, frame in prepared.rows.items():
        writer.append(RAW_TABLES[name], frame)
    rejects, hours = prepared.rejects, reject_hours.hours_of(writer, prepared.rejects)
    kept = reject_hours.bounded(rejects, hours, most_bytes=most_whole_bytes)
    writer.append(REJECTS, kept.rejects)
    if kept.hours.height:
        writer.upsert(REJECT_HOURS, kept.hours, kept.hours.select(REJECT_HOURS.key))
    writer.append(LEDGER, _with_reduced(prepared.ledger, kept.rejects))
    writer.upsert(STREAM_OFFSETS, prepared.offsets, prepared.offsets.select(STREAM_OFFSETS.key))


def _with_reduced(ledger: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """The ledger's rows with how many of their rejects are kept as a checksum alone, null where
    none are.
    """
    if not rejects["checksum"].is_not_null().any():
        return ledger
    places = rejects.filter(pl.col("checksum").is_not_null()).select(
        *LEDGER.key[:3], "kafka_offset"
    )
    of_batch = (pl.col("kafka_offset") >= pl.col("first_position")) & (
        pl.col("kafka_offset") < pl.col("next_position")
    )
    counts = ledger.drop("rejects_reduced").join(places, on=LEDGER.key[:3]).filter(of_batch)
    counts = counts.group_by(LEDGER.key).agg(pl.len().cast(pl.Int64).alias("rejects_reduced"))
    return LEDGER.conform(ledger.drop("rejects_reduced").join(counts, on=LEDGER.key, how="left"))


def _compare(writer: Writer, batches: Iterable[Batch]) -> None:
    """A partition without a stored position may start anywhere: Kafka may have deleted its
    beginning.
    """
    stored = positions_of(writer.execute(f"FROM {STREAM_OFFSETS.full_name}"))
    for batch in batches:
        partition = (batch.topic, batch.topic_id, batch.partition)
        position = stored.get(partition, batch.first_position)
        if position != batch.first_position:
            raise LandingConflict(
                f"{batch.topic}/{batch.partition}: the lake stands at {position}, this batch starts at "
                f"{batch.first_position}: another worker lands this partition; nothing of the batch was written"
            )
        stored[partition] = batch.next_position


def _rows_by_table(batches: Sequence[Batch], decoded: Sequence[Decoded]) -> dict[str, pl.DataFrame]:
    parts: dict[str, list[pl.DataFrame]] = {}
    for batch, part in zip(batches, decoded, strict=True):
        if part.rows.height:
            parts.setdefault(TOPIC_BY_TYPE[batch.topic].name, []).append(part.rows)
    return {name: pl.concat(frames) for name, frames in parts.items()}


def _last_of_each(batches: Iterable[Batch]) -> list[Batch]:
    last = {(batch.topic, batch.topic_id, batch.partition): batch for batch in batches}
    return list(last.values())


def _ledger_row(batch: Batch, decoded: Decoded, now: datetime) -> dict:
    return {
        "kafka_topic": batch.topic,
        "kafka_topic_id": batch.topic_id,
        "kafka_partition": batch.partition,
        "first_position": batch.first_position,
        "next_position": batch.next_position,
        "rows": decoded.rows.height,
        "rejects": decoded.rejects.height,
        "checksum": batch.mark if isinstance(batch, LostBatch) else checksum(batch.values),
        "landed_at": now,
        "rejects_reduced": None,
        **_last_columns(batch),
    }


def _offset_row(batch: Batch, now: datetime) -> dict:
    return {
        "kafka_topic": batch.topic,
        "kafka_topic_id": batch.topic_id,
        "kafka_partition": batch.partition,
        "next_offset": batch.next_position,
        "updated_at": now,
        **_last_columns(batch),
    }


def _last_columns(batch: Batch) -> dict:
    last = batch.last
    values = (
        (last.offset, last.leader_epoch, last.checksum, last.appended_at) if last else (None,) * 4
    )
    return {column.name: value for column, value in zip(LAST_RECORD, values, strict=True)}
