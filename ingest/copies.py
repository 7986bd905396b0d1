"""Files that are copied so that the copy can be trusted: hashed, flushed to the disk, for their
owner alone, listed.

Here: one file, one folder, and the list of a backup's files (its manifest). Not here: which files
those are (backup.py, restore.py).

A copy has its final name only once it is whole and on the disk: what a kill or a power cut leaves
is called NAME.part.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from transforms.errors import DiskFull, UnreadableFile

MANIFEST = "floe-backup.json"
CATALOG, DATA, HOME = "catalog.sqlite", "data", "home"  # what is in a backup's folder
FORMAT = 1
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Content:
    """What a file holds: its length and its SHA-256 (64 hex digits)."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A whole backup. `lake`: the lake's own id; `snapshot`: its newest in here; `settings`: names
    of those that were set where it was made, never their values; `files`: every file, by its path
    below the backup's folder.
    """

    lake: str
    snapshot: int
    made_at: str
    settings: tuple[str, ...]
    files: Mapping[str, Content]
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        return sum(content.size_bytes for content in self.files.values())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes the folder a backup: the last thing that is done."""
    text = json.dumps(asdict(manifest), indent=1)
    write_whole(folder / MANIFEST, text.encode())


def read_manifest(folder: Path) -> Manifest:
    """UnreadableFile for a folder that is no whole backup, or one of a newer release."""
    path = folder / MANIFEST
    try:
        written = json.loads(path.read_bytes())
        if written["format"] != FORMAT:
            raise UnreadableFile(
                f"{path}: found a backup of format {written['format']!r}, expected {FORMAT}: use the Floe that made it"
            )
        files = {_safe(name): Content(**content) for name, content in written.pop("files").items()}
        return Manifest(**written, files=files)
    except FileNotFoundError:
        raise UnreadableFile(
            f"{folder} holds no whole backup (no {MANIFEST}): what a backup that was stopped left is none; "
            "floe backup with the same folder goes on with it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFile(
            f"{path} can't be read as the list of a backup's files ({error}): use another backup"
        ) from error


def _safe(name: str) -> str:
    """A path that stays below the backup's folder."""
    path = PurePosixPath(name)
    is_listed = name == CATALOG or path.parts[:1] in ((DATA,), (HOME,))
    if path.is_absolute() or ".." in path.parts or not is_listed or str(path) != name:
        raise ValueError(f"a file named {name!r}")
    return name


def content_of(path: Path) -> Content:
    with path.open("rb") as file:
        return _content(_chunks(file))


def copied(source: Path, to: Path) -> Content:
    """Copies the bytes; `to` appears once they are on the disk. What it held before is replaced."""
    make_folder(to.parent)
    with source.open("rb") as file:
        return _written(to, _chunks(file))


def write_whole(path: Path, content: bytes) -> Content:
    return _written(path, [content])


def _written(path: Path, chunks: Iterable[bytes]) -> Content:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        content = _content(_passing(chunks, file))
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    flush_folder(path.parent)
    return content


def _passing(chunks: Iterable[bytes], file) -> Iterator[bytes]:
    for chunk in chunks:
        file.write(chunk)
        yield chunk


def _chunks(file) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _content(chunks: Iterable[bytes]) -> Content:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return Content(size, digest.hexdigest())


def make_folder(path: Path) -> None:
    """The folder and those above it, for their owner alone where they are new, and known to the
    disk.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """The folder's list of names is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def no_space_is_disk_full(folder: Path) -> Iterator[None]:
    """DiskFull that names the folder which has no space left."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"no space is left for {folder}: free some, then the same command goes on"
        ) from error
