"""The process that keeps a lake's tables up to date: a real one of `floe follow`, over a lake in which
records land.

Here: that what landed is computed, what of it, what Dagster sees, two of them, kills. Not here: when a
run is due (test_definitions.py), that what follows the change is the whole (test_following.py).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import dagster as dg
import pytest

from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.cut import DATA_CUT, is_behind, waiting
from orchestration.dagster_home import prepare_dagster_home
from orchestration.due import OF_EVERYBODY
from orchestration.followed_home import is_followed
from tests.computed import batch_of

NOW = datetime(2027, 6, 1, 12, tzinfo=UTC)
PLAN = Plan(clinics=2, patients=6, days=60, seed=5, with_readings=False, with_telemetry=False)
PATIENCE_S = 900


@pytest.fixture
def settings(tmp_path, with_lake, monkeypatch) -> Settings:
    monkeypatch.setenv("FLOE_HOME", str(with_lake(tmp_path / "home")))
    return Settings()


def land_all(settings, records, *, first: dict[str, int]) -> None:
    """Lands the records, a batch a topic, after what landed of it before."""
    batches = []
    for topic in sorted({topic for topic, _, _ in records}):
        pairs = [(key, value) for t, key, value in records if t == topic]
        batches.append(batch_of(topic, pairs, first=first.get(topic, 0)))
        first[topic] = first.get(topic, 0) + len(pairs)
    with Lake.open(settings) as lake:
        land(lake, prepare(batches, now=NOW))


def started(settings) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "follow"],
        env=os.environ | {"FLOE_HOME": str(settings.home)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def follower(settings) -> Iterator[Callable[[], subprocess.Popen]]:
    processes = []

    def start() -> subprocess.Popen:
        processes.append(started(settings))
        return processes[-1]

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stderr.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.5)


def is_up_to_date(settings) -> bool:
    with Lake.open(settings, read_only=True) as lake:
        has_cut = not lake.table(DATA_CUT.full_name).is_empty()
        return has_cut and not is_behind(lake) and waiting(lake) <= OF_EVERYBODY


def computed_tables(settings) -> int:
    with Lake.open(settings, read_only=True) as lake:
        return lake.table("app.cursors").height


def finished(instance, n_runs: int) -> bool:
    runs = instance.get_runs()
    return len(runs) == n_runs and all(run.is_finished for run in runs)


@pytest.mark.timeout(1_800)
def test_a_lake_is_followed(settings, follower, monkeypatch):
    """1. killed in its first run, it computes the rest when it is started again, and Dagster's record
    says of the run that was killed that it failed; 2. a second one is refused; 3. after an event of
    care a run has the tables that this can touch, with their checks, and all stand on its cut; 4.
    SIGTERM ends it in order.
    """
    records = [r for r in simulate(PLAN) if r[0] != "floe.alerts.v1"]
    care = next(r for r in reversed(records) if r[0] == "floe.care.v1")
    records.remove(care)
    first: dict[str, int] = {}
    land_all(settings, records, first=first)
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_dagster_home(settings)))

    killed = follower()
    wait_until(lambda: computed_tables(settings) > 5)
    killed.kill()
    killed.wait()
    assert not is_followed(settings)
    process = follower()
    wait_until(lambda: is_up_to_date(settings))

    second = follower()
    assert second.wait(PATIENCE_S) == 1
    assert "another floe follow" in second.stderr.read()

    with dg.DagsterInstance.get() as instance:
        wait_until(lambda: finished(instance, 2))
        after_kill, in_kill = instance.get_runs()
        assert after_kill.status == dg.DagsterRunStatus.SUCCESS
        assert in_kill.status == dg.DagsterRunStatus.FAILURE
        land_all(settings, [care], first=first)
        wait_until(lambda: finished(instance, 3))
        run = instance.get_runs()[0]
        assert run.status == dg.DagsterRunStatus.SUCCESS
        chosen = {key.to_user_string().replace("/", ".") for key in run.asset_selection}
        assert {"core.care", "core.data_cut", "app.releases"} <= chosen
        assert not {"core.responses", "core.sessions", "core.activity_days"} & chosen
        checks = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        assert len(checks) == len(chosen) - 1  # a release has none
    assert is_up_to_date(settings)

    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert not is_followed(settings)
