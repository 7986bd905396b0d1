"""What a table's schema promises, checked on its rows.

Here: the checks that every table gets from its schema. Not here: when they run (orchestration) and
the schemas.
"""

import json

import polars as pl

from .schemas.base import Table

CHECKS = {
    "key_is_unique": "no two rows share the key",
    "required_is_present": "no required column is null",
    "closed_lists_hold": "every value of a closed list is in it",
    "ranges_hold": "every value is within its physical range",
}


def check_table(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """One row a check of `CHECKS`: `table`, `check`, `is_passed`, `failing_rows`, `rows`, `sample`.

    `sample` is the key of one failing row as JSON, null where all pass. An empty frame passes every
    check.
    """
    failing = {
        "key_is_unique": _repeated_key(table, frame),
        "required_is_present": _any(
            [pl.col(c.name).is_null() for c in table.columns if c.required]
        ),
        "closed_lists_hold": _any(
            [
                pl.col(c.name).is_not_null() & ~pl.col(c.name).is_in(c.closed)
                for c in table.columns
                if c.closed
            ]
        ),
        "ranges_hold": _any(
            [_outside(c) for c in table.columns if c.lower is not None or c.upper is not None]
        ),
    }
    rows = []
    for check, condition in failing.items():
        bad = frame.filter(condition)
        sample = (
            None
            if bad.is_empty()
            else json.dumps(bad.select(table.key).row(0, named=True), default=str)
        )
        rows.append((table.full_name, check, bad.is_empty(), bad.height, frame.height, sample))
    return pl.DataFrame(
        rows,
        schema={
            "table": pl.String,
            "check": pl.String,
            "is_passed": pl.Boolean,
            "failing_rows": pl.Int64,
            "rows": pl.Int64,
            "sample": pl.String,
        },
        orient="row",
    )


def both(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """What was found of two parts of a table that have no key in common, as of one."""
    return (
        pl.concat([one, other])
        .group_by("table", "check", maintain_order=True)
        .agg(
            pl.col("is_passed").all(),
            pl.col("failing_rows", "rows").sum(),
            pl.col("sample").drop_nulls().first(),
        )
    )


def _any(conditions: list[pl.Expr]) -> pl.Expr:
    return (
        pl.any_horizontal([c.fill_null(False) for c in conditions]) if conditions else pl.lit(False)
    )


def _outside(column) -> pl.Expr:
    value = pl.col(column.name)
    low = pl.lit(False) if column.lower is None else value < column.lower
    high = pl.lit(False) if column.upper is None else value > column.upper
    return low | high


def _repeated_key(table: Table, frame: pl.DataFrame) -> pl.Expr:
    if table.key and frame.height > 1:
        key = pl.struct(table.key)
        return key.is_duplicated()
    return pl.lit(False)
