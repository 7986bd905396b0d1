"""Which files the catalog names, and whose catalog it is: DuckLake's own tables, as queries.

Here: reading the catalog through a cursor that lake/ gives. Not here: the files themselves
(durability.py).
"""

from dataclasses import dataclass

METADATA = "__ducklake_metadata_lake"  # the catalog's own tables, as DuckLake attaches them


@dataclass(frozen=True)
class NamedFile:
    """A file that some snapshot reads. `path`: below the data, or absolute. `kind`: rows or
    deletions.

    `is_current`: the newest snapshot reads it, not only an older one.
    """

    file_id: int
    kind: str
    table: str
    path: str
    size_bytes: int
    is_current: bool


def named_files(cursor) -> list[NamedFile]:
    """Every file of every snapshot."""
    parts = [_files("data_file", "rows"), _files("delete_file", "deletions")]
    rows = cursor.execute(" UNION ALL ".join(parts) + " ORDER BY ALL").fetchall()
    return [NamedFile(*row) for row in rows]


def keys_of_files(cursor, *, after: int) -> list[tuple[str, str | None, int]]:
    """Of the newest snapshot's data files with a number above `after`: path below the data, key, rows."""
    return cursor.execute(f"""
        SELECT CASE WHEN f.path_is_relative THEN t.path || f.path ELSE f.path END, f.encryption_key, f.record_count
        FROM {METADATA}.ducklake_data_file f JOIN ({_TABLES}) t USING (table_id)
        WHERE f.data_file_id > {after} AND f.end_snapshot IS NULL AND t.is_current""").fetchall()


def _files(kind: str, name: str) -> str:
    return f"""
        SELECT f.{kind}_id, '{name}', t.table_name,
               CASE WHEN f.path_is_relative THEN t.path || f.path ELSE f.path END, f.file_size_bytes,
               f.end_snapshot IS NULL AND t.is_current
        FROM {METADATA}.ducklake_{kind} f JOIN ({_TABLES}) t USING (table_id)"""


# A table that was renamed or moved has several rows; its files stay where they were.
_TABLES = f"""
    SELECT t.table_id, arg_max(s.schema_name || '.' || t.table_name, t.begin_snapshot) AS table_name,
           arg_max(CASE WHEN t.path_is_relative THEN s.path || t.path ELSE t.path END, t.begin_snapshot) AS path,
           count(*) FILTER (WHERE t.end_snapshot IS NULL) > 0 AS is_current
    FROM {METADATA}.ducklake_table t
    JOIN (SELECT schema_id, arg_max(schema_name, begin_snapshot) AS schema_name, arg_max(path, begin_snapshot) AS path
          FROM {METADATA}.ducklake_schema GROUP BY 1) s USING (schema_id)
    GROUP BY 1"""


def scheduled_files(cursor) -> set[str]:
    """Paths of files that no snapshot reads any more and upkeep has still to remove."""
    query = f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion"
    return {path for (path,) in cursor.execute(query).fetchall()}


def lake_id(cursor) -> str:
    """The lake's identity, given when it was made and the same for its life: its first schema's."""
    query = f"SELECT schema_uuid FROM {METADATA}.ducklake_schema WHERE schema_id = 0 LIMIT 1"
    (name,) = cursor.execute(query).fetchone()
    return str(name)


# What a snapshot does to a table's files and not to its rows, as the catalog words it.
_FLUSH = "inline_flush"  # beside the deletions of the same table that it writes out
_OF_FILES = frozenset({"compacted_table", "merge_adjacent", "rewrite_delete", _FLUSH})


def changes_by_snapshot(cursor, *, after: int) -> list[tuple[int, frozenset[str]]]:
    """Each snapshot after `after` that has not expired, with the full names of the tables of which
    rows came, changed or went in it.
    """
    query = f"""SELECT snapshot_id, changes_made FROM {METADATA}.ducklake_snapshot_changes
                WHERE snapshot_id > {after} ORDER BY snapshot_id"""
    rows = cursor.execute(query).fetchall()
    names = dict(cursor.execute(f"SELECT table_id, table_name FROM ({_TABLES})").fetchall())
    return [
        (snapshot, frozenset(names[t] for t in _with_changed_rows(changes or "") if t in names))
        for snapshot, changes in rows
    ]


def _with_changed_rows(changes: str) -> set[int]:
    """Ids of tables in one snapshot's changes. One that is made stands there by its name: it is
    empty then.
    """
    pairs = {tuple(part.split(":", 1)) for part in changes.split(",") if ":" in part}
    flushed = {what for verb, what in pairs if verb == _FLUSH}
    return {
        int(what)
        for verb, what in pairs
        if what.isdigit() and verb not in _OF_FILES and what not in flushed
    }
