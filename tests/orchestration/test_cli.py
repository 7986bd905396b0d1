"""Every verb of `floe`: exit codes, errors in one sentence, what is printed.

Here: the command line as a user meets it, on a lake and a Kafka of its own. Not here: `floe up`
(test_up.py), what the verbs compute (tests of each room).
"""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import psutil
import pytest
import typer.main

from ingest import stream
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.proofs import proofs
from ingest.settings import Settings
from orchestration import cli
from orchestration.assets.build import table_key
from transforms.core import CORE
from transforms.marts import MARTS

ROOT = Path(__file__).parents[2]
COMMAND = typer.main.get_command(cli.app)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
BROKEN = (
    b'{"specversion":"1.0","id":"e9","source":"/tests","type":"floe.sessions.v1","time":"2026-03-02'
)


def verbs(command=COMMAND, words=()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, (*words, name))


@pytest.fixture
def floe(monkeypatch, capsys, tmp_path):
    """Runs `floe WORDS` as the console script does; its `code`, `out` and `err`. No broker unless
    one is named.
    """
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("FLOE_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLOE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLOE_BROKER_PORT", str(free_port()))
    monkeypatch.setenv("FLOE_HEALTH_PORT", str(free_port()))
    monkeypatch.setenv("FLOE_LAKE_THREADS", "1")
    monkeypatch.setenv("DAGSTER_HOME", "")  # so that what a verb sets is taken back
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}

    def run(*words: object, **environment: object) -> SimpleNamespace:
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(sys, "argv", ["floe", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        return SimpleNamespace(
            code=code, **dict(zip(("out", "err"), capsys.readouterr(), strict=True))
        )

    yield run
    for name, handler in before.items():
        signal.signal(name, handler)


def assert_refused(found, *, code: int, says: tuple[str, ...]) -> None:
    """One sentence on standard error, with these words in it, and the exit code."""
    assert found.err.startswith("floe: "), found.err
    assert found.err.count("\n") == 1, found.err
    assert "Traceback" not in found.err
    for words in says:
        assert words in found.err
    assert found.code == code, found.err


# --- a small system with events, rejects and an alert -------------------------------------------


def event(name: str, data: dict, *, id: str) -> tuple[str, bytes, bytes]:
    return (
        f"floe.{name}.v1",
        record_key(name, data),
        encode(name, data, id=id, source="/tests", time=NOW),
    )


def session(k: int, *, patient: str = "P1") -> tuple[str, bytes, bytes]:
    data = {
        "session_id": f"S{k}",
        "patient_id": patient,
        "clinic_id": "C1",
        "modality": "local",
        "started_at": NOW,
    }
    return event("sessions", data, id=f"session-{k}")


def readings(k: int) -> tuple[str, bytes, bytes]:
    """A thousand heartbeats that can't be compressed to little."""
    values = np.random.default_rng(k).uniform(40, 180, 1000).tolist()
    data = {
        "patient_id": "P1",
        "metric": "heart_rate",
        "unit": "/min",
        "started_at": NOW,
        "interval_s": 1,
        "values": values,
    }
    return event("readings", data, id=f"readings-{k}")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory, downloads) -> Iterator[Settings]:
    """A Kafka for this file, so that no other test's events are in its topics."""
    home = tmp_path_factory.mktemp("kafka") / "home"
    settings = Settings(
        home=home, cache=str(downloads), broker_port=free_port(), kafka_bootstrap=""
    )
    broker.start(settings, detached=False)
    stream.ensure_topics(settings)
    yield settings
    broker.stop(settings)


STEPS_OF_A_DAY = {
    "resourceType": "Observation",
    "id": "1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "41950-7"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2022-06-08",
    "valueQuantity": {"value": 7267, "system": "http://unitsofmeasure.org", "code": "/d"},
}


@pytest.fixture(scope="module")
def site(kafka, tmp_path_factory) -> Settings:
    """A home in which a clinic, a patient and three sessions landed, a broken session was rejected,
    an alert raised.
    """
    settings = kafka.model_copy(update={"home": tmp_path_factory.mktemp("site") / "home"})
    patient = {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-02-01"}
    first = [
        event("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}, id="c"),
        event("patients", patient, id="p"),
        *(session(k) for k in range(3)),
    ]
    stream.publish(
        settings, [*first, ("floe.sessions.v1", b"P1", BROKEN), ("floe.care.v1", b"P1", b"[]")]
    )
    for _ in range(2):  # the alert is published at the end of the first and lands in the second
        assert run_verb(settings, "ingest", "--drain").returncode == 0
    compute_alerts(settings)
    return settings


def environment_of(settings) -> dict[str, str]:
    return {"FLOE_HOME": str(settings.home), "FLOE_BROKER_PORT": str(settings.broker_port)}


def run_verb(settings, *words: str) -> subprocess.CompletedProcess:
    """A verb in a process of its own."""
    command = [sys.executable, "-m", "orchestration.cli", *words]
    environment = os.environ | environment_of(settings)
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def compute_alerts(settings) -> None:
    """The tables that `floe alerts` reads, through Dagster."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("FLOE_HOME", str(settings.home))
        from orchestration.automation import materialize_job
        from orchestration.definitions import defs

        job = defs.resolve_job_def(materialize_job.name)
        wanted = [table_key(name) for name in ("core.data_cut", "core.alerts", "mart.alerts")]
        assert job.execute_in_process(instance=instance, asset_selection=wanted).success


# --- help and usage -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [*verbs()], ids=" ".join)
def test_help(floe, words):
    """Every verb has a help that says what it is for, and asking for it needs nothing and makes
    nothing.
    """
    found = floe(*words, "--help")
    assert found.code == 0
    assert " ".join(("Usage: floe", *words)) in " ".join(found.out.split())
    assert len(found.out.split("\n")[2].strip()) > 10
    assert not Path("home").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), ("found no verb", "floe --help")),
        (("melt",), ("No such command 'melt'", "floe --help")),
        (("sql",), ("found no query", "--file")),
        (("sql", "SELECT 1", "--as-off", "1"), ("--as-off",)),
        (("rejects", "--format", "xml"), ("'xml'", "table, json or csv")),
        (("alerts", "list", "--format", "xml"), ("'xml'", "table, json or csv")),
        (("replay",), ("Missing argument", "floe replay --help")),
        (("simulate", "--clinics", "0"), ("--clinics", "greater than or equal to 1")),
        (("simulate", "--patients", "many"), ("--patients", "integer")),
        (("simulate", "--to", "x.ndjson", "--start", "2026-02-30"), ("2026-02-30", "YYYY-MM-DD")),
        (
            ("simulate", "--to", "x.ndjson", "--broken", "2"),
            ("--broken", "less than or equal to 1"),
        ),
        (("ingest", "--worker", "3/2"), ("3/2", "K <= N")),
        (("ingest", "--worker", "first"), ("first", "K/N")),
        (("import", "garmin", "x.csv"), ("garmin", "fhir, fitbit")),
        (("import", "fhir", "x.json"), ("--patient", "--patients")),
        (
            ("import", "fhir", "x.json", "--patient", "P", "--timezone", "Berlin"),
            ("Berlin", "IANA"),
        ),
        (("import", "fitbit", "x.csv", "--patient", "P"), ("time zone", "IANA")),
        (("import", "fitbit", "x.csv", "--timezone", "Europe/Berlin"), ("--patient", "--patients")),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_usage(floe, words, says):
    """Wrong words are exit code 2 and one sentence: what was found, what was expected, where it is
    told.
    """
    assert_refused(floe(*words), code=2, says=says)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FLOE_BROKER_PORT", "nine", ("integer",)),
        (
            "FLOE_BINARY_ENDPOINTS",
            "NRS7D<=3; ODI<",
            (": 'ODI<' is no endpoint: write a parameter and a cut", "NRS7D<=3"),
        ),
        (
            "FLOE_BINARY_ENDPOINTS",
            "PAIN<=3",
            (": PAIN of the endpoint 'PAIN<=3' is no parameter", "use one of NRS"),
        ),
        ("FLOE_MMRM_DEGREES_OF_FREEDOM", "kr", ("'satterthwaite' or 'kenward_roger'",)),
    ],
)
def test_wrong_setting(floe, name, value, says):
    """A setting that can't be read is named with its value and what it may be, before anything is
    computed with it.
    """
    assert_refused(floe("status", **{name: value}), code=2, says=(name, repr(value), *says))


# --- something is missing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("ingest", "--drain"), ("replay", "x.ndjson"), ("simulate", "--days", "1")]
)
def test_unreachable_broker(floe, words):
    """Without a Kafka: exit code 3, where it was looked for, and how to get one."""
    Path("x.ndjson").write_text("")
    found = floe(*words, FLOE_BROKER_PORT=(port := free_port()))
    assert_refused(
        found, code=3, says=(f"127.0.0.1:{port}", "floe broker start", "FLOE_KAFKA_BOOTSTRAP")
    )


def test_unreachable_named_broker(floe):
    """The same for a Kafka of one's own, which `floe up` does not replace by another."""
    found = floe(
        "up",
        FLOE_KAFKA_BOOTSTRAP="127.0.0.1:1",
        FLOE_DASHBOARDS_PORT=free_port(),
        FLOE_DAGSTER_PORT=free_port(),
    )
    last = found.err.splitlines()[-1]
    assert found.code == 3
    assert last.startswith("floe: ")
    assert "127.0.0.1:1" in last
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    "words", [("sql", "SELECT 1"), ("ingest", "--drain"), ("materialize",), ("status",)]
)
def test_catalog_that_is_none(floe, words):
    """A file that is no catalog, or one that is damaged from its first bytes on: exit code 1, and
    it stays as it was.
    """
    Path("garbage").write_text("not a catalog " * 1000)
    found = floe(*words, FLOE_CATALOG="sqlite:garbage")
    assert_refused(found, code=1, says=("garbage", "is damaged", "FLOE_CATALOG"))
    assert Path("garbage").read_text() == "not a catalog " * 1000


def test_catalog_server_that_does_not_answer(floe):
    """A PostgreSQL that is not there: exit code 3; a password is not repeated."""
    uri = f"postgres:host=127.0.0.1 port={free_port()} user=floe password=secret1"
    found = floe("sql", "SELECT 1", FLOE_CATALOG=uri)
    assert_refused(found, code=3, says=("Connection refused", "FLOE_CATALOG"))
    assert "secret1" not in found.err


def test_catalog_of_an_unknown_kind(floe):
    """A catalog that Floe does not know: exit code 3, and those that it knows."""
    assert_refused(
        floe("ingest", FLOE_CATALOG="mysql:here"),
        code=3,
        says=("mysql:here", "sqlite:", "postgres:"),
    )


@pytest.mark.parametrize("verb", ["sql", "status", "verify", "rejects", "alerts"])
def test_no_lake_yet(floe, verb):
    """Looking at a lake that is not there: exit code 3, what makes it; and looking does not make
    it.
    """
    found = floe(verb, *(["SELECT 1"] if verb == "sql" else []))
    assert_refused(found, code=3, says=("no lake yet", "floe ingest"))
    assert not Path("home").exists()


def test_home_that_can_not_be(floe):
    """A home where there can't be a folder: exit code 3."""
    Path("file").write_text("")
    assert_refused(
        floe("ingest", "--drain", FLOE_HOME="file/home"), code=3, says=("file", "FLOE_HOME")
    )


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (("up",), "FLOE_DASHBOARDS_PORT"),
        (("up",), "FLOE_DAGSTER_PORT"),
        (("dashboards",), "FLOE_DASHBOARDS_PORT"),
        (("broker", "start"), "FLOE_BROKER_PORT"),
    ],
)
def test_port_in_use(floe, downloads, words, setting):
    """A port that another process has: exit code 3, which port, which setting; nothing is
    started.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {
            "FLOE_DASHBOARDS_PORT": free_port(),
            "FLOE_DAGSTER_PORT": free_port(),
            setting: port,
        }
        found = floe(*words, FLOE_CACHE=downloads, **ports)
    assert_refused(found, code=3, says=(str(port), "in use", setting))
    assert not Path("home/broker/broker.json").exists()


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing", None, ("missing", "No such file")),
        ("folder", "", ("folder", "directory")),
        ("prose.txt", "Once upon a time\n", ("prose.txt, line 1", "Once upon", "expected")),
        (
            "half.ndjson",
            '{"topic": "floe.care.v1", "key": "P1"',
            ("half.ndjson, line 1", "expected"),
        ),
        ("valueless.ndjson", '{"topic": "floe.care.v1", "key": "P1"}\n', ("line 1", "no value")),
    ],
)
def test_unreadable_file_of_events(floe, kafka, name, content, says):
    """A file that is not there, no file, or no NDJSON: exit code 2, the file, the line, what was
    expected.
    """
    if content == "":
        Path(name).mkdir()
    elif content:
        Path(name).write_text(content)
    assert_refused(floe("replay", name, **environment_of(kafka)), code=2, says=says)


@pytest.mark.parametrize(
    "content", [None, "", "a,b\n1,2\n", "Id,ActivityDate,TotalSteps\n1,4/12/2016,many\n"]
)
def test_unreadable_export(floe, content):
    """A file that is no export of the format: exit code 2, before anything is sent or a broker is
    needed.
    """
    if content is not None:
        Path("export.csv").write_text(content)
    found = floe("import", "fitbit", "export.csv", "--patient", "P1", "--timezone", "Europe/Berlin")
    assert_refused(found, code=2, says=("export.csv", "expected"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, ("export.json", "expected FHIR")),
        ("<Observation/>", ("export.json", "expected FHIR")),
        (json.dumps(STEPS_OF_A_DAY), ("2022-06-08", "--timezone")),
    ],
)
def test_unreadable_fhir(floe, content, says):
    """A file that is no FHIR, or a day without a time zone: exit code 2, before anything is sent or
    a broker needed.
    """
    if content is not None:
        Path("export.json").write_text(content)
    assert_refused(floe("import", "fhir", "export.json", "--patient", "P1"), code=2, says=says)


def test_import_of_fhir(floe, kafka):
    """What is sent is counted, and what is left out, reason by reason, the most frequent first."""
    wrong = STEPS_OF_A_DAY | {
        "valueQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "km"}
    }
    found = [STEPS_OF_A_DAY, wrong, wrong, {"resourceType": "Patient", "id": "1"}]
    Path("export.ndjson").write_text("\n".join(map(json.dumps, found)))
    before = sum(stream.end_offsets(kafka).values())
    done = floe(
        "import",
        "fhir",
        "export.ndjson",
        "--patient",
        "P1",
        "--timezone",
        "UTC",
        **environment_of(kafka),
    )
    assert (done.code, sum(stream.end_offsets(kafka).values()) - before) == (0, 1)
    sent, *left_out = done.out.splitlines()[-3:]
    assert sent == "1 event sent"
    assert [line[:12] for line in left_out] == ["2 left out: ", "1 left out: "]
    assert "found the unit km, expected /d" in left_out[0]


def test_a_bad_line_and_a_second_zone(floe, kafka):
    """The rest is sent, the bad line is named and left in a file, exit code 1; a second zone of one
    file is warned of.
    """
    Path("steps.csv").write_text(
        "Id,ts,steps\n7,2026-05-04 10:00:00,1\n7,never,1\n7,2026-05-04 10:01:00,2\n"
    )
    words = ("import", "fitbit", "steps.csv", "--patient", "P1", "--timezone")
    done = floe(*words, "Europe/Berlin", **environment_of(kafka))
    assert (done.code, done.out) == (1, "2 events sent\n")
    assert "steps.csv, line 3: found the time never" in done.err
    assert "1 line could not be read and stayed behind" in done.err
    assert Path("steps.rejected.csv").read_text() == "Id,ts,steps\n7,never,1\n"
    again = floe(*words, "Europe/London", **environment_of(kafka))
    assert "both stand until one is taken back" in again.err


def test_a_million_lines_of_which_three_are_bad(tmp_path, kafka):
    """999,997 minutes are sent, the three lines named and left with the heading, exit code 1; and
    it takes no more memory than a file of a tenth.
    """
    started, minute = datetime(2024, 1, 1), timedelta(minutes=1)
    good = [f"7,{started + k * minute},{k % 100}\n" for k in range(1_000_000)]
    peaks = {}
    for size in (100_000, 1_000_000):
        lines = good[:size]
        lines[10], lines[size // 2], lines[-1] = (
            "7,never,1\n",
            f"7,{started + size // 2 * minute},many\n",
            "7\n",
        )
        (tmp_path / "steps.csv").write_text("Id,ts,steps\n" + "".join(lines))
        before = sum(stream.end_offsets(kafka).values())
        done = run_measured(
            kafka, tmp_path, "import", "fitbit", "steps.csv", "--patient", "P1", "--timezone", "UTC"
        )
        # a device, and a series for each hour, two of which are parted by a line that is bad
        events = 1 + -(-size // 60) + 2
        assert (done.returncode, done.stdout) == (1, f"{events:,} events sent\n")
        assert sum(stream.end_offsets(kafka).values()) - before == events
        for line in (12, size // 2 + 2, size + 1):
            assert f"steps.csv, line {line}: found" in done.stderr
        left = (tmp_path / "steps.rejected.csv").read_text()
        assert left == "Id,ts,steps\n" + lines[10] + lines[size // 2] + lines[-1]
        peaks[size] = int(done.stderr.split()[-1])
    assert peaks[1_000_000] < 1.2 * peaks[100_000], peaks


def run_measured(settings, folder: Path, *words: str) -> subprocess.CompletedProcess:
    """A verb in a process of its own; the last word on standard error is the most memory that it
    had, in KiB.
    """
    program = (
        "import atexit, resource, sys; from orchestration import cli\n"
        "atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))\n"
        "cli.main()"
    )
    environment = os.environ | environment_of(settings) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_simulate_replay_and_truth(floe, kafka):
    """`simulate --to FILE` writes a file for `replay` and says what is true of it; the seed alone
    decides.
    """
    size = (
        "--clinics",
        1,
        "--patients",
        1,
        "--days",
        5,
        "--start",
        "2026-01-05",
        "--seed",
        3,
        "--broken",
        0,
    )
    found = floe("simulate", *size, "--to", "a.ndjson", "--truth", "truth.json")
    assert (found.code, floe("simulate", *size, "--to", "b.ndjson").code) == (0, 0)
    assert "seed 3" in found.out
    lines = Path("a.ndjson").read_text().splitlines()
    assert lines == Path("b.ndjson").read_text().splitlines()
    assert json.loads(Path("truth.json").read_text())["records"] == len(lines)
    sent = floe("replay", "a.ndjson", **environment_of(kafka))
    assert (sent.code, sent.out) == (0, f"{len(lines):,} events sent\n")


# --- asking -------------------------------------------------------------------------------------


@pytest.fixture
def at_site(floe, site):
    """`floe` at the site with events."""
    return lambda *words, **more: floe(*words, **environment_of(site) | more)


QUERY = """SELECT session_id, kafka_offset >= 0 AS landed, ['x', NULL] AS list FROM raw.sessions
           WHERE "source" = '/tests' ORDER BY 1"""


def test_sql_as_json(at_site):
    """JSON: a list of rows, numbers and booleans as such, null as null."""
    found = at_site("sql", QUERY, "--format", "json")
    assert found.code == 0
    assert json.loads(found.out) == [
        {"session_id": f"S{k}", "landed": True, "list": ["x", None]} for k in range(3)
    ]


def test_sql_as_csv(at_site):
    """CSV: a header and a line a row, lists as JSON; an empty result still has its header."""
    rows = list(csv.reader(at_site("sql", QUERY, "--format", "csv").out.splitlines()))
    assert rows == [
        ["session_id", "landed", "list"],
        *([f"S{k}", "true", '["x",null]'] for k in range(3)),
    ]
    empty = at_site("sql", "SELECT session_id FROM raw.sessions WHERE false", "--format", "csv")
    assert empty.out == "session_id\n"


def test_sql_as_a_table(at_site):
    """A table: columns, rows and their number; it is the default."""
    found = at_site("sql", QUERY)
    assert found.code == 0
    assert "session_id" in found.out
    assert "S2" in found.out
    assert "3 rows" in found.out


def test_sql_as_of(at_site, site):
    """As of a snapshot or a time the lake is as it was then; one that never was is exit code 2."""
    with Lake.open(site, read_only=True) as lake:
        snapshots = lake.sql(
            "SELECT snapshot_id AS id, snapshot_time AS at FROM ducklake_snapshots('lake') ORDER BY 1"
        )
    query = """SELECT count(*) AS n FROM raw.sessions WHERE "source" = '/tests'"""
    count = ("sql", query, "--format", "csv", "--as-of")
    first, last = snapshots.row(1, named=True), snapshots.row(-1, named=True)
    assert at_site(*count, first["id"]).out == "n\n0\n"
    assert at_site(*count, last["id"]).out == "n\n3\n"
    assert at_site(*count, datetime.now(UTC).isoformat()).out == "n\n3\n"
    assert_refused(
        at_site(*count, "2020-01-01T00:00:00Z"), code=2, says=("No snapshot", "snapshots()")
    )
    assert_refused(at_site(*count, 10**6), code=2, says=("No snapshot",))
    assert_refused(at_site(*count, "yesterday"), code=2, says=("'yesterday'", "time"))


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM raw.sessions",
        "CREATE TABLE raw.mine (x INT)",
        "UPDATE core.patients SET sex = 'other'",
        "DROP TABLE raw.sessions",
    ],
)
def test_sql_writes_nothing(at_site, site, query):
    """A statement that writes is refused: exit code 2, and the lake is as before."""
    with Lake.open(site, read_only=True) as lake:
        before = lake.snapshot()
    assert_refused(at_site("sql", query), code=2, says=("read-only", "nothing was changed"))
    with Lake.open(site, read_only=True) as lake:
        assert lake.snapshot() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("SELEC 1",), ("SELEC",)),
        (("SELECT x FROM raw.nothing",), ("nothing",)),
        (("SELECT no_column FROM raw.sessions",), ("no_column",)),
        (("SELECT 1", "--format", "xml"), ("'xml'", "table, json or csv")),
    ],
)
def test_sql_that_can_not_be_run(at_site, words, says):
    """A wrong query is the asker's: exit code 2 and the reason."""
    assert_refused(at_site("sql", *words), code=2, says=says)


