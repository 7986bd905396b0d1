"""Backup and restore: what a copy holds, what is refused, what a stop in the middle leaves.

Here: the rules, on a small lake without a Kafka. Not here: the drill with events, a kill and a
replay (tests/faults).
"""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import cluster
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.backup import backup
from ingest.contract import encode
from ingest.copies import MANIFEST, content_of
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.positions import stored_positions
from ingest.proofs import proofs
from ingest.restore import restore
from ingest.settings import Settings
from ingest.source import Batch
from ingest.turns import keeping_files
from transforms.errors import CatalogMissing, FloeError, LakeDamaged, UnreadableFile, UsageError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPIC = "floe.readings.v1"


def home(path: Path, **options) -> Settings:
    return Settings(
        home=path, kafka_bootstrap="kafka:9092", catalog="", data="", encrypt=True, **options
    )


@pytest.fixture
def settings(tmp_path, with_lake) -> Settings:
    """A lake of three batches: two of 60 readings in files, one of 5 in the catalog."""
    settings = home(with_lake(tmp_path / "home"))
    cluster.require_own(settings, "the-cluster")
    with Lake.open(settings) as lake:
        for first, count in ((0, 60), (60, 60), (120, 5)):
            land(lake, prepare([_batch(first, count)], now=NOW))
    return settings


def _batch(first: int, count: int) -> Batch:
    offsets = list(range(first, first + count))
    return Batch(
        TOPIC,
        "id",
        0,
        first,
        first + count,
        offsets,
        [b"p"] * count,
        [_reading(k) for k in offsets],
    )


def _reading(number: int) -> bytes:
    data = {
        "patient_id": "p",
        "metric": "step_count",
        "unit": "{steps}",
        "started_at": "2026-02-01T10:00:00Z",
    }
    data |= {"interval_s": 60, "values": [number, None]}
    return encode("readings", data, id=str(number), source="/test", time="2026-02-01T10:00:00Z")


def _ids(settings) -> list[int]:
    with Lake.open(settings, read_only=True) as lake:
        assert all(is_true is not False for is_true, _ in proofs(lake))
        return sorted(int(n) for n in lake.table("raw.readings", ["event_id"])["event_id"])


def _add(settings, first: int, count: int) -> None:
    with Lake.open(settings) as lake:
        land(lake, prepare([_batch(first, count)], now=NOW))


def test_a_restored_home_has_the_rows_positions_and_identity_of_the_moment(settings, tmp_path):
    """125 readings at the backup, 60 more after it: the new home has the 125, their position, the
    Kafka's id; it goes on from there, and its catalog says where its own files are.
    """
    backup(settings, tmp_path / "copy")
    _add(settings, 125, 60)
    new = home(tmp_path / "new")
    restore(new, tmp_path / "copy")
    assert _ids(new) == list(range(125))
    with Lake.open(new) as lake:
        assert stored_positions(lake) == {(TOPIC, "id", 0): 125}
    with pytest.raises(FloeError, match="belongs to the-cluster"):
        cluster.require_own(new, "another")
    _add(new, 125, 60)
    assert _ids(new) == _ids(settings) == list(range(185))
    with closing(sqlite3.connect(new.home / "lake" / "catalog.sqlite")) as catalog:
        where = catalog.execute(
            "SELECT value FROM ducklake_metadata WHERE key = 'data_path'"
        ).fetchone()
    assert where == (new.data_path,)


def _told(settings) -> list[str]:
    with Book(book_path(settings)) as book:
        return [alert["alert_id"] for alert in book.alerts()]


def _tell(settings, alert_id: str) -> None:
    with Book(book_path(settings)) as book, book.change():
        book.take({"alert_id": alert_id, "told_at": NOW}, is_told=True)


def test_what_was_told_is_not_told_again_by_a_restored_home(settings, tmp_path):
    """The book of alerts is in the copy, for its owner alone, while the watcher has it open; and is
    there after.
    """
    with Book(book_path(settings)):
        _tell(settings, "told")
        backup(settings, tmp_path / "copy")
    _tell(settings, "later")
    new = home(tmp_path / "new")
    restore(new, tmp_path / "copy")
    assert _told(new) == ["told"]
    assert (
        stat.S_IMODE(book_path(new).stat().st_mode)
        == stat.S_IMODE(book_path(settings).stat().st_mode)
        == 0o600
    )


