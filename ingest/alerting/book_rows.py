"""An alert as a row of the book, and back.

Here: times as sortable text, lists as JSON. Not here: the statements (book_statements.py).
"""

import json
import sqlite3
from datetime import UTC, datetime

_TIMES = ("occurred_at", "landed_at", "told_at", "acknowledged_at")


def as_kept(value):
    """As SQLite keeps it: times as sortable UTC text, lists as JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if not isinstance(value, list):
        return value
    return json.dumps(value)


def alert_of(row: sqlite3.Row) -> dict:
    alert = dict(row)
    for name in _TIMES:
        alert[name] = datetime.fromisoformat(alert[name]) if alert[name] else None
    return alert | {
        "evidence": json.loads(alert["evidence"] or "[]"),
        "is_closed_by_rule": bool(alert["is_closed_by_rule"]),
    }
