"""A lake of another release: refused where it is newer, brought forward where it is older.

Here: telling the release by which a lake was last written, and which computed tables that makes
outdated. Not here: adding what is lacking (lake_schema.py), running a transaction (lake/),
computing anew (orchestration).

What landed (`raw`) only gains columns; what tells of an arm is sealed there, where an earlier release
kept it in clear (lake/writer.py). What is computed (`core`, `mart`, the last release's copies)
is made anew where its columns changed, and is listed in `app.outdated_tables` until the next
materialisation has computed all of it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b

from transforms.errors import FloeError, LakeOutdated
from transforms.facts.catalogue import METRICS
from transforms.schemas import CORE_TABLES, MART_TABLES, Table
from transforms.schemas.app import (
    LAKE_FORMAT,
    LAKE_FORMATS,
    OUTDATED_TABLES,
    RELEASED,
    SEALED_FROM_FORMAT,
)

_SEED = MART_TABLES["metric_versions"]
# Computed, but a memory: it gains columns like what landed. The checks' results come with each
# table's own rows.
KEPT = frozenset(
    {MART_TABLES[n].full_name for n in ("metric_versions", "restatements", "check_results")}
)
_COMPUTED = (*CORE_TABLES.values(), *MART_TABLES.values(), *RELEASED.values())
_FORMATS = (
    f"SELECT format, fingerprint FROM {LAKE_FORMATS.full_name} ORDER BY opened_at DESC LIMIT 1"
)
_FIRST_FORMAT = 1  # lakes of release 0.1.0 don't tell


def fingerprint(tables: Iterable[Table]) -> str:
    """16 hex digits of the tables' columns and types and the metrics' versions: what makes computed
    rows outdated.
    """
    digest = blake2b(digest_size=8)
    for table in sorted(tables, key=lambda t: t.full_name):
        digest.update(repr((table.full_name, [(c.name, c.duckdb) for c in table.columns])).encode())
    for metric in sorted(METRICS.values(), key=lambda m: m.id):
        digest.update(repr((metric.id, metric.version)).encode())
    return digest.hexdigest()


def is_computed(full_name: str) -> bool:
    """Whether a table holds nothing but what can be computed from `raw`, or the last release's copy
    of that.
    """
    schema, _, name = full_name.partition(".")
    is_copy = schema == "app" and name.startswith("released_") and name != "released_cells"
    return full_name not in KEPT and (schema in ("core", "mart") or is_copy)


def require_readable(cursor, tables: Iterable[Table], *, is_read_only: bool) -> None:
    """FloeError for a lake of a newer release; LakeOutdated for a reader of one of an older."""
    there = _tables(cursor)
    if not there:
        return  # a writer makes it
    written, of = _written(cursor, there)
    if written > LAKE_FORMAT:
        raise FloeError(
            f"this lake was written by a newer release of Floe (lake format {written}, this one knows {LAKE_FORMAT}): "
            "use that release, or another FLOE_HOME; nothing was changed"
        )
    if is_read_only and of != fingerprint(tables):
        raise LakeOutdated(
            f"this lake was last written by another release of Floe (lake format {written}, this one writes "
            f"{LAKE_FORMAT}): floe materialize brings it forward (floe up and "
            "floe ingest begin it); what landed stays as it is, core and mart are computed anew"
        )


def keeps_arms_in_clear(cursor) -> bool:
    """Whether a release that did not seal arms wrote the lake last; a lake without tables keeps
    none.
    """
    there = _tables(cursor)
    return bool(there) and _written(cursor, there)[0] < SEALED_FROM_FORMAT


def is_of_this_release(cursor, tables: Iterable[Table]) -> bool:
    """Whether this release, or one with the same tables and metrics, wrote the lake last."""
    return _written(cursor, _tables(cursor)) == (LAKE_FORMAT, fingerprint(tables))


def written_statement(tables: Iterable[Table], *, now: datetime) -> str:
    """Notes this release as the one that wrote the lake last."""
    return f"INSERT INTO {LAKE_FORMATS.full_name} VALUES ({LAKE_FORMAT}, '{fingerprint(tables)}', {_stamp(now)})"


def _stamp(now: datetime) -> str:
    return f"TIMESTAMPTZ '{now.isoformat()}'"


def outdated_statements(cursor, tables: Iterable[Table], *, now: datetime) -> Iterator[str]:
    """Statements that list the computed tables of a lake that another release computed; asked
    before it is changed.
    """
    there = _tables(cursor)
    if CORE_TABLES["data_cut"].full_name not in there or _written(cursor, there)[1] == fingerprint(
        tables
    ):
        return  # new, or this release's
    if (
        cursor.execute(f"SELECT count(*) FROM {CORE_TABLES['data_cut'].full_name}").fetchone()[0]
        == 0
    ):
        return  # nothing was ever computed
    yield f"DELETE FROM {OUTDATED_TABLES.full_name}"
    for table in _COMPUTED:
        if is_computed(table.full_name):
            is_empty = there.get(table.full_name) != _shape(table)
            yield f"INSERT INTO {OUTDATED_TABLES.full_name} VALUES ('{table.full_name}', {is_empty}, {_stamp(now)})"


def renaming_statements(cursor) -> list[str]:
    """Until restatements were of figures, the memory of metrics' versions had their name."""
    there, earlier = _tables(cursor), MART_TABLES["restatements"].full_name
    if _SEED.full_name in there or "previous_version" not in there.get(earlier, {}):
        return []
    return [f"ALTER TABLE {earlier} RENAME TO {_SEED.name}"]


def seed_statements(cursor) -> list[str]:
    """Of a lake that had no memory of versions: those of its metric definitions, as of an earlier
    release.
    """
    there, definitions = _tables(cursor), MART_TABLES["metric_definitions"].full_name
    if _SEED.full_name in there or definitions not in there:
        return []
    rows = cursor.execute(
        f"SELECT metric_id, version, rule FROM {definitions} ORDER BY metric_id"
    ).fetchall()
    values = ", ".join(
        "(" + ", ".join("'" + text.replace("'", "''") + "'" for text in row) + ")" for row in rows
    )
    return (
        [f"INSERT INTO {_SEED.full_name} (metric_id, version, rule) VALUES {values}"]
        if rows
        else []
    )


def _shape(table: Table) -> dict[str, str]:
    return {
        c.name: "TIMESTAMP WITH TIME ZONE" if c.duckdb == "TIMESTAMPTZ" else c.duckdb
        for c in table.columns
    }


def _written(cursor, there: dict) -> tuple[int, str | None]:
    """(format, fingerprint) of who wrote the lake last."""
    if LAKE_FORMATS.full_name not in there:
        return _FIRST_FORMAT, None
    return cursor.execute(_FORMATS).fetchone() or (_FIRST_FORMAT, None)


def _tables(cursor) -> dict[str, dict[str, str]]:
    """Full name -> column -> type, of the lake's tables and views."""
    types_of: dict[str, dict[str, str]] = {}
    query = """SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
               WHERE database_name = 'lake' ORDER BY 1, column_index"""
    for table, column, kind in cursor.execute(query).fetchall():
        types_of.setdefault(table, {})[column] = kind
    return types_of
