"""A reader's one statement: what it may be, what it may reach, and its values as texts, numbers,
lists and objects.

Here: SQL texts and the rules behind them. Not here: what the statement names (lake_reading.py),
running it (lake/), printing (orchestration/printing.py).

Every type of DuckDB becomes what JSON has a shape for, in DuckDB itself, because Python has no
shape for some of its values (a day before Christ, infinity, a year of six digits): a time with a
zone as RFC 3339 in UTC, one without as ISO 8601, bytes as text where they are UTF-8 and else with
\\x escapes, a map as an object, the rest as DuckDB writes it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

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
_OF_PARQUET = _AS_IS - {"hugeint", "uhugeint"} | {
    "blob",
    "date",
    "time",
    "timestamp",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp with time zone",
}
_READING = frozenset({"SELECT", "EXPLAIN"})
_MOST_TOKENS = 2_000
_ZONED = (r"^(\d{4}-\d\d-\d\d) (\d\S*)\+00$", r"\1T\2+00:00")
_ZONELESS = (r"^(\d{4}-\d\d-\d\d) (\d\S*)$", r"\1T\2")


def confinement(settings) -> tuple[str, ...]:
    """Statements after which a connection reaches its attached lake and no other file, within the
    limits of a reader's memory and disk, and can't be told otherwise.
    """
    return (
        f"SET GLOBAL memory_limit = '{settings.sql_memory_gb:g}GB'",
        f"SET GLOBAL max_temp_directory_size = '{settings.sql_spill_gb:g}GB'",
        "SET GLOBAL autoinstall_known_extensions = false",
        "SET GLOBAL autoload_known_extensions = false",
        f"SET GLOBAL allowed_directories = ['{sql_text(settings.data_path)}']",
        "SET GLOBAL enable_external_access = false",
        "SET GLOBAL lock_configuration = true",
    )


def require_one_reading(kinds: Sequence[str], texts: Sequence[str]) -> None:
    """Raises UsageError but for one statement that reads; `texts` are empty for the two that a
    PIVOT is made of.
    """
    if not kinds:
        raise UsageError(
            "found no statement, expected one that reads, as 'SELECT * FROM mart.metric_definitions'"
        )
    is_pivot = len(kinds) > 1 and not any(texts) and kinds[-1] == "SELECT"
    if len(kinds) > 1 and not is_pivot and not all(texts):
        raise UsageError(
            "found a PIVOT that does not name its values beside another statement or behind EXPLAIN, expected it alone, or "
            "with its values named: ON … IN (…)"
        )
    if len(kinds) > 1 and not is_pivot:
        raise UsageError(
            f"found {len(kinds)} statements, expected one: nothing was run; ask each by itself, or join them (WITH, UNION)"
        )
    if kinds[-1] not in _READING:
        raise UsageError(
            f"found {kinds[-1]}, expected a statement that reads: the lake is open read-only here, so nothing was "
            "changed; events change it (floe replay, floe import), and --to FILE takes an answer out"
        )


def not_reading(statement: str) -> UsageError:
    """For what DuckDB takes for a query (a PRAGMA, a CALL) and gives no tree of."""
    word = statement.split(maxsplit=1)[0]
    return UsageError(
        f"found {word}, expected a statement that reads: SELECT, FROM, WITH, VALUES, TABLE, DESCRIBE, SHOW, SUMMARIZE, "
        "PIVOT or EXPLAIN of one of them"
    )


def explained(statement: str, token_starts: Sequence[int]) -> Iterator[str]:
    """What an EXPLAIN may explain: the texts behind its options, the longest first; one of them is
    a statement.

    `token_starts`: where its tokens begin, comments apart, in bytes.
    """
    encoded = statement.encode()
    words = [_word_at(encoded, start) for start in token_starts]
    if words[:1] != ["explain"]:
        return
    first = 2 if words[1:2] == ["analyze"] else 1
    yield encoded[token_starts[first] :].decode() if len(words) > first else ""
    if ")" in words:
        yield encoded[token_starts[words.index(")")] + 1 :].decode()


def with_values_named(
    statement: str, token_starts: Sequence[int], parts: Callable[[str], int]
) -> str | None:
    """The statement with values named for each PIVOT that has none, so that DuckDB shows how it
    reads the rest.

    DuckDB first asks for the values of such a PIVOT, in a statement before it, and gives no tree of
    the two. An IN (0) behind the column changes nothing else in how the text is read. `parts`
    counts the statements that DuckDB makes of a text, 0 where it is none. None where no such place
    is there.
    """
    encoded, text = statement.encode(), statement
    places = [*token_starts[1:], len(encoded)]
    if len(places) > _MOST_TOKENS:
        raise UsageError(
            f"found a PIVOT of more than {_MOST_TOKENS:,} words, expected ON … IN (…), which names its values"
        )
    count = parts(statement)
    for place in reversed(places):
        tried = encoded[:place] + b" IN (0) " + encoded[place:]
        if 0 < (fewer := parts(tried.decode())) < count:
            encoded, text, count = tried, tried.decode(), fewer
    if count == 1:
        return text
    return None


def _word_at(text: bytes, start: int) -> str:
    word = re.match(rb'"?(\w+|.)', text[start:], re.DOTALL)
    if not word:
        return ""
    return word[1].decode(errors="replace").lower()


def plain_columns(types: Iterable) -> str:
    """The select list that turns the columns c0, c1, … of these types into values that JSON has a
    shape for.
    """
    columns = (_plain(f"c{k}", kind) for k, kind in enumerate(types))
    return ", ".join(columns)


def parquet_columns(types: Iterable) -> str:
    """The select list that turns the columns c0, c1, … of these types into those that a Parquet
    file has.
    """
    columns = (_for_parquet(f"c{k}", kind) for k, kind in enumerate(types))
    return ", ".join(columns)


def _for_parquet(value: str, kind) -> str:
    if kind.id in ("hugeint", "uhugeint"):  # a sum of integers is one
        return f"{value}::DECIMAL(38, 0)"
    if _is_of_parquet(kind):
        return value
    return f"{value}::VARCHAR"


def _is_of_parquet(kind) -> bool:
    if kind.id in ("list", "array", "map", "struct"):
        return all(
            name and _is_of_parquet(of)
            for name, of in kind.children
            if isinstance(name, str) and name != "size"
        )
    return kind.id in _OF_PARQUET


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
    if inner == one:
        return value
    return f"list_transform({value}::{child}[], lambda {one}: {inner})"


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
