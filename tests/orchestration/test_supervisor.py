"""Watching parts: real small processes that die, freeze, are not whole or never answer; what is
said, what is tried.

Here: the rules, on processes that do nothing. Not here: the parts of Floe
(tests/faults/test_watching.py).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest

from ingest.running import identity, is_alive, parts_down, running, write_running
from ingest.settings import Settings
from orchestration import supervisor as supervisor_module
from orchestration.processes import Child, end_leftovers, marked, wait_stopped
from orchestration.supervisor import Supervisor

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="orphans come to their keeper on Linux only"
)
SLEEPER = "setsid sleep 301 & (setsid sleep 302 &) ; exec sleep 300"


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", up_silent_s=1, kafka_bootstrap="127.0.0.1:1")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watch(settings, said, monkeypatch) -> Iterator[Callable[..., Child]]:
    """Starts a child of a shell's words under a supervisor that hurries."""
    for name, value in {
        "_SCAN_S": 0.2,
        "_LOOK_S": 0.05,
        "_PROBE_S": 0.1,
        "_NOT_WHOLE_S": 0.5,
    }.items():
        monkeypatch.setattr(supervisor_module, name, value)
    monkeypatch.setattr(supervisor_module, "_WAITS_S", (0.05,))
    supervisor = Supervisor(settings, said.append)
    children = []

    def start(words: str = SLEEPER, **more) -> Child:
        children.append(child_of(settings, words, **more))
        supervisor.add(children[-1])
        return children[-1]

    yield start
    supervisor.close()
    wait_stopped(children, timeout_s=3)
    assert marked(settings) == []


def child_of(settings, words: str, **more) -> Child:
    return Child(
        "sleeper", ["bash", "-c", words], settings.home / "logs" / "sleeper.log", settings, **more
    )


