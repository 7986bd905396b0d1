"""What the lake lacks of the tables and views as described, as statements that add it.

Here: comparing the catalog with descriptions, through a cursor that lake/ gives. Not here:
running a transaction.
"""

from collections.abc import Iterable, Iterator

from transforms.errors import FloeError
from transforms.schemas import Table
from transforms.schemas.views import View

from .lake_catalog import METADATA
from .lake_forward import is_computed


def missing_statements(cursor, schemas: Iterable[str], tables: Iterable[Table]) -> list[str]:
    """Statements that make schemas, tables and columns and set comments; none where all is as
    described.

    A computed table whose columns are others is made anew, without rows, and one that is not
    described is dropped. What landed gains columns; columns that the description does not know are
    left alone there, and FloeError where a column has another type.
    """
    there = {
        name for (name,) in _rows(cursor, "SELECT schema_name FROM duckdb_schemas() WHERE {lake}")
    }
    statements = [f"CREATE SCHEMA {name}" for name in schemas if name not in there]
    comments = _table_comments(cursor)
    columns = _columns(cursor)
    shapes = _shapes(columns)
    for table in tables:
        if (
            table.full_name in shapes
            and is_computed(table.full_name)
            and shapes[table.full_name] != _shape(table)
        ):
            statements += [f'DROP TABLE {table.schema}."{table.name}"', *_new(table)]
        else:
            statements += _statements(table, comments, columns)
    return statements


def unknown_tables(cursor, tables: Iterable[Table]) -> list[str]:
    """Statements that drop computed tables which this release does not compute any more: nobody
    would bring them up to date.
    """
    described = {table.full_name for table in tables}
    query = "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE {lake}"
    there = sorted(
        name for (name,) in _rows(cursor, query) if is_computed(name) and name not in described
    )
    return ["DROP TABLE " + ".".join(f'"{part}"' for part in name.split(".")) for name in there]


def _shapes(columns: dict[tuple[str, str], tuple[str, str | None]]) -> dict[str, dict[str, str]]:
    shapes: dict[str, dict[str, str]] = {}
    for (table, column), (kind, _) in columns.items():
        shapes.setdefault(table, {})[column] = kind
    return shapes


def _shape(table: Table) -> dict[str, str]:
    return {column.name: _type_name(column.duckdb) for column in table.columns}


def missing_views(cursor, views: Iterable[View]) -> list[str]:
    """Statements that make or replace views and set their comments; their tables must be there."""
    query = "SELECT schema_name || '.' || view_name, sql, comment FROM duckdb_views() WHERE {lake}"
    there = {name: (sql, comment) for name, sql, comment in _rows(cursor, query)}
    statements = []
    for view in views:
        sql, comment = there.get(view.full_name, ("", None))
        if _body(sql) != _body(_canonical(cursor, view)):
            statements.append(f"CREATE OR REPLACE VIEW {view.full_name} AS {view.query}")
            comment = None
        if comment != view.table.comment:
            statements.append(f"COMMENT ON VIEW {view.full_name} IS {_text(view.table.comment)}")
    return statements


def _statements(table: Table, comments: dict, columns: dict) -> Iterator[str]:
    if (table.full_name, table.columns[0].name) not in columns:
        yield from _new(table)
        return
    of_table, *of_columns = table.comments()
    if comments.get(table.full_name) != table.comment:
        yield of_table
    for column, comment in zip(table.columns, of_columns, strict=True):
        type_there, found_comment = columns.get((table.full_name, column.name), (None, None))
        if type_there is None:
            yield f'ALTER TABLE {table.schema}."{table.name}" ADD COLUMN "{column.name}" {column.duckdb}'
        elif type_there != _type_name(column.duckdb):
            raise FloeError(
                f"the lake's column {table.full_name}.{column.name} is {type_there}, this version of Floe expects "
                f"{column.duckdb}: use the version that wrote it, or another FLOE_HOME and replay"
            )
        if found_comment != column.full_comment:
            yield comment


def _new(table: Table) -> Iterator[str]:
    yield table.ddl()
    yield from _with_statistics(table)
    yield from table.comments()


def _with_statistics(table: Table) -> Iterator[str]:
    """A row that comes and goes with the table's own transaction: no snapshot holds it, no change
    feed shows it.

    What stays is that the table has statistics. Of one that has none DuckLake 1.5.5 asks the
    catalog anew for each column of each query (mended after it by pull request 1313): 170 ms for 35
    to read an empty table.
    """
    name = f'{table.schema}."{table.name}"'
    yield f'INSERT INTO {name} ("{table.columns[0].name}") VALUES (NULL)'
    yield f"DELETE FROM {name}"


def _type_name(duckdb_type: str) -> str:
    if duckdb_type == "TIMESTAMPTZ":
        return "TIMESTAMP WITH TIME ZONE"
    return duckdb_type


def _table_comments(cursor) -> dict[str, str]:
    """From DuckLake's own tables: duckdb_tables() counts every table's rows, 0.3 s for 10 ms."""
    query = f"""
        SELECT s.schema_name || '.' || t.table_name, g.value
        FROM {METADATA}.ducklake_table t
        JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
        JOIN {METADATA}.ducklake_tag g ON g.object_id = t.table_id AND g.key = 'comment' AND g.end_snapshot IS NULL
        WHERE t.end_snapshot IS NULL
    """
    return dict(cursor.execute(query).fetchall())


def _columns(cursor) -> dict[tuple[str, str], tuple[str, str | None]]:
    query = """
        SELECT schema_name || '.' || table_name, column_name, data_type, comment FROM duckdb_columns() WHERE {lake}
    """
    return {(table, name): (kind, comment) for table, name, kind, comment in _rows(cursor, query)}


def _rows(cursor, query: str) -> list[tuple]:
    return cursor.execute(query.replace("{lake}", "database_name = 'lake'")).fetchall()


def _canonical(cursor, view: View) -> str:
    """The view's SQL as DuckDB writes it down."""
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW floe_canonical AS {view.query}")
    query = "SELECT sql FROM duckdb_views() WHERE view_name = 'floe_canonical' AND database_name = 'temp'"
    (sql,) = cursor.execute(query).fetchone()
    cursor.execute("DROP VIEW temp.floe_canonical")
    return sql


def _body(create_view: str) -> str:
    return create_view.partition(" AS ")[2]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
