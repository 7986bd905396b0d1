"""The lake's data files as upkeep sees them: how long, how many of their rows are deleted, which are
small; DuckLake's catalog as queries.

Here: asking through a cursor that lake/ gives. Not here: which files one step takes (upkeep_plan.py),
taking them (lake/).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .lake_catalog import METADATA, keys_of_files

SMALL_FILE_BYTES = 2**20
_DELETIONS = "ducklake_inlined_delete_"
_TABLES = f"""
    SELECT t.table_id, s.schema_name || '.' || t.table_name AS full_name
    FROM {METADATA}.ducklake_table t
    JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
    WHERE t.end_snapshot IS NULL"""


@dataclass(frozen=True)
class DataFile:
    """A file of a table's newest snapshot. `layout`: the snapshot from which the table had the columns
    that it was written with; `deleted`: rows of it that are deleted now; `is_whole`: none ever was.
    """

    size_bytes: int
    rows: int
    layout: int
    deleted: int
    is_whole: bool

    @property
    def deleted_share(self) -> float:
        return self.deleted / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class SmallFiles:
    """Of one table, `schema.name`: files below SMALL_FILE_BYTES, and how many files it has in all."""

    table: str
    small: int
    files: int


def small_files(query) -> list[SmallFiles]:
    """One a table that has files, those with most small ones first. `query`: a statement -> its rows
    as tuples.
    """
    rows = query(f"""
        SELECT full_name, count(*) FILTER (f.file_size_bytes < {SMALL_FILE_BYTES}) AS small, count(*)
        FROM {METADATA}.ducklake_data_file f JOIN ({_TABLES}) t USING (table_id)
        WHERE f.end_snapshot IS NULL GROUP BY 1 ORDER BY 2 DESC, 1""")
    return [SmallFiles(*row) for row in rows]


def files_by_table(cursor, kind: str, table: str | None = None) -> dict[str, list[DataFile]]:
    """Full name -> its files, in the order in which DuckLake merges them; of one table, or of all.
    `kind`: of catalog, sqlite or postgres.
    """
    inlined = dict(_inlined_deletions(cursor, kind))
    only = f"AND t.full_name = '{table}'" if table else ""
    rows = cursor.execute(f"""
        WITH deletions AS (
            SELECT data_file_id, sum(delete_count) FILTER (end_snapshot IS NULL) AS deleted
            FROM {METADATA}.ducklake_delete_file GROUP BY 1
        ), layouts AS (SELECT table_id, begin_snapshot FROM {METADATA}.ducklake_schema_versions)
        SELECT t.full_name, f.data_file_id, f.file_size_bytes, f.record_count, coalesce(l.begin_snapshot, 0),
               coalesce(d.deleted, 0)::BIGINT, d.data_file_id IS NULL
        FROM {METADATA}.ducklake_data_file f JOIN ({_TABLES}) t USING (table_id)
        LEFT JOIN deletions d ON d.data_file_id = f.data_file_id
        ASOF LEFT JOIN layouts l ON l.table_id = f.table_id AND f.begin_snapshot >= l.begin_snapshot
        WHERE f.end_snapshot IS NULL {only}
        ORDER BY f.begin_snapshot, f.row_id_start, f.data_file_id""")
    files: dict[str, list[DataFile]] = defaultdict(list)
    for table, number, size_bytes, n_rows, layout, deleted, is_whole in rows.fetchall():
        more = inlined.get(number, 0)
        file = DataFile(size_bytes, n_rows, layout, deleted + more, is_whole and not more)
        files[table].append(file)
    return dict(files)


def _inlined_deletions(cursor, kind: str) -> list[tuple[int, int]]:
    """File, rows of it whose deletion stands in the catalog itself."""
    names = [name for name in _catalog_tables(cursor, kind) if name.startswith(_DELETIONS)]
    parts = [f"SELECT file_id FROM {METADATA}.{name}" for name in names]
    if not parts:
        return []
    union = " UNION ALL ".join(parts)
    return cursor.execute(f"SELECT file_id, count(*) FROM ({union}) GROUP BY 1").fetchall()


def _catalog_tables(cursor, kind: str) -> list[str]:
    """Tables of the catalog, which DuckDB does not list: as its own server or file says."""
    inside = {
        "postgres": "SELECT tablename::text FROM pg_tables WHERE tablename LIKE ''ducklake_%''",
        "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE ''ducklake_%''",
    }[kind]
    rows = cursor.execute(f"SELECT * FROM {kind}_query('{METADATA}', '{inside}')").fetchall()
    return [name for (name,) in rows]


def rows_of_table(cursor, table: str) -> int:
    """Rows of the newest snapshot, as DuckLake counts them."""
    schema, _, name = table.partition(".")
    (count,) = cursor.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchone()
    return count


def newest_file(cursor) -> int:
    """The greatest number that a data file has; -1 where there is none."""
    (number,) = cursor.execute(
        f"SELECT coalesce(max(data_file_id), -1) FROM {METADATA}.ducklake_data_file"
    ).fetchone()
    return number


def unlike_their_count(cursor, data_path: str, *, after: int) -> list[str]:
    """Of files with a number above `after`, those that do not hold as many rows as the catalog says:
    each opened, with its key.
    """
    files = keys_of_files(cursor, after=after)
    return [
        f"{path} has {found:,} rows, the catalog says {said:,}"
        for path, key, said in files
        if (found := _rows_in(cursor, f"{data_path.rstrip('/')}/{path}", key)) != said
    ]


def _rows_in(cursor, path: str, key: str | None) -> int:
    locked = ", encryption_config => {footer_key_value: from_base64($2)}" if key else ""
    values = [path, key] if key else [path]
    (count,) = cursor.execute(f"SELECT count(*) FROM read_parquet($1{locked})", values).fetchone()
    return count


def rows_as_of(cursor, snapshots: Iterable[int]) -> dict[int, int]:
    """Rows in the files of all tables as of each snapshot, deleted ones not counted apart."""
    numbers = ", ".join(f"({int(number)})" for number in sorted(set(snapshots)))
    if not numbers:
        return {}
    rows = cursor.execute(f"""
        SELECT k.id, coalesce(sum(f.record_count), 0)::BIGINT
        FROM (VALUES {numbers}) k(id) LEFT JOIN {METADATA}.ducklake_data_file f
          ON f.begin_snapshot <= k.id AND (f.end_snapshot IS NULL OR f.end_snapshot > k.id)
        GROUP BY 1""").fetchall()
    return dict(rows)


def files_now(cursor) -> tuple[int, int, int]:
    """Tables, files and bytes of the newest snapshot, as DuckLake itself counts: inside a transaction
    that expires snapshots, those that would be left.
    """
    return cursor.execute("""
        SELECT count(*), coalesce(sum(file_count), 0)::BIGINT, coalesce(sum(file_size_bytes), 0)::BIGINT
        FROM ducklake_table_info('lake')""").fetchone()


def oldest_followed(cursor) -> int | None:
    """The oldest snapshot from which a table is followed or a release was made; None where nothing is."""
    (oldest,) = cursor.execute("""
        SELECT min(oldest) FROM (
            SELECT least(raw_snapshot, read_at) AS oldest FROM app.cursors
            UNION ALL SELECT lake_snapshot FROM core.data_cut
            UNION ALL (SELECT lake_snapshot FROM app.releases ORDER BY release_id DESC LIMIT 1))""").fetchone()
    return oldest


def named_by_releases(cursor) -> set[int]:
    rows = cursor.execute("SELECT lake_snapshot, marts_snapshot FROM app.releases").fetchall()
    return {at for row in rows for at in row if at is not None}


def expired_candidates(cursor, *, before: int, kept_from, named: Collection[int]) -> list[int]:
    """Snapshots below `before` and older than the moment, without those that are named; oldest first."""
    rows = cursor.execute(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_id < ? AND snapshot_time < ? ORDER BY 1",
        [before, kept_from],
    ).fetchall()
    return [number for (number,) in rows if number not in set(named)]


def scheduled_moments(cursor, *, before) -> list[tuple[object, int]]:
    """Each moment at which files were given up, with how many: oldest first."""
    return cursor.execute(
        f"""SELECT schedule_start::TIMESTAMPTZ AS given_up, count(*)
            FROM {METADATA}.ducklake_files_scheduled_for_deletion
            WHERE schedule_start::TIMESTAMPTZ < ? GROUP BY 1 ORDER BY 1""",
        [before],
    ).fetchall()
