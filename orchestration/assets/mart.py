"""The marts as assets: each an entry of `transforms.marts.MARTS`.

Here: reading a mart's inputs and one call. Not here: what a mart means.
"""

import dagster as dg
import polars as pl

from ingest.lake import Lake
from ingest.settings import Settings
from transforms.marts import MARTS, Mart
from transforms.restatements import TABLE as RESTATEMENTS
from transforms.restatements import restated
from transforms.schemas.raw import REJECTS

from ..cut import DATA_CUT, read_cut
from .build import table_asset


def mart_assets() -> list[dg.AssetsDefinition]:
    return [_restatements_asset(), *(_mart_asset(mart) for mart in MARTS.values())]


def _restatements_asset() -> dg.AssetsDefinition:
    """Its own rows are an input: what earlier runs computed under which version."""

    def compute(lake: Lake) -> pl.DataFrame:
        started_at = lake.table(DATA_CUT.full_name)["started_at"][0]
        earlier = lake.table(RESTATEMENTS.full_name)
        return restated(
            earlier, cut=read_cut(lake), started_at=started_at, options=Settings().options
        )

    return table_asset(RESTATEMENTS, inputs=(DATA_CUT.full_name,), compute=compute)


def _mart_asset(mart: Mart) -> dg.AssetsDefinition:
    return table_asset(
        mart.table,
        inputs=(DATA_CUT.full_name, *mart.inputs),
        compute=lambda lake: compute(mart, lake, keys=None),
    )


def compute(mart: Mart, lake: Lake, *, keys: pl.DataFrame | None) -> pl.DataFrame:
    """The mart's rows of `keys` (a frame of `patient_id`; None = all) from the lake as it is
    now.
    """
    inputs = {name.split(".")[1]: lake.table(name, _columns(name)) for name in mart.inputs}
    fixed = {"options": Settings().options, "cut": read_cut(lake)}
    if mart.is_summary:
        return mart.compute(**inputs, **fixed)
    return mart.compute(keys, **inputs, **fixed)


def _columns(name: str) -> list[str] | None:
    """All, but for the bytes of rejects: a flood's may be larger than memory, and no figure is made
    of them.
    """
    if name != REJECTS.full_name:
        return None
    return [column.name for column in REJECTS.columns if column.dtype != pl.Binary]
