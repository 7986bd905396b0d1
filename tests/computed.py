"""Records of events, decoded, landed in raw, computed to core and marts: the real parts without
Kafka and DuckLake.

Here: that. Not here: which records, and what must come of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import polars as pl

from ingest.decode import decode
from ingest.lake_in_memory import MemoryLake
from ingest.partition import Batch
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES

OPTIONS = Options()


def computed(
    records: Iterable[tuple],
    *,
    landed: datetime,
    marts: Sequence[str] = tuple(MARTS),
    data_cutoff: datetime | None = None,
    threads: int = 1,
    shuffle: int | None = None,
) -> dict[str, pl.DataFrame]:
    """Every table by its full name, of records (topic, key, value) that all landed at one moment;
    of marts only those.

    `data_cutoff`: None = the newest time that can be true, as in a lake. `threads`: DuckDB's, which
    gives rows in any order where there are several. `shuffle`: a seed by which raw's rows stand in
    another order than they landed in.
    """
    raw, rejects = decoded(list(records), landed)
    if shuffle is not None:
        raw = {
            name: rows.sample(fraction=1, shuffle=True, seed=shuffle) for name, rows in raw.items()
        }
    tables = {"raw.rejects": rejects}
    with MemoryLake(threads=threads) as lake:
        lake.land(raw)
        lake.land_table("rejects", rejects)
        tables["core.data_cut"] = _cut(lake.query, landed, data_cutoff)
        tables |= {f"core.{name}": frame for name, frame in lake.compute(options=OPTIONS).items()}
        tables |= {f"raw.{name}": lake.read(f'SELECT * FROM raw."{name}"') for name in RAW_TABLES}
    _with_marts(tables, marts)
    return tables


def decoded(records: list, landed: datetime) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Rows of raw by topic's middle part, and of raw.rejects, of records (topic, key, value) that
    landed at one moment.
    """
    by_topic = defaultdict(list)
    for topic, key, value in records:
        by_topic[topic].append((key, value))
    table = next(t for t in BOOKKEEPING if t.name == "rejects")
    raw, rejects = {}, [table.empty()]
    for topic, pairs in by_topic.items():
        decoded = decode(batch_of(topic, pairs), ingested_at=landed)
        raw[topic.split(".")[1]] = decoded.rows
        rejects.append(table.conform(decoded.rejects))
    return raw, pl.concat(rejects)


def batch_of(
    topic: str, pairs: Sequence[tuple[bytes | None, bytes | None]], *, first: int = 0
) -> Batch:
    """Records (key, value) as a partition's batch, from its beginning or from the position `first`
    on.
    """
    keys, values = ([pair[k] for pair in pairs] for k in (0, 1))
    end = first + len(pairs)
    return Batch(topic, "T", 0, first, end, list(range(first, end)), keys, values)


def _cut(query, landed: datetime, data_cutoff: datetime | None) -> pl.DataFrame:
    parts = " UNION ALL ".join(
        f"""SELECT max(least(event_time, ingested_at)) AS t FROM raw."{name}"
            WHERE event_time <= ingested_at + to_minutes({OPTIONS.clock_tolerance_min})"""
        for name in RAW_TABLES
        if name != "alerts"
    )
    newest = data_cutoff or query(f"SELECT max(t) AS t FROM ({parts})")["t"][0]
    row = {
        "lake_snapshot": 1,
        "data_cutoff": newest,
        "records": 1,
        "started_at": landed + timedelta(minutes=1),
    }
    return CORE_TABLES["data_cut"].conform(pl.DataFrame([row]))


def _with_marts(tables: dict[str, pl.DataFrame], marts: Sequence[str]) -> None:
    """Adds the marts, each once its inputs are there."""
    cut = Cut(lake_snapshot=1, data_cutoff=tables["core.data_cut"]["data_cutoff"][0])
    waiting = {name: MARTS[name] for name in marts}
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
    known = {
        "core": CORE_TABLES,
        "mart": MART_TABLES,
        "raw": RAW_TABLES | {t.name: t for t in BOOKKEEPING},
    }
    return known[schema][bare].empty()
