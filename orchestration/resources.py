"""Dagster resources: each hands out one of Floe's plain objects.

Here: the lake, one run. Not here: what is done with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from filelock import FileLock

from ingest.lake import Lake, LakeOfARun
from ingest.private import keep_private, make_home
from ingest.settings import Settings

from .one_run import Run


@contextmanager
def lake_to_materialize(settings) -> Iterator[Lake]:
    """The lake, once no other run writes core, mart and releases."""
    keep_private()
    make_home(settings)
    with FileLock(settings.home / "materialize.lock"), LakeOfARun.open(settings) as lake:
        yield lake


@dg.resource(
    description="The lake, open for one run; one run at a time writes core, mart and releases."
)
def lake_resource(_context):
    with lake_to_materialize(Settings()) as lake:
        yield lake


@dg.resource(
    required_resource_keys={"lake"},
    description="What one run knows of the lake: the data cut, what changed.",
)
def run_resource(context):
    return Run(context.resources.lake)