def test_status(at_site, site):
    """`--json` is one JSON object with what landed, what was rejected, how old it is; without it,
    the same in words.
    """
    found = at_site("status", "--json")
    told = json.loads(found.out)
    assert (found.code, found.err) == (0, "")
    with Lake.open(site, read_only=True) as lake:
        [rows] = lake.sql("SELECT sum(rows)::BIGINT AS n FROM raw.ledger")["n"]
    assert (told["rows"], told["rejects"], told["lag"]) == (rows, 2, 0)
    assert set(told["set_aside"]) == {"conflicts", "orphans", "implausible", "likely_doubles"}
    topics = {t["kafka_topic"]: (t["rows"], t["rejects"]) for t in told["topics"]}
    assert topics["floe.patients.v1"][0] >= 1
    assert (topics["floe.sessions.v1"][1], topics["floe.care.v1"][1]) == (1, 1)
    assert sum(n for n, _ in topics.values()) == rows
    assert told["newest_event_at"].startswith("20")
    assert [w["state"] for w in told["workers"]] == ["stopped"]
    assert 0 < told["changed"]["computed"] <= told["changed"]["tables"] <= len(CORE) + len(MARTS)
    words = at_site("status")
    assert words.code == 0
    assert f"{rows:,} rows, 2 rejects" in words.out


