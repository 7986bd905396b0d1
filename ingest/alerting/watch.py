"""The watcher's process: it waits for a lake, starts what sends, and looks again after a failed look.

Here: `run`. Not here: what a look does (watcher.py).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from transforms.errors import CatalogMissing, DiskFull

from ..lake import Lake
from ..private import make_home
from . import sender
from .beat import only_watcher, write_beat
from .book_file import book_path, in_words
from .duty import TOPIC, Duty, read_duty
from .watcher import Say, Watcher, is_disk_full

_HEALTHY_S = 60.0
_LONGEST_WAIT_S = 60.0


def run(settings, *, stop: threading.Event, say: Say = lambda _: None) -> None:
    """Watches until `stop` is set; waits for a lake. Whatever a look's error, it is said and the
    look is taken again.

    Raises UsageError for a file of duties that can't be read, FloeError where another watches this
    home, DiskFull.
    """
    duty = read_duty(settings.alerts)
    make_home(settings)
    with _no_space_is_disk_full(settings), only_watcher(settings):
        start_senders(settings, duty, stop=stop, say=say)
        failures = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                _watch(settings, duty, stop, say)
            except Exception as error:
                if is_disk_full(error):
                    raise
                failures = 0 if time.monotonic() - began > _HEALTHY_S else failures + 1
                wait_s = min(_LONGEST_WAIT_S, 2.0**failures)
                fault = in_words(error, book_path(settings))
                say(
                    f"alerts: a look failed ({fault}); all since the last whole one is looked at again in {wait_s:.0f} s"
                )
                write_beat(settings, fault=fault)
                stop.wait(wait_s)


def _watch(settings, duty: Duty, stop: threading.Event, say: Say) -> None:
    """From the book's positions on, until `stop` is set or a look fails."""
    with ExitStack() as stack:
        lake = _opened(settings, stop, stack)
        if lake is not None:
            stack.enter_context(Watcher(settings, duty, lake, say=say)).run(stop)


def _opened(settings, stop: threading.Event, stack: ExitStack) -> Lake | None:
    """The lake, once ingest has made it; None where `stop` was set before."""
    while not stop.is_set():
        try:
            return stack.enter_context(Lake.open(settings.of_one_thread, read_only=True))
        except CatalogMissing as error:
            write_beat(settings, fault=str(error))
            stop.wait(1.0)
    return None


@contextmanager
def _no_space_is_disk_full(settings) -> Iterator[None]:
    """DiskFull that names the book, whatever met the full disk."""
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise DiskFull(
            f"no space is left for the book of alerts ({book_path(settings)}): free some; what landed meanwhile is looked "
            "at then"
        ) from error


def start_senders(settings, duty: Duty, *, stop: threading.Event, say: Say) -> None:
    """One thread per sink, and one for the alerts' topic."""
    path = book_path(settings)
    sender.start(path, TOPIC, sender.to_topic(settings), stop=stop, say=say)
    for sink in duty.sinks:
        sender.start(path, sink.name, sender.to_sink(sink), stop=stop, say=say)
