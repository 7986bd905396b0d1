"""`floe sql --to FILE`: where an answer may lie, that it is whole or not there, and each format.

Here: files. Not here: what is answered (tests/ingest/test_lake_reading.py).
"""

import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ingest.settings import Settings
from orchestration import answer_files
from orchestration.answer_files import new_file
from orchestration.answers import answer
from transforms.errors import DiskFull, FloeError, UsageError

TYPES = """SELECT 1 AS i, sum(2::BIGINT) AS h, 1.5 AS d, 'x' AS t, DATE '2020-01-02' AS day, INTERVAL 1 DAY AS v,
    TIMESTAMPTZ '2020-01-01 00:00:00+00' AS at, [1, NULL] AS l, {'a': 1} AS s, MAP {'k': 1} AS m, NULL AS n,
    UUID '00000000-0000-0000-0000-000000000001' AS u, 'b'::ENUM ('b') AS e, [INTERVAL 1 DAY] AS vs, 'a'::BLOB AS b,
    '101'::BIT AS bits, union_value(k := 1) AS k, TIME '10:00' AS c, '10:00:00+01'::TIMETZ AS z, row(1, 2) AS r,
    'nan'::DOUBLE AS nan, 1 AS i, [1, 2]::INTEGER[2] AS a, '{}'::JSON AS j, 3::UHUGEINT AS g"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory, with_lake) -> Settings:
    """A home with a lake whose files lie elsewhere."""
    folder = tmp_path_factory.mktemp("files")
    home = with_lake(folder / "home")
    return Settings(home=home, kafka_bootstrap="", catalog="", data="", cache=str(folder / "cache"))


@pytest.fixture
def written(settings, tmp_path):
    """Writes a statement's answer to a file of this name and gives its path."""

    def write(statement: str, name: str, format: str) -> Path:
        answer(settings, statement, as_of=None, format=format, to=tmp_path / name)
        return tmp_path / name

    return write


def test_parquet(written, capsys):
    """Types stay where Parquet has them, integers of any size included; the rest is text; of two
    alike the second is _2.
    """
    frame = pl.read_parquet(written(TYPES, "x.parquet", "parquet"))
    row = frame.row(0, named=True)
    assert row | {"nan": None} == {
        "i": 1,
        "h": Decimal(2),
        "d": Decimal("1.5"),
        "t": "x",
        "day": date(2020, 1, 2),
        "v": "1 day",
        "at": datetime(2020, 1, 1, tzinfo=UTC),
        "l": [1, None],
        "s": {"a": 1},
        "m": {"k": 1},
        "n": None,
        "u": "00000000-0000-0000-0000-000000000001",
        "e": "b",
        "vs": "[1 day]",
        "b": b"a",
        "bits": "101",
        "k": "1",
        "c": datetime(2020, 1, 1, 10).time(),
        "z": "10:00:00+01",
        "r": "(1, 2)",
        "nan": None,
        "i_2": 1,
        "a": [1, 2],
        "j": "{}",
        "g": Decimal(3),
    }
    assert "1 row in" in capsys.readouterr().err


def test_parquet_of_no_rows_and_of_many(written):
    """No row keeps the columns; a hundred thousand come in batches, each once."""
    assert (
        pl.read_parquet(written("FROM raw.ledger WHERE false", "none.parquet", "parquet")).height
        == 0
    )
    many = pl.read_parquet(
        written("SELECT range AS i FROM range(100000)", "many.parquet", "parquet")
    )
    assert many["i"].to_list() == list(range(100_000))


@pytest.mark.parametrize("format", ["csv", "json", "parquet", "table"])
def test_a_file_is_its_owners_and_of_its_format(written, format):
    """Single patients may be in it: nobody else of the machine reads it."""
    file = written("SELECT 1 AS x", "x", format)
    assert file.stat().st_mode & 0o777 == 0o600
    read = {
        "csv": lambda: file.read_text() == "x\n1\n",
        "json": lambda: json.loads(file.read_text()) == [{"x": 1}],
        "parquet": lambda: pl.read_parquet(file).rows() == [(1,)],
        "table": lambda: "1 row" in file.read_text(),
    }
    assert read[format]()


def test_parquet_needs_a_file(settings):
    """It is no text for a terminal."""
    with pytest.raises(UsageError, match="expected --to FILE"):
        answer(settings, "SELECT 1", as_of=None, format="parquet", to=None)


