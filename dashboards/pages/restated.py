"""Figures that the last release has shown and that are others now, in words.

Here: the list of them, and the note on a card that shows one. Not here: which they are and why
(mart.restatements), for whom (dashboards/gate.py: the clinic's own staff).
"""

import json
from collections.abc import Mapping, Sequence

import polars as pl

from transforms.facts.strata import STRATUM_COLUMNS

from .. import words
from ..filters import Chosen
from ..reader import Reader
from ..tables import table_of

_MOST_COLUMNS = 3
_STANDING = "release_id = $1 AND len(changed) > 0"


def restated(reader: Reader, where: str = "true", params: Sequence = ()) -> pl.DataFrame:
    """Rows of mart.restatements of the release in force, the newest first."""
    release = reader.release()
    if release is None:
        return pl.DataFrame()
    rows = reader.mart("restatements", f"{_STANDING} AND {where}", [release["release_id"], *params])
    return rows.sort("restated_at", "table", "figure", descending=[True, False, False])


def restated_table(reader: Reader):
    """The operations page's list, one row per figure."""
    return table_of(
        _listed(restated(reader)),
        caption="Figures that the last release has shown and that are others now",
        none="No figure of the last release was changed since by more than new data.",
    )


def _listed(rows: pl.DataFrame) -> pl.DataFrame:
    at = "%Y-%m-%d %H:%M"
    return pl.DataFrame(
        [
            {
                "figure": row["in_words"],
                "summary": row["table"],
                "as released, and now": change_of(row),
                "because": row["because"],
                "first (UTC)": row["first_restated_at"].strftime(at),
                "last (UTC)": row["restated_at"].strftime(at),
                "times": row["times"],
            }
            for row in rows.iter_rows(named=True)
        ]
    )


def change_of(row: Mapping) -> str:
    """The columns that changed, as they were released and as they are: estimate -2.45, now -2.75."""
    was, now = json.loads(row["published"]), json.loads(row["restated"] or "null")
    if now is None:
        return "is no more"
    first = sorted(row["changed"], key=lambda c: c != "estimate")[:_MOST_COLUMNS]
    shown = [f"{c.replace('_', ' ')} {_text(was[c])}, now {_text(now[c])}" for c in first]
    return "; ".join(shown)


def _text(value: object) -> str:
    if value is None:
        return words.NOTHING
    if isinstance(value, float):
        return words.number(value)
    return words.count(value) if isinstance(value, int) else str(value)


def notes(reader: Reader, mart: str, metrics: Sequence[str], choice: Chosen) -> tuple[str, ...]:
    """Of a card of a summary: how many of its figures, of the selection, were restated, and the
    newest of them; nothing where none was.
    """
    rows = restated(reader, '"table" = $2', [mart])
    if rows.is_empty():
        return ()
    of = [
        pl.col("figure").str.json_path_match(f"$.{c}").eq_missing(pl.lit(choice.dimensions.get(c)))
        for c in STRATUM_COLUMNS
        if f'"{c}":' in rows["figure"][0]
    ]
    rows = rows.filter(pl.col("metric_id").is_in(list(metrics)), *of)
    if rows.is_empty():
        return ()
    row = rows.row(0, named=True)
    figures = "1 figure is" if rows.height == 1 else f"{words.count(rows.height)} figures are"
    return (
        f"Restated: {figures} not as release {row['release_id']} has shown. {row['in_words']}: {change_of(row)} "
        f"({row['because']}). The operations page lists all.",
    )
