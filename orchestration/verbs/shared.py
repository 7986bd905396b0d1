"""What verbs of several groups share: options, and words to the person at the terminal.

Here: kinds of options, `say`. Not here: any verb.
"""

from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from ingest.secrecy import hidden
from transforms.errors import UsageError
from transforms.plain_text import visible

console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Format = Annotated[str, typer.Option("--format", help="table, json or csv.")]
Clinics = Annotated[int, typer.Option(min=1, help="Clinics to simulate.")]
Patients = Annotated[int, typer.Option(min=1, help="Patients, over all clinics.")]
Days = Annotated[int, typer.Option(min=1, help="Days to simulate.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same events.")]


def say(text: str) -> None:
    """On standard error: standard output is for what was asked for."""
    console.print(visible(hidden(text)))


def day(text: str) -> date:
    """A day of an option. Raises UsageError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"found the day {text!r}, expected YYYY-MM-DD") from None
