"""Up to where each partition has landed, as the lake knows it.

Here: reading that. Not here: moving it (landing.py), which logs there are (log_names.py).
"""

from collections.abc import Mapping

import polars as pl

from transforms.schemas.raw import LAST_RECORD, STREAM_OFFSETS

from .lake import Lake
from .last_record import LastRecord
from .log_agreement import Standing
from .log_names import current_logs

Partition = tuple[str, str, int]


def stored_positions(lake: Lake) -> dict[Partition, int]:
    """The next position of every partition that ever landed: where a worker goes on."""
    return positions_of(lake.table(STREAM_OFFSETS.full_name))


def stored_standings(lake: Lake) -> dict[Partition, Standing]:
    """The same, with the last record before it, by which Kafka's log is known again."""
    rows = lake.table(STREAM_OFFSETS.full_name).iter_rows(named=True)
    return {
        tuple(row[name] for name in STREAM_OFFSETS.key): Standing(row["next_offset"], last_of(row))
        for row in rows
    }


def current_positions(lake: Lake) -> dict[Partition, int]:
    """(topic, Kafka's own topic id, partition) -> the next position in its newest log."""
    stored = stored_positions(lake)
    return {
        place: stored[(place[0], log_id, place[2])]
        for place, log_id in current_logs(stored).items()
    }


def last_of(row: Mapping) -> LastRecord | None:
    """The last record that a row of `raw.stream_offsets` or `raw.ledger` remembers; None where it
    remembers none.
    """
    offset, *others = (row[column.name] for column in LAST_RECORD)
    if offset is None:
        return None
    return LastRecord(offset, *others)


def positions_of(offsets: pl.DataFrame) -> dict[Partition, int]:
    """The same of rows of `raw.stream_offsets`."""
    rows = offsets.select(*STREAM_OFFSETS.key, "next_offset").iter_rows()
    return {(topic, topic_id, partition): position for topic, topic_id, partition, position in rows}
