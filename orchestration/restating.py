"""What a run restated of the figures that the last release has shown.

Here: reading what stands, what stood at the release, and what landed since the run before. Not here:
which figures are restated and why (transforms/restating), when a run is.

Rows of the last release alone are written: one that a later release followed stays as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from ingest.inspection import last_release
from ingest.masked_arms import masked_studies
from ingest.settings import Settings
from transforms.marts.strata import ADSL_COLUMNS
from transforms.records.current import merge_map
from transforms.restating.figures import (
    ALONG,
    ONLY,
    Figure,
    figure_key,
    figures,
    of_masked_arms,
)
from transforms.restating.landed import EVENTS, IDENTITY, TOPICS, Known, columns_of, thing_of, told
from transforms.restating.reasons import TABLE, Causes, changed_settings, restated
from transforms.restating.touching import Placed, people_of
from transforms.schemas import MART_TABLES, Table
from transforms.schemas.app import RELEASED

from .cut import DATA_CUT
from .following import Cursor, code_fingerprint, fingerprint
from .one_run import Run

INPUTS = (
    *(f"mart.{name}" for name in RELEASED),
    "mart.adsl",
    "mart.study_plans",
    "core.patient_status",
)


def restated_rows(run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of mart.restatements that this run adds or changes, and the keys of those and of what
    it takes out: figures of arms of a study that has been masked since.

    Its own cursor says since when, in a full run too: what one run restated another one does not
    restate again.
    """
    studies = list(masked_studies(run.lake))
    hidden = of_masked_arms(run.lake.table(TABLE.full_name), studies)
    rows = _restated(run)
    told = rows.join(of_masked_arms(rows, studies), on=TABLE.key, how="anti")
    return told, pl.concat([frame.select(TABLE.key) for frame in (rows, hidden)]).unique()


def _restated(run: Run) -> pl.DataFrame:
    release = last_release(run.lake)
    if release is None or release["marts_snapshot"] is None:
        return TABLE.empty()
    since = _Since(run, release)
    changed = list(since.figures())
    return since.restated(changed) if changed else TABLE.empty()


