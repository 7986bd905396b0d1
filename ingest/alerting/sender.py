"""Delivering what the book says is to be delivered, one thread a sink, until each has it.

Here: order, patience, the alerts' topic. Not here: what is put in the book (watcher.py), what goes
over the wire (sinks.py).

A delivery that a sink took and of which the book does not know (a crash between the two) is sent
again under the same id. What fails waits twice as long each time, up to five minutes, and is never
given up.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from transforms.errors import FloeError

from .. import stream
from .book import Book
from .book_file import in_words
from .duty import Sink
from .names import naming_key
from .own_events import own_event
from .sinks import deliver
from .undelivered import Undelivered, without_secrets

_LOOK_S = 0.1
_ROUND_S = 1.0
_AFTER_A_FAULT_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0

Say = Callable[[str], None]
Send = Callable[
    [list[dict]], Iterator[tuple[dict, FloeError | None]]
]  # each delivery, and why it was not taken


def waiting_s(attempts: int) -> float:
    """Until the next attempt after so many that failed."""
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(attempts, 20))


def start(
    book: Path, name: str, send: Send, *, stop: threading.Event, say: Say
) -> threading.Thread:
    """A thread that hands the deliveries of the sink `name` to `send` until `stop` is set."""
    thread = threading.Thread(
        target=_run, args=(book, name, send, stop, say), name=f"floe-alerts-{name}", daemon=True
    )
    thread.start()
    return thread


def _run(path: Path, name: str, send: Send, stop: threading.Event, say: Say) -> None:
    """Whatever ends a round (a book that can't be opened, a full disk under it) is said, and the
    book is opened anew: a thread that ended would tell nobody any more.
    """
    news = _News(name, say)
    while not stop.is_set():
        try:
            with Book(path) as book:
                while not stop.is_set() and book.is_current:
                    if not _round(book, name, send, news, stop):
                        stop.wait(_LOOK_S)
        except Exception as error:
            fault = in_words(error, path)
            news(fault, at_fault=fault)
            stop.wait(_AFTER_A_FAULT_S)


class _News:
    """Says once that deliveries wait and why, by what is at fault, and once that they are delivered
    again.
    """

    def __init__(self, name: str, say: Say) -> None:
        self._name, self._say, self._at_fault = name, say, ""

    def __call__(self, fault: str, *, at_fault: str) -> None:
        """`at_fault`: '' = nothing."""
        if at_fault == self._at_fault:
            return
        self._at_fault = at_fault
        with suppress(Exception):  # a terminal that is gone
            self._say(
                f"alerts to {self._name} {f'wait: {fault}' if fault else 'are delivered again'}"
            )


def _round(book: Book, name: str, send: Send, news: _News, stop: threading.Event) -> bool:
    """Hands what is due to `send`; whether anything was. Ends early where something urgent came, or
    after a while, for then something urgent may be due again: a slow receiver is not to hold it
    back.
    """
    newest, began = book.newest(name), time.monotonic()
    due = book.due(name, now=datetime.now(UTC))
    for delivery, error in send(due) if due else ():
        note(book, delivery, error, now=datetime.now(UTC))
        news(str(error or ""), at_fault="the sink" if error else "")
        is_down = error is not None and not getattr(
            error, "is_refused", False
        )  # the rest waits with it, at once
        is_late = time.monotonic() - began > _ROUND_S
        if not is_down and (stop.is_set() or is_late or book.is_urgent_since(name, newest)):
            break
    return bool(due)


def note(book: Book, delivery: dict, error: FloeError | None, *, now: datetime) -> None:
    """Writes down how an attempt ended: taken, or why not and when it is tried again."""
    if error is None:
        book.delivered(delivery["number"], now=now)
        return
    wait_s = max(waiting_s(delivery["attempts"]), getattr(error, "wait_s", None) or 0.0)
    book.failed(delivery["number"], error=str(error), due_at=now + timedelta(seconds=wait_s))


def to_sink(sink: Sink) -> Send:
    """Sends deliveries one by one; those behind one that nobody answered to wait with it."""

    def send(due: list[dict]) -> Iterator[tuple[dict, FloeError | None]]:
        down = None
        for delivery in due:
            if down:
                yield delivery, down
                continue
            try:
                deliver(sink, delivery["delivery_id"], delivery["payload"])
            except Undelivered as error:
                down = None if error.is_refused else error
                yield delivery, error
            except Exception as error:  # of this one alone: the others go on
                reason = without_secrets(error, sink)
                yield (
                    delivery,
                    Undelivered(
                        f"{sink.name} can't be told this ({type(error).__name__}: {reason})"
                    ),
                )
            else:
                yield delivery, None

    return send


def to_topic(settings) -> Send:
    """Publishes deliveries, whose payloads are alerts' `data`, together: all or none are taken to
    be there.
    """

    def send(due: list[dict]) -> Iterator[tuple[dict, FloeError | None]]:
        failure = None
        try:
            key = naming_key(settings)
            stream.publish(settings, [own_event(delivery, key=key) for delivery in due])
        except FloeError as error:
            failure = error
        yield from ((delivery, failure) for delivery in due)

    return send
