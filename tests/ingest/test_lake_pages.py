"""A catalog in SQLite that is not what was written: named with what to do, by every opening and by
`floe verify --deep`.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.lake import Lake
from ingest.lake_pages import page_sentences
from ingest.settings import Settings
from orchestration.proving import verify_lake
from transforms.errors import CatalogDamaged

PAGE = 4096


@pytest.fixture
def settings(tmp_path, with_lake) -> Settings:
    """A lake with rows in its catalog, in a home whose name means something in addresses."""
    home = tmp_path / "100%41 sure? #1"
    home.mkdir()
    settings = Settings(home=with_lake(home), catalog="", data="")
    with Lake.open(settings) as lake:
        lake.write(
            lambda w: w.execute(
                "INSERT INTO raw.ledger (rows, kafka_topic) SELECT range, 't' FROM range(9)"
            )
        )
    with closing(sqlite3.connect(catalog_of(settings))) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return settings


def catalog_of(settings) -> Path:
    return settings.home / "lake" / "catalog.sqlite"


def overwrite_page_of(table: str):
    def overwrite(path: Path) -> None:
        with closing(sqlite3.connect(path)) as catalog:
            (page,) = catalog.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = ?", [table]
            ).fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * PAGE)
            file.write(b"\xa5" * PAGE)

    return overwrite


HARM = {
    "cut to half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "something else": lambda path: path.write_bytes(b"\xa5" * 100_000),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
    "a page that every query reads": overwrite_page_of("ducklake_table"),
    "a page that no query reads": overwrite_page_of("ducklake_tag"),
}


def test_a_whole_catalog_is_proved(settings):
    """Of a home whose name has %, ? and # in it too; and none is asked for where there is none."""
    ((is_true, sentence),) = page_sentences(settings)
    assert is_true
    assert sentence.endswith("pages are whole")
    catalog_of(settings).unlink()
    assert list(page_sentences(settings)) == []


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_catalog_is_found_whether_a_query_meets_it_or_not(settings, harm):
    """The deep proof fails and says to restore; it never says that all is proved."""
    HARM[harm](catalog_of(settings))
    sentences = verify_lake(settings, deep=True)
    is_true, sentence = next(sentences)
    assert is_true is False
    assert "catalog.sqlite is damaged" in sentence
    assert "floe restore" in sentence


@pytest.mark.parametrize("harm", [harm for harm in HARM if "no query" not in harm])
@pytest.mark.parametrize("is_read_only", [True, False], ids=["to read", "to write"])
def test_who_meets_it_is_told_what_to_do(settings, harm, is_read_only):
    """Exit code 1 and the remedy, never wrong usage or a word of SQLite's alone; nothing is made in
    its place.
    """
    HARM[harm](catalog_of(settings))
    before = catalog_of(settings).read_bytes()
    with (
        pytest.raises(CatalogDamaged, match=r"is damaged.*floe restore") as caught,
        Lake.open(settings, read_only=is_read_only) as lake,
    ):
        lake.table("raw.ledger")
    assert caught.value.exit_code == 1
    assert catalog_of(settings).read_bytes() == before
