"""Upkeep of a lake that fell behind: bounded steps, the same rows, writers in between; what it refuses.

Here: a few hundred small files. Not here: thousands (benchmarks/bench_upkeep_small_files.py), kills between
steps (faults/test_upkeep_killed.py), flush, merge and the change feed (test_lake.py).
"""

import shutil
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingest.lake import steps
from ingest.lake_files import DataFile, files_by_table, small_files, unlike_their_count
from ingest.landing import land, prepare
from ingest.upkeep_plan import STEP_BYTES, STEP_FILES, Pace, due_merges, next_merge, next_rewrite
from tests.small_files import NOW, batch, make, opened, readings_files
from transforms.errors import LakeDamaged
from transforms.schemas import APP_TABLES

FILES, EVENTS = 240, 12
SMALL = 4_000  # bytes


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    home = tmp_path_factory.mktemp("behind") / "home"
    make(home, files=FILES, events=EVENTS)
    return home


@pytest.fixture
def home(behind, tmp_path):
    return shutil.copytree(behind, tmp_path / "home")


def rows(lake) -> list[tuple]:
    return lake.rows(
        "SELECT count(*), count(DISTINCT kafka_offset), sum(kafka_offset), sum(len(values)) FROM raw.readings"
    )


def test_a_backlog_is_worked_off_in_bounded_steps(home):
    """240 files become one in steps of at most 150 files, within a run; the rows are the same and each file
    has its checksum; a second run finds nothing to do.
    """
    done: list[steps.Step] = []
    with opened(home) as lake:
        before = rows(lake)
        assert readings_files(lake) == FILES
        counts = lake.upkeep(on_step=done.append)
        merges = [step for step in done if step.what == "merge" and step.table == "raw.readings"]
        assert len(merges) >= 3
        assert all(2 <= step.count <= STEP_FILES for step in merges)
        assert counts["merged_files"] >= FILES
        assert readings_files(lake) == 1
        assert rows(lake) == before == [(FILES * EVENTS,) * 2 + before[0][2:]]
        assert all(lake.upkeep()[name] == 0 for name in ("merged_files", "noted_files"))
        checked = lake.check_files()
    assert (checked.without_note, checked.damages) == (0, ())


def test_what_was_read_is_not_kept_in_memory(home):
    """After each step DuckDB holds none of the files that it read, however many they were; afterwards it keeps
    what it reads again.
    """
    held, kept = (
        [],
        "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'EXTERNAL_FILE_CACHE'",
    )
    with opened(home) as lake:
        lake.upkeep(on_step=lambda step: held.append(lake.rows(kept)[0][0]))
        assert set(held) == {0}
        rows(lake)
        assert lake.rows(kept)[0][0] > 0


def test_a_run_that_has_no_time_leaves_the_rest_to_the_next(home):
    """Without time no file is merged; each further run of one step has fewer files left, to the end."""
    left = []
    with opened(home) as lake:
        assert lake.upkeep(most_s=0.0)["merged_files"] == 0
        before = rows(lake)
        while not left or left[-1] > 1:
            with pytest.raises(_Enough):
                lake.upkeep(on_step=_after_a_merge)
            left.append(readings_files(lake))
        assert left == sorted(set(left), reverse=True)
        assert rows(lake) == before


class _Enough(Exception):
    pass


def _after_a_merge(step: steps.Step) -> None:
    if step.what == "merge":
        raise _Enough


def test_a_writer_has_its_turn_between_steps(home):
    """While upkeep works off its backlog, batches land: some after the first step and before the last."""
    done: list[steps.Step] = []
    at: list[int] = []
    is_over = threading.Event()

    def land_on() -> None:
        first = FILES * EVENTS
        with opened(home) as lake:
            while not is_over.is_set():
                land(lake, prepare([batch(first, 3)], now=NOW))
                first += 3
                at.append(len(done))

    with opened(home) as lake:
        writer = threading.Thread(target=land_on)
        writer.start()
        try:
            lake.upkeep(on_step=done.append)
        finally:
            is_over.set()
            writer.join()
        assert any(0 < steps_before < len(done) for steps_before in at)
        assert rows(lake)[0][:2] == (FILES * EVENTS + 3 * len(at),) * 2


