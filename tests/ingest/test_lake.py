"""The lake as many processes use it: turns, readers, comments, encryption, errors. Landing has its
own file.
"""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingest.lake import TABLES, Lake
from ingest.lake_attach import attach_recipe
from ingest.lake_schema import METADATA
from ingest.settings import Settings
from ingest.turns import file_turn
from transforms.errors import CatalogDamaged, CatalogMissing, DiskFull, FloeError, UsageError
from transforms.schemas import Column, Table
from transforms.schemas.raw import LEDGER, RAW_TABLES
from transforms.schemas.views import VIEWS

THING = Table(
    "core",
    "things",
    "Things.",
    (Column("id", pl.Int64, "id"), Column("name", pl.String, "name", unit="m")),
    ("id",),
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home", kafka_bootstrap="", catalog="", data="", encrypt=True)


@pytest.fixture
def lake(settings, with_lake):
    with_lake(settings.home)
    with Lake.open(settings) as lake:
        lake.ensure([THING])
        yield lake


def things(*rows: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"id": pl.Int64, "name": pl.String}, orient="row")


def test_every_table_view_and_column_is_there_with_its_comment(lake):
    """A new lake has every table and view as described, each with the comment that its description
    gives.
    """
    columns = {
        (f"{s}.{t}", c): comment
        for s, t, c, comment in lake.sql(
            "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() WHERE database_name = 'lake'"
        ).iter_rows()
    }
    comments = dict(
        lake.sql(
            "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()"
        ).iter_rows()
    )
    views = dict(
        lake.sql("SELECT schema_name || '.' || view_name, comment FROM duckdb_views()").iter_rows()
    )
    for table in TABLES:
        assert comments[table.full_name] == table.comment
        assert {c.name: columns[table.full_name, c.name] for c in table.columns} == {
            c.name: c.full_comment for c in table.columns
        }
    for view in VIEWS:
        assert views[view.full_name] == view.table.comment
        assert lake.table(view.full_name).schema == view.table.polars_schema


def test_a_new_table_has_statistics_and_no_past(settings):
    """Of each table of a new lake DuckLake knows that it has no row, has had none and shows no
    change; what is written then has the bounds of what was written, and nothing else.
    """
    stats = f"SELECT s.* FROM {METADATA}.ducklake_table_stats s JOIN {METADATA}.ducklake_table t USING (table_id)"
    bounds = f"SELECT column_id, min_value, max_value FROM {METADATA}.ducklake_table_column_stats JOIN (FROM {METADATA}"
    bounds += ".ducklake_table WHERE table_name = 'things') USING (table_id) ORDER BY column_id"
    with Lake.open(settings) as lake:
        lake.ensure([THING])
        known = lake.sql(
            f"{stats} WHERE t.table_name <> 'lake_formats'"
        )  # which says who made the lake
        assert known.height == len(TABLES)
        assert known.select("record_count", "next_row_id", "file_size_bytes").unique().rows() == [
            (0, 0, 0)
        ]
        assert lake.table("core.things").is_empty()
        assert _changed_ids(lake, after=0) == []
        lake.write(lambda w: w.append(THING, things((7, "b"), (5, None))))
        assert lake.sql(bounds).rows() == [(1, "5", "7"), (2, "b", "b")]
        assert lake.sql("SELECT count(*) FROM core.things WHERE id IS NULL OR id < 5").item() == 0
        assert _changed_ids(lake, after=0) == [5, 7]


def test_many_that_open_a_new_lake_at_once_make_one(settings):
    """Six threads open a lake that is not there: one makes it, all have it, whole, with a
    write-ahead log.
    """
    opened: list[Lake] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Lake.open(settings))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lake.table("raw.ledger").height for lake in opened] == [0] * 6
    assert len({lake.snapshot() for lake in opened}) == 1
    for lake in opened:
        lake.close()
    header = (settings.home / "lake" / "catalog.sqlite").read_bytes()[:20]
    assert header[18:20] == b"\x02\x02"  # SQLite's file format: 2 = write-ahead log


def test_opening_again_writes_nothing(settings, lake):
    """Ensuring what is there makes no snapshot, whoever does it."""
    before = lake.snapshot()
    lake.ensure([THING])
    with Lake.open(settings) as again:
        assert again.snapshot() == before


