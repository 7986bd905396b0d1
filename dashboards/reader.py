"""The only reader of the lake in this room: frames by (query, versions of the tables it reads), for
one viewer.

Here: opening the lake when it appears, which tables changed, the cache; all of it through the gate.
Not here: what passes the gate (gate.py), what a page asks (pages/*.py). It writes nothing.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl

from ingest.lake import Lake
from transforms.errors import CatalogMissing, UsageError
from transforms.schemas import APP_TABLES, CORE_TABLES, MART_TABLES, RAW_TABLES, TIMESTAMP, Table

from .gate import Gate, Viewer
from .kept_answers import KeptAnswer, KeptAnswers
from .versions import TABLES, VERSIONS, Version

T = TypeVar("T")
CURSORS = APP_TABLES["cursors"]
_FRESH_S = 1.0  # a look at what changed serves everybody for so long
_RETRY_S = 2.0  # between two attempts to open a lake that is not there


class Reader:
    """Reads for one viewer; safe to share between threads. Empty frames while there is no lake."""

    def __init__(self, settings, viewer: Viewer | None = None) -> None:
        self.settings = settings
        self.gate = Gate(viewer or Viewer(role=settings.viewer_role))
        self._lake: Lake | None = None
        self._opening, self._computing = threading.Lock(), threading.Lock()
        self._tried_at = -_RETRY_S
        self._answers = KeptAnswers()
        self._versions: KeptAnswer | None = None
        self.missing: str | None = None  # why there is no lake, in a sentence

    @property
    def role(self) -> str:
        return self.gate.viewer.role

    @property
    def is_outside(self) -> bool:
        return self.gate.viewer.is_outside

    def close(self) -> None:
        if self._lake:
            self._lake.close()

    @property
    def is_there(self) -> bool:
        """Whether there is a lake; where not, `missing` says why."""
        return self._opened() is not None

    def lake(self) -> Lake | None:
        """The lake itself, for whom all of it is open; None for others, and while there is none."""
        if not self.gate.is_whole:
            return None
        return self._opened()

    def _opened(self) -> Lake | None:
        """Opened at the first call that finds one."""
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

    def _table_versions(self) -> Mapping[str, Version]:
        """Version by full table name, of the whole lake; nothing where there is none."""
        latest = self._versions
        if latest and latest.is_younger_than(_FRESH_S):
            return latest.value
        lake = self._opened()
        rows = lake.sql(VERSIONS).iter_rows(named=True) if lake else ()
        versions = {r["name"]: Version(r["snapshot"], r["changed_at"]) for r in rows}
        if versions:  # a look into a lake that is not there yet need not be remembered
            self._versions = KeptAnswer(None, versions)
        return versions

    def _version(self, table: Table) -> Version | None:
        """Of the table that its rows come from for this viewer; None where none pass, or where it
        is missing.
        """
        source = self.gate.source(table)
        if source is None:
            return None
        return self._table_versions().get(source.full_name)

    @property
    def has_landed(self) -> bool:
        """Whether anything has landed in the lake yet."""
        version = self._table_versions().get("raw.ledger")
        if version is None:
            return False
        return version.snapshot is not None

    def sees(self, full_name: str) -> bool:
        """Whether rows of this table pass for this viewer at all."""
        return self.gate.source(TABLES[full_name]) is not None

    def release(self) -> dict[str, Any] | None:
        """The row of `app.releases` in force; None before the first."""
        rows = self._rows(APP_TABLES["releases"]).sort("release_id")
        if not rows.height:
            return None
        return rows.row(-1, named=True)

    def newest(self, schemas: Sequence[str]) -> int:
        """The last snapshot that changed a table of these schemas; -1 where none did. From outside
        the number of the release in force, which is all that changes there: each record that lands
        makes a snapshot.
        """
        if not self.gate.is_whole:
            made = self.release()
            return made["release_id"] if made else -1
        snapshots = [
            version.snapshot
            for name, version in self._table_versions().items()
            if name.split(".")[0] in schemas
        ]
        return max((s for s in snapshots if s is not None), default=-1)

    def changed_at(self, full_name: str) -> datetime | None:
        """When the table last changed; None where it was never written, or is not for this viewer.
        Of what is seen as released: when that was.
        """
        table = TABLES[full_name]
        source = self.gate.source(table)
        if source is not None and source.full_name != full_name:
            made = self.release()
            return made["released_at"] if made else None
        version = self._version(table)
        if version and version.changed_at:
            return version.changed_at.astimezone(UTC)
        return None

    def mart(self, name: str, where: str = "true", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a mart for which `where` holds, as this viewer may see them; empty where there
        are none yet.

        For a reader from outside the clinic a summary comes as last released, its suppressed cells
        without their numbers; what says nothing of itself comes without rows. `data_cutoff` is the
        cut that the mart stands on: a row that has not changed since is of that too.
        """
        rows = self._rows(MART_TABLES[name], where, params)
        cursor = self._cursor(name) if "data_cutoff" in rows.columns else None
        if cursor is None:
            return rows
        return rows.with_columns(data_cutoff=pl.lit(cursor["data_cutoff"]).cast(TIMESTAMP))

    def _cursor(self, mart: str) -> dict[str, Any] | None:
        """The row of app.cursors of a mart: which snapshots and cut it stands on; None where it has
        none, and from outside, where a release says it of every row.
        """
        if not self.gate.is_whole:
            return None
        of_mart = f"SELECT * FROM {CURSORS.full_name} WHERE table_name = $1"
        rows = self._query(of_mart, tables=[CURSORS.full_name], params=[f"mart.{mart}"])
        return rows.row(0, named=True) if rows.height else None

    def computed(
        self, mart: str, key: Any, compute: Callable[[Lake, dict[str, Any]], pl.DataFrame]
    ) -> pl.DataFrame | None:
        """What `compute(lake, cursor)` makes of what a mart was last computed from, by `key` kept
        until it is computed again; for the clinic's own staff.

        None for a reader from outside, and where the mart was never computed. One at a time: what
        several wait for is computed once, and the machine is not taken from ingest.
        """
        cursor = self._cursor(mart)
        if cursor is None:
            return None
        version = (cursor["read_at"], cursor["data_cutoff"], cursor["fingerprint"])
        with self._computing:
            return self._kept((mart, key), version, lambda: compute(self._lake, cursor))

    def narrowed(self, rows: pl.DataFrame, where: str, params: Sequence[Any] = ()) -> pl.DataFrame:
        """Of rows that passed the gate those for which `where` holds."""
        judged = self.gate.judged(where)
        return self._lake.sql(f"SELECT * FROM rows WHERE {judged}", list(params), rows=rows)

    def core(self, name: str, where: str = "true", params: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows of a table of `core`, as this viewer may see them."""
        return self._rows(CORE_TABLES[name], where, params)

    def distinct(self, name: str, columns: Sequence[str], where: str = "true") -> pl.DataFrame:
        """The distinct values of some columns of a mart, of the rows for which `where` holds, as
        this viewer may see them.

        Of columns that name a row (the table's key); UsageError for others, which the gate judges
        row by row.
        """
        table = MART_TABLES[name]
        if not set(columns) <= set(table.key):
            raise UsageError(
                f"found {', '.join(columns)}, expected columns of the key of {table.full_name}"
            )
        return self._asked(table, "DISTINCT " + ", ".join(columns), where).select(columns)

    def query(
        self, statement: str, *, tables: Sequence[str], params: Sequence[Any] = ()
    ) -> pl.DataFrame:
        """The statement's rows, kept until one of `tables` (full names) changes; no column where a
        table is missing.

        For whom all of the lake is open; for others no column either.
        """
        if not self.gate.is_whole:
            return pl.DataFrame()
        return self._query(statement, tables=tables, params=params)

    def landed(self, name: str, make: Callable[[pl.DataFrame], T]) -> T:
        """What `make` makes of all rows of a table of `raw`, kept until rows land in it; for the
        clinic's own staff.

        For a reader from outside, and where there is no lake, of no rows. `make` is a named
        function: it is the key.
        """
        table = RAW_TABLES[name]
        version = self._version(table)
        if version is None or version.snapshot is None:
            return make(table.empty())
        return self._kept((name, make), version, lambda: make(self._lake.table(table.full_name)))

    def positions(self, event_ids: Mapping[str, Sequence[str]]) -> pl.DataFrame:
        """Where events lie in Kafka, by raw table's name: event_id, kafka_topic, kafka_partition,
        kafka_offset.

        Of copies the first that landed, which is the one that counts. Nothing for a reader from
        outside.
        """
        parts = []
        for name, ids in event_ids.items():
            table = RAW_TABLES[name]
            statement = f"""SELECT event_id, kafka_topic, kafka_partition, kafka_offset FROM {table.full_name}
                WHERE list_contains($1, event_id)
                QUALIFY 1 = row_number() OVER (
                    PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset)
                ORDER BY event_id"""
            if ids:
                parts.append(
                    self.query(
                        statement, tables=[table.full_name], params=[tuple(sorted(set(ids)))]
                    )
                )
        parts = [p for p in parts if p.width]
        schema = {
            "event_id": pl.String,
            "kafka_topic": pl.String,
            "kafka_partition": pl.Int32,
            "kafka_offset": pl.Int64,
        }
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)

    def inspect(
        self,
        ask: Callable[[Lake], T],
        *,
        name: str,
        max_age_s: float,
        is_of_lake_alone: bool = False,
    ) -> T | None:
        """What `ask` finds in the lake, at most `max_age_s` old; None where there is no lake, or
        where it is not for this viewer: from outside only a fact that is marked as seen from there.

        `is_of_lake_alone`: neither the clock nor Kafka decides it, so that it holds as long as
        nothing lands.
        """
        lake = self._opened() if self.gate.opens(ask) else None
        if lake is None or not self._table_versions():
            return None
        kept = self._answers.get((self.gate.viewer, name))
        snapshots = (version.snapshot for version in self._table_versions().values())
        newest = max((s for s in snapshots if s is not None), default=-1)
        if kept and kept.is_younger_than(max_age_s):
            return kept.value
        if kept and is_of_lake_alone and kept.version == newest:
            return kept.value
        return self._remember(name, newest, ask(lake))

    def _rows(self, table: Table, where: str = "true", params: Sequence[Any] = ()) -> pl.DataFrame:
        return self.gate.rows(table, self._asked(table, "*", where, params))

    def _asked(
        self, table: Table, columns: str, where: str, params: Sequence[Any] = ()
    ) -> pl.DataFrame:
        """Columns of the rows that meet the condition, of the table as it passes the gate; one that
        was never written is not asked at all.
        """
        source, version = self.gate.source(table), self._version(table)
        if source is None or version is None or version.snapshot is None:
            return table.empty()
        statement = (
            f"SELECT {columns} FROM {self.gate.relation(table)} WHERE {self.gate.judged(where)}"
        )
        return self._query(statement, tables=[source.full_name], params=params)

    def _query(
        self, statement: str, *, tables: Sequence[str], params: Sequence[Any]
    ) -> pl.DataFrame:
        versions = self._table_versions()
        if any(versions.get(t) is None for t in tables):
            return pl.DataFrame()
        asked = [list(p) if isinstance(p, tuple) else p for p in params]
        return self._kept(
            (statement, tuple(params)),
            tuple(versions[t] for t in tables),
            lambda: self._lake.sql(statement, asked),
        )

    def _kept(self, key: Any, version: Any, ask: Callable[[], T]) -> T:
        kept = self._answers.get((self.gate.viewer, key))
        if kept and kept.version == version:
            return kept.value
        return self._remember(key, version, ask())

    def _remember(self, key: Any, version: Any, value: T) -> T:
        self._answers.put((self.gate.viewer, key), version, value)
        return value