def test_a_step_that_loses_a_row_stops_upkeep(home, monkeypatch):
    """A statement that takes a row away instead of merging: said with both counts and the snapshot before,
    noted, and nothing is removed or expired until somebody has looked after it.
    """
    lossy = "DELETE FROM raw.readings WHERE kafka_offset = 7"
    with opened(home) as lake:
        snapshot = lake.snapshot()
        with monkeypatch.context() as planted:
            planted.setattr(steps, "merge_calls", lambda table, merge: [lossy])
            planted.setattr(steps, "flush_call", lambda schema, name: "SELECT 0 AS rows_flushed")
            with pytest.raises(
                LakeDamaged, match=r"has 2,879 rows, before it, at snapshot .* 2,880"
            ):
                lake.upkeep(expire_before=snapshot, keep=timedelta(0))
        fault = lake.table("app.upkeep_faults").row(0, named=True)
        assert (fault["step"], fault["table_name"]) == ("merge", "raw.readings")
        assert (fault["rows_before"], fault["rows_after"]) == (2_880, 2_879)
        n_snapshots = lake.rows("SELECT count(*) FROM ducklake_snapshots('lake')")
        with pytest.raises(LakeDamaged, match="--after-fault"):
            lake.upkeep(expire_before=snapshot, keep=timedelta(0))
        assert lake.rows("SELECT count(*) FROM ducklake_snapshots('lake')") == n_snapshots
        assert lake.after_faults() == 1
        assert lake.upkeep()["merged_files"] >= FILES - 1
    assert set(APP_TABLES["upkeep_faults"].names) == set(fault)


def test_a_file_with_fewer_rows_than_the_catalog_says_is_named(home):
    """Each new file is opened and counted: here the catalog is made to say one more."""
    with opened(home) as lake:
        data = lake._settings.data_path
        assert lake._on_cursor(lambda cursor: unlike_their_count(cursor, data, after=-1)) == []

        def plant(cursor) -> list[str]:
            name = "__ducklake_metadata_lake.ducklake_data_file"
            cursor.execute(
                f"UPDATE {name} SET record_count = 13 WHERE data_file_id = (SELECT max(data_file_id) FROM {name})"
            )
            return unlike_their_count(cursor, data, after=-1)

        (said,) = lake._on_cursor(plant)
    assert said.endswith("has 12 rows, the catalog says 13")


def test_an_expiry_that_would_take_what_is_there_is_rolled_back(home, monkeypatch):
    """Where the lake would have fewer files without the snapshots, as in releases of DuckLake before 1.0 once
    a table had been renamed, all of them stay. Counts are planted: this release takes none.
    """
    with opened(home) as lake:
        lake.upkeep()
        n_snapshots = lake.rows("SELECT count(*) FROM ducklake_snapshots('lake')")
        counts = iter([(120, 9, 900), (120, 8, 800)])
        monkeypatch.setattr(steps, "files_now", lambda cursor: next(counts))
        with pytest.raises(LakeDamaged, match="none of them was expired"):
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))
        assert lake.rows("SELECT count(*) FROM ducklake_snapshots('lake')") == n_snapshots
        monkeypatch.undo()
        assert (
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))["expired_snapshots"] > 0
        )


def test_a_table_that_went_with_an_expiry_is_told(home, monkeypatch):
    """A statement that drops a table instead, which is seen once it is committed."""
    with opened(home) as lake:
        lake.upkeep()
        monkeypatch.setattr(steps, "expiry_call", lambda snapshots: "DROP TABLE raw.readings")
        with pytest.raises(LakeDamaged, match=r"after a step \(expire\)"):
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))
        assert lake.table("app.upkeep_faults")["step"].to_list() == ["expire"]


def test_no_snapshot_expires_past_a_cursor_or_a_release(home):
    """Whatever was asked for: a table is followed from its cursor, a release names its snapshots."""
    with opened(home) as lake:
        snapshots = [
            number for (number,) in lake.rows("SELECT snapshot_id FROM ducklake_snapshots('lake')")
        ]
        released, followed = snapshots[0], snapshots[1]
        lake.write(lambda w: w.append(APP_TABLES["cursors"], _cursor(followed)))
        lake.write(lambda w: w.append(APP_TABLES["releases"], _release(released)))
        counts = lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))
        assert counts["expired_snapshots"] == 0
        lake.write(lambda w: w.replace(APP_TABLES["cursors"], _cursor(snapshots[-1])))
        lake.write(lambda w: w.append(APP_TABLES["releases"], _release(snapshots[-1], number=2)))
        assert (
            lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))["expired_snapshots"] > 0
        )
        left = {
            number for (number,) in lake.rows("SELECT snapshot_id FROM ducklake_snapshots('lake')")
        }
    assert released in left
    assert snapshots[-1] in left
    assert followed not in left


def _cursor(snapshot: int) -> pl.DataFrame:
    row = {"table_name": "core.patients", "raw_snapshot": snapshot, "read_at": snapshot + 5}
    row |= {"data_cutoff": NOW, "fingerprint": "f", "computed_at": NOW, "rows_changed": 0}
    return APP_TABLES["cursors"].conform(pl.DataFrame([row]))


def _release(snapshot: int, number: int = 1) -> pl.DataFrame:
    row = {"release_id": number, "lake_snapshot": snapshot, "marts_snapshot": snapshot}
    row |= {"data_cutoff": NOW, "released_at": NOW, "options": None, "code": None}
    return APP_TABLES["releases"].conform(pl.DataFrame([row]))


