"""What `floe up` watches: a part, how it stands, and its processes in words.

Here: `Part`, `Watched`. Not here: when a part is down and what then (supervisor.py).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psutil

from ingest import keeper


class Part(Protocol):
    """What is watched: a Child, or the broker."""

    name: str
    log: Path
    ports: tuple[int, ...]
    roles: Mapping[str, str]
    patience_s: float

    def start(self) -> None: ...
    def ending(self) -> tuple[str, bool] | None: ...
    def processes(self) -> list[psutil.Process]: ...
    def kill(self) -> None: ...
    def answers(self, part: "Part") -> bool: ...


@dataclass
class Watched:
    part: Part
    state: str = "starting"
    said: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    restarts: int = 0
    in_a_row: int = 0
    started: float = field(default_factory=time.monotonic)
    start_at: float = 0.0
    answered: float = 0.0
    has_answered: bool = False
    frozen_since: float = 0.0
    incomplete_since: float = 0.0
    roles: set[str] = field(default_factory=set)
    processes: list[dict] = field(default_factory=list)

    def become(self, state: str, said: str = "") -> None:
        self.state, self.said, self.since = state, said, datetime.now(UTC)


def described(process: psutil.Process, roles: Mapping[str, str]) -> dict | None:
    try:
        words = " ".join(process.cmdline())
        of_keeper = {str(keeper.__file__): "keeper"}  # whose order names what it keeps
        role = next(
            (role for word, role in (of_keeper | roles).items() if word in words), process.name()
        )
        status = process.status()
        created = process.create_time()
    except psutil.Error:
        return None
    if status == psutil.STATUS_ZOMBIE:
        return None
    return {
        "role": role,
        "pid": process.pid,
        "created": created,
        "is_frozen": status == psutil.STATUS_STOPPED,
    }
