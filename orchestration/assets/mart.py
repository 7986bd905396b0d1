"""The marts as assets: each an entry of `transforms.marts.MARTS`.

Here: reading a mart's inputs and one call. Not here: what a mart means.
"""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from ingest.lake import Lake
from transforms.marts import MARTS, Mart, read_of
from transforms.restating import metric_versions
from transforms.restating.reasons import TABLE as RESTATEMENTS
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.touching import Touches, by

from .. import restating
from ..cut import DATA_CUT
from ..one_run import Run
from .build import Followed
from .by_stratum import of_strata
from .parts import Part, distinct


def mart_assets() -> list[dg.AssetsDefinition]:
    return [one.asset() for one in followed()]


def followed() -> list[Followed]:
    return [
        Followed(metric_versions.TABLE, (), _versions, follows="nothing"),
        *(_of_mart(mart) for mart in MARTS.values()),
        Followed(RESTATEMENTS, restating.INPUTS, _restated, follows="nothing"),
    ]


def _of_mart(mart: Mart) -> Followed:
    touched_by = _touched_by(mart) if mart.coupled or not mart.is_summary else {}
    by_patients = {} if mart.is_summary else _by_patients(mart)
    return Followed(
        mart.table,
        mart.inputs,
        partial(compute, mart),
        mart.follows,
        touched_by=touched_by | mart.touched_by,
        is_of_everybody=mart.is_of_everybody,
        **by_patients,
    )


def _by_patients(mart: Mart) -> dict[str, Any]:
    """What it takes to compute some patients at a time."""
    return {
        "key": patient_column(mart.table.full_name),
        "every_key": partial(_every_patient, mart),
    }


def _every_patient(mart: Mart, run: Run, touched: pl.Series | None) -> pl.Series:
    if touched is not None:
        return touched
    named = ((name, patient_column(name)) for name in (*mart.inputs, mart.table.full_name))
    return run.lake.sql(distinct((name, column) for name, column in named if column))["key"]


def _touched_by(mart: Mart) -> dict[str, tuple[Touches, ...]]:
    """The rows of an input that name patients touch those."""
    named = {name: patient_column(name) for name in mart.inputs}
    return {name: by(column) for name, column in named.items() if column}


def _restated(run: Run, _touched: pl.Series | None) -> Part:
    """Of what earlier runs restated nothing is computed again."""
    return Part(*restating.restated_rows(run))


def _versions(run: Run, _touched: pl.Series | None) -> Part:
    """Its own rows are an input: what earlier runs computed under which version."""
    lake = run.lake
    earlier = lake.table(metric_versions.TABLE.full_name)
    started_at = lake.table(DATA_CUT.full_name)["started_at"][0]
    return Part(
        metric_versions.with_versions(
            earlier, cut=run.cut, started_at=started_at, options=run.options
        )
    )


def compute(mart: Mart, run: Run, touched: pl.Series | None = None) -> Part:
    """The mart's rows from the lake as it is now: of the patients who are touched, or of the strata
    that they are in, else all.
    """
    whose = None if mart.is_summary else touched
    inputs = {name.split(".")[1]: _read(run.lake, name, whose) for name in mart.inputs}
    fixed = {"options": run.options, "cut": run.cut}
    if mart.is_summary:
        part = None if touched is None else of_strata(mart, run, touched, inputs)
        return part or Part(mart.compute(**inputs, **fixed))
    if touched is None:
        return Part(mart.compute(None, **inputs, **fixed))
    keys = touched.to_frame("patient_id")
    own = touched.to_frame(patient_column(mart.table.full_name))
    return Part(mart.compute(keys, **inputs, **fixed), own)


def _read(lake: Lake, name: str, touched: pl.Series | None) -> pl.DataFrame:
    """An input: of a table that names patients the rows of those who are touched."""
    column = patient_column(name)
    query = f"SELECT {read_of(name)} FROM {name}"
    if touched is None or column is None:
        return lake.sql(query)
    return lake.sql(f'{query} SEMI JOIN keys USING ("{column}")', keys=touched.to_frame(column))


def patient_column(full_name: str) -> str | None:
    """The column of a table of core or mart that names a row's patient; None where none does."""
    schema, name = full_name.split(".")
    names = {"core": CORE_TABLES, "mart": MART_TABLES}.get(schema, {})
    columns = names[name].names if name in names else ()
    return next((c for c in ("USUBJID", "patient_id") if c in columns), None)
