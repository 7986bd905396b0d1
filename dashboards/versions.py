"""Which snapshot last changed each table: what kept answers depend on.

Here: the SQL text and its rows. Not here: asking it (reader.py).
"""

from dataclasses import dataclass
from datetime import datetime

from transforms.schemas import APP_TABLES, BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES

# A table that was written has given numbers to its rows (what lake_schema.py puts into a new one
# and takes out again has none); the snapshot of its last change may have expired since, and then
# the oldest that is left stands for it.
VERSIONS = """
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
    """The last snapshot that changed a table, and when (the oldest there is, where that has
    expired).

    Of a table that was never written both are None.
    """

    snapshot: int | None
    changed_at: datetime | None


TABLES = {
    t.full_name: t
    for t in (
        *RAW_TABLES.values(),
        *BOOKKEEPING,
        *CORE_TABLES.values(),
        *MART_TABLES.values(),
        *APP_TABLES.values(),
    )
}
