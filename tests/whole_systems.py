"""Whole systems for tests: Kafka, lake and Dagster's folder in a home of their own.

Here: starting one, and simulated clinics through one; a conftest imports the fixtures that its tests
need. Not here: what must come out (the tests), a broker that many share.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from ingest import stream, worker
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.automation import materialize_job
from orchestration.materializing import materialize_now

ROOT = Path(__file__).parents[1]
PLAN = Plan(
    clinics=4,
    patients=40,
    days=100,
    seed=23,
    duplicates_share=0.03,
    conflicts_share=0.01,
    late_share=0.05,
    broken_share=0.02,
    unknown_share=0.02,
)


class System:
    """A home with its own Kafka; `environment` is what a process of it is started with."""

    def __init__(self, home: Path, cache: Path) -> None:
        self.settings = Settings(
            home=home, cache=str(cache), broker_port=free_port(), kafka_bootstrap="", lake_threads=0
        )
        own = {
            name: str(getattr(self.settings, name))
            for name in ("home", "cache", "broker_port", "lake_threads")
        }
        self.environment = {f"FLOE_{name.upper()}": value for name, value in own.items()}
        self.environment["FLOE_INGEST_BATCH_RECORDS"] = (
            "10000"  # several batches of a small set of records
        )

    @contextmanager
    def running(self) -> Iterator["System"]:
        broker.start(self.settings, detached=False)
        try:
            stream.ensure_topics(self.settings)
            yield self
        finally:
            broker.stop(self.settings)

    def materialize(self, *, full: bool = False) -> bool:
        """`floe materialize` in this process: its resources read their settings from the
        environment.
        """
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setenv("DAGSTER_HOME", "")
            return materialize_now(self.settings, full=full, say=lambda _: None)

    def compute(self, mart: str) -> None:
        """One mart and all that it is computed from, through Dagster; nothing else."""
        from orchestration.definitions import defs

        graph, key = defs.resolve_asset_graph(), dg.AssetKey(["mart", mart])
        wanted = [
            k for k in {key, *graph.get_ancestor_asset_keys(key)} if k.path[0] in ("core", "mart")
        ]
        job = defs.resolve_job_def(materialize_job.name)
        with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            assert job.execute_in_process(instance=instance, asset_selection=wanted).success

    def floe(self, *words: str) -> subprocess.Popen:
        """A verb of the command line, in a process of its own."""
        command = [sys.executable, "-m", "orchestration.cli", *words]
        environment = os.environ | self.environment
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def said(self, *words: str) -> str:
        """What a verb says that does what it is told."""
        process = self.floe(*words)
        said = process.communicate()[0].decode()
        assert process.returncode == 0, said
        return said

    def lake(self) -> Lake:
        return Lake.open(self.settings, read_only=True)


@pytest.fixture(scope="session")
def system(tmp_path_factory, downloads):
    """Makes a system in a home of its own; its broker runs while `running()` is entered."""
    return lambda name: System(tmp_path_factory.mktemp(name) / "home", downloads)


@pytest.fixture(scope="session")
def sent() -> SimpleNamespace:
    """`records` of simulated clinics as (topic, key, value) in their order of arrival, and the
    `truth` about them.
    """
    simulation = simulate(PLAN)
    records = list(simulation)
    return SimpleNamespace(records=records, truth=simulation.truth)


@pytest.fixture(scope="session")
def clinics(system, sent) -> System:
    """Those records through Kafka into a lake, drained, materialised once; Kafka is stopped by
    then.

    `report`: of the drain, which lands the alerts that it raised too; `materialized`: whether it
    was.
    """
    with system("clinics").running() as made:
        stream.publish(made.settings, sent.records)
        made.report = worker.run(made.settings, drain=True)
        made.materialized = made.materialize()
    return made
