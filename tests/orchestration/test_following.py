"""Tables that follow the change equal tables that are computed whole, whatever came when.

Here: a real lake, batches as they land, the assets of core and mart without Dagster. Not here: what
a table means, when a run is.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ingest.contract import encode, record_key
from ingest.lake import Lake, LakeOfARun
from ingest.landing import land, prepare
from ingest.partition import Batch
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.assets.mart import compute
from orchestration.cut import is_behind, waiting
from orchestration.following import standing
from orchestration.one_run import Run
from tests.followed import brought_up_to_date
from transforms.marts import MARTS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = Plan(
    clinics=2,
    patients=10,
    days=100,
    seed=11,
    wearables_share=0.6,
    minute_level_share=0.2,
    duplicates_share=0.05,
    conflicts_share=0.01,
    late_share=0.05,
)


class Site:
    """A lake in which batches land and which is brought up to date."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.landed = settings, 0

    def land(self, records: Iterable[tuple[str, bytes | None, bytes | None]]) -> None:
        records, batches = list(records), []
        for topic in sorted({topic for topic, _, _ in records}):
            pairs = [(key, value) for t, key, value in records if t == topic]
            self.landed += 1
            place = {"topic": topic, "topic_id": "t", "partition": self.landed}
            span = {"first_position": 0, "next_position": len(pairs)}
            keys, values = ([pair[k] for pair in pairs] for k in (0, 1))
            offsets = list(range(len(pairs)))
            batches.append(Batch(**place, **span, offsets=offsets, keys=keys, values=values))
        with Lake.open(self.settings) as lake:
            land(lake, prepare(batches, now=NOW))

    def send(self, topic: str, data: dict, *, id: str, at: datetime) -> None:
        value = encode(topic, data, id=id, source="/tests", time=at)
        self.land([(topic, record_key(topic, data), value)])

    def run(self, **how: bool) -> dict[str, tuple[int, str]]:
        """Brings all tables up to date; by table how many rows changed, and why it was computed."""
        with LakeOfARun.open(self.settings) as lake:
            return brought_up_to_date(lake, **how)

    def table(self, name: str) -> pl.DataFrame:
        with Lake.open(self.settings, read_only=True) as lake:
            return lake.table(name)


