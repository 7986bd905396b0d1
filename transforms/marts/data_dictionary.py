"""mart.data_dictionary: every table and view of the lake, column by column.

Here: a row a column. Not here: the descriptions themselves (transforms/schemas).
"""

import polars as pl

from ..options import Cut, Options
from ..schemas import APP_TABLES, BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES
from ..schemas.views import VIEWS

TABLE = MART_TABLES["data_dictionary"]
INPUTS: tuple[str, ...] = ()


def compute(*, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.data_dictionary`."""
    tables = (
        *RAW_TABLES.values(),
        *BOOKKEEPING,
        *(v.table for v in VIEWS),
        *CORE_TABLES.values(),
        *MART_TABLES.values(),
        *APP_TABLES.values(),
    )
    rows = [
        {
            "schema": table.schema,
            "table": table.name,
            "column": column.name,
            "position": position,
            "type": column.duckdb,
            "unit": column.unit,
            "is_key": column.name in table.key,
            "closed_list": None if column.closed is None else list(column.closed),
            "comment": column.comment,
            "table_comment": table.comment,
        }
        for table in tables
        for position, column in enumerate(table.columns, 1)
    ]
    return pl.DataFrame(rows, schema=TABLE.polars_schema).sort("schema", "table", "position")
