"""Dagster's definitions: every table is an asset with its checks, lineage leads from the topics to
the marts.

Here: the graph, the sensor and the schedule, in this process. Not here: what assets compute.
"""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.stream import Batch
from orchestration.assets import app_assets, core_assets, mart_assets, raw_assets
from orchestration.assets.build import CHECK, FRESH, table_key
from orchestration.assets.order import in_order
from orchestration.automation import materialize_job, on_new_data, reconcile
from orchestration.cut import take_cut, waiting
from orchestration.definitions import defs
from orchestration.due import OF_EVERYBODY, Due, due
from orchestration.followed_home import alone_in
from orchestration.following import Cursor, fingerprint, write_cursor
from orchestration.run_history import FOLLOWING
from transforms.core import CORE
from transforms.errors import FloeError
from transforms.marts import MARTS
from transforms.schemas import CORE_TABLES, MART_TABLES, TOPICS

# Facts of the code or of the run itself, not of events
FROM_NO_TOPIC = {"mart.metric_definitions", "mart.data_dictionary"}
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TABLES_THAT_FOLLOW = [one.table.full_name for one in in_order()]


@pytest.fixture(scope="module")
def graph():
    return defs.resolve_asset_graph()


@pytest.fixture
def home(tmp_path, with_lake, monkeypatch) -> Settings:
    """A lake of its own, which the definitions find through the environment."""
    monkeypatch.setenv("FLOE_HOME", str(with_lake(tmp_path)))
    return Settings()


def land_a_clinic(settings, *, offset: int) -> None:
    data = {"clinic_id": f"C{offset}", "timezone": "Europe/Berlin"}
    value = encode("floe.clinics.v1", data, id=f"e{offset}", source="/tests", time=NOW)
    batch = Batch(
        topic="floe.clinics.v1",
        topic_id="t",
        partition=0,
        first_position=offset,
        next_position=offset + 1,
        offsets=[offset],
        keys=[record_key("floe.clinics.v1", data)],
        values=[value],
    )
    with Lake.open(settings) as lake:
        land(lake, prepare([batch], now=NOW))


def evaluate(instance) -> dg.RunRequest | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, definitions=defs) as context:
        return on_new_data(context)


def test_definitions_are_whole():
    """Everything that runs can be resolved: no missing resource, key or job."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.Definitions.validate_loadable(defs)


def test_every_table_is_an_asset(graph):
    """Each topic, each table of raw, core and mart, by its own name; the releases."""
    made = {a.key.to_user_string() for a in (*core_assets(), *mart_assets(), *app_assets())}
    named = {f"core/{name}" for name in (*CORE, "data_cut")} | {
        f"mart/{name}" for name in (*MARTS, "metric_versions", "restatements")
    }
    assert made == named | {"app/releases"}
    assert set(CORE) | {"data_cut"} == set(CORE_TABLES)
    sources = {spec.key.to_user_string() for spec in raw_assets()}
    assert {f"kafka/{t.type.replace('.', '_')}" for t in TOPICS} <= sources
    assert {f"raw/{t.name}" for t in TOPICS} | {
        "raw/rejects",
        "raw/ledger",
        "raw/stream_offsets",
    } <= sources
    assert made | sources == {key.to_user_string() for key in graph.get_all_asset_keys()}


@pytest.mark.parametrize("name", sorted(MARTS))
def test_lineage_leads_back_to_topics(graph, name):
    """From every mart the arrows lead back to a topic, through raw."""
    mart = MARTS[name].table.full_name
    above = {key.to_user_string() for key in graph.get_ancestor_asset_keys(table_key(mart))}
    assert any(key.startswith("raw/") for key in above)
    if mart not in FROM_NO_TOPIC:
        assert any(key.startswith("kafka/") for key in above)
        assert {f"{full.replace('.', '/')}" for full in MARTS[name].inputs} <= above


def test_a_release_comes_after_all_that_it_shows(graph):
    """The releases are below every mart that readers from outside see: a run that fails on one
    makes none.
    """
    above = graph.get(table_key("app.releases")).parent_keys
    shown = {name for name, mart in MARTS.items() if mart.cells}
    assert above == {table_key(f"mart.{name}") for name in (*shown, "restatements")}


def test_every_topic_leads_to_a_mart(graph):
    """No topic is landed for nothing: each is above some mart."""
    above = set().union(
        *(graph.get_ancestor_asset_keys(table_key(m.table.full_name)) for m in MARTS.values())
    )
    topics = {key for key in graph.get_all_asset_keys() if key.path[0] == "kafka"}
    assert topics - above == set()


def test_checks_of_every_table(graph):
    """Each table of core and mart has the check that its schema's promises hold."""
    found = {(key.asset_key, key.name) for key in graph.asset_check_keys}
    tables = [
        *(step.table for step in CORE.values()),
        CORE_TABLES["data_cut"],
        *(m.table for m in MARTS.values()),
    ]
    tables += [MART_TABLES["metric_versions"], MART_TABLES["restatements"]]
    assert found == {(table_key(t.full_name), CHECK) for t in tables}


