"""Starts a process that lives on without its parent, or ends with it and takes along all that it
started.

Here: a small script of the standard library alone, run as a file (broker/process.py,
orchestration/processes.py). Not here: what it starts.

    python keeper.py {"command": [...], "log": PATH, "is_tied": BOOL, "grace_s": SECONDS,
    "is_in_front": BOOL}

It prints {"pid": ..., "keeper_pid": ...} on its standard output. Tied, it stays and watches its
standard input (a pipe whose other end only the caller holds, so that even kill -9 closes it), and
then ends the process: SIGTERM, `grace_s` seconds (0: SIGKILL at once), SIGKILL. However the process
ends, whatever it started ends with it, in groups and sessions of its own too: orphans come to the
keeper, as to an init (Linux; elsewhere its process group alone).

In front it is its caller's child and ends as its process did (by signal N: exit code 128 + N); else
it steps aside.
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
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def main(order: dict) -> None:
    if not order["is_in_front"]:
        if os.fork():
            os._exit(0)  # the caller waits for this one only
        os.setsid()
    if order["is_tied"]:
        _prctl(_SET_CHILD_SUBREAPER, 1)
    process = _start(order)
    print(
        json.dumps({"pid": process.pid, "keeper_pid": os.getpid() if order["is_tied"] else None}),
        flush=True,
    )
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


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def _die_with_keeper(grace_s: float) -> None:
    """In the child: a keeper that is itself killed takes its process along (Linux only)."""
    _prctl(_SET_PDEATHSIG, signal.SIGTERM if grace_s else signal.SIGKILL)


def _keep(process: subprocess.Popen, grace_s: float) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, lambda *_: _end(process, grace_s))
    while process.poll() is None:
        readable, _, _ = select.select([0], [], [], _POLL_S)
        if readable and not os.read(0, 4096):
            _end(process, grace_s)
        _reap(process)
    _end_what_it_left(process)


def _end(process: subprocess.Popen, grace_s: float) -> None:
    if grace_s:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that is frozen would not hear it
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _end_what_it_left(process)


def _end_what_it_left(process: subprocess.Popen) -> None:
    """Its group, then one generation of orphans after the other; then this process ends as it
    did.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    while orphans := _children():
        for pid in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in orphans:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
    os._exit(code if code >= 0 else 128 - code)


def _reap(process: subprocess.Popen) -> None:
    """Orphans that ended by themselves."""
    for pid in _children():
        if pid != process.pid:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
