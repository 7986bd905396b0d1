"""A reader's one statement: what it may be, what may be touched, and its values as texts, numbers, lists and objects.

Here: SQL texts and the rules behind them. Not here: running them (lake.py), printing (orchestration/printing.py).

Every type of DuckDB becomes what JSON has a shape for, in DuckDB itself, because Python has no shape for some of its
values (a day before Christ, infinity, a year of six digits): a time with a zone as RFC 3339 in UTC, one without as
ISO 8601, bytes as text where they are UTF-8 and else with \\x escapes, a map as an object, the rest as DuckDB writes it.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from transforms.errors import UsageError

from .lake_attach import sql_text

# DuckDB's types of which Python has every value
_AS_IS = frozenset(
    [
        "boolean",
        "tinyint",
        "smallint",
        "integer",
        "bigint",
        "hugeint",
        "utinyint",
        "usmallint",
        "uinteger",
        "ubigint",
        "uhugeint",
        "float",
        "double",
        "decimal",
        "varchar",
    ]
)
_READING = frozenset({"SELECT", "EXPLAIN"})
# What reaches behind the lake: its catalog, which holds the files' keys and may hold a password, and other databases.
_CLOSED = re.compile(
    r"__ducklake_metadata|(sqlite|postgres|mysql)_(scan|query|attach|execute)|duckdb_databases|database_list"
    r"|json_execute_serialized_sql|read_duckdb|(arrow|pandas)_scan"
)
_OPEN_OF_DUCKLAKE = frozenset(
    f"ducklake_{name}"
    for name in (
        "snapshots",
        "current_snapshot",
        "last_committed_snapshot",
        "table_info",
        "table_changes",
        "table_insertions",
        "table_deletions",
        "settings",
        "options",
    )
)
# Functions that run a text, in which a name can be put together, or read a file: DuckDB lets a connection read the file
# of every database that is attached, the lake's catalog among them.
_CLOSED_CALL = re.compile(r"query|query_table|read_\w+|\w+_scan|parquet_\w+|sniff_csv")
_ZONED = (r"^(\d{4}-\d\d-\d\d) (\d\S*)\+00$", r"\1T\2+00:00")
_ZONELESS = (r"^(\d{4}-\d\d-\d\d) (\d\S*)$", r"\1T\2")


def confinement(data_path: str) -> tuple[str, ...]:
    """Statements after which a connection reaches its attached lake and no other file, and can't be told otherwise."""
    return (
        f"SET GLOBAL allowed_directories = ['{sql_text(data_path)}']",
        "SET GLOBAL enable_external_access = false",
        "SET GLOBAL lock_configuration = true",
    )


def require_one_reading(kinds: Sequence[str], texts: Sequence[str]) -> None:
    """Raises UsageError but for one statement that reads; `texts` are empty for the two that a PIVOT is made of."""
    if not kinds:
        raise UsageError("found no statement, expected one that reads, as 'SELECT * FROM mart.metric_definitions'")
    is_pivot = len(kinds) > 1 and not any(texts) and kinds[-1] == "SELECT"
    if len(kinds) > 1 and not is_pivot:
        raise UsageError(
            f"found {len(kinds)} statements, expected one: nothing was run; ask each by itself, or join them (WITH, UNION)"
        )
    if kinds[-1] not in _READING:
        raise UsageError(
            f"found {kinds[-1]}, expected a statement that reads: the lake is open read-only here, so nothing was "
            "changed; events change it (floe replay, floe import), and --to FILE takes an answer out"
        )


def require_open_names(statement: str, token_starts: Sequence[int]) -> None:
    """Raises UsageError for a statement that names what is behind the lake, or that could without saying so.

    `token_starts`: where its tokens begin, comments apart, in bytes. DuckDB has no escapes in names, so that a name that
    is not in the text is not asked for.
    """
    text = statement.lower()
    closed = {found[0] for found in _CLOSED.finditer(text)}
    closed |= set(re.findall(r"\bducklake_\w+", text)) - _OPEN_OF_DUCKLAKE
    words = [_word_at(statement.encode(), start) for start in token_starts]
    closed |= {word for word, following in pairwise(words) if _CLOSED_CALL.fullmatch(word) and following == "("}
    if closed:
        raise UsageError(
            f"found {', '.join(sorted(closed))}, expected tables of the lake: what is behind it holds the keys of its files"
        )


def _word_at(text: bytes, start: int) -> str:
    found = re.match(rb'"?(\w+|.)', text[start:], re.DOTALL)
    return found[1].decode(errors="replace").lower() if found else ""


def plain_columns(types: Iterable) -> str:
    """The select list that turns the columns c0, c1, … of these types into values that JSON has a shape for."""
    return ", ".join(_plain(f"c{k}", kind) for k, kind in enumerate(types))


def _plain(value: str, kind, depth: int = 0) -> str:
    if kind.id in _AS_IS:
        return value
    if kind.id in ("list", "array"):
        return _plain_list(value, kind, depth)
    if kind.id == "map":
        return _plain_map(value, kind, depth)
    if kind.id == "struct" and all(name for name, _ in kind.children):
        return _plain_struct(value, kind, depth)
    if kind.id == "blob":
        return f"coalesce(TRY(decode({value})), {value}::VARCHAR)"
    if kind.id == "timestamp with time zone":
        return _rewritten(value, *_ZONED)
    if kind.id.startswith("timestamp"):
        return _rewritten(value, *_ZONELESS)
    return f"{value}::VARCHAR"


def _rewritten(value: str, pattern: str, replacement: str) -> str:
    return f"regexp_replace({value}::VARCHAR, '{pattern}', '{replacement}')"


def _plain_list(value: str, kind, depth: int) -> str:
    child, one = dict(kind.children)["child"], f"e{depth}"
    inner = _plain(one, child, depth + 1)
    return value if inner == one else f"list_transform({value}::{child}[], lambda {one}: {inner})"


def _plain_map(value: str, kind, depth: int) -> str:
    one = f"e{depth}"
    inner = _plain(f"{one}.value", dict(kind.children)["value"], depth + 1)
    entry = f"struct_pack(k := {one}.key::VARCHAR, v := {inner})"
    return f"map_from_entries(list_transform(map_entries({value}), lambda {one}: {entry}))"


def _plain_struct(value: str, kind, depth: int) -> str:
    fields = [
        f'"{name.replace(chr(34), chr(34) * 2)}" := '
        + _plain(f"struct_extract({value}, '{sql_text(name)}')", of, depth + 1)
        for name, of in kind.children
    ]
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
