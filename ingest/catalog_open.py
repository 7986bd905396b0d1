"""A connection to the SQLite catalog that is always there while events land, in a small process of
its own.

Here: starting and ending it. Not here: reading and writing the lake (lake/).

DuckDB opens and closes a SQLite connection for each transaction. Whichever closes while no other is
open anywhere has the whole catalog to itself until its log is written back and removed; who begins
meanwhile finds it busy, and waits for whole seconds (DuckDB 1.5.5). A connection that stays keeps
the log. It is in another process, because Python's SQLite must never close a file that DuckDB's
SQLite has open in the same one.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .lake_attach import catalog_file

# One that has read stays known to the others, and holds no snapshot; it ends when its standard
# input does.
_CONNECTION = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1] + "?mode=rw", uri=True, timeout=60, isolation_level=None)
connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
sys.stdin.read()
"""
_PATIENCE_S = 5


@contextmanager
def kept_open(settings) -> Iterator[None]:
    """While the block runs; however this process ends, the other ends with it. Nothing for a
    catalog on a server.
    """
    catalog = catalog_file(settings)
    if catalog is None:
        yield
        return
    process = _start(catalog)
    try:
        yield
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        process.kill()
        process.wait()


def _start(catalog: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _CONNECTION, catalog.as_uri()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