def test_status_without_a_broker(at_site):
    """Without a Kafka the lag is unknown, which is null, not 0."""
    told = json.loads(at_site("status", "--json", FLOE_BROKER_PORT=free_port()).out)
    assert told["lag"] is None
    assert told["lag_unknown"].startswith("unknown: no Kafka answers at 127.0.0.1")
    assert told["events_per_s"] is None
    assert told["rate_unknown"].startswith("unknown: ingest was stopped")
    assert told["rows"] > 0


def test_verify(at_site):
    """`floe verify` says what it proved, one line each."""
    found = at_site("verify")
    assert found.code == 0
    assert len(found.out.splitlines()) >= 5
    assert all(line.startswith("proved") for line in found.out.splitlines())


def test_upkeep(at_site):
    """Upkeep says what it did and loses nothing."""
    assert at_site("upkeep").code == 0
    assert at_site("verify").code == 0


def test_doctor(at_site):
    """With all there: exit code 0, every finding and every setting; as JSON too."""
    found = at_site("doctor")
    assert found.code == 0, found.out
    for name in (*Settings.model_fields, "java", "disk", "clock"):
        assert name.upper() in found.out or name in found.out
    told = json.loads(at_site("doctor", "--json").out)
    assert {f["name"] for f in told} >= {"python", "java", "kafka", "lake", "disk", "home", "clock"}


