"""The marts as assets: each an entry of `transforms.marts.MARTS`.

Here: reading a mart's inputs and one call. Not here: what a mart means.
"""

from functools import partial

import dagster as dg

from ingest.settings import Settings
from transforms.marts import MARTS, Mart, read_of
from transforms.restating import metric_versions
from transforms.restating.reasons import TABLE as RESTATEMENTS
from transforms.schemas import CORE_TABLES, MART_TABLES

from .. import restating
from ..cut import DATA_CUT
from ..following import Cursor, Standing, touched
from ..one_run import Run
from .build import Followed, Part


def mart_assets() -> list[dg.AssetsDefinition]:
    return [one.asset() for one in followed()]


def followed() -> list[Followed]:
    return [
        Followed(metric_versions.TABLE, (), _versions, follows="nothing"),
        *(Followed(m.table, m.inputs, partial(compute, m), m.follows) for m in MARTS.values()),
        Followed(RESTATEMENTS, restating.INPUTS, _restated, follows="nothing"),
    ]


def _restated(run: Run, _before: Cursor | None, _stands: Standing | None) -> Part:
    """Of what earlier runs restated nothing is computed again."""
    rows = restating.restated_rows(run)
    return Part(rows, rows.select(RESTATEMENTS.key))


def _versions(run: Run, _before: Cursor | None, _stands: Standing | None) -> Part:
    """Its own rows are an input: what earlier runs computed under which version."""
    lake = run.lake
    earlier = lake.table(metric_versions.TABLE.full_name)
    started_at = lake.table(DATA_CUT.full_name)["started_at"][0]
    return Part(
        metric_versions.with_versions(
            earlier, cut=run.cut, started_at=started_at, options=Settings().options
        )
    )


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
