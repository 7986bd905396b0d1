"""A copy of the lake while all runs: the catalog as of one moment, and exactly the files that it
names.

Here: making one. Not here: copying a file (copies.py), a new home from it (restore.py).

    1. the folder is empty, or holds what an earlier attempt for the same lake left
    2. upkeep removes no file meanwhile (what lands goes on; files never change)
    3. in the writers' turn: the catalog, copied by SQLite itself; it names the files
    4. each file, hashed while it is copied, flushed to the disk
    5. what the home knows of itself, and the book of alerts, which may be ahead of the lake: what was told is not told
       again by the new home
    6. the manifest: until it is there, the folder is no backup

The folder holds the files' keys (they are in the catalog): who can read it can read everything.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from transforms.counting import counted
from transforms.errors import (
    CatalogMissing,
    DiskFull,
    FloeError,
    LakeDamaged,
    LakeOutdated,
    UsageError,
)
from transforms.schemas.app import FILE_CHECKSUMS

from . import sealing
from .alerting.book_file import book_path
from .alerting.names import kept_files
from .backup_catalog import copy_catalog, copy_database, described
from .cluster import identity_files
from .copies import (
    CATALOG,
    DATA,
    HOME,
    MANIFEST,
    Content,
    Manifest,
    content_of,
    copied,
    flush_folder,
    make_folder,
    no_space_is_disk_full,
    write_manifest,
    write_whole,
)
from .durability import mark_of
from .lake import Lake
from .lake_attach import catalog_file
from .read_only_home import is_writable
from .turns import keeping_files

Say = Callable[[str], None]

UNFINISHED = "unfinished.json"  # whose attempt it is; it is gone once the manifest is there


def backup(settings, folder: Path, *, say: Say = lambda _: None) -> Manifest:
    """Makes `folder` a backup of the lake, or goes on with an earlier attempt there.

    Raises UsageError (a folder that holds something else or lies under the home; a catalog or files
    elsewhere), CatalogMissing, DiskFull, LakeDamaged (files that the catalog names are not there or
    not whole).
    """
    folder = folder.absolute()
    catalog = _require_copyable(settings, folder)
    checksums = _noted_checksums(settings)
    files_stay = keeping_files(catalog) if is_writable(catalog.parent) else nullcontext()
    with no_space_is_disk_full(folder), files_stay, _attempt(folder, say) as attempt:
        copy_catalog(settings, catalog, folder / CATALOG)
        lake, snapshot, names = described(folder / CATALOG)
        _claim(attempt, folder, lake)
        _remove_others(folder / DATA, names)
        _require_space(folder, names)
        files = {CATALOG: content_of(folder / CATALOG)}
        files |= _copy_data(Path(settings.data_path), folder / DATA, names, checksums, say)
        files |= _copy_home(settings, folder / HOME, say)
        manifest = Manifest(
            lake=lake,
            snapshot=snapshot,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            settings=tuple(f"FLOE_{name.upper()}" for name in sorted(settings.model_fields_set)),
            files=files,
        )
        flush_folder(folder)
        write_manifest(folder, manifest)
        (folder / UNFINISHED).unlink()
    return manifest


def _require_copyable(settings, folder: Path) -> Path:
    """The catalog's file; UsageError for what can't be copied from here, or to there."""
    catalog = catalog_file(settings)
    if catalog is None:
        raise UsageError(
            "the lake's catalog is in PostgreSQL, which floe backup does not copy: first pg_dump that database, then "
            "copy the lake's files (FLOE_DATA); in this order every file that the dump names is still there for a day"
        )
    if "://" in settings.data_path:
        raise UsageError(
            f"the lake's files are at {settings.data_path}, which floe backup does not copy: copy {catalog} by "
            f"sqlite3 {catalog} \"VACUUM INTO 'COPY'\" first, then the bucket (or turn on its versions)"
        )
    if not catalog.exists():
        raise CatalogMissing(
            f"there is no lake at {catalog}, so nothing to back up: set FLOE_HOME to where it is"
        )
    for kept in (settings.home.absolute(), Path(settings.data_path).absolute()):
        if folder.resolve().is_relative_to(kept.resolve()):
            raise UsageError(
                f"{folder} lies inside {kept}, with which it would be lost: give a folder elsewhere"
            )
    return catalog


@contextmanager
def _attempt(folder: Path, say: Say) -> Iterator[dict]:
    """Holds the folder for this attempt; gives what an earlier one noted of itself."""
    if (folder / MANIFEST).exists():
        raise UsageError(
            f"{folder} holds a whole backup already: give another folder (nothing there was changed)"
        )
    marker = folder / UNFINISHED
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no backup: give a new or empty folder")
    make_folder(folder)
    with os.fdopen(os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FloeError(
                f"another floe backup writes to {folder}: wait for it, or give another folder"
            ) from None
        earlier = _noted(file.read())
        if earlier:
            say(
                f"the backup begun at {earlier['began_at']} was not finished: going on with what it copied"
            )
        yield earlier


def _noted(text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _claim(attempt: dict, folder: Path, lake: str) -> None:
    """The folder is for this lake's backup."""
    if attempt.get("lake", lake) != lake:
        raise UsageError(
            f"{folder} holds an unfinished backup of another lake: give another folder"
        )
    note = {
        "lake": lake,
        "began_at": attempt.get("began_at") or datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with (folder / UNFINISHED).open("r+") as file:
        file.write(json.dumps(note))
        file.truncate()


def _remove_others(data: Path, names: dict[str, int]) -> None:
    """What an earlier attempt copied and this catalog does not name."""
    for path in data.rglob("*"):
        if path.is_file() and path.relative_to(data).as_posix() not in names:
            path.unlink()


def _require_space(folder: Path, names: dict[str, int]) -> None:
    there = sum(path.stat().st_size for path in (folder / DATA).rglob("*") if path.is_file())
    needed, free = sum(names.values()) - there, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"{folder} has {free:,} bytes free, expected {needed:,} or more: free some, or give another folder"
        )


