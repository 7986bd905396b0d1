"""How a table becomes an asset: its key, its column schema, its checks, its run.

Here: the shape that all assets share. Not here: what any of them computes.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from ingest.lake import Lake, Writer
from transforms.checks import CHECKS, check_table
from transforms.counting import counted
from transforms.errors import CheckFailed
from transforms.schemas import MART_TABLES, Table

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


def table_asset(
    table: Table, *, inputs: Sequence[str], compute: Callable[[Lake], pl.DataFrame]
) -> dg.AssetsDefinition:
    """An asset that computes the table's rows and stores them together with the results of the
    table's checks.

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
        required_resource_keys={"lake"},
    )
    def _asset(context: dg.AssetExecutionContext):
        frame = compute(context.resources.lake)
        checks = check_table(table, frame)
        if store(context.resources.lake, table, frame, checks, now=datetime.now(UTC)):
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={"dagster/row_count": frame.height},
                check_results=[_check_result(checks)],
            )
            return
        yield _check_result(checks)
        raise CheckFailed(_not_stored(table, checks))

    return _asset


def store(
    lake: Lake, table: Table, frame: pl.DataFrame, checks: pl.DataFrame, *, now: datetime
) -> bool:
    """The checks' results, and the table where all pass, in one transaction; whether it was
    stored.
    """
    is_good = checks["is_passed"].all()
    results = CHECK_RESULTS.conform(
        checks.with_columns(checked_at=pl.lit(now), lake_snapshot=pl.lit(None, dtype=pl.Int64))
    )

    def work(writer: Writer) -> None:
        if is_good:
            writer.replace(table, frame)
        writer.upsert(CHECK_RESULTS, results, results.select(CHECK_RESULTS.key))

    lake.write(work)
    return is_good


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
