"""What one statement of a reader names, read from DuckDB's own parse of it, and whether all of that
is open.

Here: the walk through the tree of `json_serialize_sql`, tables, functions, common table expressions
in their scopes. Not here: running anything (lake/), which kinds of statement read
(lake_answers.py).

Nothing passes that is not open by name: a table of the lake, a view of DuckDB that tells no path
and no secret, a function that lake_functions.txt lists, and only such parts of a tree as are listed
below. A common table expression opens its name where DuckDB would look there first, and nowhere
else.
"""

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from transforms.errors import UsageError

_LIST = Path(__file__).with_name("lake_functions.txt")
_LAKE = "lake"  # the name under which lake/ attaches it
# DuckDB folds the case of ASCII alone: a Kelvin sign is no k to it
_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PLAIN_NAME = re.compile(r"[^\W\d][\w$ -]*")  # nothing that DuckDB could take for a file's
_ALIKE = 0.75  # from 0 to 1: coutn is taken for a misspelt count, getenv for no geomean
_SYSTEM = frozenset({"", "system"})
_SHOWN = frozenset({"", "__show_tables_expanded", '"tables"', '"databases"', '"schemas"'})
_EXPRESSIONS = frozenset(
    [
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "DEFAULT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "PARAMETER",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    ]
)
_QUERIES = frozenset({"RECURSIVE_CTE_NODE", "SELECT_NODE", "SET_OPERATION_NODE"})
_RELATIONS = frozenset(
    [
        "BASE_TABLE",
        "EMPTY",
        "EXPRESSION_LIST",
        "JOIN",
        "PIVOT",
        "SHOW_REF",
        "SUBQUERY",
        "TABLE_FUNCTION",
    ]
)
_NAMING = frozenset({"function", "function_name", "schema_name", "show_type", "table_name"})


def _listed(kind: str) -> frozenset[str]:
    """The names of all sections of lake_functions.txt that begin with these words."""
    lines = (line for line in _LIST.read_text("utf-8").splitlines() if not line.startswith("#"))
    names, is_of_kind = set(), False
    for line in lines:
        if line.startswith("["):
            is_of_kind = line.startswith((f"[{kind}:", f"[{kind}]"))
        elif is_of_kind:
            names |= set(line.split())
    return frozenset(names)


OPEN_FUNCTIONS = frozenset(name.translate(_FOLDED) for name in _listed("open"))
OPEN_TABLE_FUNCTIONS = _listed("open tables")
CLOSED_FUNCTIONS = _listed("closed")
CLOSED_TABLE_FUNCTIONS = _listed("closed tables")
OPEN_VIEWS = {
    name: _listed(f"open views of {name}") for name in ("information_schema", "main", "pg_catalog")
}
_OF_THE_LAKE = frozenset(
    name.removeprefix("ducklake_") for name in OPEN_TABLE_FUNCTIONS if name.startswith("ducklake_")
)
_CHANGES = ("table_changes", "table_deletions", "table_insertions")
_OF_CHANGES = frozenset(f"{of}{name}" for of in ("", "ducklake_") for name in _CHANGES)


@dataclass(frozen=True)
class Names:
    """What a statement names: tables of the lake (`schema.table`), which may not be there, a phrase
    for each thing that is not open, and by what it asks for an `earlier` moment.
    """

    tables: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    earlier: set[str] = field(default_factory=set)


def names_of(tree: Mapping[str, Any], *, schemas: Iterable[str]) -> Names:
    """The names in one serialised statement; `schemas` are those of the lake that a reader sees."""
    walk = _Walk(frozenset(schemas))
    walk.through(tree, frozenset())
    return walk.names


def require_open(names: Names, *, lake_tables: Iterable[str]) -> None:
    """Raises UsageError where something is not open, or a table is not in the lake. `lake_tables`:
    `schema.table`.
    """
    there = {name.translate(_FOLDED) for name in lake_tables}
    closed = names.closed | {_missing(name, there) for name in names.tables - there}
    if closed:
        raise UsageError(
            f"found {', '.join(sorted(closed))}, expected tables of the lake and functions that only compute: floe sql "
            "sees nothing else of the machine, and what is behind the lake holds the keys of its files"
        )


def _missing(name: str, there: Iterable[str]) -> str:
    schema, _, table = name.rpartition(".")
    if schema:
        near = get_close_matches(
            table, [t.partition(".")[2] for t in there if t.startswith(f"{schema}.")], 1
        )
    else:
        near = [t for t in there if t.endswith(f".{table}")][:1]
    return f"{name}, which does not exist in the lake" + "".join(
        f' (Did you mean "{one}"?)' for one in near
    )


class _Walk:
    """Through a tree without recursion, each part with the names of the common table expressions
    that it sees.
    """

    def __init__(self, schemas: frozenset[str]) -> None:
        self._schemas = schemas
        self.names = Names()

    def through(self, tree: Any, scope: frozenset[str]) -> None:
        left = [(tree, scope)]
        while left:
            part, scope = left.pop()
            if isinstance(part, list):
                left += [(each, scope) for each in part]
            elif isinstance(part, dict):
                left += self._inside(part, scope)

    def _inside(self, part: dict, scope: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
        """Looks at one part and gives what is in it, each with what it sees."""
        if "class" in part:
            return self._of_expression(part, scope)
        if "cte_map" in part:
            return self._of_query(part, scope)
        if "sample" in part:
            return self._of_relation(part, scope)
        if _NAMING & part.keys():
            self.names.closed.add("a part of a statement that Floe can't judge")
        return ((each, scope) for each in part.values())

    def _of_query(self, part: dict, scope: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
        self._require_listed(part["type"], _QUERIES)
        for entry in part["cte_map"].get("map", ()):
            yield (
                entry["value"],
                scope,
            )  # of its own name it sees what is outside, but for the right of a recursion
            scope |= {_folded(entry["key"])}
        is_recursion = part["type"] == "RECURSIVE_CTE_NODE"
        inner = scope | {_folded(part["cte_name"])} if is_recursion else scope
        for name, each in part.items():
            if name != "cte_map":
                yield each, inner if name == "right" else scope

    def _of_expression(
        self, part: dict, scope: frozenset[str]
    ) -> Iterator[tuple[Any, frozenset[str]]]:
        self._require_listed(part["class"], _EXPRESSIONS)
        if "function_name" in part:
            self._call(part)
        if part["class"] != "CONSTANT":
            yield from ((each, scope) for each in part.values())

    def _of_relation(
        self, part: dict, scope: frozenset[str]
    ) -> Iterator[tuple[Any, frozenset[str]]]:
        kind = part["type"]
        self._require_listed(kind, _RELATIONS)
        if part.get("at_clause"):
            self.names.earlier.add("AT")
        if kind == "BASE_TABLE":
            self._table(part, scope)
        elif kind == "SHOW_REF":
            self._show(part)
        elif kind == "TABLE_FUNCTION":
            return self._of_table_function(part, scope)
        return ((each, scope) for each in part.values())

    def _of_table_function(
        self, part: dict, scope: frozenset[str]
    ) -> Iterator[tuple[Any, frozenset[str]]]:
        function = part["function"]
        self._require_listed(function["class"], frozenset({"FUNCTION"}))
        self._table_function(function)
        yield from (
            (each, scope) for each in (*function.values(), *(part | {"function": None}).values())
        )

    # --- what is named ---------------------------------------------------------------------------

    def _call(self, part: dict) -> None:
        catalog = _folded(part.get("catalog"))
        schema = _folded(part["schema"])
        name = _folded(part["function_name"])
        is_of_lake = {catalog, schema} & {_LAKE, *self._schemas}
        if name not in OPEN_FUNCTIONS or is_of_lake:
            self.names.closed.add(
                _near(name, OPEN_FUNCTIONS, also=CLOSED_FUNCTIONS | CLOSED_TABLE_FUNCTIONS)
            )

    def _table_function(self, part: dict) -> None:
        catalog = _folded(part.get("catalog"))
        schema = _folded(part["schema"])
        name = _folded(part["function_name"])
        is_of_lake = (catalog, schema) in ((_LAKE, "main"), ("", _LAKE)) and name in _OF_THE_LAKE
        is_of_system = (
            catalog in _SYSTEM
            and schema in ("", "main", "pg_catalog")
            and name in OPEN_TABLE_FUNCTIONS
        )
        if name in _OF_CHANGES:
            self.names.earlier.add(name)
        if not (is_of_lake or is_of_system):
            self.names.closed.add(_near(name, OPEN_TABLE_FUNCTIONS, also=CLOSED_TABLE_FUNCTIONS))

    def _table(self, part: dict, scope: frozenset[str]) -> None:
        catalog, schema, name = (
            _folded(part[key]) for key in ("catalog_name", "schema_name", "table_name")
        )
        if catalog in ("", _LAKE) and schema in self._schemas:
            self.names.tables.add(f"{schema}.{name}")
        elif not (
            self._is_in_scope(catalog, schema, name, scope) or _is_open_view(catalog, schema, name)
        ):
            is_of_lake = not catalog and not schema
            (self.names.tables if is_of_lake else self.names.closed).add(
                ".".join(filter(None, (catalog, schema, name)))
            )

    @staticmethod
    def _is_in_scope(catalog: str, schema: str, name: str, scope: frozenset[str]) -> bool:
        """`recurring.NAME` is what a recursion with keys has so far."""
        return (
            not catalog
            and schema in ("", "recurring")
            and name in scope
            and bool(_PLAIN_NAME.fullmatch(name))
        )

    def _show(self, part: dict) -> None:
        catalog, schema, name = (
            _folded(part[key]) for key in ("catalog_name", "schema_name", "table_name")
        )
        if name not in _SHOWN or not {catalog, schema} <= {"", _LAKE, "main", *self._schemas}:
            self.names.closed.add(".".join(filter(None, (catalog, schema, name))))

    def _require_listed(self, kind: str, listed: frozenset[str]) -> None:
        if kind not in listed:
            what = f"{kind}, a part of a statement that Floe does not know"
            self.names.closed.add(what)


def _folded(name: str | None) -> str:
    return (name or "").translate(_FOLDED)


def _is_open_view(catalog: str, schema: str, name: str) -> bool:
    if catalog not in _SYSTEM:
        return False
    schemas = [schema] if schema else ["main", "pg_catalog"]
    return any(name in OPEN_VIEWS.get(each, ()) for each in schemas)


def _near(name: str, names: Iterable[str], *, also: Iterable[str]) -> str:
    """The name of a function, with what was meant where DuckDB has no such function."""
    near = [] if name in {*names, *also} else get_close_matches(name, sorted(names), 1, _ALIKE)
    return name + "".join(f' (Did you mean "{one}"?)' for one in near)
