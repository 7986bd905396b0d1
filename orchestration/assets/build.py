"""How a table becomes an asset: its key, its column schema, its checks, its run.

Here: the shape that all assets share. Not here: what any of them computes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import polars as pl

from ingest.lake import Difference, Lake, Writer
from transforms.checks import CHECKS, both, check_table
from transforms.counting import counted
from transforms.errors import CheckFailed
from transforms.schemas import MART_TABLES, Table
from transforms.touching import Touches

from ..batches import Batch, divided, keys_at_once
from ..cut import DATA_CUT
from ..following import (
    UNFINISHED,
    Cursor,
    Standing,
    fingerprint,
    standing,
    touched,
    write_cursor,
)
from ..one_run import Run
from .parts import Part

# Tags of runs: one that computes all, whatever has changed; one in which what is of everybody waits
FULL, WITHOUT_MODELS = "floe/full", "floe/without_models"
CHECK = "schema_holds"
# Each hour a run comes to every table, whatever landed (the schedule `reconcile`).
FRESH = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=3), warn_window=timedelta(hours=2)
)
CHECK_RESULTS = MART_TABLES["check_results"]


def table_key(full_name: str) -> dg.AssetKey:
    """`core.sessions` -> the key [core, sessions]."""
    return dg.AssetKey(full_name.split("."))


def column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                c.duckdb,
                c.full_comment,
                constraints=dg.TableColumnConstraints(
                    nullable=not c.required, unique=table.key == (c.name,)
                ),
            )
            for c in table.columns
        ]
    )


@dataclass(frozen=True)
class Followed:
    """A table that is computed from others as of the data cut: what has not changed since it was
    last computed is not computed again. `compute` gives the rows of some keys, or all without.
    `touched_by`: how the rows of inputs touch keys. `follows`, `is_of_everybody`: as of `Mart`. Many
    keys (values of the column `key`) are computed in batches; `every_key`: all that are touched in turn
    by those that are touched, None = by whatever there is.
    """

    table: Table
    inputs: tuple[str, ...]
    compute: Callable[[Run, pl.Series | None], Part]
    follows: str
    touched_by: Mapping[str, tuple[Touches, ...]] = field(default_factory=dict)
    key: str = ""
    every_key: Callable[[Run, pl.Series | None], pl.Series] | None = None
    is_of_everybody: bool = False

    def run(self, run: Run, *, is_full: bool, is_without_models: bool = False) -> Iterator:
        """Brings the table up to date; gives what Dagster is told of it. `is_without_models`: what is
        of everybody may stay on the cut that it stands on.
        """
        before = None if is_full else run.cursors.get(self.table.full_name)
        stands, keys = self._standing(run, before)
        checks = run.checks(self.table)
        nothing = keys is not None and keys.is_empty()
        if nothing and checks.height and checks["is_passed"].all():
            run.is_current(self.table)
            why = stands.why if stands.is_current else f"nothing of it changed in {stands.why}"
            yield _result(self.table, checks, rows_changed=0, why=why, row_count=None)
            return
        if is_without_models and self.is_of_everybody and stands.can_wait:
            why = f"it is of everybody and waits for its hour: {stands.why}"
            yield _result(self.table, checks, rows_changed=0, why=why, row_count=None)
            return
        cursor = Cursor(
            table_name=self.table.full_name,
            raw_snapshot=run.cut.lake_snapshot,
            read_at=run.lake.snapshot(),
            data_cutoff=run.cut.data_cutoff,
            fingerprint=fingerprint(run.options),
            computed_at=datetime.now(UTC),
            rows_changed=0,
        )
        keys = None if nothing else keys
        parts = self.parts(run, keys, is_full=is_full)
        n_keys = None if keys is None else keys.len()
        yield from _computed(
            run, self.table, parts=parts, cursor=cursor, why=stands.why, n_keys=n_keys
        )

    def parts(self, run: Run, keys: pl.Series | None, *, is_full: bool) -> Iterator[Part]:
        """What `compute` gives, at once where that is little, else in batches, of a full computation
        by the run's engine.
        """
        at_once = keys_at_once(self.key, patients=run.batch_patients)
        if self.every_key is None or (keys is not None and keys.len() <= at_once):
            yield self.compute(run, keys)
            return
        batches = divided(self.every_key(run, keys), at_once=at_once)
        if keys is None and len(batches) <= 1:
            yield self.compute(run, None)
            return
        by_engine = run.frames_of if is_full else None
        frames = by_engine(self._told(run, batches)) if by_engine else self._here(run, batches)
        for number, (of, rows) in enumerate(zip(batches, frames, strict=True), start=1):
            is_last = number == len(batches)
            yield Part(rows, of.to_frame(self.key), of_all=keys is None, is_last=is_last)

    def rows_of(self, run: Run, keys: pl.Series) -> pl.DataFrame:
        """The rows of these keys alone."""
        rows = self.compute(run, keys).rows
        return rows.join(keys.to_frame(self.key), on=self.key, how="semi")

    def _here(self, run: Run, batches: Sequence[pl.Series]) -> Iterator[pl.DataFrame]:
        return (self.rows_of(run, keys) for keys in batches)

    def _told(self, run: Run, batches: Sequence[pl.Series]) -> list[Batch]:
        same = (run.lake.snapshot(), run.cut, fingerprint(run.options))
        return [Batch(self.table.full_name, keys, *same) for keys in batches]

    def _standing(self, run: Run, before: Cursor | None) -> tuple[Standing, pl.Series | None]:
        """How the table stands, and the keys of which it must be computed anew, None = all."""
        stands = self._stands(run, before)
        if before is None or stands.changed is None:
            return stands, None
        keys = touched(
            stands.changed,
            by=self.touched_by,
            values=partial(run.changed_values, since=before),
            query=run.lake.sql,
        )
        return stands, keys

    def is_untouched(self, run: Run) -> bool:
        """Whether it is what it would be if it were computed now, and its checks hold."""
        _, keys = self._standing(run, run.cursors.get(self.table.full_name))
        checks = run.checks(self.table)
        is_whole = checks.height > 0 and checks["is_passed"].all()
        return is_whole and keys is not None and keys.is_empty()

    def can_wait(self, run: Run) -> bool:
        """Whether it is of everybody, and right of the cut that it stands on."""
        before = run.cursors.get(self.table.full_name)
        return self.is_of_everybody and self._stands(run, before).can_wait

    def _stands(self, run: Run, before: Cursor | None) -> Standing:
        return standing(
            before,
            inputs=self.inputs,
            changed=run.changed,
            touched_by_others=run.touched_by_others,
            cut=run.cut,
            options=run.options,
            follows=self.follows,
        )

    def asset(self) -> dg.AssetsDefinition:
        return _asset_of(self.table, (DATA_CUT.full_name, *self.inputs), self.run)


def table_asset(
    table: Table, *, inputs: Sequence[str], compute: Callable[[Lake], pl.DataFrame]
) -> dg.AssetsDefinition:
    """An asset that computes the table's rows in every run."""

    def computed(run: Run, **_tags: bool) -> Iterator:
        why = "it is computed in every run"
        yield from _computed(run, table, parts=[Part(compute(run.lake))], cursor=None, why=why)

    return _asset_of(table, inputs, computed)