@dataclass(frozen=True)
class _Since:
    """The release, and from where on this run looks: where the one before ended, or the release."""

    run: Run
    release: dict

    @cached_property
    def _cursor(self) -> Cursor | None:
        return self.run.cursors.get(TABLE.full_name)

    @cached_property
    def _landed_from(self) -> int:
        own = self._cursor.raw_snapshot if self._cursor else 0
        return max(own, self.release["lake_snapshot"])

    @cached_property
    def _read_from(self) -> int:
        own = self._cursor.read_at if self._cursor else 0
        return max(own, self.release["marts_snapshot"])

    # --- figures ----------------------------------------------------------------------------------

    def figures(self) -> Iterator[Figure]:
        """Those that the release has shown and this run has changed, as they were shown and are."""
        written = self.run.changed(self._read_from)
        for name in RELEASED:
            if written is None or f"mart.{name}" in written:
                yield from self._of(MART_TABLES[name])

    def _of(self, table: Table) -> Iterator[Figure]:
        lake, key = self.run.lake, figure_key(table)
        keys = lake.sql(self._shown_and_changed(table, key))
        if keys.is_empty():
            return
        at_release = f"{table.full_name} AT (VERSION => {self.release['marts_snapshot']})"
        published = lake.sql(_rows(table, at_release, key), keys=keys)
        yield from figures(
            table, published, lake.sql(_rows(table, table.full_name, key), keys=keys)
        )

    def _shown_and_changed(self, table: Table, key: list[str]) -> str:
        names = ", ".join(f'"{c}"' for c in key)
        same = " AND ".join(f'r."{c}" IS NOT DISTINCT FROM c."{c}"' for c in key)
        return f"""
            WITH gone AS (
                SELECT {names} FROM {table.full_name} AT (VERSION => {self._read_from})
                EXCEPT SELECT {names} FROM {table.full_name}
            ), changed AS (
                SELECT DISTINCT {names} FROM {table.full_name} WHERE lake_snapshot > {self._landed_from}
                UNION SELECT {names} FROM gone
            )
            SELECT c.* FROM (FROM changed WHERE {ONLY.get(table.name, "true")}) AS c
            SEMI JOIN (SELECT * FROM {RELEASED[table.name].full_name} WHERE NOT is_suppressed) AS r ON {same}"""

    # --- why --------------------------------------------------------------------------------------

    def restated(self, changed: list[Figure]) -> pl.DataFrame:
        lake, number = self.run.lake, self.release["release_id"]
        return restated(
            changed,
            causes=self._causes(),
            earlier=lake.table(TABLE.full_name, where="release_id = $1", params=[number]),
            release_id=number,
            cut=self.run.cut,
            at=lake.table(DATA_CUT.full_name)["started_at"][0],
        )

    def _causes(self) -> Causes:
        lake, options = self.run.lake, Settings().options
        events = pl.concat([pl.DataFrame(schema=EVENTS), *self._events()])
        merges = merge_map(lake.table("core.patient_status")).filter(~pl.col("is_cycle"))
        placed = Placed(
            events,
            people=people_of(*self._adsl()),
            became=dict(merges.select("patient_id", "merged_into").iter_rows()),
        )
        settings = changed_settings(self.release["options"], options)
        is_other_code = self.release["code"] != code_fingerprint()
        before = self._cursor
        return Causes(
            placed=placed,
            landed=frozenset(self._topics),
            is_computed_otherwise=before.fingerprint != fingerprint(options)
            if before
            else bool(settings) or is_other_code,
            settings=settings,
            is_other_code=is_other_code,
            is_all_known=self.run.changed(self._landed_from) is not None,
            has_time_gone_on=before is None or _hour(before.data_cutoff) != self.run.cut.hour,
        )

    def _adsl(self) -> Iterator[pl.DataFrame]:
        lake, at = self.run.lake, self.release["marts_snapshot"]
        for version in (f"AT (VERSION => {at})", ""):
            rows = lake.sql(f"SELECT * FROM mart.adsl {version}")
            if set(ADSL_COLUMNS) <= set(rows.columns):  # another release of Floe's has others
                yield rows.select(ADSL_COLUMNS)

    @cached_property
    def _topics(self) -> list[str]:
        changed = self.run.changed(self._landed_from) or ()
        return [name for name in TOPICS if f"raw.{name}" in changed]

    def _events(self) -> Iterator[pl.DataFrame]:
        at = f"AT (VERSION => {self.release['marts_snapshot']})"
        cutoff = self.run.lake.sql(f"SELECT data_cutoff FROM {DATA_CUT.full_name} {at}").item()
        for name in self._topics:
            rows = self._rows(name)
            known = Known(events=self._copies(name, rows), things=self._things(name, rows))
            yield told(name, rows, known=known, cutoff=cutoff)

    def _rows(self, name: str) -> pl.DataFrame:
        through = self.run.cut.lake_snapshot
        columns = columns_of(name)
        rows = self.run.lake.landed(name, columns, after=self._landed_from, through=through)
        if "patient_id" in rows.columns or "session_id" not in rows.columns:
            return rows
        sessions = self.run.lake.table("core.sessions", ["session_id", "patient_id"])
        return rows.join(sessions.unique("session_id"), on="session_id", how="left")

    def _copies(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        return self.run.lake.sql(
            f"""SELECT DISTINCT source, event_id FROM raw."{name}" AT (VERSION => {self._landed_from})
                SEMI JOIN rows USING (source, event_id)""",
            rows=rows.select(IDENTITY),
        )

    def _things(self, name: str, rows: pl.DataFrame) -> frozenset[str]:
        if not thing_of(name):
            return frozenset()
        [thing] = thing_of(name)
        found = self.run.lake.sql(
            f"""SELECT DISTINCT "{thing}" FROM raw."{name}" AT (VERSION => {self.release["lake_snapshot"]})
                SEMI JOIN rows USING ("{thing}")""",
            rows=rows.select(thing),
        )
        return frozenset(found[thing].drop_nulls())


def _rows(table: Table, source: str, key: list[str]) -> str:
    """The rows of `keys`; of a curve its last."""
    same = " AND ".join(f'k."{c}" IS NOT DISTINCT FROM t."{c}"' for c in key)
    statement = f"SELECT t.* FROM (FROM {source}) AS t SEMI JOIN keys AS k ON {same}"
    along = ALONG.get(table.name)
    if along is None:
        return statement
    names = ", ".join(f't."{c}"' for c in key)
    return (
        f"{statement} QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY t.{along} DESC) = 1"
    )


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
