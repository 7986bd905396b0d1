"""One batch of a table, computed wherever the lake can be read: what an engine's workers run.

Here: the lake as of the batch's snapshot, read-only, and the rows of its keys. Not here: what a batch
is (orchestration/batches.py), who runs it (orchestration/engines), what is written.
"""

from functools import lru_cache

import polars as pl

from ingest.lake import LakeOfARun
from ingest.settings import Settings
from transforms.errors import UsageError

from ..batches import Batch
from ..following import fingerprint
from ..one_run import Run
from .order import in_order

_OPEN: dict[int, Run] = {}  # of this process, one at most, by snapshot


def rows_of(batch: Batch) -> pl.DataFrame:
    """The rows of the batch's keys. UsageError where this machine would compute others than the run that
    asks: other code, settings or libraries, or another lake.
    """
    run = _as_of(batch.snapshot)
    if fingerprint(run.options) != batch.fingerprint:
        raise UsageError(
            "found a worker with other code, settings or libraries than the run it works for, expected the same: install the "
            "same Floe on each machine and start its workers with the same FLOE_* variables"
        )
    if run.cut != batch.cut:
        raise UsageError(
            f"found a worker whose lake has another data cut in snapshot {batch.snapshot}, expected the lake of the run it works "
            "for: give each machine the same FLOE_CATALOG (postgres:URI) and FLOE_DATA (s3://...)"
        )
    return _tables()[batch.table].rows_of(run, batch.keys)


def _as_of(snapshot: int) -> Run:
    """Kept open from batch to batch: what several of them read is read once."""
    if snapshot not in _OPEN:
        while _OPEN:
            _OPEN.popitem()[1].lake.close()
        _OPEN[snapshot] = Run(LakeOfARun.open(Settings(), as_of=snapshot))
    return _OPEN[snapshot]


@lru_cache(maxsize=1)
def _tables() -> dict:
    return {one.table.full_name: one for one in in_order()}
