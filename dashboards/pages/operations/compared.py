"""The operations page's view of the comparisons of what is kept with a full computation.

Here: app.comparisons in words. Not here: comparing (orchestration/comparing.py).
"""

import polars as pl
from dash import html

from transforms.counting import counted
from transforms.schemas import APP_TABLES

from ...reader import Reader
from ...tables import table_of
from .tiles import ago

_COMPARISONS = APP_TABLES["comparisons"].full_name
_NEVER = (
    "Never compared: whether what is kept is what a full computation makes is not known. It is compared each night while "
    "Dagster runs; floe materialize --compare does it now."
)


def compared(reader: Reader) -> html.Div:
    """A sentence; the tables that differ; those that the newest comparison left out."""
    rows = reader.query(f"SELECT * FROM {_COMPARISONS} ORDER BY ALL", tables=[_COMPARISONS])
    held = rows if rows.is_empty() else rows.filter(pl.col("compared_at").is_not_null())
    if held.is_empty():
        return html.Div(html.P(_NEVER, className="caption"))
    differing = held.filter(pl.col("rows_differing") > 0)
    return html.Div([_sentence(held, differing), *_lists(rows, differing)])


def _sentence(held: pl.DataFrame, differing: pl.DataFrame) -> html.P:
    text = f"Last compared {ago(held['compared_at'].max())}. Of {counted(held.height, 'table')} that were held against a full computation, "
    if differing.is_empty():
        return html.P(f"{text}all are equal.", className="caption")
    names = ", ".join(differing["table_name"])
    return html.P(
        f"\N{WARNING SIGN} {text}{differing.height} not: {names}.", className="caption concern"
    )


def _lists(rows: pl.DataFrame, differing: pl.DataFrame) -> list:
    table = pl.col("table_name").alias("table")
    at = pl.col("compared_at").dt.strftime("%Y-%m-%d %H:%M").alias("compared (UTC)")
    counts = differing.select(
        table, pl.col("rows_differing").alias("rows that differ"), pl.col("rows").alias("of"), at
    )
    left_out = rows.filter(pl.col("skipped_because").is_not_null()).select(
        table, pl.col("skipped_because").alias("because"), at
    )
    shown = (
        (counts, "Tables that differ from a full computation"),
        (left_out, "Tables that the newest comparison left out"),
    )
    return [table_of(part, caption=caption) for part, caption in shown if part.height]
