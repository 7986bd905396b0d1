"""One site of the benchmark of changes, in a process of its own: computed whole, then after a minute
of events; prints what that took as JSON.

Here: `python -m tests.benchmarks.incremental_site PATIENTS DAYS MINUTES`, with FLOE_HOME. Not here: which
sites, what is made of the figures (bench_incremental.py).

The events of the minute are the newest of the simulation, of whatever topic; they land after the
first full run, as many as a site of that many patients sends in a minute of working hours, 27 at
most, as one batch a topic. Seconds are the wall's, of core and mart without Dagster.
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.lake import Lake, LakeOfARun
from ingest.landing import land, prepare
from ingest.partition import Batch
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.assets.order import in_order
from orchestration.cut import DATA_CUT, take_cut
from orchestration.one_run import Run

from .results import median

Record = tuple[str, bytes | None, bytes | None]
# Of everybody, at a cadence that a site may choose: told apart.
MODELS = {"mart.arm_comparisons", "mart.clinic_funnel", "mart.control_charts"}
_EVENTS, _AT_ONCE = 27, 100_000


def main(patients: int, days: int, minutes: int) -> None:
    plan = Plan(
        clinics=max(2, patients // 100), patients=patients, days=days, overlapping_clinics=0
    )
    records = list(simulate(plan))
    events = min(_EVENTS, max(1, patients // 10))
    ends = [len(records) - events * k for k in range(minutes + 1)]
    before, landed = records[: ends[-1]], 0
    for first in range(0, len(before), _AT_ONCE):
        landed = land_all(before[first : first + _AT_ONCE], landed)
    whole = _seconds(is_full=True)
    changes = []
    for k in range(minutes, 0, -1):
        landed = land_all(records[ends[k] : ends[k - 1]], landed)
        changes.append(_seconds())
    figures = {
        "records": len(records),
        "events": events,
        "full_s": sum(whole.values()),
        "small_s": median([sum(change.values()) for change in changes]),
        "small_without_models_s": median([_without_models(change) for change in changes]),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def land_all(records: Sequence[Record], landed: int) -> int:
    """Lands the records, a batch a topic; gives the number of batches landed so far."""
    batches = []
    for topic in sorted({topic for topic, _, _ in records}):
        pairs = [(key, value) for t, key, value in records if t == topic]
        landed += 1
        batches.append(
            Batch(
                topic=topic,
                topic_id="bench",
                partition=landed,
                first_position=0,
                next_position=len(pairs),
                offsets=list(range(len(pairs))),
                keys=[key for key, _ in pairs],
                values=[value for _, value in pairs],
            )
        )
    with Lake.open(Settings()) as lake:
        land(lake, prepare(batches, now=datetime.now(UTC)))
    return landed


def _seconds(*, is_full: bool = False) -> dict[str, float]:
    """By table how long bringing it up to date took; what is of the whole run stands under ""."""
    taken, begun = {}, time.perf_counter()
    with LakeOfARun.open(Settings()) as lake:
        cut = take_cut(lake)
        lake.write(lambda writer: writer.replace(DATA_CUT, cut))
        run = Run(lake)
        for one in in_order():
            at = time.perf_counter()
            list(one.run(run, is_full=is_full))
            taken[one.table.full_name] = time.perf_counter() - at
        run.advance()
    return taken | {"": time.perf_counter() - begun - sum(taken.values())}


def _without_models(taken: dict[str, float]) -> float:
    return sum(seconds for name, seconds in taken.items() if name not in MODELS)


if __name__ == "__main__":
    main(*(int(size) for size in sys.argv[1:]))
