"""The core tables as assets: each a step of `transforms.core.CORE`, after the data cut that they
all read up to.

Here: running a step on the lake as of the cut. Not here: what a step computes.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from ingest.lake import Lake
from transforms.core import CORE
from transforms.core_step import CoreStep, Query, keys_of, rows
from transforms.facts.masking import TELLING
from transforms.schemas import RAW_TABLES, Table

from ..cut import DATA_CUT, take_cut
from ..one_run import Run
from .build import Followed, table_asset
from .parts import Part, distinct


def core_assets() -> list[dg.AssetsDefinition]:
    return [_data_cut_asset(), *(one.asset() for one in followed())]


def followed() -> list[Followed]:
    """The steps of core, each after those that it reads."""
    return [
        Followed(
            step.table,
            step.inputs,
            partial(compute, step),
            follows="hour" if "cut" in step.reads else "nothing",
            touched_by=step.touched_by,
            **_by_keys(step),
        )
        for step in CORE.values()
    ]


def _by_keys(step: CoreStep) -> dict[str, Any]:
    """Of a step that may have many keys: what it takes to compute some at a time."""
    if not step.keys or step.read_for:  # whole, or by topics
        return {}
    return {"key": step.keys[0], "every_key": partial(_every_key, step)}


def _recorded_in(step: CoreStep) -> Iterator[tuple[str, str]]:
    """Each input whose rows name keys of the step, and the column that does."""
    for name, touching in step.touched_by.items():
        for touches in touching:
            if touches.columns == step.keys and not (touches.part or touches.through):
                yield name, touches.columns[0]


def _every_key(step: CoreStep, run: Run, touched: pl.Series | None) -> pl.Series:
    """Of all that was recorded and is stored, where nothing in particular is touched."""
    [key] = step.keys
    if touched is None:
        named = [*_recorded_in(step), (step.table.full_name, key)]
        touched = run.query(distinct(named))["key"]
    recorded = touched.to_frame(key)
    return keys_of(step, recorded, query=run.query, options=run.options)[key]


def _data_cut_asset() -> dg.AssetsDefinition:
    return table_asset(DATA_CUT, inputs=("raw.ledger",), compute=take_cut)


def compute(step: CoreStep, run: Run, touched: pl.Series | None = None) -> Part:
    """The step's table from the lake as of the data cut in force: of the keys that are touched, else
    whole.
    """
    query = run.query
    if step.table.name in TELLING:
        query = _opening(run.lake, RAW_TABLES[step.table.name], query)
    if touched is None:
        return Part(rows(step, query=query, options=run.options))
    keys = keys_of(step, touched.to_frame(step.keys[0]), query=query, options=run.options)
    return Part(rows(step, query=query, options=run.options, keys=keys), keys)


def _opening(lake: Lake, table: Table, query: Query) -> Query:
    """`query`, whose rows of a table of `raw` are opened in memory: the step leaves out what is
    masked.
    """

    def opened(statement: str, **frames: pl.DataFrame) -> pl.DataFrame:
        rows_of = query(statement, **frames)
        if set(table.names) <= set(
            rows_of.columns
        ):  # a lake brought forward has them in another order
            return lake.opened(table, rows_of)
        return rows_of

    return opened
