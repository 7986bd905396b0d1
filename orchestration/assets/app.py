"""What follows once tables are computed: releases to readers from outside the clinic.

Here: when Dagster asks whether one is due. Not here: what a release is (releases.py), alerts
(ingest/alerting: they follow what lands, and wait for no table).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ingest.inspection import outdated_tables
from ingest.settings import Settings
from transforms.restating.reasons import TABLE as RESTATEMENTS
from transforms.schemas.app import OUTDATED_TABLES, RELEASED

from ..releases import RELEASES, release_if_due
from .build import column_schema, table_key
from .order import advance


def app_assets() -> list[dg.AssetsDefinition]:
    return [_releases]


@dg.asset(
    key=table_key(RELEASES.full_name),
    deps=[*(table_key(f"mart.{name}") for name in RELEASED), table_key(RESTATEMENTS.full_name)],
    description=RELEASES.comment,
    group_name=RELEASES.schema,
    kinds={"duckdb", "polars"},
    metadata={"dagster/column_schema": column_schema(RELEASES)},
    required_resource_keys={"lake", "run"},
)
def _releases(context: dg.AssetExecutionContext):
    """Runs after each whole materialisation, since it depends on all of the marts; most runs find
    none due.

    So it is also where what another release had computed has been computed anew, and where tables
    that had not to be computed stand on the cut in force.
    """
    settings, lake = Settings(), context.resources.lake
    advance(context.resources.run)
    if outdated_tables(lake, schemas=("core", "mart")):
        lake.write(
            lambda w: w.execute(
                f"DELETE FROM {OUTDATED_TABLES.full_name} WHERE table_name NOT LIKE 'app.%'"
            )
        )
    sentence = release_if_due(
        lake,
        every=timedelta(days=settings.release_days),
        options=settings.options,
        now=datetime.now(UTC),
    )
    return dg.MaterializeResult(metadata={"release": sentence})
