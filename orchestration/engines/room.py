"""What this process may use of the machine: cores and memory, as its control groups give them.

Here: reading them (Linux, cgroup v2). Not here: how many workers that makes (local.py).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


def cores(groups: Path = _GROUPS, own: str | None = None) -> int:
    """Whole ones, at least 1: the least of the processors that it may run on and any quota."""
    allowed = getattr(os, "sched_getaffinity", None)  # macOS has none
    found = [len(allowed(0)) if allowed else os.cpu_count() or 1]
    for text in _said("cpu.max", groups, own):
        quota, period = text.split()
        if quota != "max":
            found.append(int(quota) // int(period))
    return max(1, min(found))


def memory_bytes(groups: Path = _GROUPS, own: str | None = None) -> int:
    """The least of the machine's and any limit."""
    limits = [int(text) for text in _said("memory.max", groups, own) if text != "max"]
    return min([psutil.virtual_memory().total, *limits])


def _said(name: str, groups: Path, own: str | None) -> Iterator[str]:
    """What the control group of this process says, and each above it."""
    folder = groups / (_own_group() if own is None else own).lstrip("/")
    while folder.is_relative_to(groups):
        if (file := folder / name).exists():
            yield file.read_text().strip()
        folder = folder.parent


def _own_group() -> str:
    """Of cgroup v2, which has the line 0::PATH."""
    file = Path("/proc/self/cgroup")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line[3:] for line in lines if line.startswith("0::")), "")
