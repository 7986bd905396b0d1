"""A lake of the release before, opened by this one: brought forward, and said until it is.

Here: tests/data/lake_0.1.0.tar.xz (its README says how it was made). Not here: a lake of this
release (test_lake.py).
"""

import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from ingest import inspection, lake_forward, masked_arms
from ingest.lake import TABLES, Lake
from ingest.proofs import proofs
from ingest.settings import Settings
from orchestration.cut import is_behind
from orchestration.materializing import materialize_now
from transforms.errors import FloeError, LakeOutdated
from transforms.schemas import CORE_TABLES, MART_TABLES, RAW_TABLES
from transforms.schemas.raw import REJECTS as RAW_REJECTS

PACKED = Path(__file__).parents[1] / "data" / "lake_0.1.0.tar.xz"
RECORDS, REJECTS = 294, 5  # as the release before counted them


def unpacked(home: Path) -> Settings:
    with tarfile.open(PACKED) as packed:
        packed.extractall(home, filter="data")
    return Settings(home=home, kafka_bootstrap="127.0.0.1:9", encrypt=False, catalog="", data="")


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Settings:
    """As it was left, untouched by this release."""
    return unpacked(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def forward(tmp_path_factory) -> SimpleNamespace:
    """Opened by a writer of this release, then materialised: what was seen between, and what was
    said.
    """
    settings = unpacked(tmp_path_factory.mktemp("forward"))
    said: list[str] = []
    with Lake.open(settings) as lake:
        between = SimpleNamespace(
            failures=[sentence for is_true, sentence in proofs(lake) if is_true is False],
            is_behind=is_behind(lake),
            sentence=inspection.outdated_sentence(lake),
            outdated=inspection.outdated_tables(lake),
            empty=[
                n
                for n, is_empty in inspection.outdated_tables(lake).items()
                if is_empty and lake.table(n).height
            ],
        )
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("FLOE_", "DAGSTER_"))]:
            patch.delenv(name)
        patch.setenv("FLOE_HOME", str(settings.home))
        patch.setenv("FLOE_ENCRYPT", "0")
        patch.setenv("FLOE_KAFKA_BOOTSTRAP", settings.kafka_bootstrap)
        patch.setenv("FLOE_LAKE_THREADS", "1")
        materialize_now(Settings(), full=False, say=said.append)
    return SimpleNamespace(settings=settings, between=between, said=said)


@pytest.fixture
def lake(forward):
    with Lake.open(forward.settings, read_only=True) as lake:
        yield lake


def test_a_reader_is_told_what_brings_it_forward(old):
    """Until a writer has opened it no page and no query meets half a table: one sentence says what
    to do.
    """
    with pytest.raises(
        LakeOutdated, match=r"another release of Floe.*floe materialize brings it forward"
    ):
        Lake.open(old, read_only=True)


def test_what_the_old_release_saw_can_still_be_asked_for(old):
    """A lake as of a snapshot is what it was."""
    with Lake.open(old, as_of=3) as lake:
        assert lake.table("raw.rejects").height == REJECTS


def test_between_opening_and_materialising_it_is_said(forward):
    """Tables with other columns are empty, the others stand; both are named, and the next run is
    due.
    """
    assert forward.between.is_behind
    assert "computed by another release of Floe" in forward.between.sentence
    assert "floe materialize" in forward.between.sentence
    computed = {t.full_name for t in TABLES if lake_forward.is_computed(t.full_name)}
    assert set(forward.between.outdated) == computed
    assert forward.between.empty == []
    assert forward.between.failures == []


def test_all_tables_are_this_releases(lake):
    """Columns and types as described, in every table, and none that this release does not
    compute.
    """
    rows = lake.sql("""SELECT schema_name || '.' || table_name AS t, list(column_name) AS names FROM duckdb_columns()
                       WHERE database_name = 'lake' GROUP BY 1""")
    there = {name: set(columns) for name, columns in rows.iter_rows()}
    for table in TABLES:
        assert set(table.names) <= there[table.full_name], table.full_name
    described = {t.full_name for t in TABLES}
    assert [n for n in there if lake_forward.is_computed(n) and n not in described] == []


def test_what_landed_stands(lake):
    """Rows, rejects with their bytes, ledger and positions: as many as before, and proved."""
    counts = [lake.table(f"raw.{name}", ["event_id"]).height for name in RAW_TABLES]
    assert sum(counts) == RECORDS
    rejects = lake.table("raw.rejects")
    assert rejects.height == REJECTS
    assert rejects["value"].null_count() == 0
    assert [sentence for is_true, sentence in proofs(lake) if not is_true] == []
    assert inspection.landed_records(lake) == RECORDS + REJECTS


def test_figures_come_out(lake):
    """Core and mart are whole, of one cut, and nothing is outdated any more; their checks pass."""
    assert inspection.outdated_tables(lake) == {}
    assert not is_behind(lake)
    assert lake.table("mart.check_results", where="NOT is_passed").is_empty()
    for table in (
        CORE_TABLES["sessions"],
        CORE_TABLES["conflicts"],
        MART_TABLES["adsl"],
        MART_TABLES["adqs"],
        MART_TABLES["cohort_outcomes"],
        MART_TABLES["adverse_event_rates"],
        MART_TABLES["alerts"],
    ):
        assert lake.table(table.full_name).height > 0, table.full_name
    assert lake.table("mart.adae").height > 0


