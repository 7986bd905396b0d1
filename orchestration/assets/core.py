"""The core tables as assets: each a step of `transforms.core.CORE`, after the data cut that they
all read up to.

Here: running a step on the lake as of the cut. Not here: what a step computes.
"""

import dagster as dg
import polars as pl

from ingest.inspection import raw_as_of
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.core import CORE, CoreStep, rows

from ..cut import DATA_CUT, read_cut, take_cut
from .build import table_asset


def core_assets() -> list[dg.AssetsDefinition]:
    return [_data_cut_asset(), *(_step_asset(step) for step in CORE.values())]


def _data_cut_asset() -> dg.AssetsDefinition:
    return table_asset(DATA_CUT, inputs=("raw.ledger",), compute=take_cut)


def _step_asset(step: CoreStep) -> dg.AssetsDefinition:
    def compute(lake: Lake) -> pl.DataFrame:
        cut = read_cut(lake)
        query = raw_as_of(lake, cut.lake_snapshot)
        return rows(step, query=query, options=Settings().options)

    return table_asset(step.table, inputs=(DATA_CUT.full_name, *step.inputs), compute=compute)
