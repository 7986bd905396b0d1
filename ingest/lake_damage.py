"""Files that are not what was written: found by reading every one, told with what they held, taken
out of the lake.

Here: holding files against `app.file_checksums`, and the catalog's statements that end a file.
Not here: landing again what they held (landing_again.py), noting checksums (lake_checksums.py).
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transforms.counting import counted
from transforms.schemas import RAW_TABLES
from transforms.schemas.app import FILE_CHECKSUMS
from transforms.schemas.raw import REJECT_HOURS, REJECTS, STREAM_OFFSETS

from .durability import FileMark, mark_of
from .lake_catalog import METADATA, NamedFile, named_files
from .lake_checksums import mark_now, notes
from .lake_forward import is_computed

_LANDED = {table.full_name: name for name, table in RAW_TABLES.items()} | {
    REJECTS.full_name: "rejects"
}
# what they hold stands elsewhere too, or is counted again
_BOOKS = frozenset({STREAM_OFFSETS.full_name, FILE_CHECKSUMS.full_name, REJECT_HOURS.full_name})


@dataclass(frozen=True)
class Damage:
    """One file and what is wrong with it. `held`: of a raw table, which positions, as a sentence's
    part.
    """

    file: NamedFile
    fault: str
    held: str = ""

    @property
    def is_mendable(self) -> bool:
        """Whether what it held can be had again from Kafka, or computed."""
        return (
            self.file.table in _LANDED or self.file.table in _BOOKS or is_computed(self.file.table)
        )

    def __str__(self) -> str:
        held = f"; it held {self.held}" if self.held else ""
        if not self.file.is_current:
            return f"{self.file.path} ({self.file.table}, {self.fault}): read only as of a moment before the newest"
        return f"{self.file.path} ({self.file.table}, {self.fault}){held}; {self._remedy()}"

    def _remedy(self) -> str:
        if self.file.table in _LANDED:
            return "floe mend lands these positions again from Kafka"
        if is_computed(self.file.table):
            return "floe mend empties the table, floe materialize --full computes it again"
        if self.is_mendable:
            return "floe mend writes it again"
        return "only a copy has what it held: floe restore"


@dataclass(frozen=True)
class FileCheck:
    """`without_note`: files of which no checksum is known yet, held against their length alone."""

    files: int
    size_bytes: int
    without_note: int
    damages: tuple[Damage, ...]


def check_files(cursor, data_path: str) -> FileCheck:
    """Reads every file that the catalog names."""
    noted, named = _notes(cursor), named_files(cursor)
    damages = []
    for file in named:
        if fault := _fault(cursor, data_path, file, noted.get(file.path)):
            damages.append(Damage(file, fault, _held(cursor, file) if file.is_current else ""))
    without_note = sum(file.path not in noted for file in named)
    return FileCheck(
        len(named), sum(file.size_bytes for file in named), without_note, tuple(damages)
    )


def first_damage(cursor, data_path: str) -> NamedFile | None:
    """The first file that is not what was written: for an error that does not name it."""
    noted = _notes(cursor)
    return next(
        (f for f in named_files(cursor) if _fault(cursor, data_path, f, noted.get(f.path))), None
    )


def sentences(check: FileCheck) -> Iterator[tuple[bool | None, str]]:
    """Of `floe verify --deep`: proved, not, or not provable."""
    current = [damage for damage in check.damages if damage.file.is_current]
    noted = check.files - check.without_note
    yield (
        not current,
        f"of {counted(check.files, 'file')} ({check.size_bytes:,} bytes) {noted:,} have the checksum with which they "
        f"were written, {len(check.damages):,} are damaged",
    )
    for damage in check.damages:
        yield (False if damage.file.is_current else None), str(damage)
    if check.without_note:
        yield (
            None,
            f"{counted(check.without_note, 'file')} without a checksum yet are as long as the catalog says, unless named "
            "above: floe upkeep notes theirs",
        )


def _notes(cursor) -> dict[str, FileMark]:
    try:
        return notes(cursor)
    except (
        Exception
    ):  # its own file is damaged: lengths remain (DuckDB's errors can't be named here)
        return {}


def _fault(cursor, data_path: str, file: NamedFile, note: FileMark | None) -> str | None:
    """What is wrong with it; None where it is as it was written."""
    mark = _mark(cursor, data_path, file.path)
    if isinstance(mark, str):
        return mark
    if mark.size_bytes == 0:
        return "empty"
    if mark.size_bytes != file.size_bytes:
        return f"{mark.size_bytes:,} bytes, written were {file.size_bytes:,}"
    return "other bytes than were written" if note and note.checksum != mark.checksum else None


def _mark(cursor, data_path: str, path: str) -> FileMark | str:
    if "://" in data_path:
        return mark_now(cursor, data_path, path) or "can't be read"
    try:
        return mark_of(Path(data_path), path)
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return f"can't be read: {os.strerror(error.errno or 0)}"


_STATISTICS = ("kafka_topic", "kafka_topic_id", "kafka_partition", "kafka_offset")


def _held(cursor, file: NamedFile) -> str:
    """Positions of a raw table's file: the landed batches between the least and greatest that the
    catalog noted of it.
    """
    if file.table not in _LANDED:
        return ""
    bounds = _bounds(cursor, file)
    if len(bounds) < len(_STATISTICS):
        return ""
    topics, ids, partitions, offsets = (bounds[name] for name in _STATISTICS)
    batches = cursor.execute(
        """SELECT kafka_topic, kafka_partition, min(greatest(first_position, $7)), max(least(next_position - 1, $8))
           FROM raw.ledger WHERE kafka_topic BETWEEN $1 AND $2 AND kafka_topic_id BETWEEN $3 AND $4
             AND kafka_partition BETWEEN $5 AND $6 AND first_position <= $8 AND next_position > $7
             AND rows + rejects > 0 GROUP BY 1, 2 ORDER BY 1, 2""",
        [*topics, *ids, *map(int, partitions), *map(int, offsets)],
    ).fetchall()
    return "records of " + ", ".join(
        f"{t}/{p} between positions {a:,} and {b:,}" for t, p, a, b in batches
    )


def _bounds(cursor, file: NamedFile) -> dict[str, tuple[str, str]]:
    """Column -> least and greatest value in the file, as the catalog noted them."""
    of = (
        f"(SELECT data_file_id FROM {METADATA}.ducklake_delete_file WHERE delete_file_id = {file.file_id})"
        if file.kind == "deletions"
        else str(file.file_id)
    )
    rows = cursor.execute(f"""
        SELECT c.column_name, s.min_value, s.max_value FROM {METADATA}.ducklake_file_column_stats s
        JOIN {METADATA}.ducklake_column c ON c.column_id = s.column_id AND c.table_id = s.table_id AND c.end_snapshot IS NULL
        WHERE s.data_file_id = {of} AND s.min_value IS NOT NULL""").fetchall()
    return {name: (least, greatest) for name, least, greatest in rows if name in _STATISTICS}


def ended_files(cursor, damages: Iterable[Damage]) -> set[int]:
    """The numbers of the data files that are to go: of landed tables the damaged, of computed ones
    all.
    """
    ended: set[int] = set()
    for damage in damages:
        column = "delete_file_id" if damage.file.kind == "deletions" else "data_file_id"
        of = "ducklake_delete_file" if damage.file.kind == "deletions" else "ducklake_data_file"
        one = f"SELECT data_file_id, table_id FROM {METADATA}.{of} WHERE {column} = {damage.file.file_id}"
        data_file, table = cursor.execute(one).fetchone()
        whole = f"SELECT data_file_id FROM {METADATA}.ducklake_data_file WHERE table_id = {table} AND end_snapshot IS NULL"
        is_whole = is_computed(damage.file.table)
        ended |= {file for (file,) in cursor.execute(whole).fetchall()} if is_whole else {data_file}
    return ended


def end_files(cursor, files: Iterable[int]) -> None:
    """From a new snapshot on the lake is without these data files, as if all their rows had been
    deleted: DuckLake itself could only do so by reading them. Inside a transaction, with the
    turn.
    """
    numbers = ", ".join(str(int(file)) for file in files)
    tables = cursor.execute(
        f"SELECT DISTINCT table_id FROM {METADATA}.ducklake_data_file WHERE data_file_id IN ({numbers}) ORDER BY 1"
    ).fetchall()
    (last,) = cursor.execute(
        f"SELECT max(snapshot_id) FROM {METADATA}.ducklake_snapshot"
    ).fetchone()
    moment = datetime.now(UTC).isoformat(sep=" ").replace("+00:00", "+00")
    cursor.execute(f"""
        INSERT INTO {METADATA}.ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id)
        SELECT snapshot_id + 1, '{moment}', schema_version, next_catalog_id, next_file_id
        FROM {METADATA}.ducklake_snapshot WHERE snapshot_id = {last}""")
    changes = ",".join(f"deleted_from_table:{table}" for (table,) in tables)
    cursor.execute(
        f"INSERT INTO {METADATA}.ducklake_snapshot_changes (snapshot_id, changes_made) VALUES ({last + 1}, '{changes}')"
    )
    for kind in ("data", "delete"):
        cursor.execute(
            f"UPDATE {METADATA}.ducklake_{kind}_file SET end_snapshot = {last + 1} "
            f"WHERE data_file_id IN ({numbers}) AND end_snapshot IS NULL"
        )
