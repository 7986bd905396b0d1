"""Until a study is unmasked nothing that leaves the lake holds an arm: tables, SQL, pages, releases,
rejects, logs, files; from that day on comparisons are there.

Here: a lake of two masked arms with names of their own, looked through as a whole. Not here: how a
row is sealed (tests/ingest/test_sealing.py), which study is masked (tests/transforms/rules).
"""

import json
import logging
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from dashboards import shell
from dashboards.pages import PAGES
from dashboards.reader import Reader
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import TOPIC
from ingest.alerting.watcher import Watcher
from ingest.contract import encode, record_key
from ingest.lake import Lake, LakeOfARun
from ingest.landing import land, prepare
from ingest.sealing import KEY_FILE
from ingest.settings import Settings
from ingest.source import Batch
from orchestration.answers import answer as answer_into
from orchestration.doctor import examine
from orchestration.rejects import list_rejects, show_reject
from orchestration.releases import release_if_due
from orchestration.status import system_status
from tests.alert_site import DUTY
from tests.dashboards.looking import payload, view
from tests.followed import brought_up_to_date
from transforms.errors import UsageError
from transforms.schemas.raw import REJECTS

NOW = datetime(2025, 9, 1, 12, tzinfo=UTC)
DAY1 = date(2025, 1, 6)
SHAM, COLD, WHY, FIELD = "SHAM-XYZ", "COLD-QRS", "wrongly given SHAM-XYZ", "arm_label_TUV"
PLANTED = (SHAM, COLD, "TUV", "randomised")


def study(until: date, revision: int) -> tuple[str, dict]:
    return "floe.studies.v1", {
        "study_id": "M",
        "reference_arm": SHAM,
        "masked_until": until.isoformat(),
        "primary": {"parameter": "NRS7D", "visit": "Month 3", "method": "ancova"},
        "revision": revision,
        FIELD: COLD,
    }


def people() -> list[tuple[str, dict]]:
    """12 an arm, half by an enrolment and half by the short form; each answers twice."""
    records = [("floe.clinics.v1", {"clinic_id": "C1", "timezone": "UTC"})]
    for k in range(24):
        arm = (SHAM, COLD)[k % 2]
        told = {
            "arm": arm,
            "allocation": "randomised",
            "allocated_on": DAY1.isoformat(),
            FIELD: arm,
        }
        patient = {"patient_id": f"p{k}", "clinic_id": "C1", "enrolled_on": DAY1.isoformat()}
        if k < 12:
            records.append(("floe.patients.v1", patient | {"study_id": "M"} | told))
        else:
            sets = {"strata": {"kit": arm}, "analysis_sets": {"PP": WHY if k == 12 else "in"}}
            enrolment = {"enrolment_id": f"n{k}", "study_id": "M", "patient_id": f"p{k}"}
            records.append(("floe.patients.v1", patient))
            records.append(
                (
                    "floe.study_enrolments.v1",
                    enrolment | told | sets | {"from": DAY1.isoformat()},
                )
            )
        records += [answer(k, 0, 8), answer(k, 91, 3 + k % 2 + k % 3)]
    return records


def answer(k: int, day: int, value: int) -> tuple[str, dict]:
    at = datetime(2025, 1, 6, 12, tzinfo=UTC) + timedelta(days=day)
    return "floe.responses.v1", {
        "response_id": f"r{k}-{day}",
        "patient_id": f"p{k}",
        "clinic_id": "C1",
        "instrument": "nrs_pain",
        "answered_at": at.isoformat(),
        "items": {"average_7d": value},
        "treatment_arm": (SHAM, COLD)[k % 2],  # a field that no topic but the studies' should have
    }