def test_doctor_names_the_remedy(at_site, site):
    """What is needed and missing is exit code 3, with its remedy beside it; a secret is not
    shown.
    """
    found = at_site(
        "doctor",
        FLOE_KAFKA_BOOTSTRAP="127.0.0.1:1",
        FLOE_CATALOG="mysql:here",
        FLOE_KAFKA_PASSWORD="pw-1",
    )
    assert found.code == 3
    assert "Traceback" not in found.err
    assert "pw-1" not in found.out
    missing = [line.split()[1] for line in found.out.splitlines() if line.startswith("missing")]
    assert missing == ["kafka", "lake"]
    assert "remedy: check FLOE_KAFKA_BOOTSTRAP" in found.out
    assert "expected sqlite:PATH" in found.out


# --- rejects and alerts -------------------------------------------------------------------------


def test_rejects_listed_and_shown(at_site):
    """Rejects are listed without their bytes, by reason and topic, and shown with them."""
    listed = at_site("rejects")
    assert listed.code == 0
    assert "2 rows" in listed.out
    assert at_site("rejects", "list").out == listed.out
    assert len(json.loads(at_site("rejects", "--format", "json").out)) == 2
    assert len(at_site("rejects", "list", "--format", "csv").out.splitlines()) == 3
    one = at_site("rejects", "--topic", "floe.sessions.v1")
    assert "not_json" in one.out
    assert "1 row" in one.out
    assert "0 rows" in at_site("rejects", "--reason", "wrong_unit").out
    with_place = at_site(
        "sql",
        "SELECT kafka_partition p, kafka_offset o FROM raw.rejects WHERE kafka_topic = 'floe.sessions.v1'",
        "--format",
        "json",
    )
    [place] = json.loads(with_place.out)
    shown = at_site("rejects", "show", "floe.sessions.v1", place["p"], place["o"])
    assert shown.code == 0
    assert BROKEN.decode() in shown.out
    nowhere = at_site("rejects", "show", "floe.sessions.v1", place["p"], 10**6)
    assert_refused(nowhere, code=2, says=("floe rejects",))


