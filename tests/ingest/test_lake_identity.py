"""A catalog that is gone, empty or another's beside a folder full of data: refused, and nothing is
made or removed.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.lake import Lake, upkeep
from ingest.settings import Settings
from transforms.errors import CatalogMissing, FilesMissing
from transforms.schemas.raw import LEDGER

NAME = "floe-lake.json"


@pytest.fixture
def settings(tmp_path, with_lake) -> Settings:
    """A home whose lake has files."""
    settings = Settings(home=with_lake(tmp_path / "home"), catalog="", data="")
    fill(settings)
    return settings


def fill(settings) -> None:
    with Lake.open(settings) as opened:
        opened.write(
            lambda w: w.execute("INSERT INTO raw.ledger (rows) SELECT range FROM range(100)")
        )


def rows(settings) -> int:
    with Lake.open(settings, read_only=True) as opened:
        return opened.table(LEDGER.full_name).height


def state(folder: Path) -> dict[str, bytes]:
    """What may not change: all but the turn's files."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".turn" not in p.name]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def catalog(settings) -> Path:
    return settings.home / "lake" / "catalog.sqlite"


def remove(file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()


def without_tables(file: Path) -> None:
    remove(file)
    with closing(sqlite3.connect(file)) as empty:
        empty.execute("CREATE TABLE t (x)")
        empty.commit()


def empty(file: Path) -> None:
    remove(file)
    file.touch()


@pytest.mark.parametrize("harm", [remove, empty, without_tables])
@pytest.mark.parametrize("left", ["all", "files", "identity", "home"])
def test_a_catalog_that_is_gone_is_not_made_anew(settings, harm, left):
    """Gone, empty or without a lake in it, beside files and identity, either alone, or what the
    home remembers.
    """
    harm(catalog(settings))
    data = settings.home / "lake" / "data"
    if left == "files":
        (data / NAME).unlink()
        (settings.home / "lake" / NAME).unlink()
    if left in ("identity", "home"):
        for path in data.rglob("*.parquet"):
            path.unlink()
    if left == "home":
        (data / NAME).unlink()
    before = state(settings.home)
    for is_read_only in (False, True, False):
        with pytest.raises(CatalogMissing, match="floe restore"):
            Lake.open(settings, read_only=is_read_only)
    assert state(settings.home) == before


def test_with_its_catalog_back_the_lake_is_whole(settings, tmp_path):
    """Refusing changed nothing: the catalog put back, all rows are there."""
    away = tmp_path / "away"
    away.mkdir()
    for path in [p for p in settings.home.glob("lake/catalog.sqlite*") if ".turn" not in p.name]:
        shutil.move(path, away)
    with pytest.raises(CatalogMissing):
        Lake.open(settings)
    for path in away.iterdir():
        shutil.move(path, settings.home / "lake")
    assert rows(settings) == 100


def test_another_lakes_catalog_is_refused(settings, tmp_path, with_lake):
    """A catalog of another lake, put in place of this one's: refused to readers and writers."""
    other = Settings(home=tmp_path / "other", catalog="", data="")
    fill(other)
    remove(catalog(settings))
    shutil.copy(catalog(other), catalog(settings))
    before = state(settings.home / "lake" / "data")
    for is_read_only in (True, False):
        with pytest.raises(CatalogMissing, match="are of the lake"):
            Lake.open(settings, read_only=is_read_only)
    assert state(settings.home / "lake" / "data") == before


def test_files_that_are_not_there_are_refused(settings, tmp_path):
    """The folder of the data is another, or a disk is not mounted: no new folder is begun; what was
    there counts again.
    """
    data = settings.home / "lake" / "data"
    data.rename(tmp_path / "unmounted")
    for is_there in (False, True):
        if is_there:
            data.mkdir()
        with pytest.raises(FilesMissing, match="not mounted"):
            Lake.open(settings)
    data.rmdir()
    (tmp_path / "unmounted").rename(data)
    assert rows(settings) == 100
    fill(settings)
    assert rows(settings) == 200


def test_a_lake_of_an_earlier_release_gets_its_identity(settings):
    """No identity beside the files and in the home: the next writer notes it, a reader changes
    nothing.
    """
    places = [settings.home / "lake" / NAME, settings.home / "lake" / "data" / NAME]
    noted = [json.loads(p.read_text()) for p in places]
    for torn in (None, "", "{", "[]"):
        for place in places:
            place.unlink()
            if torn is not None:
                place.write_text(torn)
        before = state(settings.home)
        assert rows(settings) == 100
        assert {k: v for k, v in state(settings.home).items() if "sqlite" not in k} == {
            k: v for k, v in before.items() if "sqlite" not in k
        }
        Lake.open(settings).close()
        assert [json.loads(p.read_text()) for p in places] == noted


def test_a_new_lake_beside_an_old_one(settings, tmp_path):
    """Another home with files of its own is a lake of its own; over the old one's files it is
    refused.
    """
    old = settings.home / "lake" / "data"
    with pytest.raises(CatalogMissing, match="holds 1 Parquet file of the lake"):
        Lake.open(Settings(home=tmp_path / "new", catalog="", data=f"{old}/"))
    assert not (tmp_path / "new" / "lake" / "catalog.sqlite").exists()
    fill(Settings(home=tmp_path / "new", catalog="", data=""))
    assert rows(Settings(home=tmp_path / "new", catalog="", data="")) == 100


def test_to_begin_anew_the_folder_goes(settings):
    """Who removes the lake's folder wants a new lake."""
    shutil.rmtree(settings.home / "lake")
    fill(settings)
    assert rows(settings) == 100


def test_upkeep_of_an_older_catalog_keeps_newer_files(settings, tmp_path, monkeypatch):
    """The catalog of before, put back, has not written what came after it: a day later upkeep still
    leaves it alone.
    """
    monkeypatch.setattr(upkeep, "_GRACE", timedelta(0))
    older = tmp_path / "older.sqlite"
    with (
        closing(sqlite3.connect(catalog(settings))) as source,
        closing(sqlite3.connect(older)) as target,
    ):
        source.backup(target)
    fill(settings)
    remove(catalog(settings))
    shutil.copy(older, catalog(settings))
    files = set((settings.home / "lake" / "data").rglob("*.parquet"))
    assert len(files) == 2
    with Lake.open(settings) as opened:
        assert opened.table(LEDGER.full_name).height == 100
        opened.upkeep(expire_before=opened.snapshot(), keep=timedelta(0))
    assert {p for p in files if p.exists()} == files
