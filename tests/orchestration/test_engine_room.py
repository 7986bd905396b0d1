"""What an engine asks of the machine and of a cluster before it starts; order, and workers that end.

Here: rules, and the processes themselves with work of a line. Not here: tables (test_engines.py).
"""

import math
import os
import sys

import psutil
import pytest

from ingest.settings import Settings
from orchestration.engines import engine, local, on_ray, require_usable, room
from transforms.errors import FloeError, Missing, UsageError

TWO = local.Room(workers=2, threads=1)


@pytest.mark.parametrize(
    ("outer", "inner", "cores"),
    [
        ("max 100000", "100000 100000", 1),
        ("50000 100000", "max 100000", 1),  # half a core is one process
        ("max 100000", "max 100000", len(os.sched_getaffinity(0))),
        (None, None, len(os.sched_getaffinity(0))),
    ],
)
def test_cores_are_what_the_control_groups_give(tmp_path, outer, inner, cores):
    """The least of this group's quota and of those above it, at least one."""
    _groups(tmp_path, "cpu.max", outer, inner)
    assert room.cores(tmp_path, "/site/floe") == cores


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [("2000000", "1000000", 1_000_000), ("1000000", "max", 1_000_000), ("max", None, None)],
)
def test_memory_is_what_the_control_groups_give(tmp_path, outer, inner, expected):
    """The least of the limits; the machine's where there is none."""
    _groups(tmp_path, "memory.max", outer, inner)
    found = room.memory_bytes(tmp_path, "/site/floe")
    assert found == (expected or psutil.virtual_memory().total)


def _groups(folder, name: str, outer: str | None, inner: str | None) -> None:
    (folder / "site" / "floe").mkdir(parents=True)
    for path, text in ((folder / "site", outer), (folder / "site" / "floe", inner)):
        if text:
            (path / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("lake_memory", "workers"),
    [("2 MB", 8), ("4 GB", 5), ("4gigabytes", 5), ("4GiB", 4), ("31 GB", 1), ("none", 1)],
)
def test_each_worker_has_the_memory_of_a_process(lake_memory, workers):
    """Of 8 cores and 30 GB, by lake queries and half as much beside them: 30 / 6 = 5."""
    found = local.room(lake_memory, cores=8, memory_bytes=30 * 10**9)
    assert found == (workers, 8 // workers)


def test_one_worker_is_the_process_that_asks():
    """Where there is no room for more."""
    with engine(Settings(lake_memory="1000TB")) as mapped:
        assert mapped is None


def test_frames_come_in_the_order_of_the_batches():
    """Whichever is done first; none where there is nothing to do."""
    with local.pool(TWO) as mapped:
        assert list(mapped(math.factorial, [900, 1, 5, 0, 3])) == [
            math.factorial(n) for n in (900, 1, 5, 0, 3)
        ]
        assert list(mapped(math.factorial, [])) == []


def test_workers_that_end_again_and_again_are_an_error():
    """What ends every worker that has it is not tried for ever; a worker's own error is the caller's."""
    with local.pool(TWO) as mapped:
        with pytest.raises(FloeError, match="lower FLOE_BATCH_PATIENTS"):
            list(mapped(os._exit, [9]))
        with pytest.raises(ValueError, match="not defined for negative"):
            list(mapped(math.factorial, [-1]))


def test_workers_end_with_the_pool():
    """At once, whatever they compute."""
    before = set(psutil.Process().children())
    with local.pool(TWO) as mapped:
        frames = mapped(_slept, [0, 100, 100])
        pid = next(frames)
        assert psutil.pid_exists(pid)
    left = set(psutil.Process().children()) - before
    assert not [one for one in left if "spawn_main" in " ".join(one.cmdline())]


def _slept(seconds: float) -> int:
    import time

    time.sleep(seconds)
    return os.getpid()


# --- Ray ----------------------------------------------------------------------------------------


@pytest.fixture
def without_token(monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("", True),
        ("127.0.0.1:6379", True),
        ("localhost:6379", True),
        ("[::1]:6379", True),
        ("192.0.2.7:6379", False),
        ("ray.example:6379", False),
        ("ray://127.0.0.1:10001", False),
        ("auto", False),  # whatever a file of this machine names
    ],
)
def test_another_machine_is_refused_without_a_token(without_token, monkeypatch, address, is_here):
    """Only what is surely this machine is joined without one."""
    settings = Settings(engine="ray", ray_address=address)
    if is_here:
        require_usable(settings)
    else:
        with pytest.raises(UsageError, match=r"there is no token.*FLOE_RAY_TOKEN_FILE"):
            require_usable(settings)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    require_usable(settings)


def test_a_tokens_file_must_be_there(tmp_path):
    """Ray would look for another one."""
    file = tmp_path / "token"
    settings = Settings(engine="ray", ray_address="192.0.2.7:1", ray_token_file=str(file))
    with pytest.raises(Missing, match="which is no file"):
        require_usable(settings)
    file.write_text("secret")
    require_usable(settings)


def test_ray_must_be_there_and_know_tokens(tmp_path, monkeypatch):
    """Where it is not installed the extra is named; one of before 2.52 is refused."""
    settings = Settings(engine="ray")
    old = tmp_path / "ray-2.51.1.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: ray\nVersion: 2.51.1\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(UsageError, match=r"found Ray 2\.51\.1, expected 2\.52"):
        on_ray.require_usable(settings)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "empty")])
    with pytest.raises(Missing, match=r"floe\[ray\]"):
        on_ray.require_usable(settings)
    require_usable(Settings(engine="local"))
