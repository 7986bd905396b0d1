"""Damaged files: the error a query meets, what `floe verify --deep` says of them, what is emptied
and computed again.
"""

from pathlib import Path

import pytest

from ingest.lake import Lake
from ingest.lake_damage import sentences
from ingest.landing_again import mend
from ingest.settings import Settings
from transforms.errors import LakeDamaged, UsageError

INSERT = "INSERT INTO {} SELECT range, 'text' || range FROM range({}, {})"


@pytest.fixture(params=[True, False], ids=["encrypted", "plain"])
def settings(tmp_path, request) -> Settings:
    settings = Settings(home=tmp_path, catalog="", data="", encrypt=request.param)
    with Lake.open(settings) as lake:
        for start in (0, 1000):
            numbers = f"SELECT range, 'topic' || range FROM range({start}, {start} + 1000)"
            lake.write(
                lambda w, numbers=numbers: w.execute(
                    f"INSERT INTO raw.ledger (rows, kafka_topic) {numbers}"
                )
            )
    return settings


def file_of(settings, table: str) -> Path:
    return min((settings.home / "lake" / "data" / table).glob("*.parquet"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(bytes(data))


def turn_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


UNREADABLE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "a few bytes": lambda path: path.write_bytes(b"PAR1"),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "its last byte": lambda path: flip(path, -1),
    "its footer's length": lambda path: flip(path, -7),
    "in the midst": lambda path: flip(path, 2000),
    "a folder": turn_into_a_folder,
}


@pytest.mark.parametrize("harm", UNREADABLE)
def test_a_query_over_a_damaged_file_is_a_broken_lake(settings, harm):
    """Exit code 1, the file named, what to do; never wrong usage. Queries that do not need the file
    are answered, by the same open lake too.
    """
    path = file_of(settings, "raw/ledger")
    UNREADABLE[harm](path)
    with Lake.open(settings, read_only=True) as lake:
        for _ in range(2):
            with pytest.raises(
                LakeDamaged, match=rf"{path.name}.*floe verify --deep.*floe mend"
            ) as caught:
                lake.sql("SELECT count(DISTINCT kafka_topic), sum(rows) FROM raw.ledger")
            assert caught.value.exit_code == 1
            assert caught.value.__cause__ is not caught.value
            assert lake.sql("SELECT count(*) FROM raw.sessions").item() == 0
        with pytest.raises(UsageError):
            lake.sql("SELECT nothing FROM raw.ledger")


@pytest.mark.parametrize("at", [0, 100, 2000, -300, -40, -1])
def test_every_flipped_bit_is_found(settings, at):
    """Whether DuckDB notices or not: one file failed, its table named, the other whole."""
    path = file_of(settings, "raw/ledger")
    flip(path, at)
    with Lake.open(settings, read_only=True) as lake:
        (damage,) = lake.check_files().damages
        assert (damage.file.path.rpartition("/")[2], damage.file.table) == (path.name, "raw.ledger")
        assert damage.fault == "other bytes than were written"
        assert [is_true for is_true, _ in sentences(lake.check_files())] == [False, False]
    with pytest.raises(LakeDamaged, match="floe restore"):
        mend(settings)


def test_a_whole_lake_is_proved(settings):
    """Every file with its checksum: one sentence, proved. Without a checksum: open, and only the
    length is held.
    """
    with Lake.open(settings) as lake:
        assert [is_true for is_true, _ in sentences(lake.check_files())] == [True]
        lake.write(lambda w: w.execute("DELETE FROM app.file_checksums"))
        assert [is_true for is_true, _ in sentences(lake.check_files())] == [True, None]
        file_of(settings, "raw/ledger").write_bytes(b"x")
        assert [is_true for is_true, _ in sentences(lake.check_files())] == [False, False, None]
