"""Whole systems for these tests: Kafka, lake and Dagster's folder in a home of their own.

Here: starting and filling them, once a session. Not here: what must come out (the tests), a broker
that many share.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import orjson
import polars as pl
import pytest

from ingest import stream, worker
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.automation import materialize_job, materialize_now

ROOT = Path(__file__).parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
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
ZONE = "America/New_York"  # of the wearers' clocks, as far as anyone knows
MOST_ROUNDS = 1  # copies of everything that the load may send


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
def shared_data():
    """The path of a file of real data beside the project; skips where it is not there."""

    def path(name: str) -> Path:
        if not (SHARED_DATA / name).exists():
            pytest.skip(f"../shared/data/{name} is not there")
        return SHARED_DATA / name

    return path


@pytest.fixture(scope="session")
def real(system, shared_data, tmp_path_factory) -> System:
    """The trial and the exports of wearables, by `floe replay` and `floe import`, through Kafka
    into one lake.

    `sent`: what each verb said; `people`: the export's number of a person -> the patient.
    """
    trial, steps = shared_data("acupuncture.ndjson"), shared_data("fitbit_minute_steps.parquet")
    daily = shared_data("fitbit_daily_activity.csv")
    heart = shared_data("fitbit_heartrate_one_user.csv")
    numbers = pl.read_parquet(steps)["Id"].unique().sort().to_list()
    with system("real").running() as made:
        made.people = {number: f"wearer-{k:02d}" for k, number in enumerate(numbers)}
        people = tmp_path_factory.mktemp("people") / "people.csv"
        people.write_text("id,patient\n" + "".join(f"{n},{p}\n" for n, p in made.people.items()))
        options = ("--patients", str(people), "--timezone", ZONE, "--clinic", "C-fitbit")
        made.sent = {
            "trial": made.said("replay", str(trial)),
            "wearables": made.said(
                "import", "fitbit", str(steps), str(daily), str(heart), *options
            ),
        }
        made.report = worker.run(made.settings, drain=True)
        made.compute("arm_comparisons")
    return made


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


# --- the same records out of order, many times over, while people ask ---------------------------


def shuffled(records: list, *, seed: int) -> list:
    """The records in no order at all, but those of one identity, of which the first landed
    stands.
    """
    order = np.random.default_rng(seed).permutation(len(records)).tolist()
    places = defaultdict(list)
    for place, number in enumerate(order):
        places[_identity(records[number][2]) or number].append(place)
    for own in places.values():
        for place, number in zip(own, sorted(order[place] for place in own), strict=True):
            order[place] = number
    return [records[number] for number in order]


def _identity(value: bytes | None) -> tuple[str, str] | None:
    try:
        event = orjson.loads(value or b"")
        return event["source"], event["id"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None


class Asking:
    """Threads that ask the lake while it fills; each opens it as `floe sql` does, or keeps it open
    as a page does.
    """

    QUERIES = (
        "SELECT sum(rows + rejects)::BIGINT AS n FROM raw.ledger",
        "SELECT count(*) AS n FROM raw.readings",
        "SELECT count(*) AS n FROM raw.sessions JOIN raw.patients USING (patient_id)",
    )
    PAGES = (
        "mart.patient_outcomes",
        "mart.adverse_event_rates",
        "core.sessions",
        "mart.check_results",
    )

    def __init__(self, settings) -> None:
        self.settings = settings
        self.counts: dict[str, list[int]] = defaultdict(list)
        self.answers: Counter = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(a,))
            for a in (self._like_sql, self._like_a_page)
        ]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, ask) -> None:
        while not self._stop.is_set():
            try:
                ask()
            except Exception as error:
                self.failures.append(repr(error))
                return

    def _like_sql(self) -> None:
        for query in self.QUERIES:
            with Lake.open(self.settings, read_only=True) as lake:
                self.counts[query].append(lake.sql(query)["n"][0] or 0)
            self._stop.wait(1.5)

    def _like_a_page(self) -> None:
        with Lake.open(self.settings, read_only=True) as lake:
            until = time.monotonic() + 5
            while time.monotonic() < until and not self._stop.is_set():
                for name in self.PAGES:
                    lake.table(name)
                    self.answers[name] += 1
                    self._stop.wait(0.5)


@pytest.fixture(scope="session")
def busy(system, sent) -> System:
    """The same records in no order, then again and again as copies, while people ask and core and
    mart are computed.

    Ends drained and recomputed as a whole. `asking`: what was asked; `during`: what the first
    materialisation said; `sent_again`: copies beside the records.
    """
    with system("busy").running() as made:
        with Lake.open(made.settings):
            pass
        ingest = made.floe("ingest")
        try:
            broken = {(b.topic, b.value) for b in sent.truth.broken}
            good = [
                (topic, key, value)
                for topic, key, value in sent.records
                if (topic, value) not in broken
            ]
            records = shuffled(sent.records, seed=1)
            half = len(records) // 2
            stream.publish(made.settings, records[:half])
            assert worker.wait_landed(made.settings, stop=threading.Event())
            with Asking(made.settings) as made.asking:
                materialize = made.floe("materialize")
                stream.publish(made.settings, records[half:])
                made.sent_again = 0
                while materialize.poll() is None and made.sent_again < MOST_ROUNDS * len(good):
                    made.sent_again += stream.publish(made.settings, good)
                made.during = materialize.communicate()[0].decode(), materialize.returncode
        finally:
            ingest.terminate()
            made.ingest = ingest.communicate()[0].decode(), ingest.returncode
        worker.run(made.settings, drain=True)
        made.materialize(full=True)
    return made
