"""What must be so before a broker starts: its port is free, and there is space.

Here: the conditions, each with what to do where it does not hold. Not here: starting (node.py).
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.errors import DiskFull, PortInUse

from . import java as broker_java
from . import process as broker_process
from .java import folder

_MIN_FREE_BYTES = 256 * 2**20


def require_port(settings) -> None:
    port = settings.broker_port
    if broker_process.is_free(port):
        return
    process = broker_process.listener(port)
    words = process.cmdline() if process else []
    home = next(
        (
            word.removeprefix(broker_java.MARKER)
            for word in words
            if word.startswith(broker_java.MARKER)
        ),
        "",
    )
    who = (
        f"the broker of {Path(home).parent}"
        if home
        else process.name()
        if process
        else "another program"
    )
    raise PortInUse(
        f"port {port} of 127.0.0.1 is in use by {who}{f' (pid {process.pid})' if process else ''}, and the broker "
        "needs it free: stop that, or set FLOE_BROKER_PORT to another port"
    )


def require_space(settings) -> None:
    free = shutil.disk_usage(folder(settings)).free
    if free < _MIN_FREE_BYTES:
        raise DiskFull(
            f"{free / 2**20:.0f} MiB are free for {folder(settings)}, expected {_MIN_FREE_BYTES / 2**20:.0f} or more: "
            "free some, or set FLOE_HOME to a folder with space"
        )


@contextmanager
def no_space_is_disk_full(settings) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(
            f"no space is left for {folder(settings)}: free some, or set FLOE_HOME"
        ) from error