def _places(home: Path, tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "link").symlink_to(home / "lake")
    (tmp_path / "link to link").symlink_to(tmp_path / "link")
    (tmp_path / "dangling.csv").symlink_to(home / "new.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "there.csv").write_text("mine")
    os.link(home / "lake" / "catalog.sqlite", tmp_path / "hard.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    return {
        "home": home / "x.csv",
        "catalog": home / "lake" / "catalog.sqlite",
        "catalog's log": home / "lake" / "catalog.sqlite-journal",
        "data": home / "lake" / "data" / "x.parquet",
        "deep in data": home / "lake" / "data" / "raw" / "x.parquet",
        "cache": home.parent / "cache" / "x.csv",
        "dots": tmp_path
        / ".."
        / tmp_path.name
        / ".."
        / os.path.relpath(home, tmp_path.parent)
        / "x.csv",
        "link": tmp_path / "link" / "x.csv",
        "link and dots": tmp_path / "link" / "data" / ".." / "x.csv",
        "link to a link": tmp_path / "link to link" / "data" / "x.csv",
        "dangling": tmp_path / "dangling.csv",
        "hard link": tmp_path / "hard.csv",
        "there": tmp_path / "there.csv",
        "folder": tmp_path / "folder.csv",
        "pipe": tmp_path / "pipe.csv",
        "device": Path("/dev/null"),
        "no folder": tmp_path / "nowhere" / "x.csv",
        "below a file": tmp_path / "there.csv" / "x.csv",
        "no name": Path("/"),
        "above": tmp_path / "..",
        "too long": tmp_path / ("x" * 300),
    }


def test_places_that_are_refused(settings, tmp_path, monkeypatch):
    """The home, the lake, the cache by any spelling, and whatever is there already: one sentence,
    and nothing changed.
    """
    (settings.home / "lake" / "data" / "raw").mkdir(parents=True, exist_ok=True)
    settings.cache_path.mkdir(exist_ok=True)
    before = {file: file.read_bytes() for file in settings.home.rglob("*") if file.is_file()}
    places = _places(settings.home, tmp_path)
    monkeypatch.chdir(settings.home / "lake")
    places |= {"relative": Path("x.csv"), "relative dots": Path("data/../x.csv")}
    names = sorted(path.name for path in tmp_path.iterdir())
    for what, place in places.items():
        with pytest.raises(UsageError, match="give --to"):
            answer(settings, "SELECT 1", as_of=None, format="csv", to=place)
        assert {
            file: file.read_bytes() for file in settings.home.rglob("*") if file.is_file()
        } == before, what
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_data_and_catalog_that_lie_elsewhere(settings, tmp_path):
    """A folder of files given by FLOE_DATA is closed, and beside a catalog the names that SQLite
    makes of its own.
    """
    data, beside = tmp_path / "data", tmp_path / "catalogs"
    for folder in (data, beside):
        folder.mkdir()
    elsewhere = settings.model_copy(
        update={"data": f"{data}/", "catalog": f"sqlite:{beside}/lake.sqlite"}
    )
    for place in (data / "x.csv", beside / "lake.sqlite-wal", beside / "LAKE.sqlite-journal"):
        with (
            pytest.raises(UsageError, match="Floe's own folders"),
            new_file(place, settings=elsewhere),
        ):
            pass
    with new_file(beside / "x.csv", settings=elsewhere) as file:
        file.write(b"x")


def test_who_comes_first_stays(settings, tmp_path):
    """A file that somebody makes at the same place meanwhile is not written over, and nothing else
    is left.
    """
    place = tmp_path / "x.csv"
    with pytest.raises(UsageError, match="File exists"), new_file(place, settings=settings):
        place.write_text("theirs")
    assert place.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [place]


def test_where_there_are_no_links(settings, tmp_path, monkeypatch):
    """A file system without links (a stick, a share) gets its file too."""

    def link(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(answer_files.os, "link", link)
    with new_file(tmp_path / "x.csv", settings=settings) as file:
        file.write(b"x")
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    "statement",
    ["SELECT error('no')", "FROM range(100000) AS t(i) WHERE error(i::VARCHAR) IS NULL"],
)
@pytest.mark.parametrize("format", ["csv", "json", "parquet", "table"])
def test_a_failure_leaves_nothing(settings, tmp_path, statement, format):
    """Neither the file nor a part of it."""
    with pytest.raises(FloeError):
        answer(settings, statement, as_of=None, format=format, to=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(settings, tmp_path):
    """Exit code 3, and nothing is left."""
    with (
        pytest.raises(DiskFull, match="no space is left"),
        new_file(tmp_path / "x.csv", settings=settings),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        ("1", None),
        ("2999-01-01", None),
        ("2999-01-01T00:00:00+02:00", None),
        ("²", "neither a snapshot's number nor a time"),
        ("٣", "neither"),
        ("-1", "neither"),
        ("1; DROP", "neither"),
        ("0001-01-01T00:00:00+14:00", "neither"),
        ("yesterday", "neither"),
        ("", "neither"),
        ("99999999999999999999", "neither"),
        ("999999", "No snapshot found"),
        ("1999-01-01", "No snapshot found"),
    ],
)
def test_as_of(settings, capsys, as_of, says):
    """A snapshot's number or a time; anything else is one sentence of wrong usage."""
    if says is None:
        answer(settings, "SELECT count(*) AS n FROM raw.ledger", as_of=as_of, format="csv", to=None)
        assert capsys.readouterr().out == "n\n0\n"
        return
    with pytest.raises(UsageError, match=says):
        answer(settings, "SELECT 1", as_of=as_of, format="csv", to=None)
