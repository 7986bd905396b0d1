"""Core and mart kept up to date by one process that stays: what `floe follow` does.

Here: the process, alone in its home, and its runs. Not here: when a run is due and of which tables
(due.py), the job (automation.py), computing (assets/).

Its runs are Dagster's like any other, with their checks, lineage and failures, of those tables alone
that are not current; what each costs is then what it computes, for nothing is started for it. Dagster's
sensor leaves the lake to it while it is there (followed_home.py), and takes over where it is not.

What a large run took of memory is given back by a start of the process anew.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import psutil

from ingest.lake import Lake
from transforms.counting import counted

from .assets.build import WITHOUT_MODELS, table_key
from .automation import materialize_job
from .cut import DATA_CUT
from .dagster_home import prepare_dagster_home
from .due import Due, due, to_compute
from .followed_home import alone_in
from .materializing import failure_of
from .releases import RELEASES
from .run_history import FOLLOWING, fail_killed, has_failed

_LOOK_S, _LONGEST_REST_S = 1.0, 5.0
_MOST_BYTES = 3 << 29  # 1.5 GiB


def follow(settings, *, say: Callable[[str], None]) -> None:
    """Until it is interrupted; FloeError where another process of the home does the same."""
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    with alone_in(settings), dg.DagsterInstance.get() as instance:
        resident = Resident(settings, instance, say)
        while True:
            began = time.monotonic()
            resident.look()
            time.sleep(_rest_s(time.monotonic() - began))
            if psutil.Process().memory_info().rss > _MOST_BYTES:
                say("starts anew, to give back the memory of what it computed")
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _rest_s(taken_s: float) -> float:
    """As long as the look took, up to some seconds, so that a stream leaves time to others."""
    return min(max(taken_s, _LOOK_S), _LONGEST_REST_S)


class Resident:
    def __init__(self, settings, instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
        from .definitions import defs  # every mart's libraries

        self._settings, self._instance, self._say = settings, instance, say
        self._job = defs.resolve_job_def(materialize_job.name)
        self._has_failed = has_failed(instance, self._job.name)  # not the one that was killed
        fail_killed(instance)

    def look(self) -> None:
        """One run, where one is due."""
        with Lake.open(self._settings.of_one_thread, read_only=True) as lake:
            now = datetime.now(UTC)
            is_due = due(lake, self._settings, now=now, after_failure=self._has_failed)
            if is_due is None:
                return
            chosen = to_compute(lake, with_models=is_due.with_models)
        self._run(is_due, [one.table.full_name for one in chosen])

    def _run(self, is_due: Due, tables: list[str]) -> None:
        began = time.monotonic()
        around = (DATA_CUT.full_name, RELEASES.full_name)
        result = self._job.execute_in_process(
            instance=self._instance,
            raise_on_error=False,
            tags=FOLLOWING if is_due.with_models else FOLLOWING | {WITHOUT_MODELS: "true"},
            asset_selection=[table_key(name) for name in (*around, *tables)],
        )
        self._has_failed = not result.success
        taken = f"{counted(len(tables), 'table')} in {time.monotonic() - began:.1f} s"
        self._say(taken if result.success else f"{failure_of(result)} ({taken})")
