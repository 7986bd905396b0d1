"""What has landed, told from the lake's own books: counts, freshness, rejects, proofs.

Here: read-only questions about `raw`, `core.data_cut` and the checks. Not here: landing (landing.py), outcomes.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl

from transforms.accounting import ACCOUNTS, FATES, unaccounted
from transforms.reread import reread
from transforms.schemas import CORE_TABLES, RAW_TABLES
from transforms.schemas.app import OUTDATED_TABLES
from transforms.schemas.raw import INSTRUMENTS, TOPIC_BY_NAME

from . import stream
from .lake import Lake
from .landing import current_positions, stored_standings
from .log_agreement import log_before
from .log_proofs import require_one_log

_SHOWN_TABLES = 5
_LONGEST_NAME = 200  # characters of what the contract does not know: a field's name may be as long as a record
_RAW_TABLE = re.compile(r"\b(?P<word>FROM|JOIN)\s+raw\.(?P<name>\w+|\"\w+\")", re.IGNORECASE)


def landed_records(lake: Lake, *, at: int | None = None) -> int:
    """Records landed or set aside, up to the snapshot `at` (None = now)."""
    return lake.sql(f"SELECT coalesce(sum(rows + rejects), 0)::BIGINT AS n FROM raw.ledger {_at(at)}")["n"][0]


def newest_event_time(lake: Lake, *, clock_tolerance_min: int, at: int | None = None) -> datetime | None:
    """The newest plausible event time, each capped at the time it was ingested; None of an empty lake.

    One further ahead of its landing than the tolerance is of a clock that is wrong: what time it was there is not
    known, and it moves nobody. Alerts don't count: Floe writes them itself, and one about a record of last year says nothing of patients since.
    """
    parts = " UNION ALL ".join(
        f'SELECT max(least(event_time, ingested_at)) AS t FROM raw."{name}" {_at(at)} '
        f"WHERE event_time <= ingested_at + to_minutes({int(clock_tolerance_min)})"
        for name in RAW_TABLES
        if name != "alerts"
    )
    return lake.sql(f"SELECT max(t) AS t FROM ({parts})")["t"][0]


def outdated_tables(lake: Lake, *, schemas: tuple[str, ...] = ("core", "mart", "app")) -> dict[str, bool]:
    """Tables of these schemas that another release computed -> whether they are empty until computed anew."""
    rows = lake.table(OUTDATED_TABLES.full_name).sort("table_name").iter_rows(named=True)
    return {r["table_name"]: r["is_empty"] for r in rows if r["table_name"].partition(".")[0] in schemas}


def outdated_sentence(lake: Lake) -> str | None:
    """What a reader must know of a lake that is being brought forward; None where nothing is outdated."""
    outdated = outdated_tables(lake, schemas=("core", "mart"))
    if not outdated:
        return None
    empty = [name for name, is_empty in outdated.items() if is_empty]
    shown = ", ".join(empty[:_SHOWN_TABLES]) + (
        f" and {len(empty) - _SHOWN_TABLES} more" * (len(empty) > _SHOWN_TABLES)
    )
    return (
        "core and mart were computed by another release of Floe: figures are those of its rules until floe materialize "
        f"has computed them anew{f'; empty until then: {shown}' if empty else ''}"
    )


def lag(lake: Lake, settings) -> pl.DataFrame | None:
    """Records not landed yet, a row a partition: kafka_topic, kafka_partition, lag; None where no broker answers.

    Raises LogsParted where Kafka's log is not the one that landed: what of it is new is not known.
    """
    if not stream.is_reachable(settings):
        return None
    require_one_log(lake, settings)
    ids = stream.topic_ids(settings)
    known = {
        (topic, partition): position
        for (topic, topic_id, partition), position in current_positions(lake).items()
        if ids.get(topic) == topic_id
    }
    found = stream.lag(settings, known)
    return pl.DataFrame(
        [(t, p, n) for (t, p), n in found.items()],
        schema={"kafka_topic": pl.String, "kafka_partition": pl.Int32, "lag": pl.Int64},
        orient="row",
    )


def row_counts(lake: Lake) -> pl.DataFrame:
    """A row a topic with records: kafka_topic, rows, rejects, landed_at (the last)."""
    return lake.sql(
        "SELECT kafka_topic, sum(rows)::BIGINT AS rows, sum(rejects)::BIGINT AS rejects, max(landed_at) AS landed_at "
        "FROM raw.ledger GROUP BY 1 ORDER BY 1"
    )


def reject_counts(lake: Lake) -> pl.DataFrame:
    """A row a topic and reason: kafka_topic, reason, records, replayed, first_at, last_at."""
    return lake.sql(
        "SELECT kafka_topic, reason, count(*) AS records, count(replayed_at) AS replayed, "
        "min(ingested_at) AS first_at, max(ingested_at) AS last_at FROM raw.rejects GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )


_ASIDE = ("conflicts", "orphans", "implausible", "likely_doubles")


def set_aside(lake: Lake) -> dict[str, int]:
    """How many rows core lists of what clashes, refers to nothing, can't be true, or is likely there twice."""
    listed = lake.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'core'")["table_name"].to_list()
    return {name: lake.sql(f"SELECT count(*) AS n FROM core.{name}")["n"][0] for name in _ASIDE if name in listed}