def test_the_age_of_every_table_is_watched(graph):
    """Dagster shows which has not been come to for hours: each of core and mart."""
    computed = {k for k in graph.get_all_asset_keys() if k.path[0] in ("core", "mart")}
    policies = {graph.get(key).freshness_policy_or_from_metadata for key in computed}
    assert policies == {FRESH}


def test_a_run_says_what_it_did_and_what_it_took(home):
    """Of each table: keys, rows, why, the snapshot, seconds."""
    land_a_clinic(home, offset=0)
    job, clinics = defs.resolve_job_def(materialize_job.name), table_key("core.clinics")
    chosen = [table_key("core.data_cut"), clinics]
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=chosen)
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == clinics]
    facts = {name: value.value for name, value in event.materialization.metadata.items()}
    with Lake.open(home, read_only=True) as lake:
        last = lake.snapshot()
    assert facts["keys touched"] == "all"
    assert facts["rows changed"] == facts["dagster/row_count"] == 1
    assert facts["because"] == "it was never computed"
    assert facts["snapshot"] == last
    assert facts["seconds"] > 0


def test_columns_are_described(graph):
    """Dagster shows each table's columns with type and meaning."""
    for key in graph.get_all_asset_keys():
        if key.path[0] != "kafka":
            schema = graph.get(key).metadata["dagster/column_schema"]
            assert schema.columns
            assert all(c.description and c.type for c in schema.columns)


def test_job_computes_core_mart_and_releases(graph):
    """The job holds all that is computed and nothing of what ingest lands."""
    selected = materialize_job.selection.resolve(graph)
    assert {key.path[0] for key in selected} == {"core", "mart", "app"}
    own = {"core.data_cut", "mart.metric_versions", "mart.restatements", "app.releases"}
    assert len(selected) == len(CORE) + len(MARTS) + len(own)


def take_in(settings, *, tables: Sequence[str]) -> None:
    """A new data cut, and cursors of these tables that stand on it."""
    with Lake.open(settings) as lake:
        cut = take_cut(lake)
        stands = {"raw_snapshot": cut["lake_snapshot"][0], "read_at": lake.snapshot()}
        code = fingerprint(settings.options)
        cursors = [
            Cursor(
                name, **stands, data_cutoff=NOW, computed_at=NOW, fingerprint=code, rows_changed=0
            )
            for name in tables
        ]
        lake.write(lambda w: [write_cursor(w, cursor) for cursor in cursors])
        lake.write(lambda w: w.replace(CORE_TABLES["data_cut"], cut))


def stand_on_an_older_cut(settings) -> None:
    """The models of everybody, while nothing landed since; all others stand on the cut in force."""
    take_in(settings, tables=TABLES_THAT_FOLLOW)
    take_in(settings, tables=[name for name in TABLES_THAT_FOLLOW if name not in OF_EVERYBODY])


def test_sensor_asks_the_lake(home):
    """A run is asked for when records have landed that nothing was computed from, and where a run did
    not come to all; else the sensor says why not.
    """
    job = defs.resolve_job_def(materialize_job.name)
    with Lake.open(home), dg.DagsterInstance.ephemeral() as instance:
        assert "up to date" in evaluate(instance).skip_message
        land_a_clinic(home, offset=0)
        assert isinstance(evaluate(instance), dg.RunRequest)
        cut = [table_key("core.data_cut"), table_key("core.clinics")]
        assert job.execute_in_process(instance=instance, asset_selection=cut).success
        assert isinstance(evaluate(instance), dg.RunRequest)
        take_in(home, tables=TABLES_THAT_FOLLOW)
        assert "up to date" in evaluate(instance).skip_message
        land_a_clinic(home, offset=1)
        assert isinstance(evaluate(instance), dg.RunRequest)


def test_sensor_takes_over_from_one_that_was_killed(home):
    """A run of `floe follow` that its record calls at work holds up nobody once the process has gone."""
    land_a_clinic(home, offset=0)
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def(materialize_job.name)
        started = dg.DagsterRunStatus.STARTED
        run = instance.create_run_for_job(job, tags=FOLLOWING, status=started)
        with alone_in(home):
            evaluate(instance)
            assert instance.get_run_by_id(run.run_id).status == started
        assert isinstance(evaluate(instance), dg.RunRequest)
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE


