"""A full computation of what has batches, on Ray with two workers beside one, and by processes.

Here: one site, its tables computed anew by each. Not here: the other tables, which no engine computes, and what
memory a run takes (bench_incremental). 2,400 patients and 270 days are the full size. Two cores that others use
too show little: the figures have no target.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ingest.simulate import Plan, simulate
from orchestration.assets.order import in_order
from tests.followed import needed_for
from tests.full_run import NOTES
from tests.ray_cluster import running, token_environment

from .incremental_site import land_all
from .results import record, scale

_PATIENTS, _DAYS, _BATCHES = 2_400, 270, 8
_TOKEN = "of-the-benchmark-" + "0" * 20


def run() -> None:
    patients = max(8, round(_PATIENTS * scale()))
    days = _DAYS if patients > 100 else 30
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "notes").mkdir()
        at_once = max(1, patients // _BATCHES)
        os.environ |= {
            "FLOE_HOME": home,
            "FLOE_BATCH_PATIENTS": str(at_once),
            "FLOE_LAKE_MEMORY": "1GB",
            NOTES: str(Path(home) / "notes"),
        }
        plan = Plan(clinics=max(2, patients // 100), patients=patients, days=days)
        land_all(list(simulate(plan)), 0)
        of_site = f"{patients} patients, {days} days, batches of {at_once}, tables in batches and those they need"
        _seconds({})  # the first run writes all rows, the others find them as they are
        processes = _seconds({})
        one, two = (_seconds_on_ray(nodes) for nodes in (1, 2))
    record("engine_local_s", processes, "s", of_site)
    record("engine_ray_s", two, "s", f"{of_site}; two workers")
    record("ray_two_workers_ratio", two / one, "x", f"{of_site}; two workers over one")


def _seconds_on_ray(nodes: int) -> float:
    with running(nodes, token=_TOKEN) as address:
        own = {"FLOE_ENGINE": "ray", "FLOE_RAY_ADDRESS": address}
        return _seconds(own | token_environment(_TOKEN))


def _seconds(own: dict[str, str]) -> float:
    names = needed_for(*(one.table.full_name for one in in_order() if one.every_key))
    words = ["-m", "tests.full_run", "noted", *sorted(names)]
    answer = subprocess.run(
        [sys.executable, *words],
        env=os.environ | own,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return float(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    run()