def _asset_of(
    table: Table, inputs: Sequence[str], run: Callable[..., Iterator]
) -> dg.AssetsDefinition:
    """An asset that stores a table together with the results of the table's checks.

    Rows that fail a check are not stored: the table stays as it was, and what is computed from it
    waits.
    """
    key = table_key(table.full_name)

    @dg.asset(
        key=key,
        deps=[table_key(name) for name in dict.fromkeys(inputs)],
        description=table.comment,
        group_name=table.schema,
        kinds={"duckdb", "polars"},
        metadata={"dagster/column_schema": column_schema(table)},
        freshness_policy=FRESH,
        check_specs=[dg.AssetCheckSpec(CHECK, asset=key, description="; ".join(CHECKS.values()))],
        required_resource_keys={"run"},
    )
    def _asset(context: dg.AssetExecutionContext):
        tags, began, of_run = context.run.tags, time.monotonic(), context.resources.run
        how = {"is_full": FULL in tags, "is_without_models": WITHOUT_MODELS in tags}
        for event in run(of_run, **how):
            yield _with_facts(event, began=began, read_at=of_run.lake.snapshot())

    return _asset


def _with_facts(event, *, began: float, read_at: int):
    """A result with the lake's snapshot that it stands in, and the seconds since `began`."""
    if not isinstance(event, dg.MaterializeResult):
        return event
    facts = {"snapshot": read_at, "seconds": round(time.monotonic() - began, 3)}
    return event._replace(metadata={**(event.metadata or {}), **facts})