BROKEN = [
    ("floe.study_enrolments.v1", b'{"arm": "SHAM-XYZ", "cut of'),
    ("floe.study_enrolments.v1", b'{"specversion": "1.0", "data": {"arm": ["COLD-QRS"]}}'),
    ("floe.patients.v1", b"\xff\xfe SHAM-XYZ"),
    ("floe.responses.v1", b'{"study_id": "M", "ARM": "SHAM-XYZ", '),
    ("floe.study_enrolment.v1", b'{"group": "SHAM-XYZ"}'),
]
HARM = (
    "floe.adverse_events.v1",
    {
        "ae_id": "ae1",
        "patient_id": "p13",
        "clinic_id": "C1",
        "term": "burn",
        "grade": 3,
        "is_serious": True,
        "injury_kind": "burn",
        "onset_at": (NOW - timedelta(days=2)).isoformat(),
        "aware_at": (NOW - timedelta(days=1)).isoformat(),
    },
)
DOUBLE = {"enrolment_id": "n13", "study_id": "M", "patient_id": "p13", "from": "2025-01-06"}


class Site:
    def __init__(self, settings: Settings) -> None:
        self.settings, self.partition = settings, 0

    def land(self, records: list[tuple[str, bytes]]) -> None:
        batches = []
        for topic, value in records:
            self.partition += 1
            of = {"topic": topic, "topic_id": "t", "partition": self.partition}
            at = {"first_position": 0, "next_position": 1, "offsets": [0]}
            batches.append(Batch(**of, **at, keys=[b"k"], values=[value]))
        with Lake.open(self.settings) as lake:
            land(lake, prepare(batches, now=NOW))

    def send(self, records: list[tuple[str, dict]], *, source: str = "/tests") -> None:
        events = []
        for k, (topic, data) in enumerate(records, self.partition):
            record_key(topic, data)
            at = NOW - timedelta(hours=1)
            events.append((topic, encode(topic, data, id=f"e{k}", source=source, time=at)))
        self.land(events)

    def materialize(self, *, every: timedelta = timedelta(0)) -> None:
        with LakeOfARun.open(self.settings) as lake:
            brought_up_to_date(lake)
            release_if_due(lake, every=every, options=self.settings.options, now=NOW)


