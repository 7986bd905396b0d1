"""Rows of a summary's stratum: stored ones, and computed as they are asked for finer ones and those
of other treatment episodes than the first.

Here: which of the two, and what a summary was computed from. Not here: counting (transforms/marts),
what passes the gate and what is kept (reader.py), which stratum (strata.py).

What is computed is what the summary would hold, had it stored the stratum: by the function that
makes the summary, of its inputs as they were when it was last computed.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from ingest.lake import Lake
from transforms.facts.values import FIRST
from transforms.options import Cut, Options
from transforms.schemas import MART_TABLES

from .reader import Reader
from .strata import Stratum


def rows_of(
    reader: Reader,
    mart: str,
    stratum: Stratum,
    where: str = "true",
    params: Sequence[Any] = (),
    *,
    episode: str = FIRST,
    **narrowed: Any,
) -> pl.DataFrame:
    """Rows of the stratum for which `where` holds, as the reader may see them; of one that is not
    stored none for a reader from outside.

    `episode`: of which treatment episodes, where the summary's function takes it: the first are
    stored. `narrowed`: what of it is computed, where it must be.
    """
    if stratum.is_stored and episode == FIRST:
        condition, values = stratum.condition(after=len(params))
        return reader.mart(mart, f"{where} AND {condition}", [*params, *values])
    if episode != FIRST:
        narrowed = {**narrowed, "episode": episode}

    def compute(lake: Lake, cursor: dict) -> pl.DataFrame:
        options = reader.settings.options
        return _computed(lake, mart, stratum, cursor=cursor, options=options, **narrowed)

    key = (stratum, *sorted(narrowed.items()))
    rows = reader.computed(mart, key, compute)
    if rows is None:
        return MART_TABLES[mart].empty()
    return reader.narrowed(rows, where, params)


def is_seen(reader: Reader, stratum: Stratum) -> bool:
    """Whether rows of the stratum are for this reader at all."""
    return stratum.is_stored or not reader.is_outside


def _computed(
    lake: Lake, name: str, stratum: Stratum, *, cursor: dict, options: Options, **narrowed: Any
) -> pl.DataFrame:
    from transforms.marts import read_of  # statistics, which stored rows need none of
    from transforms.marts.asked import made_by, rows_of_stratum

    inputs, summary = made_by(name, episode=narrowed.get("episode", FIRST))
    then = f"AT (VERSION => {cursor['read_at']})"
    tables = {}
    for full_name in inputs:
        statement = f"SELECT {read_of(full_name)} FROM {full_name} {then}"
        tables[full_name.split(".")[1]] = lake.sql(statement)
    cut = Cut(lake_snapshot=cursor["raw_snapshot"], data_cutoff=cursor["data_cutoff"])
    given = {**tables, "options": options, "cut": cut, **narrowed}
    return rows_of_stratum(summary, stratum.combination, dict(stratum.values), **given)
