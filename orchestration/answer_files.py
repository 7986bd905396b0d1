"""An answer as a file: where it may be made, whole or not at all, and Parquet.

Here: `floe sql --to FILE`. Not here: JSON, CSV and tables (printing.py), which rows (answers.py).

A new file is made beside its place, flushed, and linked into it, so that no other file is ever
written over, whoever makes one there meanwhile. Folders are told apart by device and inode, so that
no link, no `..` and no other spelling leads into the lake.
"""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ingest.lake_attach import catalog_file
from transforms.errors import DiskFull, UsageError

from .printing import distinct

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)
_Identity = tuple[int, int]


@contextmanager
def new_file(to: Path, *, settings) -> Iterator[BinaryIO]:
    """A file to write into, which only its owner may read; at `to` once the block has ended without
    an error.

    Raises UsageError where something is at `to`, or its folder is of the home, the lake's files,
    the cache or not there; DiskFull.
    """
    try:
        folder = os.open(to.parent, _FOLDER)
        try:
            _require_free(to, folder, settings=settings)
            yield from _filled(to, folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no space is left for {to}: nothing is there now; free some, or give --to another"
            ) from error
        raise UsageError(
            f"{to} can't be written ({error.strerror or error}): give --to another file"
        ) from error


def _require_free(to: Path, folder: int, *, settings) -> None:
    if to.name in ("", "..") or _is_there(to.name, folder):
        raise UsageError(
            f"found {to}, expected a file that is not there yet: give --to another name, or remove it first"
        )
    catalog = catalog_file(settings)
    is_of_catalog = catalog is not None and to.name.casefold().startswith(catalog.name.casefold())
    closed = _closed(settings) | (
        _identities([catalog.parent]) if catalog and is_of_catalog else set()
    )
    if closed & set(_above(folder)):
        raise UsageError(
            f"found {to}, which is in Floe's own folders (FLOE_HOME, FLOE_DATA, FLOE_CACHE), expected a file elsewhere: "
            "give --to another folder"
        )


def _filled(to: Path, folder: int) -> Iterator[BinaryIO]:
    beside = f".floe-{secrets.token_hex(8)}.part"
    descriptor = os.open(beside, _NEW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _put(beside, to.name, folder=folder)
        os.fsync(folder)
    finally:
        with suppress(OSError):
            os.unlink(beside, dir_fd=folder)


def _put(beside: str, name: str, *, folder: int) -> None:
    """Under its name, which nobody has meanwhile; a file system without links is asked just
    before.
    """
    try:
        os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS or _is_there(name, folder):
            raise
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _closed(settings) -> set[_Identity]:
    """Floe's own folders; those directly below count too, since one may be mounted elsewhere as
    well.
    """
    lake = settings.home / "lake"
    roots = [
        settings.home,
        settings.cache_path,
        *([] if "://" in settings.data_path else [Path(settings.data_path)]),
    ]
    return _identities([*roots, *_folders_in(settings.home), *_folders_in(lake)])


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [one for one in folder.iterdir() if one.is_dir()]


def _identities(folders: Iterable[Path]) -> set[_Identity]:
    return {(stat.st_dev, stat.st_ino) for stat in (one.stat() for one in folders if one.exists())}


def _above(folder: int) -> Iterator[_Identity]:
    """The folder itself and all above it, up to the root."""
    here, last = os.dup(folder), None
    try:
        while (stat := os.fstat(here)) and (stat.st_dev, stat.st_ino) != last:
            last = (stat.st_dev, stat.st_ino)
            yield last
            above = os.open("..", _FOLDER, dir_fd=here)
            os.close(here)
            here = above
    finally:
        os.close(here)


def write_parquet(
    columns: Sequence[str], schema: Any, batches: Iterable[Any], file: BinaryIO
) -> int:
    """The batches under these names (of two alike the second is `name_2`), and how many rows they
    are.
    """
    import pyarrow as pa
    from pyarrow import parquet

    named = pa.schema(
        [field.with_name(name) for field, name in zip(schema, distinct(columns), strict=True)]
    )
    count = 0
    with closing(parquet.ParquetWriter(file, named, compression="zstd")) as writer:
        for batch in batches:
            writer.write_batch(batch.rename_columns(named.names))
            count += batch.num_rows
    return count
