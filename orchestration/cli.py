"""The command line: every verb of `floe`, its options, its exit code.

Here: doors; each verb calls one function and prints. Not here: what the verbs do.
Exit codes: 0 done, 2 wrong usage or an unreadable file, 3 something needed is not there, 1 else
(transforms/errors.py); an error is one sentence on standard error.
"""

import errno
import json
import os
import signal
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from typer.exceptions import TyperException

from ingest.settings import Settings
from transforms.errors import FloeError, Missing, UsageError

app = typer.Typer(
    help="Floe: streaming outcomes analytics for clinics that treat chronic back pain with cryotherapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
broker_app = typer.Typer(help="The local Kafka broker alone.", no_args_is_help=True)
rejects_app = typer.Typer(help="Records that broke the contract: list, show, replay.", invoke_without_command=True)
alerts_app = typer.Typer(help="Alerts: list, acknowledge, close.", invoke_without_command=True)
app.add_typer(broker_app, name="broker")
app.add_typer(rejects_app, name="rejects")
app.add_typer(alerts_app, name="alerts")

console = Console(stderr=True, highlight=False, soft_wrap=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Clinics = Annotated[int, typer.Option(min=1, help="Clinics to simulate.")]
Patients = Annotated[int, typer.Option(min=1, help="Patients, over all clinics.")]
Days = Annotated[int, typer.Option(min=1, help="Days to simulate.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same events.")]


def say(text: str) -> None:
    console.print(text, markup=False)


def main() -> None:
    """The console script: runs the verb and turns an error into one sentence and an exit code."""
    try:
        app(prog_name="floe", standalone_mode=False)
    except FloeError as error:
        _fail(str(error), error.exit_code)
    except ValidationError as error:
        wrong = error.errors()[0]
        _fail(f"FLOE_{wrong['loc'][0]}".upper() + f" is {wrong['input']!r}: {wrong['msg']}; correct or unset it", 2)
    except TyperException as error:
        _fail(_usage(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 1)
    except BrokenPipeError:
        os._exit(0)
    except OSError as error:
        place = error.filename or Settings().home
        if error.errno == errno.ENOSPC:
            _fail(f"no space is left on the disk ({place}): free some and start again", 3)
        _fail(f"found no use of {place} ({error.strerror or error}): check FLOE_HOME, and who may write there", 3)


def _usage(error: TyperException) -> str:
    """What is wrong with the words given, and where the right ones are told; no words at all have had their help."""
    verb = getattr(getattr(error, "ctx", None), "command_path", "floe")
    return f"{error.format_message().rstrip('.') or 'found no verb'}: {verb} --help tells what it takes"


def _fail(sentence: str, code: int) -> None:
    print("floe: " + " ".join(sentence.split()), file=sys.stderr)
    sys.exit(code)


# --- the whole system -----------------------------------------------------------------------------


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Also stream simulated clinics.")] = False,
    replay: Annotated[list[Path] | None, typer.Option(help="NDJSON files to publish first.")] = None,
    clinics: Clinics = 6,
    patients: Patients = 240,
    days: Days = 270,
    seed: Seed = 1,
) -> None:
    """Broker, topics, ingest, Dagster and dashboards on this machine, until Ctrl-C."""
    from ingest.simulate import Plan

    from .up import run

    plan = Plan(clinics=clinics, patients=patients, days=days, seed=seed) if demo else None
    run(Settings(), demo=plan, replay=replay or [], say=say)


@app.command()
def dashboards() -> None:
    """The web application alone."""
    from dashboards.app import serve

    from .processes import require_free_port

    settings = Settings()
    require_free_port(settings.dashboards_port, of="the dashboards", setting="FLOE_DASHBOARDS_PORT")
    serve(settings)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Looks at each thing that Floe needs and says the remedy for what is missing."""
    from .doctor import describe_settings, examine

    settings = Settings()
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            mark = "ok     " if finding.remedy is None else "missing" if finding.is_needed else "note   "
            print(f"{mark}  {finding.name:<20}  {finding.found}")
            if finding.remedy:
                print(f"{'':>9}{'':<20}  remedy: {finding.remedy}")
    if as_json:
        print(json.dumps([vars(f) for f in findings], indent=1))
    else:
        print("\nsettings")
        for line in describe_settings(settings):
            print(f"  {line}")
    if any(f.is_needed and f.remedy for f in findings):
        raise Missing("something needed is not there: see the remedies above")


# --- broker ---------------------------------------------------------------------------------------


@broker_app.command("start")
def broker_start() -> None:
    """Starts the local Kafka and waits until it answers; it goes on when this command ends."""
    from ingest import broker, stream

    settings = Settings()
    status = broker.start(settings, detached=True, progress=say)
    stream.ensure_topics(settings)
    print(f"Apache Kafka {status.version} answers at {settings.bootstrap} (process {status.pid})")
    print(stream.retention_sentence(settings))


@broker_app.command("stop")
def broker_stop() -> None:
    """Stops it; what was sent stays on the disk."""
    from ingest import broker

    broker.stop(Settings())
    print("stopped")


@broker_app.command("status")
def broker_status(as_json: Json = False) -> None:
    """Whether it runs, where, since when."""
    from ingest import broker

    status = broker.status(Settings())
    if as_json:
        print(json.dumps(vars(status), default=str, indent=1))
    else:
        for name, value in vars(status).items():
            print(f"{name.replace('_', ' '):<14}{'' if value is None else value}")


# --- events in ------------------------------------------------------------------------------------


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

    from .simulation import run

    plan = Plan(
        clinics=clinics,
        patients=patients,
        days=days,
        seed=seed,
        start=_days_ago(days) if start is None else _date(start),
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
    count = stream.publish(settings, importers.replay(files), rate=rate, progress=_sent)
    print(f"{count:,} events sent")


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
    print(f"{stream.publish(settings, records, progress=_sent):,} events sent")
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


# --- outcomes out ---------------------------------------------------------------------------------


@app.command()
def materialize(
    full: Annotated[bool, typer.Option("--full", help="Recompute all.")] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Then release to readers from outside the clinic, due or not.")
    ] = False,
) -> None:
    """Brings core and mart up to date with raw, through Dagster."""
    from .automation import materialize_now, release_now

    settings = Settings()
    materialize_now(settings, full=full, say=say)
    if release:
        release_now(settings, say=say)


@app.command()
def sql(
    query: str,
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
    as_of: Annotated[str | None, typer.Option(help="A snapshot's number, or a time.")] = None,
) -> None:
    """Asks the lake, read-only. Sees single patients: for people who may."""
    from .console import print_frame, query_lake

    print_frame(query_lake(Settings(), query, as_of=as_of), format=format)


@app.command()
def status(as_json: Json = False) -> None:
    """Lag, rows, rejects, freshness, last materialisation, unknown content."""
    from .console import print_status, system_status

    found = system_status(Settings())
    print(json.dumps(found, default=str, indent=1)) if as_json else print_status(found)


@app.command()
def verify() -> None:
    """Proves ledger, offsets and counts against each other; prints what it proved."""
    from .console import verify_lake

    marks = {True: "proved", False: "FAILED", None: "open"}  # open: nothing in the lake can tell
    is_proved = True
    for is_true, sentence in verify_lake(Settings()):
        is_proved &= is_true is not False
        print(f"{marks[is_true]:<6}  {sentence}")
    if not is_proved:
        raise FloeError("what failed above does not hold: keep the lake as it is and ask for help")


@app.command()
def upkeep() -> None:
    """Flushes small inserts, merges small files, expires old snapshots."""
    from ingest.lake import Lake

    from .automation import tidy

    with Lake.open(Settings()) as lake:
        for what, count in tidy(lake).items():
            print(f"{count:>8}  {what.replace('_', ' ')}")


@rejects_app.callback()
def rejects(
    context: typer.Context,
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """Records that broke the contract; without a further word, lists them."""
    from .console import list_rejects, print_frame

    if context.invoked_subcommand is None:
        print_frame(list_rejects(Settings(), reason=reason, topic=topic, limit=limit), format="table")


@rejects_app.command("show")
def rejects_show(topic: str, partition: int, offset: int) -> None:
    """One rejected record, its reason and its bytes."""
    from .console import show_reject

    print(show_reject(Settings(), topic=topic, partition=partition, offset=offset))


@rejects_app.command("replay")
def rejects_replay(
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
) -> None:
    """Publishes rejected records again, after a fix; each once."""
    from .console import replay_rejects

    print(f"{replay_rejects(Settings(), reason=reason, topic=topic):,} records sent again")


@alerts_app.callback()
def alerts(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="open, acknowledged, closed, all.")] = "open",
):
    """Alerts; without a further word, lists them."""
    from .console import list_alerts, print_frame

    if context.invoked_subcommand is None:
        print_frame(list_alerts(Settings(), state=state), format="table")


@alerts_app.command("ack")
def alerts_acknowledge(alert_id: str) -> None:
    """Somebody looks after it."""
    from .console import set_alert_state

    set_alert_state(Settings(), alert_id, state="acknowledged")


@alerts_app.command("close")
def alerts_close(alert_id: str) -> None:
    """It is dealt with."""
    from .console import set_alert_state

    set_alert_state(Settings(), alert_id, state="closed")


# --- words to values ------------------------------------------------------------------------------


def _sent(count: int) -> None:
    say(f"{count:,} events sent")


def _days_ago(days: int) -> date:
    return (datetime.now(UTC) - timedelta(days=days)).date()


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"found the day {text!r}, expected YYYY-MM-DD") from None


def _worker(text: str) -> tuple[int, int]:
    try:
        k, n = (int(part) for part in text.split("/"))
    except ValueError:
        raise UsageError(f"found --worker {text!r}, expected K/N such as 1/2") from None
    if not 1 <= k <= n:
        raise UsageError(f"found --worker {text!r}, expected 1 <= K <= N")
    return k, n


if __name__ == "__main__":
    main()
