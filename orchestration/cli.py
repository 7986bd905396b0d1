"""The program `floe`: its verbs put together, errors as one sentence, exit codes.

Here: the door. Not here: the verbs' options (verbs/) and what they do. Exit codes: 0 done, 2 wrong
usage or an unreadable file, 3 something needed is not there, 1 else, being stopped by Ctrl-C or
SIGTERM included (transforms/errors.py); an error is one sentence on standard error.
"""

import errno
import os
import sys

import typer
from typer.exceptions import TyperException

from ingest.private import keep_private
from ingest.read_only_home import READABLE
from ingest.secrecy import hidden, hide_everywhere
from transforms.errors import FloeError
from transforms.plain_text import visible

from . import interrupts
from .verbs import asking, copies, events, set_aside, system, work_lists
from .verbs.group import Verbs
from .verbs.shared import site_settings

_STOPPED = 130  # what typer gives for a KeyboardInterrupt

app = typer.Typer(
    cls=Verbs,
    help="Floe: streaming outcomes analytics for clinics that treat chronic back pain with cryotherapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich and what it imports would take longer than the answer
)
for _group in (system, events, asking, copies):
    app.add_typer(_group.app)
app.add_typer(system.broker_app, name="broker")
app.add_typer(set_aside.rejects_app, name="rejects")
app.add_typer(work_lists.alerts_app, name="alerts")  # set_aside's, with the verbs of the day's work


def main() -> None:
    """The console script: runs the verb and turns an error into one sentence and an exit code."""
    keep_private()
    hide_everywhere()
    interrupts.listen()
    try:
        if app(prog_name="floe", standalone_mode=False) == _STOPPED:
            raise KeyboardInterrupt
    except BaseException as error:
        if interrupts.is_interrupt(error) and not isinstance(error, interrupts.Interrupted):
            error = _stopped(sys.argv[1] if len(sys.argv) > 1 else "")
        if error is not None:
            _end(error)


def _stopped(verb: str) -> interrupts.Interrupted | None:
    """What is said of a verb that a signal ended; None of one that runs until it is stopped."""
    return (
        None
        if verb in interrupts.UNTIL_STOPPED
        else interrupts.Interrupted(interrupts.sentence_of(verb))
    )


def _end(error: BaseException) -> None:
    """Ends the process with the error's sentence and exit code; raises what is no fault of a
    user's.
    """
    match error:
        case FloeError():
            _fail(str(error), error.exit_code)
        case ValueError() if _is_of_settings(error):
            wrong = error.errors()[0]
            name = f"FLOE_{wrong['loc'][0]}".upper()
            why = wrong["msg"].removeprefix("Value error, ")
            _fail(f"{name} is {wrong['input']!r}: {why}; correct or unset it", 2)
        case TyperException():
            _fail(_usage(error), 2)
        case typer.Abort():
            _fail("interrupted", 1)
        case BrokenPipeError():
            os._exit(0)
        case OSError():
            _fail(*_of_the_system(error))
        case _:
            raise error


def _is_of_settings(error: ValueError) -> bool:
    """Whether it is pydantic's, which nobody can have raised where nobody imported it."""
    pydantic = sys.modules.get("pydantic_core")
    return pydantic is not None and isinstance(error, pydantic.ValidationError)


def _of_the_system(error: OSError) -> tuple[str, int]:
    place = error.filename or site_settings().home
    if error.errno == errno.ENOSPC:
        return f"no space is left on the disk ({place}): free some and start again", 3
    if error.errno == errno.EROFS:
        return f"found {place} on a read-only file system: {READABLE}", 3
    return (
        f"found no use of {place} ({error.strerror or error}): check FLOE_HOME, and who may write there",
        3,
    )


def _usage(error: TyperException) -> str:
    """What is wrong with the words given, and where the right ones are told."""
    verb = getattr(getattr(error, "ctx", None), "command_path", "floe")
    return f"{error.format_message().rstrip('.')}: {verb} --help tells what it takes"


def _fail(sentence: str, code: int) -> None:
    print("floe: " + visible(hidden(" ".join(sentence.split()))), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
