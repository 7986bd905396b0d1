"""What has landed, told from the lake's own books: counts, freshness, rejects, the release in
force.

Here: read-only questions about `raw`, `core.data_cut` and the checks. Not here: landing
(landing.py), proofs (proofs.py), what Kafka still holds (lag.py), outcomes.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime

import polars as pl

from transforms.facts.instruments import INSTRUMENTS
from transforms.records.reread import reread
from transforms.schemas import APP_TABLES, MART_TABLES, RAW_TABLES
from transforms.schemas.app import OUTDATED_TABLES
from transforms.schemas.raw import TOPIC_BY_NAME

from .lake import Lake

_RESTATEMENTS = MART_TABLES["restatements"].full_name
_SHOWN_TABLES = 5
_LONGEST_NAME = (
    200  # characters of what the contract does not know: a field's name may be as long as a record
)
_RAW_TABLE = re.compile(r"\b(?P<word>FROM|JOIN)\s+raw\.(?P<name>\w+|\"\w+\")", re.IGNORECASE)


def landed_records(lake: Lake, *, at: int | None = None) -> int:
    """Records landed or set aside, up to the snapshot `at` (None = now)."""
    return lake.sql(
        f"SELECT coalesce(sum(rows + rejects), 0)::BIGINT AS n FROM raw.ledger {_at(at)}"
    )["n"][0]


def newest_event_time(
    lake: Lake, *, clock_tolerance_min: int, at: int | None = None
) -> datetime | None:
    """The newest plausible event time, each capped at the time it was ingested; None of an empty
    lake.

    One further ahead of its landing than the tolerance is of a clock that is wrong: what time it
    was there is not known, and it moves nobody. Alerts don't count: Floe writes them itself, and
    one about a record of last year says nothing of patients since.
    """
    parts = " UNION ALL ".join(
        f'SELECT max(least(event_time, ingested_at)) AS t FROM raw."{name}" {_at(at)} '
        f"WHERE event_time <= ingested_at + to_minutes({int(clock_tolerance_min)})"
        for name in _landed(lake, at=at)
        if name != "alerts"
    )
    if not parts:
        return None
    return lake.rows(f"SELECT max(t) FROM ({parts})")[0][0]


def _landed(lake: Lake, *, at: int | None = None) -> list[str]:
    """The tables of `raw` in which rows have landed: a look at one that never had any costs as much
    as at the others.
    """
    topics = {
        topic
        for (topic,) in lake.rows(
            f"SELECT DISTINCT kafka_topic FROM raw.ledger {_at(at)} WHERE rows > 0"
        )
    }
    return [name for name in RAW_TABLES if TOPIC_BY_NAME[name].type in topics]


def last_release(lake: Lake) -> dict | None:
    """The row of `app.releases` in force; None before the first."""
    rows = lake.table(APP_TABLES["releases"].full_name).sort("release_id")
    if not rows.height:
        return None
    return rows.row(-1, named=True)


def restated_since_release(lake: Lake) -> dict | None:
    """Of the last release how many figures were restated since, by reason, and when last; None
    before the first.
    """
    release = last_release(lake)
    if release is None:
        return None
    number = [release["release_id"]]
    rows = lake.sql(
        f"""SELECT count(*) AS figures, max(restated_at) AS last_at FROM {_RESTATEMENTS}
            WHERE release_id = $1 AND len(changed) > 0""",
        number,
    ).row(0, named=True)
    reasons = lake.sql(
        f"""SELECT reason, count(*) AS n FROM (
                SELECT unnest(reasons) AS reason FROM {_RESTATEMENTS} WHERE release_id = $1 AND len(changed) > 0)
            GROUP BY 1 ORDER BY n DESC, 1""",
        number,
    )
    return rows | {"release_id": release["release_id"], "reasons": dict(reasons.iter_rows())}


def outdated_tables(
    lake: Lake, *, schemas: tuple[str, ...] = ("core", "mart", "app")
) -> dict[str, bool]:
    """Tables of these schemas that another release computed -> whether they are empty until
    computed anew.
    """
    rows = lake.rows(
        f"SELECT table_name, is_empty FROM {OUTDATED_TABLES.full_name} ORDER BY table_name"
    )
    return {name: is_empty for name, is_empty in rows if name.partition(".")[0] in schemas}


def outdated_sentence(lake: Lake) -> str | None:
    """What a reader must know of a lake that is being brought forward; None where nothing is
    outdated.
    """
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


def row_counts(lake: Lake) -> pl.DataFrame:
    """One row per topic with records: kafka_topic, rows, rejects, landed_at (the last)."""
    return lake.sql(
        "SELECT kafka_topic, sum(rows)::BIGINT AS rows, sum(rejects)::BIGINT AS rejects, max(landed_at) AS landed_at "
        "FROM raw.ledger GROUP BY 1 ORDER BY 1"
    )


def reject_counts(lake: Lake) -> pl.DataFrame:
    """One row per topic and reason: kafka_topic, reason, records, replayed, first_at, last_at."""
    return lake.sql(
        "SELECT kafka_topic, reason, count(*) AS records, count(replayed_at) AS replayed, "
        "min(ingested_at) AS first_at, max(ingested_at) AS last_at FROM raw.rejects GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )


_ASIDE = ("conflicts", "orphans", "implausible", "likely_doubles")


def set_aside(lake: Lake) -> dict[str, int]:
    """How many rows core lists of what clashes, refers to nothing, can't be true, or is likely
    there twice.
    """
    # duckdb_tables() would estimate the rows of every table
    there = lake.rows("SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = 'core'")
    counts = [f"SELECT '{name}', count(*) FROM core.{name}" for name in _ASIDE if (name,) in there]
    return dict(lake.rows(" UNION ALL ".join(counts))) if counts else {}


def unknown_content(lake: Lake) -> pl.DataFrame:
    """What was landed and the contract does not know (by now): topic, kind (field, value,
    instrument), name, records.
    """
    parts = [
        "SELECT NULL::VARCHAR AS topic, NULL::VARCHAR AS kind, NULL::VARCHAR AS name, 0 AS records WHERE false",
        *(_unknown_of(name) for name in _landed(lake)),
    ]
    shown = f"SELECT topic, kind, left(name, {_LONGEST_NAME}) AS name, records"
    return lake.sql(
        f"{shown} FROM ({' UNION ALL '.join(parts)}) ORDER BY records DESC, topic, name"
    )


def _unknown_of(name: str) -> str:
    """SQL for what a topic's rows hold that is not known, in one look at each row."""
    known = ", ".join(f"'{column}'" for column in RAW_TABLES[name].names)
    closed = [(f"{c.name}_raw", c.name, c.closed) for c in TOPIC_BY_NAME[name].fields if c.closed]
    unknown = [
        f"""CASE WHEN "{column}" NOT IN ({_listed(values)})
            THEN {{'kind': 'value', 'name': '{shown} = ' || "{column}"}} END"""
        for column, shown, values in closed
    ]
    if name == "responses":
        unknown.append(
            f"""CASE WHEN instrument NOT IN ({_listed(INSTRUMENTS)})
                THEN {{'kind': 'instrument', 'name': instrument}} END"""
        )
    return f"""SELECT '{name}', one.kind, one.name, count(*) FROM (
            SELECT unnest(
                [if(key IN ({known}), NULL, {{'kind': 'field', 'name': key}}) FOR key IN coalesce(json_keys(extra), [])]
                || [{", ".join(unknown)}]
            ) AS one FROM raw."{name}"
        ) WHERE one IS NOT NULL GROUP BY ALL"""


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def list_rejects(
    lake: Lake, *, reason: str | None = None, topic: str | None = None, limit: int = 50
) -> pl.DataFrame:
    """The newest rejects first, without their bytes."""
    return lake.sql(
        "SELECT kafka_topic, kafka_partition, kafka_offset, part, reason, field, detail, ingested_at, replayed_at, "
        "if(checksum IS NULL, 'whole', 'checksum') AS kept "
        "FROM raw.rejects WHERE ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR kafka_topic = $2) "
        "ORDER BY ingested_at DESC, kafka_topic, kafka_partition, kafka_offset, part LIMIT $3",
        [reason, topic, limit],
    )


