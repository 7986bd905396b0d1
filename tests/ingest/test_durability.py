"""A power cut: what a commit says has landed is on the disk, files and folders, before the
commit.
"""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import durability
from ingest.durability import Folder, checksum
from ingest.lake import Lake, upkeep, whole
from ingest.lake_catalog import named_files
from ingest.lake_checksums import missing_marks, note, notes, without_note
from ingest.landing import land, prepare
from ingest.positions import stored_positions
from ingest.proofs import proofs
from ingest.settings import Settings
from ingest.source import Batch
from transforms.errors import DiskFull, FloeError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORDS = 40  # more than what is kept in the catalog: each landing makes files


class Disk:
    """A disk that keeps what was flushed: a file's bytes by its own fsync, its name by that of the
    folder above.
    """

    def __init__(self, monkeypatch):
        self.files: set[Path] = set()
        self.names: set[Path] = set()
        self.flushes = 0
        whole = os.fsync

        def fsync(descriptor: int) -> None:
            whole(descriptor)
            self.flushes += 1
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_dir():
                self.names |= set(path.iterdir())
            else:
                self.files.add(path)

        monkeypatch.setattr(os, "fsync", fsync)

    def after_a_power_cut(self, home: Path, to: Path) -> Path:
        """The home as it is found when the power returns. SQLite flushes its own files."""
        shutil.copytree(home, to)
        data = home / "lake" / "data"
        for path in sorted(p for p in data.rglob("*.parquet")):
            copy = to / path.relative_to(home)
            if not all(
                p in self.names for p in (path, *path.parents) if p.is_relative_to(home / "lake")
            ):
                copy.unlink()
            elif path not in self.files:
                copy.write_bytes(b"")
        return to


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", catalog="", data="")


def batch(first: int, *, partition: int = 0) -> Batch:
    """Records that can't be read: they land whole in raw.rejects."""
    offsets = list(range(first, first + RECORDS))
    values = [f"{{broken {k}".encode() for k in offsets]
    return Batch(
        "floe.readings.v1",
        "one",
        partition,
        first,
        first + RECORDS,
        offsets,
        [None] * RECORDS,
        values,
    )


def land_all(opened: Lake, landings: int) -> None:
    stands = stored_positions(opened).get(("floe.readings.v1", "one", 0), 0)
    for first in range(stands, landings * RECORDS, RECORDS):
        land(opened, prepare([batch(first)], now=NOW))


def held(settings) -> list[bool | None]:
    with Lake.open(settings, read_only=True) as opened:
        return [is_true for is_true, _ in proofs(opened)]


def test_nothing_that_was_committed_is_lost_by_a_power_cut(settings, tmp_path, monkeypatch):
    """The power goes after each of 5 commits, then after upkeep: everything that the lake says is
    there can be read.
    """
    disk = Disk(monkeypatch)
    with Lake.open(settings) as opened:
        for landings in range(1, 6):
            land_all(opened, landings)
            home = disk.after_a_power_cut(settings.home, tmp_path / f"cut-{landings}")
            after = settings.model_copy(update={"home": home})
            assert all(held(after))
            with Lake.open(after) as again:
                assert (
                    again.sql("SELECT count(DISTINCT kafka_offset) FROM raw.rejects").item()
                    == landings * RECORDS
                )
                land_all(again, 6)
                assert again.sql("SELECT count(*) FROM raw.rejects").item() == 6 * RECORDS
        assert opened.upkeep()["merged_files"] == 5
        home = disk.after_a_power_cut(settings.home, tmp_path / "cut-upkeep")
    assert all(held(settings.model_copy(update={"home": home})))


@pytest.mark.parametrize("forgotten", ["files", "folders"])
def test_a_disk_that_was_not_asked_to_keep_it_loses_it(settings, tmp_path, monkeypatch, forgotten):
    """The test above can fail: without the flush of files, or of folders, what was committed is not
    there.
    """
    disk, whole = Disk(monkeypatch), durability._fsync
    monkeypatch.setattr(
        durability, "_fsync", lambda p: None if p.is_dir() == (forgotten == "folders") else whole(p)
    )
    with Lake.open(settings) as opened:
        land_all(opened, 2)
    after = settings.model_copy(
        update={"home": disk.after_a_power_cut(settings.home, tmp_path / "cut")}
    )
    with Lake.open(after, read_only=True) as again, pytest.raises(FloeError):
        again.sql("SELECT count(DISTINCT kafka_offset) FROM raw.rejects")


def test_each_file_is_flushed_before_the_commit_that_names_it(settings, monkeypatch):
    """Counted at the commit itself: one flush a new file, one its folder; the folders above
    once.
    """
    disk, commits = Disk(monkeypatch), []
    folder = settings.home.absolute() / "lake" / "data"
    with Lake.open(settings) as opened:
        note = whole.note

        def at_commit(cursor, marks):
            marks = list(marks)
            commits.append((disk.flushes, {m.path for m in marks}))
            assert {folder / m.path for m in marks} <= disk.files & disk.names
            note(cursor, marks)

        monkeypatch.setattr(whole, "note", at_commit)
        land_all(opened, 3)
        named = {file.path for file in opened._on_cursor(named_files)}
    assert set().union(*(paths for _, paths in commits)) == named
    assert [len(paths) for _, paths in commits] == [1, 1, 1]
    flushes = [flushes for flushes, _ in commits]
    assert [flushes[1] - flushes[0], flushes[2] - flushes[1]] == [2, 2]


