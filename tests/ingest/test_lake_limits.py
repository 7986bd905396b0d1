"""What one statement may take: time, memory and disk, in whatever part of DuckDB it is spent.

Here: the limits of `Lake.answer`. Not here: what a statement may name (test_lake_reading.py), how
the verb ends (tests/faults/test_sql_ends.py).
"""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest import lake_limits
from ingest.lake import Lake
from ingest.lake_limits import Clock, TooLong
from ingest.settings import Settings
from transforms.errors import UsageError


@pytest.fixture(scope="module")
def home(tmp_path_factory, with_lake) -> Path:
    return with_lake(tmp_path_factory.mktemp("limits") / "home")


@pytest.fixture
def limited(home):
    """Opens the lake with these limits and gives the first rows of a statement."""

    def ask(statement: str, *, most: int = 10, **limits: float) -> list[tuple]:
        given = {"sql_memory_gb": 0.2, "sql_spill_gb": 0.2, "sql_time_s": 60} | limits
        settings = Settings(home=home, kafka_bootstrap="", catalog="", data="", **given)
        with Lake.open(settings, read_only=True) as lake, lake.answer(statement) as (_, rows):
            return [row for row, _ in zip(rows, range(most), strict=False)]

    return ask


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM range(1000000000) AS a, range(1000000000) AS b WHERE a.range + b.range = 1",
        "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x FROM a) SELECT count(*) FROM a",
        "SELECT max(hash(range)) FROM range(1000000000000)",
    ],
)
def test_time(limited, statement):
    """A statement without end is interrupted when its time is over, with what to do; or its memory
    is over first.
    """
    began = time.monotonic()
    with pytest.raises(
        UsageError, match=r"found a statement that (runs for more than 0.5 s|needs more than)"
    ):
        limited(statement, sql_time_s=0.5)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT list(range) FROM range(1000000000)",
        "SELECT string_agg(range::VARCHAR) FROM range(1000000000)",
        "SELECT range FROM range(1000000000) ORDER BY hash(range)",
        "SELECT length(repeat('x', 3000000000))",
        "SELECT len(range(0, 400000000))",
        "SELECT len(list_resize([1], 400000000))",
        "SELECT length(lpad('x', 2000000000, 'y'))",
    ],
)
def test_memory(limited, statement):
    """What DuckDB counts of its memory and what it does not count both end: the peak stays near the
    limit.
    """
    with pytest.raises(
        UsageError, match=r"needs more than 0.2 GB of memory or 0.2 GB on disk.*FLOE_SQL_MEMORY_GB"
    ):
        limited(statement, sql_time_s=240)  # lpad takes a byte at a time


def test_rows_come_as_they_are_asked_for(limited):
    """A trillion rows take no memory: the first ten are there at once."""
    assert limited("SELECT * FROM range(1000000000000)") == [(k,) for k in range(10)]


def test_after_a_statement_the_process_may_take_what_it_could(limited):
    """The ceiling holds for the statement alone."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limited("SELECT 1")
    with pytest.raises(UsageError):
        limited("SELECT length(repeat('x', 3000000000))")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_time_between_rows_does_not_count(monkeypatch):
    """Whoever reads page by page takes the time that reading takes; the parts' own time adds up."""
    now_s, stop = 0.0, threading.Event()
    monkeypatch.setattr(lake_limits, "time", SimpleNamespace(monotonic=lambda: now_s))

    def pass_time(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    clock = Clock(60, interrupt=stop.set, abandon=None)
    for _ in range(2):
        clock.run(lambda: pass_time(29.95))
        pass_time(1000)
    with pytest.raises(TooLong):
        clock.run(stop.wait)


def test_a_part_that_no_interrupt_reaches(monkeypatch):
    """It is told to whoever can end the process, after a grace."""
    monkeypatch.setattr(lake_limits, "_GRACE_S", 0.1)
    told = []
    clock = Clock(0.1, interrupt=lambda: None, abandon=told.append)
    with pytest.raises(TooLong):
        clock.run(lambda: time.sleep(0.6))
    assert [type(error) for error in told] == [TooLong]
