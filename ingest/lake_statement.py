"""Whether a statement may run: one that reads, and names nothing but what is open. DuckDB's parser
is asked, nothing is run.

Here: asking the parser, also for what it gives no tree of. Not here: what is open
(lake_reading.py), running (lake/).
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain

from transforms.errors import UsageError

from .lake_answers import explained, not_reading, require_one_reading, with_values_named
from .lake_attach import sql_text
from .lake_reading import names_of, require_open

_LAKE_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'"


def require_reading(
    cursor,
    statement: str,
    *,
    tokenize: Callable[[str], Iterable],
    relations: Collection[str],
    masked: Collection[str] = (),
) -> None:
    """Raises UsageError but for one statement that reads what is open. `relations`: the lake's by
    this release, `schema.name`; other tables count as far as they are in it. `masked`: studies
    whose arms may have stood in the lake at an earlier moment, of which then nothing is open.
    """
    if "\0" in statement:
        raise UsageError(
            "found a zero byte, at which DuckDB stops reading: expected a statement of text"
        )
    parts = cursor.extract_statements(statement)
    kinds = [part.type.name for part in parts]
    require_one_reading(kinds, [part.query for part in parts])
    starts = [start for start, _ in tokenize(statement)]
    names = names_of(
        _tree(cursor, statement, kinds, starts),
        schemas={name.partition(".")[0] for name in relations},
    )
    if not names.tables <= set(relations):  # another release's, or none: looking takes a second
        relations = {*relations, *map(".".join, cursor.execute(_LAKE_TABLES).fetchall())}
    require_open(names, lake_tables=relations)
    if masked and names.earlier:
        raise UsageError(
            f"found {', '.join(sorted(names.earlier))}, which may show arms of {', '.join(sorted(masked))} from before they "
            "were masked: ask for the whole lake as of a moment (--as-of), which is answered where it shows none"
        )


def _tree(cursor, statement: str, kinds: Sequence[str], starts: Sequence[int]) -> dict:
    """The statement as DuckDB reads it; of an EXPLAIN what it explains. UsageError where DuckDB
    gives no tree.
    """
    texts: Iterable[str | None] = [statement]
    if kinds[-1] == "EXPLAIN":
        texts = explained(statement, starts)
    elif len(kinds) > 1:
        texts = [with_values_named(statement, starts, lambda text: _part_count(cursor, text))]
    trees = chain.from_iterable(_trees(cursor, text) for text in texts if text)
    if tree := next(trees, None):
        return tree
    raise not_reading(statement)


def _trees(cursor, text: str) -> list[dict]:
    """The tree of a text that is one statement, by DuckDB's own function and no macro of that name;
    else none.
    """
    # a literal, for DuckDB imports numpy and more at the first parameter of a process: half of a
    # small query's time
    (answer,) = cursor.execute(
        f"SELECT system.main.json_serialize_sql('{sql_text(text)}'::VARCHAR)"
    ).fetchone()
    try:
        trees = json.loads(answer).get("statements", [])
    except RecursionError as error:
        raise UsageError(
            "found a statement nested too deep to be judged, expected a flatter one"
        ) from error
    return trees if len(trees) == 1 else []


def _part_count(cursor, text: str) -> int:
    """How many statements DuckDB makes of the text; 0 where it is none."""
    try:
        return len(cursor.extract_statements(text))
    except Exception as error:  # DuckDB's, which only lake/ knows by name
        if isinstance(error, MemoryError):
            raise
        return 0