def test_a_disk_that_can_not_flush_commits_nothing(settings, monkeypatch):
    """fsync says that the disk is full, as it does where space is given late: nothing has landed,
    no file is left.
    """
    with Lake.open(settings) as opened:
        land_all(opened, 1)

        def full(path: Path) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(durability, "_fsync", full)
            with pytest.raises(DiskFull):
                land_all(opened, 2)
        assert opened.sql("SELECT count(*) FROM raw.rejects").item() == RECORDS
        assert len(Folder(settings.home / "lake" / "data").files()) == 1
        land_all(opened, 2)
        assert opened.sql("SELECT count(*) FROM raw.rejects").item() == 2 * RECORDS


def test_every_file_has_its_checksum(settings):
    """Noted in the transaction that makes the file; of those that upkeep makes, by the end of it;
    gone with the file.
    """
    root = settings.home.absolute() / "lake" / "data"
    with Lake.open(settings) as opened:
        land_all(opened, 4)
        assert opened._on_cursor(without_note) == []
        for path, mark in opened._on_cursor(notes).items():
            data = (root / path).read_bytes()
            assert (mark.size_bytes, mark.checksum) == (len(data), checksum(data))
        opened.write(lambda w: w.execute("DELETE FROM raw.rejects WHERE kafka_offset % 2 = 0"))
        opened.upkeep(expire_before=opened.snapshot(), keep=timedelta(0))
        assert opened._on_cursor(without_note) == []
        assert opened._on_cursor(notes).keys() == {
            file.path for file in opened._on_cursor(named_files)
        }


def test_notes_of_a_lake_of_an_earlier_release(settings):
    """Files without a note get one at the next upkeep, damaged ones (of another length than the
    catalog says) none.
    """
    root = settings.home.absolute() / "lake" / "data"
    with Lake.open(settings) as opened:
        land_all(opened, 2)
        opened.write(lambda w: w.execute("DELETE FROM app.file_checksums"))
        first, _ = sorted(opened._on_cursor(named_files), key=lambda f: f.path)
        (root / first.path).write_bytes(b"")
        other = opened._on_cursor(lambda cursor: list(missing_marks(cursor, str(root))))
        assert len(other) == 1
        opened.write(lambda w: note(w._cursor, other))
        assert [f.path for f in opened._on_cursor(without_note)] == [first.path]


def test_upkeep_removes_what_a_dead_writer_left_and_nothing_else(settings, monkeypatch):
    """A writer that died in its transaction left a file: it goes a day later. A file of unknown
    origin stays.
    """
    root = settings.home.absolute() / "lake" / "data"
    with Lake.open(settings) as opened:
        land_all(opened, 1)
        (named,) = Folder(root).files()
        stranger = root / "raw" / "rejects" / "ducklake-of-another-catalog.parquet"
        shutil.copy(root / named, stranger)
        os.utime(stranger, (1_000_000_000, 1_000_000_000))
        since = time.time()
        left = root / "raw" / "rejects" / "ducklake-left.parquet"
        shutil.copy(root / named, left)
        os.utime(left, (since + 0.001, since + 0.001))
        (root / "writing.json").write_text(f'{{"since": {since}}}')
        time.sleep(0.01)
        land_all(opened, 2)
        assert opened.upkeep()["removed_leftovers"] == 0
        monkeypatch.setattr(upkeep, "_GRACE", timedelta(0))
        assert opened.upkeep()["removed_leftovers"] == 1
        assert stranger.exists()
        assert not left.exists()
        assert opened.sql("SELECT count(*) FROM raw.rejects").item() == 2 * RECORDS


@pytest.mark.parametrize("torn", ["", "{", '{"since": "x"}', "[]"])
def test_a_torn_mark_stops_nobody(tmp_path, torn):
    """The mark of a writer that died while it wrote the mark, or that a power cut left empty."""
    (tmp_path / "writing.json").write_text(torn)
    (tmp_path / "interrupted-1.json").write_text(torn)
    (tmp_path / "a.parquet").write_bytes(b"x")
    os.utime(tmp_path / "a.parquet", (1, 1))
    folder = Folder(tmp_path)
    with folder.transaction() as new:
        (tmp_path / "b.parquet").write_bytes(b"y")
        assert [m.path for m in new.flush()] == ["b.parquet"]
    assert folder.remove_leftovers(["b.parquet"], before=time.time() + 1) == 0
    assert not list(tmp_path.glob("*.json"))
    assert folder.files() == {"a.parquet", "b.parquet"}
