"""Verbs that bring events in: simulate, replay, import, ingest.

Here: their options, and what they say when they are done or stopped. Not here: making events, Kafka, the lake.
"""

import signal
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from ingest.settings import Settings
from transforms.errors import UsageError

from .. import interrupts
from .shared import Clinics, Days, Patients, Seed, day, say

app = typer.Typer()


@app.command()
def simulate(
    clinics: Clinics = 6,
    patients: Patients = 240,
    days: Days = 270,
    seed: Seed = 1,
    start: Annotated[
        str | None, typer.Option(help="First day, YYYY-MM-DD; default: so that the last is today.")
    ] = None,
    to: Annotated[str, typer.Option(help="kafka, or a file of NDJSON.")] = "kafka",
    rate: Annotated[float | None, typer.Option(help="Events a second; default: as fast as it goes.")] = None,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of events sent twice.")] = 0.01,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives late.")] = 0.02,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of broken records.")] = 0.001,
    truth: Annotated[Path | None, typer.Option(help="Write what was sent and what is true to this JSON file.")] = None,
) -> None:
    """Simulated clinics that behave like real ones; prints at the end what is true of them."""
    from ingest.simulate import Plan

    from ..simulation import run

    plan = Plan(
        clinics=clinics,
        patients=patients,
        days=days,
        seed=seed,
        start=_days_ago(days) if start is None else day(start),
        duplicates_share=duplicates,
        late_share=late,
        broken_share=broken,
    )
    run(Settings(), plan, to=to, rate=rate, truth_file=truth, say=say)


@app.command()
def replay(files: list[Path], rate: Annotated[float | None, typer.Option(help="Events a second.")] = None) -> None:
    """Publishes files of NDJSON: lines {"topic", "key", "value"}."""
    from ingest import importers, stream

    settings = Settings()
    stream.ensure_topics(settings)
    _publish(settings, importers.replay(files), rate=rate)


_REASONS_SHOWN = 20


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="The export's format: fhir or fitbit.")],
    files: list[Path],
    patient: Annotated[str | None, typer.Option(help="The patient of all files.")] = None,
    patients: Annotated[Path | None, typer.Option(help="CSV: the export's id of a person, patient.")] = None,
    clinic: Annotated[str | None, typer.Option(help="The clinic of the devices and answers.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone of times without an offset.")] = None,
) -> None:
    """Turns real exports into events and publishes them: Fitbit's files, FHIR Observations (JSON, Bundle, NDJSON)."""
    from ingest import importers, stream

    if format not in importers.IMPORTERS:
        raise UsageError(f"found the format {format!r}, expected one of {', '.join(importers.IMPORTERS)}")
    refused = Counter()
    whose = {"patient": patient, "patients": patients, "clinic": clinic}
    records = importers.IMPORTERS[format](files, timezone=timezone, refused=refused, **whose)
    settings = Settings()
    stream.ensure_topics(settings)
    _publish(settings, records)
    for reason, count in refused.most_common(_REASONS_SHOWN):
        print(f"{count:,} left out: {reason}")
    if len(refused) > _REASONS_SHOWN:
        rest = refused.most_common()[_REASONS_SHOWN:]
        print(f"{sum(count for _, count in rest):,} left out for {len(rest):,} other reasons")


@app.command()
def ingest(
    drain: Annotated[bool, typer.Option("--drain", help="Stop at the end offsets seen at the start.")] = False,
    worker: Annotated[str, typer.Option(help="K/N: this is worker K of N.")] = "1/1",
) -> None:
    """Lands events in the lake, exactly once, until SIGTERM."""
    from ingest.worker import run

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    report = run(Settings(), drain=drain, worker=_worker(worker), stop=stop, on_progress=say)
    print(str(report))
    if drain and stop.is_set():
        raise interrupts.Interrupted("stopped: what landed is kept; floe ingest --drain lands the rest")


def _publish(settings, records: Iterable, *, rate: float | None = None) -> None:
    """Sends the records and says how many; where it is stopped, how many were by then."""
    from ingest import stream

    handed_over = 0

    def counted():
        nonlocal handed_over
        for record in records:
            yield record
            handed_over += 1

    def standing() -> str:
        return (
            f"{handed_over:,} events were sent, nothing that landed is lost; the same command again sends all, and "
            "what arrives twice counts once"
        )

    with interrupts.telling(standing):
        count = stream.publish(settings, counted(), rate=rate, progress=_so_far)
    print(f"{count:,} events sent")


def _so_far(count: int) -> None:
    say(f"{count:,} events so far")


def _days_ago(days: int) -> date:
    return (datetime.now(UTC) - timedelta(days=days)).date()


def _worker(text: str) -> tuple[int, int]:
    try:
        k, n = (int(part) for part in text.split("/"))
    except ValueError:
        raise UsageError(f"found --worker {text!r}, expected K/N such as 1/2") from None
    if not 1 <= k <= n:
        raise UsageError(f"found --worker {text!r}, expected 1 <= K <= N")
    return k, n
