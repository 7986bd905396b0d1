"""What DuckDB, DuckLake, SQLite, PostgreSQL and S3 say when something is wrong -> Floe's errors,
one sentence each.

Here: recognising their texts. Not here: catching them (lake/).
"""

import re
import shutil
from pathlib import Path

from transforms.errors import (
    CatalogDamaged,
    CatalogMissing,
    DiskFull,
    FilesMissing,
    FloeError,
    LakeDamaged,
    UsageError,
)

from .secrecy import hidden

_DISK_FULL = re.compile(
    r"no space left on device|disk is full|disk quota exceeded|ENOSPC", re.IGNORECASE
)
_DISK_ERROR = re.compile(
    r"disk I/O error|could not write|unable to open database file", re.IGNORECASE
)
_FULL_BYTES = 2**20
_BUSY = re.compile(
    r"database is locked|table is locked|transaction conflict|conflict with a concurrent|could not serialize"
    r"|deadlock detected|failed to commit DuckLake transaction.*(conflict|locked)",
    re.IGNORECASE | re.DOTALL,
)
_NO_FILES = re.compile(
    r"HTTP Error|Unable to connect to URL|Could not (connect|establish connection)|HTTP (GET|HEAD|PUT|POST)"
)
_WRONG_QUERY = re.compile(
    r"^(Parser|Syntax|Binder|Catalog|Conversion|Out of Range|Invalid Input|Mismatch Type|Type|Not implemented) Error",
    re.IGNORECASE,
)
_CONFINED = re.compile(
    r"^Permission Error: .*disabled by configuration|.*the configuration has been locked", re.DOTALL
)
_READ_ONLY = re.compile(
    r'statement of type "(\w+)" on database "lake" which is attached in read-only mode'
)


_FILE = re.compile(r"[\"']([^\"']*\.parquet)[\"']")
_AT_FILE = re.compile(r"^(IO|Invalid Input|Invalid|Serialization) Error|Parquet|AES", re.IGNORECASE)
_DAMAGED = re.compile(
    r"AES tag|DecryptionTransport|TProtocolException|Couldn't deserialize thrift|decompression fail|(zstd|snappy|lz4|gzip|brotli).*decompress"
    r"|Parquet|Out of buffer|don't know what type|corrupt|database has been invalidated",
    re.IGNORECASE,
)

_DAMAGED_CATALOG = re.compile(
    r"database disk image is malformed|file is not a database", re.IGNORECASE
)
# what DuckLake says where it could not read its catalog and its own second try hides why
_UNREAD_CATALOG = re.compile(r"(from|in) DuckLake: Current transaction is aborted", re.IGNORECASE)


class Busy(FloeError):
    """The catalog was busy or a commit lost a race: the whole transaction may be run again."""


def translated(settings, error: Exception) -> FloeError:
    """DiskFull, Busy, FilesMissing, LakeDamaged, CatalogDamaged, UsageError (the query is wrong),
    else FloeError.
    """
    text = str(error).strip()
    line = hidden(text.splitlines()[0] if text else type(error).__name__, settings)
    files = hidden(settings.data_path, settings)
    if _DISK_FULL.search(text) or (_DISK_ERROR.search(text) and _has_no_space(settings)):
        return DiskFull(
            f"no space left for the lake ({settings.catalog_uri.partition(':')[0]} catalog, files at "
            f"{files}): nothing of this write was kept; free some space and start again ({line})"
        )
    if _BUSY.search(text):
        return Busy(
            f"the lake's catalog stayed busy however often it was tried: try again ({line})"
        )
    if "://" in settings.data_path and _NO_FILES.search(text):
        return FilesMissing(
            f"the lake's files at {files} can't be reached, nothing of this transaction was kept: check "
            f"FLOE_DATA, the bucket and the AWS_* variables ({line})"
        )
    if _DAMAGED_CATALOG.search(text):
        return damaged_catalog(settings, line)
    if _is_damage(settings, text):
        file = _FILE.search(text)
        return damaged(hidden(file[1], settings) if file else "", line)
    if written := _READ_ONLY.search(text):
        return UsageError(
            f"found {written[1]}, expected a query: the lake is open read-only here, so nothing was changed; "
            "events change it (floe replay, floe import), and floe sql --to FILE takes data out"
        )
    if _CONFINED.match(text):
        return UsageError(
            f"found a file or a setting, expected the lake's tables alone: floe sql sees nothing else ({line})"
        )
    if _WRONG_QUERY.match(text):
        return UsageError(f"the query can't be run: {hidden(_with_hint(text), settings)}")
    hint = (
        ": floe verify --deep tells whether its catalog is whole"
        if _UNREAD_CATALOG.search(text)
        else ""
    )
    return FloeError(f"the lake answered: {line}{hint}")


def damaged(file: str, reason: str) -> LakeDamaged:
    """`file`: "" where it is not known which."""
    return LakeDamaged(
        f"the lake's file {file or '(which: see floe verify --deep)'} is not there, can't be read or is not what was "
        "written: floe verify --deep names every such file and what it held, floe mend lands that again from Kafka, or "
        f"has it computed again ({reason})"
    )


def damaged_catalog(settings, reason: str) -> CatalogDamaged:
    return CatalogDamaged(
        f"the lake's catalog {hidden(settings.catalog_uri, settings)} is damaged, or FLOE_CATALOG names a file that is none "
        f"({reason}): keep it as it is. floe restore makes "
        "a new home with the lake of a copy (floe backup), and what Kafka still has of the time since lands there from "
        "the copy's positions on; without a copy, what Kafka still has lands in a new FLOE_HOME from the beginning"
    )


def _is_damage(settings, text: str) -> bool:
    """A file of the lake itself: what a query names elsewhere is the query's affair."""
    file = _FILE.search(text)
    if file:
        return file[1].startswith(settings.data_path.rstrip("/")) and bool(_AT_FILE.search(text))
    return bool(_DAMAGED.search(text))


def _with_hint(text: str) -> str:
    """DuckDB's words without the excerpt of the query: what is wrong, and what it supposes was
    meant.
    """
    reason = text.split("\n\nLINE ")[0]
    return "; ".join(line.strip() for line in reason.splitlines() if line.strip())


def _has_no_space(settings) -> bool:
    """SQLite tells only of an error of the disk where it can't make its log."""
    folders = [settings.home, *([] if "://" in settings.data_path else [Path(settings.data_path)])]
    return any(f.exists() and shutil.disk_usage(f).free < _FULL_BYTES for f in folders)


def attach_error(settings, error: Exception) -> FloeError:
    """CatalogMissing, but for what is wrong with the disk, the encryption asked for or the moment
    asked for.
    """
    text = str(error).strip()
    line = hidden(text.splitlines()[0], settings)
    if "we requested an encrypted database" in text:
        return UsageError(
            "this lake was made without encryption, FLOE_ENCRYPT asks for it: set FLOE_ENCRYPT=0 to go on with it, "
            "or set another FLOE_HOME and replay the events into it"
        )
    if "No snapshot found" in text:
        return UsageError(
            f"{line.partition('Error: ')[2]}: floe sql 'FROM lake.snapshots()' lists those there are"
        )
    general = translated(settings, error)
    if isinstance(general, DiskFull | Busy | FilesMissing | CatalogDamaged):
        return general
    return CatalogMissing(
        f"the lake's catalog {hidden(settings.catalog_uri, settings)} can't be opened: {line}; check FLOE_HOME, "
        "FLOE_CATALOG and FLOE_DATA"
    )
