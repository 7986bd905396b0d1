"""A lake in a folder that can't be written: a read-only mount, a medium, another user's home.

Here: telling such a folder, and a passing copy of its catalog. Not here: attaching it (lake/).

SQLite reads a catalog with a write-ahead log only where it can make that log or finds it there; so
without one beside the catalog a copy of it is read, in a folder of this user's alone, which goes
with the lake that reads it. Files of data are read where they are.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from transforms.errors import HomeReadOnly

READABLE = (
    "a home that is read-only can be read (floe sql, status, verify, rejects, dashboards, backup); to write, set FLOE_HOME "
    "to one that can be written"
)
_LOGS = ("-wal", "-shm")


def is_writable(folder: Path) -> bool:
    """Also false for root where the file system is mounted read-only or the folder immutable."""
    return os.access(folder, os.W_OK | os.X_OK)


def require_writable(catalog: Path) -> None:
    """HomeReadOnly where nothing can be written beside the catalog."""
    if catalog.parent.exists() and not is_writable(catalog.parent):
        raise HomeReadOnly(
            f"{catalog.parent} can't be written (read-only file system, or another user's): nothing was changed; {READABLE}"
        )


def spill_folder(settings) -> Path:
    """Where queries that need more than their memory put what is too much."""
    own = settings.home.absolute() / "lake"
    return (
        own / "spill"
        if not own.exists() or is_writable(own)
        else Path(gettempdir()) / f"floe-spill-{os.getuid()}"
    )


@dataclass
class PassingCopy:
    """A copy of a catalog, and how the catalog stood when it was made."""

    catalog: Path
    folder: TemporaryDirectory
    stand: tuple

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / self.catalog.name

    def is_current(self) -> bool:
        """Whether the catalog has not been written since (by whoever may)."""
        return _stand(self.catalog) == self.stand

    def close(self) -> None:
        self.folder.cleanup()


def passing_copy(catalog: Path) -> PassingCopy | None:
    """The copy to read instead of the catalog; None where SQLite can read the catalog itself."""
    has_logs = all(catalog.with_name(catalog.name + log).exists() for log in _LOGS)
    if has_logs or not catalog.exists() or is_writable(catalog.parent):
        return None
    while True:
        stand, folder = _stand(catalog), TemporaryDirectory(prefix="floe-catalog-")
        for name in (catalog.name, catalog.name + "-wal"):
            if (source := catalog.with_name(name)).exists():
                shutil.copyfile(source, Path(folder.name) / name)
        copy = PassingCopy(catalog, folder, stand)
        if copy.is_current():
            return copy
        copy.close()


def _stand(catalog: Path) -> tuple:
    files = (catalog.with_name(catalog.name + ending) for ending in ("", "-wal"))
    return tuple(
        (s.st_mtime_ns, s.st_size, s.st_ino) if f.exists() and (s := f.stat()) else None
        for f in files
    )
