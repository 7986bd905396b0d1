"""What is kept held against a full computation: equal after a run, and mistakes that are planted are
found, named, told and shown.

Here: a real lake, a run without Dagster, rows that are changed beside it. Not here: that tables which
follow the change are right (test_following.py).
"""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from dashboards.pages.operations.compared import compared as shown
from dashboards.reader import Reader
from ingest.contract import encode, record_key
from ingest.lake import Lake, LakeOfARun
from ingest.landing import land, prepare
from ingest.partition import Batch
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration import cli
from orchestration.automation import nightly_comparison
from orchestration.comparing import compare
from orchestration.definitions import defs
from tests.followed import brought_up_to_date
from transforms.alerting.system import of_comparisons
from transforms.errors import FloeError, UsageError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = Plan(clinics=1, patients=3, days=40, seed=5, wearables_share=0.4)
OF_HISTORY = {"mart.metric_versions", "mart.restatements"}
WRITTEN = {"app.comparisons", "app.file_checksums"}
# Of tables that no other is computed from: a figure that is another by next to nothing, or by a
# thousandth; a text that is another, rows too few, and too many that say the same as others.
PLANTED = {
    "mart.survival_curves": (
        "UPDATE mart.survival_curves SET survival = survival + 1e-12 WHERE survival < 1",
        0,
    ),
    "mart.responder_curves": (
        """UPDATE mart.responder_curves SET estimate = estimate + 1e-3 WHERE rowid =
            (SELECT min(rowid) FROM mart.responder_curves WHERE estimate IS NOT NULL)""",
        1,
    ),
    "mart.cohort_outcomes": (
        """UPDATE mart.cohort_outcomes SET missing_rule = 'planted' WHERE rowid IN
            (SELECT rowid FROM mart.cohort_outcomes LIMIT 2)""",
        2,
    ),
    "mart.reliable_change": (
        """DELETE FROM mart.reliable_change WHERE rowid = (SELECT min(rowid) FROM mart.reliable_change)""",
        1,
    ),
    "mart.patient_outcomes": (
        "INSERT INTO mart.patient_outcomes FROM mart.patient_outcomes LIMIT 1",
        1,
    ),
}


