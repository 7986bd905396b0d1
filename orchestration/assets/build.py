"""How a table becomes an asset: its key, its column schema, its checks, its run.

Here: the shape that all assets share. Not here: what any of them computes.
"""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl

from ingest.lake import Lake
from transforms.checks import CHECKS, check_table
from transforms.schemas import Table


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
                constraints=dg.TableColumnConstraints(nullable=not c.required, unique=table.key == (c.name,)),
            )
            for c in table.columns
        ]
    )


def table_asset(
    table: Table,
    *,
    inputs: Sequence[str],
    run: Callable[[dg.AssetExecutionContext, Lake], pl.DataFrame],
    code_version: str | None = None,
) -> dg.AssetsDefinition:
    """An asset that runs `run`, which writes the table and gives its rows, and that reports the table's checks."""
    key = table_key(table.full_name)

    @dg.asset(
        key=key,
        deps=[table_key(name) for name in inputs],
        description=table.comment,
        group_name=table.schema,
        kinds={"duckdb", "polars"},
        code_version=code_version,
        metadata={"dagster/column_schema": column_schema(table)},
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in CHECKS.items()],
        required_resource_keys={"lake"},
    )
    def _asset(context: dg.AssetExecutionContext):
        frame = run(context, context.resources.lake)
        checks = check_table(table, frame)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={"dagster/row_count": frame.height},
            check_results=[_check_result(row) for row in checks.iter_rows(named=True)],
        )

    return _asset


def _check_result(row: dict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=row["check"],
        passed=row["is_passed"],
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"failing_rows": row["failing_rows"], "rows": row["rows"], "sample": row["sample"] or ""},
    )
