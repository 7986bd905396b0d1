"""What damaged files held, landed again from Kafka: batch by batch of the ledger, the same
positions, the same bytes.

Here: the steps. Not here: which files are damaged (lake_damage.py), the first landing (landing.py).

    1. damaged files leave the lake (older snapshots still name them); computed tables are emptied whole
    2. positions that raw.stream_offsets lacks are those of the ledger
    3. each batch of the ledger of which rows or rejects are lacking is read again from Kafka; its values must have the
       checksum that the ledger has of them
    4. in one transaction: its rows and rejects anew, stamped as when they landed; the ledger says when that was

Stopped anywhere, it goes on at the next call: what is lacking is told by the ledger, not by the
files.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from transforms.counting import counted
from transforms.errors import LakeDamaged, UsageError
from transforms.schemas import APP_TABLES, CORE_TABLES, MART_TABLES, RAW_TABLES
from transforms.schemas.raw import LEDGER, REJECTS, STREAM_OFFSETS

from .contract import TOPIC_BY_TYPE
from .decode import Decoded, decode
from .lake import Lake, Writer
from .lake_damage import Damage
from .lake_forward import is_computed
from .landing import checksum, joined
from .partition import Batch
from .positions import stored_standings
from .reject_hours import catch_up
from .stream import Source

Say = Callable[[str], None]
_COMPUTED = {
    table.full_name: table for of in (CORE_TABLES, MART_TABLES, APP_TABLES) for table in of.values()
}
_PLACE = ("kafka_topic", "kafka_topic_id", "kafka_partition")
_RANGE = "kafka_topic_id = $1 AND kafka_partition = $2 AND kafka_offset >= $3 AND kafka_offset < $4"


@dataclass
class Mended:
    """What a run did. `is_to_compute`: core and mart are to be computed whole."""

    files: int = 0
    batches: int = 0
    rows: int = 0
    rejects: int = 0
    is_to_compute: bool = False


def mend(settings, *, say: Say = lambda _: None) -> Mended:
    """Steps 1 to 4. LakeDamaged, when all else is done, for what only a copy has: files of other
    tables, and batches that Kafka does not hold any more.
    """
    mended = Mended()
    with Lake.open(settings) as lake:
        damages = [damage for damage in lake.check_files().damages if damage.file.is_current]
        _take_out(lake, [damage for damage in damages if damage.is_mendable], mended, say)
        left = [str(damage) for damage in damages if not damage.is_mendable]
        if not any(damage.file.table == LEDGER.full_name for damage in damages):
            _write_positions(lake)
            left += _land_lacking(lake, settings, mended, say)
            catch_up(lake)  # all rejects that were landed again are whole
    if left:
        raise LakeDamaged("; ".join(["what Kafka has was landed again, the rest was not", *left]))
    return mended


def _take_out(lake: Lake, damages: list[Damage], mended: Mended, say: Say) -> None:
    if not damages:
        return
    lake.end_files(damages)
    mended.files = len(damages)
    for damage in damages:
        say(f"{damage.file.path} ({damage.file.table}, {damage.fault}) is not read any more")
    for name in sorted({d.file.table for d in damages if is_computed(d.file.table)}):
        lake.write(lambda writer, table=_COMPUTED[name]: writer.replace(table, table.empty()))
        say(f"{name} is empty until it is computed again")
        mended.is_to_compute = True


def _write_positions(lake: Lake) -> None:
    """A partition without a stored position would be landed from its beginning, a second time."""
    names = [name for name in STREAM_OFFSETS.names if name in LEDGER.names]
    lake.write(
        lambda writer: writer.execute(f"""
            INSERT INTO {STREAM_OFFSETS.full_name} (next_offset, updated_at, {", ".join(names)})
            SELECT next_position, landed_at, {", ".join(names)} FROM {LEDGER.full_name}
            ANTI JOIN {STREAM_OFFSETS.full_name} USING ({", ".join(_PLACE)})
            QUALIFY row_number() OVER (PARTITION BY {", ".join(_PLACE)} ORDER BY next_position DESC, landed_at DESC) = 1""")
    )


def lacking(lake: Lake) -> pl.DataFrame:
    """Rows of the ledger whose rows or rejects are not all there."""
    topics = lake.sql("SELECT DISTINCT kafka_topic FROM raw.ledger ORDER BY 1")[
        "kafka_topic"
    ].to_list()
    parts = [_of_topic(lake, topic) for topic in topics if topic in TOPIC_BY_TYPE]
    return pl.concat([LEDGER.empty(), *parts]).sort(*_PLACE, "first_position")


def _of_topic(lake: Lake, topic: str) -> pl.DataFrame:
    rows, rejects = (
        f"""SELECT l.kafka_topic_id, l.kafka_partition, l.first_position, count(*) AS n
            FROM (SELECT kafka_topic_id, kafka_partition, kafka_offset FROM {table} WHERE kafka_topic = $1) r
            ASOF JOIN batches l ON r.kafka_topic_id = l.kafka_topic_id AND r.kafka_partition = l.kafka_partition
             AND r.kafka_offset >= l.first_position GROUP BY ALL"""
        for table in (f'raw."{TOPIC_BY_TYPE[topic].name}"', REJECTS.full_name)
    )
    return LEDGER.conform(
        lake.sql(
            f"""WITH batches AS (FROM {LEDGER.full_name} WHERE kafka_topic = $1 AND next_position > first_position)
                SELECT b.* FROM batches b
                LEFT JOIN ({rows}) r USING (kafka_topic_id, kafka_partition, first_position)
                LEFT JOIN ({rejects}) s USING (kafka_topic_id, kafka_partition, first_position)
                WHERE coalesce(r.n, 0) < b.rows OR coalesce(s.n, 0) < b.rejects""",
            [topic],
        )
    )


def _land_lacking(lake: Lake, settings, mended: Mended, say: Say) -> list[str]:
    """A sentence for each batch that Kafka does not hold any more as it landed."""
    batches, left = lacking(lake), []
    if batches.is_empty():
        return left
    mended.is_to_compute = True
    say(f"landing again what {counted(batches.height, 'row')} of the ledger stand for")
    with Source(settings, stored=lambda: stored_standings(lake)) as source:
        for row in batches.iter_rows(named=True):
            batch = _read(source, row)
            if isinstance(batch, str):
                left.append(
                    f"{row['kafka_topic']}/{row['kafka_partition']}: {batch}; floe restore brings back a copy"
                )
                continue
            decoded = decode(batch, ingested_at=row["landed_at"])
            _land(lake, row, decoded)
            mended.batches += 1
            mended.rows += decoded.rows.height
            mended.rejects += decoded.rejects.height
    return left


def _read(source: Source, row: dict) -> Batch | str:
    """The batch as it landed; or why that can't be had."""
    first, end = row["first_position"], row["next_position"]
    positions = f"positions {first:,} to {end - 1:,}"
    try:
        if tuple(row[name] for name in _PLACE) not in source.assignment():
            raise UsageError
        earliest = source.earliest(row["kafka_topic"], row["kafka_partition"])
        if earliest > first:
            return f"{positions} are not all in Kafka any more (it begins at {earliest:,})"
        parts = source.read_again(row["kafka_topic"], row["kafka_partition"], first=first, end=end)
        batch = _cut(joined(parts), end=end)
    except UsageError:
        return f"{positions} are of a topic that Kafka does not have any more (id {row['kafka_topic_id']})"
    if batch is None or checksum(batch.values) != row["checksum"]:
        return f"{positions} hold other records in Kafka now than those that landed"
    return batch


