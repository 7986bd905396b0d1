"""What `floe rejects` does: lists what broke the contract, shows one, sends again what can be read
now.

Here: the steps of each. Not here: what is sent again of a reject (ingest/replaying.py).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import polars as pl

from ingest import inspection
from ingest.lake import Lake, StillLake
from ingest.sealing import is_sealed
from transforms.counting import counted
from transforms.errors import UsageError
from transforms.facts.masking import NOT_SHOWN
from transforms.schemas.raw import REJECTS


def list_rejects(settings, *, reason: str | None, topic: str | None, limit: int) -> pl.DataFrame:
    with StillLake.open(settings.of_one_thread, read_only=True) as lake:
        return inspection.list_rejects(lake, reason=reason, topic=topic, limit=limit)


def show_reject(settings, *, topic: str, partition: int, offset: int) -> str:
    with StillLake.open(settings.of_one_thread, read_only=True) as lake:
        reject = inspection.one_reject(lake, topic=topic, partition=partition, offset=offset)
    if reject.is_empty():
        raise UsageError(
            f"found no reject at {topic} {partition} {offset}; `floe rejects` lists those there are"
        )
    return "\n\n".join(_shown_reject(row) for row in reject.sort("part").iter_rows(named=True))


def _shown_reject(row: dict) -> str:
    value = row.pop("value")
    shown = "(no value)" if value is None else value.decode(errors="backslashreplace")
    if is_sealed(value):
        shown = f"({NOT_SHOWN}; it is sent again whole)"
        row["headers"] = row["headers"] and f"({NOT_SHOWN})"
    if row["checksum"]:
        shown = "(not kept: beyond FLOE_REJECTS_WHOLE_MB; in Kafka at this position as long as that holds it)"
    return "\n".join(f"{name:<16} {v}" for name, v in row.items()) + f"\n{'value':<16} {shown}"


def replay_rejects(settings, *, reason: str | None, topic: str | None) -> tuple[int, list[str]]:
    """Publishes those not replayed yet that can be read now, marks them, and closes the alerts of
    which none is left; gives their number and a sentence for each kind that still can't be read, or
    be sent. A crash in between sends them twice, which counts once.
    """
    from ingest import (
        reject_alerts,
        replaying,
        stream,
    )  # Kafka's library, which a list does not need

    with Lake.open(settings) as lake:
        rejects = lake.table(
            "raw.rejects",
            where="replayed_at IS NULL AND ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR kafka_topic = $2)",
            params=[reason, topic],
        )
        rejects, now = lake.opened(REJECTS, rejects), datetime.now(UTC)
        whole, gone = replaying.restored(rejects, fetch=partial(stream.records_at, settings))
        readable, left = replaying.sorted_out(whole, now=now)
        sent = stream.publish(settings, replaying.records(readable))
        inspection.mark_replayed(lake, readable, now=now)
        closing = reject_alerts.closing_alerts(lake, now=now)
        stream.publish(settings, closing.events)
        reject_alerts.note_told(lake, closing)
    return sent, [*_still_unread(left), *_not_kept(gone)]


def _still_unread(rejects: pl.DataFrame) -> Iterator[str]:
    kinds = rejects.group_by("kafka_topic", "reason").len().sort("kafka_topic", "reason")
    for topic, reason, n in kinds.iter_rows():
        yield f"{counted(n, 'record')} of {topic} still can't be read ({reason}): nothing was sent, nothing is changed"


def _not_kept(rejects: pl.DataFrame) -> Iterator[str]:
    """Of records kept as a checksum, which Kafka doesn't hold any more."""
    places = rejects.group_by("kafka_topic", "kafka_partition", "reason").agg(
        pl.len().alias("n"),
        pl.col("kafka_offset").min().alias("first"),
        pl.col("kafka_offset").max().alias("last"),
    )
    for topic, partition, reason, n, first, last in places.sort(
        "kafka_topic", "kafka_partition", "reason"
    ).iter_rows():
        yield (
            f"{counted(n, 'record')} of {topic} ({reason}) can't be sent: in a flood only position and checksum were kept, and "
            f"Kafka no longer holds them at {topic}/{partition}, offsets {first} to {last}: ask who sent them"
        )
