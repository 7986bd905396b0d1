"""After any history, tables that followed each change are what a full computation makes: Hypothesis
draws the histories.

Here: batches in any order, copies, revisions, records entered in error, moved clinics, transfers,
merges, protocols, time that passes, other settings, upkeep with expiry, runs that stop between two
tables, models that wait. Not here: single cases (test_following.py), kills (test_resident.py,
tests/faults), summaries one by one (tests/transforms/marts/test_by_stratum.py).

`FLOE_HISTORIES` (2) histories of at most `FLOE_HISTORY_STEPS` (6) steps; `--hypothesis-seed` makes them
again. A failure prints its steps.
"""

import json
import os
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest.lake import Lake, LakeOfARun
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from orchestration.assets.order import in_order
from orchestration.automation import tidy
from orchestration.cut import DATA_CUT, is_behind, waiting
from orchestration.due import to_compute
from tests.followed import brought_up_to_date
from tests.orchestration.test_following import Site, changed

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = Plan(
    clinics=2,
    patients=8,
    days=80,
    seed=23,
    wearables_share=0.5,
    minute_level_share=0.2,
    duplicates_share=0.05,
    conflicts_share=0.02,
    late_share=0.05,
)
CORRECTED = ("floe.responses.v1", "floe.sessions.v1", "floe.adverse_events.v1", "floe.care.v1")
ZONES = ("Pacific/Auckland", "America/Los_Angeles", "Asia/Kathmandu")


@pytest.fixture(scope="module")
def records() -> list[tuple]:
    """In an order in which they may have landed."""
    records = list(simulate(PLAN))
    random.Random(5).shuffle(records)
    return records