def test_arms_that_a_release_shows_do_not_wait_for_models(home, monkeypatch):
    """Where a study was masked since, the run that releases anew has the models."""
    stand_on_an_older_cut(home)
    land_a_clinic(home, offset=0)
    with Lake.open(home) as lake:
        assert due(lake, home, now=datetime.now(UTC)) == Due(False)
        monkeypatch.setattr("orchestration.due.tells_arms", lambda _: True)
        assert due(lake, home, now=datetime.now(UTC)) == Due(True)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, Due(True)), (59, None), (60, Due(True)), (90, Due(True))]
)
def test_models_that_wait_are_due_at_their_time(home, monkeypatch, minutes, expected):
    """Where nothing landed since: `models_every_min` after the snapshot that they stand on; with 0 at
    once.
    """
    stand_on_an_older_cut(home)
    settings = home.model_copy(update={"models_every_min": 60.0 if minutes else 0.0})
    with Lake.open(home, read_only=True) as lake:
        (at,) = lake.rows(
            """SELECT snapshot_time FROM ducklake_snapshots('lake')
               WHERE snapshot_id = (SELECT min(raw_snapshot) FROM app.cursors)"""
        )[0]
        now = at + timedelta(minutes=minutes, seconds=1)
        assert due(lake, settings, now=now) == expected


def test_what_a_run_did_not_come_to_is_due(home):
    """After a kill, though nothing landed since; not again and again where a run failed."""
    stand_on_an_older_cut(home)
    with Lake.open(home) as lake:
        now = datetime.now(UTC)
        assert due(lake, home, now=now) is None
        gone = "DELETE FROM app.cursors WHERE table_name = 'core.care'"
        lake.write(lambda w: w.execute(gone))
        assert due(lake, home, now=now) == Due(False)
        assert due(lake, home, now=now, after_failure=True) is None


def test_every_table_that_follows_has_a_cursor(home):
    """What is said to wait is what runs bring forward."""
    with Lake.open(home) as lake:
        cut = take_cut(lake)
        lake.write(lambda w: w.replace(CORE_TABLES["data_cut"], cut))
        assert waiting(lake) == set(TABLES_THAT_FOLLOW)


def test_what_landed_is_due_without_models_before_their_time(home):
    """And with them where they were never computed."""
    land_a_clinic(home, offset=0)
    with Lake.open(home, read_only=True) as lake:
        assert due(lake, home, now=datetime.now(UTC)) == Due(True)
    stand_on_an_older_cut(home)
    land_a_clinic(home, offset=1)
    with Lake.open(home, read_only=True) as lake:
        assert due(lake, home, now=datetime.now(UTC)) == Due(False)


def test_sensor_leaves_the_lake_to_who_follows_it(home):
    """While `floe follow` is there; it takes over once that has ended."""
    land_a_clinic(home, offset=0)
    with dg.DagsterInstance.ephemeral() as instance:
        with alone_in(home):
            assert "floe follow" in evaluate(instance).skip_message
            with pytest.raises(FloeError, match="another floe follow"), alone_in(home):
                pass
        assert isinstance(evaluate(instance), dg.RunRequest)


def test_sensor_waits_for_a_run_at_work(home):
    """While a run is queued or at work no second one is asked for."""
    land_a_clinic(home, offset=0)
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(defs.resolve_job_def(materialize_job.name))
        instance.report_dagster_event(
            dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name=run.job_name),
            run_id=run.run_id,
        )
        assert "at work" in evaluate(instance).skip_message


def test_sensor_before_there_is_a_lake(home):
    """Where there is no lake yet the sensor has nothing to ask and says so; it does not fail."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(evaluate(instance), dg.SkipReason)


def test_reconciling_schedule():
    """Every hour a run whatever the sensor saw, once for each tick."""
    context = dg.build_schedule_context(scheduled_execution_time=NOW)
    assert [reconcile(context).run_key] == [NOW.isoformat()]
    assert reconcile.job.name == materialize_job.name


def test_asset_failure_stores_nothing(home):
    """An asset that fails leaves its table as it was, and the run says which."""
    land_a_clinic(home, offset=0)
    job = defs.resolve_job_def(materialize_job.name)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance, asset_selection=[table_key("core.clinics")], raise_on_error=False
        )
        assert not result.success  # there is no data cut to read up to
        assert [e.step_key for e in result.get_step_failure_events()] == ["core__clinics"]
    with Lake.open(home, read_only=True) as lake:
        assert lake.table("core.clinics").is_empty()
