"""The releases to readers from outside the clinic as an asset, below every mart that they show.

Here: when Dagster asks whether one is due. Not here: what a release is (releases.py).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ingest.settings import Settings
from transforms.schemas.app import RELEASED

from ..releases import RELEASES, release_if_due
from .build import column_schema, table_key


def app_assets() -> list[dg.AssetsDefinition]:
    return [_releases]


@dg.asset(
    key=table_key(RELEASES.full_name),
    deps=[table_key(f"mart.{name}") for name in RELEASED],
    description=RELEASES.comment,
    group_name=RELEASES.schema,
    kinds={"duckdb", "polars"},
    metadata={"dagster/column_schema": column_schema(RELEASES)},
    required_resource_keys={"lake"},
)
def _releases(context: dg.AssetExecutionContext):
    """Runs after each whole materialisation, since it depends on all of the marts; most runs find none due."""
    settings = Settings()
    said = release_if_due(
        context.resources.lake,
        every=timedelta(days=settings.release_days),
        options=settings.options,
        now=datetime.now(UTC),
    )
    return dg.MaterializeResult(metadata={"release": said})