def one_reject(lake: Lake, *, topic: str, partition: int, offset: int) -> pl.DataFrame:
    """The rejects at one position: none, one, several of a batched record, and those of each topic
    id of the name.
    """
    return lake.table(
        "raw.rejects",
        where="kafka_topic = $1 AND kafka_partition = $2 AND kafka_offset = $3",
        params=[topic, partition, offset],
    )


def mark_replayed(lake: Lake, rejects: pl.DataFrame, *, now: datetime) -> None:
    """Notes in `raw.rejects` that these were published again."""
    whole = pl.col("part").fill_null(-1)
    places = rejects.select(
        "kafka_topic", "kafka_topic_id", "kafka_partition", "kafka_offset", whole
    )
    lake.write(
        lambda w: w.execute(
            """UPDATE raw.rejects SET replayed_at = $1
               WHERE (kafka_topic, kafka_topic_id, kafka_partition, kafka_offset, coalesce(part, -1))
                   IN (SELECT * FROM places)""",
            [now],
            places=places,
        )
    )


def _at(snapshot: int | None) -> str:
    if snapshot is None:
        return ""
    return f"AT (VERSION => {int(snapshot)})"


def raw_as_of(lake: Lake, snapshot: int) -> Callable[..., pl.DataFrame]:
    """`lake.sql`, for which the tables of `raw` stand still at `snapshot` while ingest goes on, and
    their rows are read with what this release knows (transforms/records/reread.py); others are as
    now.
    """

    def stood_still(reading: re.Match[str]) -> str:
        name = reading["name"].strip('"')
        table = f'raw."{name}" {_at(snapshot)}'
        is_record = name in RAW_TABLES
        return f"{reading['word']} " + (
            f'(SELECT {reread(name)} FROM {table}) AS "{name}"' if is_record else table
        )

    def query(statement: str, params=None, /, **frames: pl.DataFrame) -> pl.DataFrame:
        return lake.sql(_RAW_TABLE.sub(stood_still, statement), params, **frames)

    return query