def _copy_data(
    source: Path, to: Path, names: dict[str, int], checksums: dict[str, str], say: Say
) -> dict[str, Content]:
    """Step 4; all files are looked at before it is said which can't be copied."""
    files: dict[str, Content] = {}
    broken: list[str] = []
    make_folder(to)
    for name, size_bytes in sorted(names.items()):
        try:
            content = _copy_one(source / name, to / name)
        except FileNotFoundError:
            broken.append(f"{name} (not there)")
            continue
        files[f"{DATA}/{name}"] = content
        if content.size_bytes != size_bytes:
            broken.append(f"{name} ({content.size_bytes:,} bytes, expected {size_bytes:,})")
        elif name in checksums and mark_of(to, name).checksum != checksums[name]:
            broken.append(f"{name} (other bytes than were written)")
    if broken:
        raise LakeDamaged(
            f"{counted(len(broken), 'file')} of the lake can't be copied as the catalog describes them: {', '.join(broken[:5])}; "
            "no backup was made: floe verify --deep says what they held and how to land it again"
        )
    say(f"{counted(len(files), 'file')} of the lake copied")
    return files


def _noted_checksums(settings) -> dict[str, str]:
    """Path -> checksum of the files that have a note; none of a lake that another release wrote
    last.
    """
    with suppress(LakeOutdated), Lake.open(settings, read_only=True) as lake:
        return dict(lake.table(FILE_CHECKSUMS.full_name, ["path", "checksum"]).iter_rows())
    return {}


def _copy_one(source: Path, to: Path) -> Content:
    """An earlier attempt's copy is kept where it holds the same bytes."""
    if to.exists() and (content := content_of(source)) == content_of(to):
        return content
    return copied(source, to)


def _copy_home(settings, to: Path, say: Say) -> dict[str, Content]:
    """Step 5."""
    make_folder(to)
    files = identity_files(settings) | kept_files(settings) | sealing.kept_files(settings)
    contents = {
        f"{HOME}/{name}": write_whole(to / name, content) for name, content in files.items()
    }
    return contents | _copy_book(book_path(settings), to, say)


def _copy_book(book: Path, to: Path, say: Say) -> dict[str, Content]:
    """A book that can't be copied keeps no lake from being: it is made again from the alerts'
    topic.
    """
    if not book.exists():
        return {}
    try:
        copy_database(book, to / book.name)
    except DiskFull:
        raise
    except FloeError as error:
        say(
            f"the book of alerts is not in the backup, the lake is: {error}; floe doctor says what to do, and a home that is "
            "restored from this backup makes its book from the alerts' topic"
        )
        return {}
    return {f"{HOME}/{book.name}": content_of(to / book.name)}