@pytest.mark.parametrize("is_a_book", [False, True])
def test_a_damaged_book_keeps_no_lake_from_being_copied(settings, tmp_path, is_a_book):
    """It is said that it is not in the copy; a home made from that has none, and its watcher makes
    one.
    """
    if is_a_book:
        for k in range(500):
            _tell(settings, f"{k:0200}")
        with book_path(settings).open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (book_path(settings).stat().st_size - 4096))
    else:
        book_path(settings).write_bytes(b"no database" * 100)
    said = []
    backup(settings, tmp_path / "copy", say=said.append)
    assert any("book of alerts is not in the backup, the lake is" in sentence for sentence in said)
    new = home(tmp_path / "new")
    restore(new, tmp_path / "copy")
    assert _ids(new) == _ids(settings)
    assert not book_path(new).exists()


def test_a_book_that_outlived_its_lake_stays(settings, tmp_path):
    """It knows what was told since the copy; where it is gone, its log is not played into the
    copy's.
    """
    _tell(settings, "told")
    backup(settings, tmp_path / "copy")
    _tell(settings, "later")
    shutil.rmtree(settings.home / "lake")
    restore(settings, tmp_path / "copy")
    assert _told(settings) == ["later", "told"]
    new = home(tmp_path / "new")
    new.home.mkdir()
    book_path(new).with_name("alerts.sqlite-wal").write_bytes(b"the log of a book that is gone")
    restore(new, tmp_path / "copy")
    assert _told(new) == ["told"]


@pytest.mark.parametrize("name", ["100%41", "what?mode=memory", "#1", "it's mine", "ünï\n密"])
def test_a_home_whose_name_means_something_elsewhere(tmp_path, with_lake, name):
    """In addresses, SQL, file patterns: backup and restore take it as it is."""
    settings, copied = home(with_lake(tmp_path / name)), home(tmp_path / f"{name} restored")
    _add(settings, 0, 60)
    backup(settings, tmp_path / "copy")
    restore(copied, tmp_path / "copy")
    assert _ids(copied) == list(range(60))


def test_the_copy_holds_exactly_what_the_catalog_names(settings, tmp_path):
    """Each file of the manifest is there with its checksum, nothing else is; a stray file beside
    the lake's is not taken; no value of a setting is written down; only the owner can read any of
    it.
    """
    stray = Path(settings.data_path) / "raw" / "readings" / "stray.parquet"
    stray.write_bytes(b"x")
    shared = settings.model_copy(update={"kafka_password": "hunter2"})
    old = os.umask(0)
    try:
        manifest = backup(shared, tmp_path / "copy")
    finally:
        os.umask(old)
    there = {
        p.relative_to(tmp_path / "copy").as_posix(): p
        for p in (tmp_path / "copy").rglob("*")
        if p.is_file()
    }
    assert set(there) == {*manifest.files, MANIFEST}
    assert sum(name.startswith("data/raw/readings/") for name in there) == 2
    assert {name: content_of(there[name]) for name in manifest.files} == manifest.files
    assert "hunter2" not in (tmp_path / "copy" / MANIFEST).read_text()
    modes = {
        stat.S_IMODE(p.stat().st_mode) for p in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]
    }
    assert modes == {0o700, 0o600}


def test_a_restored_home_is_its_owners_alone(settings, tmp_path):
    """0700 and 0600 whatever the umask is."""
    backup(settings, tmp_path / "copy")
    old = os.umask(0)
    try:
        restore(home(tmp_path / "new"), tmp_path / "copy")
    finally:
        os.umask(old)
    files = [p for p in (tmp_path / "new").rglob("*") if not p.name.endswith((".turn", ".door"))]
    assert {stat.S_IMODE(p.stat().st_mode) for p in [tmp_path / "new", *files]} == {0o700, 0o600}


def test_what_was_deleted_and_rewritten_is_in_the_copy_too(settings, tmp_path):
    """Rows deleted since (a delete file), files merged by upkeep, and an earlier snapshot: the copy
    reads as the lake.
    """
    with Lake.open(settings) as lake:
        before = lake.snapshot()
        lake.write(lambda w: w.execute("DELETE FROM raw.readings WHERE event_id::INT % 2 = 0"))
        lake.upkeep()
        lake.write(lambda w: w.execute("DELETE FROM raw.readings WHERE event_id::INT % 3 = 0"))
    backup(settings, tmp_path / "copy")
    new = home(tmp_path / "new")
    restore(new, tmp_path / "copy")
    for as_of in (before, None):
        asked = []
        for one in (settings, new):
            with Lake.open(one, read_only=True, as_of=as_of) as lake:
                asked.append(sorted(lake.table("raw.readings", ["event_id"])["event_id"]))
        assert asked[0] == asked[1]
        assert len(asked[0]) == (
            125 if as_of else 41
        )  # 125, 62 odd ones, 41 of them not divisible by 3
    with Lake.open(new) as lake:
        lake.upkeep()  # nothing that it would remove is missing


