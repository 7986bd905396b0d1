"""What verbs of several groups share: options, and words to the person at the terminal.

Here: kinds of options, the settings, `say`. Not here: any verb.
"""

import sys
from datetime import date
from typing import Annotated

import typer

from transforms.errors import UsageError

from ..telling import tell

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Format = Annotated[str, typer.Option("--format", help="table, json or csv.")]
Clinics = Annotated[int, typer.Option(min=1, help="Clinics to simulate.")]
Patients = Annotated[int, typer.Option(min=1, help="Patients, over all clinics.")]
Days = Annotated[int, typer.Option(min=1, help="Days to simulate.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same events.")]


def site_settings():
    """The settings (`ingest.settings.Settings`). What reads them takes longer to import than help
    takes to print.
    """
    from ingest.settings import Settings

    return Settings()


def say(text: str) -> None:
    """On standard error: standard output is for what was asked for."""
    tell(text, file=sys.stderr)


def day(text: str) -> date:
    """A day of an option. Raises UsageError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"found the day {text!r}, expected YYYY-MM-DD") from None