class Site:
    """A lake that was brought up to date, and is compared."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.landed = settings, 0

    def land(self, topic: str, pairs: list[tuple[bytes | None, bytes | None]]) -> None:
        self.landed += 1
        keys, values = ([pair[k] for pair in pairs] for k in (0, 1))
        batch = Batch(
            topic=topic,
            topic_id="t",
            partition=self.landed,
            first_position=0,
            next_position=len(pairs),
            offsets=list(range(len(pairs))),
            keys=keys,
            values=values,
        )
        with Lake.open(self.settings) as lake:
            land(lake, prepare([batch], now=NOW))

    def send(self, topic: str, data: dict, *, id: str) -> None:
        value = encode(topic, data, id=id, source="/tests", time=NOW)
        self.land(topic, [(record_key(topic, data), value)])

    def run(self, *, is_full: bool = False) -> None:
        with LakeOfARun.open(self.settings) as lake:
            brought_up_to_date(lake, is_full=is_full)

    def execute(self, statement: str) -> None:
        """As a mistake would: without the cursor of the table."""
        with Lake.open(self.settings) as lake:
            lake.write(lambda writer: writer.execute(statement))

    def compare(self) -> dict[str, tuple[int, str | None]]:
        """By table how many rows differ, and why it was left out."""
        with LakeOfARun.open(self.settings) as lake:
            found = compare(lake)
        return {c.table.full_name: (c.rows_differing, c.skipped_because) for c in found}

    def comparisons(self) -> pl.DataFrame:
        with Lake.open(self.settings, read_only=True) as lake:
            return lake.table("app.comparisons")

    def first(self, table: str, column: str) -> str:
        with Lake.open(self.settings, read_only=True) as lake:
            return lake.table(table)[column].sort()[0]

    def snapshot(self) -> int:
        with Lake.open(self.settings, read_only=True) as lake:
            return lake.snapshot()

    def changed_since(self, snapshot: int) -> set[str]:
        with Lake.open(self.settings, read_only=True) as lake:
            return set().union(*(names for _, names in lake.changes_by_snapshot(after=snapshot)))

    def page(self) -> str:
        reader = Reader(self.settings)
        try:
            return str(shown(reader))
        finally:
            reader.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory, with_lake):
    home = with_lake(tmp_path_factory.mktemp("comparing"))
    patch = pytest.MonkeyPatch()
    patch.setenv("FLOE_HOME", str(home))
    made = Site(Settings())
    records = list(simulate(PLAN))
    for topic in sorted({topic for topic, _, _ in records}):
        made.land(topic, [(key, value) for t, key, value in records if t == topic])
    yield made
    patch.undo()


def test_without_a_data_cut_there_is_nothing_to_compare(site):
    """A lake that nothing was computed of says what to do; the page says that nobody knows, and the
    job of the night passes.
    """
    with LakeOfARun.open(site.settings) as lake, pytest.raises(UsageError, match="no data cut"):
        compare(lake)
    assert "Never compared" in site.page()
    assert defs.resolve_job_def("comparison_job").execute_in_process().success


def test_a_run_is_followed_by_another(site):
    """All of what happened, and a further event: what the next tests compare."""
    site.run()
    died = {"status_id": "status-1", "status": "died", "effective_on": "2026-03-01"}
    patient = site.first("core.patients", "patient_id")
    site.send("floe.patient_status.v1", died | {"patient_id": patient}, id="status-1")
    site.run()
    assert site.first("core.patient_status", "patient_id") == patient


def test_after_runs_all_are_equal(site, capsys):
    """Each table is what a full computation makes; nothing is written but the account of it."""
    before = site.snapshot()
    cli.app(["materialize", "--compare"], standalone_mode=False)
    rows = site.comparisons()
    said = capsys.readouterr().out
    assert said == f"{rows.height} tables compared with a full computation: all equal\n"
    assert site.changed_since(before) <= WRITTEN
    assert set(rows["rows_differing"]) == {0}
    assert rows["rows"].sum() > 1000
    assert not OF_HISTORY & set(rows["table_name"])
    held = f"Of {rows.height} tables that were held against a full computation"
    assert f"{held}, all are equal." in site.page()
    assert of_comparisons(rows, now=NOW).is_empty()


def test_what_was_planted_is_found(site, capsys):
    """Each mistake is named, with the key of a row in the lake alone; it is told, red on the page, and
    the verb fails. A float that differs by less than a billionth is the same. Nothing else is written.
    """
    for statement, _ in PLANTED.values():
        site.execute(statement)
    before = site.snapshot()
    with pytest.raises(FloeError, match="floe materialize --full"):
        cli.app(["materialize", "--compare"], standalone_mode=False)
    assert site.changed_since(before) <= WRITTEN
    expected = {name: rows for name, (_, rows) in PLANTED.items() if rows}
    rows = site.comparisons()
    found = rows.filter(pl.col("rows_differing") > 0)
    assert dict(found.select("table_name", "rows_differing").iter_rows()) == expected
    left_out = rows.filter(pl.col("skipped_because").is_not_null())
    assert left_out["table_name"].to_list() == ["mart.clinic_funnel"]  # made of cohort_outcomes
    told, page = capsys.readouterr().out, site.page()
    assert f"{rows.height - 1} tables compared with a full computation: 4 not equal" in told
    assert "mart.cohort_outcomes differs: 2 rows, of " in told
    assert f"4 not: {', '.join(sorted(expected))}." in page
    assert "concern" in page
    causes = of_comparisons(rows, now=NOW)
    assert set(causes["rule"]) == {"comparison_differs"}
    assert sorted(causes["subject_id"]) == sorted(expected)
    [patient] = found.filter(pl.col("table_name") == "mart.patient_outcomes")["example"]
    for said in (told, page, json.dumps(causes.to_dicts(), default=str)):
        assert json.loads(patient)["patient_id"] not in said


def test_a_table_that_is_not_current_is_left_out(site):
    """With the reason: one of an older data cut, and what is computed from a table that was changed,
    for that is to be computed anew. What was found of it last stays, and so does its alert.
    """
    site.execute(
        "UPDATE app.cursors SET raw_snapshot = 1 WHERE table_name = 'mart.reliable_change'"
    )
    session = site.first("core.sessions", "session_id")
    site.execute(f"UPDATE core.sessions SET course_id = 'x' WHERE session_id = '{session}'")
    found = site.compare()
    assert found["mart.reliable_change"] == (0, "it does not stand on the data cut in force")
    assert found["mart.adex"] == (0, "changed since: core.sessions")
    assert found["core.sessions"] == (1, None)
    differing = of_comparisons(site.comparisons(), now=NOW)["subject_id"].to_list()
    assert {"core.sessions", "mart.reliable_change"} <= set(differing)


def test_a_full_computation_makes_all_equal(site):
    """Rows that were there twice go, too; then what landed since is no difference, for all is compared
    as of the data cut in force. As the job of the night does it.
    """
    site.run(is_full=True)
    clinic = {"clinic_id": "C-new", "timezone": "Europe/Berlin"}
    site.send("floe.clinics.v1", clinic, id="clinic-new")
    assert defs.resolve_job_def("comparison_job").execute_in_process().success
    assert nightly_comparison.job.name == "comparison_job"
    rows = site.comparisons()
    assert set(rows["rows_differing"]) == {0}
    assert rows["skipped_because"].null_count() == rows.height
    assert of_comparisons(rows, now=NOW).is_empty()
    assert "all are equal." in site.page()


def test_tables_of_another_setting_are_left_out(site, monkeypatch):
    """Under another threshold nothing counts as computed; the verb says that nothing was
    compared.
    """
    monkeypatch.setenv("FLOE_RISK_WINDOW_DAYS", "14")
    with pytest.raises(FloeError, match="nothing was compared"):
        cli.app(["materialize", "--compare"], standalone_mode=False)
    why = set(site.comparisons()["skipped_because"])
    assert why == {"the code, a setting or a library changed"}
    assert "Tables that the newest comparison left out" in site.page()


@pytest.mark.parametrize("beside", ["--full", "--release"])
def test_a_comparison_stands_alone(beside):
    """It computes nothing that is kept, so that beside another option it would be unclear which."""
    with pytest.raises(UsageError, match="expected it alone"):
        cli.app(["materialize", "--compare", beside], standalone_mode=False)
