"""One run at a time of all that share a lake, on one host or several: a run that brings core and mart up
to date, an upkeep.

Here: the lock. Not here: the writers' turn, which is for one transaction (connecting.py), what a run does.
A lock ends with its holder, however that ends: of a SQLite catalog it is the kernel's, of a file beside
it; of a PostgreSQL catalog the server's, of a connection that does nothing else.

That connection is no transaction's, which would keep the server from clearing away what is deleted.
DuckDB hands one back to its pool, and its locks go with that, unless a transaction is open: so one is
begun here, and ended at the server alone.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Literal
from urllib.parse import quote

import duckdb

from ..lake_attach import catalog_file, sql_text
from ..turns import one_holder
from .connecting import connected, floes_errors

What = Literal["materialize", "upkeep"]
# advisory locks of the server, beside that of the writers' turn
_NUMBERS: dict[What, int] = {"materialize": 1_179_406_150, "upkeep": 1_179_406_151}
_WORDS: dict[What, str] = {
    "materialize": "another run brings core and mart up to date",
    "upkeep": "another upkeep is at work",
}
_AGAIN_S = 0.5
_SERVER = "runs"


@contextmanager
def alone(settings, what: What, *, say: Callable[[str], object] = lambda _: None) -> Iterator[None]:
    """Holds the lock while the block runs; waits for whoever has it, and says once who that is."""
    file = catalog_file(settings)
    told = _WORDS[what]
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        path = file.with_name(f"{file.name}.{what}")
        with one_holder(path, on_wait=lambda who: say(f"{told} ({who}): waiting for it")):
            yield
        return
    with _server_lock(
        settings, _NUMBERS[what], on_wait=lambda who: say(f"{told} ({who}): waiting for it")
    ):
        yield


@contextmanager
def _server_lock(settings, number: int, *, on_wait: Callable[[str], object]) -> Iterator[None]:
    with floes_errors(settings):
        connection = connected(("postgres_scanner",))
    with closing(connection):
        with floes_errors(settings):
            connection.execute(
                f"ATTACH '{sql_text(_named(settings.catalog_uri.partition(':')[2]))}' AS {_SERVER} (TYPE postgres)"
            )
            connection.execute("BEGIN")
            connection.execute(f"CALL postgres_execute('{_SERVER}', 'COMMIT')")
            _take(connection, number, on_wait)
        yield


def _take(
    connection: duckdb.DuckDBPyConnection, number: int, on_wait: Callable[[str], object]
) -> None:
    if _asked(connection, f"SELECT pg_try_advisory_lock({number})")[0][0]:
        return
    on_wait(_holder(connection, number))
    while not _asked(connection, f"SELECT pg_try_advisory_lock({number})")[0][0]:
        time.sleep(_AGAIN_S)


def _holder(connection: duckdb.DuckDBPyConnection, number: int) -> str:
    rows = _asked(
        connection,
        f"""SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.locktype = 'advisory' AND l.granted AND l.objid = {number}
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    )
    return rows[0][0] if rows and rows[0][0] else "not known who"


def _asked(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
    return connection.execute(f"SELECT * FROM postgres_query('{_SERVER}', $1)", [query]).fetchall()


def _named(uri: str) -> str:
    """The address with a name for whoever asks who holds the lock, and a sign of life for whatever stands
    between: a connection that is silent for long is cut by some.
    """
    who = f"host {socket.gethostname()}, process {os.getpid()}"
    if "://" in uri:
        return f"{uri}{'&' if '?' in uri else '?'}application_name={quote(who)}&keepalives_idle=30"
    return f"{uri} application_name='{who}' keepalives_idle=30"
