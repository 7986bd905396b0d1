"""A full computation of a lake by the engine of its settings, in a process of its own.

Here: `python -m tests.full_run FUNCTION [TABLES]`, with FLOE_HOME; what a worker may do beside its batch, by name.
Prints the seconds that it took. Not here: what must come of it.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ingest.lake import LakeOfARun
from ingest.settings import Settings
from orchestration.assets import of_batch
from orchestration.engines import engine
from tests.followed import brought_up_to_date

NOTES = "FLOE_TESTS_NOTES"  # a folder that all workers see
DIES_AT = "FLOE_TESTS_DIES_AT"  # the write after which this process dies


def noted(batch):
    """Notes who computed it: a process."""
    rows = of_batch.rows_of(batch)
    with (Path(os.environ[NOTES]) / str(os.getpid())).open("a") as notes:
        notes.write(f"{batch.table}\n")
    return rows


def killed_once(batch):
    """The third batch ends the worker that has it, as the kernel does for want of memory; once."""
    folder = Path(os.environ[NOTES])
    (folder / f"begun-{os.getpid()}-{hash(batch.keys[0])}-{batch.table}").touch()
    if len(list(folder.glob("begun-*"))) >= 3:
        try:
            (folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return noted(batch)


def main(function: str, *tables: str) -> None:
    settings = Settings()
    whose: Callable = {"noted": noted, "killed_once": killed_once}[function]
    with LakeOfARun.open(settings) as lake, engine(settings) as mapped:
        dies_at = int(os.environ.get(DIES_AT, "0"))
        if dies_at:
            _dying(lake, dies_at)
        frames_of = mapped and partial(mapped, whose)
        begun = time.perf_counter()
        brought_up_to_date(lake, is_full=True, only=tables or None, frames_of=frames_of)
        print(time.perf_counter() - begun)


def _dying(lake: LakeOfARun, at: int) -> None:
    """The lake's process is killed once it has written so many times."""
    write, written = lake.write, []

    def then_dead(work):
        result = write(work)
        written.append(result)
        if len(written) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    lake.write = then_dead


if __name__ == "__main__":
    from tests import full_run  # under its own name, by which workers find the functions

    full_run.main(*sys.argv[1:])
