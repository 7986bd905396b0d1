"""A computation in batches, by processes or by Ray, gives what one process gives at once.

Here: every table that has batches, on a small lake; workers and drivers that are killed; who may use a
cluster. Not here: which tables change when (test_following.py).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal

from ingest.lake import LakeOfARun
from ingest.landing import land, prepare
from ingest.partition import Batch
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.assets.order import in_order
from orchestration.batches import divided
from orchestration.comparing import compare
from orchestration.one_run import Run
from tests.followed import brought_up_to_date, needed_for
from tests.full_run import DIES_AT, NOTES
from tests.ray_cluster import running

PLAN = Plan(
    clinics=2,
    patients=7,
    days=45,
    seed=5,
    wearables_share=0.6,
    minute_level_share=0.2,
    duplicates_share=0.05,
    conflicts_share=0.01,
)
pytestmark = pytest.mark.timeout(900)  # a cluster starts, and drivers compute one after the other
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
IN_BATCHES = [one for one in in_order() if one.every_key]
NAMES = needed_for(*(one.table.full_name for one in IN_BATCHES))
TABLES = [one.table for one in in_order() if one.table.full_name in NAMES]
TOKEN = "of-these-tests-" + "0" * 20


@pytest.fixture(scope="module")
def home(tmp_path_factory, with_lake) -> Iterator[Path]:
    """Two clinics, computed whole."""
    home = with_lake(tmp_path_factory.mktemp("engines"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOE_HOME", str(home))
        patch.setenv("FLOE_LAKE_MEMORY", "1GB")  # room for two processes
        patch.setenv("FLOE_BATCH_PATIENTS", "2")
        patch.setenv(NOTES, str(tmp_path_factory.mktemp("notes")))
        records = list(simulate(PLAN))
        batches = [
            _batch([record for record in records if record[0] == topic], number)
            for number, topic in enumerate(sorted({topic for topic, _, _ in records}))
        ]
        with LakeOfARun.open(Settings()) as lake:
            land(lake, prepare(batches, now=NOW))
            brought_up_to_date(lake, only=NAMES)
        yield home


def _batch(records: list[tuple], number: int) -> Batch:
    return Batch(
        topic=records[0][0],
        topic_id="t",
        partition=number,
        first_position=0,
        next_position=len(records),
        offsets=list(range(len(records))),
        keys=[key for _, key, _ in records],
        values=[value for _, _, value in records],
    )


@pytest.fixture
def whole(home) -> Iterator[dict[str, pl.DataFrame]]:
    """What every table holds, which it must hold after the test too."""
    before = _tables()
    yield before
    for name, rows in _tables().items():
        assert_frame_equal(rows, before[name], rel_tol=1e-9)


def _tables() -> dict[str, pl.DataFrame]:
    with LakeOfARun.open(Settings()) as lake:
        return {table.full_name: _said(table, lake.table(table.full_name)) for table in TABLES}


def _said(table, rows: pl.DataFrame) -> pl.DataFrame:
    stamps = [column.name for column in table.columns if column.is_stamp]
    return rows.drop(stamps).sort(table.key, nulls_last=True)


# --- batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 7, 1_000_000])
def test_batches_of_any_size_are_the_whole(home, at_once):
    """Row for row, of every table that has batches; of one patient, of seven keys, of all."""
    with LakeOfARun.open(Settings()) as lake:
        run = Run(lake)
        for one in IN_BATCHES:
            is_of_patients = one.key in ("patient_id", "USUBJID")
            keys = divided(
                one.every_key(run, None), at_once=at_once if is_of_patients else 50 * at_once
            )
            parts = [one.table.conform(one.rows_of(run, some)) for some in keys]
            found = _said(one.table, pl.concat([one.table.empty(), *parts]))
            expected = _said(one.table, one.table.conform(one.compute(run, None).rows))
            assert_frame_equal(found, expected, rel_tol=1e-9)


def test_every_table_of_patients_records_and_series_has_batches():
    """Those that grow with patients, but for the registers, which others join whole."""
    names = {one.table.full_name for one in IN_BATCHES}
    assert {
        "core.activity_days",
        "core.telemetry_sessions",
        "core.responses",
        "core.sessions",
        "mart.adqs",
        "mart.adact",
        "mart.patient_outcomes",
    } <= names


def test_batches_mend_what_a_table_holds(whole):
    """A row too few, too many, another, of a patient whom nobody knows, and one that is there twice."""
    names = ("mart.adsl", "mart.adqs")
    with LakeOfARun.open(Settings()) as lake:
        for name in names:
            lake.write(lambda w, name=name: _spoiled(w, name))
        told = brought_up_to_date(lake, is_full=True, only=NAMES)
    assert all(told[name][0] for name in names)


def test_a_comparison_in_batches_finds_what_differs(whole):
    """Of a table of which other rows are stored; nothing is written."""
    with LakeOfARun.open(Settings()) as lake:
        assert not any(one.rows_differing for one in compare(lake))
        lake.write(lambda w: _spoiled(w, "mart.adsl"))
        spoiled = lake.table("mart.adsl")
        [found] = [one for one in compare(lake) if one.rows_differing]
        assert (found.table.full_name, found.rows) == ("mart.adsl", whole["mart.adsl"].height)
        assert lake.table("mart.adsl").equals(spoiled)
        brought_up_to_date(lake, is_full=True, only=NAMES)


def _spoiled(writer, name: str) -> None:
    first, second, third = writer.execute(
        f"SELECT DISTINCT USUBJID FROM {name} ORDER BY 1 LIMIT 3"
    )["USUBJID"]
    writer.execute(f"DELETE FROM {name} WHERE USUBJID = $1", [first])
    writer.execute(f"INSERT INTO {name} SELECT * FROM {name} WHERE USUBJID = $1", [second])
    writer.execute(f"UPDATE {name} SET STUDYID = 'ANOTHER' WHERE USUBJID = $1", [third])
    writer.execute(
        f"INSERT INTO {name} SELECT * REPLACE ('nobody' AS USUBJID) FROM {name} WHERE USUBJID = $1",
        [third],
    )


# --- engines ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray_address(home) -> Iterator[str]:
    with running(nodes=2, token=TOKEN) as address:
        yield address


@pytest.fixture(params=["local", "ray"])
def environment(request, home, tmp_path) -> dict[str, str]:
    """Of a driver, with the engine that is tested; nothing is noted yet."""
    own = {"FLOE_ENGINE": request.param}
    for note in _notes():
        note.unlink()
    if request.param == "ray":
        token = tmp_path / "token"
        token.write_text(TOKEN)
        address = request.getfixturevalue("ray_address")
        own |= {"FLOE_RAY_ADDRESS": address, "FLOE_RAY_TOKEN_FILE": str(token)}
    return os.environ | own


def _notes() -> list[Path]:
    return list(Path(os.environ[NOTES]).iterdir())


def _full(environment: dict[str, str], function: str = "noted") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tests.full_run", function, *sorted(NAMES)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def _emptied() -> None:
    """As if no table that has batches had been computed."""
    with LakeOfARun.open(Settings()) as lake:
        for one in IN_BATCHES:
            lake.write(lambda w, one=one: w.replace(one.table, one.table.empty()))
        lake.write(lambda w: w.execute("DELETE FROM app.cursors"))


def test_an_engine_gives_the_same(environment, whole):
    """All tables anew, by two workers or nodes at least."""
    _emptied()
    run = _full(environment)
    assert run.returncode == 0, run.stderr
    assert len([note for note in _notes() if note.name.isdigit()]) >= 2


def test_a_worker_that_is_killed_changes_nothing(environment, whole):
    """kill -9 in the middle of a batch: another worker computes it."""
    _emptied()
    run = _full(environment, "killed_once")
    assert run.returncode == 0, run.stderr
    assert "killed" in {note.name for note in _notes()}


@pytest.mark.parametrize("dies_at", [6, 40])
def test_a_driver_that_is_killed_leaves_what_is_right(environment, whole, dies_at):
    """kill -9 between two batches: no row is there that would not be, the table that is unfinished says
    so, no worker is left, and the next run computes the rest.
    """
    _emptied()
    run = _full(environment | {DIES_AT: str(dies_at)})
    assert run.returncode == -signal.SIGKILL, run.stderr
    _wait_until_none_is_left()
    for name, rows in _tables().items():
        if any(one.table.full_name == name for one in IN_BATCHES):
            key = rows.columns
            assert rows.join(whole[name], on=key, how="anti", nulls_equal=True).is_empty(), name
    with LakeOfARun.open(Settings()) as lake:
        brought_up_to_date(lake, only=NAMES)
        assert "" not in lake.table("app.cursors")["fingerprint"].to_list()


def _wait_until_none_is_left() -> None:
    """Workers that the driver started; those of a cluster stay."""
    until = time.monotonic() + 60
    while any(_is_of_the_driver(process) for process in psutil.process_iter()):
        assert time.monotonic() < until
        time.sleep(0.2)


def _is_of_the_driver(process: psutil.Process) -> bool:
    try:
        environment = process.environ()
    except psutil.Error:
        return False
    return DIES_AT in environment and environment.get(NOTES) == os.environ[NOTES]


@pytest.mark.parametrize("token", [None, "another-token-" + "0" * 20])
def test_who_has_not_the_token_is_refused(home, ray_address, tmp_path, token):
    """None, and another one than the cluster's; said in a sentence."""
    own = {"FLOE_ENGINE": "ray", "FLOE_RAY_ADDRESS": ray_address}
    if token:
        (tmp_path / "token").write_text(token)
        own["FLOE_RAY_TOKEN_FILE"] = str(tmp_path / "token")
    else:  # on this machine Floe would try without
        own["FLOE_RAY_ADDRESS"] = f"127.0.0.1:{ray_address.rpartition(':')[2]}"
    run = _full(os.environ | own)
    assert run.returncode == 1
    assert "UsageError" in run.stderr
    assert "token" in run.stderr
    assert "Unauthenticated" in run.stderr  # as the cluster says itself
