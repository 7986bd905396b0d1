"""Verbs that compute, ask and look after the lake: materialize, sql, status, verify, mend, upkeep.

Here: their options. Not here: the answers (../answers.py, ../status.py,
../proving.py), printing (../printing.py), Dagster (../automation.py).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from transforms.counting import counted
from transforms.errors import FloeError, UsageError

from ..telling import tell
from .shared import Format, Json, say, site_settings

app = typer.Typer()


@app.command()
def materialize(
    full: Annotated[bool, typer.Option("--full", help="Recompute all.")] = False,
    release: Annotated[
        bool,
        typer.Option(
            "--release", help="Then release to readers from outside the clinic, due or not."
        ),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Only hold what is stored against a full computation; change nothing."
        ),
    ] = False,
) -> None:
    """Brings core and mart up to date with raw, through Dagster."""
    from ..processes import FIGURES_NICE, give_way

    if compare and (full or release):
        raise UsageError("found --compare beside --full or --release, expected it alone")
    give_way(FIGURES_NICE)
    settings = site_settings()
    if compare:
        from ..comparing import compare_now

        compare_now(settings, say=tell)
        return
    from ..materializing import materialize_now, release_now

    materialize_now(settings, full=full, say=say)
    if release:
        release_now(settings, say=say)


@app.command()
def follow() -> None:
    """Keeps core and mart up to date with raw, until it is stopped."""
    from ..processes import FIGURES_NICE, give_way
    from ..resident import follow as follow_lake

    give_way(FIGURES_NICE)
    follow_lake(site_settings(), say=say)


@app.command(
    context_settings={"ignore_unknown_options": True}
)  # a query may begin with a comment: --
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One statement that reads; - reads it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read the statement from this file.")] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="table, json or csv, with --to parquet too; default: what its name ends with, else table."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the answer to this file, which is not there yet.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="A snapshot's number, or a time.")] = None,
) -> None:
    """Asks the lake one thing, read-only: it sees the lake and nothing else of the machine.

    Sees single patients: for people who may.
    """
    from ..answers import answer, statement_of

    statement = statement_of(query, file=file)
    answer(site_settings(), statement, as_of=as_of, format=format or _format_of(to), to=to)


@app.command()
def outcomes(
    metric: Annotated[str | None, typer.Option(help="A metric of mart.metric_definitions.")] = None,
    visit: Annotated[str | None, typer.Option(help="A visit, as Month 3.")] = None,
    clinic: Annotated[str | None, typer.Option(help="A clinic's id.")] = None,
    modality: Annotated[str | None, typer.Option(help="A modality.")] = None,
    indication: Annotated[str | None, typer.Option(help="An indication.")] = None,
    study: Annotated[str | None, typer.Option(help="A study's id; ROUTINE: routine care.")] = None,
    arm: Annotated[str | None, typer.Option(help="An arm of the study.")] = None,
    episode: Annotated[
        str, typer.Option(help="Treatment episodes: first, latest or all of each patient.")
    ] = "first",
    strategy: Annotated[
        str | None,
        typer.Option(
            help="For an opioid, injection, surgery or rescue: composite, treatment_policy or "
            "while_on_treatment."
        ),
    ] = None,
    format: Format = "table",
) -> None:
    """A summary of any stratum, as table, JSON or CSV."""
    from ..outcomes import Asked, print_outcomes

    named = {
        "clinic_id": clinic,
        "modality": modality,
        "indication": indication,
        "study_id": study,
        "arm": arm,
    }
    asked = Asked(
        metric=metric,
        visit=visit,
        stratum={column: value for column, value in named.items() if value is not None},
        episode=episode,
        strategy=strategy,
    )
    print_outcomes(site_settings(), asked, format=format)


def _format_of(to: Path | None) -> str:
    ending = to.suffix.removeprefix(".").lower() if to else ""
    if ending in ("json", "csv", "parquet"):
        return ending
    return "table"


@app.command()
def status(as_json: Json = False) -> None:
    """Lag, rows, rejects, freshness, last materialisation, unknown content."""
    from ..status import print_status, system_status

    facts = system_status(site_settings())
    print(json.dumps(facts, default=str, indent=1)) if as_json else print_status(facts)


@app.command()
def verify(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file and hold it against its checksum too.")
    ] = False,
) -> None:
    """Proves ledger, offsets and counts against each other; prints what it proved."""
    from ..proving import verify_lake

    marks = {True: "proved", False: "FAILED", None: "open"}  # open: nothing in the lake can tell
    is_proved = True
    for is_true, sentence in verify_lake(site_settings(), deep=deep):
        is_proved &= is_true is not False
        tell(f"{marks[is_true]:<6}  {sentence}")
    if not is_proved:
        raise FloeError("what failed above does not hold: keep the lake as it is and ask for help")


@app.command()
def mend() -> None:
    """Lands again from Kafka what damaged files held (floe verify --deep names them)."""
    from ingest.landing_again import mend as mend_lake

    mended = mend_lake(site_settings(), say=say)
    print(
        f"{counted(mended.files, 'damaged file')} taken out; {counted(mended.rows, 'row')} and "
        f"{counted(mended.rejects, 'reject')} landed again"
    )
    if mended.is_to_compute:
        print("floe materialize --full computes core and mart again from them")


@app.command()
def upkeep(
    long: Annotated[
        bool,
        typer.Option(
            "--long",
            help="Also steps that keep who writes waiting for longer than a second, outside FLOE_UPKEEP_QUIET_HOURS too.",
        ),
    ] = False,
    after_fault: Annotated[
        bool,
        typer.Option(
            "--after-fault",
            help="Go on where a step had found other rows than before: somebody has looked after it.",
        ),
    ] = False,
) -> None:
    """Flushes small inserts, merges small files, expires old snapshots: in steps, beside who writes."""
    from ..automation import is_quiet, tidy
    from ..resources import lake_to_tidy

    settings = site_settings()
    with lake_to_tidy(settings, say=say) as lake:
        if after_fault:
            tell(f"{counted(lake.after_faults(), 'fault')} looked after")
        for what, count in tidy(lake, may_be_long=long or is_quiet(settings)).items():
            tell(f"{count:>8}  {what.replace('_', ' ')}")
