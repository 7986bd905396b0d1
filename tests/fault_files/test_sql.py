"""`floe sql`: the commands of sql_queries.txt, every type of DuckDB, one statement that reads, the
lake and nothing else.

Here: the verb on a lake with one answer, in this process. Not here: the lake itself
(tests/ingest/test_lake.py).
"""

import csv
import io
import json
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest import landing
from ingest.contract import encode
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import Batch
from orchestration import cli

AT = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory, with_lake) -> Path:
    """A home whose lake has one response and one reject of bytes that are no text, under a name
    that wants care.
    """
    home = with_lake(tmp_path_factory.mktemp("sql") / "hömé, a#[x]% 'b")
    data = {
        "response_id": "r1",
        "patient_id": "P1",
        "instrument": "nrs_pain",
        "answered_at": AT,
        "items": {"now": 5},
    }
    values = [encode("responses", data, id="e1", source="/t", time=AT), b"\xff\x00"]
    batch = Batch("floe.responses.v1", "T", 0, 0, 2, [0, 1], [b"P1", b"P1"], values)
    with Lake.open(Settings(home=home, kafka_bootstrap="", catalog="", data="")) as lake:
        landing.land(lake, landing.prepare([batch], now=AT))
    return home


@pytest.fixture
def sql(home, monkeypatch, capsys, tmp_path):
    """Runs `floe sql WORDS`; its `code`, `out` and `err`."""
    monkeypatch.setenv("FLOE_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}

    def run(*words: object, stdin: bytes = b"") -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["floe", "sql", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=code, out=out, err=err)

    yield run
    for name, handler in before.items():
        signal.signal(name, handler)


def test_commands_of_the_file(sql, fault_file):
    """Each command gives a value, NaN is null in JSON, times are RFC 3339; the misspelt one keeps
    DuckDB's hint.
    """
    found = [
        sql(*shlex.split(command)[2:])
        for command in _commands(fault_file("sql_queries.txt").read_text())
    ]
    *answered, misspelt = found
    assert [one.code for one in answered] == [0] * 6
    span, rejects, nan, total, newest, one = (answer.out for answer in answered)
    assert "span" in span
    assert len(list(csv.reader(io.StringIO(rejects)))) == 2
    assert json.loads(nan) == [{"x": None}]
    assert json.loads(total) == [{"n": 1}]  # one row landed, the other record was rejected
    assert newest.splitlines()[1] == "2026-05-04T07:00:00+00:00"
    assert "1 row" in one
    assert (misspelt.code, "response_id" in misspelt.err) == (2, True)


def _commands(text: str) -> list[str]:
    return ["floe sql" + part for part in text.strip().split("floe sql")[1:]]


# expression, in JSON, in CSV
TYPES = [
    ("1::HUGEINT", 1, "1"),
    (
        "123456789012345678901234567890::HUGEINT",
        123456789012345678901234567890,
        "123456789012345678901234567890",
    ),
    ("(2::UHUGEINT)", 2, "2"),
    ("sum(5::BIGINT)", 5, "5"),
    ("1.50::DECIMAL(10,2)", 1.5, "1.50"),
    ("'nan'::DOUBLE", None, "nan"),
    ("'-inf'::FLOAT", None, "-inf"),
    ("INTERVAL 3 DAY", "3 days", "3 days"),
    ("'\\xFFa'::BLOB", "\\xFFa", "\\xFFa"),
    ("'a,b'::BLOB", "a,b", '"a,b"'),
    (
        "{'a': 1, 't': TIMESTAMPTZ '2020-01-01 00:00:00.5+00'}",
        {"a": 1, "t": "2020-01-01T00:00:00.5+00:00"},
        None,
    ),
    ("NULL::STRUCT(a TIMESTAMP)", None, ""),
    ("[1, NULL]", [1, None], '"[1,null]"'),
    ("['nan'::DOUBLE]", [None], "[null]"),
    ("[[INTERVAL 1 DAY]]", [["1 day"]], None),
    ("['2020-01-01'::DATE]::DATE[1]", ["2020-01-01"], None),
    ("MAP {'k': DATE '2020-01-01'}", {"k": "2020-01-01"}, None),
    ("MAP {1: 2}", {"1": 2}, None),
    ("row(1, DATE '2020-01-01')", "(1, 2020-01-01)", None),
    ("union_value(k := 1)", "1", "1"),
    ("DATE '2020-01-01'", "2020-01-01", "2020-01-01"),
    ("DATE 'infinity'", "infinity", "infinity"),
    ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)", None),
    ("TIMESTAMP '2020-01-01 10:00'", "2020-01-01T10:00:00", "2020-01-01T10:00:00"),
    ("TIMESTAMP '200000-01-01'", "200000-01-01 00:00:00", None),
    ("TIMESTAMP_NS '2020-01-01 00:00:00.123456789'", "2020-01-01T00:00:00.123456789", None),
    (
        "TIMESTAMPTZ '2020-05-01 00:00:00+02'",
        "2020-04-30T22:00:00+00:00",
        "2020-04-30T22:00:00+00:00",
    ),
    ("TIMESTAMPTZ '-infinity'", "-infinity", "-infinity"),
    ("TIME '10:00'", "10:00:00", "10:00:00"),
    ("TIMETZ '10:00:00+01'", "10:00:00+01", "10:00:00+01"),
    ("UUID '00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001", None),
    ("'b'::ENUM ('a', 'b')", "b", "b"),
    ("'101'::BIT", "101", "101"),
    ("""'{"a":1}'::JSON""", '{"a":1}', '"{""a"":1}"'),
    ("NULL", None, ""),
    ("''", "", '""'),
    ("true", True, "true"),
    ("'[/red]'", "[/red]", "[/red]"),
]