def test_alert_of_an_unreadable_session(at_site):
    """The broken session raised an alert; it can be listed by its state."""
    told = at_site("alerts")
    assert told.code == 0
    assert "1 row" in told.out
    assert at_site("alerts", "list").out == told.out
    assert "0 rows" in at_site("alerts", "--state", "closed").out
    assert at_site("alerts", "list", "--state", "closed", "--format", "json").out == "[]\n"
    assert_refused(at_site("alerts", "ack", "nobody"), code=2, says=("'nobody'", "floe alerts"))
    now, today, noted = json.loads(at_site("alerts", "times", "--format", "json").out)
    assert (now["tier"], now["n"], now["median_s"], now["n_waiting"]) == ("now", 0, None, 1)
    assert (now["reason"], today["n_waiting"], noted["n_waiting"]) == ("none acknowledged", 0, 0)


def test_alerts_are_acknowledged_and_closed(at_site, site):
    """Each step is a revision of the alert that goes through Kafka and shows once it has landed."""
    with Lake.open(site, read_only=True) as lake:
        [alert] = lake.table("core.alerts").iter_rows(named=True)
    for verb, state in (("ack", "acknowledged"), ("close", "closed")):
        said = at_site("alerts", verb, alert["alert_id"])
        assert said.code == 0
        assert state in said.out
        assert at_site("ingest", "--drain").code == 0
        compute_alerts(site)
        assert "1 row" in at_site("alerts", "--state", state).out
    assert "0 rows" in at_site("alerts").out
    assert_refused(at_site("alerts", "--state", "gone"), code=2, says=("'gone'", "acknowledged"))


