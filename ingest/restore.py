"""A new home from a backup: every file against the manifest first, the catalog last.

Here: the steps. Not here: making a backup (backup.py), copying a file (copies.py), landing what
came since (worker.py).

    1. the backup is whole: each file of its manifest is there and has its SHA-256; nothing was written so far
    2. the home has no lake (what an earlier attempt for the same backup left is gone on with)
    3. the home's identity and book of alerts, then the data, each file hashed again while it is copied; a book that is
       there outlived the lake, knows more than the copy's, and stays
    4. the catalog, moved into place: until it is there, the home has no lake
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from transforms.counting import counted
from transforms.errors import DiskFull, FloeError, UnreadableFile, UsageError

from .alerting.book_file import book_path
from .copies import (
    CATALOG,
    DATA,
    HOME,
    Content,
    Manifest,
    content_of,
    copied,
    flush_folder,
    make_folder,
    no_space_is_disk_full,
    read_manifest,
    write_whole,
)
from .lake_attach import RESTORING, catalog_file
from .turns import catalog_turn

Say = Callable[[str], None]

_SHOWN = 5


def restore(settings, folder: Path, *, say: Say = lambda _: None) -> Manifest:
    """Makes the home that `settings` name one with the lake of the backup in `folder`; gives its
    manifest.

    Raises UnreadableFile (no whole backup, or files that differ from its manifest), UsageError (a
    home that has a lake; a catalog or files elsewhere than on this machine), DiskFull.
    """
    folder = folder.absolute()
    catalog = _require_local(settings)
    manifest = read_manifest(folder)
    say(f"checking {counted(len(manifest.files), 'file')} of the backup of {manifest.made_at}")
    _require_whole(folder, manifest)
    with no_space_is_disk_full(settings.home):
        make_folder(catalog.parent)
        with catalog_turn(catalog):
            _require_no_lake(settings, catalog, manifest, say)
            _require_space(settings, manifest)
            _fill(settings, folder, catalog, manifest)
    return manifest


def _require_local(settings) -> Path:
    catalog = catalog_file(settings)
    if catalog is None or "://" in settings.data_path:
        raise UsageError(
            "found FLOE_CATALOG or FLOE_DATA pointing away from this machine, expected neither: a backup is restored into a "
            "home with its catalog and files on this machine's disk; unset them"
        )
    return catalog


def _require_whole(folder: Path, manifest: Manifest) -> None:
    wrong = [
        f"{name} ({what})"
        for name, content in manifest.files.items()
        if (what := _fault(folder / name, content))
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise UnreadableFile(
            f"{folder}: {counted(len(wrong), 'file')} of {len(manifest.files):,} differ from the manifest: "
            f"{', '.join(wrong[:_SHOWN])}{more}; nothing was restored: use another backup"
        )


def _fault(path: Path, content: Content) -> str | None:
    """What is wrong with a file of the backup."""
    if path.is_symlink() or not path.is_file():
        return "not there"
    if path.stat().st_size != content.size_bytes:
        return f"{path.stat().st_size:,} bytes, expected {content.size_bytes:,}"
    try:
        return None if content_of(path) == content else "other bytes"
    except OSError as error:
        return error.strerror or str(error)


def _require_no_lake(settings, catalog: Path, manifest: Manifest, say: Say) -> None:
    """UsageError where there is a lake, or files of one, unless they are an earlier attempt's with
    this backup.
    """
    if catalog.exists():
        raise UsageError(
            f"{settings.home} has a lake already ({catalog}): set FLOE_HOME to a new folder, or move {catalog.parent} "
            "away first; nothing was changed"
        )
    marker, data = catalog.with_name(RESTORING), Path(settings.data_path)
    if _is_of(marker, manifest):
        say("an earlier floe restore of this backup was not finished: going on with it")
    elif any(path.is_file() for path in data.rglob("*")):
        raise UsageError(
            f"{data} holds files of a lake whose catalog is gone: move {data} away (it is needed no more once "
            "what came after the backup has landed again), then restore; nothing was changed"
        )
    write_whole(marker, json.dumps(_name(manifest)).encode())


def _is_of(marker: Path, manifest: Manifest) -> bool:
    try:
        return json.loads(marker.read_text()) == _name(manifest)
    except (OSError, ValueError):
        return False


def _name(manifest: Manifest) -> dict:
    return {
        "lake": manifest.lake,
        "made_at": manifest.made_at,
        "sha256": manifest.files[CATALOG].sha256,
    }


def _require_space(settings, manifest: Manifest) -> None:
    data = Path(settings.data_path)
    there = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    make_folder(data)
    needed, free = manifest.size_bytes - there, shutil.disk_usage(data).free
    if needed > free:
        raise DiskFull(
            f"{data} has {free:,} bytes free, expected {needed:,} or more: free some, or set FLOE_HOME elsewhere"
        )


def _fill(settings, folder: Path, catalog: Path, manifest: Manifest) -> None:
    """Steps 3 and 4."""
    targets = {HOME: settings.home.absolute(), DATA: Path(settings.data_path).absolute()}
    book = book_path(settings).absolute()
    for name, content in manifest.files.items():
        place, _, rest = name.partition("/")
        if place not in targets:
            continue
        target = targets[place] / rest
        if target == book:
            if book.exists():
                continue
            _remove_logs(book)
        _put(folder / name, target, content)
    fresh = catalog.with_name(catalog.name + ".restored")
    _put(folder / CATALOG, fresh, manifest.files[CATALOG])
    _at_home(fresh, settings.data_path)
    _remove_logs(catalog)
    fresh.replace(catalog)
    catalog.with_name(RESTORING).unlink()
    flush_folder(catalog.parent)


def _remove_logs(database: Path) -> None:
    """Of a database that is gone: SQLite would play them into the one that comes."""
    for log in ("-wal", "-shm", "-journal"):
        beside = database.with_name(database.name + log)
        beside.unlink(missing_ok=True)


def _put(source: Path, to: Path, content: Content) -> None:
    if to.exists() and content_of(to) == content:
        return
    if copied(source, to) != content:
        to.unlink()
        raise FloeError(
            f"{source} changed while it was copied, or {to} can't be written right: try again, then another disk"
        )


def _at_home(catalog: Path, data_path: str) -> None:
    """The catalog says where its files are now, and keeps a log, so that readers and a writer do
    not wait for each other.
    """
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute(
            "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [data_path]
        )
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
    with catalog.open("rb") as file:
        os.fsync(file.fileno())
