"""How a table becomes an asset: its key, its column schema, its checks, its run.

Here: the shape that all assets share. Not here: what any of them computes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from ingest.lake import Lake, Writer
from ingest.settings import Settings
from transforms.checks import CHECKS, check_table
from transforms.counting import counted
from transforms.errors import CheckFailed
from transforms.schemas import MART_TABLES, Table

from ..cut import DATA_CUT
from ..following import Cursor, Standing, fingerprint, standing, write_cursor
from ..one_run import Run

FULL = "floe/full"  # the tag of a run that computes all, whatever has changed
CHECK = "schema_holds"
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
class Part:
    """Rows of a table: all of them, or all of some keys (a frame of key columns)."""

    rows: pl.DataFrame
    keys: pl.DataFrame | None = None


@dataclass(frozen=True)
class Followed:
    """A table that is computed from others as of the data cut: what has not changed since it was
    last computed is not computed again. `follows`: as of `Mart`.
    """

    table: Table
    inputs: tuple[str, ...]
    compute: Callable[[Run, Cursor | None, Standing], Part]
    follows: str

    def run(self, run: Run, *, is_full: bool) -> Iterator:
        """Brings the table up to date; gives what Dagster is told of it."""
        options, cut = Settings().options, run.cut
        before = None if is_full else run.cursors.get(self.table.full_name)
        stands = standing(
            before,
            inputs=self.inputs,
            changed=run.changed,
            touched_by_others=run.touched_by_others,
            cut=cut,
            options=options,
            follows=self.follows,
        )
        checks = run.checks(self.table)
        if stands.is_current and checks.height and checks["is_passed"].all():
            run.is_current(self.table)
            yield _result(self.table, checks, rows_changed=0, why=stands.why, row_count=None)
            return
        cursor = Cursor(
            table_name=self.table.full_name,
            raw_snapshot=cut.lake_snapshot,
            read_at=run.lake.snapshot(),
            data_cutoff=cut.data_cutoff,
            fingerprint=fingerprint(options),
            computed_at=datetime.now(UTC),
            rows_changed=0,
        )
        part = self.compute(run, before, stands)
        yield from _computed(run, self.table, part=part, cursor=cursor, why=stands.why)

    def asset(self) -> dg.AssetsDefinition:
        return _asset_of(self.table, (DATA_CUT.full_name, *self.inputs), self.run)


def table_asset(
    table: Table, *, inputs: Sequence[str], compute: Callable[[Lake], pl.DataFrame]
) -> dg.AssetsDefinition:
    """An asset that computes the table's rows in every run."""

    def computed(run: Run, *, is_full: bool) -> Iterator:
        why = "it is computed in every run"
        yield from _computed(run, table, part=Part(compute(run.lake)), cursor=None, why=why)

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
        check_specs=[dg.AssetCheckSpec(CHECK, asset=key, description="; ".join(CHECKS.values()))],
        required_resource_keys={"run"},
    )
    def _asset(context: dg.AssetExecutionContext):
        yield from run(context.resources.run, is_full=FULL in context.run.tags)

    return _asset


def _computed(
    run: Run, table: Table, *, part: Part, cursor: Cursor | None, why: str
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Checks and stores what was computed. Raises CheckFailed where it can't be stored."""
    checks = check_table(table, part.rows)
    changed = store(run.lake, table, part, checks, cursor=cursor)
    if changed:
        run.is_written(table)
    if changed is None:
        yield _check_result(checks)
        raise CheckFailed(_not_stored(table, checks))
    row_count = part.rows.height if part.keys is None else None
    yield _result(table, checks, rows_changed=changed, why=why, row_count=row_count)


def store(
    lake: Lake, table: Table, part: Part, checks: pl.DataFrame, *, cursor: Cursor | None
) -> int | None:
    """The checks' results, and where all pass the table's rows and its cursor, in one transaction;
    how many rows changed, None where a check fails and nothing was stored.
    """
    is_good = checks["is_passed"].all()
    results = CHECK_RESULTS.conform(
        checks.with_columns(
            checked_at=pl.lit(datetime.now(UTC)), lake_snapshot=pl.lit(None, dtype=pl.Int64)
        )
    )

    def work(writer: Writer) -> int | None:
        changed = None
        if is_good:
            changed = writer.settle(table, part.rows, part.keys)
            if cursor is not None:
                write_cursor(writer, replace(cursor, rows_changed=changed))
        writer.upsert(CHECK_RESULTS, results, results.select(CHECK_RESULTS.key))
        return changed

    return lake.write(work)


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


def _not_stored(table: Table, checks: pl.DataFrame) -> str:
    failing = checks.filter(~pl.col("is_passed")).iter_rows(named=True)
    reasons = "; ".join(
        f"{CHECKS[row['check']]}: not of {counted(row['failing_rows'], 'row')}" for row in failing
    )
    return (
        f"{table.full_name} stays as it was, and what is computed from it waits: {reasons} of {checks['rows'][0]:,} "
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
