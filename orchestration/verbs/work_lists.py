"""Verbs of the day's work, under `floe alerts`: before the session, who else was on a device, a
device out of use.

Here: their options. Not here: the lists and what is published (orchestration/work_lists.py).
"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from .set_aside import alerts_app
from .shared import Format, day, say, site_settings

By = Annotated[str, typer.Option("--by", help="Who says so: a name or role of the clinic's own.")]
Why = Annotated[str, typer.Option("--why", help="Why, in words.")]


@alerts_app.command("before")
def alerts_before(
    clinic: Annotated[str | None, typer.Option(help="Only this clinic.")] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also whoever may come and has nothing to look at.")
    ] = False,
    format: Format = "table",
) -> None:
    """Who is expected today and tomorrow, and what to look at before each session."""
    from ..printing import print_frame, require_format
    from ..work_lists import list_before

    require_format(format)
    rows = list_before(site_settings(), clinic=clinic, is_all=all, format=format)
    say(
        "No event books a session: who is listed is expected by course, weekday and spacing, and others may come."
    )
    print_frame(rows, format=format)


@alerts_app.command("who-else")
def alerts_who_else(
    alert_id: Annotated[str | None, typer.Argument(help="An alert on a device.")] = None,
    device: Annotated[str | None, typer.Option(help="Any device.")] = None,
    format: Format = "table",
) -> None:
    """Every patient and session on a device since its last good check, with exposure and what came
    after.
    """
    from ..printing import print_frame, require_format
    from ..work_lists import list_who_else

    require_format(format)
    sentence, rows = list_who_else(site_settings(), alert_id=alert_id, device_id=device)
    say(sentence)
    print_frame(rows, format=format)


@alerts_app.command("out-of-use")
def alerts_out_of_use(
    device: str,
    by: By,
    why: Why,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="From which day on, YYYY-MM-DD; default: today, UTC."),
    ] = None,
) -> None:
    """Takes a device out of use; a session on it from that day on raises an alert."""
    from ..work_lists import say_of_device

    from_on = day(from_) if from_ else datetime.now(UTC).date()
    say_of_device(site_settings(), device, from_on=from_on, by=by, why=why)


@alerts_app.command("back-in-use")
def alerts_back_in_use(device: str, by: By, why: Why) -> None:
    """Puts a device back into use."""
    from ..work_lists import say_of_device

    say_of_device(site_settings(), device, from_on=None, by=by, why=why)
