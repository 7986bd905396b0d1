"""`floe up` loses its parts, and itself, by kill -9 and by freezing: what is ended, started again,
said; with counts.

Here: the whole system in a process of its own. Not here: the rules on small processes
(test_supervisor.py).

Before there was a supervisor: a broker that died stayed away, unsaid; after the death of Dagster's
parent a second Dagster began beside the orphans of the first (port taken, two daemons); orphans of
a dead `floe up` held its ports.
"""

import os
import signal

import psutil
import pytest

from ingest.running import running
from tests.faults.test_up import Up, up  # noqa: F401

pytestmark = pytest.mark.timeout(1200)
PARTS = ("alerts", "broker", "dagster", "dashboards", "follow", "ingest")


def parts(one: Up) -> dict[str, dict]:
    return {part["name"]: part for part in (running(one.settings) or {"parts": []})["parts"]}


def are_whole(one: Up, restarts: int = 0) -> dict[str, dict] | None:
    """The parts on record, once all run, their processes are listed and each was started again so
    often.
    """
    now = parts(one)
    is_so = sorted(now) == [*PARTS] and all(
        part["state"] == "running" and part["processes"] and part["restarts"] >= restarts
        for part in now.values()
    )
    roles = {process["role"] for process in now.get("dagster", {"processes": []})["processes"]}
    return now if is_so and {"web server", "daemon", "code server"} <= roles else None


def pid_of(now: dict, part: str, role: str | None = None) -> int:
    """Of a part its keeper's child, or the process of that role."""
    processes = [p for p in now[part]["processes"] if p["role"] != "keeper"]
    return next(p["pid"] for p in processes if role in (None, p["role"]))


def settled(up, **environment) -> Up:  # noqa: F811
    one = up()
    one.wait("the end of the start", lambda: "floe is up" in one.said)
    one.wait("all parts", lambda: are_whole(one))
    return one


def alive(pids: list[int]) -> list[int]:
    found = []
    for pid in pids:
        try:
            found += [pid] if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else []
        except psutil.Error:
            continue
    return found


def test_each_part_is_killed_and_comes_back_whole(up):  # noqa: F811
    """Every part by kill -9 of the process at work: all come back, all are said, of the old
    processes 0 are left, and each port has one owner.
    """
    one = settled(up)
    before = are_whole(one)
    for part in PARTS:
        os.kill(pid_of(before, part), signal.SIGKILL)
    after = one.wait("all parts again", lambda: are_whole(one, restarts=1))
    old = [p["pid"] for part in before.values() for p in part["processes"]]
    assert alive(old) == []
    assert {p["pid"] for part in after.values() for p in part["processes"]}.isdisjoint(old)
    assert [part for part in PARTS if f"{part} ended" not in one.said] == []
    assert [part for part in PARTS if f"{part} runs again" not in one.said] == []
    daemons = [p for p in one.processes() if "dagster._daemon" in p.cmdline()]
    assert len(daemons) == 1
    assert one.answers("dagster", "/server_info")
    assert one.answers("dashboards", "/healthz")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0, one.said
    assert one.processes() == []
    assert running(one.settings)["state"] == "stopped"


@pytest.mark.parametrize("role", ["web server", "daemon"])
def test_a_part_of_dagster_is_killed(up, role):  # noqa: F811
    """Dagster without any one of its own is started again whole; of the old processes 0 are
    left.
    """
    one = settled(up)
    before = are_whole(one)
    os.kill(pid_of(before, "dagster", role), signal.SIGKILL)
    one.wait("Dagster again", lambda: "dagster runs again" in one.said and are_whole(one))
    assert alive([p["pid"] for p in before["dagster"]["processes"]]) == []
    assert one.answers("dagster", "/server_info")


def test_dagster_starts_its_code_server_again_itself(up):  # noqa: F811
    """Another one takes its place and 0 of the old are left; nothing is started again by floe
    up.
    """
    one = settled(up)
    before = are_whole(one)
    old = pid_of(before, "dagster", "code server")
    os.kill(old, signal.SIGKILL)

    def is_replaced() -> bool:
        now = are_whole(one)
        return bool(now) and pid_of(now, "dagster", "code server") != old

    one.wait("another code server", is_replaced)
    left = [
        p["pid"]
        for p in before["dagster"]["processes"]
        if p["role"] in ("code server", "code of the assets")
    ]
    one.wait("the end of the old ones", lambda: alive(left) == [])
    assert parts(one)["dagster"]["restarts"] == 0
    assert one.answers("dagster", "/server_info")


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_is_said_and_started_again(up, monkeypatch, part):  # noqa: F811
    """SIGSTOP is no death, so that nothing ends; after FLOE_UP_SILENT_S (15 here) the part is taken
    down and begins anew. Before: it stayed frozen for ever, unsaid.
    """
    monkeypatch.setattr(Up, "environment", {"FLOE_UP_SILENT_S": "15"})
    one = settled(up)
    before = are_whole(one)
    os.kill(pid_of(before, part), signal.SIGSTOP)
    one.wait("the part again", lambda: f"{part} runs again" in one.said and are_whole(one))
    assert f"{part} has " in one.said
    assert alive([pid_of(before, part)]) == []
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0, one.said


def test_what_a_killed_floe_up_left_is_ended_by_the_next(up):  # noqa: F811
    """floe up, Dagster's keeper and Dagster's parent die at once: orphans hold Dagster's port, and
    are said to be left over; the next start ends them, and only them, and takes the port. Before:
    the port was said to be foreign.
    """
    one = settled(up)
    dagster = [p["pid"] for p in are_whole(one)["dagster"]["processes"]]
    bystander = psutil.Popen(
        ["sleep", "300"], env={"FLOE_HOME": str(one.home), "PATH": os.environ["PATH"]}
    )
    for pid in (one.process.pid, *dagster[:2]):
        os.kill(pid, signal.SIGKILL)
    one.process.wait()
    one.wait("nothing but orphans", lambda: len(alive(dagster)) == len(dagster) - 2)
    one.wait("nothing said of running", lambda: running(one.settings)["state"] == "ended")
    again = one.again()
    try:
        again.wait("all parts", lambda: "floe is up" in again.said and are_whole(again))
        assert "an earlier floe up of this home left" in again.said
        assert alive(dagster) == []
        assert bystander.is_running()
    finally:
        bystander.kill()
        bystander.wait()


def test_two_at_once_and_a_frozen_one(up):  # noqa: F811
    """The second of a home refuses in a sentence that names the first, frozen too; and changes
    nothing of it. Let go on, the first forgives its parts the time in which nobody asked them: 0
    restarts.
    """
    one = settled(up)
    second = one.again()
    assert second.process.wait(60) == 1
    assert f"floe up runs already in {one.home} (process {one.process.pid})" in " ".join(
        second.said.split()
    )
    one.process.send_signal(signal.SIGSTOP)
    third = one.again()
    assert third.process.wait(60) == 1
    assert f"kill -CONT {one.process.pid} lets it go on" in " ".join(third.said.split())
    one.wait("its silence is said", lambda: running(one.settings)["state"] == "silent")
    one.process.send_signal(signal.SIGCONT)
    one.wait("all parts", lambda: running(one.settings)["state"] == "running")
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(60) == 0, one.said
    assert [part["restarts"] for part in parts(one).values()] == [0] * len(PARTS)