_DIE = """
import os, sys
from pathlib import Path
from ingest import {module}, copies
from ingest.settings import Settings
whole, left = copies.copied, [{after}]
def copied(source, to):
    if not left[0]:
        to.parent.mkdir(exist_ok=True, parents=True)
        to.with_name(to.name + ".part").write_bytes(source.read_bytes()[:100])
        os._exit(9)
    left[0] -= 1
    return whole(source, to)
{module}.copied = copied
{module}.{module}(Settings(home=sys.argv[1], kafka_bootstrap="kafka:9092"), Path(sys.argv[2]))
"""


def _die(module: str, settings, folder: Path, *, after: int) -> None:
    code = _DIE.format(module=module, after=after)
    assert (
        subprocess.run(
            [sys.executable, "-c", code, str(settings.home), str(folder)], check=False
        ).returncode
        == 9
    )


def test_a_backup_stopped_in_the_middle_is_none_and_goes_on(settings, tmp_path):
    """Killed in its second file: it can't be restored, and says so; more lands; the same command
    goes on with what was copied, and the whole holds the lake as of then.
    """
    folder, said = tmp_path / "copy", []
    _die("backup", settings, folder, after=1)
    with pytest.raises(UnreadableFile, match="no whole backup"):
        restore(home(tmp_path / "new"), folder)
    assert not (tmp_path / "new").exists()
    _add(settings, 125, 60)
    before = {p: p.stat().st_ino for p in (folder / "data").rglob("*.parquet")}
    backup(settings, folder, say=said.append)
    assert "was not finished: going on" in said[0]
    assert before
    assert {p: p.stat().st_ino for p in before} == before
    assert not list(folder.rglob("*.part"))
    restore(home(tmp_path / "new"), folder)
    assert _ids(home(tmp_path / "new")) == list(range(185))


def test_a_restore_stopped_in_the_middle_is_no_lake_and_goes_on(settings, tmp_path):
    """Killed in its second file: ingest makes no new lake beside the old one's files; the same
    command goes on.
    """
    backup(settings, tmp_path / "copy")
    new, said = home(tmp_path / "new"), []
    _die("restore", new, tmp_path / "copy", after=1)
    for is_read_only in (True, False):
        with pytest.raises(CatalogMissing, match="was not finished, so there is no lake yet"):
            Lake.open(new, read_only=is_read_only)
    restore(new, tmp_path / "copy", say=said.append)
    assert any("was not finished: going on" in s for s in said)
    assert _ids(new) == list(range(125))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _one_file(folder: Path) -> Path:
    return sorted((folder / "data").rglob("*.parquet"))[0]


def _escape(folder: Path) -> None:
    written = json.loads((folder / MANIFEST).read_text())
    name = _one_file(folder).relative_to(folder).as_posix()
    written["files"]["data/../../" + name] = written["files"].pop(name)
    (folder / MANIFEST).write_text(json.dumps(written))


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda f: _flip(_one_file(f)), r"1 file of \d+ differ.*other bytes"),
        (lambda f: _flip(f / "catalog.sqlite"), r"1 file of .*catalog.sqlite \(other bytes\)"),
        (lambda f: _one_file(f).unlink(), r"not there"),
        (lambda f: _one_file(f).write_bytes(b""), r"0 bytes, expected"),
        (lambda f: (f / MANIFEST).unlink(), r"no whole backup"),
        (lambda f: (f / MANIFEST).write_bytes((f / MANIFEST).read_bytes()[:-40]), r"can't be read"),
        (lambda f: (f / MANIFEST).write_text('{"format": 2}'), r"format 2, expected 1"),
        (_escape, r"can't be read as the list"),
    ],
    ids=["bit", "catalog's bit", "missing", "empty", "no manifest", "half", "newer", "outside"],
)
def test_a_damaged_backup_is_refused_before_anything_is_written(settings, tmp_path, harm, sentence):
    """The file is named, the new home is not even begun."""
    backup(settings, tmp_path / "copy")
    harm(tmp_path / "copy")
    with pytest.raises(UnreadableFile, match=sentence):
        restore(home(tmp_path / "new"), tmp_path / "copy")
    assert not (tmp_path / "new").exists()