@pytest.fixture(scope="module")
def computed_home(tmp_path_factory, with_lake, records) -> Path:
    """Half of what happened, computed whole."""
    home = with_lake(tmp_path_factory.mktemp("histories"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOE_HOME", str(home))
        site = Site(Settings())
        site.land(records[: len(records) // 2])
        site.run()
    return home


class History(RuleBasedStateMachine):
    """One site; each rule is something that may happen to it. `home`, `records`: of the fixtures."""

    home: Path
    records: list[tuple]

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="history-")
        home = shutil.copytree(self.home, Path(self.folder) / "home")
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("FLOE_HOME", str(home))
        self.site = Site(Settings())
        self.site.landed = 1_000  # partitions of what had landed are others
        half = len(self.records) // 2
        self.past, self.rest = self.records[:half], self.records[half:]
        self.steps = 0

    def teardown(self) -> None:
        """All that is waited for is computed, and a full run changes nothing of it."""
        if not hasattr(self, "site"):
            return
        try:
            self.site.run()
            assert not waiting_tables(self.site)
            assert changed(self.site.run(is_full=True)) == {}
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder)

    def number(self) -> int:
        self.steps += 1
        return self.steps

    # --- what lands ---------------------------------------------------------------------------

    @precondition(lambda self: self.rest)
    @rule(n=st.integers(1, 60))
    def more_lands(self, n: int) -> None:
        batch, self.rest = self.rest[:n], self.rest[n:]
        self.site.land(batch)
        self.past += batch

    @rule(seed=st.integers(0, 10_000))
    def some_land_again(self, seed: int) -> None:
        self.site.land(random.Random(seed).sample(self.past, 15))

    @rule(seed=st.integers(0, 10_000), topic=st.sampled_from(CORRECTED))
    def a_record_is_revised(self, seed: int, topic: str) -> None:
        """It happened an hour later than was said."""
        event = self._one_of(topic, seed)
        if event:
            at = datetime.fromisoformat(event["time"]) + timedelta(hours=1)
            data = event["data"] | {"revision": 10 + self.number()}
            for name in ("answered_at", "started_at", "onset_at", "occurred_at"):
                if data.get(name):
                    data[name] = (
                        datetime.fromisoformat(data[name]) + timedelta(hours=1)
                    ).isoformat()
            self._send(topic, data, at=at)

    @rule(seed=st.integers(0, 10_000), topic=st.sampled_from(CORRECTED))
    def a_record_was_an_error(self, seed: int, topic: str) -> None:
        event = self._one_of(topic, seed)
        if event:
            wrong = {"record_status": "entered_in_error", "revision": 50 + self.number()}
            self._send(topic, event["data"] | wrong, at=datetime.fromisoformat(event["time"]))

    @rule(seed=st.integers(0, 10_000), zone=st.sampled_from(ZONES))
    def a_clinic_is_elsewhere(self, seed: int, zone: str) -> None:
        clinic = random.Random(seed).choice(self.site.table("core.clinics").rows(named=True))
        data = {"clinic_id": clinic["clinic_id"], "name": clinic["name"], "timezone": zone}
        data |= {"revision": 10 + self.number()}
        self._send("floe.clinics.v1", data, at=NOW - timedelta(days=400))

    @rule(seed=st.integers(0, 10_000), status=st.sampled_from(("merged", "transferred")))
    def a_patient_is_merged_or_transferred(self, seed: int, status: str) -> None:
        chance = random.Random(seed)
        patients = self.site.table("core.patients")["patient_id"].sort().to_list()
        if len(patients) < 4:
            return
        one, other = chance.sample(patients, 2)
        clinics = self.site.table("core.clinics")["clinic_id"].to_list()
        what = (
            {"merged_into": other} if status == "merged" else {"clinic_id": chance.choice(clinics)}
        )
        data = {
            "status_id": f"history-{self.number()}",
            "patient_id": one,
            "status": status,
            "effective_on": str((NOW - timedelta(days=chance.randint(20, 100))).date()),
        }
        self._send("floe.patient_status.v1", data | what, at=NOW - timedelta(days=10))

    @rule(hotter=st.integers(-20, 40))
    def a_protocol_is_changed(self, hotter: int) -> None:
        for event in self._all_of("floe.protocols.v1")[:1]:
            data = event["data"] | {"cabin_min_temp_c": -110.0 + hotter}
            data["revision"] = 10 + self.number()
            self._send("floe.protocols.v1", data, at=datetime.fromisoformat(event["time"]))

    @rule(hours=st.integers(1, 24 * 40))
    def time_passes(self, hours: int) -> None:
        """Something else happens later: windows close, periods at risk end."""
        cut = self.site.table(DATA_CUT.full_name)["data_cutoff"][0]
        data = {"clinic_id": f"L{self.number()}", "name": "Later", "timezone": "UTC"}
        self._send("floe.clinics.v1", data, at=min(cut + timedelta(hours=hours), NOW))

    # --- what runs ----------------------------------------------------------------------------

    @rule(without_models=st.booleans())
    def a_run(self, without_models: bool) -> None:
        self.site.run(is_without_models=without_models)

    @rule(share=st.floats(0, 1))
    def a_run_that_stops(self, share: float) -> None:
        """After some of its tables; the next one finds which."""
        names = [one.table.full_name for one in in_order()]
        self.site.run(only=names[: int(share * len(names))])

    @rule()
    def a_run_of_what_is_not_current(self) -> None:
        """As `floe follow` makes it."""
        with LakeOfARun.open(self.site.settings) as lake:
            chosen = to_compute(lake, with_models=True)
            brought_up_to_date(lake, only=[one.table.full_name for one in chosen])
            assert not is_behind(lake)

    @rule(days=st.sampled_from(("14", "30", "45")))
    def a_setting_is_another(self, days: str) -> None:
        self.patch.setenv("FLOE_RISK_WINDOW_DAYS", days)

    @rule(minutes=st.sampled_from((0, 60)))
    def upkeep(self, minutes: int) -> None:
        """With every snapshot expired that nothing needs any more, or none."""
        with Lake.open(self.site.settings) as lake:
            tidy(lake, keep=timedelta(minutes=minutes))

    # --- events -------------------------------------------------------------------------------

    def _all_of(self, topic: str) -> list[dict]:
        return [json.loads(value) for of, _, value in self.past if of == topic and value]

    def _one_of(self, topic: str, seed: int) -> dict | None:
        events = self._all_of(topic)
        return random.Random(seed).choice(events) if events else None

    def _send(self, topic: str, data: dict, *, at: datetime) -> None:
        self.site.send(topic, data, id=f"history-{self.number()}", at=at)


def waiting_tables(site: Site) -> frozenset[str]:
    with Lake.open(site.settings, read_only=True) as lake:
        return waiting(lake)


@pytest.mark.timeout(3_600)
def test_following_is_computing_whole_after_any_history(computed_home, records):
    """Whatever happened in between: no row that is stored is another than in a full computation."""

    of_this_lake = type("OfThisLake", (History,), {"home": computed_home, "records": records})
    run_state_machine_as_test(
        of_this_lake,
        settings=settings(
            max_examples=int(os.environ.get("FLOE_HISTORIES", "2")),
            stateful_step_count=int(os.environ.get("FLOE_HISTORY_STEPS", "6")),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate],  # to shrink a failure would take hours
        ),
    )
