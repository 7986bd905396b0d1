"""Where a large computation is done: the seam of one function.

    map(function, batches) -> frames

`function` is importable and pure, a batch is data; the frames come in the order of the batches, whichever
is done first. Workers read the lake as of a snapshot; who asks for the frames writes and commits.

Here: which engine a site has. Not here: the engines (local.py, on_ray.py), what is computed
(orchestration/assets/of_batch.py).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import polars as pl

from . import local, on_ray

B = TypeVar("B")
Map = Callable[[Callable[[B], pl.DataFrame], Sequence[B]], Iterator[pl.DataFrame]]


def require_usable(settings) -> None:
    """UsageError or Missing where FLOE_ENGINE names what can't be used here."""
    if settings.engine == "ray":
        on_ray.require_usable(settings)


@contextmanager
def engine(settings) -> Iterator[Map | None]:
    """FLOE_ENGINE's, which starts with the first call; None where it would be one process."""
    is_local = settings.engine == "local"
    if is_local and local.room_here(settings).workers == 1:
        yield None
        return
    started: list[Map] = []
    with ExitStack() as ending:

        def mapped(function, batches):
            if not started:
                opened = (
                    local.pool(local.room_here(settings)) if is_local else on_ray.cluster(settings)
                )
                started.append(ending.enter_context(opened))
            return started[0](function, batches)

        yield mapped