def test_a_home_with_a_lake_or_the_files_of_one_is_refused(settings, tmp_path):
    """Neither a lake nor what is left of one is overwritten; the sentence says what to move."""
    backup(settings, tmp_path / "copy")
    with pytest.raises(UsageError, match="has a lake already"):
        restore(settings, tmp_path / "copy")
    (settings.home / "lake" / "catalog.sqlite").unlink()
    with pytest.raises(UsageError, match="whose catalog is gone: move"):
        restore(settings, tmp_path / "copy")


def test_the_log_of_a_catalog_that_is_gone_is_not_played_into_the_restored_one(settings, tmp_path):
    """A catalog lost without its log (-wal): the restored one starts without it."""
    backup(settings, tmp_path / "copy")
    new = home(tmp_path / "new")
    (new.home / "lake").mkdir(parents=True)
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (new.home / "lake" / name).write_bytes(b"7" * 5000)
    restore(new, tmp_path / "copy")
    assert _ids(new) == list(range(125))


@pytest.mark.parametrize(
    ("catalog", "data", "sentence"),
    [
        ("postgres:host=nowhere", "", "pg_dump that database"),
        ("", "s3://bucket/lake/", "then the bucket"),
    ],
)
def test_what_can_not_be_copied_is_refused_with_the_way_to_do_it(tmp_path, catalog, data, sentence):
    """A catalog in PostgreSQL, files on S3: said, with what to use instead."""
    elsewhere = home(tmp_path).model_copy(update={"catalog": catalog, "data": data})
    with pytest.raises(UsageError, match=sentence):
        backup(elsewhere, tmp_path / "copy")
    with pytest.raises(UsageError, match="unset them"):
        restore(elsewhere, tmp_path / "copy")


def test_folders_that_are_no_place_for_a_backup(settings, tmp_path):
    """One inside the home, one with other things in it, one with a whole backup, one of another
    lake's attempt, none.
    """
    with pytest.raises(UsageError, match="lies inside"):
        backup(settings, settings.home / "lake" / "data" / "copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds no backup"):
        backup(settings, tmp_path / "full")
    backup(settings, tmp_path / "copy")
    with pytest.raises(UsageError, match="holds a whole backup already"):
        backup(settings, tmp_path / "copy")
    with Lake.open(home(tmp_path / "other")):
        pass
    _die("backup", settings, tmp_path / "begun", after=1)
    with pytest.raises(UsageError, match="of another lake"):
        backup(home(tmp_path / "other"), tmp_path / "begun")
    with pytest.raises(CatalogMissing, match="nothing to back up"):
        backup(home(tmp_path / "empty"), tmp_path / "copy2")
    assert not (tmp_path / "copy2").exists()


def test_a_lake_with_a_broken_file_gives_no_backup(settings, tmp_path):
    """A file that is cut short and one that is gone are named; no manifest is written."""
    first, second = sorted((Path(settings.data_path) / "raw" / "readings").glob("*.parquet"))
    first.write_bytes(first.read_bytes()[:-10])
    second.unlink()
    with pytest.raises(
        LakeDamaged, match=rf"2 files .*{first.name} \(.* expected.*{second.name} \(not there\)"
    ):
        backup(settings, tmp_path / "copy")
    assert not (tmp_path / "copy" / MANIFEST).exists()


def test_a_flipped_bit_is_not_copied_as_if_it_were_right(settings, tmp_path):
    """The lake's own note of the file decides, not only its length."""
    damaged = sorted((Path(settings.data_path) / "raw" / "readings").glob("*.parquet"))[0]
    _flip(damaged)
    with pytest.raises(
        LakeDamaged, match=rf"1 file .*{damaged.name} \(other bytes than were written\)"
    ):
        backup(settings, tmp_path / "copy")
    assert not (tmp_path / "copy" / MANIFEST).exists()


def test_upkeep_removes_no_file_while_it_is_copied(settings, monkeypatch):
    """Files that nothing names any more stay while a copy is made, and go with the next upkeep."""
    monkeypatch.setattr("ingest.lake.upkeep._GRACE", -datetime.resolution)
    catalog = settings.home / "lake" / "catalog.sqlite"
    with Lake.open(settings) as lake:
        lake.upkeep()
        with keeping_files(catalog):
            assert (
                lake.upkeep(expire_before=lake.snapshot(), keep=-datetime.resolution)[
                    "removed_files"
                ]
                == 0
            )
        assert lake.upkeep()["removed_files"] > 0


def test_two_backups_into_one_folder(settings, tmp_path):
    """The second is refused while the first is at it."""

    def meanwhile(*_):
        with pytest.raises(FloeError, match="another floe backup writes"):
            backup(settings, tmp_path / "copy")

    backup(settings, tmp_path / "copy", say=meanwhile)