def changed(told: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    return {name: said for name, said in told.items() if said[0]}


def idle(told: dict[str, tuple[int, str]]) -> set[str]:
    return {name for name, (_, why) in told.items() if why.startswith("nothing")}


@pytest.fixture(scope="module")
def records() -> list[tuple]:
    return list(simulate(PLAN))


@pytest.fixture(scope="module")
def site(tmp_path_factory, with_lake, records):
    """Half of what happened, the newest in it, computed whole."""
    home = with_lake(tmp_path_factory.mktemp("following"))
    patch = pytest.MonkeyPatch()
    patch.setenv("FLOE_HOME", str(home))
    site = Site(Settings())
    shuffled = records[:-50]
    random.Random(3).shuffle(shuffled)
    half = len(shuffled) // 2
    site.land(records[-50:] + shuffled[:half])
    site.run()
    site.rest = shuffled[half:]
    yield site
    patch.undo()


def test_nothing_is_computed_where_nothing_landed(site):
    """A second run finds every table current, but for what follows the moment itself."""
    told = site.run()
    assert changed(told) == {}
    assert set(told) - idle(told) <= {"mart.report_deadlines"}


def test_one_answer_touches_its_own(site):
    """A questionnaire leaves series, telemetry and safety alone; rows that say the same keep the
    stamp of the run that made them, and every table stands on the new cut.
    """
    before = site.table("mart.cohort_outcomes")
    at = site.rest.index(next(r for r in site.rest if r[0] == "floe.responses.v1"))
    site.land([site.rest.pop(at)])
    told = site.run()
    untouched = {"core.activity_days", "core.telemetry_sessions", "core.sessions", "mart.adex"}
    assert untouched <= idle(told)
    assert told["core.responses"][0] > 0
    after = site.table("mart.cohort_outcomes")
    assert set(before["lake_snapshot"]) & set(after["lake_snapshot"])
    cut = site.table("core.data_cut").row(0, named=True)
    assert set(site.table("app.cursors")["raw_snapshot"]) == {cut["lake_snapshot"]}


def test_a_reject_touches_what_counts_it(site):
    """One that holds no adverse event, session or study is nothing to rates and studies; one of a
    safety topic is counted beside the rates.
    """
    site.land([("floe.readings.v1", b"k", b"{")])
    told = site.run()
    counting = {"mart.adverse_event_rates", "mart.device_event_rates", "core.studies"}
    assert counting <= idle(told)
    site.land([("floe.adverse_events.v1", b"k", b"{")])
    told = site.run()
    assert told["mart.adverse_event_rates"][0] > 0
    assert {"mart.device_event_rates", "core.studies"} <= idle(told)
    assert changed(site.run(is_full=True)) == {}


def test_what_is_of_everybody_waits_for_its_hour(site):
    """Without models a run leaves them, and them alone, on the cut that they stand on; the next
    whole one computes what they missed, and nothing twice.
    """
    models = {f"mart.{name}" for name, mart in MARTS.items() if mart.is_of_everybody}
    at = site.rest.index(next(r for r in site.rest if r[0] == "floe.adverse_events.v1"))
    before = {name: site.table(name) for name in models}
    site.land([site.rest.pop(at)])
    told = site.run(is_without_models=True)
    left = {name for name, (_, why) in told.items() if "waits for its hour" in why}
    assert {"mart.clinic_funnel", "mart.adverse_event_comparisons"} <= left <= models
    assert told["mart.adae"][0] > 0
    for name, table in before.items():
        assert_frame_equal(site.table(name), table, check_row_order=False)
    cut = site.table("core.data_cut").row(0, named=True)
    cursors = site.table("app.cursors")
    behind = cursors.filter(pl.col("raw_snapshot") != cut["lake_snapshot"])
    assert set(behind["table_name"]) == left
    with Lake.open(site.settings, read_only=True) as lake:
        assert waiting(lake) == left
        assert not is_behind(lake)
    told = site.run()
    assert {name for name, (rows, _) in told.items() if rows} <= left
    with Lake.open(site.settings, read_only=True) as lake:
        assert not waiting(lake)
    assert changed(site.run(is_full=True)) == {}


def test_a_summary_of_strata_computes_those_that_are_touched(site):
    """After late answers, sessions and care of some patients: the strata that one of them is in are
    as the whole has them, and what is stored is the whole.
    """
    late = [
        r for r in site.rest if r[0] in ("floe.responses.v1", "floe.sessions.v1", "floe.care.v1")
    ]
    site.land(late[:40])
    site.rest = [r for r in site.rest if r not in late[:40]]
    assert site.run()["mart.cohort_outcomes"][0] > 0
    mart = MARTS["cohort_outcomes"]
    with LakeOfARun.open(site.settings) as lake:
        run = Run(lake)
        patient = lake.table("mart.adsl")["USUBJID"].sort().head(1)
        part = compute(mart, run, patient)
        whole = compute(mart, run).rows
        stored = lake.table(mart.table.full_name)
    keys, key = part.keys, [c for c in mart.table.key if c != "strata"]
    assert 0 < keys.height < whole.select(keys.columns).n_unique()
    of_keys = whole.join(keys, on=keys.columns, how="semi", nulls_equal=True)
    for found, expected in ((part.rows, of_keys), (stored, whole)):
        left, right = (
            f.drop("lake_snapshot", "data_cutoff", "strata").sort(key, nulls_last=True)
            for f in (found, expected)
        )
        assert_frame_equal(left, right, rel_tol=1e-9)


def test_rows_that_something_else_took_out_come_back(site):
    """A table that was changed without its cursor, as by the removal of a damaged file, is computed
    whole.
    """
    before = site.table("mart.adsl")
    with Lake.open(site.settings) as lake:
        lake.write(lambda w: w.execute("DELETE FROM mart.adsl WHERE STUDYID = 'ROUTINE'"))
    told = site.run()
    assert told["mart.adsl"][1] == "its own rows were changed by something else"
    assert site.table("mart.adsl").height == before.height


def test_whatever_comes_in_whatever_order(site):
    """Duplicates, corrections, clashes, late events in any order; a clinic's time zone that is
    corrected; two patients who are one: the full computation changes no row.
    """
    site.land(site.rest)
    told = site.run()
    assert told["core.activity_days"][0] > 0
    clinic = site.table("core.clinics").row(0, named=True)
    moved = {
        "clinic_id": clinic["clinic_id"],
        "name": clinic["name"],
        "timezone": "Pacific/Auckland",
        "revision": (clinic["revision"] or 0) + 1,
    }
    first, second = site.table("core.patients")["patient_id"].sort().head(2)
    merged = {
        "status_id": "merge-1",
        "patient_id": second,
        "status": "merged",
        "effective_on": "2026-03-01",
        "merged_into": first,
    }
    site.send("floe.clinics.v1", moved, id="moved", at=NOW - timedelta(days=400))
    site.send("floe.patient_status.v1", merged, id="merge-1", at=NOW - timedelta(days=60))
    told = site.run()
    assert "core.clinics" in told["core.activity_days"][1]
    assert second not in site.table("core.activity_days")["patient_id"].to_list()
    assert changed(site.run(is_full=True)) == {}


def test_a_setting_that_changes_computes_all(site, monkeypatch):
    """Another threshold is another definition: nothing counts as computed under it."""
    with Lake.open(site.settings, read_only=True) as lake:
        assert not is_behind(lake)
        monkeypatch.setenv("FLOE_RISK_WINDOW_DAYS", "14")
        assert is_behind(lake)
        run = Run(lake)
        stands = standing(
            run.cursors["mart.adsl"],
            inputs=(),
            changed=run.changed,
            touched_by_others=run.touched_by_others,
            cut=run.cut,
            options=Settings().options,
            follows="nothing",
        )
    assert stands.why == "the code, a setting or a library changed"
    assert not stands.is_current


def test_a_cursor_that_is_too_old_computes_all(site):
    """Where the lake no longer says what changed since, it may be anything."""
    with Lake.open(site.settings, read_only=True) as lake:
        run = Run(lake)
        now = run.lake.snapshot()
        run._changes = [(now, frozenset({"raw.care"}))]  # those before have expired
        assert run.changed(now - 2) is None
        assert run.changed(now - 1) == {"raw.care"}
        assert run.changed(now) == frozenset()


@pytest.mark.parametrize(
    ("follows", "minutes", "is_current"),
    [
        ("nothing", 600, True),
        ("hour", 1, True),
        ("hour", 60, False),
        ("moment", 0, True),
        ("moment", 1, False),
    ],
)
def test_time_alone_touches_what_follows_it(site, follows, minutes, is_current):
    """What changes with the hour of the data cut is computed when that goes on, not before."""
    with Lake.open(site.settings, read_only=True) as lake:
        run = Run(lake)
        cursor = replace(run.cursors["mart.adsl"], data_cutoff=run.cut.hour)
        stands = standing(
            cursor,
            inputs=(),
            changed=run.changed,
            touched_by_others=run.touched_by_others,
            cut=replace(run.cut, data_cutoff=run.cut.hour + timedelta(minutes=minutes)),
            options=Settings().options,
            follows=follows,
        )
    assert stands.is_current == is_current


def test_marts_that_follow_nothing(site):
    """Of the same tables they are the same at another data cut, but for their stamps."""
    with Lake.open(site.settings, read_only=True) as lake:
        run = Run(lake)
        inputs = {name for m in MARTS.values() if m.follows == "nothing" for name in m.inputs}
        tables, cut = {name: lake.table(name) for name in inputs}, run.cut
    later = replace(cut, data_cutoff=cut.data_cutoff + timedelta(days=40))
    for one in (m for m in MARTS.values() if m.follows == "nothing"):
        frames = {name.split(".")[1]: tables[name] for name in one.inputs}
        keys = () if one.is_summary else (None,)
        now, then = (
            one.compute(*keys, **frames, options=Settings().options, cut=at).select(
                c.name for c in one.table.columns if not c.is_stamp
            )
            for at in (cut, later)
        )
        assert now.equals(then), one.table.full_name
