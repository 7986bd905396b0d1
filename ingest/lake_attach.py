"""What DuckLake is told when the lake is attached: catalog, files, options; and the recipe for
doing it without Floe.

Here: SQL texts made from settings. Not here: running them (lake/).
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlparse

from transforms.errors import CatalogMissing, UsageError

from .secrecy import hidden

RESTORING = "restoring.json"  # beside a catalog that floe restore has not put there yet
NO_LAKE = "creating a new DuckLake is explicitly disabled"
_MUST_BE = "CREATE_IF_NOT_EXISTS false"
_SCANNERS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
# Rows of one insert that go into the catalog instead of a Parquet file, until upkeep. Measured with
# 515 batches of 8 rows: queries twice as fast as over as many files, no 1,545 files, and each
# commit 1.5 times the CPU time (76 ms for 51); with 200 rows a batch a commit was 1.9 times as dear
# for queries no faster.
INLINED_ROWS = 10
# About as long as a file may be that one step of upkeep rewrites within a second.
FILE_BYTES = 32 * 2**20


def extensions(settings) -> tuple[str, ...]:
    """DuckDB's extensions that the lake needs; httpfs brings the encryption. CatalogMissing for an
    unknown catalog.
    """
    kind = settings.catalog_uri.partition(":")[0]
    if kind not in _SCANNERS:
        raise CatalogMissing(
            f"FLOE_CATALOG is {hidden(settings.catalog_uri, settings)!r}: expected sqlite:PATH, postgres:URI, or "
            "nothing for the SQLite catalog under FLOE_HOME"
        )
    return ("ducklake", _SCANNERS[kind], "httpfs")


def catalog_file(settings) -> Path | None:
    """The file of a SQLite catalog, None for a server's."""
    kind, _, path = settings.catalog_uri.partition(":")
    if kind != "sqlite":
        return None
    return Path(path).absolute()


def data_folder(settings) -> Path | None:
    """The folder of the lake's files, None for files on S3."""
    if "://" in settings.data_path:
        return None
    return Path(settings.data_path).absolute()


def require_restored(catalog: Path) -> None:
    """CatalogMissing where a restore was stopped: a new lake beside its files would be neither the
    old one nor whole.
    """
    if catalog.with_name(RESTORING).exists():
        raise CatalogMissing(
            f"floe restore into {catalog.parent} was not finished, so there is no lake yet: run it again with the same "
            f"backup, or move {catalog.parent} away for a new lake"
        )


def attach_statement(
    settings,
    *,
    is_read_only: bool,
    as_of: int | str | datetime | None,
    catalog: Path | None = None,
    is_new: bool = False,
) -> str:
    """`catalog`: a copy of the SQLite catalog that is read instead of it. `is_new`: DuckLake makes
    a lake there; else it says NO_LAKE where there is none.
    """
    own = _options(settings, is_read_only=is_read_only, as_of=as_of)
    options = ", ".join([*own, *([] if is_new else [_MUST_BE])])
    uri = f"sqlite:{catalog}" if catalog else settings.catalog_uri
    return f"ATTACH 'ducklake:{sql_text(uri)}' AS lake ({options})"


def _options(settings, *, is_read_only: bool, as_of: int | str | datetime | None) -> Iterator[str]:
    yield f"DATA_PATH '{sql_text(settings.data_path)}'"
    if catalog_file(settings):
        # the SQLite in DuckDB 1.5.5 waits by whole seconds, however soon the catalog is free:
        # lake/ asks again sooner
        yield "META_BUSY_TIMEOUT 1"
        if not settings.data:
            yield "OVERRIDE_DATA_PATH true"  # a home that was moved
    if as_of is not None:
        yield _moment(as_of)
    if is_read_only:
        yield "READ_ONLY"
        return
    yield f"DATA_INLINING_ROW_LIMIT {INLINED_ROWS}"
    if settings.encrypt:
        yield "ENCRYPTED"


def _moment(as_of: int | str | datetime) -> str:
    if isinstance(as_of, int) or (
        isinstance(as_of, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", as_of)
    ):
        return f"SNAPSHOT_VERSION {int(as_of)}"
    try:
        moment = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{as_of!r} is neither a snapshot's number nor a time (2026-01-31T12:00:00Z)"
        ) from error
    return f"SNAPSHOT_TIME '{moment.isoformat()}'"


def s3_secret(settings) -> str | None:
    """For files on S3: how httpfs signs in, from the usual AWS_* variables; None for files
    elsewhere.
    """
    if not settings.data_path.startswith("s3://"):
        return None
    given = {
        "KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID"),
        "SECRET": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN"),
        "REGION": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    options = [f"{name} '{sql_text(value)}'" for name, value in given.items() if value]
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        url = urlparse(endpoint)
        options += [
            f"ENDPOINT '{sql_text(url.netloc)}'",
            "URL_STYLE 'path'",
            f"USE_SSL {url.scheme == 'https'}",
        ]
    return f"CREATE SECRET floe_s3 ({', '.join(['TYPE s3', *options])})"


def attach_recipe(settings) -> str:
    """A Python script that reads the lake with DuckDB alone, beside whoever writes: what the README
    shows.
    """
    release = version("duckdb")
    names = extensions(settings)
    wheels = " ".join(f"duckdb-extension-{name.replace('_', '-')}=={release}" for name in names)
    return f"""\
# pip install duckdb=={release} polars pyarrow pytz \\
#     {wheels}
import importlib.resources

import duckdb

lake = duckdb.connect()
for name in {names}:  # httpfs brings the decryption; the catalog holds the keys
    folder = importlib.resources.files(f"duckdb_extension_{{name}}") / "extensions" / f"v{{duckdb.__version__}}"
    lake.execute(f"LOAD '{{folder / name}}.duckdb_extension'")
lake.execute("ATTACH 'ducklake:{sql_text(settings.catalog_uri)}' AS lake (READ_ONLY)")
lake.execute("USE lake")
lake.execute("SET TimeZone = 'UTC'")

print(lake.sql("SELECT kafka_topic, sum(rows) AS rows FROM raw.ledger GROUP BY ALL ORDER BY ALL").pl())
"""


def sql_text(value: object) -> str:
    """The inside of an SQL text literal."""
    return str(value).replace("'", "''")
