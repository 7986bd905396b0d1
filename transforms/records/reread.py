"""What landed before this release knew it, read with what it knows: values of closed lists, fields
that were unknown.

Here: `reread`, the SQL for a raw table's rows as if they had arrived today. `raw` itself stays as
it arrived. Not here: records that were set aside (they are sent again), who runs it
(ingest/inspection.py's `raw_as_of`, under all of core).
"""

from collections.abc import Iterator
from functools import lru_cache

from ..schemas import TIMESTAMP, TOPIC_BY_NAME, Column
from ..schemas.raw import RAW_TABLES

# DuckDB's type of a column -> JSON types that it is read from
_JSON_TYPES = {
    "VARCHAR": ("VARCHAR",),
    "DATE": ("VARCHAR",),
    "TIMESTAMPTZ": ("VARCHAR",),
    "BIGINT": ("BIGINT", "UBIGINT", "DOUBLE"),
    "DOUBLE": ("BIGINT", "UBIGINT", "DOUBLE"),
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR[]": ("ARRAY",),
    "DOUBLE[]": ("ARRAY",),
    "JSON": ("OBJECT", "ARRAY"),
}
_HAS_OFFSET = r"(Z|[+-][0-9]{2}:[0-9]{2})$"


@lru_cache(maxsize=64)
def reread(name: str) -> str:
    """The select list for `FROM raw.NAME`: every column, some of them read anew.

    A value that is in the closed list by now takes the place of `other`. A field that was not known
    when the record landed is taken from `extra`, where it has the field's type and range; else it
    stays null. `extra` keeps it.
    """
    columns = [f'{sql} AS "{column}"' for column, sql in _columns(name)]
    if not columns:
        return "*"
    listed = ", ".join(columns)
    return f"* REPLACE ({listed})"


def _columns(name: str) -> Iterator[tuple[str, str]]:
    topic = TOPIC_BY_NAME[name]
    own = {c.name for c in topic.fields}
    for column in RAW_TABLES[name].columns:
        is_field = column.name in own or column.name in (
            "revision",
            "record_status",
            "recorded_at",
            "recorded_by_role",
        )
        if not is_field or (column.required and not column.closed):
            continue
        if column.closed:
            yield from _closed(column, is_in_extra=not topic.is_series and not column.required)
        elif not topic.is_series:
            yield column.name, f'coalesce("{column.name}", {_from_extra(column)})'


def _closed(column: Column, *, is_in_extra: bool) -> Iterator[tuple[str, str]]:
    """The value and, beside it, what was sent where that is not in the list."""
    value, sent = f'"{column.name}"', f'"{column.name}_raw"'
    values = ", ".join(f"'{v}'" for v in column.closed)
    if is_in_extra:
        extra = _from_extra(column)
        sent = f"coalesce({sent}, CASE WHEN {value} IS NULL THEN {extra} END)"
    yield (
        column.name,
        f"CASE WHEN {sent} IN ({values}) THEN {sent} WHEN {sent} IS NOT NULL THEN 'other' ELSE {value} END",
    )
    yield f"{column.name}_raw", f"CASE WHEN {sent} NOT IN ({values}) THEN {sent} END"


def _from_extra(column: Column) -> str:
    path = f"""'$."{column.name}"'"""
    types = ", ".join(f"'{t}'" for t in _JSON_TYPES[column.duckdb])
    text, tests = f"extra ->> {path}", [f"json_type(extra, {path}) IN ({types})"]
    value = f"TRY_CAST({text} AS {column.duckdb})" if column.duckdb != "VARCHAR" else f"({text})"
    if column.dtype == TIMESTAMP:
        tests.append(f"regexp_matches({text}, '{_HAS_OFFSET}')")
    tests += [] if column.lower is None else [f"{value} >= {column.lower}"]
    tests += [] if column.upper is None else [f"{value} <= {column.upper}"]
    return f"CASE WHEN {' AND '.join(tests)} THEN {value} END"