def unknown_content(lake: Lake) -> pl.DataFrame:
    """What was landed and the contract does not know (by now): topic, kind (field, value, instrument), name, records."""
    parts = [
        f"""SELECT '{name}' AS topic, 'field' AS kind, key AS name, count(*) AS records
            FROM (SELECT unnest(json_keys(extra)) AS key FROM raw."{name}" WHERE extra IS NOT NULL)
            WHERE key NOT IN ({", ".join(f"'{column}'" for column in table.names)}) GROUP BY 3"""
        for name, table in RAW_TABLES.items()
    ]
    for name, topic in TOPIC_BY_NAME.items():
        parts += [
            f"""SELECT '{name}', 'value', '{c.name} = ' || "{c.name}_raw", count(*) FROM raw."{name}"
                WHERE "{c.name}_raw" NOT IN ({", ".join(f"'{value}'" for value in c.closed)}) GROUP BY 3"""
            for c in topic.fields
            if c.closed
        ]
    known = ", ".join(f"'{name}'" for name in INSTRUMENTS)
    parts.append(
        f"""SELECT 'responses', 'instrument', instrument, count(*) FROM raw.responses
            WHERE instrument NOT IN ({known}) GROUP BY 3"""
    )
    shown = f"SELECT topic, kind, left(name, {_LONGEST_NAME}) AS name, records"
    return lake.sql(f"{shown} FROM ({' UNION ALL '.join(parts)}) ORDER BY records DESC, topic, name")


def list_rejects(lake: Lake, *, reason: str | None = None, topic: str | None = None, limit: int = 50) -> pl.DataFrame:
    """The newest rejects first, without their bytes."""
    return lake.sql(
        "SELECT kafka_topic, kafka_partition, kafka_offset, part, reason, field, detail, ingested_at, replayed_at, "
        "if(checksum IS NULL, 'whole', 'checksum') AS kept "
        "FROM raw.rejects WHERE ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR kafka_topic = $2) "
        "ORDER BY ingested_at DESC, kafka_topic, kafka_partition, kafka_offset, part LIMIT $3",
        [reason, topic, limit],
    )


def one_reject(lake: Lake, *, topic: str, partition: int, offset: int) -> pl.DataFrame:
    """The rejects at one position: none, one, several of a batched record, and those of each topic id of the name."""
    return lake.table(
        "raw.rejects",
        where="kafka_topic = $1 AND kafka_partition = $2 AND kafka_offset = $3",
        params=[topic, partition, offset],
    )


def mark_replayed(lake: Lake, rejects: pl.DataFrame, *, now: datetime) -> None:
    """Notes in `raw.rejects` that these were published again."""
    whole = pl.col("part").fill_null(-1)
    places = rejects.select("kafka_topic", "kafka_topic_id", "kafka_partition", "kafka_offset", whole)
    lake.write(
        lambda w: w.execute(
            """UPDATE raw.rejects SET replayed_at = $1
               WHERE (kafka_topic, kafka_topic_id, kafka_partition, kafka_offset, coalesce(part, -1))
                   IN (SELECT * FROM places)""",
            [now],
            places=places,
        )
    )


# A batched record lands several rows at its position, all at one moment.
_PLACES = "count(DISTINCT (kafka_topic_id, kafka_partition, kafka_offset))"
_LANDINGS = "count(DISTINCT (kafka_topic_id, kafka_partition, kafka_offset, ingested_at))"
_NOT_PROVABLE = {
    "lost": "Kafka had deleted them before they were read",
    "unknown": "they were gone before Floe first looked, so nobody can say what they held",
}


