"""Why a sink did not take a delivery: in one sentence, without the sink's secrets; and how long one
may take.

Here: the error, reading a sink's secrets from the environment, hiding them, the deadline of one
delivery. Not here: the ways out (webhook.py, mail.py, sinks.py).
"""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from urllib.parse import quote, urlsplit

from transforms.errors import FloeError

from ..secrecy import MARK, hidden
from .duty import Sink

SILENT_S = 10.0  # of a receiver, between two answers
WHOLE_S = 20.0  # of one delivery, however slowly a receiver answers
_SHORTEST = 4  # characters of what is taken for a secret


class Undelivered(FloeError):
    """One sentence: what the receiver said, or that there was none.

    `is_refused`: it answered and did not take this one, so that others may still be tried.
    `wait_s`: for so long it wants to be left alone.
    """

    def __init__(
        self, sentence: str, *, is_refused: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.is_refused = is_refused
        self.wait_s = wait_s


def secret(variable: str) -> str:
    """The value of an environment variable that a sink names; raises Undelivered where it is not
    set.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise Undelivered(f"the variable {variable}, which a sink of FLOE_ALERTS names, is not set")
    return value


def address(sink: Sink) -> str:
    """A webhook's URL, from the file or from the variable that it names; raises Undelivered where
    that holds none.
    """
    from .duty import url_fault

    if not sink.url_env:
        return sink.url
    url = secret(sink.url_env)
    if fault := url_fault(url):
        raise Undelivered(f"the variable {sink.url_env}, which {sink.name} names: {fault}")
    return url


def without_secrets(text: object, sink: Sink) -> str:
    """The text with *** for the sink's keys and passwords, and for its URL beyond the host: it may
    hold a token.
    """
    text = str(text)
    for secret in sorted(_secrets(sink), key=len, reverse=True):
        text = text.replace(secret, MARK)
    return hidden(text)


def _secrets(sink: Sink) -> Iterator[str]:
    given = sink.model_dump()
    values = [
        os.environ.get(given[name], "").strip()
        for name in given
        if name.endswith("_env") and given[name]
    ]
    for value in [*values, *_beyond_hosts([given.get("url", ""), given.get("proxy", ""), *values])]:
        if len(value) >= _SHORTEST:
            yield from (value, quote(value), quote(value, safe=""))


def _beyond_hosts(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        with suppress(ValueError):
            parts = urlsplit(url)
            if parts.scheme in ("http", "https"):
                yield from (url, parts.path.strip("/"), parts.query, *parts.path.split("/"))


@contextmanager
def deadline(
    open_socket: Callable[[], socket.socket | None], *, seconds: float | None = None
) -> Iterator[None]:
    """Cuts the connection that `open_socket` gives after so many seconds; whatever came until then
    is a TimeoutError.

    What is cut off may read like an answer that was whole.
    """
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        with suppress(OSError, AttributeError):
            open_socket().shutdown(socket.SHUT_RDWR)

    most_s = WHOLE_S if seconds is None else seconds
    timer = threading.Timer(most_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, ValueError, HTTPException):
        if not is_over.is_set():
            raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError(f"not done within {most_s:g} s")