def test_small_files_with_deletions_are_rewritten(home):
    """A row in three of every file deleted: no file can be merged as it is, and none is mostly deleted; they
    are written anew together, and then merged.
    """
    with opened(home) as lake:
        for rest in (0, 1):  # two deletes: the first few rows stay in the catalog, then come files
            lake.write(
                lambda w, rest=rest: w.execute(
                    f"DELETE FROM raw.readings WHERE kafka_offset % 6 = {rest}"
                )
            )
        before = rows(lake)
        files = lake._on_cursor(lambda cursor: files_by_table(cursor, "sqlite"))["raw.readings"]
        assert sum(file.deleted for file in files) == FILES * EVENTS // 3
        assert not any(file.is_whole for file in files)
        done: list[steps.Step] = []
        lake.upkeep(on_step=done.append)
        rewritten = [s for s in done if s.what == "rewrite" and s.table == "raw.readings"]
        assert sum(step.count for step in rewritten) == FILES
        assert readings_files(lake) <= 2
        assert rows(lake) == before == [(FILES * EVENTS * 2 // 3,) * 2 + before[0][2:]]
        most = small_files(lake.rows)[0]
    assert most.small <= 8


def file(size_bytes: int, *, n_rows: int = 10, layout: int = 0, deleted: int = 0) -> DataFile:
    return DataFile(size_bytes, n_rows, layout, deleted, not deleted)


def test_what_one_merge_takes():
    """Nothing of one file; two small ones; of many at most 150, or 16 MiB; never one of 8 MiB."""
    pace = Pace(1.0)
    assert next_merge([], pace) is None
    assert next_merge([file(SMALL)], pace) is None
    two = next_merge([file(SMALL), file(SMALL)], pace)
    assert (two.files, two.target_bytes, two.min_bytes) == (2, 2 * SMALL, 0)
    many = next_merge([file(SMALL)] * 1_000, pace)
    assert many.files == STEP_FILES
    assert many.target_bytes == STEP_FILES * SMALL
    mib = 2**20
    large = next_merge([file(4 * mib)] * 40, pace)
    assert large.files * 4 * mib <= STEP_BYTES
    assert next_merge([file(8 * mib)] * 40, pace) is None


def test_files_of_one_size_merge_once_enough_are_there():
    """Of 100 KB four are needed, of 1 MB eight: a row is written again a few times at most."""
    assert due_merges([file(100_000)] * 3) == 0
    assert due_merges([file(100_000)] * 4) == 4
    assert due_merges([file(1_000_000)] * 7) == 0
    assert due_merges([file(1_000_000)] * 8) == 8


def test_files_of_unlike_sizes_and_layouts_stay_bounded():
    """DuckLake merges one layout of columns and chooses which: of none may it take more files than the step
    may have, and of one at least two.
    """
    files = [file(60_000 - 7 * k, layout=0) for k in range(500)] + [file(90, layout=9)] * 500
    merge = next_merge(files, Pace(1.0))
    for layout in (0, 9):
        size = taken = 0
        for one in (f for f in files if f.layout == layout and f.size_bytes < merge.max_bytes):
            if size < merge.target_bytes:
                size, taken = size + one.size_bytes, taken + 1
        assert taken <= STEP_FILES
    assert merge.files >= 2


def test_a_step_that_took_long_makes_the_next_smaller_to_a_floor():
    """Twice as long as aimed at: half as large; never below a quarter of the largest, or a slow machine would
    never catch up.
    """
    pace = Pace(1.0)
    pace.took(1.0)
    assert pace.part == 0.5
    pace.took(60.0)
    assert pace.part == 0.25
    pace.took(0.01)
    assert pace.part == 0.375


def test_which_files_with_deletions_are_rewritten():
    """Half deleted: yes; a tenth: only where eight small files are like it; files too large for a step of a
    second are told apart.
    """
    pace, mib = Pace(1.0), 2**20
    assert next_rewrite([file(SMALL, deleted=4)], pace) is None
    half = next_rewrite([file(SMALL, deleted=5), file(SMALL, deleted=1)], pace)
    assert (half.threshold, half.files, half.is_long) == (0.5, 1, False)
    assert next_rewrite([file(SMALL, deleted=1)] * 7, pace) is None
    assert next_rewrite([file(SMALL, deleted=1)] * 8, pace).files == 8
    assert next_rewrite([file(400 * mib, deleted=6)], pace).is_long
    sizes = [file(8 * mib, deleted=9), file(8 * mib, deleted=8), file(8 * mib, deleted=7)]
    assert (next_rewrite(sizes, pace).threshold, next_rewrite(sizes, pace).files) == (0.8, 2)


def test_a_moment_is_quiet_by_its_hour():
    """From 22 to 5 goes over midnight; from 0 to 5 does not."""
    from ingest.settings import Settings
    from orchestration.automation import is_quiet

    for hours, quiet in (
        ("0-5", {0, 1, 2, 3, 4}),
        ("22-2", {22, 23, 0, 1}),
        ("0-24", set(range(24))),
    ):
        settings = Settings(upkeep_quiet_hours=hours)
        found = {
            h for h in range(24) if is_quiet(settings, now=datetime(2026, 3, 1, h, tzinfo=UTC))
        }
        assert found == quiet
