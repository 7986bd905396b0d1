"""What a transaction wrote is on the disk before it commits: its files and the folders that name
them.

Here: listing, flushing and summing files, and telling what a writer left that died. Not here: what
the catalog names (lake_catalog.py), the transaction (lake/). Files on S3 need none of it: an
object is whole and durable, or not there.

DuckLake flushes its catalog at a commit, never the Parquet files: without this a power cut leaves
rows "landed" whose files are empty. Who writes has the turn, so what appears in the folders
meanwhile is this transaction's.

    DATA/writing.json                while a transaction writes: since when
    DATA/interrupted-NUMBER.json     it was found there by the next writer: whoever wrote died, between these moments
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_WRITING = "writing.json"
_INTERRUPTED = "interrupted-*.json"
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class FileMark:
    """A file as it was written: its path below the data, its length and BLAKE2b-128 over its bytes,
    32 hex digits.
    """

    path: str
    size_bytes: int
    checksum: str


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def mark_of(root: Path, path: str) -> FileMark:
    """Reads the whole file. Raises OSError."""
    with (root / path).open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES))
        return FileMark(path, os.fstat(file.fileno()).st_size, digest.hexdigest())


@dataclass
class Folder:
    """The folder of a lake's data on this machine."""

    root: Path
    _durable: set[Path] = field(
        default_factory=set
    )  # folders whose names are on the disk, up to the root

    def files(self) -> set[str]:
        """Paths below the root of the Parquet files there."""
        paths: set[str] = set()
        waiting = [str(self.root)]
        start = len(waiting[0]) + 1
        while waiting:
            with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.name.endswith(".parquet"):
                        paths.add(entry.path[start:])
        return paths

    @contextmanager
    def transaction(self) -> Iterator["NewFiles"]:
        """The files that appear in it while the block runs; who comes upon its mark knows that this
        writer died.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        mark = self.root / _WRITING
        with suppress(FileNotFoundError):
            self._set_aside(mark)
        before = self.files()
        mark.write_text(json.dumps({"since": time.time()}))
        try:
            yield NewFiles(self, before)
        finally:
            mark.unlink(missing_ok=True)

    def flush(self, paths: Iterable[str]) -> list[FileMark]:
        """Files, then the folders in which they stand, to the disk; their marks. Raises OSError."""
        marks, folders = [], set()
        for path in sorted(paths):
            marks.append(mark_of(self.root, path))
            _fsync(self.root / path)
            folders.add((self.root / path).parent)
        for folder in folders:
            self._flush_folder(folder)
        return marks

    def _flush_folder(self, folder: Path) -> None:
        """The names in the folder; and, once, its own name in the folder above, up to what Floe
        made around the data.
        """
        _fsync(folder)
        if folder in self._durable:
            return
        for above in folder.parents:
            if above.is_relative_to(self.root):
                _fsync(above)
            elif (
                self.root.is_relative_to(above)
                and len(self.root.relative_to(above).parts) <= _MADE_AROUND
            ):
                with suppress(
                    PermissionError
                ):  # a folder of somebody else's that may be passed through, not read
                    _fsync(above)
        self._durable.add(folder)

    def _set_aside(self, mark: Path) -> None:
        """A transaction's mark that nobody took away, as the record of one that was interrupted."""
        since = _moments(mark).get("since") or mark.stat().st_mtime
        record = self.root / _INTERRUPTED.replace("*", str(time.time_ns()))
        record.write_text(json.dumps({"since": since, "until": time.time()}))
        mark.unlink()

    def remove_leftovers(self, named: Iterable[str], *, before: float) -> int:
        """Removes what interrupted transactions wrote, of those ended before a moment, unless the
        catalog names it.

        Any other file that no catalog names stays: it may be another catalog's, or of a later state
        of this one.
        """
        removed = 0
        for record in sorted(self.root.glob(_INTERRUPTED)):
            moments = _moments(record)
            if moments.get("until", 0.0) >= before:
                continue
            for path in self.files() - set(named) if moments else ():
                if moments["since"] <= (self.root / path).stat().st_mtime <= moments["until"]:
                    (self.root / path).unlink()
                    removed += 1
            record.unlink()
        return removed


def _moments(record: Path) -> dict[str, float]:
    """None of one that a power cut left empty or torn: then nothing is known to be that
    writer's.
    """
    try:
        return {name: float(moment) for name, moment in json.loads(record.read_text()).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


_MADE_AROUND = 3  # HOME/lake/data: the folders above the data that Floe may have made


@dataclass(frozen=True)
class NewFiles:
    """Those of a transaction under way."""

    folder: Folder
    before: set[str]

    def flush(self) -> list[FileMark]:
        return self.folder.flush(self.folder.files() - self.before)


class NoFiles:
    """Those of a transaction whose files are not on this machine: nothing to flush."""

    def flush(self) -> list[FileMark]:
        return []


def write_durably(file: Path, text: str) -> None:
    """The file holds this text or what it held before, whenever the power goes."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.write_text(text)
    move_durably(fresh, file)


def move_durably(fresh: Path, file: Path) -> None:
    """Gives a new file its name, and both to the disk, with the folders around that Floe may have
    made.
    """
    _fsync(fresh)
    fresh.replace(file)
    for above in list(file.parents)[:_MADE_AROUND]:
        with suppress(PermissionError):
            _fsync(above)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