def wait(until: Callable[[], object], seconds: float = 20):
    end = time.monotonic() + seconds
    while not (value := until()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def whole(child: Child) -> list[psutil.Process]:
    """Keeper, child and both of its own sessions, once all have come so far."""

    def tree() -> list[psutil.Process] | None:
        with suppress(psutil.Error):
            found = child.processes()
            sleeps = sorted(p.cmdline()[-1] for p in found if p.name() == "sleep")
            return found if len(found) == 4 and sleeps == ["300", "301", "302"] else None

    return wait(tree)


@pytest.mark.parametrize("which", ["the child", "its keeper", "both"])
def test_a_child_that_dies_ends_whole_and_is_started_again(settings, watch, said, which):
    """Kill -9 of either: of 4 processes 0 are left, in whatever session, before the next begins;
    and it is said.
    """
    child = watch()
    before = whole(child)
    for pid in {
        "the child": [child.pid],
        "its keeper": [child.keeper.pid],
        "both": [child.keeper.pid, child.pid],
    }[which]:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: any("runs again" in sentence for sentence in said))
    after = whole(child)
    assert not {p.pid for p in before} & {p.pid for p in after if p.is_running()}
    assert [p for p in before if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert "sleeper ended with code -9; it starts again" in said[0]
    (part,) = running(settings)["parts"]
    assert (part["state"], part["restarts"]) == ("running", 1)


@pytest.mark.parametrize("which", ["the child", "its keeper", "one of its own"])
def test_a_frozen_process_is_said_and_its_part_started_again(watch, said, which):
    """SIGSTOP for longer than FLOE_UP_SILENT_S, of any of its processes."""
    child = watch()
    tree = whole(child)
    pid = {"the child": child.pid, "its keeper": child.keeper.pid, "one of its own": tree[-1].pid}[
        which
    ]
    os.kill(pid, signal.SIGSTOP)
    wait(lambda: any("runs again" in sentence for sentence in said))
    assert "sleeper has been frozen for" in said[0]
    assert not [p for p in tree if p.is_running()]


def test_a_part_that_does_not_answer_is_started_again(watch, said):
    """It runs, and does nothing: it answered once, then for a second it did not."""
    answers = iter([True, *[False] * 100_000])
    watch(answers=lambda _: next(answers))
    wait(lambda: said)
    assert "sleeper has not answered for" in said[0]


def test_a_part_that_lost_a_role_is_started_again(watch, said):
    """A web server without its code server answers, and is of no use."""
    child = watch(roles={"sleep 301": "code server", "sleep 300": "web server"})
    lost = next(p for p in whole(child) if p.cmdline()[-1] == "301")
    wait(lambda: lost.status() == psutil.STATUS_SLEEPING)
    time.sleep(0.6)
    lost.kill()
    wait(lambda: said)
    assert "sleeper has lost its code server" in said[0]


def test_a_child_that_keeps_dying_is_given_up(settings, watch, said):
    """After the 11th death without a healthy minute it is said and left; what else runs goes on."""
    watch("exit 7")
    wait(lambda: "not started again" in said[-1] if said else False)
    assert len([s for s in said if "ended with code 7" in s]) == 11
    assert "the 11th time without a healthy minute" in said[-1]
    wait(lambda: parts_down(settings) and "given up" in parts_down(settings)[0])
    count = len(said)
    time.sleep(0.5)
    assert len(said) == count


def test_a_child_that_needs_something_is_tried_on(settings, watch, said):
    """Exit code 3 (no broker, no space) is no fault of its own: it is never given up."""
    watch("exit 3")
    wait(
        lambda: (
            (running(settings) or {"parts": []})["parts"]
            and running(settings)["parts"][0]["restarts"] > 13
        )
    )
    assert not [sentence for sentence in said if "not started again" in sentence]


def test_leftovers_of_this_home_are_ended_and_nothing_else(settings, tmp_path):
    """4 processes of this home, 4 of another, and one that names this home without having been
    started for it.
    """
    other = settings.model_copy(update={"home": tmp_path / "other"})
    own, foreign = child_of(settings, SLEEPER), child_of(other, SLEEPER)
    by_hand = psutil.Popen(
        ["sleep", "300"], env={"FLOE_HOME": str(settings.home), "PATH": os.environ["PATH"]}
    )
    for child in (own, foreign):
        child.start()
        whole(child)
    try:
        assert end_leftovers(settings) == 4
        assert marked(settings) == []
        assert len(whole(foreign)) == 4
        assert by_hand.is_running()
    finally:
        by_hand.kill()
        by_hand.wait()
        own.stop(timeout_s=2)
        foreign.stop(timeout_s=2)


def test_a_number_that_is_used_again_is_another_process():
    """The same number with another beginning is not the process on record."""
    mine = identity(os.getpid())
    assert is_alive(mine)
    assert not is_alive(mine | {"created": mine["created"] - 100})


@pytest.mark.parametrize(
    ("changes", "state", "down"),
    [
        ({}, "running", []),
        ({"created": 1.0}, "ended", ["floe up ended without being stopped", "broker: ended"]),
        (
            {"updated_at": "2026-01-01T00:00:00+00:00"},
            "silent",
            ["floe up has not looked for", "broker: unknown"],
        ),
        ({"state": "stopped"}, "stopped", []),
    ],
)
def test_what_the_record_says_grows_old(settings, changes, state, down):
    """A record of a floe up that is gone, or that has not looked for a while, says nothing of
    now.
    """
    part = {
        "name": "broker",
        "state": "running",
        "said": "",
        "restarts": 0,
        "processes": [],
        "ports": [],
    }
    write_running(settings, {"state": "running", "said": "", "parts": [part], "told": []})
    path = settings.home / "up.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert running(settings)["state"] == state
    found = parts_down(settings)
    assert len(found) == len(down)
    assert all(sentence.startswith(start) for sentence, start in zip(found, down, strict=True))


def test_the_record_of_a_copied_home_is_not_its_own(settings, tmp_path):
    """A copy of a home knows nothing of the other's processes, which it must neither show nor
    end.
    """
    write_running(settings, {"state": "running", "said": "", "parts": [], "told": []})
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "up.json").write_bytes((settings.home / "up.json").read_bytes())
    assert running(settings.model_copy(update={"home": copy})) is None
