"""What keeps the lake quick: the calls that move, merge, rewrite and remove, as SQL texts.

Here: the calls and which tables need them. Not here: running them, and which snapshots may go
(lake/).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from transforms.schemas.app import FILE_CHECKSUMS

from .lake_catalog import METADATA
from .upkeep_plan import Merge

_KEPT_IN_CATALOG = (
    10_000  # rows of the checksums: what says that a file is whole stands best in no file
)


def flush_call(schema: str, table: str) -> str:
    """Moves a table's rows from the catalog into a file."""
    return f"CALL ducklake_flush_inlined_data('lake', schema_name => '{schema}', table_name => '{table}')"


def inlined_tables(cursor) -> list[tuple[str, str, int]]:
    """(schema, table, rows) of those with rows in the catalog, most rows first: flushing all tables in
    one call takes 0.2 s a table.
    """
    inlined = cursor.execute(f"""
        SELECT i.table_name, s.schema_name, t.table_name
        FROM {METADATA}.ducklake_inlined_data_tables i
        JOIN {METADATA}.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
        JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
    """).fetchall()
    parts = [f"SELECT '{name}', count(*) FROM {METADATA}.{name}" for name, _, _ in inlined]
    counts = dict(cursor.execute(" UNION ALL ".join(parts)).fetchall()) if parts else {}
    by_table: dict[tuple[str, str], int] = {}
    for name, schema, table in inlined:
        by_table[schema, table] = by_table.get((schema, table), 0) + counts[name]
    filled = [(*name, rows) for name, rows in by_table.items() if rows > _kept(*name)]
    return sorted(filled, key=lambda one: (-one[2], one[0], one[1]))


def _kept(schema: str, table: str) -> int:
    """Rows that stay in the catalog."""
    return _KEPT_IN_CATALOG if f"{schema}.{table}" == FILE_CHECKSUMS.full_name else 0


def merge_calls(table: str, merge: Merge) -> Iterator[str]:
    """The target holds for the cursor alone."""
    schema, _, name = table.partition(".")
    yield f"SET SESSION ducklake_target_file_size = '{merge.target_bytes}B'"
    least = f", min_file_size => {merge.min_bytes}" if merge.min_bytes else ""
    yield (
        f"CALL ducklake_merge_adjacent_files('lake', '{name}', schema => '{schema}', max_compacted_files => 1"
        f"{least}, max_file_size => {merge.max_bytes})"
    )


def rewrite_call(table: str, threshold: float) -> str:
    schema, _, name = table.partition(".")
    # just below: a share that is written as a decimal may come out a hair higher
    return (
        f"CALL ducklake_rewrite_data_files('lake', '{name}', schema => '{schema}', "
        f"delete_threshold => {max(0.0, threshold - 1e-9)!r})"
    )


def expiry_call(snapshots: Sequence[int]) -> str:
    return f"CALL ducklake_expire_snapshots('lake', versions => {list(snapshots)})"


def cleanup_call(older_than: datetime) -> str:
    """Removes files that no snapshot reads any more; never one that only lies there: it may be
    another catalog's.
    """
    return f"CALL ducklake_cleanup_old_files('lake', older_than => TIMESTAMPTZ '{older_than.isoformat()}')"