def test_rejects_that_still_can_not_be_read_stay(at_site, site):
    """They are not sent again to be rejected again: how many there are is said, and they stay as
    they are.
    """
    said = at_site("rejects", "replay", "--topic", "floe.care.v1").out
    assert said.startswith(
        "0 records sent again\n1 record of floe.care.v1 still can't be read (not_object)"
    )
    with Lake.open(site, read_only=True) as lake:
        marks = lake.sql("SELECT replayed_at FROM raw.rejects WHERE kafka_topic = 'floe.care.v1'")
    assert marks["replayed_at"].to_list() == [None]


# --- disk ---------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, *, size_mib: int) -> Iterator[Path]:
    """A file system of that size; skips where this user may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system needs a user who may mount one: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk(tmp_path, kafka):
    """A full disk is exit code 3 and a sentence; with space again the next start carries on and
    loses nothing.
    """
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    with small_disk(tmp_path / "disk", size_mib=48) as disk:
        settings = kafka.model_copy(update={"home": disk / "home"})
        assert run_verb(settings, "ingest", "--drain").returncode == 0
        stream.publish(settings, [readings(k) for k in range(1500)])
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 2**20))
        for words in (("ingest", "--drain"), ("materialize",), ("upkeep",)):
            full = run_verb(settings, *words)
            refused = SimpleNamespace(
                code=full.returncode, err=full.stderr.splitlines(keepends=True)[-1]
            )
            assert_refused(refused, code=3, says=("no space", "start again"))
            assert "Traceback" not in full.stderr
        ballast.unlink()
        assert run_verb(settings, "ingest", "--drain").returncode == 0
        with Lake.open(settings, read_only=True) as lake:
            found = lake.sql(
                "SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM raw.readings "
                "WHERE event_id LIKE 'readings-%'"
            )
            assert found.rows() == [(1500, 1500)]
            assert [sentence for is_true, sentence in proofs(lake) if not is_true] == []


# --- stopped: last, because what is sent here stays in this file's Kafka ------------------------


def wait_until(is_so: Callable[[], bool], *, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)


def is_asking(pid: int) -> bool:
    """Whether the process has the lake open and then works: for half a second of its processor's
    time.
    """
    process = psutil.Process(pid)
    if not any("catalog" in file.path for file in process.open_files()):
        return False
    opened_at_s = process.cpu_times().user
    wait_until(lambda: process.cpu_times().user > opened_at_s + 0.5)
    return True


@pytest.mark.parametrize(
    ("number", "words", "says"),
    [
        (
            signal.SIGINT,
            ("sql", "SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) = 1"),
            "it only reads",
        ),
        (
            signal.SIGTERM,
            ("sql", "FROM range(1000000000000)", "--to", "never.csv"),
            "it only reads",
        ),
        (
            signal.SIGTERM,
            ("simulate", "--patients", "4000", "--days", "700", "--to", "never.ndjson"),
            "counts once",
        ),
        (
            signal.SIGINT,
            ("replay", "many.ndjson", "--rate", "50"),
            " sent, nothing that landed is lost",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_verb_that_is_stopped(site, tmp_path, number, words, says):
    """Ctrl-C and SIGTERM: exit code 1 and a sentence that says what was done and how to go on; no
    traceback.
    """
    line = b'{"topic": "floe.care.v1", "key": "P9", "value": {}}\n'
    (tmp_path / "many.ndjson").write_bytes(line * 5_000)
    before = stream.end_offsets(site)
    command = [sys.executable, "-m", "orchestration.cli", *words]
    environment = os.environ | environment_of(site) | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        wait_until(
            {
                "sql": lambda: is_asking(running.pid),
                "simulate": lambda: any(tmp_path.glob("never*")),
                "replay": lambda: stream.end_offsets(site) != before,
            }[words[0]]
        )
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    last = err.splitlines()[-1]
    assert (running.returncode, out) == (1, "")
    assert "Traceback" not in err
    assert last.startswith("floe: stopped: ")
    assert says in last
    assert not (tmp_path / "never.csv").exists()


def test_a_file_of_duties_is_tried(floe, tmp_path):
    """0 where nobody is to be told, or each sink took a test; 1 where one did not, 2 for a file
    that says what none may.
    """
    path, file = tmp_path / "alerts.toml", '[[sinks]]\nname = "list"\nkind = "file"\npath = "{}"\n'
    assert floe("alerts", "check").code == 0
    for text, code, words in (
        (file.format(tmp_path / "list"), 0, "list took a test delivery"),
        (file.format(tmp_path), 1, "not delivered"),
        ("[rota]\nx = ['y']", 2, ""),
    ):
        path.write_text(text)
        result = floe("alerts", "check", "--send", FLOE_ALERTS=path)
        assert (result.code, words in result.out) == (code, True)
