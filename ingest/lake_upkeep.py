"""What keeps the lake quick: the calls that move, merge, rewrite and remove, as SQL texts.

Here: the calls and which tables need them. Not here: running them, and which snapshots may go
(lake/).
"""

from collections.abc import Iterator
from datetime import datetime

from transforms.schemas.app import FILE_CHECKSUMS

from .lake_catalog import METADATA

_KEPT_IN_CATALOG = (
    10_000  # rows of the checksums: what says that a file is whole stands best in no file
)


def flush_call(schema: str, table: str) -> str:
    """Moves a table's rows from the catalog into a file."""
    return f"CALL ducklake_flush_inlined_data('lake', schema_name => '{schema}', table_name => '{table}')"


def inlined_tables(cursor) -> list[tuple[str, str]]:
    """(schema, table) of those with rows in the catalog: flushing all tables in one call takes 0.2
    s a table.
    """
    inlined = cursor.execute(f"""
        SELECT i.table_name, s.schema_name, t.table_name
        FROM {METADATA}.ducklake_inlined_data_tables i
        JOIN {METADATA}.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
        JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
    """).fetchall()
    parts = [
        f"SELECT '{name}' WHERE (SELECT count(*) FROM {METADATA}.{name}) > "
        f"{_KEPT_IN_CATALOG if f'{schema}.{table}' == FILE_CHECKSUMS.full_name else 0}"
        for name, schema, table in inlined
    ]
    filled = (
        {name for (name,) in cursor.execute(" UNION ALL ".join(parts)).fetchall()}
        if parts
        else set()
    )
    return sorted({(schema, table) for name, schema, table in inlined if name in filled})


def upkeep_calls() -> Iterator[tuple[str, str]]:
    yield "merged_files", "CALL ducklake_merge_adjacent_files('lake')"
    yield "rewritten_files", "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.5)"


def cleanup_call(older_than: datetime) -> str:
    """Removes files that no snapshot reads any more; never one that only lies there: it may be
    another catalog's.
    """
    return f"CALL ducklake_cleanup_old_files('lake', older_than => TIMESTAMPTZ '{older_than.isoformat()}')"