@pytest.mark.parametrize(("expression", "as_json", "as_csv"), TYPES, ids=[t[0][:40] for t in TYPES])
def test_every_type(sql, expression, as_json, as_csv):
    """A value of each type in each format; what JSON has no number for is null there."""
    found = sql(f"SELECT {expression} AS x", "--format", "json")
    assert found.code == 0, found.err
    assert json.loads(found.out) == [{"x": as_json}]
    text = sql(f"SELECT {expression} AS x", "--format", "csv").out
    if as_csv is not None:
        assert text == f"x\n{as_csv}\n"
    assert sql(f"SELECT {expression} AS x").code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "-- a comment first\nSELECT 1 AS x",
        "/* one */ SELECT 1 AS x -- last\n;",
        "--x\nFROM (VALUES (1)) t(x);;",
        "PIVOT (SELECT 'x' AS a, 1 AS b) ON a USING sum(b)",
        "WITH t AS (SELECT 1 AS x) FROM t",
    ],
)
def test_one_statement(sql, statement, tmp_path):
    """From the argument, a file, or standard input: comments, a last semicolon and a PIVOT are
    fine.
    """
    file = tmp_path / "asked[1].sql"
    file.write_text(statement, "utf-8-sig")
    ways = [((statement,), b""), (("--file", file), b""), (("-",), statement.encode())]
    for words, stdin in ways:
        found = sql(*words, "--format", "json", stdin=stdin)
        assert (found.code, found.err) == (0, "")
        assert json.loads(found.out) == [{"x": 1}]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT 1; SELECT 2", "found 2 statements, expected one"),
        ("SELECT 1; DROP TABLE raw.ledger", "found 2 statements"),
        ("", "found no statement"),
        ("-- nothing\n", "found no statement"),
        ("--bogus", "no such option: --bogus"),
        ("SELECT respnse_id FROM raw.responses", 'Candidate bindings: "response_id"'),
        ("FROM mart.adverse_event_rate", 'Did you mean "adverse_event_rates"'),
        ("FROM read_text('/etc/hostname')", "found read_text, expected tables of the lake"),
        ("SELECT * FROM read_csv('/etc/passwd')", "found read_csv"),
        ("FROM '/etc/hostname'", "does not exist"),
        ("FROM glob('/*')", "sees nothing else"),
        ("COPY (SELECT 1) TO 'out.csv'", "found COPY"),
        ("ATTACH 'other.db'", "found ATTACH"),
        ("INSTALL json", "found LOAD"),
        ("LOAD json", "found LOAD"),
        ("SET enable_external_access = true", "found SET"),
        ("SET threads = 1", "found SET"),
        ("PRAGMA threads = 1", "expected a statement that reads"),
        ("CREATE TEMP TABLE x AS SELECT 1", "found CREATE"),
        ("DELETE FROM raw.ledger", "read-only"),
        ("EXPORT DATABASE 'out'", "found EXPORT"),
        ("CALL ducklake_flush_inlined_data('lake')", "found CALL"),
        ("SELECT 1 WHERE 1 = $1", "parameter"),
    ],
)
def test_refused(sql, statement, says, tmp_path):
    """What is no single reading of the lake is exit code 2 and one sentence, and nothing is written
    anywhere.
    """
    found = sql(statement)
    assert (found.code, found.out) == (2, "")
    assert says in found.err
    assert found.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT encryption_key FROM __ducklake_metadata_lake.ducklake_data_file",
        'SUMMARIZE "__DuckLake_Metadata_lake".main.ducklake_data_file',
        "FROM sqlite_scan('CATALOG', 'ducklake_data_file')",
        "FROM \"SQLITE_SCAN\"('CATALOG', 'ducklake_data_file')",
        "FROM sqlite_query('__ducklake' || '_metadata_lake', 'SELECT * FROM ducklake_data_file')",
        "FROM postgres_scan('', 'public', 'ducklake_data_file')",
        "SELECT data_file_encryption_key FROM ducklake_list_files('lake', 'responses', schema => 'raw')",
        "FROM system.main.query('FROM __ducklake' || '_metadata_lake.ducklake_data_file')",
        "WITH t AS (FROM \"Query\" /* ä /* b */ */ -- c\n ('SELECT 1')) FROM t",
        "FROM query_table(['__ducklake' || '_metadata_lake.ducklake_data_file'])",
        "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "FROM ducklake_delete_orphaned_files('lake', dry_run => true, cleanup_all => true)",
        "SELECT path FROM duckdb_databases()",
        "FROM pragma_database_list",
        "SELECT content FROM read_blob('CATALOG')",
        "FROM \"READ_BLOB\"(left('CATALOG', 1) || substr('CATALOG', 2))",
        "FROM system.main.read_csv('CATALOG', delim := '~~', header := false, columns := {'line': 'VARCHAR'})",
        "FROM parquet_metadata('CATALOG')",
        "FROM sniff_csv('CATALOG')",
    ],
)
def test_keys_of_the_files(sql, home, statement):
    """What is behind the lake, and what could reach it without its name in the statement, is
    refused by name.
    """
    found = sql(
        statement.replace("CATALOG", str(home / "lake" / "catalog.sqlite").replace("'", "''"))
    )
    assert (found.code, found.out) == (2, "")
    assert "holds the keys of its files" in found.err