def _computed(
    run: Run,
    table: Table,
    *,
    parts: Iterable[Part],
    cursor: Cursor | None,
    why: str,
    n_keys: int | None = None,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Checks what was computed and stores what of it differs, part by part. Raises CheckFailed where it
    can't be stored. `n_keys`: how many were touched, None = all.
    """
    checks, rows_changed = check_table(table, table.empty()), 0
    for part in parts:
        checks = both(checks, check_table(table, part.rows))
        if not checks["is_passed"].all():
            run.lake.write(partial(_put_checks, checks=checks))
            yield _check_result(checks)
            raise CheckFailed(_not_stored(table, checks, is_partly_new=rows_changed > 0))
        differs = run.lake.difference(table, part.rows, part.keys, sees_doubles=part.is_whole)
        rows_changed += differs.rows
        stands = cursor and replace(cursor, rows_changed=rows_changed)
        if not part.is_last and differs.rows:
            unfinished = replace(stands, fingerprint=UNFINISHED)
            store(run.lake, table, differs, checks, cursor=unfinished)
    before = run.checks(table)
    is_same = not rows_changed and before.height == checks.height and before["is_passed"].all()
    if stands is not None and is_same and table.full_name in run.cursors:
        run.is_current(table)
    else:
        store(run.lake, table, differs, checks, cursor=stands)
    if rows_changed:
        run.is_written(table)
    row_count = checks["rows"][0] if part.is_whole else None
    result = _result(table, checks, rows_changed=rows_changed, why=why, row_count=row_count)
    touched_keys = "all" if n_keys is None else n_keys
    yield result._replace(metadata={**result.metadata, "keys touched": touched_keys})


def store(
    lake: Lake,
    table: Table,
    differs: Difference,
    checks: pl.DataFrame,
    *,
    cursor: Cursor | None,
) -> None:
    """What differs, the checks' results, which all passed, and the cursor, in one transaction."""

    def work(writer: Writer) -> None:
        writer.put(table, differs)
        if cursor is not None:
            write_cursor(writer, cursor)
        _put_checks(writer, checks)

    lake.write(work)


def _put_checks(writer: Writer, checks: pl.DataFrame) -> None:
    results = CHECK_RESULTS.conform(
        checks.with_columns(
            checked_at=pl.lit(datetime.now(UTC)), lake_snapshot=pl.lit(None, dtype=pl.Int64)
        )
    )
    writer.upsert(CHECK_RESULTS, results, results.select(CHECK_RESULTS.key))


def _result(
    table: Table, checks: pl.DataFrame, *, rows_changed: int, why: str, row_count: int | None
) -> dg.MaterializeResult:
    """`row_count`: of the whole table, None where only some keys or nothing was computed."""
    counted_rows = {} if row_count is None else {"dagster/row_count": row_count}
    return dg.MaterializeResult(
        asset_key=table_key(table.full_name),
        metadata=counted_rows | {"rows changed": rows_changed, "because": why},
        check_results=[_check_result(checks)],
    )


def _not_stored(table: Table, checks: pl.DataFrame, *, is_partly_new: bool) -> str:
    failing = checks.filter(~pl.col("is_passed")).iter_rows(named=True)
    reasons = "; ".join(
        f"{CHECKS[row['check']]}: not of {counted(row['failing_rows'], 'row')}" for row in failing
    )
    stays = "is computed anew in part" if is_partly_new else "stays as it was"
    return (
        f"{table.full_name} {stays}, and what is computed from it waits: {reasons} of {checks['rows'][0]:,} "
        "(mart.check_results names one of each)"
    )


def _check_result(checks: pl.DataFrame) -> dg.AssetCheckResult:
    """One check a table, with each rule's failures: an event of Dagster costs more than most of
    Floe's tables.
    """
    failing = checks.filter(~pl.col("is_passed"))
    return dg.AssetCheckResult(
        asset_key=table_key(checks["table"][0]),
        check_name=CHECK,
        passed=failing.is_empty(),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows": checks["rows"][0]}
        | {
            row["check"]: f"{row['failing_rows']} rows, such as {row['sample']}"
            for row in failing.iter_rows(named=True)
        },
    )
