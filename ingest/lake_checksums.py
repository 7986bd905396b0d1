"""What is noted of each file of the lake, in `app.file_checksums`: taken down in the transaction
that made the file.

Here: noting, what has no note yet, reading a file whole where it stands. Not here: which files a
transaction made (durability.py), holding files against their notes (lake_damage.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from transforms.schemas.app import FILE_CHECKSUMS

from .durability import FileMark, checksum, mark_of
from .lake_attach import INLINED_ROWS
from .lake_catalog import NamedFile, named_files

_NOTES = FILE_CHECKSUMS.full_name
_BYTES_AT_ONCE = 4 * 2**30  # of files without a note that one upkeep reads


def note(cursor, marks: Iterable[FileMark]) -> None:
    """Few rows at a time stay in the catalog: a note in a file of its own would need a note."""
    now = datetime.now(UTC)
    for some in _parts(list(marks), INLINED_ROWS):
        values = [value for m in some for value in (m.path, m.size_bytes, m.checksum, now)]
        cursor.execute(
            f"INSERT INTO {_NOTES} VALUES " + ", ".join(["(?, ?, ?, ?)"] * len(some)), values
        )


def notes(cursor) -> dict[str, FileMark]:
    """By path."""
    rows = cursor.execute(f"SELECT path, size_bytes, checksum FROM {_NOTES}").fetchall()
    return {row[0]: FileMark(*row) for row in rows}


def without_note(cursor) -> list[NamedFile]:
    """Files that the catalog names: of an earlier release, made by upkeep, or on S3."""
    noted = notes(cursor)
    return [file for file in named_files(cursor) if file.path not in noted]


def missing_marks(cursor, data_path: str) -> Iterator[FileMark]:
    """Of files without a note, those that are as long as the catalog says; damaged ones stay
    without.
    """
    size_bytes = 0
    for file in without_note(cursor):
        size_bytes += file.size_bytes
        if size_bytes > _BYTES_AT_ONCE:
            return
        mark = mark_now(cursor, data_path, file.path)
        if mark and mark.size_bytes == file.size_bytes:
            yield mark


def mark_now(cursor, data_path: str, path: str) -> FileMark | None:
    """The file as it is now; None where it can't be read."""
    try:
        if "://" not in data_path:
            return mark_of(Path(data_path), path)
        ((data,),) = cursor.execute(
            "SELECT content FROM read_blob(?)", [data_path.rstrip("/") + "/" + path]
        ).fetchall()
        return FileMark(path, len(data), checksum(data))
    except Exception:  # whatever stands in the way (DuckDB's own errors can't be named here)
        return None


def gone_notes(cursor) -> list[str]:
    """Paths that are noted of files that no snapshot reads any more."""
    return sorted(notes(cursor).keys() - {file.path for file in named_files(cursor)})


def forget(cursor, paths: Sequence[str]) -> None:
    """Takes out their notes."""
    marks = ", ".join("?" * len(paths))
    cursor.execute(f"DELETE FROM {_NOTES} WHERE path IN ({marks})", list(paths))


def _parts(items: Sequence, size: int) -> Iterator[Sequence]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
