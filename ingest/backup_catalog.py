"""The catalog of a backup: copied by SQLite itself while it is written, and what it names.

Here: a database of SQLite as of one moment, and the files that a lake's catalog names. Not here: the
steps of a backup (backup.py), copying files (copies.py).
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing, nullcontext
from pathlib import Path

from transforms.errors import DiskFull, FloeError, UsageError

from .read_only_home import is_writable, passing_copy
from .turns import catalog_turn

# In a process of its own: Python's SQLite must never close a file that DuckDB's SQLite has open in
# the same process. One file, without a log beside it, is what a copy should be.
_COPY = """
import sqlite3, sys
from contextlib import closing
source, to, mode, *changes = sys.argv[1:]
with closing(sqlite3.connect(f"{source}?{mode}", uri=True, timeout=60)) as live:
    with closing(sqlite3.connect(to)) as copy:
        live.backup(copy)
        for change in changes:
            copy.execute(change)
        copy.commit()
        copy.execute("PRAGMA journal_mode = DELETE")
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        sys.exit(None if found == "ok" else f"it is damaged: {found}")
"""
# What waits for removal is no file of the copy.
_OF_CATALOG = "DELETE FROM ducklake_files_scheduled_for_deletion"
# A table that was renamed has several rows: SQLite takes the columns of the one with the maximum.
_FILES = """
SELECT f.path, f.path_is_relative AND t.path_is_relative AND s.path_is_relative, s.path || t.path, f.file_size_bytes
FROM (SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_data_file
      UNION ALL SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_delete_file) f
JOIN (SELECT table_id, schema_id, path, path_is_relative, max(begin_snapshot) FROM ducklake_table GROUP BY 1) t USING (table_id)
JOIN (SELECT schema_id, path, path_is_relative, max(begin_snapshot) FROM ducklake_schema GROUP BY 1) s USING (schema_id)
"""


def copy_catalog(settings, catalog: Path, to: Path) -> None:
    """Step 3. The turn is there for the order of things: SQLite alone would give a whole copy
    too.
    """
    with catalog_turn(catalog) if is_writable(catalog.parent) else nullcontext():
        try:
            copy_database(catalog, to, changes=[_OF_CATALOG])
        except DiskFull:
            raise
        except FloeError as error:
            raise FloeError(f"{error}: no backup was made") from None


def copy_database(source: Path, to: Path, *, changes: Iterable[str] = ()) -> None:
    """A database of SQLite as of one moment, while it is written; `changes`: statements run on the
    copy.
    """
    part = to.with_name(to.name + ".part")
    for leftover in to.parent.glob(to.name + "*"):
        leftover.unlink()
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    process = _copied_by_sqlite(source, part, changes=changes)
    if process.returncode:
        for leftover in to.parent.glob(to.name + "*"):
            leftover.unlink()
        reason = (
            process.stderr.strip().splitlines()[-1]
            if process.stderr.strip()
            else f"exit code {process.returncode}"
        )
        if "disk is full" in reason:
            raise DiskFull(
                f"no space is left for {to.parent}: free some, then the same command goes on"
            )
        raise FloeError(f"{source} could not be copied ({reason})")
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(to)


def _copied_by_sqlite(
    database: Path, to: Path, *, changes: Iterable[str]
) -> subprocess.CompletedProcess:
    """From a home that can't be written, by way of a passing copy where SQLite needs a log beside
    the database.
    """
    copy = passing_copy(database)
    source, mode = (
        (copy.path, "rw") if copy else (database, "rw" if is_writable(database.parent) else "ro")
    )
    command = [
        sys.executable,
        "-c",
        _COPY,
        source.absolute().as_uri(),
        str(to),
        f"mode={mode}",
        *changes,
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        if copy:
            copy.close()


def described(catalog: Path) -> tuple[str, int, dict[str, int]]:
    """The lake's id, its newest snapshot, and the files that it names -> their size in bytes."""
    with closing(sqlite3.connect(catalog)) as connection:
        (lake,) = connection.execute(
            "SELECT schema_uuid FROM ducklake_schema WHERE schema_id = 0"
        ).fetchone()
        (snapshot,) = connection.execute(
            "SELECT max(snapshot_id) FROM ducklake_snapshot"
        ).fetchone()
        rows = connection.execute(_FILES).fetchall()
    if outside := [path for path, is_relative, *_ in rows if not is_relative]:
        raise UsageError(
            f"the lake names a file outside its own folder ({outside[0]}): floe backup does not copy that"
        )
    return lake, snapshot, {above + path: size for path, _, above, size in rows}
