"""The marts as assets: each an entry of `transforms.marts.MARTS`.

Here: reading a mart's inputs and one call. Not here: what a mart means.
"""

from functools import partial

import dagster as dg
import polars as pl

from ingest.lake import Lake
from ingest.settings import Settings
from transforms.marts import MARTS, Mart, read_of
from transforms.restatements import TABLE as RESTATEMENTS
from transforms.restatements import restated
from transforms.schemas import CORE_TABLES, MART_TABLES

from ..cut import DATA_CUT, read_cut
from ..following import Cursor, Standing, touched
from ..one_run import Run
from .build import Followed, Part, table_asset


def mart_assets() -> list[dg.AssetsDefinition]:
    return [_restatements_asset(), *(one.asset() for one in followed())]


def followed() -> list[Followed]:
    return [
        Followed(mart.table, mart.inputs, partial(compute, mart), mart.follows)
        for mart in MARTS.values()
    ]


def _restatements_asset() -> dg.AssetsDefinition:
    """Its own rows are an input: what earlier runs computed under which version."""

    def compute(lake: Lake) -> pl.DataFrame:
        started_at = lake.table(DATA_CUT.full_name)["started_at"][0]
        earlier = lake.table(RESTATEMENTS.full_name)
        return restated(
            earlier, cut=read_cut(lake), started_at=started_at, options=Settings().options
        )

    return table_asset(RESTATEMENTS, inputs=(DATA_CUT.full_name,), compute=compute)


def compute(
    mart: Mart, run: Run, before: Cursor | None = None, stands: Standing | None = None
) -> Part:
    """The mart's rows from the lake as it is now: of the patients whom the changes since `before`
    touch, where these say whom, else all.
    """
    inputs = {
        name.split(".")[1]: run.lake.sql(f"SELECT {read_of(name)} FROM {name}")
        for name in mart.inputs
    }
    fixed = {"options": Settings().options, "cut": run.cut}
    if mart.is_summary:
        return Part(mart.compute(**inputs, **fixed))
    patients = None
    if before and stands and stands.changed is not None:
        named = {n: c for n in mart.inputs if (c := patient_column(n))}
        patients = touched(run.lake, before, stands.changed, columns=named, cut=run.cut)
    if patients is None:
        return Part(mart.compute(None, **inputs, **fixed))
    keys = patients.rename({"key": "patient_id"})
    own = patients.rename({"key": patient_column(mart.table.full_name)})
    return Part(mart.compute(keys, **inputs, **fixed), own)


def patient_column(full_name: str) -> str | None:
    """The column of a table of core or mart that names a row's patient; None where none does."""
    schema, name = full_name.split(".")
    names = {"core": CORE_TABLES, "mart": MART_TABLES}.get(schema, {})
    columns = names[name].names if name in names else ()
    return next((c for c in ("USUBJID", "patient_id") if c in columns), None)
