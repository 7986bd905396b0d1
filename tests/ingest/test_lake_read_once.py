"""A run's lake reads once what several steps need, and never shows what is no more."""

import polars as pl
import pytest

from ingest.lake import Lake, LakeOfARun
from ingest.lake import read_once as read_once_module
from ingest.settings import Settings
from transforms.errors import UsageError
from transforms.schemas import Column, Table

THING = Table("core", "things", "Things.", (Column("id", pl.Int64, "id"),), ("id",))
CORE = "SELECT id FROM core.things ORDER BY id"
QUOTED = 'SELECT id FROM "core"."things" ORDER BY id'


@pytest.fixture
def settings(tmp_path, with_lake) -> Settings:
    return Settings(home=with_lake(tmp_path / "home"), kafka_bootstrap="", catalog="", data="")


@pytest.fixture
def lake(settings):
    with LakeOfARun.open(settings) as lake:
        lake.ensure([THING])
        lake.write(lambda writer: writer.replace(THING, things(1)))
        yield lake


def things(*ids: int) -> pl.DataFrame:
    return pl.DataFrame({"id": ids})


def ids(lake: Lake, statement: str = CORE) -> list[int]:
    return lake.sql(statement)["id"].to_list()


def test_a_table_is_read_once(lake):
    """The second step that asks gets the rows that the first was given."""
    assert lake.sql(CORE) is lake.sql(CORE)


@pytest.mark.parametrize(
    "change",
    [
        lambda writer: writer.append(THING, things(2)),
        lambda writer: writer.replace(THING, things(1, 2)),
        lambda writer: writer.upsert(THING, things(2), things(2)),
        lambda writer: writer.execute("INSERT INTO core.things VALUES (2)"),
    ],
    ids=["append", "replace", "upsert", "statement"],
)
def test_what_was_written_is_seen(lake, change):
    """A table that is written is read again, however it was written and however it is named."""
    before = [ids(lake, statement) for statement in (CORE, QUOTED)]
    lake.write(change)
    assert before == [[1], [1]]
    assert [ids(lake, statement) for statement in (CORE, QUOTED)] == [[1, 2], [1, 2]]


def test_a_failed_write_leaves_what_is_there(lake):
    """A transaction that failed wrote nothing, and nothing else is shown."""

    def failing(writer):
        writer.replace(THING, things(9))
        raise ValueError("of the work")

    ids(lake)
    with pytest.raises(ValueError, match="of the work"):
        lake.write(failing)
    assert ids(lake) == [1]


@pytest.mark.parametrize(
    ("statement", "first", "then"),
    [
        ("SELECT count(*) AS id FROM raw.clinics", [0], [1]),  # ingest writes raw meanwhile
        ("SELECT count(*) AS id FROM raw.clinics AT (VERSION => {at})", [0], [0]),
        ("SELECT count(*) AS id FROM raw.clinics, core.data_cut", [0], [0]),
    ],
)
def test_raw_is_kept_as_of_a_snapshot_alone(lake, settings, statement, first, then):
    """Rows of raw as it is now are never kept, for others write it."""
    statement = statement.format(at=lake.snapshot())
    seen = ids(lake, statement)
    with Lake.open(settings) as other:
        other.write(lambda w: w.execute("INSERT INTO raw.clinics (clinic_id) VALUES ('C1')"))
    assert (seen, ids(lake, statement)) == (first, then)


def test_a_read_with_a_frame_or_a_parameter_is_run_each_time(lake):
    """What a statement gives depends on them."""
    statement = "SELECT id FROM core.things WHERE id = $1"
    assert [lake.sql(statement, [k])["id"].to_list() for k in (1, 2)] == [[1], []]
    joined = CORE.replace("ORDER", "SEMI JOIN keys USING (id) ORDER")
    found = [lake.sql(joined, keys=things(k))["id"].to_list() for k in (1, 2)]
    assert found == [[1], []]


@pytest.mark.parametrize(("of_one", "of_all"), [(7, 100), (8, 7)])
def test_what_needs_much_memory_is_read_again(lake, monkeypatch, of_one, of_all):
    """More than a frame may hold, or than all may hold together: nothing of it stays."""
    monkeypatch.setattr(read_once_module, "_MOST_BYTES_OF_ONE", of_one)
    monkeypatch.setattr(read_once_module, "_MOST_BYTES", of_all)
    for statement in (CORE, QUOTED):
        ids(lake, statement)
    assert lake.sql(CORE) is not lake.sql(CORE)


def test_one_transaction_reads_from_one_write_to_the_next(lake, settings):
    """Of what another process writes meanwhile nothing is seen, and the snapshot that is told is
    the one that was read.
    """
    counted = "SELECT count(*) AS id FROM core.things, raw.clinics AT (VERSION => {})"
    at = lake.snapshot()
    with Lake.open(settings) as other:
        other.write(lambda writer: writer.append(THING, things(2)))
    assert (ids(lake), lake.snapshot()) == ([1], at)
    lake.write(lambda writer: writer.append(THING, things(3)))
    assert (ids(lake), lake.snapshot()) == ([1, 2, 3], at + 2)
    assert ids(lake, counted.format(at)) == [0]


def test_a_statement_that_fails_ends_nothing_but_itself(lake):
    """Its error is Floe's own, and the next one is answered."""
    with pytest.raises(UsageError, match="no_such_column"):
        lake.sql("SELECT no_such_column FROM core.things SEMI JOIN keys USING (id)", keys=things(1))
    assert ids(lake) == [1]
