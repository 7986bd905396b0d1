"""The data dictionary: every table of the lake, its columns, units, keys, ranges and comments.

Here: re-exports. Tables live in raw (what arrived), core (what is true now), mart (what
people read), app.py (what the application keeps).
"""

from .app import APP_TABLES
from .base import MARK, TIMESTAMP, Column, Json, JsonList, Outside, Table
from .core import CORE_RECORDS, CORE_TABLES
from .mart import MART_TABLES
from .raw import BOOKKEEPING, RAW_TABLES, TOPIC_BY_NAME, TOPICS, Topic

__all__ = [
    "APP_TABLES",
    "BOOKKEEPING",
    "CORE_RECORDS",
    "CORE_TABLES",
    "MARK",
    "MART_TABLES",
    "RAW_TABLES",
    "TIMESTAMP",
    "TOPICS",
    "TOPIC_BY_NAME",
    "Column",
    "Json",
    "JsonList",
    "Outside",
    "Table",
    "Topic",
]