def test_a_missing_column_and_a_changed_comment_are_added_and_rows_stay(lake):
    """A later version's column is null in the rows of raw there are; its comment and a changed one
    are set.
    """
    thing = replace(THING, schema="raw")
    lake.ensure([thing])
    lake.write(lambda w: w.append(thing, things((1, "a"))))
    later = Table(
        "raw",
        "things",
        "Things, described better.",
        (*THING.columns, Column("size", pl.Float64, "size")),
    )
    lake.ensure([later])
    assert lake.table("raw.things").rows() == [(1, "a", None)]
    found = lake.sql(
        "SELECT comment FROM duckdb_tables() WHERE table_name = 'things' AND schema_name = 'raw'"
    ).item()
    assert found == "Things, described better."


def test_a_column_of_another_type_is_said(lake):
    """A lake whose column of raw has another type than expected is not touched: an error names both
    types.
    """
    lake.ensure([replace(THING, schema="raw")])
    other = Table("raw", "things", "Things.", (Column("id", pl.String, "id"),))
    with pytest.raises(FloeError, match=r"raw\.things\.id is BIGINT.*expects VARCHAR"):
        lake.ensure([other])


@pytest.mark.parametrize("inserts", [1, 200], ids=["in the catalog", "in a file"])
def test_every_type_comes_back_as_it_went(lake, inserts):
    """Nulls, NaN, empty lists, quotes, zero bytes and old and far moments survive, in the catalog
    as in a file.
    """
    types = Table(
        "core",
        "types",
        "Types.",
        (
            Column("text", pl.String, "text"),
            Column("bytes", pl.Binary, "bytes"),
            Column("moment", pl.Datetime("us", "UTC"), "moment"),
            Column("day", pl.Date, "day"),
            Column("numbers", pl.List(pl.Float64), "numbers"),
            Column("texts", pl.List(pl.String), "texts"),
            Column("number", pl.Float64, "number"),
            Column("flag", pl.Boolean, "flag"),
        ),
    )
    old, far = datetime(1969, 1, 1, 1, 1, 1, 123456, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    rows = [
        (
            "it's\x00\n\"é😀",
            b"\x00\xff'",
            old,
            old.date(),
            [1.5, None],
            ["a'b", "c,d", "", None],
            float("nan"),
            True,
        ),
        (None,) * 8,
        ("", b"", far, far.date(), [], [], float("inf"), False),
    ]
    frame = pl.DataFrame(rows, schema=types.polars_schema, orient="row")
    lake.ensure([types])
    lake.write(lambda w: w.append(types, pl.concat([frame] * inserts)))
    found = lake.table("core.types")
    assert found.equals(pl.concat([frame] * inserts), null_equal=True)


def test_upsert_replaces_keys_null_among_them(lake):
    """Rows of the keys go, those of the frame come, others stay; a key that only goes leaves
    nothing; null is a key.
    """
    lake.write(lambda w: w.append(THING, things((1, "old"), (2, "stays"), (3, "goes"))))
    lake.write(
        lambda w: w.append(
            THING, pl.DataFrame({"id": [None], "name": ["old"]}, schema=THING.polars_schema)
        )
    )
    keys = pl.DataFrame({"id": [1, 3, None]}, schema={"id": pl.Int64})
    new = pl.DataFrame({"id": [1, None], "name": ["new", "new"]}, schema=THING.polars_schema)
    lake.write(lambda w: w.upsert(THING, new, keys))
    assert lake.sql("FROM core.things ORDER BY id NULLS LAST").rows() == [
        (1, "new"),
        (2, "stays"),
        (None, "new"),
    ]


def test_replace_leaves_these_rows_alone(lake):
    """After a replace the table holds the frame; an empty frame empties it."""
    lake.write(lambda w: w.append(THING, things((1, "a"), (2, "b"))))
    lake.write(lambda w: w.replace(THING, things((3, "c"))))
    assert lake.table("core.things").rows() == [(3, "c")]
    lake.write(lambda w: w.replace(THING, things()))
    assert lake.table("core.things").is_empty()


def test_a_write_that_fails_leaves_nothing(lake):
    """An error inside a transaction undoes all of it, and the lake goes on."""
    before = lake.snapshot()

    def work(writer):
        writer.append(THING, things((1, "a")))
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        lake.write(work)
    assert lake.table("core.things").is_empty()
    assert lake.snapshot() == before


def test_frames_are_tables_of_the_query_and_params_are_bound(lake):
    """A query sees the frames by name, takes parameters, gives UTC times."""
    found = lake.sql(
        "SELECT a + $1 AS b, TIMESTAMPTZ '2026-01-01 01:00:00+01' AS t FROM mine",
        [10],
        mine=pl.DataFrame({"a": [1]}),
    )
    assert found.rows() == [(11, datetime(2026, 1, 1, tzinfo=UTC))]
    with pytest.raises(UsageError, match="mine"):
        lake.sql("FROM mine")


def test_the_long_views_place_each_sample(lake):
    """Sample k is at started_at + k * interval_s, to the microsecond; null samples are rows; no
    samples, no row.
    """
    table = RAW_TABLES["readings"]
    row = dict.fromkeys(table.names) | {
        "event_id": "e",
        "started_at": NOW,
        "interval_s": 0.1,
        "values": [1.0, None],
    }
    empty = row | {"event_id": "empty", "values": []}
    lake.write(lambda w: w.append(table, pl.DataFrame([row, empty], schema=table.polars_schema)))
    found = lake.sql(
        "SELECT event_id, sample, value, sampled_at FROM raw.readings_long ORDER BY sample"
    )
    assert found.rows() == [
        ("e", 0, 1.0, NOW),
        ("e", 1, None, NOW + timedelta(microseconds=100_000)),
    ]


def _changed_ids(lake, *, after, through=None):
    through = lake.snapshot() if through is None else through
    return sorted(lake.changed_values("core.things", ["id"], after=after, through=through)["id"])


def test_changes_and_time_travel(settings, lake):
    """The feed is open at its start and closed at its end; a lake as of a snapshot shows that
    moment.
    """
    start = lake.snapshot()
    lake.write(lambda w: w.append(THING, things((1, "a"))))
    first = lake.snapshot()
    lake.write(lambda w: w.upsert(THING, things((1, "b")), things((1, "")).select("id")))
    second = lake.snapshot()
    assert _changed_ids(lake, after=start, through=first) == [1]
    assert _changed_ids(lake, after=first, through=first) == []
    names = lake.changed_values("core.things", ["name"], after=first, through=second)
    assert sorted(names["name"]) == ["a", "b"]  # as the row was, and as it is
    things_changed = [(s, names) for s, names in lake.changes_by_snapshot(after=start) if names]
    assert things_changed == [(first, {"core.things"}), (second, {"core.things"})]
    for as_of in (first, str(first)):
        with Lake.open(settings, as_of=as_of) as then:
            assert then.table("core.things").rows() == [(1, "a")]
    for as_of, told in (
        (10_000, "No snapshot found"),
        ("1999-01-01", "No snapshot found"),
        ("soon", "neither"),
    ):
        with pytest.raises(UsageError, match=told):
            Lake.open(settings, as_of=as_of)


def test_upkeep_moves_rows_and_keeps_the_feed(settings, lake):
    """After flush, merge and expiry the rows are the same, and the feed still starts at every kept
    snapshot.
    """
    for k in range(6):
        lake.write(lambda w, k=k: w.append(THING, things((k, "a"))))
    kept = lake.snapshot()
    for k in range(6, 9):
        lake.write(lambda w, k=k: w.append(THING, things(*((k, str(n)) for n in range(300)))))
    counts = lake.upkeep(expire_before=kept, keep=timedelta(0))
    assert counts["flushed_rows"] == 6 + 1  # and the lake's own record of its format
    assert counts["expired_snapshots"] > 0
    assert lake.sql("SELECT count(*) FROM core.things").item() == 6 + 3 * 300
    assert _changed_ids(lake, after=kept) == [6, 7, 8]
    with pytest.raises(UsageError, match="No snapshot"):
        _changed_ids(lake, after=kept - 3, through=kept)
    assert lake.upkeep() == dict.fromkeys(counts, 0)


def test_threads_take_turns(lake):
    """Eight threads that read, add one and write lose no addition."""
    lake.write(lambda w: w.append(THING, things((0, "count"))))
    threads = [threading.Thread(target=lambda: lake.write(_add_one)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.table("core.things").rows() == [(8, "count")]


def _add_one(writer) -> None:
    count = writer.execute("SELECT id FROM core.things").item()
    writer.replace(THING, things((count + 1, "count")))


_WRITER = """
import sys
import polars as pl
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.schemas.raw import LEDGER
with Lake.open(Settings(home=sys.argv[1], encrypt=True)) as lake:
    for k in range(int(sys.argv[2])):
        row = dict.fromkeys(LEDGER.names) | {"kafka_topic": sys.argv[3], "first_position": k, "rows": 1}
        lake.write(lambda w: w.append(LEDGER, pl.DataFrame([row], schema=LEDGER.polars_schema)))
        print(k, flush=True)
"""


def _python(*args: object) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOE_")}
    return subprocess.Popen(
        [sys.executable, *map(str, args)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_processes_write_at_once_while_others_read_and_the_recipe_runs(settings, lake, tmp_path):
    """Two writing processes lose nothing; a reader meanwhile sees only growth; plain DuckDB reads
    too.
    """
    recipe = tmp_path / "recipe.py"
    recipe.write_text(attach_recipe(settings))
    writers = [_python("-c", _WRITER, settings.home, 20, name) for name in ("one", "two")]
    for writer in writers:
        assert writer.stdout.readline() == "0\n"
    reader = _python(recipe)
    counts = []
    with Lake.open(settings, read_only=True) as other:
        while any(w.poll() is None for w in writers):
            counts.append(other.sql("SELECT count(*) FROM raw.ledger").item())
    shown, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert "one" in shown
    assert "two" in shown
    assert counts == sorted(counts)
    assert [w.wait(30) for w in writers] == [0, 0]
    for writer in writers:
        writer.stdout.close()
    found = lake.sql(
        "SELECT kafka_topic, count(*), count(DISTINCT first_position) FROM raw.ledger GROUP BY 1 ORDER BY 1"
    )
    assert found.rows() == [("one", 20, 20), ("two", 20, 20)]


def test_a_reader_does_not_wait_for_a_writer(settings, lake):
    """While a transaction is open and holds the turn, another connection reads what was committed
    before.
    """

    def work(writer):
        writer.append(THING, things((1, "a")))
        with Lake.open(settings, read_only=True) as other:
            return other.sql("SELECT count(*) FROM core.things").item()

    assert lake.write(work) == 0
    assert lake.table("core.things").height == 1


def test_a_turn_that_does_not_come_is_said(tmp_path):
    """Who waits too long for the turn is told which process holds it."""
    path = tmp_path / "turn"
    told = pytest.raises(FloeError, match=f"process {os.getpid()}")
    with file_turn(path, wait_s=1), told, file_turn(path, wait_s=0.1):
        pytest.fail("two had the turn at once")
    with file_turn(path, wait_s=1):
        assert path.exists()


def test_files_are_encrypted_by_default_and_only_then(tmp_path):
    """A patient's name is not to be found in an encrypted lake's files; in an unencrypted one it
    is.
    """
    for encrypt in (True, False):
        settings = Settings(home=tmp_path / str(encrypt), encrypt=encrypt, catalog="", data="")
        with Lake.open(settings) as lake:
            lake.ensure([THING])
            lake.write(lambda w: w.append(THING, things(*((k, "Josephine") for k in range(1000)))))
            assert lake.table("core.things").height == 1000
        files = list((settings.home / "lake" / "data").rglob("*.parquet"))
        assert files
        assert any(b"Josephine" in f.read_bytes() for f in files) is not encrypt


def test_encryption_other_than_asked_for(tmp_path):
    """Asked for encryption, a plain lake is refused with the remedy; an encrypted one stays so
    whatever is asked.
    """
    plain = Settings(home=tmp_path / "plain", encrypt=False, catalog="", data="")
    Lake.open(plain).close()
    with pytest.raises(UsageError, match="FLOE_ENCRYPT=0"):
        Lake.open(plain.model_copy(update={"encrypt": True}))
    Lake.open(plain.model_copy(update={"encrypt": True}), read_only=True).close()
    sealed = Settings(home=tmp_path / "sealed", encrypt=True, catalog="", data="")
    Lake.open(sealed).close()
    with Lake.open(sealed.model_copy(update={"encrypt": False})) as lake:
        lake.write(
            lambda w: w.append(
                LEDGER,
                pl.DataFrame([dict.fromkeys(LEDGER.names)] * 99, schema=LEDGER.polars_schema),
            )
        )
    (file,) = (sealed.home / "lake" / "data").rglob("*.parquet")
    assert file.read_bytes()[:4] == b"PARE"  # an encrypted footer (Parquet's modular encryption)


def test_a_home_may_move(settings, lake, tmp_path):
    """The lake under a home is found where the home is now."""
    lake.write(lambda w: w.append(THING, things(*((k, "a") for k in range(200)))))
    lake.close()
    moved = settings.home.rename(tmp_path / "moved")
    with Lake.open(settings.model_copy(update={"home": moved})) as there:
        assert there.table("core.things").height == 200


def test_a_lake_that_is_not_there_or_no_lake(settings, tmp_path):
    """A missing, foreign or unreachable catalog is an error of one sentence; passwords are not
    told.
    """
    (tmp_path / "text.sqlite").write_text(
        "this is not a catalog, it is a text of some length\n" * 40
    )
    for catalog, error, told in (
        ("", CatalogMissing, "there is no lake yet"),
        (
            f"sqlite:{tmp_path / 'text.sqlite'}",
            CatalogDamaged,
            "names a file that is none .*not a database",
        ),
        ("oracle:x", CatalogMissing, "expected sqlite:PATH, postgres:URI"),
        (
            "postgres:postgresql://me:hunter2@127.0.0.1:1/floe",
            CatalogMissing,
            "me:\\*\\*\\*@127.0.0.1",
        ),
    ):
        with pytest.raises(error, match=told) as caught:
            Lake.open(settings.model_copy(update={"catalog": catalog}), read_only=True)
        assert "hunter2" not in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(CatalogDamaged, match="not a database"):
        Lake.open(settings.model_copy(update={"catalog": f"sqlite:{tmp_path / 'text.sqlite'}"}))


def test_a_query_that_cannot_be_run_is_a_usage_error(lake):
    """Whatever is wrong with a query, the answer is one sentence and never DuckDB's own
    exception.
    """
    for query in (
        "SELEC 1",
        "FROM nowhere",
        "SELECT nothing FROM core.things",
        "SELECT 'a'::INTEGER",
        "SELECT 1 +",
    ):
        with pytest.raises(UsageError) as caught:
            lake.sql(query)
        assert "\n" not in str(caught.value)


def test_a_read_only_lake_takes_no_write(settings, lake):
    """Neither a query nor a transaction changes a lake that was opened to read."""
    with Lake.open(settings, read_only=True) as other:
        with pytest.raises(UsageError, match="read-only"):
            other.sql("DELETE FROM core.things")
        with pytest.raises(UsageError, match="read-only"):
            other.write(lambda w: w.append(THING, things((1, "a"))))


def test_a_full_disk_is_said_and_the_lake_goes_on_afterwards(tmp_path):
    """No space left is DiskFull, nothing of that write is there, and with space again the next
    write lands.
    """
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted here (not root)")
    try:
        settings = Settings(home=small, encrypt=True, catalog="", data="")
        rows = things(*((k, os.urandom(40).hex()) for k in range(20_000)))
        with Lake.open(settings) as lake:
            lake.ensure([THING])
            lake.write(lambda w: w.append(THING, rows))
            with (small / "ballast").open("wb", buffering=0) as ballast:
                while shutil.disk_usage(small).free:
                    ballast.write(bytes(4096))
            with pytest.raises(DiskFull, match="free some space"):
                lake.write(lambda w: w.append(THING, rows))
            (small / "ballast").unlink()
            assert lake.sql("SELECT count(*) FROM core.things").item() == 20_000
            lake.write(lambda w: w.append(THING, rows))
            assert lake.sql("SELECT count(*) FROM core.things").item() == 40_000
        with Lake.open(settings) as lake:
            assert lake.sql("SELECT count(*) FROM core.things").item() == 40_000
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_the_memory_of_versions_goes_by_its_new_name(settings):
    """A lake in which it was called mart.restatements keeps its rows, and gets the table that has
    that name now.
    """
    with Lake.open(settings) as lake:
        lake.write(lambda w: _as_before(w.execute))
    with Lake.open(settings) as lake:
        versions = lake.table("mart.metric_versions")
        assert versions.select("metric_id", "version").rows() == [("nrs7d_change", "3")]
        assert lake.table("mart.restatements").is_empty()
        assert "release_id" in lake.table("mart.restatements").columns
    with Lake.open(settings) as lake:
        assert lake.table("mart.metric_versions").height == 1


def _as_before(execute) -> None:
    execute("DROP TABLE mart.restatements")
    execute("ALTER TABLE mart.metric_versions RENAME TO restatements")
    execute("INSERT INTO mart.restatements (metric_id, version) VALUES ('nrs7d_change', '3')")
    execute("INSERT INTO app.lake_formats VALUES (3, 'another', now() + INTERVAL 1 SECOND)")


def test_what_differs_is_put_whatever_the_table_holds(lake):
    """A row that is another, one too few, one too many, and one that is there twice and says the same:
    after it is put the table holds each row once.
    """
    stored = things((1, "a"), (2, "b"), (3, "c"), (3, "c"), (4, "d"))
    wanted = things((1, "a"), (2, "B"), (3, "c"), (5, "e"))
    lake.write(lambda writer: writer.replace(THING, stored))
    differs = lake.difference(THING, wanted)
    assert sorted(differs.gone["id"]) == [2, 3, 4]
    assert differs.rows == 4
    lake.write(lambda writer: writer.put(THING, differs))
    assert lake.table(THING.full_name).sort("id").equals(wanted)
    assert lake.difference(THING, wanted).rows == 0