def test_words_that_are_no_such_names(sql):
    """query as a column, the feed of changes and the snapshots are open."""
    for statement in (
        "SELECT 'ä' AS x, query FROM (SELECT 1 AS query)",
        "SELECT (query) FROM (SELECT 1 AS query)",
        "FROM ducklake_snapshots('lake')",
        "FROM ducklake_table_info('lake')",
        "FROM sqlite_master",
    ):
        assert sql(statement, "--format", "json").code == 0, statement


def test_what_reads_without_a_select(sql):
    """DESCRIBE, SHOW, SUMMARIZE, EXPLAIN and the snapshots read too."""
    for statement in (
        "DESCRIBE raw.ledger",
        "SHOW ALL TABLES",
        "SUMMARIZE raw.ledger",
        "EXPLAIN SELECT 1",
        "FROM lake.snapshots()",
    ):
        assert sql(statement, "--format", "json").code == 0, statement


def test_to_a_file(sql, tmp_path):
    """`--to` writes the whole answer, in the format that the name says; a failure leaves no
    file.
    """
    done = sql("SELECT i FROM range(3) t(i)", "--to", "out.csv")
    assert (done.code, done.out, "3 rows in out.csv" in done.err) == (0, "", True)
    assert Path("out.csv").read_text() == "i\n0\n1\n2\n"
    sql("SELECT 1 AS a, 2 AS a", "--to", "out.json")
    assert json.loads(Path("out.json").read_text()) == [{"a": 1, "a_2": 2}]
    assert sql("SELECT 1/0 AS x, error('no')", "--to", "none.csv").code == 2
    assert sql("SELECT 1", "--to", "no-folder/out.csv").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json"]


def test_two_queries_or_none(sql, tmp_path):
    """An argument beside a file, neither of them, or a file that is none: exit code 2 and what was
    expected.
    """
    assert "found no query, or two" in sql().err
    assert "found no query, or two" in sql("SELECT 1", "--file", "x.sql").err
    assert "No such file" in sql("--file", "x.sql").err
    (tmp_path / "x.sql").write_bytes(b"\xff\xfe")
    assert "UTF-8" in sql("--file", "x.sql").err
