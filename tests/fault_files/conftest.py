"""What the tests of `../shared/data/faults` share: a file's records, decoded, landed in raw, computed to core and marts.

Here: the real parts without Kafka and DuckLake. Not here: what a file must show.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import polars as pl
import pytest

from ingest.decode import decode
from ingest.importers import ndjson
from transforms.core import CORE, rows
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES

FAULTS = Path(__file__).parents[2].parent / "shared" / "data" / "faults"
LANDED = datetime(2026, 11, 27, 12, tzinfo=UTC)
OPTIONS = Options()


@pytest.fixture(scope="session")
def fault_file():
    """The path of a file of faults; the test is skipped, saying so, where they are absent."""

    def path(name: str) -> Path:
        if not (FAULTS / name).is_file():
            pytest.skip(f"../shared/data/faults/{name} beside the project is absent")
        return FAULTS / name

    return path


@pytest.fixture(scope="session")
def computed():
    """Records (topic, key, value) to every table: `tables` by full name, as `floe materialize` computes them."""
    return lambda records: SimpleNamespace(tables=_computed(list(records)))


@pytest.fixture(scope="session")
def replayed(fault_file, computed):
    """The same of a file of NDJSON."""
    return lambda name: computed(ndjson.replay([fault_file(name)]))


def _computed(records) -> dict[str, pl.DataFrame]:
    raw, rejects = _decoded(records)
    tables = {"raw.rejects": rejects}
    with duckdb.connect(config={"threads": 1}) as connection:
        query = _lake(connection, raw)
        tables["core.data_cut"] = _cut(query)
        for name, step in CORE.items():
            frame = rows(step, query=query, options=OPTIONS)
            tables[step.table.full_name] = frame
            query(f'INSERT INTO core."{name}" SELECT * FROM given', given=frame)
        tables |= {f"raw.{name}": query(f'SELECT * FROM raw."{name}"') for name in RAW_TABLES}
    _with_marts(tables)
    return tables


def _decoded(records) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    by_topic = defaultdict(list)
    for topic, key, value in records:
        by_topic[topic].append((key, value))
    table = next(t for t in BOOKKEEPING if t.name == "rejects")
    raw, rejects = {}, [table.empty()]
    for topic, pairs in by_topic.items():
        batch = SimpleNamespace(
            topic=topic,
            topic_id="T",
            partition=0,
            offsets=list(range(len(pairs))),
            keys=[key for key, _ in pairs],
            values=[value for _, value in pairs],
            headers={},
        )
        decoded = decode(batch, ingested_at=LANDED)
        raw[topic.split(".")[1]] = decoded.rows
        rejects.append(table.conform(decoded.rejects))
    return raw, pl.concat(rejects)


def _lake(connection, raw: dict[str, pl.DataFrame]):
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
    for table in (*RAW_TABLES.values(), *CORE_TABLES.values()):
        connection.execute(table.ddl())

    def query(sql: str, **given: pl.DataFrame) -> pl.DataFrame:
        cursor = connection.cursor()
        for name, frame in given.items():
            cursor.register(name, frame)
        return _in_utc(cursor.execute(sql).pl())

    for name, frame in raw.items():
        query(f'INSERT INTO raw."{name}" SELECT * FROM given', given=frame)
    return query


def _in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Datetime(time_zone="*")).dt.convert_time_zone("UTC"))


def _cut(query) -> pl.DataFrame:
    parts = " UNION ALL ".join(
        f"""SELECT max(least(event_time, ingested_at)) AS t FROM raw."{name}"
            WHERE event_time <= ingested_at + to_minutes({OPTIONS.clock_tolerance_min})"""
        for name in RAW_TABLES
        if name != "alerts"
    )
    newest = query(f"SELECT max(t) AS t FROM ({parts})")["t"][0]
    row = {"lake_snapshot": 1, "data_cutoff": newest, "records": 1, "started_at": LANDED + timedelta(minutes=1)}
    return CORE_TABLES["data_cut"].conform(pl.DataFrame([row]))


def _with_marts(tables: dict[str, pl.DataFrame]) -> None:
    """Adds the marts, each once its inputs are there."""
    cut = Cut(lake_snapshot=1, data_cutoff=tables["core.data_cut"]["data_cutoff"][0])
    waiting = dict(MARTS)
    while waiting:
        ready = [n for n, mart in waiting.items() if all(_is_there(i, tables) for i in mart.inputs)]
        assert ready, f"no mart can be computed of {sorted(waiting)}"
        for name in ready:
            mart = waiting.pop(name)
            frames = {i.split(".")[1]: tables[i] if i in tables else _empty(i) for i in mart.inputs}
            keys = () if mart.is_summary else (None,)
            tables[f"mart.{name}"] = mart.compute(*keys, **frames, options=OPTIONS, cut=cut)


def _is_there(name: str, tables: dict[str, pl.DataFrame]) -> bool:
    return name in tables or name.split(".")[1] not in MARTS


def _empty(name: str) -> pl.DataFrame:
    """A table that no mart computes: bookkeeping and what the application keeps."""
    schema, bare = name.split(".")
    known = {"core": CORE_TABLES, "mart": MART_TABLES, "raw": RAW_TABLES | {t.name: t for t in BOOKKEEPING}}
    return known[schema][bare].empty()
