"""The ways out: a webhook, an e-mail, a file; each takes one delivery and says by returning that it
has it.

Here: which is which, and the file. Not here: webhooks (webhook.py), mail (mail.py), what is to be
delivered, in which order and how often (book.py, sender.py).
"""

import json
import os
import stat

from .duty import File, Sink
from .mail import to_email
from .undelivered import Undelivered
from .webhook import to_webhook


def deliver(sink: Sink, delivery_id: str, payload: dict) -> None:
    """Raises Undelivered; a file's is on the disk when it returns."""
    _BY_KIND[sink.kind](sink, delivery_id, payload)


def _to_file(sink: File, delivery_id: str, payload: dict) -> None:
    """A line of JSON, of nobody else's to read; a line that a full disk cut off is ended first."""
    line = json.dumps({"delivery_id": delivery_id, **payload}, sort_keys=True).encode() + b"\n"
    is_new = not sink.path.exists()
    try:
        # a pipe without a reader would block
        file = os.open(
            sink.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600
        )
        try:
            _append(sink, file, line)
        finally:
            os.close(file)
        if is_new:
            _sync_folder(sink)
    except OSError as error:
        raise Undelivered(f"{sink.name}: {sink.path} can't be written ({error.strerror})") from None


def _append(sink: File, file: int, line: bytes) -> None:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise Undelivered(f"{sink.name}: {sink.path} is not a file")
    if status.st_size and os.pread(file, 1, status.st_size - 1) != b"\n":
        line = b"\n" + line
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _sync_folder(sink: File) -> None:
    folder = os.open(sink.path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_BY_KIND = {"webhook": to_webhook, "email": to_email, "file": _to_file}