def test_what_readers_from_outside_see_is_released_anew(lake):
    """The last release's rows had other columns: a new one is made at once, not when the week is
    over.
    """
    assert lake.table("app.releases")["release_id"].max() == 2
    assert lake.table("app.released_cohort_outcomes").height > 0


def test_readers_are_told_which_figures_were_computed_anew(forward, lake):
    """Each metric whose version differs from the one that the lake was computed under, by name, in
    table and words.
    """
    rows = lake.table("mart.metric_versions")
    again = rows.filter(pl.col("previous_version").is_not_null())
    assert (
        rows.filter(pl.col("restated_at").is_null()).height > 10
    )  # as the release before computed them
    for metric, before, now in again.select("metric_id", "previous_version", "version").iter_rows():
        assert any(f"{metric} ({before} to {now})" in sentence for sentence in forward.said)
    definitions = lake.table("mart.metric_definitions").select("metric_id", "version")
    assert definitions.join(rows, on=["metric_id", "version"], how="anti").is_empty()


def test_a_lake_of_a_newer_release_is_refused(tmp_path):
    """Neither read nor written, in a sentence that names both formats; nothing is changed."""
    settings = Settings(home=tmp_path, kafka_bootstrap="", catalog="", data="", encrypt=False)
    with Lake.open(settings) as lake:
        lake.write(
            lambda w: w.execute(
                "INSERT INTO app.lake_formats VALUES (99, 'x', now() + INTERVAL 1 HOUR)"
            )
        )
    for is_read_only in (True, False):
        with pytest.raises(
            FloeError, match=r"newer release of Floe \(lake format 99, this one knows 3\)"
        ):
            Lake.open(settings, read_only=is_read_only)


def test_what_the_old_release_did_not_know_is_read_with_what_this_one_knows(lake):
    """A status that was `other` then, fields that were unknown then (a patient's study, an alert's
    tier, the course that another one prolongs); a value that still is in no list stays `other`,
    with what was sent beside it.
    """
    status = lake.table("core.patient_status", ["status", "status_raw"], "status_id = 'st-1'")
    assert status.rows() == [("discontinued", None)]
    studies = lake.table("core.patients", ["patient_id", "study_id"], "patient_id LIKE 'OLD-%'")
    assert sorted(studies.rows()) == [("OLD-1", "STUDY-1"), ("OLD-2", "STUDY-1")]
    alerts = lake.table("core.alerts", ["state", "tier"], "alert_id = 'al-1'")
    assert alerts.rows() == [("investigating", "today")]
    assert lake.table("core.courses", ["continues"], "course_id = 'co-1'").rows() == [("co-0",)]
    events = lake.table("core.adverse_events", ["injury_kind", "injury_kind_raw"], "ae_id = 'ae-1'")
    assert events.rows() == [("other", "chilblain")]
    raw = lake.table("raw.patient_status", ["status", "status_raw"], "status_id = 'st-1'")
    assert raw.rows() == [("other", "discontinued")]  # as it arrived


def test_what_is_known_by_now_is_not_told_as_unknown(lake):
    """`floe status` names what no list and no field takes, and nothing else."""
    unknown = inspection.unknown_content(lake).select("topic", "kind", "name").rows()
    assert sorted(unknown) == [
        ("adverse_events", "value", "injury_kind = chilblain"),
        ("responses", "instrument", "brief_pain_inventory"),
    ]


# --- what tells of an arm -----------------------------------------------------------------------


def test_arms_that_lay_in_clear_are_sealed(old, lake):
    """The release before kept them in clear; brought forward nobody reads one in `raw`, and opened
    for core they are what they were.
    """
    rows = lake.table("raw.patients", where="patient_id LIKE 'OLD-%'").sort("patient_id")
    for hidden in ("arm", "allocation", "extra", "baseline_covariates"):
        assert rows[hidden].null_count() == 2, hidden
    assert rows["sealed"].null_count() == 0
    opened = lake.opened(RAW_TABLES["patients"], rows)
    assert opened["arm"].to_list() == ["cryo", "control"]
    core = lake.table("core.patients", ["patient_id", "arm"], "patient_id LIKE 'OLD-%'")
    assert sorted(core.rows()) == [("OLD-1", "cryo"), ("OLD-2", "control")]  # of no masked study


def test_the_lake_as_of_a_moment_with_arms_in_clear_shows_them(old, lake):
    """So that nobody who asks as of then reads those of a study that is masked by now."""
    with closing(sqlite3.connect(old.home / "lake" / "catalog.sqlite")) as catalog:
        [(before,)] = catalog.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()
    with Lake.open(old, as_of=before) as then:
        assert masked_arms.shows_arms(then, ["STUDY-1"])
        assert not masked_arms.shows_arms(then, [])
    assert masked_arms.shows_arms(lake, ["STUDY-1"])  # it is not masked
    assert not masked_arms.shows_arms(lake, ["another"])


def test_sealing_what_is_sealed_changes_nothing(forward):
    """A lake that is brought forward once more keeps the same bytes."""
    with Lake.open(forward.settings) as lake:
        before = [lake.table(name) for name in ("raw.patients", "raw.rejects")]
        lake.write(lambda w: w.seal(RAW_TABLES["patients"], RAW_REJECTS))
        after = [lake.table(name) for name in ("raw.patients", "raw.rejects")]
    assert all(a.equals(b) for a, b in zip(after, before, strict=True))
