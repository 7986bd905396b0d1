"""Whether what landed is whole: ledger, offsets, rows, rejects and fates proved against each other.

Here: proofs from the lake's own books. Not here: counts (inspection.py), files (lake_damage.py),
Kafka's log (log_proofs.py).
"""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from transforms.records.accounting import ACCOUNTS, FATES, unaccounted
from transforms.schemas import CORE_TABLES
from transforms.schemas.raw import TOPIC_BY_NAME

from .inspection import outdated_tables, raw_as_of
from .lake import Lake
from .log_names import log_before
from .positions import stored_standings

# A batched record lands several rows at its position, all at one moment.
_PLACES = "count(DISTINCT (kafka_topic_id, kafka_partition, kafka_offset))"
_LANDINGS = "count(DISTINCT (kafka_topic_id, kafka_partition, kafka_offset, ingested_at))"
_NOT_PROVABLE = {
    "lost": "Kafka had deleted them before they were read",
    "unknown": "they were gone before Floe first looked, so nobody can say what they held",
}


def proofs(lake: Lake) -> Iterator[tuple[bool | None, str]]:
    """Whether ledger, offsets and tables agree, one sentence each; None for what nothing here can
    prove.
    """
    gaps = lake.sql(
        """SELECT count(*) AS n FROM (
             SELECT first_position, lag(next_position) OVER (
               PARTITION BY kafka_topic, kafka_topic_id, kafka_partition ORDER BY first_position, next_position) AS previous
             FROM raw.ledger) WHERE previous IS NOT NULL AND previous <> first_position"""
    )["n"][0]
    batches = lake.sql("SELECT count(*) AS n FROM raw.ledger")["n"][0]
    yield (
        gaps == 0,
        f"the ledger's {batches:,} batches are contiguous in every partition ({gaps} gaps or overlaps)",
    )
    offsets = lake.sql(
        """SELECT count(*) AS partitions, count(*) FILTER (WHERE l.next_position IS DISTINCT FROM o.next_offset) AS bad
           FROM raw.stream_offsets o FULL JOIN (
             SELECT kafka_topic, kafka_topic_id, kafka_partition, max(next_position) AS next_position
             FROM raw.ledger GROUP BY ALL) l USING (kafka_topic, kafka_topic_id, kafka_partition)"""
    ).row(0, named=True)
    yield (
        offsets["bad"] == 0,
        f"the offsets of {offsets['partitions']} partitions stand where the ledger ends ({offsets['bad']} do not)",
    )
    tables = [(t.type, f'raw."{name}"') for name, t in TOPIC_BY_NAME.items()]
    rows = " UNION ALL ".join(
        f"""SELECT '{topic}' AS kafka_topic, count(*) AS n, {_LANDINGS} - {_PLACES} AS again FROM {table}"""
        for topic, table in tables
    )
    counted = lake.sql(
        f"""SELECT coalesce(sum(n), 0)::BIGINT AS n, coalesce(sum(again), 0)::BIGINT AS doubles,
                   count(*) FILTER (WHERE n <> coalesce(l.rows, 0)) AS differing
            FROM ({rows}) t LEFT JOIN (SELECT kafka_topic, sum(rows) AS rows FROM raw.ledger GROUP BY 1) l USING (kafka_topic)"""
    ).row(0, named=True)
    yield (
        counted["differing"] == 0,
        f"{counted['n']:,} rows in raw are as many as the ledger says, topic by topic ({counted['differing']} differ)",
    )
    yield counted["doubles"] == 0, f"no position landed twice ({counted['doubles']} did)"
    yield _rejects(lake)
    yield from ((None, sentence) for sentence in missing_positions(lake))
    accounts = fates(lake)
    if accounts is not None:
        yield _account(accounts)


