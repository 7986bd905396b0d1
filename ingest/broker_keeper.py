"""Starts a process that lives on without its parent, or is ended with it, however the parent ends.

Here: a small script of the standard library alone, run as a file by broker.py. Not here: what it starts.

    python broker_keeper.py {"command": [...], "log": PATH, "is_tied": BOOL, "grace_s": SECONDS}

It prints {"pid": ..., "keeper_pid": ...} on its standard output and lets its caller go on at once. Tied, a keeper
stays behind, watches its standard input (a pipe whose other end only the caller holds, so that even kill -9 closes
it) and then ends the process: SIGTERM, `grace_s` seconds (0: SIGKILL at once), SIGKILL, and whatever it started.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

_POLL_S = 0.2


def main(order: dict) -> None:
    if os.fork():
        os._exit(0)  # the caller waits for this one only
    os.setsid()
    process = _start(order)
    print(json.dumps({"pid": process.pid, "keeper_pid": os.getpid() if order["is_tied"] else None}), flush=True)
    os.close(1)
    if order["is_tied"]:
        _keep(process, order["grace_s"])
    os._exit(0)


def _start(order: dict) -> subprocess.Popen:
    with open(order["log"], "ab") as log:
        return subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=(lambda: _die_with_keeper(order["grace_s"])) if order["is_tied"] else None,
        )


def _die_with_keeper(grace_s: float) -> None:
    """In the child: a keeper that is itself killed takes its process along (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM if grace_s else signal.SIGKILL)  # PR_SET_PDEATHSIG


def _keep(process: subprocess.Popen, grace_s: float) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, lambda *_: _end(process, grace_s))
    while process.poll() is None:
        readable, _, _ = select.select([0], [], [], _POLL_S)
        if readable and not os.read(0, 4096):
            _end(process, grace_s)
    _kill_session(process)


def _end(process: subprocess.Popen, grace_s: float) -> None:
    if grace_s:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _kill_session(process)
    process.wait()
    os._exit(0)


def _kill_session(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
