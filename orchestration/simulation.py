"""`floe simulate`: events to Kafka or to a file, and what is true of them printed at the end.

Here: where the events go. Not here: making them (ingest/simulate).
"""

from collections.abc import Callable
from pathlib import Path

from ingest import stream
from ingest.simulate import Plan, simulate, write_ndjson
from transforms.counting import counted

from .telling import tell


def run(
    settings,
    plan: Plan,
    *,
    to: str,
    rate: float | None,
    truth_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Sends the plan's events to Kafka (`to="kafka"`) or writes them to the file `to`."""

    def progress(count: int) -> None:
        say(counted(count, "event"))

    if to == "kafka":
        stream.ensure_topics(settings)
        simulation = simulate(plan)
        stream.publish(settings, simulation, rate=rate, progress=progress)
        truth = simulation.truth
    else:
        truth = write_ndjson(plan, to, progress=progress)
    if truth_file is not None:
        truth_file.write_text(truth.to_json())
    tell(truth.summary())
