"""Ctrl-C and SIGTERM: a verb that is stopped says what it had done and how to go on, and never ends
with exit code 0.

Here: the handlers, and the sentence. Not here: verbs that run until they are stopped (`up`,
`ingest`, `follow`, `dashboards`, `dagster`), for which a signal is the ordinary end.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from transforms.errors import FloeError

from .telling import tell

# Verb -> what is true of its work when it is stopped, and what to do; verbs that can count say it
# themselves.
_STANDING = {
    "sql": "nothing was changed, for it only reads; ask again",
    "status": "nothing was changed, for it only reads; ask again",
    "verify": "nothing was changed, for it only reads; ask again",
    "doctor": "nothing was changed but who may read the home; run it again",
    "materialize": "tables that were computed stand, the others are as they were; floe materialize computes the rest",
    "upkeep": "each of its steps is whole or was not begun, no row is lost; floe upkeep does the rest",
    "simulate": "what was sent or written by then stays; the same command with the same seed gives the same events, "
    "and what arrives twice counts once",
}
_STANDING_ELSE = "what was committed by then stands and nothing is half done; run it again"

UNTIL_STOPPED = (
    "up",
    "ingest",
    "follow",
    "dashboards",
    "dagster",
)  # for these a signal is the ordinary end


class Interrupted(FloeError):
    """Somebody stopped the verb."""


def listen() -> None:
    """From here on Ctrl-C and SIGTERM both raise KeyboardInterrupt."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _raise)


def _raise(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


@contextmanager
def telling(standing: Callable[[], str]) -> Iterator[None]:
    """Where the work inside is stopped: Interrupted, with what `standing` says of it then."""
    try:
        yield
    except BaseException as error:
        if not is_interrupt(error):
            raise
        raise Interrupted(f"stopped: {standing()}") from error


def sentence_of(verb: str | None) -> str:
    return f"stopped: {_STANDING.get(verb or '', _STANDING_ELSE)}"


def end_at_once(error: BaseException) -> NoReturn:
    """Says why and ends the process, whatever its other threads do; for a statement that no
    interrupt reaches.
    """
    if is_interrupt(error):
        error = Interrupted(sentence_of("sql"))
    tell("floe: " + " ".join(str(error).split()), file=sys.stderr)
    sys.stderr.flush()
    os._exit(getattr(error, "exit_code", 1))


def is_interrupt(error: BaseException | None) -> bool:
    """Whether this, or what caused it, is a signal: DuckDB and Dagster have errors of their own for
    it.
    """
    seen: set[int] = set()  # causes may lead in a circle
    while error is not None and id(error) not in seen:
        if (
            isinstance(error, KeyboardInterrupt)
            or type(error).__name__ == "DagsterExecutionInterruptedError"
        ):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False
