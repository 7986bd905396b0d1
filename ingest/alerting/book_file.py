"""The file of the book of alerts: where it is, how it is made, what is wrong with it in words.

Here: `alerts.sqlite` under the home. Not here: what it holds (book.py).
"""

import sqlite3
import threading
from pathlib import Path

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_opening = threading.Lock()  # of a book that is not there yet


def book_path(settings) -> Path:
    return settings.home / "alerts.sqlite"


def in_words(error: Exception, path: Path) -> str:
    """What is wrong with the book, or is not the book's: one sentence, of a book that can't be
    mended with what to do.
    """
    damage = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says where in the file
    if isinstance(error, sqlite3.DatabaseError) and damage in _DAMAGED:
        return (
            f"the book of alerts ({path}) is damaged ({error}): move it away, with {path.name}-wal and {path.name}-shm "
            "where they are there, and it is made again from the alerts' topic; nobody is told until then"
        )
    return f"{type(error).__name__}: {error}"


def make_file(path: Path) -> None:
    """An empty file where there is none; the log of one that was moved away is not played into
    it.
    """
    with _opening:
        if not path.exists():
            for log in ("-wal", "-shm"):
                path.with_name(path.name + log).unlink(missing_ok=True)
            path.touch(mode=0o600)  # SQLite gives its logs the same
