"""Verbs of the system on this machine: up, dashboards, dagster, doctor, broker.

Here: their options. Not here: what they do (up.py, doctor.py, ingest/broker/node.py).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from transforms.errors import Missing

from ..telling import tell
from .group import Verbs
from .shared import Clinics, Days, Json, Patients, Seed, say, site_settings

app = typer.Typer()
broker_app = typer.Typer(cls=Verbs, help="The local Kafka broker alone.", no_args_is_help=True)


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Also stream simulated clinics.")] = False,
    replay: Annotated[
        list[Path] | None, typer.Option(help="NDJSON files to publish first.")
    ] = None,
    clinics: Clinics = 6,
    patients: Patients = 240,
    days: Days = 270,
    seed: Seed = 1,
) -> None:
    """Broker, topics, ingest, Dagster and dashboards on this machine, until Ctrl-C."""
    from ingest.simulate import Plan

    from ..up import run

    plan = Plan(clinics=clinics, patients=patients, days=days, seed=seed) if demo else None
    run(site_settings(), demo=plan, replay=replay or [], say=say)


@app.command()
def dashboards() -> None:
    """The web application alone."""
    from dashboards.app import serve

    from ..processes import PAGES_NICE, give_way, require_free_port

    give_way(PAGES_NICE)
    settings = site_settings()
    require_free_port(settings.dashboards_port, of="the dashboards", setting="FLOE_DASHBOARDS_PORT")
    serve(settings)


@app.command()
def dagster() -> None:
    """Dagster's pages, daemon and definitions alone."""
    from ..dagster_server import serve
    from ..processes import FIGURES_NICE, give_way, require_free_port

    give_way(FIGURES_NICE)
    settings = site_settings()
    require_free_port(settings.dagster_port, of="Dagster", setting="FLOE_DAGSTER_PORT")
    serve(settings)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Looks at each thing that Floe needs and says the remedy for what is missing."""
    from ..doctor import describe_settings, examine

    settings = site_settings()
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            mark = (
                "ok     "
                if finding.remedy is None
                else "missing"
                if finding.is_needed
                else "note   "
            )
            tell(f"{mark}  {finding.name:<20}  {finding.found}")
            if finding.remedy:
                tell(f"{'':>9}{'':<20}  remedy: {finding.remedy}")
    if as_json:
        print(json.dumps([vars(f) for f in findings], indent=1))
    else:
        tell("\nsettings")
        for line in describe_settings(settings):
            tell(f"  {line}")
    if any(f.is_needed and f.remedy for f in findings):
        raise Missing("something needed is not there: see the remedies above")


@broker_app.command("start")
def broker_start() -> None:
    """Starts the local Kafka and waits until it answers; it goes on when this command ends."""
    from ingest import stream
    from ingest.broker import node as broker

    settings = site_settings()
    status = broker.start(settings, detached=True, progress=say)
    stream.ensure_topics(settings)
    tell(f"Apache Kafka {status.version} answers at {settings.bootstrap} (process {status.pid})")
    tell(stream.retention_sentence(settings))


@broker_app.command("stop")
def broker_stop() -> None:
    """Stops it; what was sent stays on the disk."""
    from ingest.broker import node as broker

    broker.stop(site_settings())
    tell("stopped")


@broker_app.command("status")
def broker_status(as_json: Json = False) -> None:
    """Whether it runs, where, since when."""
    from ingest.broker.status import status

    facts = vars(status(site_settings()))
    if as_json:
        print(json.dumps(facts, default=str, indent=1))
    else:
        for name, value in facts.items():
            tell(f"{name.replace('_', ' '):<14}{'' if value is None else value}")
