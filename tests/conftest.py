"""What tests of several rooms share. Here: the session's Kafka, empty lakes. Not here: what one
test file alone needs.
"""

import gc
import math
import os
import resource
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadFileScheduling

from ingest.lake import Lake
from ingest.settings import Settings
from tests.running_kafka import running_kafka

# Whole systems (`make systems`): what runs a broker and workers, or computes lakes again and again.
_SYSTEMS = (
    "tests/end_to_end/",
    "tests/ingest/alerting/test_scenarios.py",
    "tests/orchestration/test_releases.py",
    "tests/orchestration/test_following.py",
    "tests/orchestration/test_resident.py",
    "tests/orchestration/test_histories.py",
    "tests/orchestration/test_comparing.py",
    "tests/orchestration/test_engines.py",
    "tests/orchestration/test_masked_arms.py",
    "tests/orchestration/test_restating.py",
    "tests/orchestration/test_cli.py",
    "tests/ingest/alerting/test_watcher.py",
    "tests/ingest/alerting/test_hearing.py",
    "tests/orchestration/test_release_before.py",
    "tests/ingest/test_backup.py",
    "tests/ingest/test_broker.py",
    "tests/ingest/test_durability.py",
    "tests/ingest/test_lake_damage.py",
    "tests/ingest/test_lake_limits.py",
    "tests/ingest/test_worker.py",
    "tests/ingest/alerting/test_apart.py",
    "tests/ingest/alerting/test_looking.py",
    "tests/ingest/alerting/test_running.py",
    "tests/ingest/alerting/test_work_lists.py",
    "tests/ingest/test_s3.py",
    "tests/ingest/test_upkeep.py",
    "tests/ingest/test_many_hosts.py",
    "tests/ingest/test_postgres.py",
    "tests/transforms/released/test_hidden_cells.py",
    "tests/transforms/released/test_whole_release.py",
    "tests/transforms/marts/test_simulated_returns.py",
    "tests/transforms/marts/test_trial_beside_simulated.py",
    "tests/fault_files/",
)
# Files and folders that take longest, by their seconds of processor (`--durations` shows a test's).
_LONGEST_FIRST = (
    *_SYSTEMS,
    "tests/transforms/alerting/test_before.py",
    "tests/transforms/alerting/test_judging.py",
    "tests/dashboards/test_pages.py",
    "tests/dashboards/test_gate.py",
    "tests/transforms/marts/",
    "tests/ingest/",
    "tests/orchestration/",
    "tests/dashboards/",
)
# When a suite that takes what time is left has used it up (seconds since 1970, as `.ci/run` sets it).
_ENDS_AT = float(os.environ.get("FLOE_TESTS_END", "inf"))

# How long an example takes depends on what else the machine does: pytest's timeout is the limit.
hypothesis_settings.register_profile("floe", deadline=None)
hypothesis_settings.load_profile("floe")


def pytest_configure(config):
    """Lakes of tests have one thread each, since two pytest workers have the cores; those of
    end_to_end are as shipped.

    kafka-python now and then leaves a socket to the garbage collector, at a moment that fails some
    other test.
    """
    os.environ.setdefault("FLOE_LAKE_THREADS", "1")
    for kind in ("socket.socket", "ssl.SSLSocket"):
        config.addinivalue_line("filterwarnings", f"ignore:unclosed <{kind}:ResourceWarning")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """PostgreSQL's tests come first: starting it forks, which the kernel refuses a process that has
    grown large. Then the long files, so that two workers end together. Once it is known which are
    left out of a suite that may not fit its time, another file begins.
    """
    for item in items:
        if any(part in item.nodeid for part in _SYSTEMS):
            item.add_marker("system")
    items.sort(key=lambda item: (_is_late(item), _place(item.nodeid)))
    result = yield
    if math.isfinite(_ENDS_AT):
        items[:] = _begun_elsewhere(items, day=int(_ENDS_AT // 86_400))
    return result


def _is_late(item) -> bool:
    return "postgres" not in item.nodeid


def _place(nodeid: str) -> int:
    return next((k for k, part in enumerate(_LONGEST_FIRST) if part in nodeid), len(_LONGEST_FIRST))


def _begun_elsewhere(items: list, day: int) -> list:
    """From another file on each day, so that what does not fit is not the same for ever."""
    files = list(dict.fromkeys(item.path for item in items))
    turned = {file: (k - day) % len(files) for k, file in enumerate(files)}
    return sorted(items, key=lambda item: (_is_late(item), turned[item.path]))


def pytest_runtest_setup():
    if time.time() > _ENDS_AT:
        pytest.skip("the time that this suite was given is used up: run it by itself")


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config):
    """The same where the session ends: pytest then collects what is left, without the filters of
    its settings.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"unclosed <(socket\.socket|ssl\.SSLSocket)", ResourceWarning
        )
        for _ in range(3):
            gc.collect()


class _Files(LoadFileScheduling):
    """Of workers side by side each runs whole files, and one of them all that shares the systems of
    end_to_end.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return str(Path(file).parent) if "end_to_end" in file else file


def pytest_xdist_make_scheduler(config, log):
    return _Files(config, log)


@pytest.fixture(autouse=True)
def _process_as_it_was():
    """A verb that runs in the tests' own process sets its umask; no test may leave that, or a
    ceiling of memory, behind.
    """
    ceiling = resource.getrlimit(resource.RLIMIT_DATA)
    os.umask(0o022)
    yield
    os.umask(0o022)
    left, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if left != ceiling[0]:
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling[0], hard))
        pytest.fail(f"a ceiling of memory was left behind: {left:,} bytes, before {ceiling[0]:,}")


@pytest.fixture(scope="session")
def downloads() -> Path:
    """Kafka's jars and Java's start-up cache, kept between sessions and shared by every test's
    home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floe"


@pytest.fixture(scope="session")
def with_lake(tmp_path_factory) -> Callable[[Path], Path]:
    """Puts an empty lake into a home, which it gives back: a copy of one made once, since making
    takes 2 s.

    What is about the making itself opens a home without a lake.
    """
    made = tmp_path_factory.mktemp("empty") / "home"
    with Lake.open(Settings(home=made, kafka_bootstrap="", catalog="", data="", encrypt=True)):
        pass

    def copied(home: Path) -> Path:
        shutil.copytree(made / "lake", home / "lake")
        return home

    return copied


@pytest.fixture(scope="session")
def broker(tmp_path_factory, downloads) -> Settings:
    """One real Kafka for the session, in a home of its own on a free port; the settings that lead
    to it.

    Topics are not made: `stream.ensure_topics(broker)` does that. For a lake of its own a test
    takes `broker.model_copy(update={"home": tmp_path})`: the port leads to the same Kafka, where
    other tests have published. What counts records or alerts of a topic takes `tests.running_kafka`
    instead.
    """
    with running_kafka(tmp_path_factory.mktemp("broker") / "home", downloads) as settings:
        yield settings
