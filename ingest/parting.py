"""Where Kafka's log and the lake part, and how landing goes on from there.

Here: finding the place by the ledger, then record by record; the batch that says in the ledger what
was chosen. Not here: noticing that they part (log_agreement.py), asking Kafka (source.py), the
choice (a person's, by `floe ingest`).

What landed before stays: the log goes on under a name of its own (`#2` behind the topic's id), as
that of a topic made again does, so that a position is used once in each and nothing new is taken
for seen.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import polars as pl

from transforms.schemas.raw import REJECTS

from .contract import TOPIC_BY_TYPE
from .decode import decode
from .lake import Lake
from .log_agreement import Outcome, Standing
from .log_names import following_log, log_before, log_number
from .lost_batches import BeginningBatch, PartedBatch
from .notices import LogParted
from .positions import Partition, last_of
from .reject_hours import digests
from .source import Batch, Poller

PARTED, BEGINNING = CHOICES = ("parted", "beginning")


def gone_on(lake: Lake, source: Poller, parted: LogParted, choice: str) -> Batch:
    """Moves the source to where it goes on, and gives the batch to land first.

    `choice`: `parted`, from where log and lake part; `beginning`, all that the log has, again.
    """
    log_id = following_log(parted.topic_id)
    if choice == BEGINNING:
        kind, standing = BeginningBatch, Standing(source.earliest(parted.topic, parted.partition))
    else:
        kind, standing = PartedBatch, _parting(lake, source, parted)
    source.go_on(parted.topic, parted.partition, log_id=log_id, standing=standing)
    no_records: tuple[list, list, list] = ([], [], [])
    return kind(
        parted.topic,
        log_id,
        parted.partition,
        0,
        standing.position,
        *no_records,
        last=standing.last,
    )


def _parting(lake: Lake, source: Poller, parted: LogParted) -> Standing:
    """The first position whose record is not the one that landed from there, with the last record
    before it.
    """
    if (parted.topic, parted.topic_id, parted.partition) not in source.assignment():
        return Standing(0)  # the partition is not there any more
    lineage = lineage_of(lake, (parted.topic, parted.topic_id, parted.partition))
    before = last_agreeing(
        standings_of(lake, lineage), lambda standing: _holds(source, parted, standing)
    )
    start = max(before.position if before else 0, source.earliest(parted.topic, parted.partition))
    last = before.last if before else None
    for batch in source.read_again(
        parted.topic, parted.partition, first=start, end=parted.position
    ):
        different = first_difference(lake, lineage, batch)
        if different is not None:
            return Standing(different, last)
        start = batch.next_position
    return Standing(min(start, parted.position), last)


# The logs whose records a partition's log holds, the newest first, each with the position from
# which on its records are not of that log any more: it parted there before.
Lineage = list[tuple[Partition, int]]
_NO_END = 2**63 - 1


def lineage_of(lake: Lake, log: Partition) -> Lineage:
    topic, log_id, partition = log
    where = "kafka_topic = $1 AND kafka_partition = $2 AND checksum IN ('parted', 'beginning')"
    marks = lake.table(
        "raw.ledger", ["kafka_topic_id", "checksum", "next_position"], where, [topic, partition]
    )
    choices = {of: (mark, position) for of, mark, position in marks.rows()}
    lineage, end = [(log, _NO_END)], _NO_END
    while log_number(log_id) > 1 and choices[log_id][0] == PARTED:
        end = min(end, choices[log_id][1])
        log_id = log_before(log_id)
        lineage.append(((topic, log_id, partition), end))
    return lineage


def standings_of(lake: Lake, lineage: Lineage) -> list[Standing]:
    """Where the log stood after each landing that remembers its last record, oldest first."""
    where = (
        "kafka_topic = $1 AND kafka_topic_id = $2 AND kafka_partition = $3 AND next_position <= $4 "
        "AND last_offset IS NOT NULL"
    )
    standings = {}
    for log, end in lineage:
        rows = lake.table("raw.ledger", where=where, params=[*log, end]).iter_rows(named=True)
        standings |= {
            row["next_position"]: Standing(row["next_position"], last_of(row)) for row in rows
        }
    return [standings[position] for position in sorted(standings)]


def _holds(source: Poller, parted: LogParted, standing: Standing) -> bool | None:
    verdict = source.verdict(parted.topic, parted.partition, standing)
    outcomes = {Outcome.AGREES: True, Outcome.PARTED: False}
    if not verdict:
        return None
    return outcomes.get(verdict.outcome)


def last_agreeing(
    standings: Sequence[Standing], holds: Callable[[Standing], bool | None]
) -> Standing | None:
    """The last standing that the log holds; None without one. `holds` is None of a record that is
    not there any more.

    A log that parted never comes back, so that it holds all standings up to one and none behind it:
    halving finds it.
    """
    latest, low, high = None, 0, len(standings)
    while low < high:
        middle = at = (low + high) // 2
        while at >= low and (answer := holds(standings[at])) is None:
            at -= 1
        if at >= low and not answer:
            high = at
        else:
            latest = standings[at] if at >= low else latest
            low = middle + 1
    return latest


_SEEN = ("kafka_offset", "event_id", "source", "event_time")
_SET_ASIDE = ("kafka_offset", "part", "reason", "value", "checksum")


def first_difference(lake: Lake, lineage: Lineage, batch: Batch) -> int | None:
    """The first offset of the batch at which another event, or none, landed; None where all of it
    did.
    """
    decoded = decode(batch, ingested_at=datetime.now(UTC))
    table = f"raw.{TOPIC_BY_TYPE[batch.topic].name}"
    rejects = _landed(lake, lineage, batch, "raw.rejects", _SET_ASIDE)
    offsets = _differing(decoded.rows, _landed(lake, lineage, batch, table, _SEEN))
    offsets += _differing(_comparable(decoded.rejects), _comparable(rejects))
    return min(offsets, default=None)


def _landed(
    lake: Lake, lineage: Lineage, batch: Batch, table: str, columns: tuple[str, ...]
) -> pl.DataFrame:
    where = "kafka_topic = $1 AND kafka_topic_id = $2 AND kafka_partition = $3 AND kafka_offset >= $4 AND kafka_offset < $5"
    frames = [
        lake.table(
            table, columns, where, [*log, batch.first_position, min(end, batch.next_position)]
        )
        for log, end in lineage
    ]
    landed = pl.concat(frames)
    return lake.opened(REJECTS, landed) if table == REJECTS.full_name else landed


def _comparable(rejects: pl.DataFrame) -> pl.DataFrame:
    """Of a flood's rejects only a checksum was kept, so that is what is compared of all."""
    return rejects.with_columns(digests(rejects).alias("checksum")).drop("value")


def _differing(read: pl.DataFrame, landed: pl.DataFrame) -> list[int]:
    """Offsets of rows that one of the two frames lacks, as their first column says."""
    rows = set(read.select(landed.columns).rows()) ^ set(landed.rows())
    return [row[0] for row in rows]
