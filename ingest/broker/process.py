"""Processes and ports of this machine: start one that lives or dies with us, find it again, end it.

Here: what the broker needs of the operating system. Not here: what is run (node.py).
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from .. import keeper


def keep(command: list[str], *, log: Path, tied: bool, grace_s: float, **surroundings) -> dict:
    """Runs `command` under keeper.py, which reports {"pid", "keeper_pid"}; output is appended to
    `log`.

    `surroundings`: `cwd` and `env`, as subprocess has them. `tied`: it ends when this process ends,
    however that happens: SIGTERM, after `grace_s` (0: at once) SIGKILL.
    """
    order = {
        "command": command,
        "log": str(log),
        "is_tied": tied,
        "grace_s": grace_s,
        "is_in_front": False,
    }
    read_end, write_end = os.pipe()
    try:
        under_keeper = [sys.executable, "-I", "-S", str(keeper.__file__), json.dumps(order)]
        keeper_run = subprocess.run(
            under_keeper, stdin=read_end, stdout=subprocess.PIPE, check=True, **surroundings
        )
    finally:
        os.close(read_end)
        if not tied:
            os.close(write_end)  # else it stays open as long as this process lives: that is the tie
    return json.loads(keeper_run.stdout)


def identity(pid: int | None) -> dict | None:
    """What names one process for good: its id is used again some day, with its time of creation it
    is not.
    """
    process = pid and by_pid(pid)
    if not pid:
        return None
    return {"pid": pid, "created": process.create_time() if process else 0.0}


def by_identity(recorded: dict | None) -> psutil.Process | None:
    """The process, if it is still that one and alive."""
    process = recorded and by_pid(recorded["pid"])
    if process and is_alive(process) and abs(process.create_time() - recorded["created"]) < 1:
        return process
    return None


def by_pid(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def by_argument(argument: str) -> psutil.Process | None:
    """A living process with exactly that word on its command line."""
    for process in psutil.process_iter(["cmdline"]):
        if argument in (process.info["cmdline"] or ()) and is_alive(process):
            return process
    return None


def is_alive(process: psutil.Process) -> bool:
    """A zombie is not: where nobody reaps it, a process that has ended stays as one."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(process: psutil.Process, *, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def end(process: psutil.Process | None, *, timeout_s: float) -> None:
    """SIGTERM, after `timeout_s` SIGKILL; None is done already."""
    try:
        if process is not None:
            process.terminate()
            if not wait_gone(process, timeout_s=timeout_s):
                process.kill()
                wait_gone(process, timeout_s=timeout_s)
    except psutil.NoSuchProcess:
        return


def free_port() -> int:
    """A port to listen on, below those that the system gives to clients: none of them takes it
    meanwhile.
    """
    return next(
        port for port in iter(lambda: random.randrange(10_000, 32_768), None) if is_free(port)
    )


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:`port` can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listener(port: int) -> psutil.Process | None:
    """Who listens on `port`, where this user may know it."""
    try:
        connections = psutil.net_connections("tcp")
        pids = [
            c.pid
            for c in connections
            if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid
        ]
        return psutil.Process(pids[0]) if pids else None
    except psutil.Error:
        return None
