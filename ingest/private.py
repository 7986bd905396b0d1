"""The home is its owner's alone: folders 0700, files 0600, whatever the umask that Floe was started
with.

Here: the umask of every process of Floe, what of a home is open to others, closing it. Not here:
who may read what of it in Floe (dashboards/reader.py), the keys of the lake's files (they lie in
its catalog).
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Openness:
    """`looked_at`: files and folders; `n_open`: of them those that group or others could use;
    `left`: those that are so still, because they are another user's or their folder is one of other
    things too.
    """

    looked_at: int
    n_open: int
    left: tuple[Path, ...] = ()


def keep_private() -> None:
    """From here on this process and whatever it starts (Java, Dagster, DuckDB) makes files for its
    user alone.
    """
    os.umask(_OTHERS)


def make_home(settings) -> Path:
    """The home, made where it is not there, and closed to others, so that nothing in it can be
    reached.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    if _is_a_home(settings.home):
        _close(settings.home)
    return settings.home


def close_to_others(settings) -> Openness:
    """Takes from group and others what they could do in the home and in the lake's places on this
    machine.
    """
    looked_at, n_open, left = 0, 0, []
    for root in _places(settings):
        for path in _all_below(root):
            looked_at += 1
            if not _is_open(path):
                continue
            n_open += 1
            if not _close(path):
                left.append(path)
    if not _is_a_home(settings.home):
        left.append(settings.home)
    return Openness(looked_at, n_open, tuple(left))


def share_like(parent: Path, *, folders: Iterable[Path], files: Iterable[Path] = ()) -> None:
    """Who may read `parent` may read these below it: folders with what is in them, and what lies on
    the way to them.
    """
    readers = stat.S_IMODE(parent.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH)
    enterers = readers >> 2
    for folder in folders:
        for path in (
            *(way for way in folder.parents if parent in way.parents),
            *_all_below(folder),
        ):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | readers | (enterers if path.is_dir() else 0))
    for file in files:
        if file.exists():
            file.chmod(stat.S_IMODE(file.stat().st_mode) | readers)


def _is_a_home(folder: Path) -> bool:
    """A folder of other things too is not Floe's to close."""
    shared = (Path("/"), Path.home(), Path(gettempdir()))
    there = folder.absolute()
    return there not in shared


def _places(settings) -> list[Path]:
    """Where this machine holds what is the home's: the home, and the lake's parts that were put
    elsewhere.
    """
    home = settings.home.absolute()
    places = [home]
    kind, _, catalog = settings.catalog_uri.partition(":")
    if kind == "sqlite":
        places += [Path(f"{catalog}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
    if "://" not in settings.data_path:
        places.append(Path(settings.data_path))
    elsewhere = [place for place in places[1:] if home not in place.parents]
    return [place for place in (home, *elsewhere) if _is_a_home(place)]


def _all_below(root: Path) -> Iterator[Path]:
    """The folder first, so that nobody comes in while the rest is closed. Links are not
    followed.
    """
    if root.is_symlink() or not root.exists():
        return
    yield root
    for folder, folders, files in os.walk(root):
        yield from (
            path for name in (*folders, *files) if not (path := Path(folder, name)).is_symlink()
        )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & _OTHERS)
    except FileNotFoundError:
        return False  # it was a passing one


def _close(path: Path) -> bool:
    """By a handle, so that a link put in its place meanwhile is not followed; whether it is closed
    now.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & ~_OTHERS)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
