"""The only reader of the lake in this room: frames by (query, versions of the tables it reads), for one role.

Here: opening the lake when it appears, which tables changed, the cache, what a role may see: the clinic the marts as
they are, a reader from outside the last release of them. Not here: what a page asks (pages/*.py). It writes nothing.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl

from ingest.lake import Lake
from transforms.errors import CatalogMissing, FloeError
from transforms.schemas import APP_TABLES, CORE_TABLES, MART_TABLES, RAW_TABLES, Table
from transforms.schemas.app import RELEASED

from .disclosed import disclosed

T = TypeVar("T")

OUTSIDE = "outside"
_FRESH_S = 1.0  # a look at what changed serves everybody for so long
_RETRY_S = 2.0  # between two attempts to open a lake that is not there
_MOST_RESULTS = 256

# A table that was written has given numbers to its rows (what lake_schema.py puts into a new one and takes out again
# has none); the snapshot of its last change may have expired since, and then the oldest that is left stands for it.
_VERSIONS = """
WITH snapshots AS MATERIALIZED (FROM ducklake_snapshots('lake')),
oldest AS (SELECT min(snapshot_id) AS snapshot_id, min(snapshot_time) AS snapshot_time FROM snapshots),
written AS (SELECT table_id::VARCHAR AS table_id FROM __ducklake_metadata_lake.ducklake_table_stats WHERE next_row_id > 0),
changes AS (
  SELECT snapshot_id, snapshot_time, unnest(flatten([
    coalesce(changes['tables_inserted_into'], []), coalesce(changes['tables_deleted_from'], []),
    coalesce(changes['inlined_insert'], []), coalesce(changes['inlined_delete'], [])])) AS table_id
  FROM snapshots
  UNION ALL SELECT snapshot_id, snapshot_time, table_id FROM oldest, written
)
SELECT s.schema_name || '.' || t.table_name AS name, max(c.snapshot_id) AS snapshot, max(c.snapshot_time) AS changed_at
FROM __ducklake_metadata_lake.ducklake_table t
JOIN __ducklake_metadata_lake.ducklake_schema s ON s.schema_id = t.schema_id
LEFT JOIN (FROM changes SEMI JOIN written USING (table_id)) c ON c.table_id = t.table_id::VARCHAR
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
GROUP BY 1
"""


@dataclass(frozen=True)
class Version:
    """The last snapshot that changed a table, and when (the oldest there is, where that has expired).

    Of a table that was never written both are None.
    """

    snapshot: int | None
    changed_at: datetime | None


@dataclass
class _Cached:
    key: Any
    value: Any
    made_at: float = field(default_factory=time.monotonic)


class Reader:
    """Reads for one role; safe to share between threads. Empty frames while there is no lake."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.role: str = settings.viewer_role
        self._lake: Lake | None = None
        self._opening = threading.Lock()
        self._tried_at = -_RETRY_S
        self._lock = threading.Lock()
        self._results: OrderedDict[Any, _Cached] = OrderedDict()
        self._versions: _Cached | None = None
        self.missing: str | None = None  # why there is no lake, in a sentence

    @property
    def is_outside(self) -> bool:
        return self.role == OUTSIDE

    def close(self) -> None:
        if self._lake:
            self._lake.close()

    # --- what is there ---------------------------------------------------------------------------------

    def lake(self) -> Lake | None:
        """The lake, opened at the first call that finds one; None while there is none (`missing` says why)."""
        if self._lake is None:
            with self._opening:
                if self._lake is None and time.monotonic() - self._tried_at >= _RETRY_S:
                    self._tried_at = time.monotonic()
                    self._open()
        return self._lake

    def _open(self) -> None:
        try:
            self._lake = Lake.open(self.settings, read_only=True)
            self.missing = None
        except CatalogMissing as error:
            self.missing = str(error)

    def versions(self) -> Mapping[str, Version]:
        """Version by full table name; nothing where there is no lake."""
        known = self._versions
        if known and time.monotonic() - known.made_at < _FRESH_S:
            return known.value
        lake = self.lake()
        rows = lake.sql(_VERSIONS).iter_rows(named=True) if lake else ()
        found = {r["name"]: Version(r["snapshot"], r["changed_at"]) for r in rows}
        if found:  # a look into a lake that is not there yet need not be remembered
            self._versions = _Cached(None, found)
        return found

    def named(self, name: str) -> str:
        """Full name of the table that this role reads as the mart `name`."""
        return (RELEASED.get(name, MART_TABLES[name]) if self.is_outside else MART_TABLES[name]).full_name

    def release(self) -> dict[str, Any] | None:
        """The row of `app.releases` in force; None before the first."""
        table = APP_TABLES["releases"]
        rows = self._rows(table, f"SELECT * FROM {table.full_name} ORDER BY release_id DESC LIMIT 1", ())
        return rows.row(0, named=True) if rows.height else None

    def newest(self, schemas: Sequence[str]) -> int:
        """The last snapshot that changed a table of these schemas; -1 where none did."""
        found = [v.snapshot for name, v in self.versions().items() if name.split(".")[0] in schemas]
        return max((s for s in found if s is not None), default=-1)

    def released_in(self) -> int:
        """The snapshot in which the release in force was made; -1 before the first. Nothing else changes it."""
        version = self.versions().get(APP_TABLES["releases"].full_name)
        return -1 if version is None or version.snapshot is None else version.snapshot

    def changed_at(self, full_name: str) -> datetime | None:
        """When the table last changed; None where it was never written. Of a mart released: when that was."""
        if self.is_outside and full_name.removeprefix("mart.") in RELEASED:
            made = self.release()
            return made["released_at"] if made else None
        version = self.versions().get(full_name)
        return version.changed_at.astimezone(UTC) if version and version.changed_at else None

    # --- asking ---------------------------------------------------------------------------------------

    def mart(self, name: str, where: str = "true", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a mart for which `where` holds, as this role may see them; empty where there are none yet.

        For a reader from outside the clinic a summary comes as last released, its suppressed cells without their
        numbers; marts of single patients come without rows.
        """
        table = MART_TABLES[name]
        rows = self._rows(table, f"SELECT * FROM {self.named(name)} WHERE {where}", params)
        return disclosed(table, rows, is_outside=self.is_outside)

    def core(self, name: str, where: str = "true", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a table of `core`, as this role may see them."""
        table = CORE_TABLES[name]
        rows = self._rows(table, f"SELECT * FROM {table.full_name} WHERE {where}", params)
        return disclosed(table, rows, is_outside=self.is_outside)

    def query(self, statement: str, *, tables: Sequence[str], params: Sequence[Any] = ()) -> pl.DataFrame:
        """The statement's rows, kept until one of `tables` (full names) changes. No column where a table is missing.

        For counts over whole tables and lists of their values: it passes by the role.
        """
        versions = self.versions()
        if any(versions.get(t) is None for t in tables):
            return pl.DataFrame()
        asked = [list(p) if isinstance(p, tuple) else p for p in params]
        key = (statement, tuple(params))
        return self._kept(key, tuple(versions[t] for t in tables), lambda: self._lake.sql(statement, asked))

    def landed(self, name: str, make: Callable[[pl.DataFrame], T]) -> T:
        """What `make` makes of all rows of a table of `raw`, kept until rows land in it; for the clinic's own staff.

        For a reader from outside, and where there is no lake, of no rows. `make` is a named function: it is the key.
        """
        table = RAW_TABLES[name]
        version = self.versions().get(table.full_name)
        if self.is_outside or version is None or version.snapshot is None:
            return make(table.empty())
        return self._kept((name, make), version, lambda: make(self._lake.table(table.full_name)))

    def positions(self, event_ids: Mapping[str, Sequence[str]]) -> pl.DataFrame:
        """Where events lie in Kafka, by raw table's name: event_id, kafka_topic, kafka_partition, kafka_offset.

        Of copies the first that landed, which is the one that counts. Nothing for a reader from outside.
        """
        parts = []
        for name, ids in event_ids.items():
            table = RAW_TABLES[name]
            statement = f"""SELECT event_id, kafka_topic, kafka_partition, kafka_offset FROM {table.full_name}
                WHERE list_contains($1, event_id)
                QUALIFY 1 = row_number() OVER (
                    PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset)
                ORDER BY event_id"""
            if ids and not self.is_outside:
                parts.append(self.query(statement, tables=[table.full_name], params=[tuple(sorted(set(ids)))]))
        parts = [p for p in parts if p.width]
        schema = {
            "event_id": pl.String,
            "kafka_topic": pl.String,
            "kafka_partition": pl.Int32,
            "kafka_offset": pl.Int64,
        }
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)

    def inspect(
        self, ask: Callable[[Lake], T], *, name: str, max_age_s: float, is_of_lake_alone: bool = False
    ) -> T | None:
        """What `ask` finds in the lake, at most `max_age_s` old; None where there is no lake.

        `is_of_lake_alone`: neither the clock nor Kafka decides it, so that it holds as long as nothing lands.
        """
        lake = self.lake()
        if lake is None or not self.versions():
            return None
        with self._lock:
            known = self._results.get(name)
        version = self.newest(("raw", "core", "mart"))
        is_young = known and time.monotonic() - known.made_at < max_age_s
        if known and (is_young or (is_of_lake_alone and known.key == version)):
            return known.value
        return self._remember(name, version, ask(lake))

    # --- inside ---------------------------------------------------------------------------------------

    def _rows(self, table: Table, statement: str, params: Sequence[Any]) -> pl.DataFrame:
        """Rows of one table (a mart: as this role reads it); one that was never written is not asked at all."""
        source = self.named(table.name) if table.schema == "mart" else table.full_name
        version = self.versions().get(source)
        if version is None or version.snapshot is None:
            return table.empty()
        return self.query(statement, tables=[source], params=params)

    def _kept(self, key: Any, version: Any, ask: Callable[[], T]) -> T:
        with self._lock:
            known = self._results.get(key)
            if known and known.key == version:
                self._results.move_to_end(key)
                return known.value
        return self._remember(key, version, ask())

    def _remember(self, key: Any, version: Any, value: T) -> T:
        with self._lock:
            self._results[key] = _Cached(version, value)
            while len(self._results) > _MOST_RESULTS:
                self._results.popitem(last=False)
        return value


def is_readable(reader: Reader) -> tuple[bool, str]:
    """Whether the lake answers, and a sentence that says so."""
    try:
        if reader.lake() is None:
            return False, reader.missing or "the lake is not there yet"
        lake = reader.lake()
        lake.sql("SELECT max(landed_at) FROM raw.ledger")  # a snapshot alone is told though every file is gone
        return True, f"the lake answers, snapshot {lake.snapshot()}"
    except FloeError as error:
        return False, str(error)
