"""Whether a catalog in SQLite is whole: its pages, as SQLite itself reads every one of them.

Here: asking, and the sentences. Not here: the lake's files (lake_damage.py), a catalog in
PostgreSQL, which its server looks after.
"""

import subprocess
import sys
from collections.abc import Iterator

from .lake_attach import catalog_file
from .lake_errors import damaged_catalog
from .read_only_home import passing_copy

# In a process of its own: Python's SQLite must never close a file that DuckDB's SQLite has open in
# the same process.
_CHECK = """
import sqlite3, sys
from contextlib import closing
with closing(sqlite3.connect(sys.argv[1] + "?mode=ro", uri=True, timeout=60)) as catalog:
    try:
        (pages,) = catalog.execute("PRAGMA page_count").fetchone()
        (found,) = catalog.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    sys.exit(print(pages) if found == "ok" else " ".join(found.split()))
"""


def page_sentences(settings) -> Iterator[tuple[bool, str]]:
    """Of `floe verify --deep`: one, of a catalog in SQLite that is there."""
    file = catalog_file(settings)
    if file is None or not file.is_file():
        return
    copy = passing_copy(file)
    try:
        path = (copy.path if copy else file).absolute()
        process = subprocess.run(
            [sys.executable, "-c", _CHECK, path.as_uri()],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        if copy:
            copy.close()
    if process.returncode == 0:
        yield True, f"the catalog's {int(process.stdout):,} pages are whole"
    else:
        lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        yield False, str(damaged_catalog(settings, lines[-1]))
