"""Core and mart of a lake brought up to date, without Dagster.

Here: the tables in the order of their inputs, one run. Not here: which lake, what must come of it.
"""

from collections.abc import Collection

from ingest.lake import LakeOfARun
from orchestration.assets.order import in_order
from orchestration.batches import FramesOf
from orchestration.cut import DATA_CUT, take_cut
from orchestration.one_run import Run


def needed_for(*names: str) -> set[str]:
    """These tables, and all of core and mart that they are computed from."""
    inputs, waiting, found = {t.table.full_name: t.inputs for t in in_order()}, [*names], set()
    while waiting:
        found.add(name := waiting.pop())
        waiting += [n for n in inputs[name] if n in inputs and n not in found]
    return found


def brought_up_to_date(
    lake: LakeOfARun,
    *,
    is_full: bool = False,
    is_without_models: bool = False,
    only: Collection[str] | None = None,
    frames_of: FramesOf | None = None,
) -> dict[str, tuple[int, str]]:
    """By table how many rows changed, and why it was computed, or that it was not; `only`: of these
    tables, as after a crash beside them.
    """
    cut, told = take_cut(lake), {}
    lake.write(lambda w: w.replace(DATA_CUT, cut))
    run = Run(lake, frames_of)
    for one in in_order():
        if only is not None and one.table.full_name not in only:
            continue
        for result in one.run(run, is_full=is_full, is_without_models=is_without_models):
            said = result.metadata
            told[one.table.full_name] = (said["rows changed"], said["because"])
    run.advance()
    return told
