"""The core tables as assets: each a step of `transforms.core.CORE`, after the data cut that they
all read up to.

Here: running a step on the lake as of the cut. Not here: what a step computes.
"""

import dagster as dg
import polars as pl

from ingest.inspection import raw_as_of
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.core import CORE
from transforms.core_step import CoreStep, Query, rows
from transforms.facts.masking import TELLING
from transforms.schemas import RAW_TABLES, Table

from ..cut import DATA_CUT, read_cut, take_cut
from .build import table_asset


def core_assets() -> list[dg.AssetsDefinition]:
    return [_data_cut_asset(), *(_step_asset(step) for step in CORE.values())]


def _data_cut_asset() -> dg.AssetsDefinition:
    return table_asset(DATA_CUT, inputs=("raw.ledger",), compute=take_cut)


def compute(step: CoreStep, lake: Lake) -> pl.DataFrame:
    """The step's table from the lake as of the data cut in force."""
    query = raw_as_of(lake, read_cut(lake).lake_snapshot)
    if step.table.name in TELLING:
        query = _opening(lake, RAW_TABLES[step.table.name], query)
    return rows(step, query=query, options=Settings().options)


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


def _step_asset(step: CoreStep) -> dg.AssetsDefinition:
    return table_asset(
        step.table,
        inputs=(DATA_CUT.full_name, *step.inputs),
        compute=lambda lake: compute(step, lake),
    )