def _rejects(lake: Lake) -> tuple[bool, str]:
    """Rejects, the ledger and the hours in which they are counted, of those kept whole and of the
    others.
    """
    rejects = lake.sql(
        """SELECT count(*) AS n, count(checksum) AS reduced,
               count(*) - count(DISTINCT (kafka_topic, kafka_topic_id, kafka_partition, kafka_offset, part)) AS doubles
           FROM raw.rejects"""
    ).row(0, named=True)
    books = ("raw.ledger", "rejects", "rejects_reduced"), ("raw.reject_hours", "records", "reduced")
    counts = [
        lake.sql(
            f"SELECT coalesce(sum({n}), 0)::BIGINT, coalesce(sum({reduced}), 0)::BIGINT FROM {table}"
        ).row(0)
        for table, n, reduced in books
    ]
    all_rejects, (ledger, hours) = (rejects["n"], rejects["reduced"]), counts
    # a lake that another release wrote has no hours before the next ingest
    agrees = rejects["doubles"] == 0 and ledger == all_rejects and hours in (all_rejects, (0, 0))
    reduced = (
        f", {rejects['reduced']:,} of them as position, reason and checksum"
        if rejects["reduced"]
        else ""
    )
    return (
        agrees,
        f"{rejects['n']:,} rejects are as many as the ledger and their hours say, each once{reduced}",
    )


def missing_positions(lake: Lake) -> list[str]:
    """A sentence for each part of the stream that never came to the lake, and each log that parted
    from it.
    """
    rows = lake.sql(
        """SELECT kafka_topic, kafka_topic_id, kafka_partition, checksum, first_position, next_position, landed_at
           FROM raw.ledger WHERE checksum IN ('lost', 'unknown', 'parted', 'beginning')
           ORDER BY kafka_topic, kafka_partition, landed_at, first_position"""
    )
    stored = stored_standings(lake)
    sentences = []
    for topic, log_id, partition, mark, first, end, at in rows.iter_rows():
        if mark in _NOT_PROVABLE:
            sentences.append(
                f"{topic}/{partition}: positions {first:,} to {end - 1:,} ({end - first:,}) are not in the lake: {_NOT_PROVABLE[mark]}"
            )
        else:
            before = stored.get((topic, log_before(log_id), partition))
            sentences.append(
                _parting_sentence(
                    f"{topic}/{partition}", mark, end, before.position if before else 0, at
                )
            )
    return sentences


def _parting_sentence(name: str, mark: str, since: int, before: int, at: datetime) -> str:
    chosen = f"{name}: Kafka's log parted from the one that had landed up to {before:,}; chosen on {at:%Y-%m-%d %H:%M} UTC"
    if mark == "beginning":
        return f"{chosen}: all that it has landed again from {since:,}; what it had lost is in the lake alone"
    alone = max(0, before - since)
    return f"{chosen}: it landed on from {since:,}, where they part; {alone:,} positions of the log before are in the lake alone"


def fates(lake: Lake) -> pl.DataFrame | None:
    """What became of every record up to the data cut (rows of transforms.records.accounting).

    None where core is not whole: before the first cut, while a materialisation is under way, and
    where another release computed it.
    """
    cut = lake.table("core.data_cut")
    if cut.is_empty() or outdated_tables(lake, schemas=("core",)):
        return None
    computed = lake.sql(
        'SELECT "table" AS name FROM mart.check_results WHERE checked_at >= $1 GROUP BY 1 HAVING bool_and(is_passed)',
        [cut["started_at"][0]],
    )["name"]
    if not {table.full_name for table in CORE_TABLES.values()} - {"core.data_cut"} <= set(computed):
        return None
    query = raw_as_of(lake, cut["lake_snapshot"][0])
    return pl.concat([query(sql) for sql in ACCOUNTS.values()])


def _account(accounts: pl.DataFrame) -> tuple[bool, str]:
    sums = accounts.select(pl.col("landed", *FATES).sum()).row(0, named=True)
    parts = ", ".join(
        f"{sums[fate]:,} {fate.replace('_', ' ')}"
        for fate in FATES
        if sums[fate] or fate == "counted"
    )
    wrong = unaccounted(accounts)
    doubt = "" if wrong.is_empty() else f"; look into {', '.join(wrong['topic'])}"
    return (
        wrong.is_empty(),
        f"all {sums['landed']:,} records up to the data cut are accounted for in core: {parts}{doubt}",
    )