def _cut(parts: list[Batch], *, end: int) -> Batch | None:
    """One batch without what lies beyond `end`."""
    if len(parts) != 1:
        return None
    (batch,) = parts
    count = sum(offset < end for offset in batch.offsets)
    columns = {name: getattr(batch, name)[:count] for name in ("offsets", "keys", "values")}
    return replace(batch, next_position=end, **columns)


def _land(lake: Lake, row: dict, decoded: Decoded) -> None:
    """Step 4. When a reject was replayed stays known where its row is still there."""
    place = [
        row["kafka_topic_id"],
        row["kafka_partition"],
        row["first_position"],
        row["next_position"],
    ]
    table = RAW_TABLES[TOPIC_BY_TYPE[row["kafka_topic"]].name]

    def work(writer: Writer) -> None:
        of_topic = f"kafka_topic = '{row['kafka_topic']}' AND {_RANGE}"
        before = writer.execute(f"FROM {REJECTS.full_name} WHERE {of_topic}", place)
        for name in (table.full_name, REJECTS.full_name):
            writer.execute(f"DELETE FROM {name} WHERE {of_topic}", place)
        writer.append(table, decoded.rows)
        writer.append(REJECTS, _as_replayed(decoded.rejects, before))
        writer.execute(
            f"""UPDATE {LEDGER.full_name} SET rows = $5, rejects = $6, rejects_reduced = NULL, landed_again_at = $7
                WHERE kafka_topic = '{row["kafka_topic"]}' AND kafka_topic_id = $1 AND kafka_partition = $2
                  AND first_position = $3 AND next_position = $4""",
            [*place, decoded.rows.height, decoded.rejects.height, datetime.now(UTC)],
        )

    lake.write(work)


def _as_replayed(rejects: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    replayed = before.select("kafka_offset", "part", "replayed_at").unique(["kafka_offset", "part"])
    joined_rows = rejects.drop("replayed_at").join(
        replayed, on=["kafka_offset", "part"], how="left", nulls_equal=True
    )
    return joined_rows.select(rejects.columns)
