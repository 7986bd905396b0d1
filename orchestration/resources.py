"""Dagster resources: each hands out one of Floe's plain objects.

Here: the lake, one run and its engine. Not here: what is done with it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import dagster as dg

from ingest.lake import Lake, LakeOfARun, alone
from ingest.private import keep_private, make_home
from ingest.settings import Settings

from .assets.of_batch import rows_of
from .batches import FramesOf
from .engines import Map, engine
from .one_run import Run

Say = Callable[[str], object]


@contextmanager
def lake_to_materialize(settings, *, say: Say = lambda _: None) -> Iterator[Lake]:
    """The lake, once no other run, on this host or another, writes core, mart and releases."""
    keep_private()
    make_home(settings)
    with alone(settings, "materialize", say=say), LakeOfARun.open(settings) as lake:
        yield lake


@contextmanager
def lake_to_tidy(settings, *, say: Say = lambda _: None) -> Iterator[Lake]:
    """The lake, once no other upkeep is at work."""
    keep_private()
    make_home(settings)
    with Lake.open(settings) as lake, alone(settings, "upkeep", say=say):
        yield lake


@dg.resource(
    description="The lake, open for one run; one run at a time writes core, mart and releases."
)
def lake_resource(context):
    with lake_to_materialize(Settings(), say=context.log.warning) as lake:
        yield lake


@dg.resource(
    required_resource_keys={"lake"},
    description="What one run knows of the lake: the data cut, what changed.",
)
def run_resource(context):
    with engine(Settings()) as mapped:
        yield Run(context.resources.lake, in_batches(mapped))


def in_batches(mapped: Map | None) -> FramesOf | None:
    """An engine's frames of batches of tables."""
    return mapped and partial(mapped, rows_of)
