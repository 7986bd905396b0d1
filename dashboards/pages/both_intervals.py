"""Which of two intervals a picture draws, and what the other says: these clinics' patients, or
clinics like these.

Here: the caption's sentence and the table's text. Not here: the intervals (the marts).
"""

import polars as pl

from .. import words

THESE = "The intervals drawn are of these clinics' own patients (95 %)."
LIKE_THESE = "for clinics like these (95 % CI)"  # a table's column


def which_is_drawn(rows: pl.DataFrame, *, name: str = "ci_clustered") -> str:
    """That these clinics' is drawn, and that the other stands in the table, or why there is
    none.
    """
    if f"{name}_upper" not in rows.columns:
        return THESE
    if rows[f"{name}_upper"].is_not_null().any():
        return f"{THESE} Those for clinics like these, which differ among themselves, stand in the table."
    reason = rows["clustered_reason"].drop_nulls()
    if not len(reason):
        return THESE
    return f"{THESE} For clinics like these there are none: {reason[0]}."


def like_these(row: dict, *, digits: int, scale: float = 1, name: str = "ci_clustered") -> str:
    """The limits for clinics like these as text; without them why."""
    lower, upper = row.get(f"{name}_lower"), row.get(f"{name}_upper")
    if lower is None or upper is None:
        return row.get("clustered_reason") or words.NOTHING
    return f"{words.number(scale * lower, digits)} to {words.number(scale * upper, digits)}"
