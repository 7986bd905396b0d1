"""Verbs that bring events in: simulate, replay, import, ingest.

Here: their options, and what they say when they are done or stopped. Not here: making events,
Kafka, the lake.
"""

import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from transforms.counting import counted
from transforms.errors import FloeError, UsageError

from .. import imports, interrupts
from ..telling import tell
from .shared import Clinics, Days, Patients, Seed, day, say, site_settings

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
    rate: Annotated[
        float | None, typer.Option(help="Events a second; default: as fast as it goes.")
    ] = None,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events sent twice.")
    ] = 0.01,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives late.")] = 0.02,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of broken records.")] = 0.001,
    returns: Annotated[
        bool,
        typer.Option(
            "--returns",
            help="Patients come back for further courses; opioids, surgery, another study in between.",
        ),
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Write what was sent and what is true to this JSON file.")
    ] = None,
) -> None:
    """Simulated clinics that behave like real ones; prints at the end what is true of them."""
    from ingest.simulate import Plan, Returns

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
        returns=Returns() if returns else None,
    )
    run(site_settings(), plan, to=to, rate=rate, truth_file=truth, say=say)


@app.command()
def replay(
    files: list[Path], rate: Annotated[float | None, typer.Option(help="Events a second.")] = None
) -> None:
    """Publishes files of NDJSON (gzip too): lines {"topic", "key", "value"}.

    A line that is none is named and left in NAME.rejected.ndjson for mending, the rest is sent, and
    the exit code is 1.
    """
    from ingest import importers

    unread = importers.Unread()
    _publish(site_settings(), importers.replay(files, unread=unread), rate=rate)
    _tell_unread(unread)


_REASONS_SHOWN = 20
_LINES_SHOWN = 20


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="The export's format: fhir or fitbit.")],
    files: list[Path],
    patient: Annotated[str | None, typer.Option(help="The patient of all files.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV: the export's id of a person, patient.")
    ] = None,
    clinic: Annotated[
        str | None, typer.Option(help="The clinic of the devices and answers.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA time zone of times without an offset.")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option(
            help="mdy, dmy or ymd: order of day and month, where the file doesn't decide it."
        ),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The decimal mark, . or , where the file doesn't decide it.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="fhir: whose ids these are; two servers number alike.")
    ] = None,
) -> None:
    """Turns real exports into events and publishes them: Fitbit's files, FHIR Observations (JSON,
    Bundle, NDJSON; gzip).

    A line that can't be read is named and left in NAME.rejected.ENDING for mending, the rest is
    sent, and the exit code is 1. What is left out by rule is counted, reason by reason.
    """
    from ingest import importers

    if format not in importers.IMPORTERS:
        raise UsageError(
            f"found the format {format!r}, expected one of {', '.join(importers.IMPORTERS)}"
        )
    _require_one_of("--dates", dates, ("mdy", "dmy", "ymd"))
    _require_one_of("--decimal", decimal, (".", ","))
    refused, unread = Counter(), importers.Unread()
    options = {"patient": patient, "patients": patients, "clinic": clinic, "server": server}
    with interrupts.telling(lambda: "nothing was sent; import again"):
        records = importers.IMPORTERS[format](
            files,
            timezone=timezone,
            dates=dates,
            decimal=decimal,
            refused=refused,
            unread=unread,
            **options,
        )
    settings, sources = site_settings(), set()
    _publish(settings, _noting_sources(records, sources))
    for reason, count in refused.most_common(_REASONS_SHOWN):
        tell(f"{count:,} left out: {reason}")
    if len(refused) > _REASONS_SHOWN:
        rest = refused.most_common()[_REASONS_SHOWN:]
        tell(
            f"{sum(count for _, count in rest):,} left out for {counted(len(rest), 'other reason')}"
        )
    for warning in imports.noted(settings, sources):
        say(f"warning: {warning}")
    _tell_unread(unread)


def _require_one_of(option: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"found {option} {value!r}, expected {' or '.join(allowed)}")


def _noting_sources(records: Iterable, sources: set[str]) -> Iterator:
    for record in records:
        sources.add(imports.source_of(record[2]))
        yield record


def _tell_unread(unread) -> None:
    """Names the lines that could not be read; FloeError where there are any."""
    if not len(unread):
        return
    for sentence in islice(unread.sentences(), _LINES_SHOWN):
        say(sentence)
    more = len(unread) - _LINES_SHOWN
    if more > 0:
        say(f"and {counted(more, 'more line')}")
    files = ", ".join(map(str, unread.leave_for_mending()))
    raise FloeError(
        f"{counted(len(unread), 'line')} could not be read and stayed behind, the rest was sent: mend what is in {files} and send that"
    )


@app.command()
def ingest(
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop at the end offsets seen at the start.")
    ] = False,
    worker: Annotated[str, typer.Option(help="K/N: this is worker K of N.")] = "1/1",
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Where Kafka's log is no more the one that landed (a broker put back to an older state): go on where the "
            "two part (parted), or land all that the log has (beginning). It changes nothing where they agree.",
        ),
    ] = None,
) -> None:
    """Lands events in the lake, exactly once, until SIGTERM."""
    from ingest.health_port import served
    from ingest.parting import CHOICES
    from ingest.worker import run

    _require_one_of("--from", from_, CHOICES)
    _log_in_sentences()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    settings, number = site_settings(), _worker(worker)
    with served(settings, port=settings.ingest_health_port, of="FLOE_INGEST_HEALTH_PORT"):
        report = run(
            settings, drain=drain, worker=number, stop=stop, on_progress=say, after_parting=from_
        )
    tell(str(report))
    if drain and stop.is_set():
        raise interrupts.Interrupted(
            "stopped: what landed is kept; floe ingest --drain lands the rest"
        )


def _publish(settings, records: Iterable, *, rate: float | None = None) -> None:
    """Sends the records and says how many; where it is stopped, how many were by then."""
    from ingest import stream

    handed_over = 0

    def one_by_one():
        nonlocal handed_over
        for record in records:
            yield record
            handed_over += 1

    def standing() -> str:
        return (
            f"{counted(handed_over, 'event')} sent, nothing that landed is lost; the same command again sends all, and "
            "what arrives twice counts once"
        )

    with interrupts.telling(standing):
        stream.ensure_topics(settings)
        count = stream.publish(settings, one_by_one(), rate=rate, progress=_so_far)
    tell(f"{counted(count, 'event')} sent")


def _so_far(count: int) -> None:
    say(f"{counted(count, 'event')} so far")


class _Sentences(logging.Formatter):
    """A line a message: the failure's story is in the reject (`undecodable`), and its bytes are
    there to be tried.
    """

    def formatException(self, ei) -> str:
        return ""


def _log_in_sentences() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Sentences("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


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
