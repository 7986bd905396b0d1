"""Dagster resources: each hands out one of Floe's plain objects.

Here: the lake. Not here: what is done with it.
"""

import dagster as dg
from filelock import FileLock

from ingest.lake import Lake
from ingest.settings import Settings


@dg.resource(description="The lake, open for one run; one run at a time writes core and mart.")
def lake_resource(_context):
    settings = Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "materialize.lock"), Lake.open(settings) as lake:
        yield lake