def proofs(lake: Lake) -> Iterator[tuple[bool | None, str]]:
    """Whether ledger, offsets and tables agree, one sentence each; None for what nothing here can prove."""
    gaps = lake.sql(
        """SELECT count(*) AS n FROM (
             SELECT first_position, lag(next_position) OVER (
               PARTITION BY kafka_topic, kafka_topic_id, kafka_partition ORDER BY first_position, next_position) AS previous
             FROM raw.ledger) WHERE previous IS NOT NULL AND previous <> first_position"""
    )["n"][0]
    batches = lake.sql("SELECT count(*) AS n FROM raw.ledger")["n"][0]
    yield gaps == 0, f"the ledger's {batches:,} batches are contiguous in every partition ({gaps} gaps or overlaps)"
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
    """Rejects, the ledger and the hours in which they are counted, of those kept whole and of the others."""
    found = lake.sql(
        """SELECT count(*) AS n, count(checksum) AS reduced,
               count(*) - count(DISTINCT (kafka_topic, kafka_topic_id, kafka_partition, kafka_offset, part)) AS doubles
           FROM raw.rejects"""
    ).row(0, named=True)
    books = ("raw.ledger", "rejects", "rejects_reduced"), ("raw.reject_hours", "records", "reduced")
    counts = [
        lake.sql(f"SELECT coalesce(sum({n}), 0)::BIGINT, coalesce(sum({reduced}), 0)::BIGINT FROM {table}").row(0)
        for table, n, reduced in books
    ]
    all_rejects, (ledger, hours) = (found["n"], found["reduced"]), counts
    # a lake that another release wrote has no hours before the next ingest
    agrees = found["doubles"] == 0 and ledger == all_rejects and hours in (all_rejects, (0, 0))
    reduced = f", {found['reduced']:,} of them as position, reason and checksum" if found["reduced"] else ""
    return agrees, f"{found['n']:,} rejects are as many as the ledger and their hours say, each once{reduced}"


def missing_positions(lake: Lake) -> list[str]:
    """A sentence for each part of the stream that never came to the lake, and each log that parted from it."""
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
            sentences.append(_parting_sentence(f"{topic}/{partition}", mark, end, before.position if before else 0, at))
    return sentences


def _parting_sentence(name: str, mark: str, since: int, before: int, at: datetime) -> str:
    chosen = (
        f"{name}: Kafka's log parted from the one that had landed up to {before:,}; chosen on {at:%Y-%m-%d %H:%M} UTC"
    )
    if mark == "beginning":
        return f"{chosen}: all that it has landed again from {since:,}; what it had lost is in the lake alone"
    alone = max(0, before - since)
    return f"{chosen}: it landed on from {since:,}, where they part; {alone:,} positions of the log before are in the lake alone"


def fates(lake: Lake) -> pl.DataFrame | None:
    """What became of every record up to the data cut (rows of transforms.accounting).

    None where core is not whole: before the first cut, while a materialisation is under way, and where another
    release computed it.
    """
    cut = lake.table("core.data_cut")
    if cut.is_empty() or outdated_tables(lake, schemas=("core",)):
        return None
    computed = lake.sql(
        'SELECT DISTINCT "table" AS name FROM mart.check_results WHERE checked_at >= $1', [cut["started_at"][0]]
    )["name"]
    if not {table.full_name for table in CORE_TABLES.values()} - {"core.data_cut"} <= set(computed):
        return None
    query = raw_as_of(lake, cut["lake_snapshot"][0])
    return pl.concat([query(sql) for sql in ACCOUNTS.values()])


def _account(accounts: pl.DataFrame) -> tuple[bool, str]:
    sums = accounts.select(pl.col("landed", *FATES).sum()).row(0, named=True)
    told = ", ".join(f"{sums[fate]:,} {fate.replace('_', ' ')}" for fate in FATES if sums[fate] or fate == "counted")
    wrong = unaccounted(accounts)
    doubt = "" if wrong.is_empty() else f"; look into {', '.join(wrong['topic'])}"
    return (
        wrong.is_empty(),
        f"all {sums['landed']:,} records up to the data cut are accounted for in core: {told}{doubt}",
    )


def _at(snapshot: int | None) -> str:
    return "" if snapshot is None else f"AT (VERSION => {int(snapshot)})"


def raw_as_of(lake: Lake, snapshot: int) -> Callable[..., pl.DataFrame]:
    """`lake.sql`, for which the tables of `raw` stand still at `snapshot` while ingest goes on, and their rows are read
    with what this release knows (transforms/reread.py); others are as now.
    """

    def stood_still(reading: re.Match[str]) -> str:
        name = reading["name"].strip('"')
        table = f'raw."{name}" {_at(snapshot)}'
        is_record = name in RAW_TABLES
        return f"{reading['word']} " + (f'(SELECT {reread(name)} FROM {table}) AS "{name}"' if is_record else table)

    def query(statement: str, params=None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        return lake.sql(_RAW_TABLE.sub(stood_still, statement), params, **frames)

    return query