@pytest.fixture(scope="module")
def site(tmp_path_factory, with_lake):
    home = with_lake(tmp_path_factory.mktemp("masked"))
    patch = pytest.MonkeyPatch()
    patch.setenv("FLOE_HOME", str(home))
    patch.setenv("FLOE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    lines = _Lines()
    logging.getLogger().addHandler(lines)
    made = Site(Settings())
    made.lines = lines
    made.send(people())
    made.land(BROKEN)
    made.send([("floe.study_enrolments.v1", DOUBLE | {"arm": COLD})], source="/other")
    made.send([study(date(2026, 1, 1), 1)])  # after the enrolments that it masks
    made.send([HARM])
    made.said = materialized_by_dagster()
    yield made
    logging.getLogger().removeHandler(lines)
    patch.undo()


def materialized_by_dagster() -> str:
    """All that `floe materialize` says, in a process of its own: Dagster's definitions are of one
    home.
    """
    command = [sys.executable, "-m", "orchestration.cli", "materialize", "--full"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(0)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += logging.Formatter().format(record)


def planted(text: str) -> list[str]:
    return [word for word in PLANTED if word in text]


def tables(lake: Lake) -> list[str]:
    found = lake.sql(
        "SELECT table_schema || '.\"' || table_name || '\"' AS t FROM information_schema.tables "
        "WHERE table_catalog = 'lake' AND table_schema IN ('raw', 'core', 'mart', 'app')"
    )
    return found["t"].sort().to_list()


def answers(settings: Settings) -> dict[str, str]:
    """What `floe sql` gives of each table and view."""
    with Lake.open(settings, read_only=True) as lake:
        names, said = tables(lake), {}
        for name in names:
            with lake.answer(f"FROM {name}") as (columns, rows):
                said[name] = json.dumps([columns, *map(list, rows)], default=repr)
    assert len(said) > 60
    return said


def test_no_table_that_sql_reads_holds_an_arm(site):
    """Raw, its rejects, core with its conflicts, marts, releases: every table and view. The words
    of definitions ("where arms were randomised") are no patient's.
    """
    assert_no_arm(answers(site.settings))


def assert_no_arm(said: dict[str, str]) -> None:
    definitions = ('mart."metric_definitions"', 'mart."data_dictionary"', 'mart."metric_versions"')
    for name, text in said.items():
        assert planted(text) in ([], ["randomised"] if name in definitions else []), name


@pytest.mark.parametrize("role", ["clinic", "outside"])
def test_no_page_holds_an_arm(site, role):
    """Every callback's values, the controls' options, whatever the URL asks for."""
    reader = Reader(site.settings.model_copy(update={"viewer_role": role}))
    searches = ("", "?study=M", f"?study=M&arm={COLD}", "?patient=p13", "?study=M&clinic=C1")
    for search in searches:
        said = payload([shell.filter_options(reader, search), shell.freshness(reader)])
        said += "".join(payload(view(reader, path, search)) for path in PAGES)
        # what the URL asks for is the asker's own word
        assert planted(said.replace(search[1:], "")) in ([], ["randomised"])
        for arm in (SHAM, COLD, "TUV"):
            assert arm not in said.replace(search[1:], "")
    reader.close()


def test_no_list_of_rejects_holds_an_arm(site):
    """`floe rejects`, and one shown whole: that it is kept, not what it says."""
    listed = list_rejects(site.settings, reason=None, topic=None, limit=100)
    assert listed.height == len(BROKEN)
    assert planted(json.dumps(listed.to_dicts(), default=str)) == []
    for topic, partition, offset in listed.select(
        "kafka_topic", "kafka_partition", "kafka_offset"
    ).iter_rows():
        said = show_reject(site.settings, topic=topic, partition=partition, offset=offset)
        assert "it may tell an arm" in said
        assert planted(said) == []


def test_rejects_are_kept_whole(site):
    """Sealed is not lost: opened, the bytes are those that were sent."""
    with Lake.open(site.settings, read_only=True) as lake:
        rows = lake.opened(REJECTS, lake.table("raw.rejects"))
    assert set(rows["value"]) == {value for _, value in BROKEN}


def test_no_log_status_or_doctor_holds_an_arm(site):
    """Operators are told that arms are sealed and until when; not one arm."""
    status = json.dumps(system_status(site.settings), default=str)
    found = [f.found for f in examine(site.settings)]
    assert planted(site.lines.text + status + " ".join(found)) == []
    assert '"masked_until": "2026-01-01"' in status
    assert any("arms are sealed in raw" in said for said in found)


def test_no_alert_and_no_message_of_one_holds_an_arm(site):
    """A grave harm to a patient of the study: opened, told to every receiver in every detail, kept
    in the book.
    """
    with Lake.open(site.settings) as lake:
        watcher = Watcher(site.settings, DUTY, lake)
        while watcher.step(now=NOW):
            pass
        watcher.__exit__()
    with Book(book_path(site.settings)) as book:
        alerts = book.alerts()
        told = [d for sink in ("first", "second", "all", TOPIC) for d in book.due(sink, now=NOW)]
    assert "harm" in {alert["rule"] for alert in alerts}
    assert len(told) >= 3
    assert planted(json.dumps([dict(a) for a in (*alerts, *told)], default=str)) == []


def test_what_dagster_said_and_kept_holds_no_arm(site):
    """Its own storage lies in the home, whose files are read below; what it said is here."""
    assert "materialised" in site.said
    assert planted(site.said) == []
    assert list((site.settings.home / "dagster").rglob("*.db"))


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_no_file_of_an_answer_holds_an_arm(site, tmp_path, ending):
    """`floe sql --to FILE`, of the tables that would have them."""
    for name in (
        "raw.study_enrolments",
        "raw.patients",
        "raw.studies",
        "core.patients",
        "mart.adsl",
    ):
        file = tmp_path / f"{name}.{ending}"
        answer_into(site.settings, f"FROM {name}", as_of=None, format=ending, to=file)
        content = file.read_bytes()
        if ending == "parquet":
            content = json.dumps(pl.read_parquet(file).to_dicts(), default=repr).encode()
        assert len(content) > 100
        assert not [w for w in (SHAM, COLD, FIELD, "randomised") if w.encode() in content], name


def test_no_file_holds_an_arm(site):
    """The home as a disk has it, catalog included: the key is a file of its own, for its owner
    alone.
    """
    key = site.settings.home / KEY_FILE
    assert key.stat().st_mode & 0o077 == 0
    files = [path for path in site.settings.home.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        assert not [w for w in (SHAM, COLD, FIELD) if w.encode() in content], path


def test_the_lake_as_of_before_it_was_masked_is_not_answered(site, tmp_path):
    """A study that is masked again, for longer: as of the moment at which its arms stood in core
    nobody is answered, as of another one everybody is. No table has an arm any more, a release that
    is not due and what was restated of the last among them.
    """
    with Lake.open(site.settings, read_only=True) as lake:
        masked = lake.snapshot()
    site.send([study(date(2025, 8, 1), 2)])
    site.materialize()
    with Lake.open(site.settings, read_only=True) as lake:
        shown = lake.snapshot()
    site.send([study(date(2026, 1, 1), 3)])
    site.materialize(every=timedelta(days=365))
    assert_no_arm(answers(site.settings))
    ask = {"format": "csv", "to": tmp_path / "then.csv"}
    with pytest.raises(UsageError, match="those of M are masked until 2026-01-01"):
        answer_into(site.settings, "FROM core.study_enrolments", as_of=str(shown), **ask)
    answer_into(site.settings, "FROM core.study_enrolments", as_of=str(masked), **ask)
    assert planted(ask["to"].read_text()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "FROM core.study_enrolments AT (VERSION => 9)",
        "SELECT * FROM (FROM mart.adsl AT (TIMESTAMP => now() - INTERVAL 1 DAY))",
        "WITH x AS (FROM ducklake_table_changes('lake', 'core', 'patients', 0, 99)) FROM x",
        "FROM lake.table_insertions('core', 'patients', 0, 99)",
        "EXPLAIN ANALYZE FROM ducklake_table_deletions('lake', 'core', 'patients', 0, 99)",
    ],
)
def test_no_statement_looks_behind_the_moment_at_which_it_was_masked(site, tmp_path, statement):
    """What stood in a table before is asked for by --as-of, which looks for arms first."""
    ask = {"format": "csv", "to": tmp_path / "then.csv"}
    with pytest.raises(UsageError, match="may show arms of M"):
        answer_into(site.settings, statement, as_of=None, **ask)
    with Lake.open(site.settings, read_only=True) as lake:
        masked = str(lake.snapshot())
    with pytest.raises(UsageError, match="may show arms of M"):
        answer_into(site.settings, statement, as_of=masked, **ask)


def test_from_the_day_on_arms_are_compared(site):
    """A later revision of the study that masks no more: core has the arms, the marts compare them;
    so what is looked for above can be found.
    """
    site.send([study(date(2025, 8, 1), 4)])
    site.materialize()
    with Lake.open(site.settings, read_only=True) as lake:
        arms = lake.sql("SELECT arm, count(*) AS n FROM core.study_enrolments GROUP BY 1")
        [row] = lake.table(
            "mart.arm_comparisons",
            where="method = 'ancova' AND indication IS NULL AND population = 'completers'",
        ).to_dicts()
        left_out = lake.table("mart.analysis_sets", where="set_code = 'PP' AND NOT is_in")
    assert sum(arms["n"]) >= 24
    assert {SHAM, COLD} <= set(arms["arm"])
    assert (row["arm"], row["reference_arm"]) == (COLD, SHAM)
    assert (row["n_arm"], row["n_reference"], row["estimate"] is not None) == (12, 12, True)
    assert left_out["reason"].to_list() == [WHY]
    assert planted("".join(answers(site.settings).values())) == [SHAM, COLD, "randomised"]
